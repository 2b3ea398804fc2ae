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

from infra.command_line.console import print_result, progress_bar, progress_bars, say
from infra.data_directory import DataDirectory
from infra.database import Database
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
def book(
    loaded_trades: Annotated[
        int, typer.Option("--loaded-trades", min=2_000, help="Trades of the portfolio loaded.")
    ] = 1_000_000,
    loading_only: Annotated[  # noqa: FBT002 - typer makes it an option
        bool, typer.Option("--loading-only", help="Measure nothing but loading.")
    ] = False,
) -> None:
    """Trades folded a second by cost basis and open lots, a late one, and loading a portfolio."""
    result: dict[str, object] = {}
    if not loading_only:
        benchmark: Any = importlib.import_module("benchmarks.book")
        with progress_bar("folding") as progress:
            result |= benchmark.run(progress=progress)
    loading: Any = importlib.import_module("benchmarks.loading")
    with throwaway_database(say=say) as server, progress_bar("loading") as progress:
        result["loading"] = loading.run(
            server.database.owner_conninfo, server.database.app_conninfo,
            trades_of_history=loaded_trades, progress=progress,
        )  # fmt: skip
    if not loading_only:
        lateness: Any = importlib.import_module("benchmarks.lateness")
        with throwaway_database(say=say) as server, progress_bar("telling late") as progress:
            result["lateness"] = lateness.run(
                server.database.owner_conninfo, server.database.app_conninfo, progress=progress
            )
    print_result(result)


@bench.command()
def limits() -> None:
    """What a hard limit costs each trade, and standing limits each batch of marks."""
    benchmark: Any = importlib.import_module("benchmarks.limits")
    with throwaway_database(say=say) as server, progress_bar("trading") as progress:
        result: dict[str, object] = benchmark.run(
            server.database.owner_conninfo, server.database.app_conninfo, progress=progress
        )
    print_result(result)


@bench.command()
def risk(
    prices: Annotated[
        Path | None,
        typer.Option("--prices", exists=True, help="The five-year file; drawn closes without it."),
    ] = None,
    portfolios: Annotated[
        int, typer.Option("--portfolios", min=20, help="How many are measured.")
    ] = 1_000,
    positions: Annotated[
        int, typer.Option("--positions", min=2, max=470, help="Positions of each.")
    ] = 50,
    trades: Annotated[
        int,
        typer.Option("--trades", min=20, help="Trades that one portfolio's risk is asked after."),
    ] = 200,
) -> None:
    """All risk figures of many portfolios, and one portfolio's after each trade."""
    benchmark: Any = importlib.import_module("benchmarks.risk")
    with throwaway_database(say=say) as server, progress_bar("measuring") as progress:
        result: dict[str, object] = benchmark.run(
            server.database.app_conninfo, prices=prices, portfolios=portfolios,
            positions=positions, trades=trades, progress=progress,
        )  # fmt: skip
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
    conclude(result)


@bench.command()
def capture(
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.2, max=60, help="How long each phase lasts.")
    ] = 6.0,
    portfolios: Annotated[
        int, typer.Option("--portfolios", min=128, help="Portfolios, of 50 instruments each.")
    ] = 1_000,
    senders: Annotated[
        int, typer.Option("--senders", min=1, max=16, help="How many send batches at once.")
    ] = 4,
    batch_trades: Annotated[
        int, typer.Option("--batch-trades", min=1, max=5_000, help="Trades in each batch.")
    ] = 2_000,
    large_batch_trades: Annotated[
        int,
        typer.Option("--large-batch-trades", min=1, max=5_000, help="In those beside singles."),
    ] = 5_000,
    decisions: Annotated[
        int, typer.Option("--decisions", min=100, help="Trades that are decided alone.")
    ] = 20_000,
) -> None:
    """Trades captured over HTTP by a real write process: in batches, alone, and both at once.

    Every trade is proposed, so every rule applies; beside it, raw COPY of the same event rows.
    """
    benchmark: Any = importlib.import_module("benchmarks.capture.running")
    sizes = benchmark.Sizes(
        portfolios=portfolios, seconds=seconds, senders=senders, batch_trades=batch_trades,
        large_batch_trades=large_batch_trades, decisions=decisions,
    )  # fmt: skip
    with stop_signals() as stop:
        try:
            result: dict[str, object] = benchmark.run(sizes=sizes, say=say, stop=stop)
        except StopRequested:
            say("stopped before everything was measured")
            raise typer.Exit(EXIT_WRONG) from None
    conclude(result)


