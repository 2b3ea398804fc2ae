"""The facts of one portfolio in book order, with the rates of their times, as of one position.

They are folded when somebody asks; nothing is stored of it. All is read in one snapshot, in which
the tables of `performance` are of one position.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeVar
from uuid import UUID

from domain.book import Book
from domain.bridge import CashMoved, Fact, Part, Prices, RateMissing, Traded, WrittenDown
from domain.lots import CostBasis, Fill, Matching, Side, match
from domain.money import ONE
from projections.asking import Answered, HistoryTooLong, Readable, ReadModelMissing, ask
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
_SESSIONS = """
session, starts_at, ends_at FROM {schema}.sessions WHERE calendar = %s AND session <= %s
"""
_FILLS = """
trade_id, on_date, at, instrument, quantity, price, currency, cash, fee, rate_to_base, book_order,
    closes
FROM {schema}.fills WHERE tenant = %s AND portfolio = %s AND on_date <= %s
ORDER BY book_order LIMIT %s
"""
_FLOWS = """
on_date, at, currency, amount, part FROM {schema}.flows
WHERE tenant = %s AND portfolio = %s
    AND CASE WHEN at IS NULL THEN on_date <= %s ELSE at < %s END
ORDER BY on_date, position, leg LIMIT %s
"""
_WRITE_DOWNS = """
marks.at, marks.name, marks.price, (
    SELECT before.price FROM {schema}.marks AS before
    WHERE before.name = marks.name AND before.price IS NOT NULL
        AND (before.at, before.position) < (marks.at, marks.position)
    ORDER BY before.at DESC, before.position DESC LIMIT 1
) AS price_before
FROM {schema}.marks
WHERE status = 'written_down' AND name = ANY(%s) AND marks.at <= %s
"""

AnswerT = TypeVar("AnswerT")


class Execution(NamedTuple):
    """A fill as it was booked; quantity signed, cash with the fee in it."""

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
    closes: list[UUID]

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
            closes=tuple(self.closes),
        )


def of_portfolio(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    answer: Callable[["History"], AnswerT],
) -> tuple[AnswerT | None, Answered]:
    """Answer from one portfolio's history, in one snapshot; None if the tenant does not have it.

    Raises:
        HistoryTooLong: it has more facts than are folded for one answer.
    """
    owner = (tenant, portfolio)
    with readable.connection.transaction():
        readable.connection.execute(_SNAPSHOT)
        first = ask(readable, NAME, _PORTFOLIO, owner)
        if not first.rows:
            return None, first
        base, basis, calendar = first.rows[0]
        answered = answer(History(readable, owner, base, CostBasis(basis), calendar))
        last = ask(readable, NAME, _PORTFOLIO, owner)
    if first.position != last.position:
        # Names are not part of a snapshot: a rebuild was swapped in between.
        raise ReadModelMissing(f"read model {NAME} is being replaced")
    return answered, first


class History:
    """One portfolio's facts; `read` must come before what is asked of them."""

    def __init__(
        self,
        readable: Readable,
        owner: tuple[str, str],
        base_currency: str,
        basis: CostBasis,
        calendar: str,
    ) -> None:
        self._readable = readable
        self.owner = owner
        self.base_currency = base_currency
        self.basis = basis
        self._calendar = calendar
        (partition,) = readable.partitions
        self._marked = MarkedPrices(NAME + partition.suffix)
        self._rates: dict[tuple[str, datetime], Decimal | None] = {}
        self._sessions: list[date] = []
        self._starts: list[datetime] = []
        self._ends: list[datetime] = []
        self.fills: list[Execution] = []
        self._flows: list[tuple[int, Flow]] = []

    def ask(self, rows: str, *parameters: object, order: str = "") -> Answered:
        """Ask for some rows, within the snapshot."""
        return ask(self._readable, NAME, rows, parameters, order=order)

    def read(self, until: date) -> None:
        """Read the sessions, fills and flows up to a date; flows of closed sessions only.

        Raises:
            HistoryTooLong: there are too many facts.
        """
        sessions = self.ask(_SESSIONS, self._calendar, until, order="ORDER BY session").rows
        for session, starts_at, ends_at in sessions:
            self._sessions.append(session)
            self._starts.append(starts_at)
            self._ends.append(ends_at)
        behind = (*self.owner, until)
        rows = self.ask(_FILLS, *behind, FACTS_MAX + 1, order="ORDER BY book_order").rows
        self.fills = [Execution(*row) for row in rows]
        last = self._ends[-1] if self._ends else None
        flows = self.ask(_FLOWS, *behind, last, FACTS_MAX + 1).rows
        if len(self.fills) + len(flows) > FACTS_MAX:
            raise HistoryTooLong(FACTS_MAX)
        for on_date, *columns in flows:
            flow = Flow(*columns)
            index = self._session_of(flow.at, on_date)
            if index < len(self._sessions):
                self._flows.append((index, flow))
        self._fetch_rates()

    def matched(self) -> Iterator[tuple[Execution, Matching]]:
        """Give what each fill did, in book order."""
        books: dict[str, Book] = {}
        for each in self.fills:
            book = books.setdefault(each.instrument, Book(self.basis))
            fill = each.fill()
            matching = match(book, fill)
            book.add(fill, matching)
            yield each, matching

    def facts(self) -> Iterator[tuple[int, Fact]]:
        """Give every fact with the index of its session: fills and write-downs in order, then cash.

        Raises:
            RateMissing: one of them has no rate.
        """
        falls = self._write_downs()
        for each, matching in self.matched():
            while falls and self._place(falls[0][0]) < self._place_of(each):
                yield self._fall(*falls.pop(0))
            traded = Traded(
                each.instrument, each.currency, matching, each.fee, each.cash, self.rate_of(each)
            )
            yield bisect_left(self._sessions, each.on_date), traded
        for fall in falls:
            yield self._fall(*fall)
        for index, flow in self._flows:
            rate = self._rate(flow.currency, flow.at, index)
            yield index, CashMoved(Part(flow.part), flow.currency, flow.amount, rate)

    def index_of(self, session: date) -> int:
        """Give the index of a session."""
        return bisect_left(self._sessions, session)

    def rate_of(self, fill: Execution) -> Decimal:
        """Give the rate to base of a fill: its own, else that of its time.

        Raises:
            RateMissing: there is none.
        """
        if fill.rate_to_base is not None and fill.currency != self.base_currency:
            return fill.rate_to_base
        return self._rate(fill.currency, fill.moment, bisect_left(self._sessions, fill.on_date))

    def prices(self, session: date, at: datetime) -> Prices:
        """Give the prices and rates that a session's end is valued with (convention 5)."""
        last = {each.instrument: each.price for each in self.fills if each.on_date <= session}
        self._fetch({at: set(last)})
        marks = self._marked.at(at)
        prices = {
            name: executed if (mark := marks.get(name)) is None else mark.price
            for name, executed in last.items()
        }
        currencies = {each.currency for each in self.fills}
        currencies.update(flow.currency for _, flow in self._flows)
        rates = {currency: self._rate_at(currency, at) for currency in currencies}
        known = {currency: rate for currency, rate in rates.items() if rate is not None}
        return Prices(prices, known)

    def _session_of(self, at: datetime | None, on_date: date) -> int:
        return bisect_left(self._sessions, on_date) if at is None else bisect_right(self._ends, at)

    def _place(self, at: datetime) -> tuple[int, datetime]:
        """Place a mark among the fills: by session, then by time."""
        return bisect_left(self._ends, at), at

    def _place_of(self, fill: Execution) -> tuple[int, datetime]:
        """Place a fill; one without a time of day stands where its session began."""
        index = bisect_left(self._sessions, fill.on_date)
        if fill.at is not None or index == len(self._sessions):
            return index, fill.moment
        return index, self._starts[index]

    def _write_downs(self) -> list[tuple[datetime, str, Decimal]]:
        """Give, by time, by how much the price of what was ever held fell in write-downs."""
        if not self._ends:
            return []
        names = sorted({each.instrument for each in self.fills})
        falls = []
        for at, name, price, before in self.ask(_WRITE_DOWNS, names, self._ends[-1]).rows:
            last = before if before is not None else self._last_executed(name, at)
            if last is not None:
                falls.append((at, name, price - last))
        return sorted(falls)

    def _last_executed(self, name: str, at: datetime) -> Decimal | None:
        place = self._place(at)
        before = [
            each for each in self.fills if each.instrument == name and self._place_of(each) <= place
        ]
        return before[-1].price if before else None

    def _fall(self, at: datetime, name: str, change: Decimal) -> tuple[int, WrittenDown]:
        currency = next(each.currency for each in self.fills if each.instrument == name)
        index = bisect_left(self._ends, at)
        return index, WrittenDown(name, currency, change, self._rate(currency, at, index))

    def _rate(self, currency: str, at: datetime | None, index: int) -> Decimal:
        """Give the rate of a moment, else that of the first session's end that has one."""
        if currency == self.base_currency:
            return ONE
        for moment in (*((at,) if at is not None else ()), *self._ends[index:]):
            rate = self._rate_at(currency, moment)
            if rate is not None:
                return rate
        raise RateMissing

    def _rate_at(self, currency: str, at: datetime) -> Decimal | None:
        if (currency, at) not in self._rates:
            self._fetch({at: set(pair_names(currency, self.base_currency))})
            found = rate_to_base(currency, self.base_currency, self._marked.at(at), at)
            self._rates[currency, at] = None if found is None else found.rate
        return self._rates[currency, at]

    def _fetch_rates(self) -> None:
        """Fetch at once the rates of all moments; only what has none then is asked for singly."""
        wanted: dict[datetime, set[str]] = {}
        moments = [(each.currency, each.moment) for each in self.fills if not each.rate_to_base]
        moments += [(flow.currency, flow.at or self._ends[index]) for index, flow in self._flows]
        for currency, at in moments:
            if currency != self.base_currency:
                wanted.setdefault(at, set()).update(pair_names(currency, self.base_currency))
        self._fetch(wanted)

    def _fetch(self, wanted: dict[datetime, set[str]]) -> None:
        with self._readable.connection.cursor() as cursor:
            self._marked.ask(cursor, wanted)
