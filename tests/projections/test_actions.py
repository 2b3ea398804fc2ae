"""Positions and cash under corporate actions: prices in the units held, legs, dividends to come."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from domain.corporate_actions import Action, CashDividend, SpinOff, Split, StockDividend
from domain.identity import instrument_stream
from domain.instrument import WrittenDown
from domain.portfolio.events import is_portfolio_event
from projections.as_of import Books
from projections.asking import Readable
from projections.batches import decode_batch
from projections.cash.legs import MovementKind
from projections.cash.model import Cash
from projections.cash.queries import balances_of, movements_of, receivables_of
from projections.positions.action_queries import actions_applied, actions_declared
from projections.positions.model import Positions
from projections.positions.queries import PositionView, PriceSource, position_of
from projections.read_model import Decoded, ReadModel
from schemas.catalogue import EVENT_NAMES
from tests.domain.blotter import LATER, Bust, Day, Declaration, Registration, Reversal
from tests.domain.scenes import ACME, APPLE, FUND, MONDAY, SELL, TUESDAY, WEDNESDAY, told
from tests.projections.acted import ActedStory
from tests.projections.story import MARKET, Story, closing, opening

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]

SPLIT = Split(action="split-1", instrument=APPLE, ex_date=TUESDAY, new=7, old=1)
ADJUSTED = Split(
    action="split-1", instrument=APPLE, ex_date=TUESDAY, new=7, old=1, prices_adjusted=True
)
BONUS = StockDividend(action="bonus-1", instrument=APPLE, ex_date=WEDNESDAY, new=1, held=2)
DIVIDEND = CashDividend(
    action="dividend-1",
    instrument=APPLE,
    ex_date=TUESDAY,
    per_unit=Decimal("0.5"),
    currency="USD",
    withholding_rate=Decimal("0.15"),
    pay_date=WEDNESDAY,
)
SPIN_OFF = SpinOff(
    action="spin-1",
    instrument=APPLE,
    ex_date=TUESDAY,
    child=LATER,
    new=1,
    old=4,
    cost_share=Decimal("0.2"),
    fraction_price=Decimal(30),
)


@pytest.fixture
def went() -> ActedStory:
    """Ten AAPL, bought at 645 on Monday."""
    made = ActedStory()
    made.tell(
        Registration(),
        told("t-1", quantity=Decimal(10), price=Decimal(645), trade_date=MONDAY),
    )
    return made


@pytest.fixture
def story(went: ActedStory) -> Story:
    """What is appended and folded."""
    return went.story


def declared(went: ActedStory, *actions: Action, day: date = TUESDAY) -> None:
    """Declare actions, and let a day come."""
    went.tell(*(Declaration(each) for each in actions), Day(day))


def these(*values: object) -> tuple[object, ...]:
    """Values, decimals among them, that equal whole numbers."""
    return values


def held(connection: Connection, instrument: str = APPLE) -> PositionView:
    """The position of the one portfolio."""
    row = position_of(Readable(connection), tenant=ACME, portfolio=FUND, instrument=instrument).row
    assert row is not None
    return row


def worth(connection: Connection) -> tuple[object, ...]:
    """Quantity, price and value."""
    row = held(connection)
    return row.quantity, row.price, row.market_value


def known_of(went: ActedStory) -> list[Decoded]:
    """The events of the one portfolio."""
    return [
        each
        for each in decode_batch(went.story.recorded(), EVENT_NAMES).decoded
        if is_portfolio_event(each.event) and each.event.portfolio == FUND
    ]


class TestThePriceOfAPosition:
    """In the units that the position is in (convention 7)."""

    def test_from_before_a_split_is_divided_the_value_last(
        self, connection: Connection, fold: FoldAll, went: ActedStory
    ) -> None:
        """10 at 645 are 70 of 6,450: not 45,150, and not 70 times a rounded price."""
        went.story.mark(opening(MONDAY), **{APPLE: "645"})
        declared(went, SPLIT)
        fold(Positions())

        assert worth(connection) == (70, Decimal("92.142857142857142857"), 6450)
        assert held(connection).price_source is PriceSource.MARK

    def test_of_its_own_last_trade_is_divided_too(
        self, connection: Connection, fold: FoldAll, went: ActedStory
    ) -> None:
        """Executions are never adjusted, whatever the source of the marks does."""
        declared(went, ADJUSTED)
        fold(Positions())

        assert worth(connection) == (70, Decimal("92.142857142857142857"), 6450)
        assert held(connection).price_source is PriceSource.TRADE

    def test_from_the_ex_date_on_is_as_it_is(
        self, connection: Connection, fold: FoldAll, went: ActedStory
    ) -> None:
        """A mark of the morning of the ex-date is in new units."""
        declared(went, SPLIT)
        went.story.mark(opening(TUESDAY), **{APPLE: "93"})
        fold(Positions())

        assert worth(connection) == (70, 93, 6510)

    def test_of_the_ex_date_is_multiplied_for_who_is_not_yet_told(
        self, connection: Connection, fold: FoldAll, went: ActedStory
    ) -> None:
        """Ten old units, until the split is applied to them."""
        went.tell(Declaration(SPLIT))
        went.story.mark(opening(TUESDAY), **{APPLE: "93"})
        fold(Positions())

        assert worth(connection) == (10, 651, 6510)

    def test_of_a_source_that_adjusts_its_past_is_in_new_units_already(
        self, connection: Connection, fold: FoldAll, went: ActedStory
    ) -> None:
        """Monday's mark was told as 92.5."""
        went.story.close(MONDAY, **{APPLE: "92.5"})
        declared(went, ADJUSTED)
        fold(Positions())

        assert worth(connection) == (70, Decimal("92.5"), 6475)

    def test_that_was_written_down_is_in_the_units_of_its_day(
        self, connection: Connection, fold: FoldAll, went: ActedStory
    ) -> None:
        """A write-down is not the source's."""
        down = WrittenDown(instrument=APPLE, price=Decimal(70), at=closing(MONDAY), reason="lost")
        went.story.tell((MARKET, instrument_stream(APPLE), down))
        declared(went, ADJUSTED)
        fold(Positions())

        assert worth(connection) == (70, 10, 700)

    def test_is_divided_by_all_that_came_since(
        self, connection: Connection, fold: FoldAll, went: ActedStory
    ) -> None:
        """Seven for one, then one more for every two: 105 units."""
        went.story.mark(opening(MONDAY), **{APPLE: "630"})
        declared(went, SPLIT, BONUS, day=WEDNESDAY)
        fold(Positions())

        assert worth(connection) == (105, 60, 6300)

    def test_is_undivided_for_who_came_later(
        self, connection: Connection, fold: FoldAll, went: ActedStory
    ) -> None:
        """Bought on the ex-date, in new units; the split never met it, Monday's mark is divided."""
        went.tell(Bust("t-1"), Declaration(SPLIT))
        went.tell(
            told(
                "t-2",
                portfolio="income",
                quantity=Decimal(7),
                price=Decimal(92),
                trade_date=TUESDAY,
            )
        )
        went.story.mark(opening(MONDAY), **{APPLE: "630"})
        fold(Positions())

        found = position_of(
            Readable(connection), tenant=ACME, portfolio="income", instrument=APPLE
        ).row
        assert found is not None
        assert these(found.quantity, found.price, found.market_value) == (7, 90, 630)

    def test_is_that_of_before_once_the_split_is_reversed(
        self, connection: Connection, fold: FoldAll, went: ActedStory
    ) -> None:
        """And meanwhile, reversed but not yet taken back, the value stays."""
        went.story.mark(opening(TUESDAY), **{APPLE: "645"})
        declared(went, SPLIT)
        went.tell(Reversal(SPLIT))
        fold(Positions())
        assert worth(connection) == (70, Decimal("92.142857142857142857"), 6450)

        went.tell(Day(WEDNESDAY))
        fold(Positions())
        assert worth(connection) == (10, 645, 6450)


