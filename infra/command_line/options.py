"""Options that several commands share, said once in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIRECTORY",
        help="Where everything is kept (default: /var/lib/pms for root, ~/.local/share/pms for "
        "others).",
        envvar="PMS_DATA",
        show_default=False,
    ),
]
WritePortOption = Annotated[
    int | None,
    typer.Option(
        "--write-port",
        min=0,
        max=65535,
        help="Port for commands; 0 takes any free one (default: 8321).",
        show_default=False,
    ),
]
ReadPortOption = Annotated[
    int | None,
    typer.Option(
        "--read-port",
        min=0,
        max=65535,
        help="Port for queries; 0 takes any free one (default: 8322).",
        show_default=False,
    ),
]
ProjectorPortOption = Annotated[
    int | None,
    typer.Option(
        "--projector-port",
        min=0,
        max=65535,
        help="Port for the projector's health and metrics; 0 takes any free one (default: 8323).",
        show_default=False,
    ),
]
KafkaOption = Annotated[
    bool,
    typer.Option(
        "--kafka",
        help="Send the log to Kafka too, and project from there with several members. Starts a "
        "Kafka (needs Java 17; fetched once with Maven) unless PMS_KAFKA_BOOTSTRAP names one.",
    ),
]


def asked_feed(*, kafka: bool) -> str | None:
    """Say which feed `--kafka` asks for; without it the settings decide."""
    return "kafka" if kafka else None
