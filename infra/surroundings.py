"""What both HTTP interfaces are handed: the token check, clock, ids, metrics and readiness."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import version
from uuid import uuid4

from prometheus_client import REGISTRY

from gateway.interface import Readiness, Surroundings
from gateway.tokens import TokenVerifier
from infra.clock import now
from infra.data_directory import DataDirectory
from infra.keys import public_key
from infra.settings import Settings


def http_surroundings(
    settings: Settings, *, readiness: Callable[[], Awaitable[Readiness]]
) -> Surroundings:
    """Open the real world to an interface; `readiness` is asked by every probe."""
    return Surroundings(
        verify_token=TokenVerifier(public_key(DataDirectory(settings.data)), clock=now),
        clock=now,
        new_id=uuid4,
        readiness=readiness,
        registry=REGISTRY,
        version=version("pms"),
    )
