"""The options of `pms import`, each said once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from domain.instrument import AssetClass
from domain.lots import CostBasis
from infra.importing.executions import BATCH_MAX

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A CSV file with a header, plain or gzip.")
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="FIELD=NAME",
        help="Which column is what, by header or number (#1 is the first); give it several times.",
        show_default=False,
    ),
]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="PMS_WRITE_URL",
        help="Where commands are sent (default: the PMS running on the data directory).",
        show_default=False,
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="PMS_TOKEN",
        help="Who is importing. Without one, a token is issued with the key of the data directory.",
        show_default=False,
    ),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option("--token-file", help="A file that holds the token.", show_default=False),
]
MarketTokenOption = Annotated[
    str | None,
    typer.Option(
        "--market-token",
        envvar="PMS_MARKET_TOKEN",
        help="A token of the tenant `market`, to register instruments.",
        show_default=False,
    ),
]
TenantOption = Annotated[
    str | None,
    typer.Option(
        "--tenant", help="Whose trades they are, for a token issued here.", show_default=False
    ),
]
SourceOption = Annotated[
    str, typer.Option("--source", help="In whose name they are told, for a token issued here.")
]
PortfolioOption = Annotated[
    str, typer.Option("--portfolio", help="Where the trades are booked.", show_default=False)
]
RowCurrencyOption = Annotated[
    str | None,
    typer.Option(
        "--currency", help="The currency of rows that do not say theirs.", show_default=False
    ),
]
WithTimeOption = Annotated[
    bool,
    typer.Option(
        "--with-time",
        help="Take the time of day as well; it needs an offset. Without this a row has a date "
        "only: 2004-01-09 00:00:00+00:00 is the trade date 2004-01-09.",
    ),
]
RegisterOption = Annotated[
    bool,
    typer.Option(
        "--register-instruments", help="Register instruments of the file that are not known yet."
    ),
]
RegisterCurrencyOption = Annotated[
    str, typer.Option("--currency", help="The currency instruments are registered in.")
]
SectorsOption = Annotated[
    Path | None,
    typer.Option(
        "--sectors",
        metavar="FILE",
        help="A CSV file with the columns Symbol and Sector, for registering.",
        show_default=False,
    ),
]
AssetClassOption = Annotated[
    AssetClass, typer.Option("--asset-class", help="What instruments are registered as.")
]
CalendarOption = Annotated[
    str, typer.Option("--calendar", help="The market, by ISO 10383 code, or 24/7.")
]
ClosesAtOption = Annotated[
    str | None,
    typer.Option(
        "--closes-at",
        metavar="HH:MM",
        help="Local time of the close (default: 16:00; 24:00 for 24/7).",
        show_default=False,
    ),
]
BaseOption = Annotated[str, typer.Option("--base", help="The currency the rates are of.")]
FixedAtOption = Annotated[
    str, typer.Option("--at", metavar="HH:MM", help="From when of its day a rate is in force.")
]
ZoneOption = Annotated[str, typer.Option("--zone", help="Whose local time --at is.")]
OnlyCurrencyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--currency",
        help="Only this one; give it several times (default: all).",
        show_default=False,
    ),
]
SinceOption = Annotated[
    datetime | None,
    typer.Option("--since", formats=["%Y-%m-%d"], help="From this day on.", show_default=False),
]
UntilOption = Annotated[
    datetime | None,
    typer.Option(
        "--until", formats=["%Y-%m-%d"], help="Up to this day, included.", show_default=False
    ),
]
SkipMalformedOption = Annotated[
    bool,
    typer.Option(
        "--skip-malformed",
        help="Close sessions without their malformed rows, instead of not beginning.",
    ),
]
OpenPortfolioOption = Annotated[
    bool, typer.Option("--open-portfolio", help="Open the portfolio first, in --currency.")
]
CostBasisOption = Annotated[CostBasis, typer.Option("--cost-basis", help="For --open-portfolio.")]
OpeningCashOption = Annotated[
    str | None,
    typer.Option(
        "--opening-cash",
        metavar="AMOUNT",
        help="Deposit so much first, dated like the earliest execution of the file.",
        show_default=False,
    ),
]
BatchOption = Annotated[
    int, typer.Option("--batch", min=1, max=BATCH_MAX, help="Rows sent in one request.")
]
ReportOption = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Write every row that was refused or malformed there, one JSON object per line.",
        show_default=False,
    ),
]
