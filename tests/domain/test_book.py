"""The book and what it remembers: a late fill in its place, from memory or from history."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice, permutations
from random import Random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.book import STEPS_MAX, Book
from domain.lots import CostBasis, Fill, Lot, Side, match
from domain.money import ZERO, Money
from domain.portfolio.booking import Booking, Unbooking, book_fill, cash_change, unbook_fill
from domain.portfolio.events import (
    CashDeposited,
    LotsRestated,
    PortfolioOpened,
    Reason,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.restating import lots_between
from domain.portfolio.state import Portfolio
from domain.refolding import refold
from tests.domain.scenes import history_of

NOON = datetime(2024, 1, 8, 12, tzinfo=UTC)
MONDAY = date(2024, 1, 8)
BASES = st.sampled_from(list(CostBasis))


def fill(second: int, quantity: int, price: int) -> Fill:
    """A fill some seconds after noon; a negative quantity is sold."""
    amount = Decimal(abs(quantity))
    return Fill(
        trade_id=UUID(int=second * 1_000 + abs(quantity)),
        source="desk",
        external_id=f"{second}/{quantity}",
        side=Side.BUY if quantity > 0 else Side.SELL,
        quantity=amount,
        price=Decimal(price),
        consideration=amount * price,
        fee=Decimal(1),
        trade_date=MONDAY,
        executed_at=NOON + timedelta(seconds=second),
    )


FILLS = st.lists(
    st.builds(
        fill,
        st.integers(0, 40),
        st.integers(-9, 9).filter(bool),
        st.integers(1, 20),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda each: (each.executed_at, each.trade_id),
)


def opened(basis: CostBasis) -> Portfolio:
    """An open portfolio with cash."""
    portfolio = Portfolio()
    portfolio.apply(
        PortfolioOpened(
            portfolio="alpha",
            base_currency="USD",
            cost_basis=basis,
            calendar="24/7",
            allows_leverage=True,
            allows_short=True,
        )
    )
    cash = Money(Decimal(1_000), "USD")
    portfolio.apply(
        CashDeposited(portfolio="alpha", amount=cash, balance=cash.amount, value_date=MONDAY)
    )
    return portfolio


def arrive(portfolio: Portfolio, fills: list[Fill]) -> list[TradeBooked | LotsRestated]:
    """Book fills in their order of arrival."""
    events = []
    for number, each in enumerate(fills):
        before = fills[:number]
        booked = book_fill(
            portfolio,
            instrument="AAPL",
            currency="USD",
            fill=each,
            history=history_of(lambda before=before: before),  # type: ignore[misc]
            rate_to_base=Decimal(1),
        )
        for event in booked:
            portfolio.apply(event)
            assert isinstance(event, TradeBooked | LotsRestated)
            events.append(event)
    return events


def totals_of(book: Book) -> tuple[object, ...]:
    """Everything a book holds, but what it remembers."""
    return (
        list(book.lots),
        book.quantity,
        book.cost,
        book.fees,
        book.realised_gross,
        book.realised_net,
        book.last_key,
    )


class TestArrivingInAnyOrder:
    """Executed facts commute: the book is that of book order."""

    @given(fills=FILLS, basis=BASES, seed=st.randoms())
    def test_gives_the_book_of_book_order(
        self, fills: list[Fill], basis: CostBasis, seed: object
    ) -> None:
        """From memory where it reaches (10 s), from history where it does not."""
        shuffled = list(fills)
        seed.shuffle(shuffled)  # type: ignore[attr-defined]
        portfolio = opened(basis)

        events = arrive(portfolio, shuffled)

        expected, _ = refold(fills, basis)
        assert totals_of(portfolio.book("AAPL")) == totals_of(expected)
        own = sum(each.realised_gross for each in events if isinstance(each, TradeBooked))
        moved = sum(
            change.gross
            for each in events
            if isinstance(each, LotsRestated)
            for change in each.changes
        )
        assert own + moved == expected.realised_gross

    def test_tells_memory_and_history_the_same_events(self) -> None:
        """A book that forgot everything decides the same restatement."""
        story = [fill(1, 5, 10), fill(3, 5, 12), fill(5, -7, 15), fill(6, -6, 14)]
        for arrival in islice(permutations(story), 24):
            remembering, forgetting = opened(CostBasis.FIFO), opened(CostBasis.FIFO)
            one = arrive(remembering, list(arrival))
            other = []
            for number in range(len(arrival)):
                book = forgetting.book("AAPL")
                book.forget_all(book.last_key)
                other += arrive_last(forgetting, list(arrival[: number + 1]))

            assert one == other


class TestTakenOutAgain:
    """A booked fill that is busted leaves the book as if it had never been."""

    @given(fills=FILLS, basis=BASES, seed=st.randoms(), forgetful=st.booleans())
    def test_gives_the_book_of_those_that_stay(
        self, fills: list[Fill], basis: CostBasis, seed: Random, *, forgetful: bool
    ) -> None:
        """In any order of arrivals and busts, from memory or from history."""
        portfolio = opened(basis)
        booked: list[Fill] = []
        events: list[Booking | Unbooking] = []
        waiting = list(fills)
        seed.shuffle(waiting)
        while waiting:
            if booked and seed.random() < 0.4:
                gone = booked.pop(seed.randrange(len(booked)))
                events += bust(portfolio, gone, [*booked, gone])
            else:
                booked.append(waiting.pop())
                events += arrive_last(portfolio, booked)
            if forgetful and seed.random() < 0.3:
                book = portfolio.books["AAPL"]
                book.forget_all(book.last_key)

        expected, _ = refold(booked, basis)
        assert totals_of(portfolio.book("AAPL")) == totals_of(expected)
        assert realised_in(events) == (expected.realised_gross, expected.realised_net)
        spent = sum(cash_change(each) for each in booked)
        assert portfolio.balance("USD") == 1_000 + spent

    def test_names_the_fill_that_is_last_now(self) -> None:
        """So that a position's last executed price is known without its history."""
        first, second = fill(1, 5, 10), fill(2, 5, 12)
        portfolio = opened(CostBasis.FIFO)
        arrive(portfolio, [first, second])

        (unbooked, restated) = bust(portfolio, second, [first, second])
        (emptied, _) = bust(portfolio, first, [first])

        assert isinstance(unbooked, TradeUnbooked)
        assert isinstance(restated, LotsRestated)
        assert isinstance(emptied, TradeUnbooked)
        assert (unbooked.last_fill, emptied.last_fill) == (first, None)


