"""Serving an HTTP interface until it is asked to stop: uvicorn on uvloop and httptools."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from types import FrameType
from typing import Protocol

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State

from gateway.boundary import ANSWER

DRAIN_SECONDS = 10
SOCKET_MESSAGE_BYTES_MAX = 64 * 1024
_BODILESS = frozenset({204, 304})
_WHOLE_TEXT, _SIZE_16, _SIZE_64 = 0x81, 126, 127


class AnsweringProtocol(HttpToolsProtocol):
    """Writes an answer that is there whole at once, as its headers come, already in lines.

    Uvicorn's own way looks through each header, and writes head and body apart.
    """

    def on_headers_complete(self) -> None:
        """Begin a request that says how it is answered at once."""
        super().on_headers_complete()
        self.scope[ANSWER] = partial(_answer, self.cycle)  # type: ignore[literal-required]


def _answer(cycle: RequestResponseCycle, status: int, headers: bytes, body: bytes) -> bool:
    """Answer a request, unless its client takes nothing now, or asked for the headers alone."""
    is_measured = b"content-length: " in headers or status in _BODILESS
    if cycle.flow.write_paused or cycle.scope["method"] == "HEAD" or not is_measured:
        return False
    if cycle.disconnected:
        return True
    lines = [STATUS_LINE[status]]
    for name, value in cycle.default_headers:
        lines += (name, b": ", value, b"\r\n")
    lines.append(headers)
    if not cycle.keep_alive:
        lines.append(b"connection: close\r\n")
    lines += (b"\r\n", body)
    cycle.transport.write(b"".join(lines))
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


class _Sockets(WebSocketsSansIOProtocol):
    """A WebSocket that sends several texts in one write.

    Its client can be dropped although it takes nothing any more.
    """

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        self.scope["state"]["pms.abort"] = self.transport.abort
        self.scope["state"]["pms.send_texts"] = self.send_texts

    async def send_texts(self, texts: Sequence[str]) -> None:
        """Send messages; a write for each would cost ten times what making it does.

        Raises:
            ClientDisconnected: it is gone.
        """
        await self.writable.wait()
        if self.disconnected or self.close_sent or self.conn.state is not State.OPEN:
            raise ClientDisconnected
        self.transport.write(b"".join([part for text in texts for part in framed(text.encode())]))


def framed(data: bytes) -> tuple[bytes, bytes]:
    """Give the header of a whole text message from a server (RFC 6455, 5.2), and its data."""
    size = len(data)
    if size < _SIZE_16:
        return bytes((_WHOLE_TEXT, size)), data
    if size < 1 << 16:
        return bytes((_WHOLE_TEXT, _SIZE_16)) + size.to_bytes(2, "big"), data
    return bytes((_WHOLE_TEXT, _SIZE_64)) + size.to_bytes(8, "big"), data


class Drained(Protocol):
    """What is to be emptied before the end (`commands.admission.Admission`)."""

    @property
    def is_empty(self) -> bool:
        """Whether everything that was let in has been answered."""
        ...

    def close(self) -> None:
        """Let nothing in any more: it is told that this process is stopping."""
        ...


class DrainingServer(uvicorn.Server):
    """At the signal it first refuses what is new and answers what it has; then it stops listening.

    Whoever comes meanwhile hears that the process is stopping, instead of nothing.
    """

    def __init__(self, configuration: uvicorn.Config, drained: Drained) -> None:
        super().__init__(configuration)
        self._drained = drained
        self._until: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; the second signal ends at once, as uvicorn does."""
        if self._until is None:
            self._captured_signals.append(sig)
            self._until = time.monotonic() + DRAIN_SECONDS
            self._drained.close()
            return
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Stop once all is answered, or patience is over; asked ten times a second."""
        if self._until is not None:
            self.should_exit |= self._drained.is_empty or time.monotonic() > self._until
        return await super().on_tick(counter)


def serve_http(
    application: ASGIApp,
    *,
    host: str,
    port: int,
    drained: Drained | None = None,
    protocol: type[AnsweringProtocol] = AnsweringProtocol,
    with_sockets: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT, then answer what was asked and return.

    `drained` is waited for at the end; `protocol` may refuse what is not to be read. Where there
    are WebSockets, their scope's state says how to end one at once (`pms.abort`), and how to send
    several texts at once (`pms.send_texts`).
    """
    configuration = uvicorn.Config(
        application,
        host=host,
        port=port,
        loop="uvloop",
        http=protocol,
        ws=_Sockets if with_sockets else "none",
        ws_max_size=SOCKET_MESSAGE_BYTES_MAX,
        ws_per_message_deflate=False,  # it costs each client memory, and each message time
        log_config=None,  # `configure_telemetry` has set up the logs
        access_log=False,  # the boundary of `gateway` counts and logs requests
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    if drained is None:
        uvicorn.Server(configuration).run()
    else:
        DrainingServer(configuration, drained).run()
