"""`pms bench …`: measured speed, against a rival in the same run on a PostgreSQL of its own."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer

from infra.command_line.console import print_result, progress_bar, say
from infra.running import StopRequested, throwaway_database
from infra.settings import Feed
from infra.stopping import stop_signals

EXIT_WRONG = 1

bench = typer.Typer(
    help="Measure speed. Each prints one JSON object as its last line.", no_args_is_help=True
)


@bench.command()
def append(
    transactions: Annotated[
        int, typer.Option("--transactions", min=4, help="How many transactions to append.")
    ] = 120,
    transaction_events: Annotated[
        int, typer.Option("--transaction-events", min=1, help="Events in each of them.")
    ] = 2_000,
) -> None:
    """Append encoded events to the log, against raw binary COPY of the same rows."""
    measure("append", "appending", transactions=transactions, transaction_events=transaction_events)


@bench.command()
def desk(
    callers: Annotated[
        int, typer.Option("--callers", min=1, max=64, help="How many ask at the same time.")
    ] = 16,
    commands: Annotated[
        int, typer.Option("--commands", min=1, help="Commands of each caller in each turn.")
    ] = 200,
) -> None:
    """Callers with one command each: the desk against the stock event-sourcing library."""
    measure("desk", "deciding", callers=callers, commands=commands)


@bench.command()
def wire() -> None:
    """Microseconds a trade between the log's JSON and Avro, against fastavro."""
    benchmark: Any = importlib.import_module("benchmarks.wire")
    with progress_bar("coding") as progress:
        result: dict[str, object] = benchmark.run(progress=progress)
    print_result(result)


@bench.command()
def pipeline(
    feed: Annotated[
        Feed, typer.Option("--feed", help="What the projectors read: the log, or Kafka.")
    ] = "log",
    seconds: Annotated[
        float, typer.Option("--seconds", min=6, help="How long the rate found must be held.")
    ] = 60.0,
    start: Annotated[
        float | None,
        typer.Option("--start", min=1, help="Trades a second to begin the search with."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=1, help="Run this many trades a second only, without a search."),
    ] = None,
    batch_trades: Annotated[
        int, typer.Option("--batch-trades", min=1, max=5_000, help="Trades in each request.")
    ] = 500,
) -> None:
    """A whole system under load: the highest rate of trades at which no read model's lag grows.

    Trades come through the HTTP batch endpoint, from a process that keeps its schedule whatever the
    answers. Ctrl-C ends the search and prints what it has.
    """
    benchmark: Any = importlib.import_module("benchmarks.pipeline.running")
    with stop_signals() as stop:
        try:
            result: dict[str, object] = benchmark.run(
                feed=feed, seconds=seconds, start=start, rate=rate, batch_trades=batch_trades,
                say=say, stop=stop,
            )  # fmt: skip
        except StopRequested:
            say("stopped before anything was measured")
            raise typer.Exit(EXIT_WRONG) from None
    print_result(result)
    check: Any = result["check"]
    if not check["ok"]:
        raise typer.Exit(EXIT_WRONG)


def measure(module: str, title: str, **parameters: int) -> None:
    """Run one benchmark with a progress bar and print its result."""
    benchmark: Any = importlib.import_module(f"benchmarks.{module}")
    with throwaway_database(say=say) as server:
        database = server.database
        with progress_bar(title) as progress:
            result: dict[str, object] = benchmark.run(
                database.owner_conninfo, database.app_conninfo, progress=progress, **parameters
            )
    print_result(result)
