"""What the query benchmark asks, and what it makes of the answers."""

from __future__ import annotations

import os
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.queries.addresses import Known, Trade, addresses, fill
from benchmarks.queries.asking import Answer, figures, percentile, problems
from benchmarks.queries.costing import seconds_of
from benchmarks.universe import Size, drawn_prices

KNOWN = Known(2, 3, ("A", "B", "C", "D"), (Trade("trade-1", "P001"),), {"source": "desk"})


def parameter(name: str, where: str, **schema: object) -> dict[str, Any]:
    """A required parameter of a document."""
    return {"name": name, "in": where, "required": True, "schema": schema}


def document(path: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    """A document of one query, beside one that is not of the interface's own."""
    operation = {"get": {"parameters": list(parameters)}}
    schemas = {"Figure": {"enum": ["nav", "return"]}}
    return {
        "paths": {path: operation, "/health/live": {"get": {}}},
        "components": {"schemas": schemas},
    }


class TestFilling:
    """Targets of requests."""

    def test_takes_choices_where_a_schema_lists_them(self) -> None:
        """By reference or by the alternatives of a pattern."""
        by_reference = parameter("figure", "query", **{"$ref": "#/components/schemas/Figure"})
        by_pattern = parameter("by", "query", pattern="^(day|week)$")
        told = document("/v1/portfolios/{portfolio}/x", parameter("portfolio", "path"))
        told["paths"]["/v1/portfolios/{portfolio}/x"]["get"]["parameters"] += [
            by_reference, by_pattern,
        ]  # fmt: skip

        (address,) = addresses(told)

        assert address.required == {"figure": ("nav", "return"), "by": ("day", "week")}
        target = fill(address, KNOWN, random.Random(1))
        assert target is not None
        assert target.startswith(("/v1/portfolios/P000/x?", "/v1/portfolios/P001/x?"))

    def test_gives_nothing_for_a_name_that_is_not_there(self) -> None:
        """A block, or a parameter whose values nobody lists."""
        block = document("/v1/blocks/{block_id}", parameter("block_id", "path"))
        unlisted = document("/v1/x", parameter("since", "query", type="string"))

        targets = [fill(addresses(each)[0], KNOWN, random.Random(1)) for each in (block, unlisted)]

        assert targets == [None, None]

    def test_names_an_instrument_that_the_portfolio_holds(self) -> None:
        """As the universe shares them out."""
        assert [KNOWN.instrument_of(1, place) for place in range(3)] == ["D", "A", "B"]


class TestFigures:
    """What answers come to."""

    @given(st.lists(st.floats(0, 1e3), min_size=1), st.floats(0.01, 1.0))
    def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(
        self, values: list[float], part: float
    ) -> None:
        """Nearest rank."""
        ordered = sorted(values)

        found = percentile(ordered, part)

        assert sum(value <= found for value in ordered) >= part * len(ordered) - 1e-9
        assert sum(value < found for value in ordered) < part * len(ordered)

    def test_count_good_answers_only(self) -> None:
        """What failed is told by query and code."""
        answers = [Answer("q", 0.001 * number, number, "") for number in range(1, 101)]
        answers += [Answer("q", 9.0, 0, "404 not_found"), Answer("r", 9.0, 0, "timeout")]

        found = figures(answers)

        assert set(found) == {"q"}
        assert found["q"] == (50.0, 95.0, 100.0, 100, 100)
        assert problems(answers) == {"q": {"404 not_found": 1}, "r": {"timeout": 1}}


class TestCosts:
    """Processor time, read from /proc."""

    def test_are_of_the_threads_of_a_process(self) -> None:
        """Working adds to them, waiting does not."""
        before = seconds_of(os.getpid())
        if not before:
            pytest.skip("there is no /proc with schedstat here")
        began = time.process_time()
        while time.process_time() - began < 0.05:
            pass

        assert seconds_of(os.getpid()) - before >= 0.04

    def test_are_none_of_a_process_that_is_gone(self) -> None:
        """It may end between two looks."""
        assert seconds_of(2**31 - 1) == 0.0


class TestTheUniverse:
    """The log that is written."""

    def test_draws_sessions_in_order_with_a_price_of_every_instrument(self) -> None:
        """The same each time."""
        size = Size(sessions=30, instruments=60)

        prices = drawn_prices(size)

        assert prices == drawn_prices(size)
        assert len(prices.days) == len(set(prices.days)) == 30
        assert list(prices.days) == sorted(prices.days)
        assert all(len(closes) == 60 and min(closes.values()) > 0 for closes in prices.closes)
