"""The process that keeps the read models current."""

from __future__ import annotations

import threading

from eventstore.log import Log
from infra.build_name import build_name
from infra.clock import now
from infra.probe_server import Readiness, probe_server
from infra.read_models import READ_MODELS
from infra.settings import Settings
from projections.projector import Projector


def run(settings: Settings, stop: threading.Event) -> None:
    """Fold the log into every read model until `stop` is set."""
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    with Log(settings.app_conninfo, clock=now, build=settings.build or build_name()) as log:
        projector = Projector(
            log, settings.app_conninfo, READ_MODELS, redis_url=redis_url, clock=now
        )

        def readiness() -> Readiness:
            health = projector.health()
            return Readiness(bool(health["ready"]), health)

        with probe_server(host=settings.host, port=settings.projector_port, readiness=readiness):
            projector.run(stop)
