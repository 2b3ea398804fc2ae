"""How the command line speaks: progress and advice on standard error, results on the output."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

console = Console(stderr=True, highlight=False)
output = Console(highlight=False)


def say(sentence: str) -> None:
    """Tell the operator one thing."""
    console.print(f"[dim]pms[/dim] {sentence}", markup=True, soft_wrap=True)


def print_result(result: Mapping[str, object]) -> None:
    """Print one JSON object as the last line of standard output, for programs to read."""
    print(json.dumps(result, default=str), flush=True)  # noqa: T201 - the command's answer


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar; the function it gives is told how much is done, and of how much."""
    with progress_bars() as watch:

        def show(done: int, total: int) -> None:
            watch(title, done, total)

        yield show


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each title; the function it gives is told title, how much is done, of what."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def show(title: str, done: int, total: int) -> None:
            if title not in tasks:
                tasks[title] = progress.add_task(title, total=None)
            progress.update(tasks[title], completed=done, total=total)

        yield show
