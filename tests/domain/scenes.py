"""Words for domain tests: fills, portfolios and bookings with every field given a plain value."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from domain.book import Book, History
from domain.held import BookTotals
from domain.identity import trade_id
from domain.instrument import (
    AssetClass,
    Instrument,
    InstrumentChange,
    InstrumentRegistered,
    InstrumentSuspended,
)
from domain.lots import CostBasis, Fill, Side
from domain.market import Close, Mark
from domain.marking import Market, close_session
from domain.money import Money
from domain.portfolio.booking import Booking, book_fill, cash_change
from domain.portfolio.cash import open_portfolio
from domain.portfolio.events import CashDeposited, PortfolioOpened, TradeBooked
from domain.portfolio.state import Portfolio
from domain.trade import Capture, Intent

ACME = "acme"
FUND = "growth"
APPLE = "AAPL"
DESK = "desk-1"
MONDAY, TUESDAY, WEDNESDAY = date(2024, 1, 8), date(2024, 1, 9), date(2024, 1, 10)
NOON = datetime(2024, 1, 8, 12, tzinfo=UTC)
FRIDAY_NOON = datetime(2024, 1, 12, 12, tzinfo=UTC)
BUY, SELL = Side.BUY, Side.SELL
FIFO, AVERAGE = CostBasis.FIFO, CostBasis.AVERAGE

Number = int | str | Decimal


def exact(*numbers: Number) -> tuple[Decimal, ...]:
    """Write several exact decimals at once."""
    return tuple(Decimal(number) for number in numbers)


def name_of(external_id: str, source: str = DESK) -> UUID:
    """The id of the trade a source names so."""
    return trade_id(ACME, source, external_id, None)


def fill(external_id: str, side: Side, quantity: Number, price: Number, **changes: Any) -> Fill:
    """A fill on Monday without a time of day, its consideration the exact product."""
    source = changes.get("source", DESK)
    made = Fill(
        trade_id=name_of(external_id, source),
        source=source,
        external_id=external_id,
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        consideration=Decimal(quantity) * Decimal(price),
        trade_date=MONDAY,
    )
    amounts = ("fee", "consideration")
    given = {name: Decimal(changes.pop(name)) for name in amounts if name in changes}
    return msgspec.structs.replace(made, **given, **changes)


def bought(external_id: str, quantity: Number, price: Number, **changes: Any) -> Fill:
    """A purchase."""
    return fill(external_id, BUY, quantity, price, **changes)


def sold(external_id: str, quantity: Number, price: Number, **changes: Any) -> Fill:
    """A sale."""
    return fill(external_id, SELL, quantity, price, **changes)


def opened(basis: CostBasis = FIFO, **changes: Any) -> PortfolioOpened:
    """The opening of a dollar portfolio that may do neither leverage nor short sales."""
    wanted: dict[str, Any] = {
        "portfolio": FUND,
        "base_currency": "USD",
        "cost_basis": basis,
        "calendar": None,
        "allows_leverage": False,
        "allows_short": False,
    }
    event = open_portfolio(None, **(wanted | changes))
    assert event is not None, "a portfolio that is not there opens"
    return event


def portfolio(basis: CostBasis = FIFO, *, cash: Number = 0, **changes: Any) -> Portfolio:
    """An open portfolio, with dollars if wanted."""
    made = Portfolio()
    made.apply(opened(basis, **changes))
    if cash:
        made.apply(deposited(cash))
    return made


def deposited(amount: Number, balance: Number | None = None) -> CashDeposited:
    """A deposit of dollars on Monday."""
    held = Decimal(amount if balance is None else balance)
    return CashDeposited(
        portfolio=FUND, amount=Money(Decimal(amount), "USD"), balance=held, value_date=MONDAY
    )


def history_of(fills: Callable[[], Iterable[Fill]]) -> History:
    """A history that gives every fill, whatever is asked: more than needed, never less."""
    return lambda _from_version: [(1, each) for each in fills()]


class Desk:
    """A portfolio that books fills of AAPL as they arrive, keeping what it booked and decided."""

    def __init__(self, basis: CostBasis = FIFO, *, cash: Number = 0) -> None:
        self.portfolio = portfolio(basis, cash=cash)
        self.fills: list[Fill] = []
        self.events: list[Booking] = []

    @property
    def book(self) -> Book:
        """The book of AAPL."""
        return self.portfolio.book(APPLE)

    def decide(self, wanted: Fill, rate: Decimal | None = None) -> list[Booking]:
        """Decide a fill without booking it."""
        return book_fill(
            self.portfolio,
            instrument=APPLE,
            currency="USD",
            fill=wanted,
            history=history_of(lambda: self.fills),
            rate_to_base=rate,
        )

    def take(self, *fills: Fill) -> list[Booking]:
        """Decide and book fills in this order; give the events of the last one."""
        events: list[Booking] = []
        for wanted in fills:
            events = self.decide(wanted)
            for event in events:
                self.portfolio.apply(event)
            self.events += events
            self.fills.append(wanted)
        return events


def after(basis: CostBasis, fills: Iterable[Fill]) -> Desk:
    """A desk that has booked some fills in the order given."""
    made = Desk(basis)
    made.take(*fills)
    return made


def totals(quantity: object, cost: object, *rest: object) -> BookTotals:
    """Totals: quantity and cost, then fees, realised gross and net."""
    return BookTotals(*(Decimal(str(number)) for number in (quantity, cost, *rest)))


def booked(wanted: Fill, **changes: object) -> TradeBooked:
    """The booking of a fill of AAPL, without closed parts."""
    plain = TradeBooked(
        portfolio=FUND,
        instrument=APPLE,
        currency="USD",
        fill=wanted,
        totals=totals(0, 0),
        cash_change=cash_change(wanted),
        cash_after=cash_change(wanted),
    )
    return msgspec.structs.replace(plain, **changes)


@dataclass
class Many:
    """A desk that holds many lots of one share, each bought on Monday at its number."""

    count: int
    basis: CostBasis = FIFO

    def desk(self) -> Desk:
        """Buy them."""
        return after(
            self.basis,
            [bought(f"b-{number:04}", 1, number) for number in range(1, self.count + 1)],
        )


def registered(instrument: str = APPLE, **changes: Any) -> InstrumentRegistered:
    """The registration of a New York equity in dollars."""
    event = InstrumentRegistered(
        instrument=instrument,
        symbol=instrument,
        currency="USD",
        asset_class=AssetClass.EQUITY,
        calendar="XNYS",
    )
    return msgspec.structs.replace(event, **changes)


def instrument(name: str = APPLE, **changes: Any) -> Instrument:
    """A registered instrument."""
    made = Instrument()
    made.apply(registered(name, **changes))
    return made


def instrument_after(*changes: InstrumentChange) -> Instrument:
    """AAPL after these changes in its life."""
    made = instrument()
    for change in changes:
        made.apply(change)
    return made


def suspended(at: datetime = NOON, reason: str = "halted") -> InstrumentSuspended:
    """Trading in AAPL stopped, on Monday noon if not said otherwise."""
    return InstrumentSuspended(instrument=APPLE, from_at=at, reason=reason)


def captured(external_id: str = "t-1", **changes: Any) -> Capture:
    """A proposed purchase of 100 AAPL at 10 on Monday, with changes."""
    wanted = Capture(
        portfolio=FUND,
        source=DESK,
        external_id=external_id,
        intent=Intent.PROPOSED,
        instrument=APPLE,
        side=BUY,
        quantity=Decimal(100),
        price=Decimal(10),
        currency="USD",
        trade_date=MONDAY,
    )
    return msgspec.structs.replace(wanted, **changes)


def told(external_id: str = "t-1", **changes: Any) -> Capture:
    """The same, executed."""
    return captured(external_id, **{"intent": Intent.EXECUTED, **changes})


def minutes(count: int) -> datetime:
    """So many minutes after Monday noon."""
    return NOON + timedelta(minutes=count)


def mark(name: str, price: Number) -> Mark:
    """A mark."""
    return Mark(name, Decimal(price))


def close(name: str, price: Number) -> Close:
    """A close without a bar."""
    return Close(instrument=name, price=Decimal(price))


def bar() -> Close:
    """LNT at 10, open 9.5, between 9 and 11, 100 traded."""
    return Close(
        instrument="LNT",
        price=Decimal(10),
        has_bar=True,
        open=Decimal("9.5"),
        high=Decimal(11),
        low=Decimal(9),
        volume=Decimal(100),
    )


def day_of(session: date) -> tuple[datetime, datetime]:
    """The interval of a New York winter session, 14:30 to 21:00 UTC."""
    start = datetime(session.year, session.month, session.day, 14, 30, tzinfo=UTC)
    return start, start + timedelta(hours=6, minutes=30)


def market_after(*sessions: tuple[date, *tuple[Close, ...]]) -> Market:
    """A market whose New York sessions closed so, everything in them known."""
    market = Market()
    for session, *closes in sessions:
        starts_at, ends_at = day_of(session)
        event = close_session(
            market,
            calendar="XNYS",
            session=session,
            starts_at=starts_at,
            ends_at=ends_at,
            closes=tuple(closes),
            known=dict.fromkeys(each.instrument for each in closes),
            now=FRIDAY_NOON,
        )
        assert event is not None, "sessions are given in order, each once"
        market.apply(event)
    return market
