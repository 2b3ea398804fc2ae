"""An answer that is there whole: one write, and on the wire what uvicorn's own way sends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.responses import Response, StreamingResponse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.access import Action
from gateway.interface import Call, Endpoint, Health, Interface, json_response
from gateway.openapi import json_answer
from infra.http_server import AnsweringProtocol
from tests.gateway.serving import surroundings, token

NAMED = "X-Correlation-Id: 3fa85f64-5717-4562-b3fc-2c963f66afa6"
DATE = (b"date", b"Mon, 30 Nov 2026 20:51:09 GMT")
CAME_TO_AN_END = 0.05


async def _tell(call: Call) -> Response:
    return json_response({"told": True}, ETag='"7"')


async def _tell_nothing_new(call: Call) -> Response:
    return Response(status_code=304, headers={"etag": '"7"'})


async def _tell_slowly(call: Call) -> Response:
    async def parts() -> Any:  # noqa: ANN401
        yield b"one"
        yield b"two"

    return StreamingResponse(parts())


async def _break_the_line(call: Call) -> Response:
    return json_response({}, X_Told="yes\r\nX-Forged: yes")


def application() -> FastAPI:
    """Make an application with an address for each kind of answer."""
    interface = Interface(surroundings(), title="test", description="test")
    told = (json_answer(200, Health, "Told."),)
    for name, handle in (
        ("whole", _tell),
        ("same", _tell_nothing_new),
        ("parts", _tell_slowly),
        ("broken", _break_the_line),
    ):
        path = f"/v1/{name}"
        interface.add(Endpoint("GET", path, name, name, (Action.READ_CASH,), handle, told))
    return interface.application


class Wire(asyncio.Transport):
    """Where a protocol writes; it keeps what was written, write by write."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)})
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:  # noqa: ANN401
        """Keep it."""
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        """Tell whether it was closed."""
        return self.is_closed

    def close(self) -> None:
        """Be closed."""
        self.is_closed = True

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nothing is read here."""


def answered(sent: bytes, kind: type[HttpToolsProtocol], *, is_full: bool = False) -> Wire:
    """Give what a protocol answers; `is_full`: at first the client takes nothing."""

    async def ask() -> Wire:
        config = uvicorn.Config(
            application(), http=kind, ws="none", log_config=None, access_log=False
        )
        config.load()
        state = ServerState()
        state.default_headers = [DATE]
        protocol = kind(config, state, {})
        wire = Wire()
        protocol.connection_made(wire)
        if is_full:
            protocol.pause_writing()
        protocol.data_received(sent)
        await asyncio.sleep(CAME_TO_AN_END)
        assert not (is_full and wire.writes), "a client that takes nothing is waited for"
        protocol.resume_writing()
        await asyncio.sleep(CAME_TO_AN_END)
        protocol.connection_lost(None)
        return wire

    return asyncio.run(ask())


def request(path: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    """Write a request down."""
    bearer = f"Authorization: Bearer {token('acme', 'viewer')}"
    lines = (f"{method} {path} HTTP/{version}", "Host: test", NAMED, bearer, *headers, "", "")
    return "\r\n".join(lines).encode()


class TestAnAnswer:
    """Whatever is asked, and however."""

    @pytest.mark.parametrize(
        "sent",
        [
            request("/v1/whole"),
            request("/v1/whole") * 2,
            request("/v1/whole", method="HEAD"),
            request("/v1/whole", "Connection: close"),
            request("/v1/whole", version="1.0"),
            request("/v1/whole?much=1"),
            request("/v1/whole", "Expect: 100-continue", "Content-Length: 3") + b"abc",
            request("/v1/same"),
            request("/v1/parts"),
            request("/openapi.json"),
            request("/nowhere", method="POST"),
            request("/v1/whole", "Authorization: none"),
        ],
    )
    def test_is_the_same_as_by_uvicorns_own_way(self, sent: bytes) -> None:
        """Byte for byte, and the connection is kept or closed as there."""
        ours, theirs = answered(sent, AnsweringProtocol), answered(sent, HttpToolsProtocol)

        assert b"".join(ours.writes) == b"".join(theirs.writes)
        assert ours.writes
        assert ours.is_closed == theirs.is_closed

    def test_is_written_at_once(self) -> None:
        """Head and body in one write, where there is a body at all."""
        assert len(answered(request("/v1/whole"), AnsweringProtocol).writes) == 1
        assert len(answered(request("/nowhere"), AnsweringProtocol).writes) == 1

    def test_waits_for_a_client_that_takes_nothing(self) -> None:
        """What it does not take would pile up here."""
        wire = answered(request("/v1/whole"), AnsweringProtocol, is_full=True)

        assert b"".join(wire.writes).endswith(b'{"told":true}')

    def test_has_no_header_that_a_value_smuggled_in(self) -> None:
        """A value that ends its line is a defect of ours, and is answered as one."""
        told = b"".join(answered(request("/v1/broken"), AnsweringProtocol).writes)

        assert told.startswith(b"HTTP/1.1 500 ")
        assert b"X-Forged" not in told
