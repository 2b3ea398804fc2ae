"""`pms token`: who may talk to the two interfaces."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import uuid4

import typer

from gateway.access import Role
from infra.child_processes import service_account
from infra.command_line.options import DataOption
from infra.data_directory import DataDirectory
from infra.keys import signing_key
from infra.settings import load_settings
from infra.tokens import issue_token


def token(
    tenant: Annotated[
        str, typer.Option("--tenant", help="Whose portfolios; `market` for shared market data.")
    ],
    subject: Annotated[
        str, typer.Option("--subject", help="Who is asking; an opaque id, never a person's name.")
    ],
    role: Annotated[
        list[Role], typer.Option("--role", help="What the holder may do; give it several times.")
    ],
    source: Annotated[
        str | None,
        typer.Option("--source", help="The trading system the holder captures trades for."),
    ] = None,
    hours: Annotated[
        float, typer.Option("--hours", min=0.01, max=24 * 366, help="How long it is valid.")
    ] = 12.0,
    data: DataOption = None,
) -> None:
    """Print a signed token, to be sent as `Authorization: Bearer TOKEN`.

    Example: pms token --tenant acme --subject desk-1 --role trader --source oms
    """
    directory = DataDirectory(load_settings(data=data).data)
    directory.prepare(service_account())
    issued = issue_token(
        signing_key(directory),
        tenant=tenant,
        subject=subject,
        roles=[each.value for each in role],
        source=source,
        issued_at=datetime.now(UTC),
        token_id=uuid4(),
        lifetime=timedelta(hours=hours),
    )
    print(issued)  # noqa: T201 - the command's answer
