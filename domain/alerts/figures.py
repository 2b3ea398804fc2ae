"""The figures that rules watch: what each is now, what makes most of it, when it changes by itself.

None is told of what cannot be said: an incomplete valuation, nothing to divide by, no mark.
"""

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import NamedTuple, Protocol

from domain.alerts.events import CONTRIBUTORS_MAX, Contributor
from domain.alerts.highs import DayStart, High, Highs, Restate, restated_all
from domain.alerts.seen import Seen
from domain.alerts.terms import AlertKind, AlertTerms
from domain.calendars import local_date, start_of
from domain.money import LIMIT, LOWEST, ONE, SMALLEST, ZERO, canonical, fits, share

COUNTED_MAX = 100_000
"""Most that one window counts; beyond any level that makes sense."""


class Measured(NamedTuple):
    """A figure as it stands, and what makes most of it: asked only where an alert is raised.

    It is rounded as the log carries it, but not yet written in its one form: few are ever told.
    """

    actual: Decimal
    contributors: Callable[[], tuple[Contributor, ...]] = tuple


class Evidence(Protocol):
    """What an alert was raised on; `restate` gives the figure by what is known now.

    None where nothing of it changed, or nothing can be said.
    """

    def restate(self, restate: Restate) -> Decimal | None:
        """Take what was seen as it is known now."""


class Figure(Protocol):
    """A figure of one subject."""

    def now(self, at: datetime) -> Measured | None:
        """Say what it is at an instant; None: it cannot be said."""

    def due(self, terms: AlertTerms) -> datetime | None:
        """Say when it may next go beyond a level, or back, with nothing but time passing."""

    def evidence(self) -> Evidence | None:
        """Keep what it is now by, for later restatements; None where nothing restates it."""


class ToldFigure:
    """A figure that is what it was last told to be."""

    def __init__(self) -> None:
        self.measured: Measured | None = None

    def now(self, at: datetime) -> Measured | None:  # noqa: ARG002
        """As told."""
        return self.measured

    def due(self, terms: AlertTerms) -> datetime | None:  # noqa: ARG002
        """It does not change by itself."""
        return None

    def evidence(self) -> Evidence | None:
        """Nothing restates it."""
        return None


class ValueFigure(ToldFigure):
    """A figure of what a portfolio holds: exposure, leverage, concentration."""

    def __init__(self, terms: AlertTerms) -> None:
        super().__init__()
        self.terms = terms
        self.seen: Seen | None = None

    def follow(self, seen: Seen | None, *, is_flow: bool, at: datetime) -> None:  # noqa: ARG002
        """Follow one valuation of the portfolio, at an instant."""
        self.seen = seen
        self.measured = None if seen is None else self.measure(seen)

    def restate(self, restate: Restate) -> None:
        """Nothing that it remembers is restated."""

    def evidence(self) -> Evidence | None:
        """Keep what was seen."""
        return None if self.seen is None else SeenEvidence(self.seen, self.measure)

    def measure(self, seen: Seen) -> Measured | None:
        """Measure what was seen."""
        actual = _of_exposure(self.terms, seen)
        if actual is None:
            return None
        return measured(actual, lambda: largest(seen.values))


class FallFigure(ValueFigure):
    """A figure of how far a portfolio's value fell from what it is held against."""

    def __init__(self, terms: AlertTerms, held_against: Highs | DayStart) -> None:
        super().__init__(terms)
        self.held_against = held_against

    def follow(self, seen: Seen | None, *, is_flow: bool, at: datetime) -> None:
        """Follow one valuation of the portfolio, at an instant."""
        self.held_against.follow(seen, is_flow=is_flow)
        super().follow(seen, is_flow=is_flow, at=at)

    def restate(self, restate: Restate) -> None:
        """Restate what the value is held against."""
        self.held_against.restate(restate)

    def evidence(self) -> Evidence | None:
        """Keep what was seen, then and before."""
        if self.seen is None:
            return None
        return FallEvidence(self.seen, self.held_against.records)

    def measure(self, seen: Seen) -> Measured | None:
        """Measure what was seen."""
        base = self.held_against.base
        return None if base is None else fall(seen, base)


class DayFigure(FallFigure):
    """How far it fell since its business day began: on its calendar, whether anything moves."""

    def __init__(self, terms: AlertTerms, calendar: str) -> None:
        self._start = DayStart()
        super().__init__(terms, self._start)
        self._calendar = calendar

    def follow(self, seen: Seen | None, *, is_flow: bool, at: datetime) -> None:
        """Follow one valuation of the portfolio, on the day that it is then."""
        self._start.begin(local_date(self._calendar, at))
        super().follow(seen, is_flow=is_flow, at=at)

    def now(self, at: datetime) -> Measured | None:
        """Say what it is; a day that begins is held against the value as it was seen last."""
        if self._start.begin(local_date(self._calendar, at)):
            self.measured = None if self.seen is None else self.measure(self.seen)
        return self.measured

    def due(self, terms: AlertTerms) -> datetime | None:  # noqa: ARG002
        """When the next day begins."""
        day = self._start.day
        return None if day is None else start_of(self._calendar, day + timedelta(days=1))


class SeenEvidence:
    """What was seen of a portfolio when an alert was raised."""

    def __init__(self, seen: Seen, measure: Callable[[Seen], Measured | None]) -> None:
        self._seen = seen
        self._measure = measure

    def restate(self, restate: Restate) -> Decimal | None:
        """Measure again what was seen, as it is known now."""
        known, self._seen = self._seen, restate(self._seen)
        found = None if self._seen is known else self._measure(self._seen)
        return None if found is None else found.actual


