"""Laws of every fold: batches of any size give the same tables, with or without memory."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.instrument import (
    InstrumentChange,
    InstrumentDelisted,
    InstrumentRenamed,
    InstrumentResumed,
    InstrumentSuspended,
    SectorAssigned,
    SymbolChanged,
    WrittenDown,
)
from domain.lots import CostBasis
from domain.money import Money
from domain.portfolio.life import PeriodClosed, PortfolioRenamed
from infra.database import Database
from projections import rows
from projections.cash import ladder
from projections.cash import model as cash_model
from projections.cash.model import Cash
from projections.market.model import Market
from projections.outcomes.model import Outcomes
from projections.positions import holdings
from projections.positions.model import Positions
from projections.read_model import ReadModel
from projections.rows import Cursor, Tables
from projections.trades.model import Trades
from tests.projections.fates import (
    INSTRUMENTS,
    PORTFOLIOS,
    Fated,
    as_it_should_have,
    as_it_went,
    days,
    fated_trades,
    prices,
    quantities,
)
from tests.projections.folding import cut, difference, fold_by_hand, keys
from tests.projections.portfolio_story import book_interest, charge, exchange, tell
from tests.projections.story import Story, opening

MODELS: tuple[ReadModel, ...] = (Positions(), Cash(), Trades(), Outcomes(), Market())
Deed = Callable[[Story], object]


@st.composite
def trades(draw: st.DrawFn) -> Deed:
    """A fill on any day: late, on time, parked, short, through zero."""
    tenant, portfolio = draw(st.sampled_from(PORTFOLIOS))
    instrument, quantity = draw(st.sampled_from(INSTRUMENTS)), draw(quantities)
    price, fee, day = draw(prices), draw(st.sampled_from(("0", "0.10", "1"))), draw(days)
    return lambda story: story.trade(
        portfolio, instrument, quantity, price, tenant=tenant, fee=fee, day=day
    )


@st.composite
def corrections(draw: st.DrawFn) -> Deed:
    """A bust or an amend of some trade that is booked, if there is one."""
    number, is_bust = draw(st.integers(0, 99)), draw(st.booleans())
    quantity, price, day = draw(quantities), draw(prices), draw(days)

    def correct(story: Story) -> None:
        booked = list(story.booked)
        if booked and is_bust:
            story.bust(booked[number % len(booked)])
        elif booked:
            story.amend(booked[number % len(booked)], quantity, price, day=day)

    return correct


@st.composite
def other_deeds(draw: st.DrawFn) -> Deed:
    """Cash, refusals, registrations, marks, closes and their corrections."""
    (tenant, portfolio), instrument = (
        draw(st.sampled_from(PORTFOLIOS)),
        draw(st.sampled_from(INSTRUMENTS)),
    )
    price, day = draw(prices), draw(days)
    deeds: tuple[Deed, ...] = (
        lambda story: story.deposit(portfolio, price, tenant=tenant),
        lambda story: story.withdraw(portfolio, price, tenant=tenant, currency="EUR"),
        lambda story: charge(story, portfolio, price, tenant=tenant, day=day),
        lambda story: book_interest(story, portfolio, f"-{price}", tenant=tenant, day=day),
        lambda story: exchange(
            story, portfolio, price, "3", tenant=tenant, fee=Money(Decimal(1), "USD")
        ),
        lambda story: tell(
            story, PortfolioRenamed(portfolio=portfolio, title=price), tenant=tenant
        ),
        lambda story: tell(story, PeriodClosed(portfolio=portfolio, until=day), tenant=tenant),
        lambda story: story.settle(portfolio, day + timedelta(days=1), tenant=tenant),
        lambda story: story.refuse(portfolio, instrument, tenant=tenant),
        lambda story: story.register(instrument),
        lambda story: story.mark(opening(day), **{instrument: price}),
        lambda story: story.close(day, **{instrument: price}),
        lambda story: story.correct(day, instrument, None),
        lambda story: story.correct(day, instrument, price),
    )
    return draw(st.sampled_from(deeds))


@st.composite
def changes(draw: st.DrawFn) -> Deed:
    """Something in the life of the one instrument that is surely registered."""
    name, day, value = INSTRUMENTS[0], draw(days), draw(prices)
    told: tuple[InstrumentChange, ...] = (
        InstrumentRenamed(instrument=name, title=value, from_date=day),
        SymbolChanged(instrument=name, symbol=value, from_date=day),
        SectorAssigned(instrument=name, from_date=day),
        InstrumentSuspended(instrument=name, from_at=opening(day), reason="halted"),
        InstrumentResumed(instrument=name, from_at=opening(day)),
        InstrumentDelisted(instrument=name, on_date=day),
        WrittenDown(instrument=name, price=Decimal(value), at=opening(day), reason="lost"),
    )
    change = draw(st.sampled_from(told))
    return lambda story: story.change(change)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """A story of up to forty deeds, mostly trades."""
    story = Story()
    story.register(INSTRUMENTS[0])
    for number, (tenant, portfolio) in enumerate(PORTFOLIOS):
        story.open(
            portfolio, tenant=tenant, basis=CostBasis.AVERAGE if number == 1 else CostBasis.FIFO
        )
    for deed in draw(
        st.lists(
            st.one_of(trades(), trades(), corrections(), other_deeds(), changes()),
            min_size=10,
            max_size=40,
        )
    ):
        deed(story)
    return story


@pytest.fixture
def tables(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a database without a log: these folds meet events made by hand."""
    with psycopg.connect(database.app_conninfo, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        yield connection


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
class TestCuttingTheLog:
    """Where a batch ends leaves no trace in any table."""

    @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(story=stories(), sizes=st.lists(st.integers(1, 9), min_size=1))
    def test_any_batches_give_the_same_tables(
        self,
        model: ReadModel,
        tables: psycopg.Connection[Any],
        story: Story,
        sizes: list[int],
    ) -> None:
        """One batch of everything, small ones, and small ones that each meet a new fold."""
        events = story.recorded()
        batches = cut(events, sizes)
        fold_by_hand(tables, model, "whole", [events])

        fold_by_hand(tables, model, "pieces", batches)
        assert difference(tables, model, live="pieces", rebuilt="whole") is None

        fold_by_hand(tables, model, "pieces", batches, forgets=True)
        assert difference(tables, model, live="pieces", rebuilt="whole") is None


@pytest.mark.parametrize(
    "model", [Positions(), Cash(), Trades(), Outcomes()], ids=lambda model: model.name
)
class TestDeferring:
    """What a building leaves to the end leaves no trace either."""

    @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        story=stories(),
        sizes=st.lists(st.integers(1, 9), min_size=1),
        remembered=st.sampled_from((0, 2, 1_000)),
    )
    def test_gives_the_same_tables_and_keys(
        self,
        model: ReadModel,
        tables: psycopg.Connection[Any],
        story: Story,
        sizes: list[int],
        remembered: int,
    ) -> None:
        """Whether memory holds all rows that wait, some, or none beyond a batch."""
        events = story.recorded()
        fold_by_hand(tables, model, "whole", [events])

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(holdings, "HOLDINGS_MAX", remembered)
            patched.setattr(cash_model, "BALANCES_MAX", remembered)
            patched.setattr(ladder, "RUNGS_MAX", remembered)
            patched.setattr(rows, "ROWS_MAX", remembered or 1)
            fold_by_hand(tables, model, "pieces", cut(events, sizes), defers=True)

        assert difference(tables, model, live="pieces", rebuilt="whole") is None
        assert keys(tables, "pieces") == keys(tables, "whole")


