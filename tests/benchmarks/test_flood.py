"""Flooding: what the answers are held against, and the requests that the generator makes."""

from __future__ import annotations

from collections import Counter

import msgspec

from benchmarks.flood.generator import AT, NAME, Answer
from benchmarks.flood.overload import compare
from benchmarks.flood.trades import batch_body, single_body

KEY = "r1-000000001____"
OTHER = "r1-000000002____"


def answer(key: str, status: int, accepted: int) -> Answer:
    """An answer to the request of this name."""
    return Answer(0, key, 0.0, 0.0, 0.1, status, accepted, is_telling_when=True)


class TestComparing:
    """Each way in which an answer can be untrue is found."""

    def test_finds_nothing_where_all_is_well(self) -> None:
        """A batch of two, and a refusal that left nothing."""
        found = compare(
            [answer(KEY, 200, 2), answer(OTHER, 429, 0)], Counter({f"{KEY}-0": 1, f"{KEY}-1": 1})
        )

        assert found["ok"] is True

    def test_finds_an_acceptance_that_is_not_in_the_log(self) -> None:
        """One item of two is missing."""
        found = compare([answer(KEY, 200, 2)], Counter({f"{KEY}-0": 1}))

        assert (found["accepted_and_not_in_the_log"], found["ok"]) == (1, False)

    def test_finds_what_is_in_the_log_twice(self) -> None:
        """Whoever was told what."""
        found = compare([answer(KEY, 201, 1)], Counter({KEY: 2}))

        assert (found["in_the_log_twice"], found["ok"]) == (1, False)

    def test_finds_a_refusal_that_booked(self) -> None:
        """429 says that nothing was attempted."""
        found = compare([answer(KEY, 429, 0)], Counter({KEY: 1}))

        assert (found["refused_and_in_the_log"], found["ok"]) == (1, False)

    def test_finds_answers_that_are_none_of_ours(self) -> None:
        """A defect, or no answer at all."""
        found = compare([answer(KEY, 500, 0), answer(OTHER, 0, 0)], Counter())

        assert (found["other_answers"], found["ok"]) == ({"500": 1, "0": 1}, False)


class TestTheBodies:
    """Names and moments are put in without changing their length."""

    def test_have_a_place_for_name_and_moment_in_every_trade(self) -> None:
        """One each in a single, as many as there are trades in a batch."""
        single, batch = single_body(), batch_body(7)

        assert (single.count(NAME), single.count(AT)) == (1, 1)
        assert (batch.count(NAME), batch.count(AT)) == (7, 7)
        assert len({each["external_id"] for each in msgspec.json.decode(batch)}) == 7
