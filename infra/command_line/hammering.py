"""`pms hammer`: a whole system under load and faults drawn from a seed, then held to its word."""

from __future__ import annotations

import shutil
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from infra.child_processes import service_account
from infra.command_line.console import print_result, say
from infra.errors import OperatorError
from infra.hammering.running import Torture
from infra.hammering.running import hammer as run_hammer
from infra.kafka_programs import java_program, kafka_jars
from infra.running import StopRequested
from infra.settings import load_settings
from infra.stopping import stop_signals

EXIT_WRONG = 1


class FeedChoice(StrEnum):
    """What the projectors can be fed from."""

    LOG = "log"
    KAFKA = "kafka"


def hammer(
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.05, help="How long the load and the faults last.")
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="Another seed is another torment.")] = 1,
    feed: Annotated[
        FeedChoice | None,
        typer.Option(
            "--feed",
            help="What feeds the projectors (default: kafka where Java 17 and Maven are there).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Hurt a whole system under load, then check that it kept every promise.

    On a throwaway directory: processes and servers are killed, frozen and kept from coming back,
    lines between them are cut, held and slowed, all drawn from the seed. Then everything is lifted
    and checked against what was answered. Prints one JSON object as the last line; the status is 1
    if a check fails, and then the directory is kept. Ctrl-C ends the load early and checks so far.
    """
    torture = Torture(seed=seed, seconds=minutes * 60, feed=(feed or _possible_feed()).value)
    directory = _reachable_directory()
    with stop_signals() as stop:
        try:
            report = run_hammer(
                torture, directory, say=lambda sentence: say(escape(sentence)), stop=stop
            )
        except StopRequested:
            shutil.rmtree(directory, ignore_errors=True)
            say("stopped before everything was up")
            raise typer.Exit(EXIT_WRONG) from None
        except OperatorError:
            say(f"everything is kept in {directory}")
            raise
    has_passed = bool(report["passed"])
    if has_passed:
        shutil.rmtree(directory, ignore_errors=True)
    else:
        report["directory"] = str(directory)
        say(f"everything is kept in {directory}")
    print_result(report)
    if not has_passed:
        raise typer.Exit(EXIT_WRONG)


def _possible_feed() -> FeedChoice:
    """Choose Kafka where it can be started, and say so where it cannot."""
    try:
        java_program()
        kafka_jars(load_settings().cache, say=say)
    except OperatorError as error:
        say(f"without Kafka, on the log feed: {error}")
        return FeedChoice.LOG
    return FeedChoice.KAFKA


def _reachable_directory() -> Path:
    """Make a directory that the servers' account can reach."""
    made = Path(tempfile.mkdtemp(prefix="pms-hammer-"))
    made.chmod(0o711 if service_account() else 0o700)
    return made
