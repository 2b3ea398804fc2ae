"""Deciding what happens to a contest: who may enter what, and until when (convention 14).

Everything is fair only if it is known before: a contest is announced, and entered, before its first
session has closed. Whoever withdraws does so before the last one has.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date

from domain.calendars import require_calendar
from domain.contests.events import (
    ContestAnnounced,
    ContestEntered,
    EntrantDisqualified,
    EntryEvent,
    EntryWithdrawn,
)
from domain.contests.terms import (
    RATIO_SESSIONS_MIN,
    RATIOS,
    SHORT_METRICS,
    SHORT_WINDOWS,
    UNIVERSE_MAX,
    WINDOW_DAYS_MAX,
    ContestTerms,
    Metric,
    Window,
    days_of,
    last_day_of,
)
from domain.currencies import require_currency
from domain.instrument import Instrument, differing_fields
from domain.portfolio.cash import require_portfolio
from domain.portfolio.life import OwnerAssigned
from domain.portfolio.state import Portfolio
from domain.rejection import Conflict, Rejection
from domain.sessions import has_session

InstrumentOf = Callable[[str], Instrument | None]


def announce(
    known: ContestAnnounced | None,
    *,
    contest: str,
    terms: ContestTerms,
    closed: date | None,
    instrument_of: InstrumentOf,
) -> ContestAnnounced | None:
    """Decide an announcement; None where just that was announced before.

    `closed` is the last closed session of the calendar.

    Raises:
        Conflict: `contest_already_announced` with other terms.
        Rejection: `calendar_unknown`, `currency_unknown`, `instrument_unknown`, `window_invalid`,
            `window_without_sessions`, `window_begun`, `metric_needs_longer_window`,
            `capital_required` or `terms_invalid`.
    """
    if known is not None:
        if known.terms == terms:
            return None
        fields = differing_fields(known.terms, terms)
        message = f"{contest} is announced with other {', '.join(fields)}: use another name."
        raise Conflict("contest_already_announced", message, fields=fields)
    require_calendar(terms.calendar)
    require_currency(terms.currency)
    sessions = _sessions_of(terms)
    _require_sound(terms, len(sessions), instrument_of)
    if closed is not None and closed >= sessions[0]:
        raise Rejection("window_begun", "Announce a contest before its first session has closed.")
    return ContestAnnounced(contest, terms, sessions[0], sessions[-1])


def _sessions_of(terms: ContestTerms) -> list[date]:
    last = last_day_of(terms.window, terms.first_day)
    if terms.window is not Window.CONTEST and terms.last_day != last:
        raise Rejection(
            "window_invalid",
            f"A {terms.window.value} begins with its first day and ends with its last one.",
        )
    if not 0 <= (terms.last_day - terms.first_day).days < WINDOW_DAYS_MAX:
        raise Rejection("window_invalid", f"A window has 1 to {WINDOW_DAYS_MAX:,} days.")
    found = {day: has_session(terms.calendar, day) for day in days_of(terms)}
    sessions = [day for day, has in found.items() if has]
    if None in found.values() or not sessions:
        raise Rejection(
            "window_without_sessions",
            f"It is not known of every day whether {terms.calendar} has a session, or none has.",
        )
    return sessions


def _require_sound(terms: ContestTerms, sessions: int, instrument_of: InstrumentOf) -> None:
    is_short = terms.window in SHORT_WINDOWS and terms.metric not in SHORT_METRICS
    if is_short or (terms.metric in RATIOS and sessions < RATIO_SESSIONS_MIN):
        raise Rejection(
            "metric_needs_longer_window",
            "A day and a week are ranked by return or drawdown, and ratios need "
            f"{RATIO_SESSIONS_MIN} sessions: this window has {sessions}.",
        )
    if terms.metric is Metric.PNL and terms.capital is None:
        message = "Profit and loss is fair with equal capital only: say how much all begin with."
        raise Rejection("capital_required", message)
    if terms.capital is not None and terms.capital <= 0:
        raise _invalid("Capital is above zero.")
    if not 1 <= terms.minimum_days <= sessions or terms.minimum_trades < 0:
        raise _invalid(f"The fewest days are 1 to {sessions}, the fewest trades 0 or more.")
    if len(terms.universe) > UNIVERSE_MAX or len(set(terms.universe)) < len(terms.universe):
        raise _invalid(f"A universe names each instrument once, at most {UNIVERSE_MAX:,}.")
    for name in terms.universe:
        instrument = instrument_of(name)
        if instrument is None or instrument.registered is None:
            raise Rejection("instrument_unknown", f"Instrument {name} is not registered.")


def enter(
    announced: ContestAnnounced | None,
    entry: Sequence[EntryEvent],
    portfolio: Portfolio | None,
    *,
    contest: str,
    name: str,
    closed: date | None,
    only: str | None = None,
    others: Iterable[EntryEvent] = (),
) -> ContestEntered | None:
    """Decide an entry of the portfolio `name`; None where just that stands.

    `entry` is what was told of its owner in this contest, `others` the last that was told of each
    who owned it before. `only` is who may take part by it.

    Raises:
        Conflict: `participant_already_entered` with another portfolio, or
            `portfolio_already_entered` by an earlier owner.
        Rejection: `contest_unknown`, `portfolio_unknown`, `portfolio_closed`, `portfolio_unowned`,
            `portfolio_not_own`, `participant_disqualified`, `contest_begun`, `currency_mismatch`,
            `calendar_mismatch` or `outside_universe`.
    """
    known = _require_announced(announced, contest)
    held = require_portfolio(portfolio, name)
    wanted = ContestEntered(contest, owner_of(held, name), name)
    if only is not None and wanted.participant != only:
        message = f"{name} is another's: they enter it, or somebody who may enter for others."
        raise Rejection("portfolio_not_own", message)
    last = entry[-1] if entry else None
    if isinstance(last, ContestEntered):
        if last == wanted:
            return None
        message = f"{wanted.participant} has entered {last.portfolio} already: withdraw that first."
        raise Conflict("participant_already_entered", message, fields=("portfolio",))
    if isinstance(last, EntrantDisqualified):
        raise Rejection("participant_disqualified", f"{wanted.participant} is disqualified.")
    _require_free(others, name)
    if closed is not None and closed >= known.first_session:
        raise Rejection("contest_begun", "Enter a contest before its first session has closed.")
    _require_fitting(known.terms, held, name)
    return wanted


def _require_free(others: Iterable[EntryEvent], name: str) -> None:
    for each in others:
        if each.portfolio == name and not isinstance(each, EntryWithdrawn):
            message = f"{name} takes part, or is disqualified, as {each.participant}'s entry."
            raise Conflict("portfolio_already_entered", message, fields=("portfolio",))


def owner_of(portfolio: Portfolio, name: str) -> str:
    """Give who takes part with a portfolio.

    Raises:
        Rejection: `portfolio_unowned`.
    """
    said = portfolio.standing.owner
    if said is None or not isinstance(said.event, OwnerAssigned):
        raise Rejection("portfolio_unowned", f"Nobody answers for {name}: assign an owner first.")
    return said.event.owner


def _require_fitting(terms: ContestTerms, portfolio: Portfolio, name: str) -> None:
    opened = portfolio.opened
    assert opened is not None, "a portfolio that is there was opened"
    if portfolio.standing.closed is not None:
        raise Rejection("portfolio_closed", "The portfolio is closed; use another one.")
    if opened.base_currency != terms.currency:
        raise Rejection(
            "currency_mismatch",
            f"{name} is in {opened.base_currency}, the contest in {terms.currency}.",
        )
    if opened.calendar != terms.calendar:
        raise Rejection(
            "calendar_mismatch",
            f"{name} is valued by {opened.calendar}, the contest by {terms.calendar}.",
        )
    outside = _outside(terms, (each for each, book in portfolio.books.items() if book.quantity))
    if outside:
        raise Rejection("outside_universe", f"{name} holds {outside[0]}: sell it first.")


def _outside(terms: ContestTerms, held: Iterable[str]) -> list[str]:
    return sorted(set(held) - set(terms.universe)) if terms.universe else []


def withdraw(
    announced: ContestAnnounced | None,
    entry: Sequence[EntryEvent],
    *,
    contest: str,
    participant: str,
    closed: date | None,
) -> EntryWithdrawn | None:
    """Decide that a participant leaves; None where they left before.

    Raises:
        Rejection: `contest_unknown`, `participant_unknown`, `participant_disqualified` or
            `contest_over`.
    """
    known = _require_announced(announced, contest)
    last = _require_entered(entry, participant)
    if isinstance(last, EntryWithdrawn):
        return None
    if isinstance(last, EntrantDisqualified):
        raise Rejection("participant_disqualified", f"{participant} is disqualified.")
    if closed is not None and closed >= known.last_session:
        raise Rejection("contest_over", "The last session has closed: the result stands.")
    return EntryWithdrawn(contest, participant, last.portfolio)


def disqualify(
    announced: ContestAnnounced | None,
    entry: Sequence[EntryEvent],
    *,
    contest: str,
    participant: str,
    reason: str,
) -> EntrantDisqualified | None:
    """Decide that a participant is ranked no more, also behind the end; None where it stands.

    Raises:
        Rejection: `contest_unknown` or `participant_unknown`.
    """
    _require_announced(announced, contest)
    last = _require_entered(entry, participant)
    wanted = EntrantDisqualified(contest, participant, last.portfolio, reason)
    return None if last == wanted else wanted


def _require_announced(announced: ContestAnnounced | None, contest: str) -> ContestAnnounced:
    if announced is None:
        raise Rejection("contest_unknown", f"There is no contest {contest}; announce it first.")
    return announced


def _require_entered(entry: Sequence[EntryEvent], participant: str) -> EntryEvent:
    if not entry:
        raise Rejection("participant_unknown", f"{participant} has not entered this contest.")
    return entry[-1]


def _invalid(message: str) -> Rejection:
    return Rejection("terms_invalid", message)
