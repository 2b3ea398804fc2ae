"""Running desks, and the ways in which a real log is interrupted under them."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from commands.desk import Desk
from domain.portfolio.events import TradeBooked
from eventstore.connections import LOCK_WAIT_SECONDS
from eventstore.envelope import Receipt, RecordedEvent
from eventstore.failures import LogUnavailable
from eventstore.log import STREAM_EVENTS_MAX, Log
from eventstore.writing import WritingTransaction
from infra.database import Database
from schemas.codec import decode
from tests.commands.scenes import WAIT_SECONDS
from tests.eventstore.proxy import LosingProxy

POLL_SECONDS = 0.02


class InterruptedLog(Log):
    """A real log; something chosen happens just before its next call of a kind.

    Calls are named `known`, `read_stream`, `resolve` and `writing`. What happens may raise, as a
    broken line does, or act, as another writer does.
    """

    def __init__(self, conninfo: str) -> None:
        super().__init__(conninfo, clock=lambda: datetime.now(UTC), build="test")
        self._once: dict[str, Callable[[], object]] = {}
        self._lost: set[str] = set()

    def before_next(self, call: str, act: Callable[[], object]) -> None:
        """Let `act` happen once, before the next such call."""
        self._once[call] = act

    def fail_next(self, call: str) -> None:
        """Break the line once, at the next such call."""
        self.before_next(call, break_line)

    def lose(self, *calls: str) -> None:
        """Break the line at every such call, until `heal`."""
        self._lost.update(calls)

    def heal(self) -> None:
        """Let every call through again."""
        self._lost.clear()

    def has_met(self, call: str) -> bool:
        """Say whether what was to happen before such a call has happened."""
        return call not in self._once

    def _meet(self, call: str) -> None:
        act = self._once.pop(call, None)
        if act is not None:
            act()
        if call in self._lost:
            break_line()

    def known(self, command_ids: Iterable[UUID], stream_ids: Iterable[UUID]) -> set[UUID]:
        """As the log, once nothing happens before it."""
        self._meet("known")
        return super().known(command_ids, stream_ids)

    def read_stream(
        self, stream_id: UUID, after_version: int = 0, limit: int = STREAM_EVENTS_MAX
    ) -> list[RecordedEvent]:
        """As the log, once nothing happens before it."""
        self._meet("read_stream")
        return super().read_stream(stream_id, after_version, limit)

    def resolve(
        self, command_ids: Iterable[UUID], wait_seconds: float = LOCK_WAIT_SECONDS
    ) -> dict[UUID, Receipt]:
        """As the log, once nothing happens before it."""
        self._meet("resolve")
        return super().resolve(command_ids, wait_seconds)

    @contextmanager
    def writing(self, **options: Any) -> Iterator[WritingTransaction]:
        """As the log, once nothing happens before it; it may ask what is `known` on its way."""
        if options.get("known_of") is not None:
            self._meet("known")
        self._meet("writing")
        with super().writing(**options) as transaction:
            yield transaction


def break_line() -> NoReturn:
    """Fail as a log does that cannot be reached."""
    raise LogUnavailable("the line broke")


@contextmanager
def desk_on(log: Log, *, queued_max: int = 50_000) -> Iterator[Desk]:
    """A desk on a log that is there, running and loaded."""
    desk = Desk(log, queued_max=queued_max)
    desk.start()
    try:
        assert desk.loaded.wait(WAIT_SECONDS)
        yield desk
    finally:
        desk.stop(WAIT_SECONDS)


@contextmanager
def running_desk(conninfo: str) -> Iterator[Desk]:
    """A desk on a log of its own connections."""
    with (
        Log(conninfo, clock=lambda: datetime.now(UTC), build="test") as log,
        desk_on(log) as desk,
    ):
        yield desk


@contextmanager
def losing_proxy(database: Database) -> Iterator[tuple[LosingProxy, str]]:
    """A proxy before PostgreSQL that can lose answers, and the address through it."""
    port = int(str(conninfo_to_dict(database.app_conninfo)["port"]))
    with LosingProxy(port) as proxy:
        yield (
            proxy,
            make_conninfo(
                database.app_conninfo, host="127.0.0.1", port=proxy.port, sslmode="disable"
            ),
        )


@contextmanager
def desk_behind_proxy(database: Database) -> Iterator[tuple[Desk, LosingProxy]]:
    """A desk that reaches PostgreSQL through such a proxy."""
    with losing_proxy(database) as (proxy, conninfo), running_desk(conninfo) as desk:
        yield desk, proxy


def booked_external_ids(log: Log) -> Counter[str]:
    """Count the bookings in a log by external id."""
    events = (decode(each.event_type, each.data) for each in log.read(0, 100_000))
    return Counter(each.fill.external_id for each in events if isinstance(each, TradeBooked))


def wait_until(holds: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    """Poll until something holds."""
    never = threading.Event()
    for _ in range(int(seconds / POLL_SECONDS)):
        if holds():
            return
        never.wait(POLL_SECONDS)
    pytest.fail("it did not come to hold in time")
