"""Deciding marks, closed sessions and corrected closes against the market as it stands."""

from bisect import bisect_right
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal

import msgspec

from domain.calendars import local_date, require_calendar
from domain.currencies import require_currency
from domain.instrument import WrittenDown
from domain.market import (
    BusinessTimeReached,
    Close,
    CloseCorrected,
    Finding,
    FollowingClose,
    Mark,
    MarketEvent,
    MarketMarked,
    Rate,
    SessionClosed,
)
from domain.marks import Marks, Quote
from domain.money import ONE
from domain.rates import DatedRate, Pair, rate_between
from domain.rejection import Conflict, Rejection
from domain.rules.proposal import CLOCK_SKEW

FAR_BELOW = Decimal("0.6")
FAR_ABOVE = ONE / FAR_BELOW
NAMES_LISTED_MAX = 10
RATES_REMEMBERED = 32
"""Marks held of each pair: enough for a trade told late by so many of them."""
SESSION_LENGTH_MAX = timedelta(days=14)
CLOSES_REMEMBERED = 3
_QUARTER_SECONDS = 900

DatedClose = tuple[date, Decimal]


class LastSession(msgspec.Struct):
    """The last closed session of a calendar and where each session stands on its stream."""

    session: date | None = None
    ends_at: datetime | None = None
    event: SessionClosed | None = None
    versions: dict[date, int] = {}
    version: int = 0


class Market:
    """What decisions need of the market: last closes, FX rates in force, closed sessions.

    Of each instrument the last three closes are held, oldest first: cancelling the newest puts the
    one before in force again. Of each pair of currencies the last marks are, by business time.
    `marks` are those of instruments, closes and write-downs among them. `position` is that of the
    event folded last, or about to be. `reached` is the newest instant that any mark, session or
    `BusinessTimeReached` has told, `quarter` counts the quarters of an hour up to there.
    """

    def __init__(self) -> None:
        self.position = 0
        self.calendars: dict[str, LastSession] = {}
        self.closes: dict[str, tuple[DatedClose, ...]] = {}
        self.marks = Marks()
        self.rates: dict[Pair, tuple[DatedRate, ...]] = {}
        self.marks_versions: dict[str, int] = {}
        self.reached: datetime | None = None
        self.quarter: int | None = None

    def fork(self) -> "Market":
        """Copy, so that the twin can be folded further without touching this one."""
        twin = Market()
        twin.position = self.position
        twin.calendars = {
            name: msgspec.structs.replace(last, versions=last.versions.copy())
            for name, last in self.calendars.items()
        }
        twin.closes = self.closes.copy()
        twin.marks = self.marks.fork()
        twin.rates = self.rates.copy()
        twin.marks_versions = self.marks_versions.copy()
        twin.reached, twin.quarter = self.reached, self.quarter
        return twin

    def today(self, calendar: str) -> date:
        """Give the business date of a calendar; before any time was told, the first of all."""
        return date.min if self.reached is None else local_date(calendar, self.reached)

    def apply(self, event: MarketEvent) -> None:
        """Fold one event."""
        if isinstance(event, MarketMarked):
            self._apply_marks(event)
            self._reach(event.at)
        elif isinstance(event, SessionClosed):
            self._apply_session(event)
            self._reach(event.ends_at)
        elif isinstance(event, BusinessTimeReached):
            self._reach(event.at)
        else:
            self._take_close(event.instrument, event.session, event.price)
            self.marks.take_close(event.instrument, event.ends_at, event.price, self.position)
            self.calendar(event.calendar).version += 1

    def write_down(self, event: WrittenDown) -> None:
        """Fold a write-down: a price of an instrument as any mark is."""
        self.marks.take(event.instrument, Quote(event.at, event.price, self.position))

    def _reach(self, at: datetime) -> None:
        if self.reached is None or at > self.reached:
            self.reached, self.quarter = at, int(at.timestamp()) // _QUARTER_SECONDS

    def _apply_marks(self, event: MarketMarked) -> None:
        version = self.marks_versions.get(event.source, 0)
        self.marks_versions[event.source] = version + 1
        for mark in event.marks:
            self.marks.take(mark.instrument, Quote(event.at, mark.price, self.position))
        for rate in event.rates:
            known = self.rates.get((rate.base, rate.quote), ())
            place = bisect_right(known, event.at, key=_marked_at)
            marks = (*known[:place], (event.at, rate.rate), *known[place:])
            self.rates[rate.base, rate.quote] = marks[-RATES_REMEMBERED:]

    def _apply_session(self, event: SessionClosed) -> None:
        calendar = self.calendar(event.calendar)
        calendar.version += 1
        calendar.session, calendar.ends_at, calendar.event = event.session, event.ends_at, event
        calendar.versions[event.session] = calendar.version
        for close in event.closes:
            self._take_close(close.instrument, event.session, close.price)
            self.marks.take_close(close.instrument, event.ends_at, close.price, self.position)

    def _take_close(self, instrument: str, session: date, price: Decimal | None) -> None:
        known = [each for each in self.closes.get(instrument, ()) if each[0] != session]
        if price is not None:
            known.append((session, price))
            known.sort()
        self.closes[instrument] = tuple(known[-CLOSES_REMEMBERED:])

    def last_close(self, instrument: str) -> Decimal | None:
        """Give an instrument's last close as it now stands; None when there is none."""
        known = self.closes.get(instrument)
        return known[-1][1] if known else None

    def calendar(self, name: str) -> LastSession:
        """Give a calendar's last session, empty at first."""
        found = self.calendars.get(name)
        if found is None:
            found = self.calendars[name] = LastSession(versions={})
        return found

    def rate_at(self, base: str, quote: str, at: datetime) -> Decimal | None:
        """Give the rate in force at an instant, where it is known here and not stale."""
        if base == quote:
            return ONE

        def marked(one: str, other: str) -> DatedRate | None:
            known = self.rates.get((one, other), ())
            place = bisect_right(known, at, key=_marked_at)
            return known[place - 1] if place else None

        found = rate_between(base, quote, at=at, marked=marked)
        return None if found is None or found.is_stale else found.rate


