"""What is no portfolio's: the market, a source's outcomes, and where the read models stand."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import msgspec

from gateway.access import Action
from gateway.tokens import Principal
from projections.asking import Readable
from projections.market.queries import last_marks
from projections.outcomes.queries import complete_position, outcomes_behind
from projections.standings import standing_tables
from read_api.live.destinations import Destination, Row, Spread, Told, Topic
from read_api.live.known import known_instrument
from read_api.market import Mark
from read_api.shaping import Shaped, shaped
from read_api.sources import SOURCES, require_source

MARKET_PAUSE_SECONDS = 0.5
SYSTEM_PAUSE_SECONDS = 1.0
LINES_AT_ONCE = 1_000
"""Fewer than may wait for a client (`PENDING_ROWS_MAX`): one that takes them keeps up."""


class StandingModel(Shaped, frozen=True):
    """How far a read model's tables are; `recorded_at` is of the last event folded into them.

    One whose name ends with `_rebuild` is being made anew beside the live one.
    """

    position: int
    market_position: int
    recorded_at: datetime | None
    calculation_version: int
    edition: int


def shared_destinations() -> Sequence[Destination]:
    """Give them."""
    return (
        Destination(
            "market",
            "Last marks and rates, by name",
            "market",
            (Action.READ_MARKET,),
            market,
            spread=Spread.ANY,
            pause_seconds=MARKET_PAUSE_SECONDS,
        ),
        Destination(
            "market/{instrument}",
            "The last mark of one instrument",
            "market",
            (Action.READ_MARKET,),
            market,
            spread=Spread.ANY,
            is_known=known_instrument,
        ),
        Destination(
            "sources/{source}/outcomes",
            "A source's drop copy from now on, or from a position, by log position",
            "outcomes",
            SOURCES,
            outcomes_begin,
            outcomes,
            spread=Spread.ALL,
            admit=admit_source,
            is_log=True,
        ),
        Destination(
            "system",
            "How far each read model is folded, and those being rebuilt",
            None,
            (Action.READ_SYSTEM,),
            system,
            spread=Spread.ALL,
            pause_seconds=SYSTEM_PAUSE_SECONDS,
        ),
    )


def market(readable: Readable, topics: Sequence[Topic]) -> Told:
    """Tell last marks of all names, or of those that the topics name: asked once for everybody."""
    # The topics of one destination all name an instrument, or none of them does.
    watching: dict[str, list[Topic]] = defaultdict(list)
    for topic in topics:
        for name in topic.names:
            watching[name].append(topic)
    names = list(watching) or None
    page = last_marks(readable, names=names)
    marks = list(page.rows)
    while page.next_cursor is not None:
        page = last_marks(readable, names=names, cursor=page.next_cursor)
        marks += page.rows
    rows: list[Row] = []
    for mark in marks:
        told, row = watching[mark.name] if names else topics, shaped(Mark, mark)
        rows += (Row(topic, mark.name, mark.told, row) for topic in told)
    return Told(page.position, page.market_position, rows)


def admit_source(principal: Principal, topic: Topic) -> None:
    """Let pass who may ask about the source."""
    require_source(principal, topic.names[0])


def outcomes_begin(readable: Readable, topics: Sequence[Topic]) -> Told:
    """Begin with no line: those before are asked of the drop copy itself."""
    (topic,) = topics
    return Told(complete_position(readable, tenant=topic.tenant), 0, [])


def outcomes(readable: Readable, topics: Sequence[Topic], after: int) -> Told:
    """Tell the lines that follow, each once: so many, and the rest when it is asked again."""
    (topic,) = topics
    source, limit = topic.names[0], LINES_AT_ONCE
    found = outcomes_behind(readable, tenant=topic.tenant, source=source, after=after, limit=limit)
    seen = None
    if found.may_go_on and readable.seen is not None:
        seen = {
            schema: state._replace(position=found.complete_to)
            for schema, state in readable.seen.items()
        }
    rows = []
    for line in found.lines:
        position = _position(line).position
        rows.append(Row(topic, str(position), position, msgspec.Raw(line.encode())))
    return Told(found.complete_to, 0, rows, seen)


class _Line(msgspec.Struct):
    position: int


_position = msgspec.json.Decoder(_Line).decode


def system(readable: Readable, topics: Sequence[Topic]) -> Told:
    """Tell where every read model stands."""
    found = standing_tables(readable)
    return Told(
        max((each.position for each in found), default=0),
        max((each.market_position for each in found), default=0),
        [
            Row(topic, each.schema, each.position, shaped(StandingModel, each))
            for topic in topics
            for each in found
        ],
    )
