"""What a process tells of itself: JSON logs, trace context and, through `probe_server`, metrics.

Log lines are one JSON object each, with the time in UTC, the process, and whatever identities the
request bound (correlation id, command id) through `structlog.contextvars`.
"""

from __future__ import annotations

import logging
import random
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import lru_cache
from types import TracebackType
from typing import Any, TextIO

import msgspec
import structlog
from opentelemetry import trace
from opentelemetry.context import Context

from infra.clock import now

_SECRET_NAMES = re.compile(
    r"(?i)^(.*_)?"
    r"(password|passwd|secret|token|authorization|conninfo|private_key|redis_url|cookie)$"
)
_SECRET_TEXTS = (
    (re.compile(r"(?i)(password\s*=\s*)('[^']*'|\S+)"), r"\1***"),
    (re.compile(r"(\w+://[^\s:/@]*:)[^\s@]+@"), r"\1***@"),
    (re.compile(r"(?i)(bearer\s+)[\w.~+/=-]+"), r"\1***"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+"), "***"),
)
# One look at a whole line tells that it holds none of the above: so it is with nearly all.
_SUSPECT = (
    "password", "passwd", "secret", "token", "authorization", "conninfo", "private_key",
    "redis_url", "cookie", "bearer", "://", "eyj",
)  # fmt: skip
_LEVELS = {"warn": "warning", "exception": "error"}
_FLAGS = trace.TraceFlags.SAMPLED | trace.TraceFlags.RANDOM_TRACE_ID
EventFields = MutableMapping[str, Any]


def configure_telemetry(process: str, *, level: str = "info", stream: TextIO | None = None) -> None:
    """Set up logs and traces of this process; logs go to `stream`, standard error by default.

    Everything that libraries log goes the same way, as does an exception nobody caught.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_origin(process),
        structlog.processors.format_exc_info,
    ]
    written = stream or sys.stderr
    # Our own lines go straight to the stream: a record of the library costs as much again, and
    # every request writes one.
    structlog.configure(
        processors=[*shared, _as_line],
        logger_factory=lambda name=None: _Lines(name, written),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(written)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _as_line,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for library in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(library).setLevel(logging.WARNING)
    for server in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(server).handlers.clear()
        logging.getLogger(server).propagate = True
    sys.excepthook = _log_uncaught
    configure_traces()


def configure_traces() -> None:
    """Let spans of this process carry real ids; whoever wants them kept has set a provider."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(_Naming())


class _Naming(trace.TracerProvider, trace.Tracer):
    """Names spans and keeps nothing of them: events and log lines hold the names.

    The SDK's spans cost ten times as much, for an exporter that is not there. Names are as the
    SDK's: whoever has a parent is of its trace, and sampled as it is; a new trace is sampled.
    """

    def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
        """Give the one tracer there is."""
        return self

    def start_span(
        self,
        name: str,  # noqa: ARG002
        context: Context | None = None,
        *_: Any,
        **__: Any,
    ) -> trace.Span:
        """Give a span with a new id, of the trace that the context is in."""
        parent = trace.get_current_span(context).get_span_context()
        trace_id = parent.trace_id if parent.is_valid else random.getrandbits(128)
        flags = parent.trace_flags & _FLAGS if parent.is_valid else _FLAGS
        named = trace.SpanContext(
            trace_id,
            random.getrandbits(64),
            is_remote=False,
            trace_flags=trace.TraceFlags(flags),
            trace_state=parent.trace_state,
        )
        return trace.NonRecordingSpan(named)

    @contextmanager
    def start_as_current_span(  # type: ignore[override]
        self, name: str, *_: Any, **__: Any
    ) -> Iterator[trace.Span]:
        """Start a span and be within it."""
        with trace.use_span(self.start_span(name)) as span:
            yield span


class _Lines:
    """Where our own loggers write: each line whole and at once, in one call."""

    __slots__ = ("_stream", "name")

    def __init__(self, name: str | None, stream: TextIO) -> None:
        self.name = name
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write a line."""
        self._stream.write(line + "\n")
        self._stream.flush()

    debug = info = warning = error = critical = exception = msg


def _as_line(logger: object, method: str, fields: EventFields) -> str:
    """Write the fields as JSON; only where a secret may be among them are they looked at singly."""
    line = _encode(fields)
    folded = line.casefold()
    for mark in _SUSPECT:
        if mark in folded:
            return _encode(hide_secrets(logger, method, fields))
    return line


def _encode(fields: EventFields) -> str:
    return msgspec.json.encode(fields, enc_hook=str).decode()


def hide_secrets(_logger: object, _method: str, fields: EventFields) -> EventFields:
    """Replace what must not be read in a log, by the field's name or by the look of its text."""
    for name, value in fields.items():
        fields[name] = "***" if _is_secret(name) else _without_secrets(value)
    return fields


@lru_cache(maxsize=1_024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAMES.match(name) is not None


def _without_secrets(value: object) -> object:
    match value:
        case str():
            for pattern, replacement in _SECRET_TEXTS:
                value = pattern.sub(replacement, value)
            return value
        case Mapping():
            return {
                name: "***" if _is_secret(str(name)) else _without_secrets(inner)
                for name, inner in value.items()
            }
        case list() | tuple():
            return [_without_secrets(inner) for inner in value]
        case _:
            return value


def _add_origin(process: str) -> structlog.typing.Processor:
    """Make one step that says of a line how bad it is, who writes it, when, and in which span."""

    def add(logger: Any, method: str, fields: EventFields) -> EventFields:  # noqa: ANN401
        record = fields.get("_record")  # A library's line has one.
        fields["level"] = _LEVELS.get(method, method)
        fields["logger"] = logger.name if record is None else record.name
        fields["at"] = now().isoformat().replace("+00:00", "Z")
        fields["process"] = process
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            fields["trace_id"] = trace.format_trace_id(context.trace_id)
            fields["span_id"] = trace.format_span_id(context.span_id)
        return fields

    return add


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    structlog.get_logger("pms").critical(
        "ended by an error nobody caught", exc_info=(kind, error, traceback)
    )
