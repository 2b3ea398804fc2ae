"""The demo's market: twenty synthetic instruments and one exchange rate, walking at random.

All of it is drawn from a seed: the same seed gives the same prices, session by session and tick by
tick. Prices are in the instrument's currency, the rate is dollars for one euro. All instruments
trade on the calendar `24/7`, whose sessions are the UTC days.
"""

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Literal, NamedTuple

from client.market import Close, Instrument, Mark, Marks, Rate, Session

CALENDAR = "24/7"
EURO_RATE = "EUR/USD"
TICKS_PER_DAY = 1_000
"""A tick moves as far as 1/1,000 of a day does, so that a minute is worth watching."""

_COMMON_PART = 0.6
_OWN_PART = 0.8
_HOMESICKNESS = 0.002

Prices = dict[str, Decimal]


class DemoInstrument(NamedTuple):
    """A synthetic instrument; volatility is the standard deviation of a day's log return."""

    name: str
    company: str
    currency: str
    asset_class: Literal["equity", "fund", "crypto"]
    sector: str | None
    first_price: float
    volatility: float

    @property
    def places(self) -> int:
        """Decimals of its price."""
        return 4 if self.asset_class == "crypto" else 2

    @property
    def is_divisible(self) -> bool:
        """Whether parts of one unit are traded."""
        return self.asset_class == "crypto"

    def registration(self) -> Instrument:
        """Give the command that registers it."""
        return Instrument(
            instrument=self.name,
            symbol=self.company,
            currency=self.currency,
            asset_class=self.asset_class,
            calendar=CALENDAR,
            sector=self.sector,
        )


INSTRUMENTS: tuple[DemoInstrument, ...] = (
    DemoInstrument("ALTA", "Alta Compute", "USD", "equity", "Information Technology", 212, 0.021),
    DemoInstrument("BRIO", "Brio Chips", "USD", "equity", "Information Technology", 96, 0.028),
    DemoInstrument("CALM", "Calm Software", "USD", "equity", "Information Technology", 341, 0.019),
    DemoInstrument("DELA", "Dela Health", "USD", "equity", "Health Care", 154, 0.014),
    DemoInstrument("EBON", "Ebon Pharma", "USD", "equity", "Health Care", 47, 0.024),
    DemoInstrument("FENN", "Fenn Bank", "USD", "equity", "Financials", 63, 0.017),
    DemoInstrument("GALE", "Gale Insurance", "USD", "equity", "Financials", 118, 0.013),
    DemoInstrument("HARP", "Harp Foods", "USD", "equity", "Consumer Staples", 58, 0.010),
    DemoInstrument("IVOR", "Ivor Retail", "USD", "equity", "Consumer Discretionary", 27, 0.023),
    DemoInstrument("JUNO", "Juno Motors", "USD", "equity", "Consumer Discretionary", 189, 0.031),
    DemoInstrument("KELP", "Kelp Energy", "USD", "equity", "Energy", 74, 0.022),
    DemoInstrument("LUMO", "Lumo Power", "USD", "equity", "Utilities", 41, 0.009),
    DemoInstrument("MESA", "Mesa Mining", "USD", "equity", "Materials", 33, 0.026),
    DemoInstrument("NOVA", "Nova Freight", "USD", "equity", "Industrials", 132, 0.016),
    DemoInstrument("OPAL", "Opal Towers", "USD", "equity", "Real Estate", 88, 0.012),
    DemoInstrument("PIKE", "Pike Broad Index", "USD", "fund", None, 402, 0.010),
    DemoInstrument("QUIL", "Quil Verlag", "EUR", "equity", "Communication Services", 52, 0.015),
    DemoInstrument("RHEA", "Rhea Chemie", "EUR", "equity", "Materials", 107, 0.018),
    DemoInstrument("SOLA", "Sola Bahn", "EUR", "equity", "Industrials", 24, 0.014),
    DemoInstrument("TERN", "Tern Coin", "USD", "crypto", None, 1_870, 0.040),
)
BY_NAME = {instrument.name: instrument for instrument in INSTRUMENTS}
_FIRST = {each.name: each.first_price for each in INSTRUMENTS} | {EURO_RATE: 1.09}
_VOLATILITY = {each.name: each.volatility for each in INSTRUMENTS} | {EURO_RATE: 0.005}
_PLACES = {each.name: each.places for each in INSTRUMENTS} | {EURO_RATE: 4}


class DemoMarket:
    """Walks through its past sessions, then on by ticks; `prices` are those of the last step."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"pms demo market {seed}")
        self._values = dict(_FIRST)
        self.prices = self._rounded()

    def sessions(self, count: int) -> Iterator[Prices]:
        """Walk through `count` sessions and give each one's closes."""
        for _ in range(count):
            yield self._step(1.0)

    def tick(self) -> Prices:
        """Walk one tick on."""
        return self._step(1.0 / TICKS_PER_DAY)

    def _step(self, days: float) -> Prices:
        """Move every price: a part common to all, a part of its own, a slight pull homewards."""
        scale = math.sqrt(days)
        everybody = self._random.gauss(0.0, 1.0)
        for name, value in self._values.items():
            drawn = _COMMON_PART * everybody + _OWN_PART * self._random.gauss(0.0, 1.0)
            pull = _HOMESICKNESS * math.log(_FIRST[name] / value) * days
            self._values[name] = value * math.exp(_VOLATILITY[name] * scale * drawn + pull)
        self.prices = self._rounded()
        return self.prices

    def _rounded(self) -> Prices:
        return {
            name: max(Decimal(f"{value:.{_PLACES[name]}f}"), Decimal(1).scaleb(-_PLACES[name]))
            for name, value in self._values.items()
        }


class DemoSession(NamedTuple):
    """One UTC day of the calendar `24/7`."""

    day: date

    @property
    def starts_at(self) -> datetime:
        """Its first instant."""
        return datetime.combine(self.day, datetime.min.time(), UTC)

    @property
    def ends_at(self) -> datetime:
        """The first instant after it."""
        return self.starts_at + timedelta(days=1)

    def closing(self, prices: Prices) -> Session:
        """Give the command that closes it at some prices."""
        return Session(
            calendar=CALENDAR,
            session=self.day,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            closes=[Close(instrument=each.name, price=prices[each.name]) for each in INSTRUMENTS],
        )


def sessions_before(today: date, count: int) -> list[DemoSession]:
    """List the `count` sessions that end with yesterday."""
    return [DemoSession(today - timedelta(days=back)) for back in range(count, 0, -1)]


def market_marks(prices: Prices, at: datetime) -> Marks:
    """Give the command that marks the whole market."""
    marks = [Mark(instrument=each.name, price=prices[each.name]) for each in INSTRUMENTS]
    return Marks(at=at, marks=marks, rates=[_euro(prices)])


def rate_marks(prices: Prices, at: datetime) -> Marks:
    """Give the command that puts the exchange rate in force."""
    return Marks(at=at, rates=[_euro(prices)])


def _euro(prices: Prices) -> Rate:
    return Rate(base="EUR", quote="USD", rate=prices[EURO_RATE])
