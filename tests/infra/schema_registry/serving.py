"""A running registry for tests: the real application and store over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from prometheus_client import CollectorRegistry

from infra.schema_registry.application import create_registry_app
from infra.schema_registry.registry import Registry
from infra.schema_registry.store import Store
from tests.gateway.serving import serving


@contextmanager
def serving_registry(conninfo: str) -> Iterator[str]:
    """Serve a registry that keeps its schemas in a database; give its address."""
    with (
        Store(conninfo) as store,
        serving(create_registry_app(Registry(store), metrics=CollectorRegistry())) as url,
    ):
        yield url


@contextmanager
def client_of_registry(url: str) -> Iterator[SchemaRegistryClient]:
    """Open the client that everybody uses; it does not ask again after a refusal."""
    with SchemaRegistryClient({"url": url, "max.retries": 0}) as client:
        yield client


def record(*fields: dict[str, object], name: str = "Booking") -> str:
    """Write a record's schema."""
    return json.dumps({"type": "record", "name": name, "namespace": "test", "fields": list(fields)})


def avro(text: str) -> Schema:
    """Give a text to the client."""
    return Schema(text, "AVRO")


QUANTITY: dict[str, object] = {"name": "quantity", "type": "string"}
FEE: dict[str, object] = {"name": "fee", "type": "string"}
FEE_WITH_DEFAULT: dict[str, object] = FEE | {"default": "0"}
