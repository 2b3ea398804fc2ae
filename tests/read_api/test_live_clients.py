"""Who may stay connected, judged with real clients of a server of the tests' own.

Its clock is moved by hand, and it looks after its clients twenty times a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.routing import Mount
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from gateway.access import Action
from gateway.tokens import TokenVerifier
from infra.database import Database
from projections.asking import Readable
from projections.reading import Reading
from read_api.live import client as client_module
from read_api.live import live as module
from read_api.live.audience import Audience
from read_api.live.destinations import Destination, Directory, Row, Spread, Told, Topic
from read_api.live.live import Live
from read_api.live.metrics import LiveMetrics
from read_api.live.places import Limits
from read_api.live.shared_destinations import admit_source
from read_api.live.stomp_dialect import PROTOCOL
from read_api.live.stomp_frames import written
from read_api.sources import SOURCES
from tests.gateway.serving import KEY, new_tenant, now, serving, surroundings, token
from tests.read_api.watching import Watcher, watching

PATIENCE_SECONDS = 20.0
STUCK_SECONDS = 0.3
BULK = "x" * 4_000_000
"""More than the buffers between the two ends take."""


class Clock:
    """The time, moved ahead by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        """Tell it."""
        return now() + self.ahead


class Door(NamedTuple):
    """A server with live."""

    address: str
    live: Live
    clock: Clock
    registry: CollectorRegistry

    def counted(self, name: str, **labels: str) -> float:
        """Give what a metric says."""
        return self.registry.get_sample_value(name, labels) or 0.0


Opened = Callable[[Limits], Door]


def one_row(readable: Readable, topics: Sequence[Topic]) -> Told:
    """Tell the same row of every topic."""
    return Told(1, 1, [Row(topic, "row", 1, "here") for topic in topics])


def bulky(readable: Readable, topics: Sequence[Topic]) -> Told:
    """Tell a row that does not fit into the buffers of a connection."""
    return Told(1, 1, [Row(topic, "row", 1, BULK) for topic in topics])


def destination(pattern: str, *actions: Action, **how: Any) -> Destination:
    """A destination that is asked for nothing but its first message."""
    made = {"snapshot": one_row, "spread": Spread.ANY, **how}
    return Destination(pattern, "", "toy", actions, **made)


DESTINATIONS = Directory([
    destination("cash", Action.READ_CASH),
    destination("bulk/{name}", Action.READ_CASH, snapshot=bulky),
    destination("system", Action.READ_SYSTEM),
    destination("sources/{source}", *SOURCES, admit=admit_source),
])  # fmt: skip


