"""Logs as JSON lines with identities and without secrets; health and metrics for probes."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from prometheus_client import CollectorRegistry, Counter

from infra.probe_server import Readiness, probe_server
from infra.telemetry import configure_telemetry
from tests.conftest import log_for_pytest


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the logs of this test write; the session's logging is put back after it."""
    root = logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, sys.excepthook
    stream = io.StringIO()
    configure_telemetry("write", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook = hook
    log_for_pytest()
    structlog.contextvars.clear_contextvars()


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    """Decode what was written, one object per line."""
    return [json.loads(line) for line in written.getvalue().splitlines()]


class TestALogLine:
    """One JSON object that says who, when and in which request."""

    def test_carries_the_identities_of_its_request(self, written: io.StringIO) -> None:
        """What was bound to the context is on every line, of libraries too."""
        with structlog.contextvars.bound_contextvars(correlation_id="c-1", command_id="k-1"):
            structlog.get_logger("desk").info("committed", events=2)
            logging.getLogger("some.library").warning("slow %s", "query")

        ours, theirs = lines(written)

        assert (ours["event"], ours["events"], ours["process"]) == ("committed", 2, "write")
        assert (theirs["event"], theirs["level"]) == ("slow query", "warning")
        for line in (ours, theirs):
            assert (line["correlation_id"], line["command_id"]) == ("c-1", "k-1")
            assert line["at"].endswith("Z")

    def test_carries_the_trace_it_belongs_to(self, written: io.StringIO) -> None:
        """Inside a span the line names trace and span; outside neither."""
        with trace.get_tracer("test").start_as_current_span("request") as span:
            structlog.get_logger("desk").info("inside")
        structlog.get_logger("desk").info("outside")

        inside, outside = lines(written)

        assert inside["trace_id"] == trace.format_trace_id(span.get_span_context().trace_id)
        assert "trace_id" not in outside

    @pytest.mark.usefixtures("written")
    @pytest.mark.parametrize("flags", [0, 1, 3])
    def test_carries_the_trace_of_a_caller(self, flags: int) -> None:
        """A span has a name of its own in its caller's trace, and is sampled as that is."""
        theirs = trace.SpanContext(7, 8, is_remote=True, trace_flags=trace.TraceFlags(flags))
        within = trace.set_span_in_context(trace.NonRecordingSpan(theirs), Context())

        ours = trace.get_tracer("test").start_span("request", within).get_span_context()

        assert (ours.trace_id, ours.trace_flags) == (7, flags)
        assert ours.span_id not in {0, 8}

    @pytest.mark.usefixtures("written")
    def test_carries_a_trace_of_its_own_otherwise(self) -> None:
        """Each span that nobody caused begins a sampled trace."""
        tracer = trace.get_tracer("test")

        first, second = (tracer.start_span("x", Context()).get_span_context() for _ in range(2))

        assert first.is_valid
        assert first.trace_id != second.trace_id
        assert first.trace_flags.sampled

    @pytest.mark.parametrize(
        "fields",
        [
            {"password": "hunter2"},
            {"app_conninfo": "hunter2"},
            {"error": "connection failed: host=h password=hunter2 user=u"},
            {"error": "connection failed: password='hunter2 hunter2' user=u"},
            {"address": "redis://:hunter2@127.0.0.1:1/0"},
            {"address": "postgresql://pms_app:hunter2@h/pms"},
            {"header": "Authorization: Bearer hunter2"},
            {"text": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJodW50ZXIyIn0.hunter2"},
            {"nested": {"token": "hunter2", "more": ["password=hunter2"]}},
        ],
    )
    def test_shows_no_secret(self, written: io.StringIO, fields: dict[str, Any]) -> None:
        """By the name of the field or by the look of the text, a secret is masked."""
        structlog.get_logger("desk").error("failed", **fields)

        assert "hunter2" not in written.getvalue()
        assert "***" in written.getvalue()

    def test_shows_no_secret_of_an_exception(self, written: io.StringIO) -> None:
        """A traceback is masked like everything else, and stays on one line."""
        try:
            raise ConnectionError("host=h password=hunter2")
        except ConnectionError:
            structlog.get_logger("desk").exception("failed")

        (line,) = lines(written)

        assert "ConnectionError" in line["exception"]
        assert "hunter2" not in written.getvalue()


class TestAnUncaughtException:
    """The end of a process is in its log too."""

    def test_is_written_as_json(self) -> None:
        """The last line of a crashed process names the error."""
        program = (
            "from infra.telemetry import configure_telemetry\n"
            "configure_telemetry('write')\n"
            "raise RuntimeError('boom')\n"
        )

        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )

        assert ended.returncode == 1
        line = json.loads(ended.stderr.splitlines()[-1])
        assert line["level"] == "critical"
        assert "RuntimeError: boom" in line["exception"]


class TestProbes:
    """A process without an interface of its own answers probes and scrapers."""

    @staticmethod
    def get(port: int, path: str) -> tuple[int, str]:
        """Ask for a path; status and body, whatever the status."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def test_tell_ready_from_not_ready(self) -> None:
        """The status follows readiness, the body says why."""
        found = [Readiness(False, {"models": "rebuilding"}), Readiness(True, {"models": "level"})]
        with probe_server(host="127.0.0.1", port=0, readiness=lambda: found.pop(0)) as port:
            first = self.get(port, "/health/ready")
            second = self.get(port, "/health/ready")
            live = self.get(port, "/health/live")
            unknown = self.get(port, "/elsewhere")

        assert (first[0], json.loads(first[1])["checks"]) == (503, {"models": "rebuilding"})
        assert (second[0], json.loads(second[1])["status"]) == (200, "ready")
        assert live[0] == 200
        assert unknown[0] == 404

    def test_show_the_metrics(self) -> None:
        """Counters of the registry are in the Prometheus text."""
        registry = CollectorRegistry()
        Counter("pms_folded_events", "Events folded.", registry=registry).inc(3)
        ready = Readiness(True, {})

        with probe_server(
            host="127.0.0.1", port=0, readiness=lambda: ready, registry=registry
        ) as port:
            status, text = self.get(port, "/metrics")

        assert status == 200
        assert "pms_folded_events_total 3.0" in text
