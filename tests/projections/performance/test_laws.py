"""Laws of `performance`, on stories that Hypothesis tells: as the naive model, however cut."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from domain.portfolio.events import TradeBooked, TradeUnbooked
from projections.read_model import Decoded
from tests.projections.folding import keys
from tests.projections.performance import naive
from tests.projections.performance.figures import figures_kept, figures_told
from tests.projections.performance.history import NOTHING_YET, history
from tests.projections.performance.naive_market import rounded
from tests.projections.performance.stories import OPENINGS, stories
from tests.projections.performance.telling import (
    Folded,
    Told,
    decoded,
)

Connection = psycopg.Connection[Any]

ALL_DAYS = "SELECT * FROM {schema}.days"


def cut(told: list[Decoded], places: Sequence[int]) -> Iterator[list[Decoded]]:
    """Cut into batches at some places."""
    edges = sorted({0, len(told), *(place % (len(told) + 1) for place in places)})
    return (told[start:end] for start, end in pairwise(edges))


def stored_days(tables: Folded) -> dict[naive.RowKey, naive.Row]:
    """The table `days` in the naive model's shape."""
    statement = ALL_DAYS.replace("{schema}", tables.schema)
    with tables.connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statement.encode()).fetchall()
    return {(row["tenant"], row["portfolio"], row["session"]): stored(row) for row in rows}


def stored(row: dict[str, Any]) -> naive.Row:
    """One row of `days` in the naive model's shape."""
    struck = None
    if row["struck_position"] is not None:
        columns = {name: row.get(f"struck_{name}") for name in naive.COMPARED}
        struck = naive.shown(columns | {
            "daily_return": row["struck_return"],
            "return_reason": row["struck_return_reason"],
            "return_method": row["struck_return_method"],
            "return_from": row["struck_return_from"],
        })  # fmt: skip
    return {
        "current": naive.shown(row),
        "struck": struck,
        "restated": (row["restated_position"], row["restated_reason"]),
        "changed": row["changed_position"],
    }


def without_emptied(struck: naive.Row | None) -> naive.Row | None:
    """What of a struck row is kept."""
    return None if struck is None else {k: v for k, v in struck.items() if k != "is_emptied"}


class TestAnyStory:
    """Whatever happens in whatever order."""

    @settings(max_examples=60)
    @given(story=stories())
    def test_equals_the_naive_model(self, connection: Connection, story: list[Told]) -> None:
        """Current, struck and what restated it: row by row as computed from nothing."""
        tables = Folded(connection)
        for event in decoded(story):
            tables.take([event])

        found, expected = stored_days(tables), history(story)

        for row in (*found.values(), *expected.values()):
            row["struck"] = without_emptied(row["struck"])
        assert found == expected

    @settings(max_examples=40)
    @given(
        story=stories(size=20),
        places=st.lists(st.integers(0, 99), max_size=6),
        restarts=st.booleans(),
    )
    def test_gives_the_same_tables_in_any_batches(
        self, connection: Connection, story: list[Told], places: list[int], *, restarts: bool
    ) -> None:
        """One batch, some batches with or without restarts between, or one per event: the same."""
        events = decoded(story)
        whole = Folded(connection, "performance_whole")
        whole.take(events)
        parts = Folded(connection)
        for batch in cut(events, places):
            if restarts:
                parts.restart()
            parts.take(batch)
        singles = Folded(connection, "performance_single")
        for event in events:
            singles.take([event])
        built = Folded(connection, "performance_built")
        built.build(cut(events, places))

        assert parts.everything() == whole.everything()
        assert built.everything() == whole.everything()
        assert keys(connection, built.schema) == keys(connection, whole.schema)
        assert singles.everything() == whole.everything()
        assert figures_kept(whole) == figures_told(story)


class TestFactsInAnyOrder:
    """Late, on time or before their time: what is known in the end is the same (convention 6)."""

    @settings(max_examples=40)
    @given(story=stories(size=16, is_corrected=False), random=st.randoms(use_true_random=False))
    def test_give_equal_current_rows(
        self, connection: Connection, story: list[Told], random: Random
    ) -> None:
        """Trades and flows arrive in any order among the market's events."""
        told = story[len(OPENINGS) :]
        kinds = (TradeBooked, *naive.CASH)
        facts = [each for each in told if isinstance(each[1], kinds)]
        market = [each for each in told if not isinstance(each[1], kinds)]
        random.shuffle(facts)
        shuffled = market.copy()
        for fact in facts:
            shuffled.insert(random.randint(0, len(shuffled)), fact)

        one = Folded(connection)
        one.take(decoded(story))
        other = Folded(connection, "performance_other")
        other.take(decoded(OPENINGS + shuffled))

        known, arrived = stored_days(one), stored_days(other)
        assert {key: row["current"] for key, row in known.items()} == {
            key: row["current"] for key, row in arrived.items()
        }


class TestTradesTakenOut:
    """A busted trade was never there, an amended one was always as it is now (convention 6)."""

    @settings(max_examples=60)
    @given(story=stories(size=16))
    def test_leave_the_current_rows_of_what_holds(
        self, connection: Connection, story: list[Told]
    ) -> None:
        """Row by row; the rows before the first fact that holds show that nothing was there."""
        went = Folded(connection)
        for event in decoded(story):
            went.take([event])
        should = Folded(connection, "performance_other")
        should.take(decoded(what_holds(story)))

        known, expected = stored_days(went), stored_days(should)

        holds = {key: row["current"] for key, row in expected.items()}
        assert {key: known[key]["current"] for key in known if key in holds} == holds
        nothing = naive.shown(NOTHING_YET)
        assert all(known[key]["current"] == nothing for key in known.keys() - holds.keys())


def what_holds(story: list[Told]) -> list[Told]:
    """The story as it would have been without the bookings that were taken out."""
    held: list[Told] = []
    for tenant, event in story:
        if isinstance(event, TradeUnbooked):
            fill = event.fill
            held = [e for e in held if not isinstance(e[1], TradeBooked) or e[1].fill != fill]
        else:
            held.append((tenant, event))
    return held


class TestStruckRows:
    """What was struck is never changed."""

    @settings(max_examples=25)
    @given(story=stories())
    def test_stay_as_struck(self, connection: Connection, story: list[Told]) -> None:
        """Whatever comes later, the struck columns stay."""
        tables = Folded(connection)
        seen: dict[naive.RowKey, naive.Row | None] = {}

        for event in decoded(story):
            tables.take([event])
            now = {key: row["struck"] for key, row in stored_days(tables).items()}
            assert {key: now[key] for key in seen} == seen
            seen = now


def test_fractions_are_compared_exactly() -> None:
    """The naive model rounds half to even as the code does."""
    assert rounded(Fraction(5, 10**13), 12) == 0
    assert rounded(Fraction(15, 10**13), 12) == 2 * Fraction(1, 10**12)