class TestAChild:
    """Spun off from AAPL: ten give two and a half, the half paid for at 30."""

    def test_has_no_price_until_it_is_marked(
        self, connection: Connection, fold: FoldAll, went: ActedStory
    ) -> None:
        """A fifth of the cost came with it, half a unit's share of that was paid out again."""
        declared(went, SPIN_OFF)
        fold(Positions())

        child = held(connection, LATER)
        assert these(child.quantity, child.cost, child.price_source) == (2, 1032, PriceSource.NONE)
        assert these(child.realised_gross, child.market_value) == (15 - 258, None)

    def test_is_listed_beside_its_parent(
        self, connection: Connection, fold: FoldAll, went: ActedStory
    ) -> None:
        """A row of its own, named by the parent; both are reversed with the action."""
        declared(went, SPIN_OFF)
        fold(Positions())
        child, parent = actions_applied(Readable(connection), tenant=ACME, portfolio=FUND).rows

        assert these(child.instrument, child.declared_on, child.quantity_change) == (
            LATER,
            APPLE,
            2,
        )
        assert these(child.cash_in_lieu, child.held, parent.held) == (15, 0, 10)

        went.tell(Reversal(SPIN_OFF), Day(WEDNESDAY))
        fold(Positions())
        after = actions_applied(Readable(connection), tenant=ACME, portfolio=FUND).rows
        assert [these(row.is_reversed, row.quantity_change, row.cash_in_lieu) for row in after] == [
            (True, 0, 0),
            (True, 0, 0),
        ]
        declared_rows = actions_declared(Readable(connection), instrument=APPLE).rows
        assert [(row.child, row.reason) for row in declared_rows] == [(LATER, "declared_wrongly")]


