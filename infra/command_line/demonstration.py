"""`pms demo`: everything running, fed by a seeded market and trading bots."""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from gateway.access import Role
from infra.child_processes import service_account
from infra.command_line.console import console, print_result, say
from infra.command_line.options import (
    KafkaOption,
    ProjectorPortOption,
    ReadPortOption,
    WritePortOption,
    asked_feed,
)
from infra.command_line.verifying import verified
from infra.demonstration.connections import DemoConnections
from infra.demonstration.running import Demo, DemoSize, prepared_demo, watch
from infra.demonstration.screen import plain_line, screen
from infra.running import RunningSystem, StopRequested, running_system
from infra.settings import Settings, load_settings
from infra.stopping import stop_signals
from simulation.demo_portfolios import PORTFOLIOS_MIN, TENANTS

PORT_FIELDS = ("write_port", "read_port", "projector_port")
PLAIN_SECONDS = 5.0
LIVE_SECONDS = 1.0
EXIT_WRONG = 1
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)?\Z")
_UNIT_SECONDS = {None: 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0}


def duration(text: str) -> float:
    """Read a duration such as 20s, 2m or 90 (seconds)."""
    found = _DURATION.match(text)
    if found is None or not float(found[1]):
        raise typer.BadParameter("give a duration such as 20s, 2m or 90")
    return float(found[1]) * _UNIT_SECONDS[found[2]]


ForOption = Annotated[
    float | None,
    typer.Option(
        "--for",
        parser=duration,
        metavar="DURATION",
        help="End by itself after so long (20s, 2m), verify everything and print one JSON "
        "object as the last line. Without it: a live view until Ctrl-C.",
        show_default=False,
    ),
]
KeptDataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIRECTORY",
        help="Keep everything in this directory (default: a fresh one, removed at the end).",
        show_default=False,
    ),
]
SeedOption = Annotated[
    int, typer.Option("--seed", help="Another seed is another market and other bots.")
]
PortfoliosOption = Annotated[
    int, typer.Option("--portfolios", min=PORTFOLIOS_MIN, max=1_000, help="How many portfolios.")
]
TradesOption = Annotated[
    float,
    typer.Option("--trades-per-second", min=1, help="About how many trades the bots propose."),
]


def demo(
    *,
    for_seconds: ForOption = None,
    data: KeptDataOption = None,
    seed: SeedOption = 1,
    portfolios: PortfoliosOption = 8,
    trades_per_second: TradesOption = 100.0,
    write_port: WritePortOption = None,
    read_port: ReadPortOption = None,
    projector_port: ProjectorPortOption = None,
    kafka: KafkaOption = False,
) -> None:
    """Start everything and feed it with a demo market and trading bots.

    The bots trade through the public HTTP API like any trading system. They respect their cash and
    holdings, so nothing is refused by accident; now and then one proposes on purpose what must be
    refused. The JSON of `--for` counts both apart; the status is 1 if anything ended otherwise than
    it was meant to or the verification finds a difference. `lag_…_ms` is the time from a trade's
    recorded_at to the moment every read model has announced its position or a later one.
    """
    with stop_signals() as stop, _directory(data) as directory:
        settings = load_settings(
            data=directory,
            write_port=write_port,
            read_port=read_port,
            projector_port=projector_port,
            feed=asked_feed(kafka=kafka),
        )
        settings = _with_free_ports(settings, any_port=for_seconds is not None)
        size = DemoSize(seed, portfolios, trades_per_second)
        try:
            with running_system(settings, say=say, stop=stop) as system:
                summary = _run(system, size, stop, for_seconds)
        except StopRequested:
            summary = None
    if summary is None:
        say("stopped" + ("" if data is None else f"; all data is kept in {data}"))
        if for_seconds is not None:
            raise typer.Exit(EXIT_WRONG)
        return
    is_as_meant = bool(summary.pop("as_meant"))
    print_result(summary)
    if not (summary["verified"] and is_as_meant):
        raise typer.Exit(EXIT_WRONG)


def _run(
    system: RunningSystem, size: DemoSize, stop: threading.Event, for_seconds: float | None
) -> dict[str, object] | None:
    """Feed a running system; the summary, or None where the operator ended it."""
    with prepared_demo(system, size, say=say) as prepared:
        with prepared as demo:
            seconds = _show(demo, system, stop, for_seconds)
        if for_seconds is None or stop.is_set():
            return None
        say("waiting for the read models, then verifying")
        demo.wait_until_level()
        summary = demo.summary(seconds=seconds)
        report = verified(system.database.app_conninfo)
        if report.difference is not None:
            say(f"verification: {report.difference}")
        return summary | {"verified": report.ok, "as_meant": demo.is_as_meant}


def _show(
    demo: Demo, system: RunningSystem, stop: threading.Event, for_seconds: float | None
) -> float:
    """Show how it goes: a live view in a terminal, else a line now and then."""
    addresses = _addresses(system)
    is_live = console.is_terminal and for_seconds is None
    _say_first_steps(system)
    with Live(console=console, auto_refresh=False) if is_live else nullcontext() as live:

        def show() -> None:
            moment = demo.moment(with_portfolios=is_live)
            if live is not None:
                live.update(screen(moment, addresses), refresh=True)
            else:
                say(plain_line(moment))

        every = LIVE_SECONDS if is_live else PLAIN_SECONDS
        return watch(demo, stop, seconds=for_seconds, every_seconds=every, show=show)


def _addresses(system: RunningSystem) -> dict[str, str]:
    return {
        "queries": f"{system.read_url}/openapi.json",
        "commands": f"{system.write_url}/openapi.json",
        "metrics": f"{system.settings.projector_url}/metrics",
        **system.kafka_addresses,
        "data": str(system.data.path),
    }


def _say_first_steps(system: RunningSystem) -> None:
    """Print a query that can be pasted, with a token that may only look."""
    with DemoConnections(system) as connections:
        token = connections.token(TENANTS[0], "visitor", Role.VIEWER)
    console.print("A first query to paste (the token may look at everything of one tenant):")
    console.print(
        f'curl -H "Authorization: Bearer {token}" {system.read_url}/v1/portfolios',
        markup=False,
        soft_wrap=True,
    )


def _with_free_ports(settings: Settings, *, any_port: bool) -> Settings:
    """Take any free port where none was asked for and the usual one is taken, or `any_port`."""
    changed = {
        name: 0
        for name in PORT_FIELDS
        if name not in settings.model_fields_set
        and (any_port or not _is_free(settings.host, getattr(settings, name)))
    }
    return settings.model_copy(update=changed)


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


@contextmanager
def _directory(data: Path | None) -> Iterator[Path]:
    """Give the directory asked for, or a fresh one that is removed at the end."""
    if data is not None:
        yield data
        return
    made = Path(tempfile.mkdtemp(prefix="pms-demo-"))
    made.chmod(0o711 if service_account() else 0o700)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