class FallEvidence:
    """What was seen when an alert was raised, and what it was held against."""

    def __init__(self, seen: Seen, records: tuple[High, ...]) -> None:
        self._seen = seen
        self._records = records

    def restate(self, restate: Restate) -> Decimal | None:
        """Measure the fall again; what was highest may be another record now."""
        known = self._seen, [each.seen for each in self._records]
        self._seen, self._records = restate(self._seen), restated_all(self._records, restate)
        if all(
            one is other
            for one, other in zip(
                (known[0], *known[1]),
                (self._seen, *(each.seen for each in self._records)),
                strict=True,
            )
        ):
            return None
        found = fall(self._seen, max(self._records, key=lambda each: each.value))
        return None if found is None else found.actual


class WindowFigure:
    """How much happened in the last seconds; what makes most of it, by name."""

    def __init__(self, terms: AlertTerms) -> None:
        assert terms.window_seconds is not None, "its kind has a window"
        self._length = timedelta(seconds=terms.window_seconds)
        self._counted: deque[tuple[datetime, str]] = deque()

    def count(self, at: datetime, name: str) -> None:
        """Count something at its own instant, however late it comes."""
        insort(self._counted, (at, name), key=itemgetter(0))
        if len(self._counted) > COUNTED_MAX:
            self._counted.popleft()

    def now(self, at: datetime) -> Measured | None:
        """Count what lies less than the window back."""
        while self._counted and self._counted[0][0] + self._length <= at:
            self._counted.popleft()
        return measured(Decimal(len(self._counted)), lambda: largest(self._by_name()))

    def _by_name(self) -> dict[str, Decimal]:
        names: dict[str, Decimal] = {}
        for _, name in self._counted:
            names[name] = names.get(name, ZERO) + ONE
        return names

    def due(self, terms: AlertTerms) -> datetime | None:  # noqa: ARG002
        """When the oldest one counts no more."""
        return self._counted[0][0] + self._length if self._counted else None

    def evidence(self) -> Evidence | None:
        """What happened has happened."""
        return None


class AgeFigure:
    """Seconds since the mark of an instrument; nothing where nobody holds it."""

    def __init__(
        self,
        marked_at: Callable[[datetime], datetime | None],
        holders: Callable[[], Mapping[str, Decimal]],
    ) -> None:
        self._marked_at = marked_at
        self._holders = holders
        self._known: datetime | None = None

    def now(self, at: datetime) -> Measured | None:
        """Say how old the mark in force is."""
        holders = self._holders()
        self._known = self._marked_at(at) if holders else None
        if not holders:
            return Measured(ZERO)
        if self._known is None:
            return None
        seconds = Decimal((at - self._known) // timedelta(microseconds=1)).scaleb(-6)
        return measured(max(seconds, ZERO), lambda: largest(holders))

    def due(self, terms: AlertTerms) -> datetime | None:
        """Just behind the instant at which the mark known last is as old as may be."""
        if self._known is None:
            return None
        micros = int(terms.raise_above.scaleb(6)) + 1
        return self._known + timedelta(microseconds=micros)

    def evidence(self) -> Evidence | None:
        """That no mark had come stays so."""
        return None


def fall(seen: Seen, base: High) -> Measured | None:
    """Measure how far a value is below what it is held against; what lost most, in base."""
    if base.value <= 0:
        return None
    actual = max(ONE - share(ONE, seen.nav, base.value), ZERO)
    return measured(actual, lambda: largest(lost(seen, base)))


def lost(seen: Seen, base: High) -> dict[str, Decimal]:
    """Give what each name lost since, at the quantity held now."""
    losses: dict[str, Decimal] = {}
    for name in seen.values:
        now, before = seen.unit(name), base.seen.unit(name)
        if now is not None and before is not None and now != before:
            losses[name] = seen.quantity(name) * (now - before)
    return {name: amount for name, amount in losses.items() if amount < 0}


def largest(amounts: Mapping[str, Decimal]) -> tuple[Contributor, ...]:
    """List the largest amounts, whatever their signs; of equal ones the first by name."""
    order = sorted(amounts.items(), key=lambda each: (-abs(each[1]), each[0]))
    return tuple(contributors(order[:CONTRIBUTORS_MAX]))


def contributors(amounts: Iterable[tuple[str, Decimal]]) -> Iterable[Contributor]:
    """Name amounts that the log can carry."""
    for name, amount in amounts:
        rounded = canonical(amount.quantize(SMALLEST))
        if rounded and fits(rounded):
            yield Contributor(name, rounded)


def measured(
    actual: Decimal, made_of: Callable[[], tuple[Contributor, ...]] = tuple
) -> Measured | None:
    """Give a figure that the log can carry, rounded half-even to its 12 decimals."""
    rounded = actual.quantize(SMALLEST)
    return Measured(rounded, made_of) if LOWEST < rounded < LIMIT else None


def _of_exposure(terms: AlertTerms, seen: Seen) -> Decimal | None:
    if terms.kind is AlertKind.EXPOSURE:
        return seen.gross
    if terms.kind is AlertKind.LEVERAGE:
        return share(ONE, seen.gross, seen.nav) if seen.nav > 0 else None
    if not seen.gross:
        return ZERO
    if terms.scope.instrument is not None:
        value = seen.value(terms.scope.instrument)
    else:
        value = max(seen.values.values(), key=abs, default=ZERO)
    return share(ONE, abs(value), seen.gross)
