"""Questions to partitions: the same rows and pages as questions to the whole."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from eventstore.log import Log
from eventstore.partitions import WHOLE, home_of, partitions
from infra.database import Database
from infra.read_models import READ_MODELS
from projections.asking import Readable
from projections.building import Building, connect, ignore_progress
from projections.cash.queries import balances_of, movements_of
from projections.controls.queries import breaches_of, limits_now, overrides_of, usage_of
from projections.market.closes import judged_closes
from projections.paging import Page
from projections.performance.queries import changed_performance, daily_performance
from projections.positions.queries import lots_of, portfolios_of, positions_of
from projections.read_model import ReadModel
from projections.trades.queries import blotter, trade_of
from projections.trades.rows import Status
from tests.projections.conftest import Connection, clock
from tests.projections.control_story import NOON, ControlStory, tell_everywhere
from tests.projections.story import ACME, DAY_ONE, GLOBEX, Story, closing

COUNT = 4
FUNDS = tuple(f"fund-{number}" for number in range(9))
OF_ONE: tuple[Callable[..., Page[Any]], ...] = (
    positions_of,
    lots_of,
    balances_of,
    movements_of,
    daily_performance,
)

# Questions about all portfolios: what they ask, and how many rows a page may have.
LISTS: dict[str, Callable[..., Page[Any]]] = {
    "portfolios": lambda readable, **page: portfolios_of(readable, tenant=ACME, **page),
    "trades": lambda readable, **page: blotter(readable, tenant=ACME, **page),
    "refused": lambda readable, **page: blotter(
        readable, tenant=ACME, status=Status.REFUSED, **page
    ),
    "of one instrument": lambda readable, **page: blotter(
        readable, tenant=ACME, instrument="TSLA", sort="-realised_net", **page
    ),
    "breaches": lambda readable, **page: breaches_of(readable, tenant=ACME, **page),
    "overrides": lambda readable, **page: overrides_of(readable, tenant=ACME, now=NOON, **page),
    "another tenant's": lambda readable, **page: blotter(readable, tenant=GLOBEX, **page),
}


@pytest.fixture(scope="module")
def database(new_log_database: Callable[[], Database]) -> Database:
    """A database for all these tests: folding what they ask takes longer than all they ask."""
    return new_log_database()


@pytest.fixture(scope="module")
def connection(database: Database) -> Iterator[Connection]:
    """A connection as the application's role; what a test writes by it, it takes back."""
    with connect(database.app_conninfo, application_name="test") as made:
        yield made


@pytest.fixture(scope="module")
def folded(database: Database, connection: Connection) -> Iterator[tuple[Readable, Readable]]:
    """One history, folded whole and in partitions: what to ask for either."""
    story = Story()
    story.register("AAPL", "TSLA")
    for fund in FUNDS:
        story.open(fund)
        story.deposit(fund, "1000")
    story.open("fund-1", tenant=GLOBEX)
    for number in range(70):
        fund = FUNDS[number * 5 % len(FUNDS)]
        story.trade(fund, "TSLA" if number % 3 else "AAPL", "2" if number % 4 else "-1", "10")
        if number % 7 == 0:
            story.refuse(fund, "AAPL")
    story.trade("fund-1", "AAPL", "5", "10", tenant=GLOBEX)
    story.mark(closing(DAY_ONE) - timedelta(hours=1), AAPL="11", TSLA="12")
    tell_everywhere(ControlStory(story), FUNDS)
    story.close(DAY_ONE, AAPL="12")
    models: tuple[ReadModel, ...] = READ_MODELS
    with ExitStack() as stack:
        log = stack.enter_context(Log(database.app_conninfo, clock=clock, build="test"))
        head = story.append_to(log)
        for partition in (WHOLE, *partitions(COUNT)):
            building = stack.enter_context(
                Building(models, log, connection, suffix="", partition=partition)
            )
            building.fold_until(head, ignore_progress)
        yield Readable(connection), Readable(connection, partitions(COUNT))


