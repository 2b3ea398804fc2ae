"""Restating closed sessions from the ledger and the marks (convention 6).

Late facts are deferred: all that came for a portfolio are restated in one walk over its sessions
from the earliest on, and each row names the latest fact whose session is not behind it, whatever
the batches. A late mark is restated at once and row by row only where something changed.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import psycopg

from domain.corporate_actions import Action, Split, StockDividend
from domain.money import ZERO, share
from projections.performance.days import Days, Span
from projections.performance.facts import Facts, add
from projections.performance.ledger import Asked, Ledger
from projections.performance.prices import Prices
from projections.performance.state import Carried, Portfolio, Quote, Session
from projections.performance.units import Units
from projections.performance.valuation import NOTHING_YET, Current, Day, LastExecuted, pair_names

PORTFOLIOS_MAX = 200
SESSIONS_BEHIND = 1
"""Sessions walked behind a late mark's last one before looking whether anything still differs."""
STRETCH_SESSIONS = 50
"""Sessions walked at a time after that: only a gap of incomplete days reaches so far."""


class Store(NamedTuple):
    """The tables of one schema and the cursor to reach them."""

    cursor: psycopg.Cursor[Any]
    ledger: Ledger
    prices: Prices
    days: Days
    units: Units


class LateMark(msgspec.Struct):
    """The sessions of a portfolio that a late mark may change, both ends included."""

    portfolio: Portfolio
    first: int
    last: int


def changed_sessions(
    portfolio: Portfolio, at: datetime, until: datetime | None
) -> tuple[int, int] | None:
    """Name the first and last struck session that a mark in force from `at` to `until` values."""
    calendar = portfolio.calendar
    if portfolio.first_session is None:
        return None
    first = max(bisect_left(calendar.ends, at), portfolio.first_session)
    last = (len(calendar) if until is None else bisect_left(calendar.ends, until)) - 1
    moments = portfolio.flow_moments
    behind = len(moments) if until is None else bisect_left(moments, until)
    if behind > bisect_left(moments, at):
        last = max(last, calendar.of_moment(moments[behind - 1]))
    return (first, last) if first <= last < len(calendar) else None


def converting(portfolios: Iterable[Portfolio], pair: str) -> list[Portfolio]:
    """List the portfolios with a currency whose rate to base a pair can make."""
    return [
        portfolio
        for portfolio in portfolios
        if any(
            pair in pair_names(currency, portfolio.base_currency)
            for currency in portfolio.currencies
            if currency != portfolio.base_currency
        )
    ]


def concerned_by(
    listed: Iterable[str],
    holders: Mapping[str, Iterable[Portfolio]],
    portfolios: Collection[Portfolio],
) -> dict[str, Iterable[Portfolio]]:
    """Give whom marks of some names concern: holders, or of a pair those it can convert for."""
    found = {
        name: converting(portfolios, name) if "/" in name else holders.get(name, ())
        for name in listed
    }
    return {name: each for name, each in found.items() if each}


def late_units(action: Action, holders: Iterable[Portfolio]) -> list[LateMark]:
    """Name the struck sessions that a split, once declared or reversed, may value otherwise.

    Those from its ex-date on; all of them where its source adjusts its own past.
    """
    if not isinstance(action, Split | StockDividend):
        return []
    late: list[LateMark] = []
    for portfolio in holders:
        last = len(portfolio.calendar) - 1
        first = 0 if action.prices_adjusted else portfolio.calendar.of_date(action.ex_date)
        if portfolio.first_session is not None:
            first = max(first, portfolio.first_session)
            if first <= last:
                late.append(LateMark(portfolio, first, last))
    return late


