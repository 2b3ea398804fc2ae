"""Sectors that are remembered are those of the tables, at the position that is asked for."""

import random
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from psycopg import IsolationLevel

from domain.instrument import SectorAssigned
from projections.asking import Readable, Stand, State
from projections.performance import sectors as reading
from projections.performance.price_arrays import EPOCH
from projections.performance.sectors import SectorsByDate, sectors_by_date
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import ACME, Told, closed, day

Connection = psycopg.Connection[Any]
NAMES = ("AAPL", "LNT", "MSFT", "cash:USD")


def assigned(instrument: str, sector: str | None, on: int = 1) -> Told:
    """An instrument's sector from a day on."""
    event = SectorAssigned(instrument=instrument, sector=sector, from_date=day(on))
    return ACME, event


def stand_of(connection: Connection) -> Stand:
    """Where the tables stand, as whoever holds a snapshot has heard."""
    told = "SELECT log_id, position, edition, market_position FROM performance.checkpoint"
    row = connection.execute(told).fetchone()
    assert row is not None, "something was told"
    return Stand(row[0], State(*row[1:3]), row[3])


def shown(sectors: SectorsByDate) -> list[list[str]]:
    """The sectors of some names by day."""
    days = np.array([(day(number) - EPOCH).days for number in range(1, 8)], dtype=np.int64)
    names, places = sectors.places(NAMES, days)
    return [[names[place] for place in row] for row in places.tolist()]


class TestSectorsOfNow:
    """Asked once, then again when more was told."""

    def test_are_unclassified_until_they_are_told(self, connection: Connection) -> None:
        """From the date it is told for; cash is a sector of its own."""
        market, readable = Market(connection), Readable(connection)
        market.tell(closed(1, {"AAPL": "10"}))
        assert shown(sectors_by_date(readable))[0] == ["Unclassified"] * 3 + ["Cash"]
        market.tell(assigned("LNT", "Utilities", 3))

        found = shown(sectors_by_date(readable))
        assert [row[1] for row in found[1:4]] == ["Unclassified", "Utilities", "Utilities"]

    def test_are_the_same_object_while_nothing_is_told_of_them(
        self, connection: Connection
    ) -> None:
        """What is made of them is kept by it."""
        market, readable = Market(connection), Readable(connection)
        market.tell(assigned("LNT", "Utilities"))
        before = sectors_by_date(readable)
        market.tell(closed(1, {"AAPL": "10"}))

        assert sectors_by_date(readable) is before

    def test_are_not_asked_for_where_the_tables_stand_as_they_were_read(
        self, connection: Connection
    ) -> None:
        """Another position, or another edition of the tables, is."""
        market, readable = Market(connection), Readable(connection)
        market.tell(assigned("LNT", "Utilities"))
        earlier = stand_of(connection)
        market.tell(assigned("LNT", "Energy"))
        stand = stand_of(connection)
        position, edition = stand.state
        others = (
            earlier,
            stand._replace(state=State(position + 1, edition)),
            stand._replace(state=State(position, edition + 1)),
            stand._replace(log_id=uuid4()),
        )
        for other in others:
            known = sectors_by_date(readable)
            with pytest.MonkeyPatch.context() as patching:
                patching.setattr(reading, "_TOLD", "asked, %s")

                assert sectors_by_date(readable, stand) is known
                with pytest.raises(psycopg.errors.UndefinedColumn):
                    sectors_by_date(readable, other)

    @pytest.mark.parametrize("seed", range(6))
    def test_in_pieces_are_those_read_at_once(self, connection: Connection, seed: int) -> None:
        """Assigned and assigned anew in any order, looked at in between."""
        chance = random.Random(seed)
        story: Sequence[Told] = [
            assigned(
                chance.choice(NAMES[:3]),
                chance.choice(["Energy", "Utilities", None]),
                chance.randint(1, 7),
            )
            for _ in range(20)
        ]
        market, readable = Market(connection), Readable(connection)
        for told in story:
            market.tell(told)
            if chance.random() < 0.4:
                sectors_by_date(readable, chance.choice([None, stand_of(connection)]))
        in_pieces = shown(sectors_by_date(readable, stand_of(connection)))
        Market(connection).tell(*story)

        assert shown(sectors_by_date(readable)) == in_pieces

    def test_are_those_of_an_older_snapshot_too(self, connection: Connection) -> None:
        """Somebody else has asked for a later position meanwhile."""
        market, readable = Market(connection), Readable(connection)
        market.tell(assigned("LNT", "Utilities"))
        with psycopg.connect(connection.info.dsn, password=connection.info.password) as older:
            older.isolation_level = IsolationLevel.REPEATABLE_READ
            before = shown(sectors_by_date(Readable(older)))
            market.tell(assigned("LNT", "Energy"))
            now = shown(sectors_by_date(readable))

            assert shown(sectors_by_date(Readable(older))) == before != now
        assert shown(sectors_by_date(readable)) == now

    def test_of_another_edition_are_read_anew(self, connection: Connection) -> None:
        """A rebuild was swapped in: nothing of before counts."""
        log_id = uuid4()
        Market(connection, log_id).tell(assigned("LNT", "Utilities"), closed(1, {"AAPL": "1"}))
        sectors_by_date(Readable(connection))
        Market(connection, log_id).tell(assigned("LNT", "Energy"))
        connection.execute("UPDATE performance.checkpoint SET edition = 1, position = 2")

        assert shown(sectors_by_date(Readable(connection)))[0][1] == "Energy"
