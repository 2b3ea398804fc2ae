"""The bridge between the NAVs of two sessions, made when it is asked for (convention 9).

Nothing of it is stored: the facts of one portfolio are folded in book order by the domain's own
matching, up to the end asked for, and its NAVs must be those of `days`. All of it is read in one
snapshot, so the parts and what they explain are of one position.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from domain.book import Book
from domain.bridge import Account, Bridge, CashMoved, Part, Prices, Traded
from domain.lots import CostBasis, Fill, Side, match
from domain.money import ONE
from projections.asking import Answered, Readable, ReadModelMissing, ask
from projections.paging import Answer
from projections.performance.prices import Prices as MarkedPrices
from projections.performance.state import Flow
from projections.performance.valuation import pair_names, rate_to_base

NAME = "performance"
FACTS_MAX = 50_000
"""Facts folded for one answer; a portfolio with more up to the end asked for gets none."""

_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
_PORTFOLIO = """
base_currency, cost_basis, calendar FROM {schema}.portfolios WHERE tenant = %s AND portfolio = %s
"""
_DAYS = """
session, ends_at, nav FROM (
    (SELECT session, ends_at, nav FROM {schema}.days
     WHERE tenant = %s AND portfolio = %s AND session < %s ORDER BY session DESC LIMIT 1)
    UNION ALL
    (SELECT session, ends_at, nav FROM {schema}.days
     WHERE tenant = %s AND portfolio = %s AND session BETWEEN %s AND %s
     ORDER BY session DESC LIMIT 1)
) AS days
"""
_SESSIONS = """
session, ends_at FROM {schema}.sessions WHERE calendar = %s AND session <= %s
"""
_FILLS = """
trade_id, on_date, at, instrument, quantity, price, currency, cash, fee, rate_to_base, book_order
FROM {schema}.fills WHERE tenant = %s AND portfolio = %s AND on_date <= %s
ORDER BY book_order LIMIT %s
"""
_FLOWS = """
on_date, at, currency, amount, part FROM {schema}.flows
WHERE tenant = %s AND portfolio = %s
    AND CASE WHEN at IS NULL THEN on_date <= %s ELSE at < %s END
