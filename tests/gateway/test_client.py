"""Sending commands as one should: again under the same key until there is an outcome."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from gateway.client import Caller, Refused, Unanswered

Answer = tuple[int, dict[str, Any]]
NOT_ATTEMPTED: Answer = (503, {"code": "not_attempted", "outcome": "not_attempted"})
ACCEPTED: Answer = (201, {"outcome": "accepted", "position": 7})


class Script:
    """Answers to be given in turn (None: hang up), and the keys and bodies that came."""

    def __init__(self, *answers: Answer | None) -> None:
        self.answers = list(answers)
        self.keys: list[str | None] = []
        self.bodies: list[bytes] = []


@contextmanager
def scripted(script: Script, *, patience_seconds: float = 10) -> Iterator[Caller]:
    """Serve a script over real HTTP and give a caller to it."""

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
            script.keys.append(self.headers.get("Idempotency-Key"))
            script.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            answer = script.answers.pop(0)
            if answer is None:
                self.close_connection = True
                return
            status, document = answer
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        with httpx.Client(base_url=address, trust_env=False) as client:
            yield Caller(client, patience_seconds=patience_seconds, wait=lambda _seconds: None)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class TestCommanding:
    """One command gets one outcome."""

    def test_sends_what_was_not_attempted_again_under_its_key(self) -> None:
        """The same key and the same bytes, so nothing can happen twice."""
        script = Script(NOT_ATTEMPTED, (429, {"code": "too_many_requests"}), ACCEPTED)
        with scripted(script) as caller:
            reply = caller.command("/v1/trades", {"quantity": "1"}, key="one")

        assert reply.is_accepted
        assert reply.document["position"] == 7
        assert script.keys == ["one"] * 3
        assert len(set(script.bodies)) == 1

    def test_sends_again_when_the_connection_is_lost(self) -> None:
        """Nobody knows then whether it was written; the key makes it safe to ask."""
        script = Script(None, ACCEPTED)
        with scripted(script) as caller:
            assert caller.command("/v1/trades", {}, key="one").is_accepted
        assert script.keys == ["one", "one"]

    def test_takes_a_refusal_for_an_answer(self) -> None:
        """A problem that is final comes back with its code, at once."""
        script = Script((422, {"code": "insufficient_cash", "detail": "10 needed"}))
        with scripted(script) as caller:
            reply = caller.command("/v1/trades", {}, key="one")

        assert not reply.is_accepted
        assert reply.told() == "422 insufficient_cash: 10 needed"

    def test_ends_when_patience_ends(self) -> None:
        """It says what was told last."""
        with (
            scripted(Script(NOT_ATTEMPTED), patience_seconds=0.5) as caller,
            pytest.raises(Unanswered, match="not_attempted"),
        ):
            caller.command("/v1/trades", {}, key="one")

    def test_shows_what_is_not_ours(self) -> None:
        """An answer that is no JSON object is told by its beginning."""
        script = Script((502, {}))
        with scripted(script) as caller:
            assert caller.command("/v1/trades", {}, key="one").status == 502


class TestBatches:
    """A batch is sent until each item has an outcome."""

    def test_is_sent_again_while_items_are_open(self) -> None:
        """What was decided comes back as replayed the second time."""
        script = Script(
            (200, {"results": [{"outcome": "accepted"}, {"outcome": "not_attempted"}]}),
            (200, {"results": [{"outcome": "replayed"}, {"outcome": "accepted"}]}),
        )
        with scripted(script) as caller:
            results = caller.batch("/v1/trades:batch", [b"{}", b"{}"], key="many")

        assert [each["outcome"] for each in results] == ["replayed", "accepted"]
        assert script.keys == ["many", "many"]
        assert script.bodies == [b"{}\n{}"] * 2

    def test_is_refused_as_a_whole(self) -> None:
        """A token without the role is nobody's item."""
        with (
            scripted(Script((403, {"code": "role_missing"}))) as caller,
            pytest.raises(Refused, match="role_missing"),
        ):
            caller.batch("/v1/trades:batch", [b"{}"], key="many")


class TestAsking:
    """Queries are pages of items."""

    def test_follows_the_pages(self) -> None:
        """Until there is no cursor."""
        script = Script(
            (200, {"items": [{"n": 1}], "next_cursor": "two"}),
            (200, {"items": [{"n": 2}], "next_cursor": None}),
        )
        with scripted(script) as caller:
            assert list(caller.items("/v1/portfolios")) == [{"n": 1}, {"n": 2}]
