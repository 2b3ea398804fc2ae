"""What the keeper asks is planned once, and then looks up what changed whatever there is."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import redis

from projections.asking import Readable
from projections.leaderboard.board import Keeper
from tests.projections.leaderboard.contests import announced, bought, entered, funded
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import closed

Connection = psycopg.Connection[Any]
ROWS = {"contestants": 10_000, "portfolios": 10_000, "days": 50_000, "fills": 10_000}
"""Tables that grow with those who take part, and how far."""


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parts of a plan that read such a table."""
    if plan.get("Relation Name") in ROWS or plan["Node Type"] == "Bitmap Index Scan":
        yield plan
    for part in plan.get("Plans", ()):
        yield from scans(part)


def take_nothing(_: Connection) -> None:
    """The tables have just been made."""


def take(connection: Connection) -> None:
    """Statistics of tables that hold next to nothing."""
    connection.execute("ANALYZE")


def take_of_many(connection: Connection) -> None:
    """Statistics as of ten thousand who take part."""
    take(connection)
    for table, rows in ROWS.items():
        connection.execute(
            "SELECT pg_restore_relation_stats('schemaname', 'performance', 'relname', %s::text,"
            " 'relpages', 1, 'reltuples', %s::real)",
            (table, rows),
        )


class TestAPlan:
    """Whatever the planner knows of the tables when it is made: it stays in force as they grow."""

    @pytest.mark.parametrize("take_statistics", [take_nothing, take, take_of_many])
    def test_reads_by_keys(
        self, connection: Connection, valkey: str, take_statistics: Callable[[Connection], None]
    ) -> None:
        """Of whom something changed, all of it is found in an index; nothing else is read."""
        connection.execute("DEALLOCATE ALL")
        market, readable = Market(connection), Readable(connection)
        market.tell(*funded(*"abc"), announced(), *(entered(f"p-{name}") for name in "abc"))
        market.tell(bought("a", "1"), closed(2, {"AAPL": "11"}))
        take_statistics(connection)
        with redis.Redis.from_url(valkey) as client:
            keeper = Keeper(client, "one")
            keeper.refresh(readable)
            for _ in range(7):
                market.tell(bought("a", "1"))
                assert keeper.refresh(readable).changed == 1

        asked = connection.execute(
            "SELECT statement FROM pg_prepared_statements"
            " WHERE statement LIKE '%wanted (participant)%' OR statement LIKE '%AS entrants%'"
        ).fetchall()
        assert len(asked) == 2, "what changed, and the tracks of whom it did"
        for (statement,) in asked:
            told = connection.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {statement}").fetchone()
            assert told is not None
            found = list(scans(told[0][0]["Plan"]))
            assert {each.get("Relation Name") for each in found} >= {"contestants", "days"}
            for each in found:
                assert "Index Cond" in each or each["Node Type"] == "Bitmap Heap Scan", each
                if each.get("Relation Name") in {"contestants", "portfolios", "days"}:
                    assert "Filter" not in each, each
