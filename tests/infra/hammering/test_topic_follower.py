"""A reader of the topic finds what it was not given."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from eventstore.kafka.records import RecordHeaders, WatermarkHeaders
from infra.hammering.topic_follower import Chains

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ID = UUID(int=1)


def event(position: int, previous: int) -> RecordHeaders:
    """The headers of an event."""
    return RecordHeaders(
        log_id=ID, position=position, previous=previous, event_type="market.marked.v1",
        tenant="market", recorded_at=NOON, stream_id=ID, stream_version=1, command_id=ID,
        actor="exchange", build="build",
    )  # fmt: skip


class TestChains:
    """Each event names the one before it in its partition."""

    def test_hold_for_each_partition_by_itself(self) -> None:
        """Repeats and watermarks are no events."""
        chains = Chains()
        for partition, told in (
            (0, event(2, 0)), (1, event(3, 0)), (0, event(5, 2)), (0, event(2, 0)),
            (0, event(5, 2)), (1, WatermarkHeaders(ID, 5, NOON, 0)), (1, event(9, 3)),
        ):  # fmt: skip
            chains.take(partition, told)

        assert chains.check.ok, chains.check.difference
        assert chains.check.counted == 4
        assert chains.last == {0: 5, 1: 9}

    @pytest.mark.parametrize("broken", [(5, 3), (5, 0)])
    def test_break_where_one_is_missing(self, broken: tuple[int, int]) -> None:
        """The one before is not the one that came."""
        chains = Chains()
        chains.take(0, event(2, 0))
        chains.take(0, event(*broken))

        assert not chains.check.ok
