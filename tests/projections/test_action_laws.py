"""Laws of the tables under corporate actions: any batches, what the books hold, reversals."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.lots import CostBasis, Side
from domain.portfolio.events import is_portfolio_event
from domain.portfolio.transfer_events import TransferEvent
from domain.transfers import Transfer
from infra.database import Database
from projections.as_of import Books
from projections.batches import decode_batch
from projections.cash.model import Cash
from projections.content_checks import Bookkeeping
from projections.positions.model import Positions
from projections.read_model import Decoded, ReadModel
from projections.rows import Tables
from schemas.catalogue import EVENT_NAMES
from tests.domain.blotter import Declaration, Message, Registration, Reversal, booked_in_order
from tests.domain.scenes import FUND, MONDAY, told
from tests.domain.test_holder_laws import LAST, stories
from tests.domain.test_holder_laws import Story as Told
from tests.projections.acted import ActedStory
from tests.projections.folding import cut, difference, fold_by_hand
from tests.projections.story import Story
from tests.projections.test_laws import CURRENT

MODELS: tuple[ReadModel, ...] = (Positions(), Cash())
LAW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
HELD = told("held", quantity=Decimal(9), price=Decimal(5), trade_date=MONDAY - timedelta(days=3))
bases = st.sampled_from(CostBasis)
paydays = st.sets(st.integers(0, 20))


@pytest.fixture
def tables(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a database without a log: these folds meet events made by hand."""
    with psycopg.connect(database.app_conninfo, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        yield connection


def acted(messages: list[Message], basis: CostBasis, paid_after: set[int]) -> ActedStory:
    """Tell messages to one who holds AAPL already; dividends are paid after some of them."""
    went = ActedStory(basis)
    went.tell(Registration(), HELD)
    for number, message in enumerate(messages):
        went.tell(message)
        if number in paid_after:
            went.settle(LAST)
    return went


def decoded(story: Story) -> list[Decoded]:
    """All that was told."""
    return decode_batch(story.recorded(), EVENT_NAMES).decoded


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
class TestCuttingTheLog:
    """Where a batch ends leaves no trace in any table."""

    @LAW
    @given(plan=stories(), basis=bases, paid=paydays, sizes=st.lists(st.integers(1, 9), min_size=1))
    def test_any_batches_give_the_same_tables(
        self,
        model: ReadModel,
        tables: psycopg.Connection[Any],
        plan: Told,
        basis: CostBasis,
        paid: set[int],
        sizes: list[int],
    ) -> None:
        """One batch of everything, and small ones that each meet a new fold."""
        went = acted(plan.messages, basis, paid)
        went.settle(LAST)
        events = went.story.recorded()
        fold_by_hand(tables, model, "whole", [events])

        for forgets in (False, True):
            fold_by_hand(tables, model, "pieces", cut(events, sizes), forgets=forgets)
            assert difference(tables, model, live="pieces", rebuilt="whole") is None


def what_tables_hold(tables: psycopg.Connection[Any]) -> tuple[list[Any], ...]:
    """Positions, lots, what actions gained, balances with their sums, and dividends due."""
    with tables.cursor() as cursor:
        positions = Tables("positions")
        found = positions.select(
            cursor,
            "SELECT portfolio, instrument, quantity, cost, fees, realised_gross, realised_net"
            " FROM {schema}.positions",
        )
        lots = positions.select(
            cursor,
            "SELECT portfolio, instrument, trade_id, quantity FROM {schema}.lots"
            " ORDER BY order_position, order_index",
        )
        gained = positions.select(
            cursor,
            "SELECT portfolio, instrument, sum(quantity_change) FROM {schema}.applied"
            " GROUP BY 1, 2",
        )
        balances = Tables("cash").select(
            cursor,
            "SELECT portfolio, balance, deposits + withdrawals + principal + fees"
            " + cash_in_lieu + dividends + withholding_tax FROM {schema}.balances",
        )
        due = Tables("cash").select(
            cursor,
            "SELECT portfolio, instrument, action, gross - paid_gross,"
            " withheld - paid_withheld FROM {schema}.receivables"
            " WHERE (gross, withheld) <> (paid_gross, paid_withheld)",
        )
    return found, lots, gained, balances, due


class TestAddingUp:
    """Tables hold what the books of the domain hold."""

    @LAW
    @given(plan=stories(), basis=bases, paid=paydays)
    def test_positions_lots_cash_and_receivables_are_those_of_the_portfolio(
        self,
        tables: psycopg.Connection[Any],
        plan: Told,
        basis: CostBasis,
        paid: set[int],
    ) -> None:
        """Lot by lot; what an action did to a position is what it gained beside its trades."""
        went = acted(plan.messages, basis, paid)
        events = went.story.recorded()
        for model in MODELS:
            fold_by_hand(tables, model, model.name, cut(events, [7]))
        found, lots, gained, balances, due = what_tables_hold(tables)
        for portfolio, instrument, *totals in found:
            book = went.portfolios[portfolio].book(instrument)
            sums = [book.quantity, book.cost, book.fees, book.realised_gross, book.realised_net]
            assert totals == sums
            of_book = [row[2:] for row in lots if row[:2] == (portfolio, instrument)]
            assert of_book == [(lot.trade_id, lot.quantity) for lot in book.lots]
        quantities = {(portfolio, name): amount for portfolio, name, amount in gained}
        for place, fills in booked_in_order(went).items():
            traded = sum(
                each.quantity if each.side is Side.BUY else -each.quantity for each in fills
            )
            moved = sum(
                event.quantity_change
                for event in went.told[place[0]]
                if isinstance(event, TransferEvent) and event.instrument == place[1]
            )
            held = went.portfolios[place[0]].book(place[1]).quantity
            assert traded + moved + quantities.get(place, Decimal(0)) == held
        for portfolio, balance, of_kinds in balances:
            assert balance == of_kinds == went.portfolios[portfolio].balance("USD")
        outstanding = [
            (portfolio, instrument, action, each.gross, each.withheld)
            for portfolio, holder in went.portfolios.items()
            for instrument, action, each in holder.dues
        ]
        assert sorted(due) == sorted(outstanding)

    @LAW
    @given(plan=stories(), basis=bases, paid=paydays)
    def test_the_log_adds_up_and_as_of_queries_say_the_same(
        self, plan: Told, basis: CostBasis, paid: set[int]
    ) -> None:
        """Every check of bookkeeping holds; positions and cash as of now are those of the books."""
        went = acted(plan.messages, basis, paid)
        known = decoded(went.story)
        bookkeeping = Bookkeeping(None)  # type: ignore[arg-type]
        for each in known:
            bookkeeping.take(each)

        assert [check.difference for check in bookkeeping.finish() if not check.ok] == []
        books = Books(
            each
            for each in known
            if is_portfolio_event(each.event) and each.event.portfolio == FUND
        )
        held = went.portfolios[FUND]
        for view in books.positions(include_closed=True):
            book = held.book(view.instrument)
            assert (view.quantity, view.cost, view.realised_net) == (
                book.quantity,
                book.cost,
                book.realised_net,
            )
        assert [row.balance for row in books.balances()] == [held.balance("USD")]


SHOWN = {
    "positions": (
        "SELECT tenant, portfolio, instrument, currency, quantity, cost, fees, realised_gross,"
        " realised_net FROM {schema}.positions"
        " WHERE quantity <> 0 OR realised_gross <> 0 OR realised_net <> 0 ORDER BY 1, 2, 3"
    ),
    "lots": CURRENT["lots"],
    "applied": (
        "SELECT tenant, portfolio, instrument, declared_on, action, held, quantity_change,"
        " cash_in_lieu, realised_gross, realised_net, gross, withheld FROM {schema}.applied"
        " WHERE (held, quantity_change, cash_in_lieu, realised_gross, realised_net, gross,"
        " withheld) <> (0, 0, 0, 0, 0, 0, 0) ORDER BY 1, 2, 3, 4, 5"
    ),
}
PAID = {
    "balances": (
        "SELECT tenant, portfolio, currency, balance, principal, cash_in_lieu, dividends,"
        " withholding_tax FROM {schema}.balances ORDER BY 1, 2, 3"
    ),
    "movements": CURRENT["movements"],
    "receivables": (
        "SELECT tenant, portfolio, instrument, action, held, gross, withheld, paid_gross,"
        " paid_withheld FROM {schema}.receivables"
        " WHERE (gross, paid_gross) <> (0, 0) ORDER BY 1, 2, 3, 4"
    ),
}


def shown(connection: psycopg.Connection[Any], went: ActedStory) -> list[Any]:
    """What the tables show, positions of the log and closed rows apart."""
    events = went.story.recorded()
    rows: list[Any] = []
    with connection.cursor() as cursor:
        for model, questions in ((Positions(), SHOWN), (Cash(), PAID)):
            fold_by_hand(connection, model, model.name, cut(events, [7]))
            rows += [Tables(model.name).select(cursor, each) for each in questions.values()]
    return rows


class TestReversing:
    """A reversed action was never there (convention 7)."""

    @LAW
    @given(plan=stories(), basis=bases, paid=paydays)
    def test_leaves_the_rows_of_what_holds(
        self, tables: psycopg.Connection[Any], plan: Told, basis: CostBasis, paid: set[int]
    ) -> None:
        """Positions, lots, what actions did, cash by date, receivables: row by row."""
        gone = [each.action for each in plan.messages if isinstance(each, Reversal)]
        # What a transfer takes is decided when it is told, and stays: it shows what was held then.
        told: list[Message] = [each for each in plan.messages if not isinstance(each, Transfer)]
        rest = [
            each
            for each in told
            if not (isinstance(each, Declaration | Reversal) and each.action in gone)
        ]
        went, should = acted(told, basis, paid), acted(rest, basis, set())
        went.settle(LAST)
        should.settle(LAST)

        assert shown(tables, went) == shown(tables, should)
