"""The destination of a contest's first ranks: the board in Redis, once it is level."""

import time
from collections.abc import Sequence

from gateway.access import Action
from gateway.interface import not_found
from projections.asking import Readable, ReadModelMissing, ask
from projections.leaderboard.reading import Board, BoardMissing, Reader
from read_api.contest_shapes import rank_item
from read_api.live.destinations import Destination, Row, Spread, Told, Topic

MODEL = "performance"
TOP = 100
PAUSE_SECONDS = 0.25
LEVEL_SECONDS = 2.0
"""How long a question waits for the board to be as far as the tables it is made of."""
_LOOK_SECONDS = 0.02


def leaderboard_destination(reader: Reader) -> Destination:
    """Give it, over what reads the board."""

    def snapshot(readable: Readable, topics: Sequence[Topic]) -> Told:
        told = ask(readable, MODEL, "1", (), merge=lambda row: row)
        position, market_position = told.position, told.market_position
        rows: list[Row] = []
        for topic in topics:
            board = _level(reader, topic, told.position)
            position, market_position = board.stand.position, board.stand.market_position
            rows += [
                Row(topic, each.participant, board.about.position, rank_item(each, board.ranked))
                for each in board.ranks
            ]
        return Told(position, market_position, rows)

    return Destination(
        "leaderboard/{contest}",
        f"The first {TOP} ranks of a contest, by participant",
        MODEL,
        (Action.READ_CONTESTS,),
        snapshot,
        spread=Spread.ALL,
        pause_seconds=PAUSE_SECONDS,
    )


def _level(reader: Reader, topic: Topic, position: int) -> Board:
    """Wait until the board is of a position.

    Raises:
        Problem: `not_found`: the tenant has no such contest.
        ReadModelMissing: the board is away, or did not come level in time.
    """
    deadline = time.monotonic() + LEVEL_SECONDS
    while True:
        try:
            board = reader.ranks(topic.tenant, topic.names[0], first=1, last=TOP)
        except BoardMissing as error:
            raise ReadModelMissing("the leaderboard is away") from error
        if board is not None and board.stand.position >= position:
            return board
        if time.monotonic() >= deadline:
            if board is None:
                raise not_found()
            raise ReadModelMissing("the leaderboard is behind")
        time.sleep(_LOOK_SECONDS)
