"""Both worlds carry the same conversation over real HTTP, also when the line breaks."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO, TypeVar

import httpx
import pytest

from client import Answer, AsyncClient, Client, ItemAnswer, NothingAttempted, Seen, Terms
from client.naming import command_id, tenant_of
from client.queries import Cash
from client.trades import Trade
from domain import identity
from tests.client.conversing import TENANT, accepted, trade
from tests.gateway.serving import token

HANG_UP = "hang up"
HALF = "half an answer"
NAMED = command_id(TENANT, "one")
NOT_ATTEMPTED = (503, {"code": "not_attempted", "outcome": "not_attempted"})
NEVER_SEEN = (200, {"outcome": "never_seen"})
BALANCES = ({"currency": "EUR", "balance": "1.10"}, {"currency": "USD", "balance": "-2"})

T = TypeVar("T")
Scripted = tuple[int, dict[str, Any]] | str


class Script:
    """Answers to be given in turn, and what came: method and path, and bodies."""

    def __init__(self, *answers: Scripted) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.bodies: list[bytes] = []


@contextmanager
def scripted(script: Script) -> Iterator[str]:
    """Serve a script over real HTTP; give its address."""

    class Handler(BaseHTTPRequestHandler):
        """Plays the next answer."""

        def do_POST(self) -> None:
            """Answer a command."""
            self._play()

        def do_GET(self) -> None:
            """Answer a query."""
            self._play()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _play(self) -> None:
            script.asked.append(f"{self.command} {self.path}")
            script.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            answer = script.answers.pop(0)
            if answer == HANG_UP:
                self.close_connection = True
                return
            status, document = (201, {}) if isinstance(answer, str) else answer
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) + (100 if answer == HALF else 0)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = answer == HALF

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Worlds:
    """One way to use either client: `send`, `stream` and `balances`."""

    def __init__(self, url: str, *, is_async: bool, terms: Terms = Terms()) -> None:  # noqa: B008
        self._url = url
        self._is_async = is_async
        self._terms = terms
        self._bearer = token(TENANT, "admin", source="desk")

    def send(self, command: Trade, key: str) -> Answer:
        """Send one command."""
        if self._is_async:
            return self._in_a_loop(lambda client: client.send(command, key=key))
        with self._client() as client:
            return client.send(command, key=key)

    def stream(self, commands: list[Trade], key: str) -> list[ItemAnswer]:
        """Send a stream."""
        if self._is_async:
            return self._in_a_loop(lambda client: client.send_all(commands, key=key))
        with self._client() as client:
            return client.send_all(commands, key=key)

    def balances(self) -> dict[str, str]:
        """Ask for a list."""
        query = Cash(portfolio="growth")
        if self._is_async:

            async def listed(client: AsyncClient) -> dict[str, str]:
                return {each.currency: str(each.balance) async for each in client.pages(query)}

            return self._in_a_loop(listed)
        with self._client() as client:
            return {each.currency: str(each.balance) for each in client.pages(query)}

    def saved(self, file: BinaryIO) -> Seen:
        """Save a table."""
        if self._is_async:
            return self._in_a_loop(lambda client: client.save("/v1/trades", file))
        with self._client() as client:
            return client.save("/v1/trades", file)

    def _client(self) -> Client:
        http = httpx.Client(
            base_url=self._url, headers={"Authorization": f"Bearer {self._bearer}"}, trust_env=False
        )
        return Client(http, terms=self._terms, wait=lambda _seconds: None)

    def _in_a_loop(self, talk: Callable[[AsyncClient], Awaitable[T]]) -> T:
        async def without_waiting(_seconds: float) -> None:
            await asyncio.sleep(0)

        async def talked() -> T:
            http = httpx.AsyncClient(
                base_url=self._url,
                headers={"Authorization": f"Bearer {self._bearer}"},
                trust_env=False,
            )
            async with AsyncClient(http, terms=self._terms, wait=without_waiting) as client:
                return await talk(client)

        return asyncio.run(talked())


@pytest.mark.parametrize("is_async", [False, True], ids=["waiting", "asynchronous"])
class TestCarrying:
    """The same questions, the same answers, in both worlds."""

    def test_sends_what_was_lost_again(self, *, is_async: bool) -> None:
        """Lost, and cut in the middle of the answer: asked for by id each time, then sent again."""
        script = Script(HANG_UP, NEVER_SEEN, HALF, NEVER_SEEN, NOT_ATTEMPTED, (201, accepted()))
        with scripted(script) as url:
            answer = Worlds(url, is_async=is_async).send(trade(), "one")

        sent, asked = "POST /v1/trades", f"GET /v1/commands/{NAMED}"
        assert answer.is_accepted
        assert script.asked == [sent, asked, sent, asked, sent, sent]
        assert {body for body in script.bodies if body} == {trade().body()}

    def test_streams_batches(self, *, is_async: bool) -> None:
        """Each answer in its place."""
        batches: list[Scripted] = [
            (200, {"results": [accepted("many", 0), accepted("many", 1)]}),
            (200, {"results": [accepted("many:2", 0, position=9)]}),
        ]
        script = Script(*batches)
        with scripted(script) as url:
            worlds = Worlds(url, is_async=is_async, terms=Terms(batch_items_max=2))
            answers = worlds.stream([trade(f"fill-{n}") for n in range(3)], "many")

        assert [each.require().position for each in answers] == [7, 7, 9]

    def test_asks_page_by_page(self, *, is_async: bool) -> None:
        """Typed items, exact to the last digit."""
        pages: list[Scripted] = [
            (200, {"items": [BALANCES[0]], "next_cursor": "two"}),
            (200, {"items": [BALANCES[1]], "next_cursor": None}),
        ]
        with scripted(Script(*pages)) as url:
            found = Worlds(url, is_async=is_async).balances()

        assert found == {"EUR": "1.10", "USD": "-2"}

    def test_begins_a_file_anew_that_broke_off(self, *, is_async: bool) -> None:
        """Whatever was in it before, also what an attempt left there, or a refusal said."""
        script = Script(HALF, NOT_ATTEMPTED, (200, {"a": 1}))
        file = io.BytesIO(b"something longer than what comes")
        with scripted(script) as url:
            seen = Worlds(url, is_async=is_async).saved(file)

        assert script.asked == ["GET /v1/trades?format=csv"] * 3
        assert file.getvalue() == b'{"a": 1}'
        assert seen.content == b""

    def test_says_that_nobody_was_there(self, *, is_async: bool) -> None:
        """A refused connection carries nothing out."""
        with scripted(Script()) as url:
            pass
        worlds = Worlds(url, is_async=is_async, terms=Terms(patience_seconds=0.05))

        with pytest.raises(NothingAttempted, match="ConnectError"):
            worlds.send(trade(), "one")


class TestNames:
    """The client knows what its commands are called before anybody tells it."""

    @pytest.mark.parametrize("key", ["one", "é", "a:b", "0:" * 100])
    def test_are_those_of_the_server(self, key: str) -> None:
        """Of a command, and of an item of a batch."""
        assert command_id("acme", key) == identity.command_id("acme", key)
        assert command_id("acme", key, 7) == identity.command_id("acme", key, 7)

    def test_take_the_tenant_from_the_token(self) -> None:
        """Unchecked: the server checks it."""
        assert tenant_of(f"Bearer {token('acme', 'admin')}") == "acme"

    @pytest.mark.parametrize("text", ["", "Bearer x", "Bearer a.b.c", "Bearer a.W10.c", "a.=.b"])
    def test_are_unknown_without_one(self, text: str) -> None:
        """Then only the server can tell them."""
        assert tenant_of(text) is None
