"""Finding one's place from the topics alone."""

from __future__ import annotations

import random

import pytest

from eventstore.connections import connect
from eventstore.kafka.progress import Progress
from eventstore.kafka.resuming import resumed
from eventstore.kafka.topics import Topics
from eventstore.log import Log
from infra.database import Database
from tests.eventstore.kafka.relaying import append, expected_positions

TOPICS = Topics("pms", partitions=3)


def resume(log: Log, database: Database, last: list[int], market_after: int = 0) -> Progress:
    """Resume where the chains end at `last`, the market's last."""
    with connect(database.app_conninfo, application_name="test") as connection:
        return resumed(connection, TOPICS, log_id=log.log_id, last=last, market_after=market_after)


class TestResuming:
    """Going on behind what is certainly there, in every chain."""

    @pytest.mark.parametrize("last", [[40, 90, 60], [90, 60, 40], [55, 0, 90], [1, 1, 1]])
    def test_begins_behind_the_partition_that_is_least_far(
        self, log: Log, log_database: Database, last: list[int]
    ) -> None:
        """The others get repeats; the last events before that place are known again."""
        append(log, random.Random(1), commands=60)
        expected = expected_positions(log.read(0, 1_000), TOPICS)
        chains = [*((TOPICS.portfolios, number) for number in range(3)), (TOPICS.market, 0)]

        found = resume(log, log_database, [*last, 1_000])

        assert found.position == min(last)
        assert list(found.previous) == [
            max((each for each in expected[chain] if each <= min(last)), default=0)
            for chain in chains
        ]

    def test_begins_before_an_event_that_only_the_market_lacks(
        self, log: Log, log_database: Database
    ) -> None:
        """Unless another generation's relay has brought it there."""
        append(log, random.Random(2), commands=60)
        market = expected_positions(log.read(0, 1_000), TOPICS)[TOPICS.market, 0]
        first, second, *_ = market

        lacking = resume(log, log_database, [90, 90, 90, first])
        brought = resume(log, log_database, [90, 90, 90, first], market_after=90)

        assert first <= lacking.position < second
        assert brought.position == 90

    def test_begins_at_the_beginning_of_empty_topics(
        self, log: Log, log_database: Database
    ) -> None:
        """And of an empty log."""
        assert resume(log, log_database, [0, 0, 0, 0]) == Progress(log.log_id, 0, (0, 0, 0, 0))
