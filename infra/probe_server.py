"""Health and metrics over HTTP for a process that serves nothing else (the projector)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest


@dataclass(frozen=True)
class Readiness:
    """Whether a process can do its work now, and what that was judged by."""

    is_ready: bool
    checks: Mapping[str, object]


@contextmanager
def probe_server(
    *,
    host: str,
    port: int,
    readiness: Callable[[], Readiness],
    registry: CollectorRegistry = REGISTRY,
) -> Iterator[int]:
    """Answer `/health/live`, `/health/ready` and `/metrics` meanwhile; gives the port.

    Ready answers 200, not ready 503, in the shape the HTTP interfaces answer.
    """
    server = ThreadingHTTPServer((host, port), _handler(readiness, registry))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="probe-server", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(
    readiness: Callable[[], Readiness], registry: CollectorRegistry
) -> type[BaseHTTPRequestHandler]:
    class ProbeHandler(BaseHTTPRequestHandler):
        """Answers GET only; says nothing in the log, for probes come every second."""

        def do_GET(self) -> None:
            """Answer one probe."""
            match self.path.partition("?")[0]:
                case "/health/live":
                    self._answer(200, "application/json", b'{"status":"live"}')
                case "/health/ready":
                    found = readiness()
                    status = "ready" if found.is_ready else "not_ready"
                    body = json.dumps(
                        {"status": status, "checks": found.checks}, default=str
                    ).encode()
                    self._answer(200 if found.is_ready else 503, "application/json", body)
                case "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                case _:
                    self._answer(404, "text/plain; charset=utf-8", b"not found\n")

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return ProbeHandler
