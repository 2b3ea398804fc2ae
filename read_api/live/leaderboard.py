"""The destination of a contest's first ranks: the board in Redis, as far as it is.

Nobody waits for the board: what it shows is told at its own position and edition, and asked again
until it is level with the tables it is made of.
"""

from collections.abc import Sequence

from gateway.access import Action
from projections.asking import Readable, ReadModelMissing, Seen, State, ask
from projections.leaderboard.keys import Stand
from projections.leaderboard.reading import BoardMissing, Reader
from read_api.contest_shapes import rank_item
from read_api.live.destinations import Destination, Row, Spread, Told, Topic
from read_api.live.known import known_contest

MODEL = "performance"
TOP = 100
PAUSE_SECONDS = 0.25


def leaderboard_destination(reader: Reader) -> Destination:
    """Give it, over what reads the board."""

    def snapshot(readable: Readable, topics: Sequence[Topic]) -> Told:
        asked = readable._replace(seen={})
        position = ask(asked, MODEL, "1", (), merge=lambda row: row).position
        try:
            stand, boards = reader.tops([topic.owner for topic in topics], last=TOP)
        except BoardMissing as error:
            raise ReadModelMissing("the leaderboard is away") from error
        rows = [
            Row(topic, each.participant, board.about.position, rank_item(each, board.ranked))
            for topic in topics
            # A contest that the board has not met yet, or any more, has no ranks there.
            if (board := boards.get(topic.owner)) is not None
            for each in board.ranks
        ]
        seen = _seen(stand, position, asked)
        return Told(stand.position, stand.market_position, rows, seen)

    return Destination(
        "leaderboard/{contest}",
        f"The first {TOP} ranks of a contest, by participant",
        MODEL,
        (Action.READ_CONTESTS,),
        snapshot,
        spread=Spread.ALL,
        pause_seconds=PAUSE_SECONDS,
        is_known=known_contest,
        asks_others=True,
    )


def _seen(stand: Stand, position: int, asked: Readable) -> Seen:
    """Say what the board is made of: the tables as they are, or as they were."""
    tables = asked.seen
    assert tables is not None, "the tables were asked"
    schemas = [MODEL + each.suffix for each in asked.partitions]
    edition = "-".join(str(tables[each].edition) for each in schemas)
    if stand.edition == edition and stand.position >= position:
        return tables
    editions = map(int, stand.edition.split("-"))
    # One that was made of other partitions tells nothing of some: they are asked again.
    made_of = zip(schemas, editions, strict=False)
    return {schema: State(stand.position, each) for schema, each in made_of}
