"""`pms bench live`: in a file of its own, beside the other benchmarks."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer

from infra.command_line.benchmarks import conclude
from infra.command_line.console import say
from infra.stopping import stop_signals


def live(
    seconds: Annotated[float, typer.Option("--seconds", min=10, help="How long to send.")] = 30.0,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.2, help="The same in minutes.")
    ] = None,
    rate: Annotated[float, typer.Option("--rate", min=1, help="Trades a second.")] = 500.0,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Trades of one request.")] = 5,
    clients: Annotated[
        int, typer.Option("--clients", min=1, help="WebSocket clients, half of them STOMP.")
    ] = 200,
    idle: Annotated[int, typer.Option("--idle", min=0, help="Idle clients beside them.")] = 1_000,
    rules: Annotated[
        int, typer.Option("--alert-rules", min=0, help="Rules that every portfolio breaches once.")
    ] = 4,
) -> None:
    """From the acceptance of a trade to the push on 200 sockets, while others disturb.

    Ends with status 1 if a client was lost, or a trade not pushed, or a position went back.
    """
    benchmark: Any = importlib.import_module("benchmarks.live.running")
    span = seconds if minutes is None else 60 * minutes
    wish = benchmark.Wish(span, rate, batch, clients, idle, rules)
    with stop_signals() as stop:
        result: dict[str, Any] = benchmark.run(wish, say=say, stop=stop)
    conclude(result)
