"""Snapshots beside the log: what is read back was written so, of a version that the log has."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest

from eventstore.log import Log
from eventstore.snapshots import Snapshot
from infra.database import Database
from tests.eventstore.samples import new_event, stream_of

FORM, OTHER_FORM = "form-1", "form-2"
FAR = 2**62


@pytest.fixture
def stream(log: Log) -> UUID:
    """A stream of ten events, at positions 2 to 11."""
    name = uuid4()
    with log.writing() as writing:
        writing.append([new_event(), *stream_of(10, stream_id=name)], [])
    return name


@pytest.fixture
def owner(log_database: Database) -> Iterator[psycopg.Connection]:
    """A session that may do anything to the table."""
    with psycopg.connect(log_database.owner_conninfo, autocommit=True) as connection:
        yield connection


def snapshot(stream: UUID, version: int, form: str = FORM) -> Snapshot:
    """Some bytes for a version."""
    return Snapshot(stream, form, version, f"as of {version}".encode())


def kept(owner: psycopg.Connection) -> list[tuple[str, int]]:
    """Which are there."""
    rows = owner.execute("SELECT form, stream_version FROM log.snapshots ORDER BY 1, 2")
    return [(form, version) for form, version in rows]


class TestReading:
    """A reader stands somewhere in the log and knows one form."""

    def test_gives_the_newest_up_to_a_position(self, log: Log, stream: UUID) -> None:
        """The newest is of no use to a writer that stands behind it."""
        for version in (4, 8):
            log.keep_snapshot(snapshot(stream, version))

        found = [log.snapshot(stream, FORM, until=until) for until in (4, 5, 8, 9, FAR)]

        versions = [each and each.version for each in found]
        assert versions == [None, 4, 4, 8, 8]
        assert found[-1] == snapshot(stream, 8)

    def test_gives_none_of_another_form_or_stream(self, log: Log, stream: UUID) -> None:
        """There is none, and that is no failure."""
        log.keep_snapshot(snapshot(stream, 4))

        assert log.snapshot(stream, OTHER_FORM, until=FAR) is None
        assert log.snapshot(uuid4(), FORM, until=FAR) is None

    @pytest.mark.parametrize(
        ("change", "damage"),
        [
            ("UPDATE log.snapshots SET data = 'as of 5'", "bytes"),
            ("UPDATE log.snapshots SET data = ''", "bytes"),
            ("UPDATE log.snapshots SET stream_version = 5", "bytes"),
            ("UPDATE log.snapshots SET stream_version = 11", "no such version"),
        ],
    )
    def test_says_what_is_damaged(
        self, log: Log, stream: UUID, owner: psycopg.Connection, change: str, damage: str
    ) -> None:
        """Other bytes, or a version that they are not of, or that the stream has not."""
        log.keep_snapshot(snapshot(stream, 4))
        owner.execute(change.encode())

        found = log.snapshot(stream, FORM, until=FAR)

        assert found is not None
        assert damage in (found.damage or "")
        log.delete_snapshot(found)
        assert kept(owner) == []

    def test_says_when_it_is_of_another_stream(
        self, log: Log, stream: UUID, owner: psycopg.Connection
    ) -> None:
        """The stream is part of what the checksum is of."""
        other = uuid4()
        with log.writing() as writing:
            writing.append(stream_of(10, stream_id=other), [])
        log.keep_snapshot(snapshot(stream, 4))
        owner.execute("UPDATE log.snapshots SET stream_id = %s", (other,))

        found = log.snapshot(other, FORM, until=FAR)

        assert found is not None
        assert "bytes" in (found.damage or "")


class TestKeeping:
    """Few are kept."""

    def test_keeps_the_newest_and_the_one_before(
        self, log: Log, stream: UUID, owner: psycopg.Connection
    ) -> None:
        """Old ones are pruned, whatever the order in which they come; twice is once."""
        for version in (2, 4, 9, 6, 9, 1):
            log.keep_snapshot(snapshot(stream, version))

        assert kept(owner) == [(FORM, 6), (FORM, 9)]
        assert log.snapshot(stream, FORM, until=FAR) == snapshot(stream, 9)

    def test_drops_those_of_another_form(
        self, log: Log, stream: UUID, owner: psycopg.Connection
    ) -> None:
        """Also where they are newer: nobody reads them any more."""
        log.keep_snapshot(snapshot(stream, 9, OTHER_FORM))

        log.keep_snapshot(snapshot(stream, 4))

        assert kept(owner) == [(FORM, 4)]

    def test_leaves_other_streams_alone(
        self, log: Log, stream: UUID, owner: psycopg.Connection
    ) -> None:
        """Each stream has its own."""
        other = uuid4()
        with log.writing() as writing:
            writing.append(stream_of(1, stream_id=other), [])
        log.keep_snapshot(snapshot(other, 1, OTHER_FORM))

        log.keep_snapshot(snapshot(stream, 4))

        assert kept(owner) == [(FORM, 4), (OTHER_FORM, 1)]

    def test_keeps_none_of_a_version_that_is_not_in_the_log(
        self, log: Log, stream: UUID, owner: psycopg.Connection
    ) -> None:
        """A fold of something that never was durable is not written down."""
        log.keep_snapshot(snapshot(stream, 11))

        assert kept(owner) == []
