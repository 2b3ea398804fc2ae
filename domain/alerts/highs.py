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

RECORDS_MAX = 16
"""Highest values remembered of a portfolio, beside the one of now; each keeps a whole valuation."""


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
    """The highest values of a portfolio since it is followed, of one stretch each, oldest first.

    Within a stretch all is valued by the same trades and closes, so what proves false is false of
    whole stretches; and then the highest of the others is the highest, be it from before or from
    the shadow of the false one. Where there are more than so many stretches, the two neighbours
    closest in value become one, of the higher value. So the highest as seen is always exact; as
    restated it is, unless what was false differed from the true value beside it by less than any
    two other neighbours remembered: then it may be too low, by less than was false.
    """

    def __init__(self) -> None:
        self.records: tuple[High, ...] = ()
        self._closes: list[str] = []
        self._before: Decimal | None = None
        self._is_broken = False

    @property
    def base(self) -> High | None:
        """The highest; None before the first complete value."""
        return max(self.records, key=lambda each: each.value) if self.records else None

    def follow(self, seen: Seen | None, *, is_flow: bool) -> None:
        """Follow one valuation, of what it is after a flow if it was one; None: incomplete."""
        if seen is None:
            self._is_broken = self._is_broken or is_flow
            return
        if is_flow or self._is_broken:
            self.records = scaled(self.records, None if self._is_broken else self._before, seen)
        self._is_broken, self._before = False, seen.nav
        if not self.records or not self._is_as_before(self.records[-1].seen, seen):
            self._closes = seen.closes
            self.records = bounded((*self.records, High(seen)))
        elif seen.nav > self.records[-1].value:
            self.records = (*self.records[:-1], High(seen))

    def _is_as_before(self, last: Seen, seen: Seen) -> bool:
        """Say whether it is valued by the trades and closes by which the last was."""
        return last.facts == seen.facts and all(
            last.quote(name) == seen.quote(name) for name in self._closes
        )

    def restate(self, restate: Restate) -> None:
        """Take what was seen as it is known now."""
        self.records = restated_all(self.records, restate)


class DayStart:
    """The last value before the business day began, or the first on the day it is followed."""

    def __init__(self) -> None:
        self.records: tuple[High, ...] = ()
        self.day: date | None = None
        self._last: Seen | None = None
        self._is_broken = False

    @property
    def base(self) -> High | None:
        """The value at the start; None before the first complete value."""
        return self.records[0] if self.records else None

    def begin(self, day: date) -> bool:
        """Let a day begin with the last value of the one before; False if it has begun."""
        if self.day == day:
            return False
        self.day = day
        self.records = () if self._last is None else (High(self._last),)
        return True

    def follow(self, seen: Seen | None, *, is_flow: bool) -> None:
        """Follow one valuation on the day that began last, as `Highs.follow` does."""
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


def bounded(records: tuple[High, ...]) -> tuple[High, ...]:
    """Leave out one where there are too many: of the closest neighbours before now the lower."""
    if len(records) <= RECORDS_MAX + 1:
        return records
    values = [each.value for each in records[:-1]]
    closest = min(range(1, len(values)), key=lambda place: abs(values[place] - values[place - 1]))
    lower = closest if values[closest] < values[closest - 1] else closest - 1
    return (*records[:lower], *records[lower + 1 :])


def scaled(records: tuple[High, ...], before: Decimal | None, seen: Seen) -> tuple[High, ...]:
    """Scale what was seen by a flow; nothing of it without a value above zero on both sides."""
    if before is None or before <= 0 or seen.nav <= 0:
        return ()
    return tuple(replace(each, scale=each.scale * seen.nav / before) for each in records)


def restated_all(records: tuple[High, ...], restate: Restate) -> tuple[High, ...]:
    """Give records as what they saw is known now."""
    return tuple(replace(each, seen=restate(each.seen)) for each in records)