class TestCash:
    """What actions move, and when."""

    def test_is_paid_in_lieu_on_the_ex_date(
        self, connection: Connection, fold: FoldAll, went: ActedStory
    ) -> None:
        """In the child's name."""
        declared(went, SPIN_OFF)
        fold(Cash())

        leg = movements_of(Readable(connection), tenant=ACME, portfolio=FUND).rows[0]
        assert these(leg.kind, leg.amount, leg.value_date) == (
            MovementKind.CASH_IN_LIEU,
            15,
            TUESDAY,
        )
        assert these(leg.instrument, leg.action) == (LATER, "spin-1")
        (balance,) = balances_of(Readable(connection), tenant=ACME, portfolio=FUND).rows
        assert balance.cash_in_lieu == 15

    def test_of_a_dividend_moves_on_the_pay_date(
        self, connection: Connection, fold: FoldAll, went: ActedStory
    ) -> None:
        """Receivable from the ex-date: 5 less 0.75; then two legs, and nothing outstanding."""
        declared(went, DIVIDEND)
        fold(Cash())
        readable = Readable(connection)
        (due,) = receivables_of(readable, tenant=ACME, portfolio=FUND).rows
        assert these(due.held, due.gross, due.withheld) == (10, 5, Decimal("0.75"))
        assert these(due.ex_date, due.pay_date, due.paid_gross) == (TUESDAY, WEDNESDAY, 0)

        went.settle(WEDNESDAY)
        fold(Cash())

        assert receivables_of(readable, tenant=ACME, portfolio=FUND).rows == []
        (paid,) = receivables_of(readable, tenant=ACME, portfolio=FUND, include_paid=True).rows
        assert these(paid.paid_gross, paid.paid_withheld) == (5, Decimal("0.75"))
        legs = movements_of(readable, tenant=ACME, portfolio=FUND).rows[:2]
        assert [(leg.kind, leg.amount, leg.value_date) for leg in legs] == [
            (MovementKind.WITHHOLDING_TAX, Decimal("-0.75"), WEDNESDAY),
            (MovementKind.DIVIDEND, 5, WEDNESDAY),
        ]

    def test_of_a_short_position_is_payable(
        self, connection: Connection, fold: FoldAll, went: ActedStory
    ) -> None:
        """Negative, and nothing is withheld."""
        went.tell(told("t-2", side=SELL, quantity=Decimal(14), trade_date=MONDAY))
        declared(went, DIVIDEND)
        went.settle(WEDNESDAY)
        fold(Cash())

        (balance,) = balances_of(Readable(connection), tenant=ACME, portfolio=FUND).rows
        assert these(balance.dividends, balance.withholding_tax) == (-2, 0)
        assert balance.balance == balance.sum_of_kinds

    def test_of_a_reversed_dividend_is_given_back(
        self, connection: Connection, fold: FoldAll, went: ActedStory
    ) -> None:
        """A closed row of zeros stays once it is."""
        declared(went, DIVIDEND)
        went.settle(WEDNESDAY)
        went.tell(Reversal(DIVIDEND), Day(WEDNESDAY))
        fold(Cash())
        readable = Readable(connection)
        (owed,) = receivables_of(readable, tenant=ACME, portfolio=FUND).rows
        assert these(owed.held, owed.gross, owed.paid_gross) == (0, 0, 5)

        went.settle(WEDNESDAY)
        fold(Cash())

        (row,) = receivables_of(readable, tenant=ACME, portfolio=FUND, include_paid=True).rows
        assert these(row.gross, row.withheld, row.paid_gross, row.paid_withheld) == (0, 0, 0, 0)
        (balance,) = balances_of(readable, tenant=ACME, portfolio=FUND).rows
        assert these(balance.dividends, balance.withholding_tax) == (0, 0)


class TestAsOf:
    """As valid on a date, as known at a position."""

    def test_an_action_counts_from_its_ex_date_and_its_cash_from_the_pay_date(
        self, went: ActedStory
    ) -> None:
        """Split and dividend on Tuesday, paid on Wednesday; known before, there were ten."""
        before = len(went.story.recorded())
        declared(went, SPLIT, DIVIDEND, SPIN_OFF)
        went.settle(WEDNESDAY)
        known = known_of(went)

        def quantities(books: Books) -> dict[str, Decimal]:
            return {view.instrument: view.quantity for view in books.positions()}

        def dividends(books: Books) -> list[Decimal]:
            return [row.dividends + row.withholding_tax for row in books.balances()]

        monday, tuesday, wednesday = (
            Books(known, valid_at=day) for day in (MONDAY, TUESDAY, WEDNESDAY)
        )
        assert quantities(monday) == {APPLE: 10}
        assert quantities(tuesday) == quantities(wednesday) == {APPLE: 70, LATER: 2}
        assert dividends(monday) == dividends(tuesday) == [0]
        assert dividends(wednesday) == [Decimal("4.25")]
        then = Books(each for each in known if each.position <= before)
        assert quantities(then) == {APPLE: 10}

    def test_holds_what_holds_now_on_the_last_date(self, went: ActedStory) -> None:
        """A reversed split was never there."""
        declared(went, SPLIT)
        went.tell(Reversal(SPLIT), Day(WEDNESDAY))
        known = known_of(went)

        (view,) = Books(known, valid_at=WEDNESDAY).positions()
        assert these(view.quantity, view.cost) == (10, 6450)
