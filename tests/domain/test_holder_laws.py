"""Laws of corporate actions in the books of a holder: what holds in the end decides (convention 7).

Trades, their corrections, declarations, reversals and time come in any order; the books are those
of a naive fold of all that holds, in book order.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.basis_change import BasisChange
from domain.book import Book, Entry
from domain.corporate_actions import (
    Action,
    CashDividend,
    SpinOff,
    Split,
    StockDividend,
)
from domain.correcting import Amend
from domain.held import Applied, Received
from domain.lots import CostBasis, Lot, Side
from domain.money import ZERO
from domain.portfolio.booking import cash_change
from domain.portfolio.state import Portfolio
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut
from domain.refolding import refold
from domain.transfers import Given, NamedLot, Transfer
from tests.domain.blotter import (
    CASH,
    LATER,
    OTHER_FUND,
    Blotter,
    Bust,
    Day,
    Declaration,
    Message,
    Rebasing,
    Registration,
    Reversal,
    booked_in_order,
)
from tests.domain.numbers import whole
from tests.domain.scenes import APPLE, FUND, MONDAY, NOON, deposited, name_of, opened, told

DAYS = [MONDAY + timedelta(days=number) for number in range(5)]
LAST = DAYS[-1] + timedelta(days=30)

numbers = st.integers(1, 5)
fractions = st.none() | st.integers(1, 9).map(Decimal)
ex_dates = st.sampled_from(DAYS)


@st.composite
def actions(draw: st.DrawFn, name: str) -> Action:
    """An action of AAPL, or of the child that it may spin off."""
    kind = draw(st.sampled_from([Split, StockDividend, CashDividend, SpinOff]))
    instrument = APPLE if kind is SpinOff else draw(st.sampled_from([APPLE, APPLE, LATER]))
    ex_date = draw(ex_dates)
    told: dict[str, Any] = {"action": name, "instrument": instrument, "ex_date": ex_date}
    if kind is CashDividend:
        return CashDividend(
            **told,
            per_unit=draw(st.integers(1, 9).map(Decimal)),
            currency="USD",
            withholding_rate=draw(whole(0, 100, 2)),
            pay_date=ex_date + timedelta(days=draw(st.integers(0, 3))),
        )
    new, old, price = draw(numbers), draw(numbers), draw(fractions)
    if kind is SpinOff:
        share = draw(whole(0, 100, 2))
        return SpinOff(
            **told, child=LATER, new=new, old=old, cost_share=share, fraction_price=price
        )
    if kind is Split:
        return Split(**told, new=new, old=old, fraction_price=price)
    return StockDividend(**told, new=new, held=old, fraction_price=price)


contents = st.fixed_dictionaries(
    {
        "instrument": st.sampled_from([APPLE, APPLE, LATER]),
        "side": st.sampled_from(Side),
        "quantity": st.integers(1, 9).map(Decimal),
        "price": st.integers(1, 9).map(Decimal),
        "fee": st.sampled_from([Decimal(0), Decimal(1)]),
        "trade_date": st.sampled_from(DAYS),
        "portfolio": st.sampled_from([FUND, FUND, FUND, OTHER_FUND]),
    }
)
few = st.integers(1, 2)
places = st.sampled_from([(FUND, OTHER_FUND), (FUND, OTHER_FUND), (OTHER_FUND, FUND)])


@st.composite
def transfers(draw: st.DrawFn, name: str) -> Transfer:
    """A transfer that may be refused, of lots by the cost basis or of named ones, timed or not."""
    sender, receiver = draw(places)
    named = draw(st.sampled_from([(), (), ("t-0",), ("t-1",), ("t-1", "t-0")]))
    lots = tuple(NamedLot(name_of(each), Decimal(draw(few))) for each in named)
    quantity = sum((lot.quantity for lot in lots), ZERO) or Decimal(draw(few))
    trade_date = draw(st.sampled_from(DAYS[1:]))
    return Transfer(
        transfer=name,
        portfolio=sender,
        to_portfolio=receiver,
        instrument=draw(st.sampled_from([APPLE, APPLE, LATER])),
        trade_date=trade_date,
        at=draw(st.sampled_from([None, NOON + (trade_date - MONDAY)])),
        quantity=quantity,
        named=lots,
    )


class Story(NamedTuple):
    """Messages in some order, and the actions and changes of basis that hold in the end."""

    messages: list[Message]
    actions: list[Action]
    changes: list[BasisChange]


@st.composite
def stories(draw: st.DrawFn, basis: CostBasis | None = None) -> Story:
    """Trades, corrections, actions, reversals, transfers and days, in any order; the last comes."""
    messages: list[Message] = []
    for number in range(draw(st.integers(1, 5))):
        messages.append(told(f"t-{number}", **draw(contents)))
        if draw(st.sampled_from([False, False, True])):
            messages.append(Amend(1, told(f"t-{number}", **draw(contents))))
        if draw(st.sampled_from([False, False, False, True])):
            messages.append(Bust(f"t-{number}"))
    declared = [draw(actions(f"a-{number}")) for number in range(draw(st.integers(1, 4)))]
    reversed_ones = [each for each in declared if draw(st.sampled_from([False, False, True]))]
    messages += [Declaration(each) for each in declared]
    messages += [Day(draw(ex_dates)) for _ in range(draw(st.integers(0, 3)))]
    shuffled = draw(st.permutations(messages))
    for number in range(draw(st.integers(0, 3))):  # Many are refused, where little is held yet.
        place = draw(st.integers(len(shuffled) // 2, len(shuffled)))
        shuffled.insert(place, draw(transfers(f"m-{number}")))
    for each in reversed_ones:  # Somewhere behind its declaration.
        place = shuffled.index(Declaration(each))
        shuffled.insert(draw(st.integers(place + 1, len(shuffled))), Reversal(each))
    standing = [each for each in declared if each not in reversed_ones]
    changes = draw(basis_changes(basis))
    place = 0
    for change in changes:  # Each behind the one before it.
        place = draw(st.integers(place, len(shuffled)))
        shuffled.insert(place, Rebasing(change.cost_basis, change.from_date))
        place += 1
    return Story([Registration(), *shuffled, Day(LAST)], standing, changes)


@st.composite
def basis_changes(draw: st.DrawFn, basis: CostBasis | None) -> list[BasisChange]:
    """Changes of basis by date, each to another one; the first where the basis is given."""
    changes = []
    for day in sorted(draw(st.sets(ex_dates, max_size=2))):
        basis = draw(st.sampled_from([each for each in CostBasis if each is not basis]))
        changes.append(BasisChange(day, basis))
    return changes


class Naive(NamedTuple):
    """Books by instrument, cash, what is due of dividends, and what transfers took of the cost."""

    books: dict[str, Book]
    cash: Decimal
    due: dict[str, Decimal]
    sent: dict[str, Decimal]


def naive(blotter: Blotter, portfolio: str, story: Story, basis: CostBasis) -> Naive:
    """Fold everything in book order, the child behind its parent.

    What a transfer took was decided when it was told; where it stands is all that is taken of it.
    """
    booked = booked_in_order(blotter)
    fills = {name: booked.get((portfolio, name), []) for name in (APPLE, LATER)}
    entries: dict[str, list[Entry]] = {name: [*fills[name]] for name in (APPLE, LATER)}
    for name in (APPLE, LATER):
        entries[name] += story.changes if portfolio == FUND else ()
    for event in blotter.told.get(portfolio, ()):
        if isinstance(event, LotsTransferredIn) or (
            isinstance(event, LotsTransferredOut) and not event.is_restated
        ):
            entries[event.instrument].append(event.entry)
    for action in story.actions:
        entries[action.instrument].append(action)
    cash = CASH + sum((cash_change(each) for name in fills for each in fills[name]), ZERO)
    due: dict[str, Decimal] = {}
    sent: dict[str, Decimal] = {}
    books = {}
    for name in (APPLE, LATER):
        books[name], done = refold(entries[name], basis)
        for entry, outcome in done:
            if not isinstance(outcome, Applied):
                continue
            cash += outcome.cash
            if isinstance(entry, Given):
                sent[entry.transfer.transfer] = outcome.after.cost - outcome.before.cost
            if isinstance(entry, CashDividend) and outcome.due is not None:
                due[entry.action] = outcome.due.net
            if isinstance(entry, SpinOff) and outcome.child is not None:
                paid = outcome.in_lieu
                received = Received(
                    entry_id=entry.entry_id,
                    key=entry.key,
                    lots=outcome.child.lots,
                    realised_gross=ZERO if paid is None else paid.realised_gross,
                    realised_net=ZERO if paid is None else paid.realised_net,
                )
                entries[LATER].append(received)
    return Naive(books, cash, due, sent)


def told_of(portfolio: Portfolio, name: str) -> tuple[object, ...]:
    """What a book comes to."""
    return numbers_of(portfolio.book(name))


def numbers_of(book: Book) -> tuple[object, ...]:
    """Lots and totals."""
    return (
        list(book.lots),
        book.quantity,
        book.cost,
        book.fees,
        book.realised_gross,
        book.realised_net,
    )


def sent_by(blotter: Blotter, portfolio: str) -> dict[str, Decimal]:
    """What the events of transfers add up to, of the cost that left."""
    sent: dict[str, Decimal] = {}
    for event in blotter.told.get(portfolio, ()):
        if isinstance(event, LotsTransferredOut):
            name = event.transfer.transfer
            sent[name] = sent.get(name, ZERO) + event.cost_change
    return sent


def sums(lots: tuple[Lot, ...]) -> tuple[Decimal, Decimal, Decimal]:
    """Quantity, cost and fees."""
    numbers = [(lot.quantity, lot.cost, lot.fee) for lot in lots]
    quantity, cost, fees = (sum(column, ZERO) for column in zip(*numbers, strict=True))
    return quantity, cost, fees


bases = st.sampled_from(CostBasis)
holders = bases.flatmap(lambda basis: st.tuples(st.just(basis), stories(basis)))


class TestAHolder:
    """What holds in the end decides, not what came when."""

    @given(told=holders)
    @settings(max_examples=600, deadline=None)
    def test_has_the_books_of_book_order(self, told: tuple[CostBasis, Story]) -> None:
        """Lots, totals, cash and dividends due, whatever came in which order."""
        basis, story = told
        blotter = Blotter(basis, allows_short=True)

        blotter.tell(*story.messages)

        for place, held in blotter.portfolios.items():
            expected = naive(blotter, place, story, basis)
            for name in (APPLE, LATER):
                assert told_of(held, name) == numbers_of(expected.books[name])
            assert held.balance("USD") == expected.cash
            assert sent_by(blotter, place) == expected.sent
            outstanding = {action: due.net for _, action, due in held.dues}
            assert outstanding == {name: net for name, net in expected.due.items() if net} | {
                name: net for name, net in outstanding.items() if not net
            }

    @given(told=holders)
    @settings(max_examples=200, deadline=None)
    def test_sends_what_the_other_receives(self, told: tuple[CostBasis, Story]) -> None:
        """When it is told: quantity, cost, fees, dates; the flows and what is carried cancel."""
        basis, story = told
        blotter = Blotter(basis, allows_short=True)
        blotter.tell(*story.messages)

        both = [event for events in blotter.told.values() for event in events]
        came = {
            event.transfer.entry_id: event for event in both if isinstance(event, LotsTransferredIn)
        }
        for event in both:
            if isinstance(event, LotsTransferredOut) and not event.is_restated:
                other = came.pop(event.transfer.entry_id)
                assert [each.trade_date for each in other.lots] == [
                    each.trade_date for each in event.lots
                ]
                assert sums(other.lots) == sums(event.lots)
                assert (event.quantity_change, event.cost_change) == tuple(
                    -each for each in sums(event.lots)[:2]
                )
                assert (event.flow + other.flow, event.carried + other.carried) == (ZERO, ZERO)
        assert not came

    @given(told=holders)
    @settings(max_examples=200, deadline=None)
    def test_has_it_again_after_a_replay(self, told: tuple[CostBasis, Story]) -> None:
        """Its events, folded from nothing, give the state that decided them."""
        basis, story = told
        blotter = Blotter(basis, allows_short=True)
        blotter.tell(*story.messages)
        blotter.settle(LAST)

        again = Portfolio()
        begun = opened(basis, allows_short=True)
        for event in (begun, deposited(CASH), *blotter.told.get(FUND, ())):
            again.apply(event)

        held = blotter.portfolios[FUND]
        for name in (APPLE, LATER):
            assert told_of(again, name) == told_of(held, name)
            assert again.book(name).entries == held.book(name).entries
        assert (again.cash, again.dues) == (held.cash, held.dues)

    @given(told=holders)
    @settings(max_examples=200, deadline=None)
    def test_is_paid_what_is_due_whenever_it_became_due(
        self, told: tuple[CostBasis, Story]
    ) -> None:
        """Paid in the middle of the story and at its end: the cash of paying at the end alone."""
        basis, story = told
        late, early = Blotter(basis, allows_short=True), Blotter(basis, allows_short=True)
        late.tell(*story.messages)
        late.settle(LAST)

        for message in story.messages:
            early.tell(message)
            early.settle(LAST)

        assert early.portfolios[FUND].cash == late.portfolios[FUND].cash
        assert not list(early.portfolios[FUND].dues)
