"""`pms ranks` and `pms prove`: ranks of the log alone, folded anew up to any position."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
import psycopg
import typer

from eventstore.failures import LogFailure
from eventstore.log import Log
from infra.build_name import build_name
from infra.clock import now
from infra.command_line.console import console, output, progress_bar, say
from infra.command_line.options import DataOption
from infra.errors import OperatorError
from infra.running import reachable_database
from infra.settings import load_settings
from projections.asking import ReadModelMissing
from projections.building import BuildFailed, BuildRunning
from projections.leaderboard import proving
from projections.leaderboard.tracks import CALCULATION


def ranks(
    contest: Annotated[str, typer.Argument(help="The contest's name.")],
    tenant: Annotated[str, typer.Option("--tenant", help="Whose it is.")],
    position: Annotated[int, typer.Option("--position", min=1, help="As of which log position.")],
    data: DataOption = None,
) -> None:
    """Rank a contest as of any log position, of the log alone; one JSON object a participant."""
    with _log(data) as (log, conninfo), progress_bar("folding") as progress:
        found = proving.ranks_at(
            log, conninfo, tenant=tenant, contest=contest, position=position, progress=progress
        )
    for each in found:
        output.print(msgspec.json.encode(each).decode(), markup=False, soft_wrap=True)


def prove(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Of one tenant only.")] = None,
    contest: Annotated[str | None, typer.Option("--contest", help="Of one contest only.")] = None,
    data: DataOption = None,
) -> None:
    """Make every struck set of ranks again, of the log alone, and compare; 1 if one differs.

    What another calculation struck may come out otherwise: it is named, and no difference.
    """
    with _log(data) as (log, conninfo), progress_bar("folding") as progress:
        found = list(
            proving.prove(log, conninfo, tenant=tenant, contest=contest, progress=progress)
        )
    differing = [each for each in found if not each.holds]
    for each in differing:
        style = "red" if each.is_comparable else "yellow"
        console.print(described(each), style=style, markup=False)
    if any(each.is_comparable for each in differing):
        raise typer.Exit(1)
    held = len(found) - len(differing)
    say(f"proved: {held} of {len(found)} sets of ranks are what the log says they should be")


def described(proved: proving.Proved) -> str:
    """Say of whom a set differs, or why that cannot be said."""
    which = (
        f"{proved.tenant} {proved.contest} {proved.session} edition {proved.edition}, position "
        f"{proved.position}"
    )
    if proved.is_comparable:
        return f"{which}: {', '.join(proved.differing)}"
    return (
        f"{which}: not comparable: struck by calculation {proved.calculation}, this build "
        f"calculates by {CALCULATION}"
    )


@contextmanager
def _log(data: DataOption) -> Iterator[tuple[Log, str]]:
    settings = load_settings(data=data)
    try:
        with reachable_database(settings, say=say) as database:
            conninfo = database.app_conninfo
            with Log(conninfo, clock=now, build=build_name()) as log:
                yield log, conninfo
    except (BuildRunning, ReadModelMissing) as error:
        raise OperatorError(f"{error}; try again later") from error
    except (BuildFailed, LogFailure, psycopg.OperationalError) as error:
        raise OperatorError(f"The log cannot be folded: {error}") from error
