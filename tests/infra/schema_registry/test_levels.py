"""What each compatibility level lets follow what, through the client that everybody uses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from infra.database import Database
from schemas.compatibility import Level
from tests.infra.schema_registry.serving import (
    FEE,
    FEE_WITH_DEFAULT,
    QUANTITY,
    avro,
    client_of_registry,
    record,
    serving_registry,
)

PLAIN = record(QUANTITY)
WITH_FEE = record(QUANTITY, FEE)
WITH_OPTIONAL_FEE = record(QUANTITY, FEE_WITH_DEFAULT)
WITH_NUMBER = record(QUANTITY | {"type": "long"})

ALL = frozenset(Level)
NONE = {Level.NONE}
BACKWARD = {Level.BACKWARD, Level.BACKWARD_TRANSITIVE}
FORWARD = {Level.FORWARD, Level.FORWARD_TRANSITIVE}
# What history a level lets a schema follow. A history of two tells the transitive levels apart.
HISTORIES: tuple[tuple[str, tuple[str, ...], str, frozenset[Level]], ...] = (
    ("a field with a default is added", (PLAIN,), WITH_OPTIONAL_FEE, ALL),
    ("a field with a default is removed", (WITH_OPTIONAL_FEE,), PLAIN, ALL),
    ("a field is added that readers need", (PLAIN,), WITH_FEE, frozenset(NONE | FORWARD)),
    ("a field is removed that readers need", (WITH_FEE,), PLAIN, frozenset(NONE | BACKWARD)),
    ("a field changes its type", (PLAIN,), WITH_NUMBER, frozenset(NONE)),
    (
        "a field that readers need comes by way of a default",
        (PLAIN, WITH_OPTIONAL_FEE),
        WITH_FEE,
        frozenset(NONE | FORWARD | {Level.BACKWARD, Level.FULL}),
    ),
    (
        "a field that readers need goes by way of a default",
        (WITH_FEE, WITH_OPTIONAL_FEE),
        PLAIN,
        frozenset(NONE | BACKWARD | {Level.FORWARD, Level.FULL}),
    ),
)


@pytest.fixture(scope="module")
def client(new_database: Callable[[], Database]) -> Iterator[SchemaRegistryClient]:
    """A client at one registry for all histories, for each has a subject of its own."""
    with (
        serving_registry(new_database().app_conninfo) as url,
        client_of_registry(url) as opened,
    ):
        yield opened


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> str:
    """A subject of the test's own."""
    return str(request.node.name)


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize(
    ("history", "schema", "allowing"),
    [pytest.param(*rest, id=title) for title, *rest in HISTORIES],
)
def test_a_level_decides_what_follows(
    client: SchemaRegistryClient,
    subject: str,
    history: tuple[str, ...],
    schema: str,
    allowing: frozenset[Level],
    level: Level,
) -> None:
    """Registration and the question beforehand say the same; a refusal adds nothing."""
    client.set_compatibility(subject, "NONE")
    for earlier in history:
        client.register_schema(subject, avro(earlier))
    client.set_compatibility(subject, level)

    is_compatible = client.test_compatibility_all_versions(subject, avro(schema))

    assert is_compatible == (level in allowing)
    if is_compatible:
        client.register_schema(subject, avro(schema))
    else:
        with pytest.raises(SchemaRegistryError) as refused:
            client.register_schema(subject, avro(schema))
        assert refused.value.http_status_code == refused.value.error_code == 409
        assert "version 1" in str(refused.value.error_message)
    assert len(client.get_versions(subject)) == len(history) + is_compatible


def test_a_refusal_names_every_reason(client: SchemaRegistryClient, subject: str) -> None:
    """Each version that would break, and the field."""
    client.set_compatibility(subject, "FULL_TRANSITIVE")
    client.register_schema(subject, avro(PLAIN))
    client.register_schema(subject, avro(WITH_OPTIONAL_FEE))

    with pytest.raises(SchemaRegistryError) as refused:
        client.register_schema(subject, avro(WITH_NUMBER))

    message = str(refused.value.error_message)
    assert all(words in message for words in ("version 1", "version 2", "string", "long"))


def test_a_name_is_part_of_the_form(client: SchemaRegistryClient, subject: str) -> None:
    """A record of another name follows only as an alias says it."""
    client.register_schema(subject, avro(PLAIN))
    other = json.loads(record(QUANTITY, name="Capture"))

    assert not client.test_compatibility(subject, avro(json.dumps(other)))
    aliased = json.dumps(other | {"aliases": ["test.Booking"]})
    assert client.test_compatibility(subject, avro(aliased))
