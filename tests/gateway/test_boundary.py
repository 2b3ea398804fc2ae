"""The boundary: ids, headers, metrics and log lines of every request, and the one 500."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import structlog
from fastapi import FastAPI
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry
from starlette.responses import Response

from gateway.access import Action
from gateway.boundary import SECURITY_HEADERS
from gateway.interface import Call, Endpoint, Health, Interface, Readiness, json_response
from gateway.openapi import json_answer
from tests.gateway.serving import assert_problem, surroundings, token

SECRET = "the-inside-of-our-house"
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


async def _fail(call: Call) -> Response:
    raise RuntimeError(SECRET)


async def _tell_trace(call: Call) -> Response:
    return json_response({"trace_context": call.exchange.trace_context})


async def _not_ready() -> Readiness:
    return Readiness(is_ready=False, checks={"log": "unreachable"})


def application(**changes: Any) -> FastAPI:
    """Make an application with an address that fails and one that tells its trace context."""
    interface = Interface(surroundings(**changes), title="test", description="test")
    told = (json_answer(200, Health, "Told."),)
    for path, handle in (("/v1/failing", _fail), ("/v1/trace", _tell_trace)):
        name = path.rpartition("/")[2]
        interface.add(Endpoint("GET", path, name, name, (Action.READ_CASH,), handle, told))
    return interface.application


def get(path: str, app: FastAPI | None = None, **headers: str) -> httpx.Response:
    """Ask an application in this process, with a token unless another is given."""
    sent = {"Authorization": f"Bearer {token('acme', 'viewer')}"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app or application())
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path, headers=sent)

    return asyncio.run(ask())


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """The log lines of the test."""
    with structlog.testing.capture_logs() as lines:
        yield lines


class TestAnUnforeseenError:
    """The last line of defence."""

    def test_is_a_500_that_says_nothing_of_our_inside(self, logged: list[Any]) -> None:
        """The caller gets a correlation id; the log gets the error under it."""
        answer = get("/v1/failing")

        document = assert_problem(answer, 500, "internal_error")
        assert SECRET not in answer.text
        failure = next(line for line in logged if line["event"] == "request_failed")
        assert SECRET in str(failure["exc_info"])
        assert UUID(document["correlation_id"]).version == 4

    def test_is_counted_and_logged_like_any_answer(self, logged: list[Any]) -> None:
        """Status 500 by route."""
        registry = CollectorRegistry()

        get("/v1/failing", application(registry=registry))

        labels = {"method": "GET", "route": "/v1/failing", "status": "500"}
        assert registry.get_sample_value("pms_http_requests_total", labels) == 1
        assert logged[-1]["event"] == "request"
        assert logged[-1]["status"] == 500


class TestEveryAnswer:
    """Whatever it is."""

    @pytest.mark.parametrize("path", ["/v1/trace", "/v1/failing", "/nowhere", "/health/live"])
    def test_carries_the_security_headers(self, path: str) -> None:
        """Nothing sniffs, frames, caches or refers."""
        answer = get(path)

        for name, value in SECURITY_HEADERS:
            assert answer.headers[name.decode()] == value.decode()

    def test_carries_the_correlation_id_that_was_sent(self) -> None:
        """One id through all systems."""
        name = str(uuid4())

        assert get("/v1/trace", X_Correlation_Id=name).headers["x-correlation-id"] == name

    def test_carries_a_new_correlation_id_otherwise(self) -> None:
        """Each request its own."""
        first, second = (get("/health/live").headers["x-correlation-id"] for _ in range(2))

        assert UUID(first) != UUID(second)

    def test_refuses_a_correlation_id_of_another_form(self) -> None:
        """It would not fit into the envelope of an event."""
        answer = get("/v1/trace", X_Correlation_Id="order-7")

        assert_problem(answer, 400, "correlation_id_malformed")


class TestTracing:
    """W3C trace context, taken from the request."""

    def test_goes_on_with_the_callers_trace(self) -> None:
        """The trace id is the caller's, so an event can be traced to what caused it."""
        context = get("/v1/trace", traceparent=TRACEPARENT).json()["trace_context"]

        assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", context)

    @pytest.mark.parametrize(
        "wrong", ["", "nonsense", f"00-{'0' * 32}-b7ad6b7169203331-01", f"ff-{TRACE}-x-01"]
    )
    def test_ignores_a_malformed_one(self, wrong: str) -> None:
        """As the standard says: the request is served as if it had none."""
        answer = get("/v1/trace", traceparent=wrong)

        assert answer.status_code == 200
        assert answer.json()["trace_context"] != wrong

    def test_names_our_own_span_where_spans_are_recorded(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With the OpenTelemetry SDK the context names the request's span, not the caller's."""
        provider = TracerProvider()
        monkeypatch.setattr("gateway.boundary.trace.get_tracer", provider.get_tracer)

        context = get("/v1/trace", traceparent=TRACEPARENT).json()["trace_context"]

        assert context.startswith(f"00-{TRACE}-")
        assert context != TRACEPARENT


class TestTheLog:
    """One line per request."""

    def test_names_who_asked_what_and_how_it_ended(self, logged: list[Any]) -> None:
        """Route, status, duration, tenant and actor."""
        get("/v1/trace")

        (line,) = logged
        assert line["route"] == "/v1/trace"
        assert line["status"] == 200
        assert line["tenant"] == "acme"
        assert line["actor"] == "tester"
        assert line["milliseconds"] > 0

    def test_holds_no_token(self, logged: list[Any]) -> None:
        """Not even where the request fails."""
        bearer = token("acme", "viewer")

        get("/v1/failing", Authorization=f"Bearer {bearer}")
        get("/v1/trace", Authorization=f"Bearer {bearer}x")

        assert logged
        assert bearer not in str(logged)


class TestHealth:
    """Probes need no token."""

    def test_is_live_and_ready(self) -> None:
        """200 with what was judged."""
        assert get("/health/live").json() == {"status": "live", "checks": {}}
        assert get("/health/ready").json()["status"] == "ready"

    def test_is_not_ready_with_reasons(self) -> None:
        """503 names what is missing."""
        answer = get("/health/ready", application(readiness=_not_ready))

        document = assert_problem(answer, 503, "not_ready")
        assert document["checks"] == {"log": "unreachable"}

    def test_tells_its_metrics(self) -> None:
        """Routes are templates, so there are few labels; unknown ones are lumped together."""
        app = application()
        for path in ("/v1/trace", "/nowhere/1", "/nowhere/2"):
            get(path, app)

        text = get("/metrics", app).text

        assert 'route="/v1/trace",status="200"} 1.0' in text
        assert 'route="unmatched",status="404"} 2.0' in text
        assert "nowhere" not in text
        assert "pms_http_request_seconds_bucket" in text
