"""Several projectors share the partitions of one topic: members come, go, sleep and wake."""

import time
from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest

from eventstore.failures import LogBehindCheckpoint
from eventstore.log import Log
from eventstore.partitions import Partition, home_of, partitions
from infra.database import Database
from infra.read_models import READ_MODELS
from projections.asking import Readable
from projections.building import Building, ignore_progress
from projections.checkpoint import read_checkpoint
from projections.performance.queries import PerformanceDay, daily_performance
from projections.positions.model import Positions
from projections.read_model import Placed, ReadModel
from projections.verification import verify
from tests.conftest import KafkaSpace
from tests.projections.conftest import Connection
from tests.projections.control_story import ControlStory, tell_everywhere
from tests.projections.group import Members
from tests.projections.parting import COUNT, assert_parted
from tests.projections.running import wait_until
from tests.projections.story import ACME, DAY_ONE, Story, closing
from tests.projections.test_feeds import ticking
from tests.projections.topic import HandmadeTopic

APPLE = "AAPL"
FUNDS = tuple(f"fund-{number}" for number in range(10))


@pytest.fixture
def log(log_database: Database) -> Iterator[Log]:
    """An empty log whose events differ in their moments."""
    with Log(log_database.app_conninfo, clock=ticking(), build="test", pool_size=4) as made:
        yield made


@pytest.fixture
def topic(kafka: KafkaSpace, log: Log) -> HandmadeTopic:
    """A topic nothing was sent to yet."""
    return HandmadeTopic(kafka, log.log_id, COUNT)


@pytest.fixture
def members(log: Log, log_database: Database, topic: HandmadeTopic) -> Iterator[Members]:
    """No member yet; all are stopped at the end, and what made one fail is raised."""
    made = Members(log, log_database, topic)
    yield made
    for name in list(made.running):
        made.stop(name)
    if made.failures:
        raise made.failures[0]


def positions(connection: Connection, model: ReadModel) -> list[int]:
    """Where the partitions of a model stand."""
    with connection.cursor() as cursor:
        found = [read_checkpoint(cursor, Placed(model, each).schema) for each in partitions(COUNT)]
    return [0 if each is None else each.position for each in found]


def wait_until_folded(
    connection: Connection, log: Log, models: tuple[ReadModel, ...] = READ_MODELS
) -> None:
    """Wait until every partition of every model has all its events."""
    last = {
        each: max([event.position for event in log.read(0, 100_000) if each.holds(event)])
        for each in partitions(COUNT)
    }
    wait_until(
        lambda: all(
            position >= last[each]
            for model in models
            for each, position in zip(partitions(COUNT), positions(connection, model), strict=True)
        ),
        "all partitions folded",
    )


def begin(story: Story) -> None:
    """Open portfolios of all partitions."""
    story.register(APPLE, "TSLA")
    for fund in FUNDS:
        story.open(fund)
        story.deposit(fund, "1000")


def trade(story: Story, count: int) -> None:
    """Everybody trades, and the market moves."""
    for number in range(count):
        fund = FUNDS[number % len(FUNDS)]
        story.trade(fund, APPLE, "3" if number % 3 else "-4", str(10 + number % 7), fee="0.5")
        if number % 10 == 9:
            story.mark(closing(DAY_ONE) - timedelta(hours=3), **{APPLE: str(10 + number % 7)})


def carried(log: Log, story: Story, topic: HandmadeTopic) -> None:
    """Append what was told, and send it."""
    before = log.head().position
    story.append_to(log, together=3)
    topic.send(log.read(before, 100_000))


def assert_as_rebuilt(
    log: Log,
    database: Database,
    connection: Connection,
    models: tuple[ReadModel, ...] = READ_MODELS,
) -> None:
    """Every partition's tables equal a rebuild, and together they are those of the log feed."""
    report = verify(log, database.app_conninfo, models, partition_counts=[COUNT])
    assert [str(check) for check in report.checks if not check.ok] == []
    head = log.head().position
    with Building(models, log, connection, suffix="_whole") as building:
        building.fold_until(head, ignore_progress)
        for built in building.built:
            for table in built.model.compared_tables:
                assert_parted(connection, built.model, table, built.schema)


