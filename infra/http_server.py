"""Serving an HTTP interface until it is asked to stop: uvicorn on uvloop and httptools."""

from __future__ import annotations

import uvicorn
from starlette.types import ASGIApp

DRAIN_SECONDS = 10


def serve_http(application: ASGIApp, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, then answer what was asked and return."""
    configuration = uvicorn.Config(
        application,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,  # `configure_telemetry` has set up the logs
        access_log=False,  # the boundary of `gateway` counts and logs requests
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    uvicorn.Server(configuration).run()
