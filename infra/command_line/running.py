"""`pms up`: everything running until Ctrl-C; and the hidden `pms process`, one of its processes."""

from __future__ import annotations

import shlex
import shutil
import sys
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from infra.command_line.console import console, say
from infra.command_line.options import (
    DataOption,
    KafkaOption,
    ProjectorPortOption,
    ReadPortOption,
    WritePortOption,
    asked_feed,
)
from infra.processes import ProcessName, run_process
from infra.running import RunningSystem, StopRequested, running_system
from infra.settings import default_data_directory, load_settings
from infra.stopping import stop_signals


def up(
    data: DataOption = None,
    write_port: WritePortOption = None,
    read_port: ReadPortOption = None,
    projector_port: ProjectorPortOption = None,
    *,
    kafka: KafkaOption = False,
) -> None:
    """Start everything and keep it running until Ctrl-C.

    Starts PostgreSQL and Valkey (unless PMS_POSTGRES_APP, PMS_POSTGRES_OWNER or PMS_REDIS_URL name
    others), then the processes that take commands, project and answer queries, and prints where
    they are. With --kafka also a Kafka and a schema registry (unless PMS_KAFKA_BOOTSTRAP and
    PMS_SCHEMA_REGISTRY_URL name others), two relays and PMS_PROJECTORS projectors. All data stays
    in the directory: stop and start as often as you like.
    """
    settings = load_settings(
        data=data,
        write_port=write_port,
        read_port=read_port,
        projector_port=projector_port,
        feed=asked_feed(kafka=kafka),
    )
    with stop_signals() as stop:
        try:
            with running_system(settings, say=say, stop=stop) as system:
                welcome(system)
                stop.wait()
        except StopRequested:
            say("stopped before everything was up")
            return
    say("stopped; all data is kept")


def welcome(system: RunningSystem) -> None:
    """Say where everything is, and the first two commands to try, each on one line to copy."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    rows = {
        "queries": f"{system.read_url}/openapi.json",
        "commands": f"{system.write_url}/openapi.json",
        "health": f"{system.read_url}/health/ready",
        "metrics": f"{system.write_url}/metrics",
        **system.kafka_addresses,
        "data": str(system.data.path),
        "logs": str(system.data.logs),
    }
    for name, text in rows.items():
        table.add_row(Text(name, style="bold"), Text(text, overflow="fold"))
    program = "pms" if shutil.which("pms") else sys.argv[0]
    is_default = system.data.path == default_data_directory()
    data = "" if is_default else f" --data {shlex.quote(str(system.data.path))}"
    first_steps = (
        f"TOKEN=$({program} token --tenant acme --subject me --role admin{data})",
        f'curl -H "Authorization: Bearer $TOKEN" {system.read_url}/v1/portfolios',
    )
    console.print("PMS is up. Ctrl-C stops it.", style="bold green")
    console.print(table)
    console.print("Try:", style="bold")
    for step in first_steps:
        console.print(step, markup=False, soft_wrap=True)


def process(
    name: Annotated[ProcessName, typer.Argument(help="write, projector, read, relay or registry")],
) -> None:
    """Run one process of a PMS in the foreground; its settings come as PMS_… variables."""
    run_process(name, load_settings())