@bench.command()
def rebuild(
    portfolios: Annotated[
        int, typer.Option("--portfolios", min=10, help="Portfolios, of 50 instruments each.")
    ] = 1_000,
    trades: Annotated[
        int, typer.Option("--trades", min=1, max=20, help="Trades in each of their instruments.")
    ] = 2,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, max=20, help="Turns of each way; the best counts.")
    ] = 3,
) -> None:
    """Events folded a second into all read models from zero, against decoding them alone.

    Ends with status 1 if what was rebuilt does not verify.
    """
    benchmark: Any = importlib.import_module("benchmarks.rebuild")
    size = benchmark.Size(portfolios=portfolios, trades=trades)
    with throwaway_database(say=say) as server, progress_bar("rebuilding") as progress:
        result: dict[str, Any] = benchmark.run(
            server.database.owner_conninfo, server.database.app_conninfo,
            server=server.process_id, size=size, rounds=rounds, progress=progress,
        )  # fmt: skip
    conclude(result)


@bench.command()
def query(
    portfolios: Annotated[
        int, typer.Option("--portfolios", min=200, help="Portfolios that are asked about.")
    ] = 1_000,
    positions: Annotated[
        int, typer.Option("--positions", min=1, max=400, help="Positions of each.")
    ] = 50,
    sessions: Annotated[
        int, typer.Option("--sessions", min=10, max=1_259, help="Sessions of closes.")
    ] = 1_259,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, help="How long each phase lasts at most.")
    ] = 60.0,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, help="How often each query is asked in a phase.")
    ] = 60,
    prices: Annotated[
        Path | None,
        typer.Option("--prices", help="Closes (date, close, symbol; csv.gz); else they are drawn."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", help="Keep the state here, and use it again; else it is removed."),
    ] = None,
) -> None:
    """How long each query takes on a large state: alone, under writes, and during a rebuild.

    Every query of the application's own document is asked. Ends with status 1 if one failed.
    """
    benchmark: Any = importlib.import_module("benchmarks.queries.running")
    size = benchmark.Size(portfolios=portfolios, positions=positions, sessions=sessions)
    wish = benchmark.Wish(size, seconds, rounds, prices, state)
    with stop_signals() as stop, progress_bars() as watch:
        try:
            result: dict[str, Any] = benchmark.run(wish=wish, say=say, watch=watch, stop=stop)
        except StopRequested:
            say("stopped before everything was measured")
            raise typer.Exit(EXIT_WRONG) from None
    conclude(result)


@bench.command()
def overload(
    seconds: Annotated[
        float, typer.Option("--seconds", min=2, help="How long three times capacity is sent.")
    ] = 60.0,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="batches, singles; both unless named.")
    ] = None,
) -> None:
    """A write process at 0.8 of its capacity and at three times that: what it takes and refuses.

    Ends with status 1 if an acceptance is not in the log once, or a refusal is.
    """
    benchmark: Any = importlib.import_module("benchmarks.flood.overload")
    lengths = benchmark.Lengths(min(seconds, 10.0), min(seconds, 20.0), seconds)
    with stop_signals(), flooded() as (data, database):
        result: dict[str, Any] = benchmark.run(
            data, database, lengths=lengths, kinds=kind or ("batches", "singles"), say=say
        )
    conclude(result)


@bench.command()
def writers(
    seconds: Annotated[
        float, typer.Option("--seconds", min=2, help="How long each arrangement is measured.")
    ] = 10.0,
) -> None:
    """One write process and two on one log, 32 clients, 10 portfolios: what contention costs.

    Ends with status 1 if an acceptance is not in the log once.
    """
    benchmark: Any = importlib.import_module("benchmarks.flood.writers")
    with stop_signals(), flooded() as (data, database):
        result: dict[str, Any] = benchmark.run(data, database, seconds=seconds, say=say)
    conclude(result)


@contextmanager
def flooded() -> Iterator[tuple[DataDirectory, Database]]:
    """Run a PostgreSQL of its own, with a directory for the processes beside it."""
    directory = Path(tempfile.mkdtemp(prefix="pms-bench-"))
    try:
        with throwaway_database(say=say) as server:
            yield DataDirectory(directory), server.database
    finally:
        shutil.rmtree(directory, ignore_errors=True)


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


def conclude(result: dict[str, Any]) -> None:
    """Print what was measured; end with status 1 where what it checked was not so."""
    print_result(result)
    if not result["check"]["ok"]:
        raise typer.Exit(EXIT_WRONG)
