"""The process that keeps Avro schemas for whoever reads the topics: a schema registry of ours."""

from __future__ import annotations

import threading

from prometheus_client import REGISTRY

from infra.http_server import serve_http
from infra.schema_registry.application import create_registry_app
from infra.schema_registry.registry import Registry
from infra.schema_registry.store import Store
from infra.settings import Settings


def run(settings: Settings, stop: threading.Event) -> None:
    """Serve the registry until a signal; those under way are answered first."""
    with Store(settings.app_conninfo) as store:
        application = create_registry_app(Registry(store), metrics=REGISTRY)
        if not stop.is_set():
            serve_http(application, host=settings.host, port=settings.registry_port)
