"""The processes of a PMS, by name; each is composed in a file of its own, `infra/process_*.py`.

A composition has `run(settings, stop)`: it opens what it needs, serves until `stop` is set (or
until uvicorn has heard the signal itself), closes what it opened, and returns.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from enum import StrEnum
from time import monotonic

import structlog

from infra.settings import Settings
from infra.stopping import stop_signals
from infra.telemetry import configure_telemetry

Composition = Callable[[Settings, threading.Event], None]


class ProcessName(StrEnum):
    """What a process of ours is called."""

    WRITE = "write"
    PROJECTOR = "projector"
    READ = "read"
    RELAY = "relay"
    REGISTRY = "registry"
    DELIVERY = "delivery"


def composition(name: ProcessName) -> Composition:
    """Load a process's composition; only its own, so that no process imports another's packages."""
    run: Composition = importlib.import_module(f"infra.process_{name}").run
    return run


def run_process(name: ProcessName, settings: Settings) -> None:
    """Run one process in the foreground until it is asked to stop."""
    configure_telemetry(name, level=settings.log_level)
    logger = structlog.get_logger("pms")
    started = monotonic()
    logger.info("starting", build=settings.build)
    with stop_signals() as stop:
        composition(name)(settings, stop)
    logger.info("stopped", seconds=round(monotonic() - started, 1))