@pytest.fixture
def opened(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Open one with limits."""
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(module, "CLOSING_SECONDS_MAX", 0.2)
    with Reading(database.app_conninfo) as reading, contextmanager(_doors)(reading) as open_door:
        yield open_door


def _doors(reading: Reading) -> Iterator[Opened]:
    """Open doors, and close them all in the end."""
    running = []

    def open_door(limits: Limits) -> Door:
        clock = Clock()
        around = surroundings(verify_token=TokenVerifier(KEY.public_key(), clock=clock))
        metrics = LiveMetrics(around.registry)
        live = Live(Audience(reading, metrics), DESTINATIONS, around.verify_token, metrics, limits)
        served = serving(application(live))
        running.append(served)
        return Door(served.__enter__(), live, clock, around.registry)

    try:
        yield open_door
    finally:
        for served in running:
            served.__exit__(None, None, None)


def application(live: Live) -> Starlette:
    """An application with nothing but live."""

    @asynccontextmanager
    async def looked_after(_: Starlette) -> AsyncIterator[None]:
        sweeping = asyncio.ensure_future(live.sweep())
        yield
        sweeping.cancel()

    return Starlette(routes=[Mount("/", live.serve)], lifespan=looked_after)


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def is_stuck(live: Live) -> bool:
    """Say whether a client has not taken a message for a while."""
    # Nobody outside can see it.
    since = [each.sending_since for each in tuple(live._clients)]
    return any(each is not None and time.monotonic() - each > STUCK_SECONDS for each in since)


def closed(watcher: Watcher) -> tuple[int, str]:
    """Read to the end; give why it ended."""
    with pytest.raises(ConnectionClosed) as ended:
        watcher.until(lambda _: False)
    assert ended.value.rcvd is not None
    return ended.value.rcvd.code, ended.value.rcvd.reason


class TestATokenThatExpires:
    """It ends the connection, whatever the client does meanwhile."""

    def test_is_told_to_one_that_listens(self, opened: Opened) -> None:
        """With the reason."""
        door = opened(Limits())
        with watching(door.address, token(new_tenant(), "viewer")) as watcher:
            assert watcher.subscribe("c", "cash")["type"] == "snapshot"
            door.clock.ahead = timedelta(hours=2)
            assert watcher.hear()["code"] == "token_expired"
            assert closed(watcher) == (4401, "token_expired")

    def test_ends_one_that_takes_nothing(self, opened: Opened) -> None:
        """It is in the middle of a message, long before it would count as stalled."""
        door = opened(Limits(stalled_seconds=3_600))
        headers = {"Authorization": f"Bearer {token(new_tenant(), 'viewer')}"}
        address = door.address.replace("http", "ws", 1) + "/v1/live"
        with connect(
            address, additional_headers=headers, proxy=None, max_size=None, max_queue=1,
            close_timeout=0.1, compression=None,
        ) as socket:  # fmt: skip
            for number in range(10):
                place = f"bulk/b{number}"
                socket.send(f'{{"type":"subscribe","id":"{number}","destination":"{place}"}}')
            until(lambda: is_stuck(door.live))
            door.clock.ahead = timedelta(hours=2)
            until(lambda: door.live.is_empty)
            assert door.counted("pms_live_cut_total", code="4401") == 1


class TestARenewedToken:
    """It is of the same tenant and subject, and may permit something else."""

    def test_ends_what_it_does_not_permit(self, opened: Opened) -> None:
        """Each such subscription hears why; the others go on, and new ones are judged by it."""
        door, tenant = opened(Limits()), new_tenant()
        with watching(door.address, token(tenant, "auditor", source="desk-1")) as watcher:
            for name in ("cash", "system", "sources/desk-1"):
                assert watcher.subscribe(name, name)["type"] == "snapshot"
            watcher.say(type="connect", token=token(tenant, "execution", source="desk-2"))
            assert watcher.hear()["type"] == "connected"
            refused = [watcher.hear() for _ in range(3)]
            assert [(each["id"], each["code"]) for each in refused] == [
                ("cash", "role_missing"),
                ("system", "role_missing"),
                ("sources/desk-1", "source_not_yours"),
            ]
            assert watcher.subscribe("cash", "cash")["code"] == "role_missing"
            assert watcher.subscribe("own", "sources/desk-2")["type"] == "snapshot"
            assert door.counted("pms_live_subscriptions") == 1

    def test_ends_a_stomp_connection_by_one_error(self, opened: Opened) -> None:
        """An ERROR is the last frame, however many subscriptions are not permitted any more."""
        door, tenant = opened(Limits()), new_tenant()
        address = door.address.replace("http", "ws", 1) + "/v1/live"
        heard: list[object] = []
        with connect(address, subprotocols=[Subprotocol(PROTOCOL)], proxy=None) as socket:
            for role in ("auditor", "execution"):
                bearer = f"Bearer {token(tenant, role)}"
                headers = {"accept-version": "1.2", "Authorization": bearer}
                socket.send(written("CONNECT", headers))
                heard.append(socket.recv(timeout=PATIENCE_SECONDS))
                for name in ("cash", "system") if role == "auditor" else ():
                    socket.send(written("SUBSCRIBE", {"id": name, "destination": name}))
                    heard.append(socket.recv(timeout=PATIENCE_SECONDS))
            with suppress(ConnectionClosed):
                heard += map(str, socket)
            assert (socket.close_code, socket.close_reason) == (1002, "role_missing")
        commands = [str(frame).partition("\n")[0] for frame in heard]
        assert commands == ["CONNECTED", "MESSAGE", "MESSAGE", "CONNECTED", "ERROR"]

    def test_of_another_tenant_ends_the_connection(self, opened: Opened) -> None:
        """Nothing of the first one's is told any more."""
        door = opened(Limits())
        with watching(door.address, token(new_tenant(), "viewer")) as watcher:
            assert watcher.subscribe("c", "cash")["type"] == "snapshot"
            watcher.say(type="connect", token=token(new_tenant(), "viewer"))
            assert watcher.hear()["code"] == "token_invalid"
            assert closed(watcher) == (4401, "token_invalid")


class TestAPlace:
    """There are so many, so many of them for a tenant, and so many for those nobody knows."""

    def test_is_not_given_to_more_than_a_tenant_may_have(self, opened: Opened) -> None:
        """Others still come in, and so does the tenant once a connection has ended."""
        door = opened(Limits(tenant_connections_max=1))
        one, other = token(new_tenant(), "viewer"), token(new_tenant(), "viewer")
        with watching(door.address, one), watching(door.address, None) as second:
            second.say(type="connect", token=one)
            assert second.hear()["code"] == "too_many_connections"
            assert closed(second) == (4429, "too_many_connections")
            with watching(door.address, other):
                pass
            assert door.counted("pms_live_refused_total", reason="too_many_connections") == 1
        until(lambda: door.live.is_empty)
        with watching(door.address, one) as again:
            again.say(type="connect", token=one)
            assert again.hear()["type"] == "connected"

    def test_is_held_by_few_who_do_not_say_who_they_are(self, opened: Opened) -> None:
        """Whoever gives a token in the handshake is not kept out by those who wait."""
        door, known = opened(Limits(waiting_max=1)), token(new_tenant(), "viewer")
        with watching(door.address, None) as waiting:
            until(lambda: door.counted("pms_live_waiting") == 1)
            with watching(door.address, None) as more:
                assert closed(more) == (4429, "too_many_wait")
            with watching(door.address, known):
                pass
            waiting.say(type="connect", token=known)
            assert waiting.hear()["type"] == "connected"
            assert door.counted("pms_live_waiting") == 0
            with watching(door.address, None) as later:
                later.say(type="connect", token=known)
                assert later.hear()["type"] == "connected"
        until(lambda: door.live.is_empty)
        assert door.counted("pms_live_waiting") == 0

    def test_is_lost_by_one_who_does_not_say_in_time(self, opened: Opened) -> None:
        """With the reason."""
        door = opened(Limits(connect_seconds=0.1))
        with watching(door.address, None) as waiting:
            assert waiting.hear()["code"] == "not_connected"
            assert closed(waiting) == (4401, "not_connected")

    def test_is_not_given_to_more_than_a_process_takes(self, opened: Opened) -> None:
        """Whoever they are."""
        door, known = opened(Limits(connections_max=1)), token(new_tenant(), "viewer")
        with watching(door.address, known), watching(door.address, None) as second:
            assert closed(second) == (4429, "crowded")


class TestWhoIsStuck:
    """A client that takes nothing for a while, and then again."""

    def test_is_told_all_in_the_end(self, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
        """What waited for it was dropped; it comes as new snapshots."""
        monkeypatch.setattr(client_module, "WAITING_ROWS_MAX", 0)
        door = opened(Limits(stalled_seconds=3_600))
        bearer = token(new_tenant(), "viewer")
        with watching(door.address, bearer, max_queue=1) as watcher:
            names = [f"b{number}" for number in range(10)]
            for name in names:
                watcher.say(type="subscribe", id=name, destination=f"bulk/{name}")
            until(lambda: is_stuck(door.live))
            (client,) = door.live._clients
            until(lambda: sum(each.waiting_rows for each in client.subscriptions.values()) == 0)

            for name in names:
                state = watcher.until_state(name, bool)
                assert state == {"row": BULK}


class TestManyClients:
    """Idle ones, and one that is stuck among them."""

    COUNT = 300

    def test_leave_nothing_when_they_go(self, opened: Opened) -> None:
        """No client, no subscription and no stream is kept; each of a destination shares one."""
        door = opened(Limits(stalled_seconds=3_600))
        bearer = token(new_tenant(), "viewer")
        with ExitStack() as sockets:
            stuck = sockets.enter_context(watching(door.address, bearer, max_queue=1))
            for number in range(10):
                stuck.say(type="subscribe", id=str(number), destination=f"bulk/b{number}")
            for _ in range(self.COUNT):
                idle = sockets.enter_context(watching(door.address, bearer))
                assert idle.subscribe("c", "cash")["type"] == "snapshot"
            assert len(door.live._clients) == self.COUNT + 1
            assert len(door.live.audience._streams) == 2
            assert door.counted("pms_live_subscriptions") == self.COUNT + 10

        until(lambda: door.live.is_empty)
        assert not door.live._clients
        assert not door.live.audience._streams
        assert door.counted("pms_live_subscriptions") == 0
        assert door.counted("pms_live_connections", dialect="json") == 0
