"""`pms rebuilds`: how far rebuilds are, and holding them up while they run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import psycopg
import typer
from rich.table import Table

from infra.command_line.console import output, say
from infra.command_line.options import DataOption
from infra.errors import OperatorError
from infra.running import reachable_database
from infra.settings import load_settings
from projections.building import Connection
from projections.rebuilds import EVENTS_PER_SECOND_MIN, NoRebuild, Rebuilt, pause, throttle
from projections.rebuilds import rebuilds as list_rebuilds

app = typer.Typer(
    help="Show the last rebuild of each read model; pause, resume and throttle one that runs.",
    invoke_without_command=True,
)
ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="As `pms rebuilds` names it.")]


@app.callback()
def show(context: typer.Context, data: DataOption = None) -> None:
    """Show the last rebuild of each read model."""
    if context.invoked_subcommand is None:
        with _operating(data) as connection:
            output.print(described(list_rebuilds(connection)))


@app.command(name="pause")
def pause_one(model: ModelArgument, data: DataOption = None) -> None:
    """Have a rebuild stand still behind the batch it folds; it keeps what it has folded."""
    with _operating(data) as connection:
        pause(connection, model, is_paused=True)
    say(f"{model}: pauses; go on with `pms rebuilds resume {model}`")


@app.command(name="resume")
def resume_one(model: ModelArgument, data: DataOption = None) -> None:
    """Let a paused rebuild go on."""
    with _operating(data) as connection:
        pause(connection, model, is_paused=False)
    say(f"{model}: goes on")


@app.command(name="throttle")
def throttle_one(
    model: ModelArgument,
    events_per_second: Annotated[
        int,
        typer.Argument(min=0, help="The most it may fold; 0: as fast as it can."),
    ],
    data: DataOption = None,
) -> None:
    """Have a running rebuild leave the machine to others."""
    if 0 < events_per_second < EVENTS_PER_SECOND_MIN:
        raise OperatorError(f"At least {EVENTS_PER_SECOND_MIN} events a second; or pause it.")
    with _operating(data) as connection:
        throttle(connection, model, events_per_second_max=events_per_second or None)
    pace = f"at most {events_per_second:,} events a second" if events_per_second else "all it can"
    say(f"{model}: folds {pace}")


def described(found: list[Rebuilt]) -> Table:
    """Lay out rebuilds and how far they are."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("read model", "state", "folded", "of", "events/s", "at most"):
        table.add_column(column, justify="left" if column in {"read model", "state"} else "right")
    for each in found:
        most = "" if each.events_per_second_max is None else f"{each.events_per_second_max:,}"
        numbers = (f"{each.position:,}", f"{each.target:,}", f"{each.events_per_second:,.0f}")
        table.add_row(each.name, each.state.value, *numbers, most)
    return table


@contextmanager
def _operating(data: DataOption) -> Iterator[Connection]:
    settings = load_settings(data=data)
    with (
        reachable_database(settings, say=say) as database,
        psycopg.connect(database.app_conninfo, autocommit=True) as connection,
    ):
        try:
            yield connection
        except NoRebuild as error:
            raise OperatorError(f"{error} `pms rebuilds` shows those there were.") from error
