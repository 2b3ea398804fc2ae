"""What is quoted and kept is that of the tables, whatever is told between two questions."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

from domain import identity
from domain.corporate_actions import Split, Terms
from domain.identity import MARKET_TENANT
from domain.instrument import CorporateActionDeclared, SectorAssigned
from projections.asking import Readable, snapshot
from projections.bounded_memory import BoundedMemory
from projections.positions import quoted
from projections.positions.model import Positions
from projections.positions.quoted import Market, market_of
from projections.read_model import ReadModel
from tests.domain.scenes import APPLE
from tests.projections.story import DAY_ONE, Story, closing

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]
NAMES = (APPLE, "TSLA", "MSFT")
DAYS = 8


@pytest.fixture(autouse=True)
def _kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A memory of the test's own."""
    monkeypatch.setattr(quoted, "_KEPT", BoundedMemory(quoted.SCHEMAS_MAX))


def asked(connection: Connection) -> Market:
    """By what is remembered."""
    return market_of(Readable(connection))[1]


def asked_anew(connection: Connection) -> Market:
    """By a memory that has just begun."""
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(quoted, "_KEPT", BoundedMemory(quoted.SCHEMAS_MAX))
        return asked(connection)


def split_of(story: Story, name: str, number: int) -> None:
    """Declare a split."""
    split = Split(action=f"split-{number}", instrument=name, ex_date=DAY_ONE, new=2, old=1)
    declared = CorporateActionDeclared(instrument=name, terms=Terms.of(split))
    story.tell((MARKET_TENANT, identity.instrument_stream(name), declared))


def something_told(story: Story, chance: random.Random, number: int) -> None:
    """Tell a mark, a close, a sector from some day on, or a split."""
    name, day = chance.choice(NAMES), DAY_ONE + timedelta(days=chance.randrange(DAYS))
    match chance.randrange(5):
        case 0:
            story.mark(closing(day), **{chance.choice([name, "NEW"]): str(number + 1)})
        case 1:
            story.close(day, **{name: str(number + 1)})
        case 2:
            story.close(day)
        case 3:
            sector = chance.choice([None, "Energy", "Hardware"])
            story.change(SectorAssigned(instrument=name, sector=sector, from_date=day))
        case _:
            split_of(story, name, number)


class TestWhatIsQuoted:
    """Asked for again and again."""

    @pytest.mark.parametrize("seed", range(8))
    def test_is_that_of_the_tables(
        self, story: Story, fold: FoldAll, connection: Connection, seed: int
    ) -> None:
        """Prices, sessions, sectors and splits come between two questions, in any order."""
        chance = random.Random(seed)
        story.register(*NAMES)
        for number in range(25):
            something_told(story, chance, number)
            if chance.random() < 0.6:
                fold(Positions())

                assert asked(connection) == asked_anew(connection)

    def test_has_the_newest_time_that_anything_told(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Of a price, or of a session that closed without any."""
        story.register(*NAMES)
        story.mark(closing(DAY_ONE), TSLA="2")
        fold(Positions())
        first = asked(connection).now
        story.close(DAY_ONE + timedelta(days=1))
        fold(Positions())

        assert first == closing(DAY_ONE)
        assert asked(connection).now == closing(DAY_ONE + timedelta(days=1))

    def test_is_read_where_it_changed(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """One of three rows, and none where nothing was told."""
        story.register(*NAMES)
        story.mark(closing(DAY_ONE), **dict.fromkeys(NAMES, "1"))
        fold(Positions())
        rows = [len(market_of(Readable(connection))[0].rows)]
        rows.append(len(market_of(Readable(connection))[0].rows))
        before = asked(connection)
        story.mark(closing(DAY_ONE), TSLA="2")
        fold(Positions())

        answered, now = market_of(Readable(connection))

        assert [*rows, len(answered.rows)] == [3, 1, 1]
        assert answered.rows[0][3] == "TSLA"
        assert now == asked_anew(connection) != before

    def test_is_that_of_an_older_snapshot_too(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Somebody else has asked for a later position meanwhile."""
        story.register(*NAMES)
        story.mark(closing(DAY_ONE), **dict.fromkeys(NAMES, "1"))
        fold(Positions())
        with psycopg.connect(connection.info.dsn, password=connection.info.password) as older:
            older.isolation_level = IsolationLevel.REPEATABLE_READ
            with snapshot(Readable(older)):
                before = asked(older)
                # As a projector would; a fold of tests makes its tables anew, and would wait.
                connection.execute(
                    "UPDATE positions.prices SET price = 2, changed_position = 1000"
                    " WHERE instrument = 'TSLA'; UPDATE positions.checkpoint SET position = 1000"
                )
                now = asked(connection)

                assert asked(older) == before != now
        assert asked(connection) == now
