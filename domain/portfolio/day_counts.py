"""What a portfolio traded on its last trade dates, bought and sold added up.

A trade counts on its own date, however late it comes; what is busted or amended is given back.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import msgspec

from domain.lots import Fill
from domain.money import ZERO

DAYS_COUNTED = 10
"""The newest trade dates that are counted; of those before nothing is known any more."""


class Counted(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Units of an instrument traded on a date, and what they were worth in its currency."""

    quantity: Decimal
    notional: Decimal
    currency: str


class Total(msgspec.Struct, frozen=True, gc=False):
    """Units of all instruments traded on a date, and by currency what they were worth."""

    quantity: Decimal = ZERO
    worth: Mapping[str, Decimal] = {}

    def plus(self, quantity: Decimal, notional: Decimal, currency: str) -> "Total":
        """Give the total with a trade more."""
        worth = {**self.worth, currency: self.worth.get(currency, ZERO) + notional}
        return Total(self.quantity + quantity, worth)


_NONE: Mapping[str, Counted] = {}


class DayCounts:
    """Counts by trade date and instrument; dates up to `forgotten` are not counted any more.

    The totals of a date are added up when first asked for, and followed from then on.
    """

    __slots__ = ("_owned", "_totals", "days", "forgotten")

    def __init__(
        self, days: dict[date, dict[str, Counted]] | None = None, forgotten: date | None = None
    ) -> None:
        self.days = {} if days is None else days
        self.forgotten = forgotten
        self._owned: set[date] = set()
        self._totals: dict[date, Total] = {}

    def __eq__(self, other: object) -> bool:
        """Say whether the same was counted."""
        return (
            isinstance(other, DayCounts)
            and self.days == other.days
            and self.forgotten == other.forgotten
        )

    __hash__ = None  # type: ignore[assignment]

    def fork(self) -> "DayCounts":
        """Copy; a date is copied only when it first changes."""
        self._owned = set()
        twin = DayCounts(self.days.copy(), self.forgotten)
        twin._totals = self._totals.copy()
        return twin

    def on(self, day: date) -> Mapping[str, Counted] | None:
        """Give what was traded on a date, by instrument; None where that is forgotten."""
        if self.forgotten is not None and day <= self.forgotten:
            return None
        return self.days.get(day, _NONE)

    def total_on(self, day: date) -> Total | None:
        """Give what was traded on a date in all; None where that is forgotten."""
        counts = self.on(day)
        if counts is None:
            return None
        total = self._totals.get(day)
        if total is None:
            total = Total()
            for each in counts.values():
                total = total.plus(each.quantity, each.notional, each.currency)
            self._totals[day] = total
        return total

    def add(self, instrument: str, currency: str, fill: Fill) -> None:
        """Count a fill that was booked."""
        self._change(instrument, currency, fill.trade_date, fill.quantity, fill.consideration)

    def take_back(self, instrument: str, currency: str, fill: Fill) -> None:
        """Give back a fill that was taken out."""
        self._change(instrument, currency, fill.trade_date, -fill.quantity, -fill.consideration)

    def _change(
        self, instrument: str, currency: str, day: date, quantity: Decimal, notional: Decimal
    ) -> None:
        if self.forgotten is not None and day <= self.forgotten:
            return
        if day not in self._owned:
            self.days[day] = dict(self.days.get(day, _NONE))
            self._owned.add(day)
        total = self._totals.get(day)
        if total is not None:
            self._totals[day] = total.plus(quantity, notional, currency)
        counts = self.days[day]
        known = counts.get(instrument)
        if known is not None:
            quantity, notional = known.quantity + quantity, known.notional + notional
        if quantity or notional:
            counts[instrument] = Counted(quantity or ZERO, notional or ZERO, currency)
        else:
            counts.pop(instrument, None)
        if not counts:
            self._forget(day)
        elif len(self.days) > DAYS_COUNTED:
            oldest = min(self.days)
            self._forget(oldest)
            self.forgotten = oldest

    def _forget(self, day: date) -> None:
        del self.days[day]
        self._owned.discard(day)
        self._totals.pop(day, None)
