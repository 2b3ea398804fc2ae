"""A log, its topics on the session's Kafka, and a relay between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache

import pytest

from eventstore.kafka import relay
from eventstore.kafka.relay import Relay
from eventstore.kafka.topics import Topics
from infra.database import Database
from schemas.registry import register_schemas
from tests.conftest import KafkaSpace
from tests.infra.schema_registry.serving import serving_registry


@pytest.fixture(scope="package")
def registry_url(new_database: Callable[[], Database]) -> Iterator[str]:
    """One registry for all these tests: each would tell it the same."""
    with serving_registry(new_database().app_conninfo) as url:
        yield url


@cache
def registered_once(url: str) -> dict[str, int]:
    """Register every schema; one text has one id, whatever the topic."""
    return register_schemas(url, ("test.topic",))


@pytest.fixture
def topics(kafka: KafkaSpace) -> Topics:
    """Topics of the test's own."""
    return Topics(kafka.prefix, partitions=3)


@pytest.fixture
def new_relay(
    log_database: Database,
    kafka: KafkaSpace,
    topics: Topics,
    registry_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Relay]:
    """Make relays of the test's log; what is given goes before what is usual.

    Only the first of all registers: at its start a relay tells the registry 176 schemas, most of
    what it does here. Relays in processes of their own always register.
    """

    def ids_of(url: str, names: Iterable[str]) -> dict[str, int]:
        portfolios, market = names
        assert all(name.startswith(kafka.prefix) for name in (portfolios, market))
        assert portfolios != market
        return registered_once(url)

    monkeypatch.setattr(relay, "register_schemas", ids_of)

    def make(**given: object) -> Relay:
        usual: dict[str, object] = {
            "conninfo": log_database.app_conninfo,
            "topics": topics,
            "bootstrap": kafka.bootstrap,
            "registry_url": registry_url,
        }
        return Relay(**usual | given)  # type: ignore[arg-type]

    return make
