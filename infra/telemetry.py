"""What a process tells of itself: JSON logs, trace context and, through `probe_server`, metrics.

Log lines are one JSON object each, with the time in UTC, the process, and whatever identities the
request bound (correlation id, command id) through `structlog.contextvars`.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from types import TracebackType
from typing import Any, TextIO

import msgspec
import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

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
# One look tells that a text holds none of the above: most of what is logged.
_SUSPECT = re.compile(r"(?i)password|bearer\s|://|eyJ")
EventFields = MutableMapping[str, Any]


def configure_telemetry(process: str, *, level: str = "info", stream: TextIO | None = None) -> None:
    """Set up logs and traces of this process; logs go to `stream`, standard error by default.

    Everything that libraries log goes the same way, as does an exception nobody caught.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _add_process(process),
        _add_trace,
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_as_json),
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
    configure_traces(process)


def configure_traces(process: str) -> None:
    """Let spans of this process carry real ids; nothing is exported until an exporter is added."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(
            TracerProvider(resource=Resource.create({"service.name": f"pms-{process}"}))
        )


def _as_json(fields: object, **_: object) -> str:
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
            if not _SUSPECT.search(value):
                return value
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


def _add_process(process: str) -> structlog.typing.Processor:
    def add(_logger: object, _method: str, fields: EventFields) -> EventFields:
        fields["process"] = process
        return fields

    return add


def _add_trace(_logger: object, _method: str, fields: EventFields) -> EventFields:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        fields["trace_id"] = trace.format_trace_id(context.trace_id)
        fields["span_id"] = trace.format_span_id(context.span_id)
    return fields


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    structlog.get_logger("pms").critical(
        "ended by an error nobody caught", exc_info=(kind, error, traceback)
    )
