"""`pms bench leaderboard`: a contest of many, on a PostgreSQL and a Valkey of its own."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.command_line.console import print_result, progress_bar, say
from infra.data_directory import DataDirectory
from infra.embedded_valkey import EmbeddedValkey
from infra.running import throwaway_database


def leaderboard(
    portfolios: Annotated[
        int, typer.Option("--portfolios", min=200, help="Who takes part.")
    ] = 10_000,
    sessions: Annotated[int, typer.Option("--sessions", min=2, help="Sessions closed.")] = 10,
    changes: Annotated[
        int, typer.Option("--changes", min=2, help="Late trades, one by one; and as many readings.")
    ] = 200,
) -> None:
    """The board after a change, after a session, and reading its first hundred ranks."""
    benchmark: Any = importlib.import_module("benchmarks.leaderboard")
    directory = Path(tempfile.mkdtemp(prefix="pms-bench-"))
    directory.chmod(0o711)
    try:
        with (
            throwaway_database(say=say) as server,
            EmbeddedValkey(DataDirectory(directory), durable=False) as valkey,
            progress_bar("ranking") as progress,
        ):
            result: dict[str, object] = benchmark.run(
                server.database.app_conninfo, valkey.url, portfolios=portfolios,
                sessions=sessions, changes=changes, progress=progress,
            )  # fmt: skip
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print_result(result)
