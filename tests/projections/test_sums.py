"""Sums that are kept are those of the tables, whatever is told between two questions."""

import random
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from projections.asking import Readable
from projections.positions import sums
from projections.positions.model import Positions
from projections.positions.sums import Sums, sums_of
from projections.read_model import ReadModel
from tests.domain.scenes import ACME, APPLE
from tests.projections.story import GLOBEX, Story

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]
FUNDS = ("growth", "income", "value")


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> sums._Kept:
    """A memory of the test's own."""
    made = sums._Kept()
    monkeypatch.setattr(sums, "_KEPT", made)
    return made


@pytest.fixture
def begun(story: Story) -> Story:
    """Three funds of one tenant, and one of another; nothing is held."""
    story.register(APPLE, "TSLA")
    for name in FUNDS:
        story.open(name)
    story.open("growth", tenant=GLOBEX)
    return story


def told(connection: Connection, tenant: str = ACME) -> Sums:
    """What the tables sum to."""
    return sums._summed(Readable(connection), tenant)[1]


def kept_of(kept: sums._Kept) -> list[int]:
    """How many positions are kept of each tenant."""
    return [each.count for each in kept._held.values()]


class TestSumsOfATenant:
    """Asked for again and again."""

    @pytest.mark.parametrize("seed", range(6))
    def test_are_those_of_the_tables(
        self, begun: Story, fold: FoldAll, connection: Connection, kept: sums._Kept, seed: int
    ) -> None:
        """Positions open, change sides and close between two questions."""
        chance, readable = random.Random(seed), Readable(connection)
        fold(Positions())
        for _ in range(12):
            for _ in range(chance.randint(0, 4)):
                quantity = chance.choice(["1", "-1", "2.5", "-2.5", "3", "-4"])
                price = chance.choice(["10", "11.01", "0.0001"])
                fund, name = chance.choice(FUNDS), chance.choice([APPLE, "TSLA"])
                begun.trade(fund, name, quantity, price)
                begun.trade("growth", name, "7", "1", tenant=GLOBEX)
            fold(Positions())

            assert sums_of(readable, ACME) == told(connection)
            assert sums_of(readable, GLOBEX) == told(connection, GLOBEX)
        held = [sum(each.holders for each in told(connection, tenant).values())
                for tenant in (ACME, GLOBEX)]  # fmt: skip
        assert kept_of(kept) == held

    def test_are_of_an_older_snapshot_too(
        self, begun: Story, fold: FoldAll, connection: Connection, kept: sums._Kept
    ) -> None:
        """Where others have asked for a later position meanwhile, the database sums."""
        fold(Positions())
        readable = Readable(connection)
        sums_of(readable, ACME)
        sums_of(readable, ACME)
        (further,) = kept._held.values()
        begun.trade("growth", APPLE, "10", "10")
        fold(Positions())
        further.position += 1_000

        assert sums_of(readable, ACME) == told(connection)
        assert [*kept._held.values()] == [further]

    def test_are_asked_for_where_more_changed_than_is_read(
        self, begun: Story, fold: FoldAll, connection: Connection, kept: sums._Kept,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """And kept again once they are asked for soon enough."""
        fold(Positions())
        readable = Readable(connection)
        sums_of(readable, ACME)
        sums_of(readable, ACME)
        assert len(kept._held) == 1
        monkeypatch.setattr(sums, "CHANGES_MAX", 1)
        begun.trade("growth", APPLE, "10", "10")
        begun.trade("income", APPLE, "10", "10")
        fold(Positions())

        assert sums_of(readable, ACME) == told(connection)
        assert not kept._held
        assert sums_of(readable, ACME) == told(connection)
        assert kept_of(kept) == [2]

    def test_are_not_kept_of_more_than_the_bound(
        self, begun: Story, fold: FoldAll, connection: Connection, kept: sums._Kept,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Of a tenant with more positions, nor of all tenants together."""
        monkeypatch.setattr(sums, "POSITIONS_MAX", 1)
        begun.trade("growth", APPLE, "10", "10")
        begun.trade("income", APPLE, "10", "10")
        begun.trade("growth", APPLE, "10", "10", tenant=GLOBEX)
        fold(Positions())
        for _ in range(3):
            for tenant in (ACME, GLOBEX):
                assert sums_of(Readable(connection), tenant) == told(connection, tenant)

        assert kept_of(kept) == [1]
