"""The audience by itself: destinations made for a test, asked over a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from prometheus_client import CollectorRegistry

from gateway.access import Action
from gateway.problem import Problem
from infra.database import Database
from projections.asking import Readable
from projections.reading import Reading
from read_api.live.audience import Audience, Resumed
from read_api.live.destinations import Destination, Spread, Told, Topic
from read_api.live.metrics import LiveMetrics
from read_api.live.subscription import Subscription

TOPIC = Topic("t", ("a",))


@pytest.fixture(scope="module")
def reading(database: Database) -> Iterator[Reading]:
    """Connections to a database."""
    with Reading(database.app_conninfo) as opened:
        yield opened


@pytest.fixture
def audience(reading: Reading) -> Audience:
    """An audience in which nobody sits."""
    return Audience(reading, LiveMetrics(CollectorRegistry()))


def never(readable: Readable, topics: Sequence[Topic], after: int = 0) -> Told:
    """Stand in for a question that must not be asked."""
    raise AssertionError(readable, topics, after)


def subscribed(destination: Destination) -> Subscription:
    """A subscription of the topic, of a client that looks for itself."""
    return Subscription("s", "x/a", destination, TOPIC, lambda _: None)


class TestJoining:
    """The first message."""

    @pytest.mark.parametrize("resumed", [None, Resumed(1, 0)])
    def test_with_an_unknown_topic_is_refused_before_anything_is_asked(
        self, audience: Audience, resumed: Resumed | None
    ) -> None:
        """Whether it is new, or says where it stood."""
        destination = Destination(
            "x/{x}", "", "toy", (Action.READ_CASH,), never, never, spread=Spread.ANY,
            is_known=lambda _, topic: topic != TOPIC,
        )  # fmt: skip
        with pytest.raises(Problem) as refused:
            asyncio.run(audience.join(subscribed(destination), resumed))
        assert refused.value.code == "not_found"
