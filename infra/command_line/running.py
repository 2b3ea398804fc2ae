"""`pms up`: everything running until Ctrl-C; and the hidden `pms process`, one of its processes."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from infra.command_line.console import console, say
from infra.command_line.options import (
    DataOption,
    ProjectorPortOption,
    ReadPortOption,
    WritePortOption,
)
from infra.processes import ProcessName, run_process
from infra.running import RunningSystem, StopRequested, running_system
from infra.settings import load_settings
from infra.stopping import stop_signals


def up(
    data: DataOption = None,
    write_port: WritePortOption = None,
    read_port: ReadPortOption = None,
    projector_port: ProjectorPortOption = None,
) -> None:
    """Start everything and keep it running until Ctrl-C.

    Starts PostgreSQL and Valkey (unless PMS_POSTGRES_APP, PMS_POSTGRES_OWNER or PMS_REDIS_URL name
    others), then the processes that take commands, project and answer queries, and prints where
    they are. All data stays in the directory: stop and start as often as you like.
    """
    settings = load_settings(
        data=data, write_port=write_port, read_port=read_port, projector_port=projector_port
    )
    with stop_signals() as stop:
        try:
            with running_system(settings, say=say, stop=stop) as system:
                console.print(welcome(system))
                stop.wait()
        except StopRequested:
            say("stopped before everything was up")
            return
    say("stopped; all data is kept")


def welcome(system: RunningSystem) -> Table:
    """Say where everything is, and the first commands to try."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0), title_justify="left")
    table.title = "PMS is up. Ctrl-C stops it."
    rows = {
        "queries": f"{system.read_url}/openapi.json",
        "commands": f"{system.write_url}/openapi.json",
        "health": f"{system.read_url}/health/ready",
        "metrics": f"{system.write_url}/metrics",
        "data": str(system.data.path),
        "logs": str(system.data.logs),
        "try": f"TOKEN=$(pms token --tenant acme --subject me --role admin --data "
        f"{system.data.path})",
        "": f'curl -H "Authorization: Bearer $TOKEN" {system.read_url}/v1/portfolios',
    }
    for name, text in rows.items():
        table.add_row(Text(name, style="bold"), Text(text, overflow="fold"))
    return table


def process(
    name: Annotated[ProcessName, typer.Argument(help="write, projector or read")],
) -> None:
    """Run one process of a PMS in the foreground; its settings come as PMS_… variables."""
    run_process(name, load_settings())