class Walk:
    """One portfolio, walked session by session from what it held before the first.

    Where its books are behind, they are walked as if they were not: `facts` begin early enough.
    """

    def __init__(
        self,
        store: Store,
        portfolio: Portfolio,
        first: int,
        facts: dict[int, Facts],
        carried: Carried,
    ) -> None:
        self._store = store
        self.portfolio = portfolio
        self.next = first
        self.carried = carried
        self._facts = facts
        self._holdings = portfolio.holdings.copy()
        for later in facts.values():
            self._holdings.merge(later, sign=-1)
        self._names = set(self._holdings.quantities)
        self._names.update(*(later.touched for later in facts.values()))
        self._behind = store.units.behind(portfolio)
        for each in self._behind:
            if each.scale is None and each.session in facts:
                facts[each.session].drop_action(each.instrument, each.action)
        for index in sorted({*facts, *(each.session for each in self._behind)}):
            if index < first:
                before = facts.pop(index, Facts())
                self._catch_up(index, before)
                self._holdings.merge(before)
        self._latest = portfolio.calendar.days[first - 1] if first else date.min
        self._known: dict[str, Quote | None] = {}
        self._last = LastExecuted(self._executed_before)

    def _catch_up(self, index: int, facts: Facts) -> None:
        """Multiply, as a session starts, what splits that the books lack would multiply.

        That is what the actions before each of them, among the session's own facts, have left.
        """
        quantities = self._holdings.quantities
        for each in self._behind:
            if each.session == index and each.scale is not None:
                held = quantities.get(each.instrument, ZERO)
                held += facts.acted_before(each.instrument, each.order)
                if held:
                    new, old = map(Decimal, each.scale)
                    add(quantities, each.instrument, share(held, new, old) - held)

    def asked(self, last: int) -> dict[datetime, set[str]]:
        """Name the quotes that walking up to a session needs, by moment."""
        portfolio, calendar = self.portfolio, self.portfolio.calendar
        listed = self._names.copy()
        for currency in portfolio.currencies - {portfolio.base_currency}:
            listed.update(pair_names(currency, portfolio.base_currency))
        moments = {calendar.ends[index]: listed for index in range(self.next, last + 1)}
        for index in range(self.next, last + 1):
            if index in self._facts:
                for flow in self._facts[index].flows:
                    if flow.at is not None:
                        moments[flow.at] = listed
        return moments

    def step(self) -> tuple[int, Session, Current]:
        """Value the next session; `asked` must have been asked for it."""
        index, day = self.next, self.day()
        current, self.carried = day.close()
        for execution in day.facts.executions:
            self._last.take(execution, self.portfolio.calendar.started(execution))
        self.next += 1
        return index, day.session, current

    def day(self) -> Day:
        """Give the next session as it is before its facts are taken."""
        calendar = self.portfolio.calendar
        facts = self._facts.get(self.next) or Facts()
        self._catch_up(self.next, facts)
        after = LastExecuted(self._last.quote)
        for execution in facts.executions:
            after.take(execution, calendar.started(execution))
        return Day(
            subject=self.portfolio,
            session=calendar.session(self.next),
            before=self._holdings,
            facts=facts,
            carried=self.carried,
            quotes_at=self._store.prices.at,
            executed_before=self._last.quote,
            executed_after=after.quote,
            worth=self._store.units.worth,
        )

    def _executed_before(self, name: str) -> Quote | None:
        if name not in self._known:
            asked = [Asked(self.portfolio, name, self._latest)]
            self._known[name] = self._store.ledger.last_executed(self._store.cursor, asked)[0]
        return self._known[name]


def settle_late_facts(store: Store, portfolios: Iterable[Portfolio]) -> None:
    """Restate what the late facts of some portfolios change."""
    waiting = [portfolio for portfolio in portfolios if portfolio.causes]
    for start in range(0, len(waiting), PORTFOLIOS_MAX):
        part = waiting[start : start + PORTFOLIOS_MAX]
        _begin_later(store, [portfolio for portfolio in part if portfolio.may_begin_later])
        firsts = {
            portfolio: max(_first_restated(portfolio), portfolio.first_session)
            for portfolio in part
            if portfolio.first_session is not None
        }
        walks = {walk.portfolio: walk for walk in _start(store, firsts)}
        _ask(store, walks.values(), {each: len(each.calendar) - 1 for each in walks})
        for portfolio in part:
            _restate_behind_facts(store, portfolio, walks.get(portfolio))


def _begin_later(store: Store, portfolios: Sequence[Portfolio]) -> None:
    """Find the first facts that are left, where one of the first session was taken out."""
    if portfolios:
        sessions = store.ledger.first_sessions(store.cursor, portfolios)
        for portfolio, first in zip(portfolios, sessions, strict=True):
            portfolio.first_session = first
            portfolio.may_begin_later = False


def _first_restated(portfolio: Portfolio) -> int:
    return min(cause.first for cause in portfolio.causes)