def home(fund: str) -> Partition:
    """The partition of a portfolio."""
    return home_of(ACME, fund, COUNT)


def days(connection: Connection, fund: str) -> list[PerformanceDay]:
    """What is known of a portfolio's days."""
    readable = Readable(connection, (home(fund),))
    return daily_performance(readable, tenant=ACME, portfolio=fund).rows


def navs(connection: Connection, fund: str) -> list[str]:
    """A portfolio's NAVs as known now."""
    return [str(day.current.nav) for day in days(connection, fund)]


def struck(connection: Connection, fund: str) -> list[str]:
    """A portfolio's NAVs as they were struck."""
    return [str(day.struck.nav) for day in days(connection, fund) if day.struck is not None]


class TestMembers:
    """Whoever folds a partition, its tables are those of a rebuild."""

    def test_three_members_fold_what_one_log_feed_folds(
        self,
        log: Log,
        log_database: Database,
        connection: Connection,
        story: Story,
        topic: HandmadeTopic,
        members: Members,
    ) -> None:
        """One recorded history gives identical read models."""
        begin(story)
        trade(story, 60)
        story.close(DAY_ONE, **{APPLE: "12", "TSLA": "20"})
        carried(log, story, topic)
        for name in ("one", "two", "three"):
            members.start(name)
        wait_until(members.share_all, "each has its share")
        tell_everywhere(ControlStory(story), FUNDS)
        trade(story, 60)
        carried(log, story, topic)
        wait_until_folded(connection, log)

        assert_as_rebuilt(log, log_database, connection)

    def test_members_come_and_go(
        self,
        log: Log,
        log_database: Database,
        connection: Connection,
        story: Story,
        topic: HandmadeTopic,
        members: Members,
    ) -> None:
        """Each rebalance hands partitions over in the middle of the work."""
        begin(story)
        carried(log, story, topic)
        members.start("one")
        for name, leaving in (("two", None), ("three", "one"), ("four", "two")):
            trade(story, 20)
            carried(log, story, topic)
            topic.repeat(log.read(0, 20))
            members.start(name)
            if leaving is not None:
                members.stop(leaving)
            wait_until(members.share_all, "each has its share")
        trade(story, 20)
        carried(log, story, topic)
        wait_until_folded(connection, log)

        assert_as_rebuilt(log, log_database, connection)

    def test_a_zombie_that_wakes_after_a_takeover_changes_nothing(
        self,
        log: Log,
        log_database: Database,
        connection: Connection,
        story: Story,
        topic: HandmadeTopic,
        members: Members,
    ) -> None:
        """It sleeps with a batch in hand, is thrown out, and another folds that batch and more."""
        # Its rows are overwritten, so no key of a table would stop an older value.
        members.models = (Positions(),)
        begin(story)
        carried(log, story, topic)
        sleeper = members.start("sleeper")
        wait_until_folded(connection, log, members.models)
        sleeper.is_awake.clear()
        trade(story, 20)
        carried(log, story, topic)
        members.start("heir")
        wait_until(lambda: len(members.partitions_of("heir")) == COUNT, "the heir has everything")
        wait_until_folded(connection, log, members.models)
        trade(story, 10)
        carried(log, story, topic)
        sleeper.is_awake.set()
        wait_until_folded(connection, log, members.models)
        wait_until(members.share_all, "the sleeper is a member again")
        story.trade(FUNDS[0], "TSLA", "1", "20")  # touches no row the sleeper had in hand
        carried(log, story, topic)
        wait_until_folded(connection, log, members.models)

        assert_as_rebuilt(log, log_database, connection, members.models)

    def test_nothing_is_folded_that_the_log_does_not_hold(
        self,
        log: Log,
        connection: Connection,
        story: Story,
        topic: HandmadeTopic,
        members: Members,
    ) -> None:
        """PostgreSQL was restored to an older state: what Kafka still holds is of a lost future."""
        begin(story)
        carried(log, story, topic)
        members.start("one")
        wait_until_folded(connection, log)
        before = positions(connection, Positions())
        head = log.head().position
        lost = [
            msgspec.structs.replace(event, position=event.position + head)
            for event in log.read(0, 100_000)
            if event.event_type == "portfolio.cash_deposited.v1"
        ]
        topic.send(lost)
        wait_until(lambda: members.failures, "the member refuses")

        (failure,) = members.failures
        members.failures.clear()
        assert isinstance(failure, LogBehindCheckpoint)
        assert positions(connection, Positions()) == before

    def test_a_damaged_partition_is_told_and_the_others_go_on(
        self,
        log: Log,
        connection: Connection,
        story: Story,
        topic: HandmadeTopic,
        members: Members,
    ) -> None:
        """Its models say so by name; nobody crashes."""
        begin(story)
        carried(log, story, topic)
        members.start("one")
        wait_until_folded(connection, log)
        damaged = home(FUNDS[0])
        trade(story, 20)
        story.append_to(log)
        topic.skip(damaged, log.head().position - 1)
        topic.send(log.read(0, 100_000)[-40:])
        projector = members.running["one"][0]
        names = {Placed(model, damaged).schema for model in READ_MODELS}
        wait_until(lambda: set(projector.health()["degraded"]) == names, "it is told")  # type: ignore[call-overload]

        ahead = next(fund for fund in FUNDS if home(fund) != damaged)
        story.deposit(ahead, "1")
        carried(log, story, topic)
        wait_until(
            lambda: max(positions(connection, Positions())) == log.head().position, "the others"
        )

    def test_a_partition_behind_strikes_its_close_late_and_right(
        self,
        log: Log,
        connection: Connection,
        story: Story,
        topic: HandmadeTopic,
        members: Members,
    ) -> None:
        """One partition stands still while a session closes; its NAV is never struck early."""
        begin(story)
        carried(log, story, topic)
        feed = members.start("one")
        wait_until_folded(connection, log)
        behind = FUNDS[0]
        ahead = next(fund for fund in FUNDS if home(fund) != home(behind))
        feed.asleep.add(home(behind).number)
        for fund in (behind, ahead):
            story.trade(fund, APPLE, "10", "10")
        story.mark(closing(DAY_ONE) - timedelta(hours=1), **{APPLE: "11"})
        story.close(DAY_ONE, **{APPLE: "12", "TSLA": "20"})
        story.mark(closing(DAY_ONE) + timedelta(hours=1), **{APPLE: "99"})
        carried(log, story, topic)
        wait_until(lambda: navs(connection, ahead) == ["1020"], "the others strike their NAV")
        time.sleep(0.3)

        assert navs(connection, behind) == []
        feed.asleep.clear()
        wait_until(lambda: navs(connection, behind), "the NAV appears")
        assert navs(connection, behind) == ["1020"]
        wait_until_folded(connection, log)
        assert [day.restated_position for day in days(connection, behind)] == [None]

    def test_a_heir_values_at_the_partitions_own_position(
        self,
        log: Log,
        log_database: Database,
        connection: Connection,
        story: Story,
        topic: HandmadeTopic,
        members: Members,
    ) -> None:
        """A partition far behind is taken over: the market state is that of its checkpoint.

        The other partitions have folded later marks and a corrected close by then; none of that
        may leak into what the heir strikes first.
        """
        begin(story)
        carried(log, story, topic)
        feed = members.start("one")
        wait_until_folded(connection, log)
        behind = FUNDS[0]
        feed.asleep.add(home(behind).number)
        for fund in FUNDS:
            story.trade(fund, "TSLA", "10", "10")
        story.mark(closing(DAY_ONE) - timedelta(hours=1), TSLA="11")
        story.close(DAY_ONE, **{APPLE: "12"})
        story.correct(DAY_ONE, APPLE, "13")
        story.mark(closing(DAY_ONE) - timedelta(minutes=30), TSLA="15")
        carried(log, story, topic)
        ahead = next(fund for fund in FUNDS if home(fund) != home(behind))
        wait_until(lambda: navs(connection, ahead) == ["1050"], "the others restate")
        members.stop("one")
        assert navs(connection, behind) == []
        members.start("heir")
        wait_until_folded(connection, log)

        assert struck(connection, behind) == struck(connection, ahead) == ["1010"]
        assert_as_rebuilt(log, log_database, connection)
