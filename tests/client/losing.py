"""A line to a real server that loses things by plan, on the way there or back, or late."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from enum import StrEnum

import httpx

LATE_AFTER = 2
"""A delayed request arrives when so many others have been sent after it."""


class Fate(StrEnum):
    """What becomes of one request."""

    DELIVERED = "delivered"
    REFUSED = "nobody takes the connection"
    BROKEN = "the line breaks before the server gets anything"
    HALF_SENT = "the line breaks in the middle of the body"
    DELAYED = "the caller gives up, and the server gets it later"
    ANSWER_LOST = "the server acts, and its answer is lost"
    ANSWER_CUT = "the server acts, and its answer is cut"
    GARBLED = "the server acts, and a proxy answers in its place"
    UNKNOWN = "the server acts, but says that it does not know"
    TURNED_AWAY = "too many requests: come back in a second"


class Line(httpx.BaseTransport):
    """Sends requests on as the plan says; when that is used up, faithfully."""

    def __init__(self, plan: Sequence[Fate] = ()) -> None:
        self._inner = httpx.HTTPTransport(trust_env=False)
        self._plan = list(plan)
        self._delayed: list[tuple[int, httpx.Request]] = []
        self._number = 0
        self.suffered: list[Fate] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request to its fate."""
        self._number += 1
        self.deliver_late(self._number - LATE_AFTER)
        fate = self._plan.pop(0) if self._plan else Fate.DELIVERED
        self.suffered.append(fate)
        request.read()
        match fate:
            case Fate.REFUSED:
                raise httpx.ConnectError("refused", request=request)
            case Fate.BROKEN:
                raise httpx.WriteError("broken", request=request)
            case Fate.HALF_SENT:
                _send_half(request)
                raise httpx.WriteError("broken half-way", request=request)
            case Fate.DELAYED:
                self._delayed.append((self._number, request))
                raise httpx.ReadTimeout("no answer yet", request=request)
            case Fate.TURNED_AWAY:
                headers = {"Retry-After": "1"}
                body = {"code": "too_many_requests", "outcome": "not_attempted"}
                return httpx.Response(429, headers=headers, json=body)
        answer = self._delivered(request)
        match fate:
            case Fate.ANSWER_LOST:
                raise httpx.ReadError("lost", request=request)
            case Fate.ANSWER_CUT:
                raise httpx.RemoteProtocolError("cut", request=request)
            case Fate.GARBLED:
                return httpx.Response(502, text="<html>bad gateway")
            case Fate.UNKNOWN:
                return httpx.Response(503, json={"code": "outcome_unknown", "outcome": "unknown"})
        return answer

    def deliver_late(self, sent_until: int | None = None) -> None:
        """Let delayed requests arrive: all, or those sent up to a number."""
        due = [each for each in self._delayed if sent_until is None or each[0] <= sent_until]
        self._delayed = [each for each in self._delayed if each not in due]
        for _, request in due:
            self._delivered(request)

    def close(self) -> None:
        """Close the line; what is delayed arrives before."""
        self.deliver_late()
        self._inner.close()

    def _delivered(self, request: httpx.Request) -> httpx.Response:
        answer = self._inner.handle_request(request)
        answer.read()
        return answer


class AsyncLine(httpx.AsyncBaseTransport):
    """The same line for asynchronous clients."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request to its fate, in a thread of its own."""
        content = await request.aread()
        sent = httpx.Request(request.method, request.url, headers=request.headers, content=content)
        answer = await asyncio.to_thread(self._line.handle_request, sent)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def _send_half(request: httpx.Request) -> None:
    """Send the head and half of the body, then hang up."""
    lines = [f"{request.method} {request.url.raw_path.decode()} HTTP/1.1".encode()]
    lines += [name + b": " + value for name, value in request.headers.raw]
    content = request.content
    with socket.create_connection((request.url.host, request.url.port or 80)) as connection:
        connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + content[: len(content) // 2])
