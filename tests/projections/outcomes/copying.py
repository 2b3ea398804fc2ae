"""Decided commands as events of a log, folded into the drop copy, and the copy read back."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from domain.event import Event
from eventstore.kafka.topics import portfolio_of
from eventstore.partitions import WHOLE, Partition
from projections.asking import Readable
from projections.building import Connection
from projections.checkpoint import Checkpoint, create_checkpoint
from projections.gathering import GatheringCursor
from projections.outcomes.model import Outcomes
from projections.outcomes.queries import Lines, outcomes_after
from projections.read_model import Decoded, ReadModel
from schemas.codec import encode, event_name
from tests.domain.scenes import ACME, DESK, FRIDAY_NOON
from tests.projections.folding import make_tables

Commands = Iterable[Iterable[Event]]


def recorded(commands: Commands) -> list[Decoded]:
    """The events of commands, from position 1 on; each command is named by its number."""
    told = [(number, event) for number, command in enumerate(commands, 1) for event in command]
    return [
        Decoded(position, ACME, FRIDAY_NOON + timedelta(seconds=number), event, UUID(int=number))
        for position, (number, event) in enumerate(told, 1)
    ]


def held_by(partition: Partition, told: Sequence[Decoded]) -> list[Decoded]:
    """The events of a sub-log."""
    named = [(each, portfolio_of(event_name(each.event), encode(each.event))) for each in told]
    return [
        each
        for each, portfolio in named
        if portfolio is None or partition.holds_portfolio(each.tenant, portfolio)
    ]


def fold(
    connection: Connection,
    told: Sequence[Decoded],
    *,
    sizes: Sequence[int] = (1_000,),
    forgets: bool = False,
    partition: Partition = WHOLE,
    until: int | None = None,
    model: ReadModel | None = None,
) -> None:
    """Fold into a model's tables in batches of the given sizes; with `forgets`, by new folds."""
    model = model or Outcomes()
    schema = model.name + partition.suffix
    make_tables(connection, model, schema)
    head = told[-1].position if until is None else until
    sizes = tuple(sizes)
    with connection.cursor() as cursor:
        create_checkpoint(cursor, schema, Checkpoint(head, 0, None, 1, UUID(int=0)))
    events = [each for each in held_by(partition, told) if each.position <= head]
    own = [each for each in events if type(each.event) in model.event_types]
    made, start, count = model.new_fold(schema), 0, 0
    while start < len(own):
        size = sizes[count % len(sizes)]
        if forgets:
            made = model.new_fold(schema)
        with connection.transaction(), GatheringCursor(connection) as cursor:
            made.fold(cursor, own[start : start + size])
        start, count = start + size, count + 1


def copied(
    readable: Readable, *, source: str = DESK, after: int = 0, limit: int = 5_000
) -> tuple[list[dict[str, Any]], Lines]:
    """A stretch of the drop copy, its lines read."""
    found = outcomes_after(readable, tenant=ACME, source=source, after=after, limit=limit)
    return [msgspec.json.decode(line) for line in found.lines], found
