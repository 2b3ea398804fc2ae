"""Refusing a request before it is read: the server's HTTP protocol with the door in it."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from infra.http_server import AnsweringProtocol
from write_api.door import LET_IN, Door, Refusal


class _Over:
    """Stands where uvicorn keeps the request that is being answered, for one that has been."""

    response_complete = True
    message_event = asyncio.Event()


class RefusingProtocol(AnsweringProtocol):
    """Asks the door as soon as a request's headers are there; a refusal makes no task.

    Of a refused request the body is passed over, and the connection stays open.
    """

    door: ClassVar[Door]

    def on_headers_complete(self) -> None:
        """Ask the door; go on as uvicorn does with whoever is let in."""
        before: RequestResponseCycle | None = self.cycle
        is_busy = before is not None and not before.response_complete
        if is_busy or not self.parser.should_keep_alive():  # The application asks for these.
            super().on_headers_complete()
            return
        path = self.url.partition(b"?")[0].decode("ascii", "replace")
        asked = self.door.knock(self.parser.get_method().decode("ascii"), path, self.headers)
        if isinstance(asked, Refusal):
            self._refuse(asked)
            return
        if asked is not None:
            self.scope[LET_IN] = asked  # type: ignore[literal-required]
        super().on_headers_complete()

    def _refuse(self, refusal: Refusal) -> None:
        lines = [STATUS_LINE[refusal.status]]
        for name, value in (*self.server_state.default_headers, *refusal.headers):
            lines += (name, b": ", value, b"\r\n")
        lines += (b"\r\n", refusal.body)
        self.transport.write(b"".join(lines))
        self.cycle = _Over()  # type: ignore[assignment]
        self.on_response_complete()


def refusing_protocol(door: Door) -> type[RefusingProtocol]:
    """Give the protocol that asks this door."""
    return type("RefusingAtDoor", (RefusingProtocol,), {"door": door})