def _restate_behind_facts(store: Store, portfolio: Portfolio, walk: Walk | None) -> None:
    """Restate every session from the first late fact on; without any fact left there is no walk."""
    first = portfolio.first_session
    causes = sorted(portfolio.causes, reverse=True)
    position, reason = 0, ""
    for index in range(_first_restated(portfolio), len(portfolio.calendar)):
        while causes and causes[-1].first <= index:
            cause = causes.pop()
            if cause.position > position:
                position, reason = cause.position, cause.reason
        session, current = portfolio.calendar.session(index), NOTHING_YET
        if walk is not None and first is not None and first <= index:
            _, session, current = walk.step()
        store.days.restate(portfolio, session, current, (position, reason))
    portfolio.carried = Carried() if walk is None else walk.carried
    portfolio.causes = []


def restate_late_marks(
    store: Store, late: Iterable[LateMark], *, position: int, reason: str
) -> None:
    """Restate the rows that a late mark changes, and no others; late facts are settled before."""
    listed = list(late)
    settle_late_facts(store, [each.portfolio for each in listed])
    for start in range(0, len(listed), PORTFOLIOS_MAX):
        part = listed[start : start + PORTFOLIOS_MAX]
        walks = _start(store, {each.portfolio: each.first for each in part})
        reach = {each.portfolio: each.last + SESSIONS_BEHIND for each in part}
        while walks:
            walks = _restate_stretch(store, walks, reach, (position, reason))
            reach = {walk.portfolio: walk.next + STRETCH_SESSIONS for walk in walks}


def _restate_stretch(
    store: Store, walks: list[Walk], reach: Mapping[Portfolio, int], cause: tuple[int, str]
) -> list[Walk]:
    """Walk each portfolio up to its reach; give the walks behind which rows may still differ."""
    last = {
        walk.portfolio: min(reach[walk.portfolio], len(walk.portfolio.calendar) - 1)
        for walk in walks
    }
    _ask(store, walks, last)
    spans = [Span(walk.portfolio, walk.next, last[walk.portfolio]) for walk in walks]
    unfinished: list[Walk] = []
    for walk, span, stored in zip(
        walks, spans, store.days.stored(store.cursor, spans), strict=True
    ):
        carried: Carried | None = None
        while walk.next <= span.last:
            index, session, current = walk.step()
            known, carried = stored[index]
            if current._replace(carried=known.carried) != known:
                store.days.restate(walk.portfolio, session, current, cause)
            elif current != known:
                store.days.hand_on(walk.portfolio, session, current)
        if span.last == len(walk.portfolio.calendar) - 1:
            walk.portfolio.carried = walk.carried
        elif walk.carried != carried:
            unfinished.append(walk)
    return unfinished


def _start(store: Store, firsts: dict[Portfolio, int]) -> list[Walk]:
    """Begin a walk of each portfolio at a session, from what its rows and facts say."""
    begins = {
        portfolio: min([first, *(each.session for each in store.units.behind(portfolio))])
        for portfolio, first in firsts.items()
    }
    facts = store.ledger.facts_from(store.cursor, list(begins.items()))
    behind = {
        portfolio: Span(portfolio, first - 1, first - 1)
        for portfolio, first in firsts.items()
        if portfolio.first_session is not None and first > portfolio.first_session
    }
    stored = store.days.stored(store.cursor, list(behind.values()))
    handed = {
        portfolio: rows[behind[portfolio].first][1]
        for portfolio, rows in zip(behind, stored, strict=True)
    }
    return [
        Walk(store, portfolio, first, found, handed.get(portfolio, Carried()))
        for (portfolio, first), found in zip(firsts.items(), facts, strict=True)
    ]


def start_walk(store: Store, portfolios: list[Portfolio], first: int) -> list[Walk]:
    """Begin walks over the session that has just closed, with single fills."""
    walks = _start(store, dict.fromkeys(portfolios, first))
    _ask(store, walks, dict.fromkeys(portfolios, first))
    return walks


def _ask(store: Store, walks: Iterable[Walk], last: Mapping[Portfolio, int]) -> None:
    asked: dict[datetime, set[str]] = {}
    for walk in walks:
        for at, listed in walk.asked(last[walk.portfolio]).items():
            asked[at] = asked[at] | listed if at in asked else listed
    store.prices.ask(store.cursor, asked)