def bust(portfolio: Portfolio, gone: Fill, booked: list[Fill]) -> list[Unbooking]:
    """Take a booked fill out of a portfolio, and fold that."""
    events = unbook_fill(
        portfolio,
        instrument="AAPL",
        currency="USD",
        trade_id=gone.trade_id,
        reason=Reason.BUSTED,
        history=history_of(lambda: booked),
    )
    for event in events:
        portfolio.apply(event)
    return events


def realised_in(events: Sequence[Booking | Unbooking]) -> tuple[Decimal, Decimal]:
    """Sum what events say was realised, gross and net."""
    gross = net = ZERO
    for event in events:
        if isinstance(event, TradeBooked | TradeUnbooked):
            gross += event.realised_gross
            net += event.realised_net
        elif isinstance(event, LotsRestated):
            gross += sum((change.gross for change in event.changes), ZERO)
            net += sum((change.net for change in event.changes), ZERO)
    return gross, net


def arrive_last(portfolio: Portfolio, fills: list[Fill]) -> list[TradeBooked | LotsRestated]:
    """Book the last of some fills, the others being its history."""
    events = book_fill(
        portfolio,
        instrument="AAPL",
        currency="USD",
        fill=fills[-1],
        history=history_of(lambda: fills[:-1]),
        rate_to_base=Decimal(1),
    )
    for event in events:
        portfolio.apply(event)
    return [each for each in events if isinstance(each, TradeBooked | LotsRestated)]


class TestRemembering:
    """A book remembers few steps, and knows how far back."""

    def test_forgets_beyond_its_limit(self) -> None:
        """Of many bookings within seconds it keeps the last 64."""
        book = Book(CostBasis.FIFO)
        fills = [fill(0, number + 1, 10) for number in range(STEPS_MAX + 5)]
        for each in sorted(fills, key=lambda one: one.key):
            book.add(each, match(book, each))

        assert len(book.steps) == STEPS_MAX
        assert not book.remembers(min(each.key for each in fills))

    def test_forgets_what_is_long_past(self) -> None:
        """An hour later only the last two are kept."""
        book = Book(CostBasis.FIFO)
        for second in (0, 1, 2, 3_600):
            each = fill(second, 1, 10)
            book.add(each, match(book, each))

        assert len(book.steps) == 2
        assert not book.remembers(fill(0, 2, 10).key)
        assert book.remembers(fill(2, 0, 10).key)


class TestSplicing:
    """A restatement says only what differs between two lists of lots."""

    @given(before=st.lists(st.integers(0, 5), unique=True), after=st.lists(st.integers(0, 5)))
    def test_turns_one_list_into_the_other(self, before: list[int], after: list[int]) -> None:
        """Whatever the lists."""
        old, new = ([lot(each) for each in numbers] for numbers in (before, after))

        index, removed, inserted = lots_between(old, new)

        old[index : index + removed] = inserted
        assert old == new


def lot(number: int) -> Lot:
    """A lot told from others by its number."""
    return Lot(UUID(int=number), MONDAY, Decimal(1), Decimal(number), ZERO)