class TestLists:
    """Lists over portfolios are put together from all partitions."""

    @pytest.mark.parametrize("limit", [1, 3, 7, 500])
    @pytest.mark.parametrize("question", LISTS)
    def test_page_by_page_like_the_whole(
        self, folded: tuple[Readable, Readable], question: str, limit: int
    ) -> None:
        """Each page has the same rows and the same cursor, and says the same position."""
        whole, parted = folded
        ask = LISTS[question]
        cursor, seen = None, 0
        while True:
            expected = ask(whole, cursor=cursor, limit=limit)
            assert ask(parted, cursor=cursor, limit=limit) == expected
            cursor, seen = expected.next_cursor, seen + len(expected.rows)
            if cursor is None:
                break
        assert seen

    @pytest.mark.parametrize("limit", [1, 2, 500])
    def test_of_what_is_used_by_the_last_word_on_each_date(
        self, folded: tuple[Readable, Readable], limit: int
    ) -> None:
        """Each partition has heard of its own portfolios' trades only."""
        whole, parted = folded
        cursor, seen = None, 0
        while True:
            page: dict[str, Any] = {
                "tenant": ACME,
                "name": "firm-day",
                "cursor": cursor,
                "limit": limit,
            }
            expected = usage_of(whole, **page)
            assert usage_of(parted, **page) == expected
            cursor, seen = expected.next_cursor, seen + len(expected.rows)
            if cursor is None:
                break
        assert seen == 5

    def test_of_what_is_shared_are_any_partitions(self, folded: tuple[Readable, Readable]) -> None:
        """Each holds the limits of the whole tenant."""
        whole, parted = folded
        expected = limits_now(whole, tenant=ACME)

        assert len(expected.rows) == 1
        for partition in parted.partitions:
            one = parted._replace(partitions=(partition,))
            assert limits_now(one, tenant=ACME).rows == expected.rows

    def test_changes_in_their_order(self, folded: tuple[Readable, Readable]) -> None:
        """What changed behind a position, oldest first."""
        whole, parted = folded

        expected = changed_performance(whole, tenant=ACME, after=0)

        assert changed_performance(parted, tenant=ACME, after=0) == expected
        assert len(expected.rows) == len(FUNDS)

    def test_one_trade_by_its_id(self, folded: tuple[Readable, Readable]) -> None:
        """Nobody knows its portfolio, so every partition is asked."""
        whole, parted = folded
        names = {row.trade_id for row in blotter(whole, tenant=ACME).rows}
        assert len(names) > 50
        for name in names:
            found = trade_of(parted, tenant=ACME, trade_id=name)
            assert found == trade_of(whole, tenant=ACME, trade_id=name)
            assert found.row is not None
            assert trade_of(parted, tenant=GLOBEX, trade_id=name).row is None

    def test_is_of_the_least_position(
        self, folded: tuple[Readable, Readable], connection: Connection
    ) -> None:
        """While one partition is behind, a list does not claim to be further."""
        _, parted = folded
        with connection.transaction(force_rollback=True):
            connection.execute(
                "UPDATE positions_2_of_4.checkpoint SET position = 7, market_position = 2"
            )
            page = portfolios_of(parted, tenant=ACME)

        assert (page.position, page.market_position) == (7, 2)

    def test_more_partitions_need_an_order(self, folded: tuple[Readable, Readable]) -> None:
        """A question of one portfolio is not asked of several partitions by mistake."""
        _, parted = folded
        with pytest.raises(AssertionError, match="one partition's"):
            positions_of(parted, tenant=ACME, portfolio=FUNDS[0])


class TestOnePortfolio:
    """A portfolio is asked of its partition alone."""

    @pytest.mark.parametrize("fund", FUNDS)
    def test_has_the_same_rows_in_its_home(
        self, folded: tuple[Readable, Readable], connection: Connection, fund: str
    ) -> None:
        """Positions with their prices, lots, cash, movements, days."""
        whole, _ = folded
        home = Readable(connection, (home_of(ACME, fund, COUNT),))
        for question in OF_ONE:
            expected = question(whole, tenant=ACME, portfolio=fund)
            assert question(home, tenant=ACME, portfolio=fund) == expected
            assert expected.rows

    def test_closes_are_the_same_in_every_partition(
        self, folded: tuple[Readable, Readable], connection: Connection
    ) -> None:
        """What all share is whole in each."""
        whole, _ = folded
        expected = judged_closes(whole)
        for partition in partitions(COUNT):
            assert judged_closes(Readable(connection, (partition,))) == expected
