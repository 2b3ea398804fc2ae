"""The command line `pms`. Each family of commands has its file in `infra/command_line`."""

from __future__ import annotations

import sys

import typer

from infra.command_line import (
    benchmarks,
    demonstration,
    deriving,
    hammering,
    importing,
    live_benchmark,
    proving,
    ranking,
    rebuilds,
    running,
    tokens,
    verifying,
)
from infra.command_line.console import console
from infra.errors import OperatorError
from infra.stopping import ending_in_order

app = typer.Typer(
    name="pms",
    help="Event-sourced portfolio management: every figure is a fold of one immutable log.",
    epilog="A first walk: `pms demo` shows a living market; `pms up` starts an empty system.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(running.up)
app.command()(demonstration.demo)
app.add_typer(importing.imports, name="import")
app.command()(tokens.token)
app.command()(verifying.verify)
app.command()(verifying.rebuild)
app.add_typer(rebuilds.app, name="rebuilds")
app.command()(proving.ranks)
app.command()(proving.prove)
app.command()(hammering.hammer)
app.command()(deriving.schemas)
benchmarks.bench.command()(live_benchmark.live)
benchmarks.bench.command()(ranking.leaderboard)
app.add_typer(benchmarks.bench, name="bench")
app.command(hidden=True)(running.process)


def main() -> None:
    """Run the command line; what an operator can mend ends in one sentence and status 1."""
    try:
        with ending_in_order():
            app()
    except OperatorError as error:
        console.print(f"pms: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
