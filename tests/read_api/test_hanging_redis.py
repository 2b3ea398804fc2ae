"""A Redis that takes connections and never answers: only what needs it waits, and that not long."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from infra.database import Database
from projections.leaderboard import reading as board_reading
from projections.leaderboard.keeping import asking_client
from projections.leaderboard.reading import BoardAway, Reader
from projections.listening import listen
from projections.reading import Reading
from read_api.application import create_app
from read_api.live.opening import live_over
from read_api.live.places import Limits
from tests.gateway.serving import client_of, new_tenant, serving, surroundings, token
from tests.infra.up import wait_until
from tests.read_api.conftest import NewTeller
from tests.read_api.watching import watching

ASKERS = 12
"""More than there are threads for questions, over HTTP and live."""
CONTEST = {
    "contest": "cup", "window": "month", "first_day": "2025-03-01", "calendar": "XSWX",
    "currency": "USD", "metric": "return",
}  # fmt: skip


class Hanging:
    """A server that takes connections, reads nothing and says nothing, until it is let go."""

    def __init__(self, stack: ExitStack) -> None:
        self._listener = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        self.taken: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        stack.callback(self.let_go)

    @property
    def url(self) -> str:
        """Its address, as that of a Redis."""
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}"

    def let_go(self) -> None:
        """Close every connection, and take no more."""
        if self._thread.is_alive():
            self._listener.shutdown(socket.SHUT_RDWR)
            self._thread.join()
        for each in self.taken:
            each.close()

    def _run(self) -> None:
        while True:
            try:
                self.taken.append(self._listener.accept()[0])
            except OSError:
                return


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    """One such server."""
    with ExitStack() as stack:
        yield Hanging(stack)


@contextmanager
def served_beside(database: Database, client: redis.Redis, url: str) -> Iterator[str]:
    """Serve queries and live with a board that is asked through this client; give the address."""
    around = surroundings()
    with Reading(database.app_conninfo) as reading, closing(client):
        board = Reader(client)
        application = create_app(
            reading,
            around,
            listen=partial(listen, url),
            live=live_over(reading, around, Limits(), board),
            board=board,
        )
        with serving(application) as address:
            yield address


class TestWhatNeedsNoRedis:
    """Queries and live beside those who wait for ranks."""

    def test_is_answered_while_all_ranks_hang(
        self, hanging: Hanging, database: Database, teller: NewTeller
    ) -> None:
        """However many wait for them: their threads are others. Here they would wait for long."""
        tenant = new_tenant()
        owner = teller(tenant=tenant)
        owner.tell("/v1/portfolios", portfolio="growth", base_currency="USD")
        last = owner.tell("/v1/contests", **CONTEST)
        owner.ask("/v1/contests", min_position=last["position"], wait_seconds=20)
        patient = redis.Redis.from_url(hanging.url, socket_timeout=600, retry=Retry(NoBackoff(), 0))
        bearer = token(tenant, "admin")

        def ask_ranks(address: str) -> int:
            with client_of(address, bearer) as client:
                return client.get("/v1/contests/cup/ranks", timeout=600).status_code

        with (
            served_beside(database, patient, hanging.url) as address,
            ThreadPoolExecutor(ASKERS) as askers,
            ExitStack() as sockets,
            watching(address, bearer) as other,
            client_of(address, bearer) as client,
        ):
            waiting = [sockets.enter_context(watching(address, bearer)) for _ in range(ASKERS)]
            try:
                asked = [askers.submit(ask_ranks, address) for _ in range(ASKERS)]
                for each in waiting:
                    each.say(type="subscribe", id="r", destination="leaderboard/cup")
                # Those of HTTP, that of live, and the one that listens for hints.
                wait_until(lambda: len(hanging.taken) >= 4)
                found = [
                    client.get("/v1/portfolios/growth/positions").status_code for _ in range(ASKERS)
                ]
                told = [
                    other.subscribe(f"p{number}", "portfolios/growth/positions")["type"]
                    for number in range(ASKERS)
                ]
                still_out = [each.done() for each in asked]
            finally:
                hanging.let_go()
            refused = {each.until(lambda it: it.get("id") == "r")["code"] for each in waiting}
            answered = {each.result() for each in asked}

        assert found == [200] * ASKERS
        assert told == ["snapshot"] * ASKERS
        assert still_out == [False] * ASKERS
        assert (answered, refused) == ({503}, {"not_ready"})


class TestRanks:
    """What needs Redis, while it hangs."""

    def test_are_refused_and_it_is_left_alone_for_a_while(
        self, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The next who asks hears so at once; later it is asked again, once."""
        monkeypatch.setattr(board_reading, "LEFT_SECONDS", 600.0)
        with closing(asking_client(hanging.url)) as client:
            reader = Reader(client)
            with pytest.raises(BoardAway, match="TimeoutError"):
                reader.require_reached("acme", "cup", 1)
            assert len(hanging.taken) == 1

            for ask in (
                lambda: reader.require_reached("acme", "cup", 1),
                lambda: reader.ranks("acme", "cup", first=1, last=9),
                lambda: reader.tops([("acme", "cup")], last=9),
            ):
                with pytest.raises(BoardAway, match="a moment ago"):
                    ask()
            assert len(hanging.taken) == 1

            monkeypatch.setattr(reader, "_left_until", 0.0)
            with pytest.raises(BoardAway, match="TimeoutError"):
                reader.ranks("acme", "cup", first=1, last=9)
            assert len(hanging.taken) == 2
