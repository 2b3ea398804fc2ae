"""A log in a database of its own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from eventstore.log import Log
from eventstore.tables import create_log
from infra.database import Database
from tests.eventstore.samples import SettableClock

BUILD = "test-build"

if importlib.util.find_spec("Crypto") is None:
    # The library keeps its recorder cases in one module with cases for encrypting mappers, which
    # needs a cipher package we have no other use for. No case that we run touches it.
    _cipher = ModuleType("eventsourcing.cipher")
    _cipher.AESCipher = None  # type: ignore[attr-defined]
    sys.modules.setdefault("eventsourcing.cipher", _cipher)


@pytest.fixture
def log_database(database: Database) -> Database:
    """A database with an empty log."""
    create_log(database.owner_conninfo)
    return database


@pytest.fixture
def clock() -> SettableClock:
    """The clock of the log under test."""
    return SettableClock()


@pytest.fixture
def log(log_database: Database, clock: SettableClock) -> Iterator[Log]:
    """An empty log, opened as the application."""
    with Log(log_database.app_conninfo, clock=clock, build=BUILD) as opened:
        yield opened
