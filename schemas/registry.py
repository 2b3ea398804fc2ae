"""Our schemas in a Confluent-compatible registry. Nothing is retried here: callers know how long.

Subjects are named by topic and record (TopicRecordNameStrategy); each must stay FULL_TRANSITIVE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TypeVar

from confluent_kafka.schema_registry import (
    ConfigCompatibilityLevel,
    Schema,
    SchemaRegistryClient,
    ServerConfig,
)

# The client lets the errors of its HTTP library through; this is the one name it has for it.
from confluent_kafka.schema_registry.common._httpx_compat import httpx
from confluent_kafka.schema_registry.error import SchemaRegistryError

from schemas.avro_schemas import WIRE_TYPES, record_name, schema_text

TIMEOUT_SECONDS = 10
_INCOMPATIBLE = {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}
_UNKNOWN = {HTTPStatus.NOT_FOUND}
_FULL_TRANSITIVE = ServerConfig(compatibility=ConfigCompatibilityLevel.FULL_TRANSITIVE)
_STRANGER = "What answers at the schema registry's address is no schema registry."

AnswerT = TypeVar("AnswerT")


class RegistryUnavailable(Exception):
    """The registry did not answer, or not as a registry does; another try may succeed."""


class SchemaRefused(Exception):
    """The registry holds versions of the subject that this schema may not follow."""

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(f"The registry refuses the schema of {subject}: {reason}")
        self.subject = subject
        self.reason = reason


class SchemaNotFound(Exception):
    """A value names a schema that this registry does not hold."""


def register_schemas(url: str, topics: Iterable[str]) -> dict[str, int]:
    """Register every schema for every topic; give the schema ids by stored name.

    Raises:
        RegistryUnavailable: no answer.
        SchemaRefused: a schema may not follow what is registered.
    """
    ids: dict[str, int] = {}
    with _client(url) as client:
        for topic in topics:
            for name in WIRE_TYPES:
                # One text has one id in all subjects, so that of any topic serves.
                ids[name] = _register(client, f"{topic}-{record_name(name)}", schema_text(name))
    return ids


def _register(client: SchemaRegistryClient, subject: str, text: str) -> int:
    def registered() -> int:
        client.set_config(subject, _FULL_TRANSITIVE)
        return client.register_schema(subject, Schema(text, "AVRO"))

    try:
        schema_id: int | None = _answer(registered, _INCOMPATIBLE)
    except SchemaRegistryError as error:
        raise SchemaRefused(subject, str(error.error_message)) from error
    if schema_id is None:
        raise RegistryUnavailable(_STRANGER)
    return schema_id


def fetch_schema(url: str, schema_id: int) -> str:
    """Give the text of a schema by its id.

    Raises:
        RegistryUnavailable: no answer.
        SchemaNotFound: the registry has no schema of that id.
    """
    with _client(url) as client:
        try:
            found = _answer(lambda: client.get_schema(schema_id), _UNKNOWN)
        except SchemaRegistryError as error:
            raise SchemaNotFound(f"The registry holds no schema {schema_id}.") from error
    text: str | None = found.schema_str
    if text is None:
        raise RegistryUnavailable(_STRANGER)
    return text


def _client(url: str) -> SchemaRegistryClient:
    return SchemaRegistryClient.new_client(
        {"url": url, "timeout": TIMEOUT_SECONDS, "max.retries": 0}
    )


def _answer(question: Callable[[], AnswerT], meant: set[HTTPStatus]) -> AnswerT:
    """Ask; an error whose status is one of those meant comes through as the client gives it."""
    try:
        return question()
    except SchemaRegistryError as error:
        if error.http_status_code in meant:
            raise
        raise RegistryUnavailable(f"The schema registry answers with an error: {error}") from error
    except httpx.TransportError as error:
        raise RegistryUnavailable(f"The schema registry does not answer: {error}") from error
    except ValueError as error:  # a body that is no JSON
        raise RegistryUnavailable(_STRANGER) from error