def _marked_at(mark: DatedRate) -> datetime:
    return mark[0]


def reach_time(market: Market, *, at: datetime, now: datetime) -> BusinessTimeReached | None:
    """Decide that business time came to an instant; None where it is there already.

    Raises:
        Rejection: `time_from_the_future`.
    """
    if at > now + CLOCK_SKEW:
        raise Rejection("time_from_the_future", f"{at.isoformat()} is not reached yet.")
    if market.reached is not None and at <= market.reached:
        return None
    return BusinessTimeReached(at=at)


def mark_market(
    *,
    source: str,
    at: datetime,
    marks: tuple[Mark, ...],
    rates: tuple[Rate, ...],
    known: Mapping[str, object],
    now: datetime,
) -> MarketMarked:
    """Decide a batch of marks and rates; it is taken whole or refused whole.

    Raises:
        Rejection: `instrument_unknown`, `duplicate_mark`, `currency_unknown`, `rate_of_itself`,
            `mark_from_the_future`.
    """
    _require_known([mark.instrument for mark in marks], known)
    _require_once([mark.instrument for mark in marks])
    for rate in rates:
        require_currency(rate.base)
        require_currency(rate.quote)
        if rate.base == rate.quote:
            raise Rejection("rate_of_itself", f"A rate of {rate.base} to itself is always 1.")
    _require_once([f"{rate.base}/{rate.quote}" for rate in rates])
    if at > now + CLOCK_SKEW:
        raise Rejection("mark_from_the_future", f"Marks of {at.isoformat()} are not in force yet.")
    return MarketMarked(source=source, at=at, marks=marks, rates=rates)


def close_session(
    market: Market,
    *,
    calendar: str,
    session: date,
    starts_at: datetime,
    ends_at: datetime,
    closes: tuple[Close, ...],
    known: Mapping[str, object],
    now: datetime,
) -> SessionClosed | None:
    """Decide the end of a session; None when it is closed with the same content already.

    Closes that look wrong are kept as `suspect`, with their findings.

    Raises:
        Conflict: `session_already_closed` with other content.
        Rejection: `session_out_of_order`, `session_interval_wrong`, `session_from_the_future`,
            `instrument_unknown`, `duplicate_mark`, `calendar_unknown`.
    """
    require_calendar(calendar)
    _require_known([close.instrument for close in closes], known)
    _require_once([close.instrument for close in closes])
    last = market.calendar(calendar)
    if last.session == session and last.event is not None:
        require_same_content(last.event, starts_at, ends_at, closes)
        return None
    if not starts_at < ends_at <= starts_at + SESSION_LENGTH_MAX:
        message = "A session starts before it ends, at most 14 days apart."
        raise Rejection("session_interval_wrong", message)
    _require_after(last, session, starts_at)
    if ends_at > now + CLOCK_SKEW:
        message = f"The session ends at {ends_at.isoformat()}, which is not reached."
        raise Rejection("session_from_the_future", message)
    judged = tuple(_judged(close, market.last_close(close.instrument)) for close in closes)
    return SessionClosed(
        calendar=calendar, session=session, starts_at=starts_at, ends_at=ends_at, closes=judged
    )


