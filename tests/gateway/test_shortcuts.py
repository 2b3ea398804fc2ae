"""The short way of a request: the same answer, headers and measurements as on the long way."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.responses import Response

from gateway.access import Action
from gateway.interface import Call, Endpoint, Health, Interface, json_response
from gateway.openapi import json_answer
from gateway.problem import Problem
from gateway.shortcuts import Application
from tests.gateway.serving import surroundings, token


async def _tell(call: Call) -> Response:
    return json_response({"told": True})


async def _refuse(call: Call) -> Response:
    raise Problem("not_found", "Nothing.", headers={"Retry-After": "1"})


def application(registry: CollectorRegistry) -> Application:
    """Make an application with an address that tells and one that refuses."""
    interface = Interface(surroundings(registry=registry), title="test", description="test")
    told = (json_answer(200, Health, "Told."),)
    for path, handle in (("/v1/told", _tell), ("/v1/refused", _refuse)):
        name = path.rpartition("/")[2]
        interface.add(Endpoint("GET", path, name, name, (Action.READ_CASH,), handle, told))
    return interface.application


def ask(app: FastAPI, method: str, path: str, **headers: str) -> httpx.Response:
    """Ask an application in this process."""

    async def asking() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(asking())


class TestTheShortWay:
    """Whatever it is asked."""

    @pytest.mark.parametrize("path", ["/v1/told", "/v1/refused", "/v1/told?much=1", "/v1/told/"])
    @pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
    @pytest.mark.parametrize("is_known", [True, False])
    def test_answers_as_the_long_way(self, *, path: str, method: str, is_known: bool) -> None:
        """Status, headers and body; and it is counted under its address."""
        sent = {"X-Correlation-Id": "3fa85f64-5717-4562-b3fc-2c963f66afa6"}
        if is_known:
            sent["Authorization"] = f"Bearer {token('acme', 'viewer')}"
        short, long = CollectorRegistry(), CollectorRegistry()
        whole, bare = application(short), application(long)
        bare._short.clear()

        answers = [ask(app, method, path, **sent) for app in (whole, bare)]

        assert whole._short
        assert answers[0].status_code == answers[1].status_code
        assert answers[0].content == answers[1].content
        assert sorted(answers[0].headers.items()) == sorted(answers[1].headers.items())
        assert counted(short) == counted(long)


def counted(registry: CollectorRegistry) -> list[tuple[str, ...]]:
    """The labels under which requests were counted."""
    return [
        tuple(sorted(sample.labels.values()))
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "pms_http_requests_total"
    ]
