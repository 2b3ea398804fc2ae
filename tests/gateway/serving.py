"""Real HTTP for tests: an application under uvicorn on a free port, and tokens that it believes."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from gateway.interface import Readiness, Surroundings
from gateway.tokens import TokenVerifier
from infra.tokens import issue_token

STARTING_SECONDS_MAX = 20.0
KEY = Ed25519PrivateKey.generate()
_TENANTS = (f"tenant-{number}" for number in itertools.count(1))


def now() -> datetime:
    """Give the time, as infra's clock does."""
    return datetime.now(UTC)


async def always_ready() -> Readiness:
    """Say that everything is there."""
    return Readiness(is_ready=True, checks={"test": "ready"})


def surroundings(**changes: Any) -> Surroundings:
    """Give what a composition would hand in, with a registry of its own."""
    given = Surroundings(
        verify_token=TokenVerifier(KEY.public_key(), clock=now),
        clock=now,
        new_id=uuid4,
        readiness=always_ready,
        registry=CollectorRegistry(),
    )
    return given._replace(**changes)


def new_tenant() -> str:
    """Name a tenant that no other test has."""
    return next(_TENANTS)


def token(
    tenant: str,
    *roles: str,
    source: str | None = None,
    subject: str = "tester",
    lifetime: timedelta = timedelta(hours=1),
    key: Ed25519PrivateKey = KEY,
) -> str:
    """Issue a token."""
    return issue_token(
        key,
        tenant=tenant,
        subject=subject,
        roles=roles,
        issued_at=now() - timedelta(seconds=1),
        token_id=UUID(int=1),
        source=source,
        lifetime=lifetime,
    )


@contextmanager
def serving(application: ASGIApp) -> Iterator[str]:
    """Serve an application on a free port of this machine; give its address."""
    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=0,
        http="httptools",
        loop="asyncio",
        access_log=False,
        log_level="warning",
        lifespan="on",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + STARTING_SECONDS_MAX
    while not server.started:
        assert thread.is_alive(), "the server ended while it was starting"
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=STARTING_SECONDS_MAX)


@contextmanager
def client_of(address: str, bearer: str | None = None) -> Iterator[httpx.Client]:
    """Open a client that sends a token with everything."""
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    with httpx.Client(base_url=address, headers=headers, timeout=30, trust_env=False) as client:
        yield client


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is the problem expected, in the one form all problems have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["code"] == code, document
    assert document["type"] == f"urn:pms:problem:{code}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["correlation_id"] == answer.headers["x-correlation-id"]
    return document
