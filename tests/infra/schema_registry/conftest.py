"""Fixtures of the registry's tests."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from tests.gateway.serving import client_of
from tests.infra.schema_registry.serving import client_of_registry


@pytest.fixture
def client(registry: str) -> Iterator[SchemaRegistryClient]:
    """The client that everybody uses, at a registry of the test's own."""
    with client_of_registry(registry) as opened:
        yield opened


@pytest.fixture
def http(registry: str) -> Iterator[httpx.Client]:
    """Plain HTTP to a registry of the test's own."""
    with client_of(registry) as opened:
        yield opened
