"""The naive model's market: marks and closes as they stand, and splits that hold."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import NamedTuple

from domain.corporate_actions import Split, StockDividend
from domain.event import Event
from domain.instrument import CorporateActionDeclared, CorporateActionReversed, WrittenDown
from domain.market import CloseCorrected, MarketMarked, SessionClosed

Told = tuple[str, Event]


class MarkRow(NamedTuple):
    """A mark as it stands: where it is in time and in the log, and which close it is, if one."""

    name: str
    at: datetime
    position: int
    price: Decimal | None
    close: tuple[str, date] | None
    is_written_down: bool = False


def rounded(value: Fraction, places: int) -> Decimal:
    """Round half-even to decimal places, exactly."""
    scaled = round(value * 10**places)
    return Decimal(scaled).scaleb(-places).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)


class Market:
    """What is known of the market after some events: sessions, marks and splits."""

    def __init__(self, told: Sequence[Told]) -> None:
        self.told = told
        self.sessions: dict[str, list[SessionClosed]] = {}
        self.marks: list[MarkRow] = []
        self.splits: dict[tuple[str, str], Split | StockDividend] = {}
        for position, (_, event) in enumerate(told, start=1):
            if isinstance(event, MarketMarked):
                for mark in event.marks:
                    self._mark(mark.instrument, event.at, position, mark.price)
                for rate in event.rates:
                    self._mark(f"{rate.base}/{rate.quote}", event.at, position, rate.rate)
            elif isinstance(event, SessionClosed):
                self.sessions.setdefault(event.calendar, []).append(event)
                for close in event.closes:
                    key = (event.calendar, event.session)
                    self._mark(close.instrument, event.ends_at, position, close.price, key)
            elif isinstance(event, CloseCorrected):
                key = (event.calendar, event.session)
                name = event.instrument
                self.marks = [m for m in self.marks if (m.name, m.close) != (name, key)]
                self._mark(name, event.ends_at, position, event.price, key)
            elif isinstance(event, CorporateActionDeclared):
                action = event.terms.action
                if isinstance(action, Split | StockDividend):
                    self.splits[action.instrument, action.action] = action
            elif isinstance(event, CorporateActionReversed):
                self.splits.pop((event.instrument, event.action), None)
            elif isinstance(event, WrittenDown):
                row = MarkRow(event.instrument, event.at, position, event.price, None, True)
                self.marks.append(row)

    def _mark(
        self, name: str, at: datetime, position: int, price: Decimal | None,
        close: tuple[str, date] | None = None,
    ) -> None:  # fmt: skip
        self.marks.append(MarkRow(name, at, position, price, close))

    def is_written_down(self, name: str, at: datetime) -> bool:
        """Whether the price in force is a write-down."""
        found = self._in_force(name, at)
        return found is not None and found.is_written_down

    def price(self, name: str, at: datetime) -> tuple[datetime, Fraction] | None:
        """The price in force."""
        best = self._in_force(name, at)
        if best is None:
            return None
        assert best.price is not None
        return best.at, Fraction(best.price)

    def marked_on(self, name: str, at: datetime) -> date:
        """The date in whose units the price in force is told."""
        best = self._in_force(name, at)
        assert best is not None
        return best.at.date() if best.close is None else best.close[1]

    def factor(self, name: str, told_on: date, on: date, *, is_own: bool) -> Fraction:
        """What makes of a price of one date's units that of another's."""
        made = Fraction(1)
        for split in self.splits.values():
            is_after = split.ex_date <= told_on or (split.prices_adjusted and not is_own)
            if split.instrument == name and is_after != (split.ex_date <= on):
                made *= multiple(split) if is_after else 1 / multiple(split)
        return made

    def _in_force(self, name: str, at: datetime) -> MarkRow | None:
        found = [m for m in self.marks if m.name == name and m.at <= at and m.price is not None]
        return max(found, key=lambda m: (m.at, m.position), default=None)


def multiple(split: Split | StockDividend) -> Fraction:
    """How many units one unit becomes."""
    if isinstance(split, Split):
        return Fraction(split.new, split.old)
    return Fraction(split.held + split.new, split.held)