def correct_close(
    *,
    closed: SessionClosed,
    instrument: str,
    price: Decimal | None,
    replaces: Decimal | None,
    reason: str,
    previous: Decimal | None,
    following: tuple[date, Close] | None,
) -> CloseCorrected:
    """Decide the correction of a close, or its cancellation when `price` is None.

    `previous` and `following` are the instrument's closes before and after, as they stand now.

    Raises:
        Rejection: `close_unchanged` when nothing would change.
    """
    if price == replaces:
        raise Rejection("close_unchanged", "The close is already so.")
    findings = () if price is None else _far_from(previous, price)
    after = None
    if following is not None:
        session, close = following
        own = tuple(each for each in close.findings if each is not Finding.FAR_FROM_PREVIOUS)
        before = previous if price is None else price
        after = FollowingClose(session, _far_from(before, close.price) + own)
    return CloseCorrected(
        calendar=closed.calendar,
        session=closed.session,
        ends_at=closed.ends_at,
        instrument=instrument,
        price=price,
        replaces=replaces,
        reason=reason,
        findings=findings,
        following=after,
    )


def require_same_content(
    event: SessionClosed, starts_at: datetime, ends_at: datetime, closes: tuple[Close, ...]
) -> None:
    """Accept the same content again for a session that is closed.

    Raises:
        Conflict: `session_already_closed`, naming the fields that differ.
    """

    def content(close: Close) -> Close:
        return msgspec.structs.replace(close, findings=())

    given = {"starts_at": starts_at, "ends_at": ends_at, "closes": tuple(map(content, closes))}
    known = {**msgspec.structs.asdict(event), "closes": tuple(map(content, event.closes))}
    fields = tuple(name for name, value in given.items() if known[name] != value)
    if fields:
        message = f"Session {event.session} is closed with other {', '.join(fields)}; correct it."
        raise Conflict("session_already_closed", message, fields=fields)


def _require_after(last: LastSession, session: date, starts_at: datetime) -> None:
    if last.session is None or last.ends_at is None:
        return
    if session < last.session or starts_at < last.ends_at:
        message = f"Sessions close in order; {last.session} ended {last.ends_at.isoformat()}."
        raise Rejection("session_out_of_order", message)


def _judged(close: Close, previous: Decimal | None) -> Close:
    findings = _far_from(previous, close.price)
    findings += _bar_findings(close)
    return msgspec.structs.replace(close, findings=findings)


def _far_from(previous: Decimal | None, price: Decimal) -> tuple[Finding, ...]:
    """Find a move of more than -40 % or its inverse, +66.7 %, from one close to the next."""
    if previous is None or FAR_BELOW * previous <= price <= FAR_ABOVE * previous:
        return ()
    return (Finding.FAR_FROM_PREVIOUS,)


def _bar_findings(close: Close) -> tuple[Finding, ...]:
    if not close.has_bar:
        return ()
    findings: list[Finding] = []
    if close.open is None:
        findings.append(Finding.NO_OPEN)
    if close.high is None or close.low is None:
        findings.append(Finding.NO_RANGE)
    elif close.high < close.low:
        findings.append(Finding.HIGH_BELOW_LOW)
    elif not close.low <= close.price <= close.high:
        findings.append(Finding.OUTSIDE_RANGE)
    if not close.volume:
        findings.append(Finding.NO_VOLUME)
    return tuple(findings)


def _require_known(names: list[str], known: Mapping[str, object]) -> None:
    unknown = sorted({name for name in names if name not in known})
    if unknown:
        listed = ", ".join(unknown[:NAMES_LISTED_MAX])
        beyond = len(unknown) - NAMES_LISTED_MAX
        more = f" and {beyond} more" if beyond > 0 else ""
        raise Rejection("instrument_unknown", f"Not registered: {listed}{more}.")


def _require_once(names: list[str]) -> None:
    if len(set(names)) == len(names):
        return
    twice = sorted({name for name in names if names.count(name) > 1})
    raise Rejection(
        "duplicate_mark", f"Given more than once: {', '.join(twice[:NAMES_LISTED_MAX])}."
    )
