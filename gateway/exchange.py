"""One request and what is known about it before any endpoint sees it.

The correlation id is the caller's `X-Correlation-Id` or a new one; the trace context is a W3C
`traceparent` naming our span of this request (or the caller's, where nothing records spans here).
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.problem import Problem
from gateway.tokens import Principal

SCOPE_KEY = "pms.exchange"
_PROPAGATOR = TraceContextTextMapPropagator()


class Exchange:
    """What one request carries along: ids, its span, its principal, the command it became."""

    __slots__ = (
        "authorization",
        "command_id",
        "content_encoding",
        "content_length",
        "content_type",
        "correlation_id",
        "fault",
        "if_match",
        "principal",
        "span",
        "trace_context",
    )

    def __init__(self, correlation_id: UUID) -> None:
        self.correlation_id = correlation_id
        self.authorization: bytes | None = None
        self.content_type: bytes | None = None
        self.content_length: bytes | None = None
        self.content_encoding: bytes | None = None
        self.if_match: bytes | None = None
        self.trace_context: str | None = None
        self.span: trace.Span = trace.INVALID_SPAN
        self.principal: Principal | None = None
        self.command_id: UUID | None = None
        self.fault: Problem | None = None


def open_exchange(
    scope: dict[str, Any], *, new_id: Callable[[], UUID], tracer: trace.Tracer
) -> Exchange:
    """Read the headers of a request that concern every endpoint; start its span.

    What is wrong already is kept in `fault`, so that even that answer carries a correlation id.
    """
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        found.setdefault(name, value)
    exchange = _identified(found.get(b"x-correlation-id"), new_id)
    exchange.authorization = found.get(b"authorization")
    exchange.content_type = found.get(b"content-type")
    exchange.content_length = found.get(b"content-length")
    exchange.content_encoding = found.get(b"content-encoding")
    exchange.if_match = found.get(b"if-match")
    _start_span(exchange, scope, found, tracer)
    scope[SCOPE_KEY] = exchange
    return exchange


def _identified(given: bytes | None, new_id: Callable[[], UUID]) -> Exchange:
    if given is None:
        return Exchange(new_id())
    try:
        return Exchange(UUID(given.decode("ascii")))
    except ValueError:
        exchange = Exchange(new_id())
        exchange.fault = Problem(
            "correlation_id_malformed",
            "X-Correlation-Id must be a UUID, or be left out: then one is made for you.",
            fields=("X-Correlation-Id",),
        )
        return exchange


def _start_span(
    exchange: Exchange, scope: dict[str, Any], found: dict[bytes, bytes], tracer: trace.Tracer
) -> None:
    parent = Context()
    traceparent = found.get(b"traceparent")
    if traceparent is not None:
        carrier = {"traceparent": traceparent.decode("latin-1")}
        if b"tracestate" in found:
            carrier["tracestate"] = found[b"tracestate"].decode("latin-1")
        parent = _PROPAGATOR.extract(carrier, context=parent)
    exchange.span = tracer.start_span(scope["method"], parent, trace.SpanKind.SERVER)
    here = exchange.span.get_span_context()
    if here.is_valid:
        exchange.trace_context = (
            f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}"
        )


def exchange_of(scope: Any) -> Exchange:  # noqa: ANN401 - ASGI scopes are mappings of anything
    """Give the exchange of a request that came through the boundary."""
    exchange = scope[SCOPE_KEY]
    assert isinstance(exchange, Exchange), "only the boundary writes this key"
    return exchange
