"""Ranks of several partitions: all of one position, or not now."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from eventstore.partitions import home_of, partitions
from projections.asking import Readable
from projections.checkpoint import Checkpoint, create_checkpoint
from projections.leaderboard.queries import proof_of
from projections.leaderboard.striking import Looked, ranks_due
from projections.leaderboard.tracks import PartitionsApart
from tests.projections.leaderboard.contests import CUP, announced, bought, entered, funded, shown
from tests.projections.performance.telling import ACME, Folded, Told, at, closed, decoded, marked

COUNT = 2
Connection = psycopg.Connection[Any]


def _of(number: int) -> str:
    names = (f"user{each}" for each in range(100))
    return next(each for each in names if home_of(ACME, f"p-{each}", COUNT).number == number)


ANN, BOB = _of(0), _of(1)


class Parted:
    """One log folded in two partitions, of which one may be ahead."""

    def __init__(self, connection: Connection) -> None:
        self.readable = Readable(connection, partitions(COUNT))
        self._told: list[Told] = []
        self._tables = {
            each: Folded(connection, f"performance{each.suffix}")
            for each in self.readable.partitions
        }
        log_id = uuid4()
        for tables in self._tables.values():
            with connection.transaction(), connection.cursor() as cursor:
                beginning = Checkpoint(0, 0, at(1), 1, log_id)
                create_checkpoint(cursor, tables.schema, beginning)

    def tell(self, *told: Told, to: tuple[int, ...] = (0, 1)) -> None:
        """Tell more; a partition that it is not told `to` is left behind."""
        before = len(self._told)
        self._told += told
        for number in to:
            self.read(number, before)

    def read(self, number: int, before: int) -> None:
        """Have a partition fold what was told behind a position."""
        partition = self.readable.partitions[number]
        tables = self._tables[partition]
        tables.take(
            [
                each
                for each in decoded(self._told)[before:]
                if (name := getattr(each.event, "portfolio", None)) is None
                or partition.holds_portfolio(each.tenant, name)
            ]
        )
        stands = "UPDATE {schema}.checkpoint SET position = %s, market_position = %s"
        tables.connection.execute(
            stands.format(schema=tables.schema).encode(), (len(self._told), len(self._told))
        )


def begun(connection: Connection) -> Parted:
    """A contest of ann, who bought, and bob, in partitions of their own."""
    parted = Parted(connection)
    parted.tell(
        *funded(ANN, BOB), closed(1), announced(), entered(f"p-{ANN}"), entered(f"p-{BOB}"),
        bought(ANN, "50"),
    )  # fmt: skip
    return parted


def struck(looked: Looked) -> list[tuple[int, list[str]]]:
    """What is due: as of which position, and the ranks."""
    return [(each.struck[0].position, shown(list(each.struck[0].ranks))) for each in looked.due]


class TestRanksOfPartitions:
    """Nothing of a set was told behind the position that it names."""

    def test_are_not_made_of_two_positions(self, connection: Connection) -> None:
        """A late trade is known in one partition, when the other has not read as far."""
        parted = begun(connection)
        parted.tell(closed(2, {"AAPL": "11"}))
        position = len(funded(ANN, BOB)) + 6
        parted.tell(bought(BOB, "10"), to=(1,))

        assert struck(ranks_due(parted.readable, {}, limit=9)) == []
        with pytest.raises(PartitionsApart):
            proof_of(parted.readable, tenant=ACME, contest=CUP, participant=ANN)

        parted.read(0, position)
        assert struck(ranks_due(parted.readable, {}, limit=9)) == [
            (position + 1, [f"1 {ANN} 0.05", f"2 {BOB} 0.01"])
        ]

    def test_may_be_of_partitions_of_which_one_is_ahead(self, connection: Connection) -> None:
        """By what no rank depends on: a mark, and a trade of a session that is not closed."""
        parted = begun(connection)
        parted.tell(closed(2, {"AAPL": "11"}))
        position = len(funded(ANN, BOB)) + 6
        parted.tell(marked(at(3), {"AAPL": "12"}), bought(BOB, "10", 3), to=(1,))

        assert struck(ranks_due(parted.readable, {}, limit=9)) == [
            (position, [f"1 {ANN} 0.05", f"2 {BOB} 0"])
        ]
