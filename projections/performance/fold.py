"""The fold of `performance`: cash, quantities and prices at one position (conventions 5, 6, 11).

Facts of open sessions wait; a closed session strikes a row for every portfolio of its calendar that
has had a fact. A fact or mark that comes behind a closed session restates what follows it.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg

from domain.event import Event
from domain.instrument import WrittenDown
from domain.market import CloseCorrected, MarketMarked, SessionClosed
from domain.portfolio.events import (
    CashDeposited,
    CashWithdrawn,
    PortfolioOpened,
    Reason,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.life import CashExchanged, FeeCharged, InterestBooked
from projections.performance.days import Days, Span
from projections.performance.ledger import (
    CashMove,
    Ledger,
    flow_date,
    flows_of,
    load_waiting,
    signed_quantity,
)
from projections.performance.prices import Prices
from projections.performance.restating import (
    LateMark,
    Store,
    changed_sessions,
    restate_late_marks,
    settle_late_facts,
    start_walk,
)
from projections.performance.state import (
    Calendar,
    Cause,
    Facts,
    Portfolio,
    Quote,
    Session,
    universal,
)
from projections.performance.striking import strike_plain
from projections.performance.tables import (
    PORTFOLIO_COLUMNS,
    copy_lines,
    moment,
    text,
    upsert_lines,
)
from projections.performance.valuation import pair_names
from projections.read_model import Decoded

LATE_TRADE = "late_trade"
BUSTED_TRADE = "busted_trade"
AMENDED_TRADE = "amended_trade"
LATE_FLOW = "late_flow"
LATE_CASH = "late_cash"
LATE_MARK = "late_mark"
LATE_WRITE_DOWN = "late_write_down"
CORRECTED_CLOSE = "corrected_close"

NO_FACTS = Facts()

_SESSIONS = """
SELECT calendar, session, starts_at, ends_at FROM {schema}.sessions ORDER BY calendar, session
"""
_PORTFOLIOS = "SELECT {columns} FROM {schema}.portfolios ORDER BY opened_position"


class PerformanceFold:
    """Folds events into one schema; loads what it needs at its first batch."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._ledger = Ledger(schema)
        self._prices = Prices(schema)
        self._days = Days(schema)
        self._calendars: dict[str, Calendar] = {}
        self._portfolios: dict[tuple[str, str], Portfolio] = {}
        self._holders: dict[str, dict[Portfolio, None]] = {}
        self._late: dict[Portfolio, None] = {}
        self._changed: dict[Portfolio, None] = {}
        self._sessions: list[str] = []
        self._horizon: datetime | None = None
        self._is_loaded = False
        self._takers: dict[type[Event], Callable[[Store, int, str, Any], None]] = {
            PortfolioOpened: self._open,
            CashDeposited: self._take_flow,
            CashWithdrawn: self._take_flow,
            FeeCharged: self._take_flow,
            InterestBooked: self._take_flow,
            CashExchanged: self._take_flow,
            TradeBooked: self._take_trade,
            TradeUnbooked: self._take_out_trade,
            MarketMarked: self._mark,
            WrittenDown: self._mark,
            SessionClosed: self._close_session,
            CloseCorrected: self._correct_close,
        }

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Take a batch: what is late is restated once at its end, or before the next strike."""
        store = Store(cursor, self._ledger, self._prices, self._days)
        if not self._is_loaded:
            self._load(store)
        takers = self._takers
        for position, tenant, _, event in batch:
            takers[type(event)](store, position, tenant, event)
        self._settle(store)
        self._flush(cursor)

    def _open(self, _store: Store, position: int, tenant: str, event: PortfolioOpened) -> None:
        calendar = self._calendar(event.calendar)
        portfolio = Portfolio(
            tenant, event.portfolio, event.base_currency, event.cost_basis, calendar, position
        )
        calendar.portfolios.append(portfolio)
        self._portfolios[tenant, event.portfolio] = portfolio
        self._changed[portfolio] = None

    def _take_trade(self, _store: Store, position: int, tenant: str, event: TradeBooked) -> None:
        portfolio = self._portfolios[tenant, event.portfolio]
        self._ledger.add_fill(tenant, event, position)
        day = event.fill.trade_date
        index = portfolio.calendar.of_date(day)
        is_late = index < len(portfolio.calendar)
        facts = Facts() if is_late else portfolio.waiting_on(day)
        quantity = signed_quantity(event.fill)
        facts.add_change(event.instrument, quantity, event.currency, event.cash_change)
        reason = LATE_TRADE
        if portfolio.amending and event.fill.trade_id in portfolio.amending:
            reason = AMENDED_TRADE
            portfolio.amending.remove(event.fill.trade_id)
            self._changed[portfolio] = None
        if is_late:
            self._take_late(portfolio, facts, Cause(index, position, reason))

    def _take_out_trade(
        self, _store: Store, position: int, tenant: str, event: TradeUnbooked
    ) -> None:
        portfolio = self._portfolios[tenant, event.portfolio]
        self._ledger.take_out_fill(tenant, event, position)
        reason = BUSTED_TRADE
        if event.reason is Reason.AMENDED:
            reason = AMENDED_TRADE
            portfolio.amending.add(event.fill.trade_id)
            self._changed[portfolio] = None
        day = event.fill.trade_date
        index = portfolio.calendar.of_date(day)
        change = (-signed_quantity(event.fill), event.currency, event.cash_change)
        if index == len(portfolio.calendar):
            portfolio.take_back(day, event.instrument, *change)
            return
        facts = Facts()
        facts.add_change(event.instrument, *change)
        portfolio.may_begin_later |= index == portfolio.first_session
        self._take_late(portfolio, facts, Cause(index, position, reason))

    def _take_flow(self, _store: Store, position: int, tenant: str, event: CashMove) -> None:
        portfolio = self._portfolios[tenant, event.portfolio]
        flows = flows_of(event)
        self._ledger.add_flows(tenant, event, flows, position)
        day, at = flow_date(event), flows[0].at
        index = portfolio.calendar.of_flow(at, day)
        is_late = index < len(portfolio.calendar)
        if at is not None and not is_late:
            portfolio.waiting_timed += flows
            return
        facts = Facts() if is_late else portfolio.waiting_on(day)
        for flow in flows:
            facts.add_flow(flow)
        if is_late:
            if at is not None:
                insort(portfolio.flow_moments, at)
            reason = LATE_FLOW if flows[0].is_external else LATE_CASH
            self._take_late(portfolio, facts, Cause(index, position, reason))

    def _take_late(self, portfolio: Portfolio, facts: Facts, cause: Cause) -> None:
        portfolio.hold(facts)
        self._hold(portfolio, facts)
        if portfolio.first_session is None or cause.first < portfolio.first_session:
            portfolio.first_session = cause.first
        portfolio.causes.append(cause)
        self._late[portfolio] = None

    def _hold(self, portfolio: Portfolio, facts: Facts) -> None:
        self._changed[portfolio] = None
        for name in facts.instruments:
            self._holders.setdefault(name, {})[portfolio] = None

    def _mark(
        self, store: Store, position: int, _tenant: str, event: MarketMarked | WrittenDown
    ) -> None:
        at = universal(event.at)
        is_late = self._is_behind(at)
        if is_late:
            self._settle(store)
        if isinstance(event, WrittenDown):
            names, reason = self._prices.add_write_down(event, position), LATE_WRITE_DOWN
        else:
            names, reason = self._prices.add_marks(event, position), LATE_MARK
        if is_late:
            self._restate(store, names, at=at, position=position, reason=reason)

    def _close_session(
        self, store: Store, position: int, _tenant: str, event: SessionClosed
    ) -> None:
        calendar = self._calendar(event.calendar)
        starts_at, ends_at = universal(event.starts_at), universal(event.ends_at)
        is_late = self._is_behind(ends_at)
        settle_late_facts(store, self._late if is_late else calendar.portfolios)
        closes = self._prices.add_closes(event, position)
        if is_late:
            self._restate(store, closes, at=ends_at, position=position, reason=LATE_MARK)
        session = Session(event.session, starts_at, ends_at)
        self._sessions.append(
            f"{text(event.calendar)}\t{moment(event.session)}\t{moment(starts_at)}\t"
            f"{moment(ends_at)}\t{position}\n"
        )
        calendar.close(session)
        self._horizon = ends_at if self._horizon is None else max(self._horizon, ends_at)
        self._strike(store, calendar, session, position, closes)

    def _correct_close(
        self, store: Store, position: int, _tenant: str, event: CloseCorrected
    ) -> None:
        self._settle(store)
        self._prices.correct(store.cursor, event, position)
        if event.following is not None:
            calendar = self._calendar(event.calendar)
            ends_at = calendar.ends[calendar.of_date(event.following.session)]
            self._prices.judge_anew(store.cursor, event, event.following, ends_at)
        at = event.ends_at
        self._restate(store, [event.instrument], at=at, position=position, reason=CORRECTED_CLOSE)

    def _is_behind(self, at: datetime) -> bool:
        return self._horizon is not None and at <= self._horizon

    def _settle(self, store: Store) -> None:
        settle_late_facts(store, self._late)
        self._late = {}

    def _restate(
        self, store: Store, names: Iterable[str], *, at: datetime, position: int, reason: str
    ) -> None:
        """Restate what marks behind a closed session change, each until the next mark after it."""
        listed = list(names)
        self._prices.forget(listed)
        concerned = {name: self._concerned(name) for name in listed}
        concerned = {name: portfolios for name, portfolios in concerned.items() if portfolios}
        late: dict[Portfolio, LateMark] = {}
        following = self._prices.next_after(store.cursor, concerned, at) if concerned else {}
        for name, until in following.items():
            for portfolio in concerned[name]:
                found = changed_sessions(portfolio, at, until)
                if found is None:
                    continue
                known = late.setdefault(portfolio, LateMark(portfolio, *found))
                known.first = min(known.first, found[0])
                known.last = max(known.last, found[1])
        restate_late_marks(store, late.values(), position=position, reason=reason)

    def _concerned(self, name: str) -> Iterable[Portfolio]:
        if "/" not in name:
            return self._holders.get(name, ())
        return [
            portfolio
            for portfolio in self._portfolios.values()
            if any(
                name in pair_names(currency, portfolio.base_currency)
                for currency in portfolio.currencies
                if currency != portfolio.base_currency
            )
        ]

    def _strike(
        self,
        store: Store,
        calendar: Calendar,
        session: Session,
        position: int,
        closes: Mapping[str, Quote],
    ) -> None:
        plain: list[tuple[Portfolio, Facts]] = []
        timed: list[Portfolio] = []
        index = len(calendar) - 1
        for portfolio in calendar.portfolios:
            facts = portfolio.take_waiting(session)
            if facts is not None:
                self._hold(portfolio, facts)
                if portfolio.first_session is None:
                    portfolio.first_session = index
                if any(flow.at is not None for flow in facts.flows):
                    portfolio.hold(facts)
                    timed.append(portfolio)
                    continue
                portfolio.note(facts)
            if portfolio.first_session is not None:
                plain.append((portfolio, facts or NO_FACTS))
        strike_plain(store, session, position, plain, closes)
        for walk in start_walk(store, timed, index) if timed else ():
            _, _, current = walk.step()
            walk.portfolio.carried = walk.carried
            self._days.strike(walk.portfolio, session, current, position)

    def _calendar(self, name: str) -> Calendar:
        calendar = self._calendars.get(name)
        if calendar is None:
            calendar = self._calendars[name] = Calendar(name)
        return calendar

    def _flush(self, cursor: psycopg.Cursor[Any]) -> None:
        self._ledger.flush(cursor)
        self._prices.flush(cursor)
        self._days.flush(cursor)
        if self._sessions:
            columns = "calendar, session, starts_at, ends_at, position"
            copy_lines(cursor, f"{self._schema}.sessions", columns, self._sessions)
            self._sessions = []
        if self._changed:
            upsert_lines(
                cursor,
                f"{self._schema}.portfolios",
                PORTFOLIO_COLUMNS,
                [_portfolio_line(portfolio) for portfolio in self._changed],
                key="tenant, portfolio",
            )
            self._changed = {}

    def _load(self, store: Store) -> None:
        """Load calendars, portfolios, what the last rows carry, and the facts that wait."""
        cursor = store.cursor
        cursor.execute(_SESSIONS.format(schema=self._schema).encode())
        for calendar, day, starts_at, ends_at in cursor.fetchall():
            session = Session(day, universal(starts_at), universal(ends_at))
            self._calendar(calendar).close(session)
            self._horizon = max(self._horizon or session.ends_at, session.ends_at)
        statement = _PORTFOLIOS.format(schema=self._schema, columns=PORTFOLIO_COLUMNS)
        cursor.execute(statement.encode())
        for tenant, name, currency, basis, market, position, first, held in cursor.fetchall():
            calendar = self._calendar(market)
            portfolio = Portfolio(tenant, name, currency, basis, calendar, position)
            portfolio.set_held(held)
            portfolio.first_session = None if first is None else calendar.of_date(first)
            calendar.portfolios.append(portfolio)
            self._portfolios[tenant, name] = portfolio
            for instrument in portfolio.instruments:
                self._holders.setdefault(instrument, {})[portfolio] = None
        begun = [each for each in self._portfolios.values() if each.first_session is not None]
        spans = [Span(each, len(each.calendar) - 1, len(each.calendar) - 1) for each in begun]
        for span, rows in zip(spans, self._days.stored(cursor, spans), strict=True):
            span.portfolio.carried = rows[span.last][1]
        load_waiting(cursor, self._schema, self._portfolios.values())
        self._is_loaded = True


def _portfolio_line(portfolio: Portfolio) -> str:
    first = portfolio.first_session
    session = None if first is None else portfolio.calendar.days[first]
    return (
        f"{text(portfolio.tenant)}\t{text(portfolio.name)}\t{portfolio.base_currency}\t"
        f"{portfolio.cost_basis}\t{text(portfolio.calendar.name)}\t{portfolio.opened_position}\t"
        f"{moment(session)}\t{text(portfolio.held().decode())}\n"
    )
