"""What a portfolio's value is held against: its highest, and that at the start of the day.

Cash and lots that come in or go out are no gain and no loss: what was seen before is scaled by
what a flow does to the value, as a time-weighted return chains over it. Where that cannot be said
(no complete value around the flow, or none above zero), it begins anew behind the flow.
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from domain.alerts.seen import Seen
from domain.money import ONE

RECORDS_MAX = 8
"""Highest values remembered, each higher than the one before: where a correction lowers the last
ones, an earlier one is the highest."""


class High(msgspec.Struct, frozen=True, gc=False):
    """A value seen, and what flows since then make of it: it counts as seen x `scale`."""

    seen: Seen
    scale: Decimal = ONE

    @property
    def value(self) -> Decimal:
        """What the value now is held against."""
        return self.seen.nav * self.scale


Restate = Callable[[Seen], Seen]


class Highs:
    """The highest values of a portfolio since it is followed, oldest and lowest first."""

    def __init__(self) -> None:
        self.records: tuple[High, ...] = ()
        self._before: Decimal | None = None
        self._is_broken = False

    @property
    def base(self) -> High | None:
        """The highest; None before the first complete value."""
        return max(self.records, key=lambda each: each.value) if self.records else None

    def follow(self, seen: Seen | None, *, is_flow: bool, day: date) -> None:  # noqa: ARG002
        """Follow one valuation, of what it is after a flow if it was one; None: incomplete."""
        if seen is None:
            self._is_broken = self._is_broken or is_flow
            return
        if is_flow or self._is_broken:
            self.records = scaled(self.records, None if self._is_broken else self._before, seen)
        self._is_broken, self._before = False, seen.nav
        base = self.base
        if base is None or seen.nav > base.value:
            self.records = (*self.records, High(seen))[-RECORDS_MAX:]

    def restate(self, restate: Restate) -> None:
        """Take what was seen as it is known now."""
        self.records = restated_all(self.records, restate)


class DayStart:
    """The last value before the business day began, or the first on the day it is followed."""

    def __init__(self) -> None:
        self.records: tuple[High, ...] = ()
        self._day: date | None = None
        self._last: Seen | None = None
        self._is_broken = False

    @property
    def base(self) -> High | None:
        """The value at the start; None before the first complete value."""
        return self.records[0] if self.records else None

    def follow(self, seen: Seen | None, *, is_flow: bool, day: date) -> None:
        """Follow one valuation on a business day, as `Highs.follow` does."""
        if self._day != day:
            self._day = day
            self.records = () if self._last is None else (High(self._last),)
        if seen is None:
            self._is_broken = self._is_broken or is_flow
            return
        if is_flow or self._is_broken:
            before = None if self._is_broken or self._last is None else self._last.nav
            self.records = scaled(self.records, before, seen)
        self._is_broken, self._last = False, seen
        if not self.records:
            self.records = (High(seen),)

    def restate(self, restate: Restate) -> None:
        """Take what was seen as it is known now."""
        self.records = restated_all(self.records, restate)
        self._last = None if self._last is None else restate(self._last)


def scaled(records: tuple[High, ...], before: Decimal | None, seen: Seen) -> tuple[High, ...]:
    """Scale what was seen by a flow; without a value above zero on both sides begin anew."""
    if before is None or before <= 0 or seen.nav <= 0:
        return (High(seen),)
    return tuple(replace(each, scale=each.scale * seen.nav / before) for each in records)


def restated_all(records: tuple[High, ...], restate: Restate) -> tuple[High, ...]:
    """Give records as what they saw is known now."""
    return tuple(replace(each, seen=restate(each.seen)) for each in records)