ORDER BY on_date, position, leg LIMIT %s
"""


class BridgeView(msgspec.Struct, frozen=True):
    """A bridge from the end of one session, or from nothing, to the end of another.

    Without a bridge `reason` says why: `no_session`, `nav_incomplete`, `rate_missing` of a fact,
    or `too_many_facts` to fold for an answer.
    """

    portfolio: str
    currency: str
    start_session: date | None
    end_session: date | None
    bridge: Bridge | None = None
    reason: str | None = None


class _End(NamedTuple):
    """A session at whose end a NAV stands."""

    session: date
    at: datetime
    nav: Decimal | None


class _Execution(NamedTuple):
    trade_id: UUID
    on_date: date
    at: datetime | None
    instrument: str
    quantity: Decimal
    price: Decimal
    currency: str
    cash: Decimal
    fee: Decimal
    rate_to_base: Decimal | None
    book_order: str

    @property
    def moment(self) -> datetime:
        """Its time; without a time of day, the end of its date, as the desk has it."""
        if self.at is not None:
            return self.at
        return datetime.combine(self.on_date + timedelta(days=1), time.min, UTC)

    def fill(self) -> Fill:
        """Give what matching needs; its place in book order is that of the rows."""
        return Fill(
            trade_id=self.trade_id,
            source="",
            external_id=self.book_order,
            side=Side.BUY if self.quantity > 0 else Side.SELL,
            quantity=abs(self.quantity),
            price=self.price,
            consideration=abs(self.cash + self.fee),
            fee=self.fee,
            trade_date=self.on_date,
        )


class _RateMissing(Exception):
    """A fact has no rate to base, at its time or at the end of any session since."""


def bridge_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    since: date | None = None,
    until: date | None = None,
) -> Answer[BridgeView]:
    """Explain the change of NAV from the session before `since` to the last up to `until`.

    No row when the tenant has no such portfolio.
    """
    owner = (tenant, portfolio)
    with readable.connection.transaction():
        readable.connection.execute(_SNAPSHOT)
        first = ask(readable, NAME, _PORTFOLIO, owner)
        if not first.rows:
            return Answer(None, first.position, first.market_position)
        base, basis, calendar = first.rows[0]
        question = _Question(readable, owner, base, CostBasis(basis), calendar)
        view = question.answer(since or date.min, until or date.max)
        last = ask(readable, NAME, _PORTFOLIO, owner)
    if first.position != last.position:
        # Names are not part of a snapshot: a rebuild was swapped in between.
        raise ReadModelMissing(f"read model {NAME} is being replaced")
    return Answer(view, first.position, first.market_position)


class _Question:
    """One portfolio asked about within one snapshot."""

    def __init__(
        self,
        readable: Readable,
        owner: tuple[str, str],
        base: str,
        basis: CostBasis,
        calendar: str,
    ) -> None:
        self._readable = readable
        self._owner = owner
        self._base = base
        self._basis = basis
        self._calendar = calendar
        (partition,) = readable.partitions
        self._marked = MarkedPrices(NAME + partition.suffix)
        self._rates: dict[tuple[str, datetime], Decimal | None] = {}
        self._sessions: list[date] = []
        self._ends: list[datetime] = []

    def answer(self, since: date, until: date) -> BridgeView:
        """Give the bridge between two sessions, or the reason why there is none."""
        found = self._ask(_DAYS, *self._owner, since, *self._owner, since, until).rows
        days = [_End(*row) for row in found]
        start = next((day for day in days if day.session < since), None)
        end = next((day for day in days if day.session >= since), None)
        view = BridgeView(
            portfolio=self._owner[1],
            currency=self._base,
            start_session=start and start.session,
            end_session=end and end.session,
        )
        if end is None:
            return msgspec.structs.replace(view, reason="no_session")
        if end.nav is None or (start is not None and start.nav is None):
            return msgspec.structs.replace(view, reason="nav_incomplete")
        asked = (self._calendar, end.session)
        sessions = self._ask(_SESSIONS, *asked, order="ORDER BY session").rows
        self._sessions = [session for session, _ in sessions]
        self._ends = [ends_at for _, ends_at in sessions]
        return self._explain(view, start, end)

    def _explain(self, view: BridgeView, start: _End | None, end: _End) -> BridgeView:
        until = (*self._owner, end.session)
        rows = self._ask(_FILLS, *until, FACTS_MAX + 1, order="ORDER BY book_order").rows
        fills = [_Execution(*row) for row in rows]
        flows = self._ask(_FLOWS, *until, end.at, FACTS_MAX + 1).rows
        if len(fills) + len(flows) > FACTS_MAX:
            return msgspec.structs.replace(view, reason="too_many_facts")
        self._fetch_rates(fills, flows)
        facts: list[tuple[int, Traded | CashMoved]]
        try:
            facts = [*self._traded(fills), *self._moved(flows)]
        except _RateMissing:
            return msgspec.structs.replace(view, reason="rate_missing")
        before = -1 if start is None else bisect_left(self._sessions, start.session)
        account = Account(self._base, self._basis)
        for index, fact in facts:
            if index <= before:
                account.take(fact)
        bridge = account.bridge(
            (fact for index, fact in facts if index > before),
            start=Prices({}, {}) if start is None else self._prices(fills, flows, start),
            end=self._prices(fills, flows, end),
        )
        assert not bridge.unexplained, "the parts explain the change of NAV"
        assert bridge.nav_end == end.nav, "the bridge ends at the NAV of its day"
        assert start is None or bridge.nav_start == start.nav, "and begins at that of its day"
        return msgspec.structs.replace(view, bridge=bridge)

    def _traded(self, fills: Iterable[_Execution]) -> Iterable[tuple[int, Traded]]:
        """Give what each fill did, with the index of its session."""
        books: dict[str, Book] = {}
        for each in fills:
            book = books.setdefault(each.instrument, Book(self._basis))
            fill = each.fill()
            matching = match(book, fill)
            book.add(fill, matching)
            index = bisect_left(self._sessions, each.on_date)
            rate = each.rate_to_base
            if rate is None or each.currency == self._base:
                rate = self._rate(each.currency, each.moment, index)
            yield index, Traded(each.instrument, each.currency, matching, each.fee, each.cash, rate)

    def _moved(self, flows: Iterable[tuple[Any, ...]]) -> Iterable[tuple[int, CashMoved]]:
        """Give what moved cash apart from trades, each with the index of its session."""
        for on_date, *columns in flows:
            flow = Flow(*columns)
            index = self._session_of(flow.at, on_date)
            rate = self._rate(flow.currency, flow.at, index)
            yield index, CashMoved(Part(flow.part), flow.currency, flow.amount, rate)

    def _session_of(self, at: datetime | None, on_date: date) -> int:
        if at is None:
            return bisect_left(self._sessions, on_date)
        return bisect_right(self._ends, at)

    def _rate(self, currency: str, at: datetime | None, index: int) -> Decimal:
        """Give the rate of a moment, else that of the first session's end that has one."""
        if currency == self._base:
            return ONE
        for moment in (*((at,) if at is not None else ()), *self._ends[index:]):
            rate = self._rate_at(currency, moment)
            if rate is not None:
                return rate
        raise _RateMissing

    def _rate_at(self, currency: str, at: datetime) -> Decimal | None:
        if (currency, at) not in self._rates:
            self._fetch({at: set(pair_names(currency, self._base))})
            found = rate_to_base(currency, self._base, self._marked.at(at), at)
            self._rates[currency, at] = None if found is None else found.rate
        return self._rates[currency, at]

    def _fetch_rates(self, fills: Iterable[_Execution], flows: Iterable[tuple[Any, ...]]) -> None:
        """Fetch at once the rates of all moments; only what has none then is asked for singly."""
        wanted: dict[datetime, set[str]] = {}
        moments = [(each.currency, each.moment) for each in fills if each.rate_to_base is None]
        for on_date, at, currency, *_ in flows:
            moments.append((currency, at or self._ends[self._session_of(at, on_date)]))
        for currency, at in moments:
            if currency != self._base:
                wanted.setdefault(at, set()).update(pair_names(currency, self._base))
        self._fetch(wanted)

    def _prices(
        self, fills: Iterable[_Execution], flows: Iterable[tuple[Any, ...]], end: _End
    ) -> Prices:
        """Give the prices and rates that a session's end is valued with (convention 5)."""
        last = {each.instrument: each for each in fills if each.on_date <= end.session}
        self._fetch({end.at: set(last)})
        marks = self._marked.at(end.at)
        prices = {
            name: executed.price if (mark := marks.get(name)) is None else mark.price
            for name, executed in last.items()
        }
        currencies = {each.currency for each in fills} | {row[2] for row in flows}
        rates = {currency: self._rate_at(currency, end.at) for currency in currencies}
        known = {currency: rate for currency, rate in rates.items() if rate is not None}
        return Prices(prices, known)

    def _fetch(self, wanted: dict[datetime, set[str]]) -> None:
        with self._readable.connection.cursor() as cursor:
            self._marked.ask(cursor, wanted)

    def _ask(self, rows: str, *parameters: object, order: str = "") -> Answered:
        return ask(self._readable, NAME, rows, parameters, order=order)
