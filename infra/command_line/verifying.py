"""`pms verify` and `pms rebuild`: the read models against the log, and anew from it."""

from __future__ import annotations

from typing import Annotated

import psycopg
import typer
from rich.table import Table
from rich.text import Text

from eventstore.failures import LogFailure
from eventstore.log import Log
from eventstore.partitions import partitions
from infra.build_name import build_name
from infra.clock import now
from infra.command_line.console import console, output, progress_bars, say
from infra.command_line.options import DataOption
from infra.errors import OperatorError
from infra.read_models import READ_MODELS, models_named
from infra.rebuilding import processors, rebuild_shares, shares_of
from infra.running import reachable_database
from infra.settings import load_settings
from projections.building import BuildRunning, found_counts
from projections.figure_checks import FIGURES_MAX
from projections.findings import Report
from projections.rebuilds import EVENTS_PER_SECOND_MIN
from projections.snapshot_checks import SNAPSHOTS_MAX
from projections.verification import verify as verify_everything


def verify(
    data: DataOption = None,
    snapshots: Annotated[
        int, typer.Option("--snapshots", min=0, help="Portfolios' snapshots to check, at most.")
    ] = SNAPSHOTS_MAX,
    figures: Annotated[
        int,
        typer.Option("--figures", min=0, help="Strikings whose figures are made again, at most."),
    ] = FIGURES_MAX,
) -> None:
    """Check the log, its books, snapshots, struck figures, and every read model against a rebuild.

    Works while a PMS runs on the directory, and also while none does. Prints each check with what
    it counted; the status is 1 if one found a difference, and the first difference is named.
    """
    settings = load_settings(data=data)
    with reachable_database(settings, say=say) as database:
        report = verified(database.app_conninfo, snapshots_max=snapshots, figures_max=figures)
    output.print(described(report))
    first = next((check for check in report.checks if not check.ok), None)
    if first is not None:
        console.print(f"{first.name}: {first.difference}", style="red", markup=False)
        raise typer.Exit(1)
    say("verified: everything agrees")


def verified(
    app_conninfo: str, *, snapshots_max: int = SNAPSHOTS_MAX, figures_max: int = FIGURES_MAX
) -> Report:
    """Verify everything, with a bar for each check.

    Raises:
        OperatorError: the log cannot be read, or somebody else verifies or rebuilds.
    """
    try:
        with (
            Log(app_conninfo, clock=now, build=build_name()) as log,
            progress_bars() as watch,
        ):
            return verify_everything(
                log, app_conninfo, READ_MODELS, watch,
                partition_counts=_counts(app_conninfo), snapshots_max=snapshots_max,
                figures_max=figures_max,
            )  # fmt: skip
    except BuildRunning as error:
        raise OperatorError(f"{error}; try again when it has finished") from error
    except (LogFailure, psycopg.OperationalError) as error:
        raise OperatorError(f"The log cannot be read: {error}") from error


def described(report: Report) -> Table:
    """Lay out the checks and their counts."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("check")
    table.add_column("counted", justify="right")
    table.add_column("")
    for check in report.checks:
        well = Text(f"ok ({check.note})" if check.note else "ok", style="green")
        verdict = well if check.ok else Text("DIFFERS", style="bold red")
        table.add_row(check.name, f"{check.counted:,}", verdict)
    return table


def rebuild(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help=f"Which read models: {', '.join(model.name for model in READ_MODELS)} "
            "(default: all).",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    events_per_second: Annotated[
        int | None,
        typer.Option(
            min=EVENTS_PER_SECOND_MIN,
            help="The most each of its processes may fold; by default as many as it can.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Fold read models anew from the first event, beside the live ones, then put them in place.

    The live tables are served the whole time. Interrupted, it leaves them as they are. While it
    runs, `pms rebuilds` shows how far it is, and pauses, resumes or throttles it.
    """
    settings = load_settings(data=data)
    chosen = models_named(models) if models else READ_MODELS
    processes = processors()
    with reachable_database(settings, say=say) as database:
        counts = _counts(database.app_conninfo)
        parts = [partition for count in counts for partition in partitions(count)]
        shares = shares_of(chosen, parts, processes=processes)
        with progress_bars() as watch:
            swapped = rebuild_shares(
                shares, database.app_conninfo, watch,
                processes=processes, events_per_second_max=events_per_second,
            )  # fmt: skip
        for name, position in swapped.items():
            say(f"{name}: {position:,} events folded and swapped in")


def _counts(app_conninfo: str) -> tuple[int, ...]:
    """Find out in how many partitions the read models are kept."""
    with psycopg.connect(app_conninfo) as connection:
        return found_counts(connection, READ_MODELS)
