"""The fold of `performance`: cash, quantities and prices at one position (conventions 5, 6, 11).

Facts of open sessions wait; a closed session strikes a row for every portfolio of its calendar that
has had a fact. A fact or mark that comes behind a closed session restates what follows it.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, get_args

import psycopg

from domain.event import Event
from domain.figures import FiguresStruck
from domain.instrument import (
    CorporateActionDeclared,
    CorporateActionReversed,
    WrittenDown,
)
from domain.market import CloseCorrected, MarketMarked, SessionClosed
from domain.portfolio.corporate_events import (
    CorporateActionUnapplied,
    LotsSpunOff,
)
from domain.portfolio.events import (
    PortfolioOpened,
    Reason,
    TradeBooked,
    TradeUnbooked,
)
from projections.performance import reasons
from projections.performance.acts import ActEvent, change_of, changes_units
from projections.performance.days import Days
from projections.performance.facts import Facts
from projections.performance.ledger import (
    CashMove,
    Ledger,
    flow_date,
    flows_of,
    signed_quantity,
)
from projections.performance.loading import (
    load_calendars,
    load_facts,
    load_portfolios,
    write_portfolios,
)
from projections.performance.moves import EntryEvent
from projections.performance.prices import Prices
from projections.performance.reference import Reference, ReferenceEvent
from projections.performance.restating import (
    LateMark,
    Store,
    changed_sessions,
    concerned_by,
    late_units,
    restate_late_marks,
    settle_late_facts,
    start_walk,
)
from projections.performance.state import (
    Calendar,
    Cause,
    Portfolio,
    Quote,
    Session,
    universal,
)
from projections.performance.striking import is_walked, strike_plain
from projections.performance.tables import copy_lines, moment, text
from projections.performance.units import Units
from projections.read_model import Decoded

NO_FACTS = Facts()


class PerformanceFold:
    """Folds events into one schema; loads what it needs at its first batch."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._ledger = Ledger(schema)
        self._prices = Prices(schema)
        self._days = Days(schema)
        self._units = Units(schema)
        self._calendars: dict[str, Calendar] = {}
        self._portfolios: dict[tuple[str, str], Portfolio] = {}
        self._holders: dict[str, dict[Portfolio, None]] = {}
        self._late: dict[Portfolio, None] = {}
        self._changed: dict[Portfolio, None] = {}
        self._sessions: list[str] = []
        self._reference = Reference(schema, self._units)
        self._horizon: datetime | None = None
        self._is_loaded = False
        self._is_deferring = False
        self._takers: dict[type[Event], Callable[[Store, int, str, Any], None]] = {
            PortfolioOpened: self._open,
            **dict.fromkeys(get_args(CashMove), self._take_flow),
            TradeBooked: self._take_trade,
            TradeUnbooked: self._take_out_trade,
            MarketMarked: self._mark,
            WrittenDown: self._mark,
            SessionClosed: self._close_session,
            CloseCorrected: self._correct_close,
            **dict.fromkeys(get_args(ReferenceEvent), lambda *told: self._reference.add(*told[1:])),
            FiguresStruck: lambda *told: self._days.tell_figures(*told[1:]),
            CorporateActionDeclared: self._take_action,
            CorporateActionReversed: self._take_action,
            **dict.fromkeys(get_args(ActEvent), self._act),
            **dict.fromkeys(get_args(EntryEvent), self._take_entry),
        }

    def defer(self, cursor: psycopg.Cursor[Any]) -> None:
        """Leave the rows of portfolios unwritten until `settle`."""
        self._ledger.leave_keys(cursor)
        self._is_deferring = True

    def settle(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write what was left."""
        self._is_deferring = False
        self._flush(cursor)
        self._ledger.make_keys(cursor)

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Take a batch: what is late is restated once at its end, or before the next strike."""
        store = Store(cursor, self._ledger, self._prices, self._days, self._units)
        if not self._is_loaded:
            self._load(store)
        takers = self._takers
        for position, tenant, _, event, _ in batch:
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
        quantity, day = signed_quantity(event.fill), event.fill.trade_date
        self._ledger.add_fill(tenant, event, quantity, position)
        is_late = portfolio.calendar.is_closed(day)
        facts = Facts() if is_late else portfolio.waiting_on(day)
        facts.add_change(event.instrument, quantity, event.currency, event.cash_change)
        reason = reasons.LATE_TRADE
        if portfolio.amending and event.fill.trade_id in portfolio.amending:
            reason = reasons.AMENDED_TRADE
            portfolio.amending.remove(event.fill.trade_id)
            self._changed[portfolio] = None
        if is_late:
            index = portfolio.calendar.of_date(day)
            self._take_late(portfolio, facts, Cause(index, position, reason))

    def _take_out_trade(
        self, _store: Store, position: int, tenant: str, event: TradeUnbooked
    ) -> None:
        portfolio = self._portfolios[tenant, event.portfolio]
        self._ledger.take_out_fill(tenant, event, position)
        reason = reasons.BUSTED_TRADE
        if event.reason is Reason.AMENDED:
            reason = reasons.AMENDED_TRADE
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
            reason = reasons.LATE_FLOW if flows[0].is_external else reasons.LATE_CASH
            self._take_late(portfolio, facts, Cause(index, position, reason))

    def _take_action(
        self,
        store: Store,
        position: int,
        _tenant: str,
        event: CorporateActionDeclared | CorporateActionReversed,
    ) -> None:
        """Take what is declared or reversed: a split changes what prices mean at once."""
        self._settle(store)
        if isinstance(event, CorporateActionDeclared):
            action, reason = self._units.declare(event, position), reasons.CORPORATE_ACTION
        else:
            action, reason = self._units.reverse(event, position), reasons.REVERSED_ACTION
        late = late_units(action, self._holders.get(action.instrument, ()))
        restate_late_marks(store, late, position=position, reason=reason)

    def _act(self, _store: Store, position: int, tenant: str, event: ActEvent) -> None:
        if isinstance(event, LotsSpunOff) and event.page > 1:
            return
        portfolio = self._portfolios[tenant, event.portfolio]
        self._ledger.acts.add(tenant, event, position)
        action = event.terms.action
        is_gone = isinstance(event, CorporateActionUnapplied)
        if changes_units(event):
            portfolio.act(action.instrument, action.action, is_applied=not is_gone)
            self._changed[portfolio] = None
        index = portfolio.calendar.of_date(action.ex_date)
        is_late = index < len(portfolio.calendar)
        facts = Facts() if is_late else portfolio.waiting_on(action.ex_date)
        facts.add_action(change_of(event))
        if is_late:
            is_reversed = is_gone or self._units.is_reversed(action)
            reason = reasons.REVERSED_ACTION if is_reversed else reasons.CORPORATE_ACTION
            self._take_late(portfolio, facts, Cause(index, position, reason))

    def _take_entry(self, _store: Store, position: int, tenant: str, event: EntryEvent) -> None:
        facts = self._ledger.add_entry(tenant, event, position)
        if facts is None:
            return
        portfolio, day = self._portfolios[tenant, event.portfolio], facts.actions[0].on_date
        index = portfolio.calendar.of_date(day)
        if index < len(portfolio.calendar):
            self._take_late(portfolio, facts, Cause(index, position, reasons.LATE_TRANSFER))
        else:
            portfolio.waiting_on(day).merge(facts)

    def _take_late(self, portfolio: Portfolio, facts: Facts, cause: Cause) -> None:
        portfolio.hold(facts, portfolio.calendar.days[cause.first])
        self._hold(portfolio, facts)
        first = portfolio.first_session
        if facts.begins and (first is None or cause.first < first):
            portfolio.first_session = cause.first
        portfolio.causes.append(cause)
        self._late[portfolio] = None

    def _hold(self, portfolio: Portfolio, facts: Facts) -> None:
        self._changed[portfolio] = None
        for name in facts.touched:
            self._holders.setdefault(name, {})[portfolio] = None

    def _mark(
        self, store: Store, position: int, _tenant: str, event: MarketMarked | WrittenDown
    ) -> None:
        at = universal(event.at)
        is_late = self._is_behind(at)
        if is_late:
            self._settle(store)
        if isinstance(event, WrittenDown):
            names, reason = self._prices.add_write_down(event, position), reasons.LATE_WRITE_DOWN
        else:
            names, reason = self._prices.add_marks(event, position), reasons.LATE_MARK
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
            self._restate(store, closes, at=ends_at, position=position, reason=reasons.LATE_MARK)
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
        self._restate(
            store, [event.instrument], at=at, position=position, reason=reasons.CORRECTED_CLOSE
        )

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
        concerned = concerned_by(listed, self._holders, self._portfolios.values())
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

    def _strike(
        self,
        store: Store,
        calendar: Calendar,
        session: Session,
        position: int,
        closes: Mapping[str, Quote],
    ) -> None:
        plain: list[tuple[Portfolio, Facts]] = []
        walked: list[Portfolio] = []
        index = len(calendar) - 1
        for portfolio in calendar.portfolios:
            facts = portfolio.take_waiting(session)
            if facts is not None:
                self._hold(portfolio, facts)
                portfolio.note(facts, session.day)
                if portfolio.first_session is None and facts.begins:
                    portfolio.first_session = index
            if portfolio.first_session is None:
                portfolio.holdings.merge(facts or NO_FACTS)
            elif is_walked(self._units, portfolio, facts or NO_FACTS):
                portfolio.holdings.merge(facts or NO_FACTS)
                walked.append(portfolio)
            else:
                plain.append((portfolio, facts or NO_FACTS))
        strike_plain(store, session, position, plain, closes)
        for walk in start_walk(store, walked, index) if walked else ():
            _, _, current = walk.step()
            walk.portfolio.carried = walk.carried
            self._days.strike(walk.portfolio, session, current, position)

    def _load(self, store: Store) -> None:
        """Load what was kept."""
        self._units.load(store.cursor)
        self._calendars = load_calendars(store, self._schema)
        ends = [calendar.ends[-1] for calendar in self._calendars.values()]
        self._horizon = max(ends, default=None)
        for portfolio in load_portfolios(store, self._schema, self._calendars):
            self._portfolios[portfolio.tenant, portfolio.name] = portfolio
            for instrument in portfolio.instruments:
                self._holders.setdefault(instrument, {})[portfolio] = None
        load_facts(store, self._schema, self._portfolios.values())
        self._is_loaded = True

    def _calendar(self, name: str) -> Calendar:
        calendar = self._calendars.get(name)
        if calendar is None:
            calendar = self._calendars[name] = Calendar(name)
        return calendar

    def _flush(self, cursor: psycopg.Cursor[Any]) -> None:
        self._ledger.flush(cursor)
        self._prices.flush(cursor)
        self._days.flush(cursor)
        self._units.flush(cursor)
        self._reference.flush(cursor)
        if self._sessions:
            columns = "calendar, session, starts_at, ends_at, position"
            copy_lines(cursor, f"{self._schema}.sessions", columns, self._sessions)
            self._sessions = []
        if self._changed and not self._is_deferring:
            write_portfolios(cursor, self._schema, self._changed)
            self._changed = {}
