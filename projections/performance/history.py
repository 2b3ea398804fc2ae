"""The facts of one portfolio in book order, with the rates of their times, as of one position.

They are folded when somebody asks; nothing is stored of it. All is read in one snapshot, in which
the tables of `performance` are of one position.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cached_property
from operator import attrgetter
from typing import TypeVar

from domain.basis_change import BasisChange
from domain.book import Book
from domain.bridge import (
    CashMoved,
    Fact,
    Part,
    Price,
    Prices,
    RateMissing,
    Taken,
    WrittenDown,
)
from domain.corporate_actions import SpinOff
from domain.held import Applied, Received
from domain.lots import CostBasis, Matching, match
from domain.money import ONE
from projections.asking import (
    Answered,
    HistoryTooLong,
    Readable,
    Stand,
    State,
    ask,
    snapshot,
)
from projections.performance import booked
from projections.performance.booked import Execution, Fall
from projections.performance.facts import Flow
from projections.performance.market_told import MarketTold, market_told
from projections.performance.moves import ENTRIES, MovedLots, Stood, stood_of
from projections.performance.prices import Prices as MarkedPrices
from projections.performance.sessions import Sessions, closed_sessions
from projections.performance.standing import (
    ACTS,
    Act,
    Effect,
    Standing,
    act_of,
    standing_of,
)
from projections.performance.state import FIRST_MOMENT, Quote
from projections.performance.units import Units
from projections.performance.valuation import pair_names, rate_to_base

NAME = "performance"
FACTS_MAX = 50_000
"""Facts folded for one answer; a portfolio with more up to the end asked for gets none."""

AnswerT = TypeVar("AnswerT")


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
    readable = readable._replace(steady={})
    with snapshot(readable):
        told = ask(readable, NAME, booked.PORTFOLIO, owner)
        if not told.rows:
            return None, told
        return answer(History(readable, owner, told)), told


class History:
    """One portfolio's facts; `read` must come before what is asked of them.

    `state` is that of the tables it is read from, `log_id` names the log they are made of. It
    `is_behind` where folding them has shown that an action is not in the books, or not yet as it
    is to be: days are then of before, or of behind, what is still to be told.
    """

    def __init__(self, readable: Readable, owner: tuple[str, str], told: Answered) -> None:
        self.readable = readable
        self.owner = owner
        self.base_currency, basis, self.calendar, *rest = told.rows[0]
        self.first_session, self.log_id, edition = rest
        self.basis = CostBasis(basis)
        self.state = State(told.position, edition)
        self.stand = Stand(self.log_id, self.state, told.market_position)
        (partition,) = readable.partitions
        self._marked = MarkedPrices(NAME + partition.suffix)
        self._rates: dict[tuple[str, datetime], Decimal | None] = {}
        self._sessions, self._starts, self._ends = Sessions()
        self.fills: list[Execution] = []
        self._flows: list[tuple[int, Flow, int]] = []
        self._standing: list[Standing] = []
        self._entries: list[Stood] = []
        self._currencies: dict[str, str] = {}
        self._units = Units.of((), {})
        self.is_behind = False

    def ask(self, rows: str, *parameters: object, order: str = "") -> Answered:
        """Ask for some rows, within the snapshot."""
        return ask(self.readable, NAME, rows, parameters, order=order)

    def sessions(self) -> Sessions:
        """Give the closed sessions of its calendar."""
        of = (self.log_id, self.state.edition)
        return closed_sessions(self.readable, self.calendar, of, self.stand.market_position)

    @cached_property
    def market(self) -> MarketTold:
        """What the market told, as of the snapshot."""
        return market_told(self.readable, self.stand)

    def read(self, until: date) -> None:
        """Read the sessions, fills and flows up to a date; flows of closed sessions only.

        Raises:
            HistoryTooLong: there are too many facts.
        """
        self._sessions, self._starts, self._ends = self.sessions().until(until)
        behind = (*self.owner, until)
        rows = self.ask(booked.FILLS, *behind, FACTS_MAX + 1, order="ORDER BY book_order").rows
        self.fills = [Execution(*row) for row in rows]
        last = self._ends[-1] if self._ends else None
        flows = self.ask(booked.FLOWS, *behind, last, FACTS_MAX + 1).rows
        acts = [act_of(row) for row in self.ask(ACTS, *behind, FACTS_MAX + 1).rows]
        rows = self.ask(ENTRIES, *behind, FACTS_MAX + 1).rows
        self._entries = [stood_of(row) for row in rows]
        if len(self.fills) + len(flows) + len(acts) + len(rows) > FACTS_MAX:
            raise HistoryTooLong(FACTS_MAX)
        self._currencies = {each.instrument: each.currency for each in acts}
        self._currencies |= {each.instrument: each.currency for each in self.fills}
        self._currencies |= {each.instrument: each.currency for each in self._entries}
        self._read_actions(acts, min(until, self._sessions[-1]) if self._sessions else date.min)
        for on_date, position, *columns in flows:
            flow = Flow(*columns)
            index = self._session_of(flow.at, on_date)
            if index < len(self._sessions):
                self._flows.append((index, flow, position))
        self._fetch_rates()

    def _read_actions(self, acts: list[Act], last: date) -> None:
        names = sorted(self._currencies)
        self._units = self.market.units(self.readable, names)
        self._standing = standing_of(acts, self.market.declared(self.readable, names), last)

    def outcomes(self) -> Iterator[tuple[Execution, Matching] | Effect | MovedLots]:
        """Give what each fill, corporate action and other entry did, in book order."""
        books: dict[str, Book] = {}
        placed: list[Execution | Standing | Stood] = [
            *self.fills, *self._standing, *self._entries
        ]  # fmt: skip
        for each in sorted(placed, key=attrgetter("book_order")):
            if isinstance(each, Standing):
                effect = self._effect(books, each)
                if effect is not None:
                    yield effect
                continue
            book = books.setdefault(each.instrument, Book(self.basis))
            if isinstance(each, Stood):
                applied = book.fold_entry(each.entry)
                assert isinstance(applied, Applied), "an entry is no fill"
                yield MovedLots(each, applied)
                continue
            fill = each.fill()
            matching = match(book, fill)
            book.add(fill, matching)
            yield each, matching

    def _effect(self, books: dict[str, Book], standing: Standing) -> Effect | None:
        """Fold an action, and what it gave to its child's book."""
        action = standing.action
        book = books.setdefault(action.instrument, Book(self.basis))
        if standing.is_lacked:
            self.is_behind |= bool(book.quantity)
            return None
        applied = book.fold_entry(action)
        assert isinstance(applied, Applied), "an action is no fill"
        delivered = None
        if isinstance(action, SpinOff):
            received = Received(
                entry_id=action.entry_id,
                key=action.key,
                lots=() if applied.child is None else applied.child.lots,
            )
            child = books.setdefault(action.child, Book(self.basis))
            found = child.fold_entry(received)
            assert isinstance(found, Applied), "lots that come are no fill"
            delivered = found
        self.is_behind |= standing.is_reversed or not standing.gives(applied, delivered)
        return Effect(standing, applied, delivered)

    def facts(self) -> Iterator[tuple[int, Fact]]:
        """Give every fact with the index of its session: fills and write-downs in order, then cash.

        Raises:
            RateMissing: one of them has no rate.
        """
        falls = self._write_downs()
        for each in self.outcomes():
            fact: Fact
            if isinstance(each, Effect):
                place = bisect_left(self._sessions, each.standing.on_date), FIRST_MOMENT
                fact = self._taken(each)
            elif isinstance(each, MovedLots):
                stood = each.stood
                place = self.index_of(stood.on_date), stood.at
                fact = each.moved(self.rate_of_move(stood))
            else:
                fill, matching = each
                place, fact = self._place_of(fill), fill.traded(matching, self.rate_of(fill))
            while falls and self._place(falls[0].at) < place:
                yield self._fall(falls.pop(0))
            yield place[0], fact
        for fall in falls:
            yield self._fall(fall)
        for index, flow, position in self._flows:
            rate = self._rate(flow.currency, flow.at, index)
            yield index, CashMoved(Part(flow.part), flow.currency, flow.amount, rate, position)

    def _taken(self, effect: Effect) -> Taken:
        standing, due = effect.standing, effect.applied.due
        due_rate = ONE
        if due is not None:
            due_rate = self._rate_on(due.currency, standing.on_date, standing.due_rate_to_base)
        return Taken(
            instrument=standing.action.instrument,
            currency=standing.currency,
            action=standing.action,
            applied=effect.applied,
            rate=self.rate_of_effect(effect),
            delivered=effect.delivered,
            due_rate=due_rate,
            position=standing.position,
        )

    def rate_of_effect(self, effect: Effect) -> Decimal:
        """Give the rate to base on the ex-date of an action; where none counts, any.

        Raises:
            RateMissing: there is none.
        """
        standing = effect.standing
        if not effect.needs_rate:
            return ONE
        return self._rate_on(standing.currency, standing.on_date, standing.rate_to_base)

    def _rate_on(self, currency: str, day: date, told: Decimal | None) -> Decimal:
        """Give the rate an event told, else that of the start of its date, as the desk has it."""
        if told is not None and currency != self.base_currency:
            return told
        start = datetime.combine(day, time.min, UTC)
        return self._rate(currency, start, bisect_left(self._sessions, day))

    def rate_of_move(self, stood: Stood) -> Decimal:
        """Give the rate to base at which lots moved; for a change of basis, any.

        Raises:
            RateMissing: there is none.
        """
        if isinstance(stood.entry, BasisChange):
            return ONE
        if stood.rate_to_base is not None and stood.currency != self.base_currency:
            return stood.rate_to_base
        return self._rate(stood.currency, stood.at, self.index_of(stood.on_date))

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
        marks = self.market.marks(self.readable, self._currencies, at)
        unmarked = [each for each in self.fills if each.instrument not in marks]
        quotes = {each.instrument: each.quote for each in unmarked if each.on_date <= session}
        quotes |= {name: mark.quote for name, mark in marks.items()}
        prices = {name: self._price(name, quote, session) for name, quote in quotes.items()}
        currencies = set(self._currencies.values())
        currencies.update(flow.currency for _, flow, _ in self._flows)
        currencies.update(due for each in self._standing if (due := each.due_currency) is not None)
        rates = {currency: self._rate_at(currency, at) for currency in currencies}
        known = {currency: rate for currency, rate in rates.items() if rate is not None}
        return Prices(prices, known)

    def _price(self, name: str, quote: Quote, on: date) -> Price:
        scale = self._units.scale(name, quote, on)
        return Price(quote.price) if scale is None else Price(quote.price, scale)

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

    def _write_downs(self) -> list[Fall]:
        """Give, by time, how the price of what was ever held fell in write-downs."""
        if not self._ends:
            return []
        falls = []
        names, until = sorted(self._currencies), self._ends[-1]
        found = self.market.write_downs(self.readable, names, until)
        for at, name, price, position, before_at, before_price, session in found:
            before = self._last_executed(name, at)
            if before_at is not None:
                before = Quote(before_at, before_price, on=session)
            if before is not None:
                falls.append(Fall(at, name, before, Quote(at, price), position))
        return sorted(falls, key=lambda fall: (fall.at, fall.name))

    def _last_executed(self, name: str, at: datetime) -> Quote | None:
        place = self._place(at)
        before = [
            each for each in self.fills if each.instrument == name and self._place_of(each) <= place
        ]
        return before[-1].quote if before else None

    def _fall(self, fall: Fall) -> tuple[int, WrittenDown]:
        at, name, before, after, position = fall
        currency = self._currencies[name]
        index = bisect_left(self._ends, at)
        on = self._sessions[index]
        prices = (self._price(name, before, on), self._price(name, after, on))
        rate = self._rate(currency, at, index)
        return index, WrittenDown(name, currency, *prices, rate, position)

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
        if currency == self.base_currency:
            return ONE
        if (currency, at) not in self._rates:
            self._fetch({at: set(pair_names(currency, self.base_currency))})
            found = rate_to_base(currency, self.base_currency, self._marked.at(at), at)
            self._rates[currency, at] = None if found is None else found.rate
        return self._rates[currency, at]

    def _fetch_rates(self) -> None:
        """Fetch at once the rates of all moments; only what has none then is asked for singly."""
        wanted: dict[datetime, set[str]] = {}
        moments = [(each.currency, each.moment) for each in self.fills if not each.rate_to_base]
        moments += [(flow.currency, flow.at or self._ends[index]) for index, flow, _ in self._flows]
        for currency, at in moments:
            if currency != self.base_currency:
                wanted.setdefault(at, set()).update(pair_names(currency, self.base_currency))
        self._fetch(wanted)

    def _fetch(self, wanted: dict[datetime, set[str]]) -> None:
        with self.readable.connection.cursor() as cursor:
            self._marked.ask(cursor, wanted)
