"""The boundary: the outermost layer of both HTTP interfaces, plain ASGI.

Every request gets its correlation id, span, size limit, log line and metrics here, every response
its headers; what escapes an endpoint becomes a 500 that says nothing of our inside.
"""

import re
import time
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import structlog
from opentelemetry import context, trace
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.exchange import Exchange, open_exchange
from gateway.metrics import UNMATCHED, RequestMetrics
from gateway.problem import PROBLEM_MEDIA_TYPE, Problem, encode_problem

BODY_BYTES_MAX = 8 * 1024 * 1024
CLIENT_CLOSED_REQUEST = 499
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_LOG = structlog.get_logger("pms.http")
# No Strict-Transport-Security: TLS ends in front of us, and whoever ends it decides that.
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_SECURITY_LINES = b"".join([name + b": " + value + b"\r\n" for name, value in SECURITY_HEADERS])
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

ANSWER = "pms.answer"
"""Where a server that can write an answer at once leaves how, in the scope."""

AnswerWhole = Callable[[int, bytes, bytes], bool]
"""Takes a status, the lines of its headers and the body; False: this one goes the usual way."""


class Boundary:
    """Wrap an application; hand in the ids, the limits, the metrics and the tracer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        new_id: Callable[[], UUID],
        metrics: RequestMetrics,
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> None:
        self._app = app
        self._new_id = new_id
        self._metrics = metrics
        self._body_bytes_max = body_bytes_max
        self._tracer = trace.get_tracer("pms.gateway")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything but HTTP passes through untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        self._metrics.under_way += 1
        assert isinstance(scope, dict), "ASGI servers hand in their scope as a dictionary"
        exchange = open_exchange(scope, new_id=self._new_id, tracer=self._tracer)
        name = str(exchange.correlation_id)
        sender = _Sender(send, exchange, name.encode(), scope.get(ANSWER))
        current = context.attach(trace.set_span_in_context(exchange.span))
        bound = structlog.contextvars.bind_contextvars(correlation_id=name)
        try:
            await self._serve(scope, receive, sender, exchange)
            self._finish(scope, sender, exchange, time.perf_counter() - started)
        finally:
            structlog.contextvars.reset_contextvars(**bound)
            context.detach(current)
            exchange.span.end()
            self._metrics.under_way -= 1

    async def _serve(
        self, scope: Scope, receive: Receive, sender: "_Sender", exchange: Exchange
    ) -> None:
        fault = exchange.fault or self._oversized(exchange) or _encoded(exchange)
        if fault is not None:
            await sender.problem(fault)
            return
        try:
            await self._app(scope, self._limited(receive), sender)
        except Problem as problem:
            await sender.problem(problem)
        except ClientDisconnect:
            sender.status = CLIENT_CLOSED_REQUEST
        except Exception as error:  # noqa: BLE001 - the one place where the unforeseen is answered
            exchange.span.record_exception(error)
            _LOG.error("request_failed", path=scope["path"], exc_info=error)
            await sender.problem(
                Problem(
                    "internal_error",
                    "Try again; if it stays, report the correlation id. A write's outcome is told "
                    "by GET /v1/commands/{id}.",
                )
            )

    def _oversized(self, exchange: Exchange) -> Problem | None:
        given = exchange.content_length
        if given is None or not given.isdigit() or int(given[:20]) <= self._body_bytes_max:
            return None
        return self._too_large()

    def _too_large(self) -> Problem:
        detail = f"Send at most {self._body_bytes_max:,} bytes; split the batch."
        return Problem("body_too_large", detail)

    def _limited(self, receive: Receive) -> Receive:
        """Count what arrives: a chunked body has no announced length."""
        taken = 0

        async def receive_within_limit() -> Message:
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > self._body_bytes_max:
                    raise self._too_large()
            return message

        return receive_within_limit

    def _finish(self, scope: Scope, sender: "_Sender", exchange: Exchange, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNMATCHED)
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "other"
        self._metrics.observe(method=method, route=route, status=sender.status, seconds=seconds)
        if exchange.span.is_recording():
            exchange.span.update_name(f"{method} {route}")
            exchange.span.set_attribute("http.route", route)
            exchange.span.set_attribute("http.response.status_code", sender.status)
        said: dict[str, Any] = {}
        if exchange.principal is not None:
            said = {"tenant": exchange.principal.tenant, "actor": exchange.principal.subject}
        if exchange.command_id is not None:
            said["command_id"] = str(exchange.command_id)
        _LOG.info(
            "request",
            method=method,
            route=route,
            status=sender.status,
            milliseconds=round(seconds * 1_000, 3),
            **said,
        )


class _Sender:
    """Send a response with our headers, and remember whether it began and its status.

    Its head goes with the first of its body: what is there whole is written at once.
    """

    def __init__(
        self, send: Send, exchange: Exchange, name: bytes, answer_whole: AnswerWhole | None
    ) -> None:
        self._send = send
        self._exchange = exchange
        self._name = name
        self._answer_whole = answer_whole
        self._head: Message | None = None
        self._has_begun = False
        self.status = 500

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._head = message
            self.status = message["status"]
            return
        head, self._head = self._head, None
        if head is not None:
            headers = head.get("headers", ())
            if self._answer_whole is not None and not message.get("more_body", False):
                lines = self._lines(headers)
                self._has_begun = True
                if self._answer_whole(self.status, lines, message.get("body", b"")):
                    return
            self._has_begun = True
            head["headers"] = [*headers, (b"x-correlation-id", self._name), *SECURITY_HEADERS]
            await self._send(head)
        await self._send(message)

    def _lines(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Write headers down, with ours behind them."""
        lines: list[bytes] = []
        for name, value in headers:
            if _CONTROL.search(value) is not None:
                raise ValueError("a header's value must not end its line")
            lines += (name, b": ", value, b"\r\n")
        lines += (b"x-correlation-id: ", self._name, b"\r\n", _SECURITY_LINES)
        return b"".join(lines)

    async def problem(self, problem: Problem) -> None:
        """Answer a problem, unless an answer is under way: then only its end can tell."""
        if self._has_begun:
            return
        body = encode_problem(problem, self._exchange.correlation_id)
        headers = [
            (b"content-type", PROBLEM_MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
        ]
        status = problem.kind.status
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body", "body": body})


def _encoded(exchange: Exchange) -> Problem | None:
    """Refuse compressed bodies: their size would be known only after unpacking them."""
    if exchange.content_encoding in {None, b"", b"identity"}:
        return None
    return Problem("content_encoding_unsupported", "Send the body uncompressed.")