class TestAddingUp:
    """What a story books adds up in the tables."""

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(story=stories())
    def test_legs_and_lots_add_up(self, tables: psycopg.Connection[Any], story: Story) -> None:
        """Lots to positions, legs by kind to balances, both to what the domain holds."""
        events = story.recorded()
        fold_by_hand(tables, Positions(), "positions", cut(events, [7]))
        fold_by_hand(tables, Cash(), "cash", cut(events, [7]))
        with tables.cursor() as cursor:
            quantities = Tables("positions").select(
                cursor,
                "SELECT tenant, portfolio, instrument, positions.quantity,"
                " coalesce(sum(lots.quantity), 0) FROM {schema}.positions"
                " LEFT JOIN {schema}.lots USING (tenant, portfolio, instrument)"
                " GROUP BY tenant, portfolio, instrument, positions.quantity",
            )
            balances = Tables("cash").select(
                cursor,
                "SELECT tenant, portfolio, currency, balance,"
                " deposits + withdrawals + principal + fees + charges + interest"
                " + exchanged, (SELECT sum(amount)"
                " FROM {schema}.movements WHERE (tenant, portfolio, currency)"
                " = (balances.tenant, balances.portfolio, balances.currency))"
                " FROM {schema}.balances",
            )

        for tenant, portfolio, instrument, quantity, of_lots in quantities:
            book = story.accounts[tenant, portfolio].books[instrument]
            assert quantity == of_lots == book.quantity
        for tenant, portfolio, currency, balance, of_kinds, of_legs in balances:
            held = story.accounts[tenant, portfolio].cash[currency]
            assert balance == of_kinds == of_legs == held


CURRENT = {
    "positions": (
        "SELECT tenant, portfolio, instrument, currency, quantity, cost, fees, realised_gross,"
        " realised_net, traded_price, traded_date, traded_at, traded_key"
        " FROM {schema}.positions WHERE traded_key IS NOT NULL ORDER BY 1, 2, 3"
    ),
    "lots": (
        "SELECT tenant, portfolio, instrument, trade_id, trade_date, quantity, cost, fee"
        " FROM {schema}.lots ORDER BY 1, 2, 3, order_position, order_index"
    ),
    "balances": (
        "SELECT tenant, portfolio, currency, balance, deposits, withdrawals, principal, fees"
        " FROM {schema}.balances ORDER BY 1, 2, 3"
    ),
    "movements": (
        "SELECT tenant, portfolio, currency, kind, value_date, sum(amount)"
        " FROM {schema}.movements GROUP BY 1, 2, 3, 4, 5 HAVING sum(amount) <> 0"
        " ORDER BY 1, 2, 3, 4, 5"
    ),
}


def current(cursor: Cursor, story: Story, model: ReadModel, *tables: str) -> list[Any]:
    """What a model shows of a story, positions in the log apart."""
    fold_by_hand(cursor.connection, model, model.name, cut(story.recorded(), [7]))
    return [Tables(model.name).select(cursor, CURRENT[table]) for table in tables]


class TestTakingOut:
    """A busted trade was never there, an amended one was always as it is now (convention 6)."""

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(plan=st.lists(fated_trades(), min_size=1, max_size=12))
    def test_leaves_the_rows_of_what_holds(
        self, tables: psycopg.Connection[Any], plan: list[Fated]
    ) -> None:
        """Positions, lots, balances, and what moved cash on each date: row by row."""
        went, should = as_it_went(plan), as_it_should_have(plan)

        with tables.cursor() as cursor:
            for model, names in (
                (Positions(), ("positions", "lots")),
                (Cash(), ("balances", "movements")),
            ):
                assert current(cursor, went, model, *names) == current(
                    cursor, should, model, *names
                )
