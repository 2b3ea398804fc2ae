"""The keeper beside a Valkey that is killed: it heals the board, and harms nobody meanwhile."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import psycopg
import pytest
from structlog.testing import capture_logs

from infra.data_directory import DataDirectory
from infra.database import Database
from infra.embedded_valkey import EmbeddedValkey
from projections.leaderboard.keeping import board_client, keep_board
from projections.leaderboard.keys import about_key
from projections.leaderboard.reading import Board, BoardMissing, Reader
from projections.reading import Reading
from tests.projections.leaderboard.contests import CUP, announced, bought, entered, funded
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import ACME, closed
from tests.projections.running import wait_until


@pytest.fixture
def data() -> Iterator[DataDirectory]:
    """A directory of this test's own, which a server may reach."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)
        yield DataDirectory(Path(directory))


TWO_RANKED = (
    *funded("a", "b"), announced(), entered("p-a"), entered("p-b"), bought("a", "50"),
    closed(2, {"AAPL": "11"}),
)  # fmt: skip


@contextmanager
def keeping(conninfo: str, redis_url: str) -> Iterator[Reader]:
    """Keep a board; give what reads it."""
    stop = threading.Event()
    with Reading(conninfo, pool_size=1) as reading, board_client(redis_url) as client:
        thread = threading.Thread(
            target=keep_board, args=(reading, client, stop), kwargs={"name": "test"}
        )
        thread.start()
        try:
            yield Reader(client)
        finally:
            stop.set()
            thread.join(30)
            assert not thread.is_alive()


def board(reader: Reader) -> Board | None:
    """The first ranks, None while there is no board."""
    try:
        return reader.ranks(ACME, CUP, first=1, last=9)
    except BoardMissing:
        return None


def stands_at(reader: Reader, position: int) -> bool:
    """Say whether the board is of a position."""
    found = board(reader)
    return found is not None and found.stand.position == position


def test_a_killed_valkey_is_made_up_for(
    new_database: Callable[[], Database], data: DataDirectory
) -> None:
    """Killed, started again with what was on its disk, and once more with nothing at all."""
    conninfo = new_database().app_conninfo
    with (
        psycopg.connect(conninfo, autocommit=True) as connection,
        EmbeddedValkey(data) as valkey,
    ):
        market = Market(connection)
        market.tell(*TWO_RANKED)
        with keeping(conninfo, valkey.url) as reader:
            wait_until(lambda: stands_at(reader, 9), "the first board")
            killed(valkey)
            assert board(reader) is None
            market.tell(closed(3, {"AAPL": "9"}))
            valkey.start()
            wait_until(lambda: stands_at(reader, 10), "the board after the kill")
            killed(valkey)
            for each in data.valkey.rglob("*"):
                if each.is_file():
                    each.unlink()
            valkey.start()
            wait_until(lambda: stands_at(reader, 10), "the board of nothing")
            found = board(reader)

    assert found is not None
    assert [each.participant for each in found.ranks] == ["b", "a"]


@pytest.mark.parametrize(("field", "value"), [("about", b"{}"), ("late", b"{")])
def test_a_board_that_nobody_can_read_is_made_anew(
    new_database: Callable[[], Database], valkey: str, field: str, value: bytes
) -> None:
    """Whoever wrote it: what a board says of itself comes from the log, and comes again."""
    conninfo = new_database().app_conninfo
    with psycopg.connect(conninfo, autocommit=True) as connection:
        market = Market(connection)
        market.tell(*TWO_RANKED)
        with keeping(conninfo, valkey) as reader:
            wait_until(lambda: stands_at(reader, 9), "the first board")
            with board_client(valkey) as client:
                client.hset(about_key(ACME, CUP), field, value)
            market.tell(closed(3, {"AAPL": "9"}))
            wait_until(lambda: is_readable_at(reader, 10), "the board made anew")


def test_what_nobody_expects_does_not_end_the_keeper(
    new_database: Callable[[], Database], valkey: str
) -> None:
    """Its tables lack a column for a while, as those of an earlier version would."""
    conninfo = new_database().app_conninfo
    with psycopg.connect(conninfo, autocommit=True) as connection:
        market = Market(connection)
        market.tell(*TWO_RANKED)
        with keeping(conninfo, valkey) as reader, capture_logs() as logs:
            wait_until(lambda: stands_at(reader, 9), "the first board")
            rename = "ALTER TABLE performance.contests RENAME COLUMN {} TO {}"
            connection.execute(rename.format("terms", "lacking"))
            wait_until(
                lambda: "leaderboard_not_kept" in {each["event"] for each in logs}, "the fault"
            )
            connection.execute(rename.format("lacking", "terms"))
            market.tell(closed(3, {"AAPL": "9"}))
            wait_until(lambda: stands_at(reader, 10), "the board after the fault")


def is_readable_at(reader: Reader, position: int) -> bool:
    """Say whether the board is of a position; not while it cannot be read."""
    with suppress(msgspec.MsgspecError):
        return stands_at(reader, position)
    return False


def killed(valkey: EmbeddedValkey) -> None:
    """End it without any warning."""
    assert valkey.process_id is not None
    os.kill(valkey.process_id, signal.SIGKILL)
    wait_until(lambda: not valkey.is_running(), "its end")
    valkey.stop()
