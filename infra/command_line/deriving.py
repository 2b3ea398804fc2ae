"""`pms schemas`: the Avro schemas of the wire, derived from the event types."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.command_line.console import output, say
from infra.errors import OperatorError
from schemas.publishing import SCHEMAS, IncompatibleForm, derived_texts, drift, publish


def schemas(
    check: Annotated[  # noqa: FBT002 - typer makes it an option
        bool, typer.Option("--check", help="Write nothing; the status is 1 if anything differs.")
    ] = False,
) -> None:
    """Derive the schemas of all events into `schemas/*.avsc`, new forms into `published` too.

    For whoever changes an event type: commit what it writes. A form that does not go with every
    published one, in both directions, is refused.
    """
    texts = derived_texts()
    try:
        found = drift(SCHEMAS, texts) if check else publish(SCHEMAS, texts)
    except IncompatibleForm as error:
        raise OperatorError(f"{error}. A changed meaning is a new event.") from error
    for name, difference in sorted(found.items()):
        output.print(f"{name}: {difference}", markup=False)
    if check and found:
        raise OperatorError("The schemas are not those of the event types: run `pms schemas`.")
    say(f"{len(texts)} schemas, {len(found)} of them differed")
