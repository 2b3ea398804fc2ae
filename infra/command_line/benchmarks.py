"""`pms bench …`: measured speed, against a rival in the same run on a PostgreSQL of its own."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.command_line.console import print_result, progress_bar, say
from infra.data_directory import DataDirectory
from infra.embedded_kafka import EmbeddedKafka
from infra.running import StopRequested, throwaway_database
from infra.settings import Feed, load_settings
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
def book() -> None:
    """Trades folded a second by cost basis and open lots, and what a late one costs."""
    benchmark: Any = importlib.import_module("benchmarks.book")
    with progress_bar("folding") as progress:
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


@bench.command()
def relay(
    trades: Annotated[
        int, typer.Option("--trades", min=1_000, help="Trades in the history, two events each.")
    ] = 50_000,
    rounds: Annotated[
        int, typer.Option("--rounds", min=2, help="Turns of each side, one after the other.")
    ] = 4,
) -> None:
    """From the log to Kafka's acknowledgement, against the same records produced bare."""
    benchmark: Any = importlib.import_module("benchmarks.relay")
    with throwaway_database(say=say) as server, throwaway_kafka(say=say) as broker:
        database = server.database
        with progress_bar("relaying") as progress:
            result: dict[str, object] = benchmark.run(
                database.owner_conninfo, database.app_conninfo, broker.bootstrap,
                broker=broker.process_id, trades=trades, rounds=rounds, progress=progress,
            )  # fmt: skip
    print_result(result)


@contextmanager
def throwaway_kafka(*, say: Callable[[str], None]) -> Iterator[EmbeddedKafka]:
    """Run a broker of its own, in a directory removed at the end."""
    directory = Path(tempfile.mkdtemp(prefix="pms-bench-"))
    directory.chmod(0o711)
    try:
        say("starting a Kafka of its own")
        with EmbeddedKafka(DataDirectory(directory), cache=load_settings().cache, say=say) as kafka:
            yield kafka
    finally:
        shutil.rmtree(directory, ignore_errors=True)


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
