"""A log, its topics on the session's Kafka, and a relay between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from eventstore.kafka.relay import Relay
from eventstore.kafka.topics import Topics
from infra.database import Database
from tests.conftest import KafkaSpace
from tests.infra.schema_registry.serving import serving_registry


@pytest.fixture
def registry_url(log_database: Database) -> Iterator[str]:
    """A registry beside the log."""
    with serving_registry(log_database.app_conninfo) as url:
        yield url


@pytest.fixture
def topics(kafka: KafkaSpace) -> Topics:
    """Topics of the test's own."""
    return Topics(kafka.prefix, partitions=3)


@pytest.fixture
def new_relay(
    log_database: Database, kafka: KafkaSpace, topics: Topics, registry_url: str
) -> Callable[..., Relay]:
    """Make relays of the test's log; what is given goes before what is usual."""

    def make(**given: object) -> Relay:
        usual: dict[str, object] = {
            "conninfo": log_database.app_conninfo,
            "topics": topics,
            "bootstrap": kafka.bootstrap,
            "registry_url": registry_url,
        }
        return Relay(**usual | given)  # type: ignore[arg-type]

    return make
