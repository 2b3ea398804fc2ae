"""What becomes of an append whose COMMIT got no answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from eventstore.connections import LOCK_WAIT_SECONDS
from eventstore.envelope import NewEvent, NewReceipt, Receipt
from eventstore.failures import CommitUnknown, LogUnavailable
from eventstore.log import Log
from eventstore.tables import APPEND_LOCK
from infra.database import Database
from tests.eventstore.conftest import BUILD
from tests.eventstore.proxy import LosingProxy, Loss
from tests.eventstore.samples import SettableClock, new_event, new_receipt, stream_of

RECEIPTS = 3


@pytest.fixture
def proxy(log_database: Database) -> Iterator[LosingProxy]:
    """A proxy before the log's server."""
    port = conninfo_to_dict(log_database.app_conninfo)["port"]
    with LosingProxy(int(str(port))) as started:
        yield started


@pytest.fixture
def proxied_log(log_database: Database, proxy: LosingProxy, clock: SettableClock) -> Iterator[Log]:
    """The log, reached through the proxy."""
    address = make_conninfo(
        log_database.app_conninfo,
        host="127.0.0.1",
        port=proxy.port,
        sslmode="disable",
        gssencmode="disable",
    )
    with Log(address, clock=clock, build=BUILD) as opened:
        yield opened


def append_receipted(log: Log) -> list[UUID]:
    """Append events with receipts, expecting no answer; give the receipts' command ids."""
    receipts = [new_receipt(index) for index in range(RECEIPTS)]
    command_ids = [receipt.command_id for receipt in receipts]

    with pytest.raises(CommitUnknown) as unknown:
        append(log, stream_of(RECEIPTS), receipts)

    assert list(unknown.value.command_ids) == command_ids
    return command_ids


def append(log: Log, events: list[NewEvent], receipts: list[NewReceipt]) -> None:
    """Append in one block."""
    with log.writing() as writing:
        writing.append(events, receipts)


class TestLosingTheAnswerToCommit:
    """One truth is found, whatever was lost."""

    @pytest.mark.parametrize("loss", [Loss.OF_THE_ANSWER, Loss.BY_A_FATAL_ANSWER])
    def test_after_the_server_committed_finds_all_receipts(
        self, proxied_log: Log, proxy: LosingProxy, log: Log, loss: Loss
    ) -> None:
        """The events are in the log once, and each receipt names its event."""
        proxy.lose_next_commit(loss)

        command_ids = append_receipted(proxied_log)

        found = proxied_log.resolve(command_ids)
        assert [found[command_id].position for command_id in command_ids] == [1, 2, 3]
        assert log.head().position == RECEIPTS
        assert proxy.commits_lost == 1

    def test_before_the_server_heard_of_it_finds_none(
        self, proxied_log: Log, proxy: LosingProxy, log: Log
    ) -> None:
        """Nothing is in the log, and the same append may be made again."""
        proxy.lose_next_commit(Loss.BEFORE_THE_SERVER)

        command_ids = append_receipted(proxied_log)

        assert proxied_log.resolve(command_ids) == {}
        assert log.head().position == 0
        append(proxied_log, [new_event()], [new_receipt(0, command_id=command_ids[0])])
        assert list(proxied_log.resolve(command_ids)) == command_ids[:1]

    def test_while_it_travels_waits_for_the_truth(
        self, proxied_log: Log, proxy: LosingProxy, log: Log, log_database: Database
    ) -> None:
        """A transaction in doubt still holds the append lock; nobody is answered before it ends."""
        proxy.lose_next_commit(Loss.WHILE_COMMIT_TRAVELS)
        command_ids = append_receipted(proxied_log)

        with ThreadPoolExecutor(1) as threads:
            resolving = threads.submit(proxied_log.resolve, command_ids)
            wait_for_a_waiter(log_database)
            unresolved = not resolving.done()
            proxy.let_commit_arrive()
            found: dict[UUID, Receipt] = resolving.result(timeout=20)

        assert unresolved
        assert sorted(found) == sorted(command_ids)
        assert log.head().position == RECEIPTS


class TestResolvingWhileTheLockIsHeld:
    """The truth may take longer than a caller can wait."""

    def test_gives_up_in_time(self, log: Log) -> None:
        """It says that nothing is known yet, rather than that nothing was written."""
        started = time.monotonic()

        with log.writing(), pytest.raises(LogUnavailable):
            log.resolve([uuid4()], wait_seconds=0.2)

        assert time.monotonic() - started < LOCK_WAIT_SECONDS / 2


def wait_for_a_waiter(database: Database, *, seconds: float = 10) -> None:
    """Poll until somebody waits for the append lock."""
    pause = threading.Event()
    with psycopg.connect(database.app_conninfo, autocommit=True) as connection:
        for _ in range(int(seconds / 0.02)):
            row = connection.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                " AND (classid::bigint << 32) + objid::bigint = %s"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                (APPEND_LOCK,),
            ).fetchone()
            if row != (0,):
                return
            pause.wait(0.02)
    raise AssertionError("nobody waits for the append lock")
