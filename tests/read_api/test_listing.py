"""Lists over HTTP: found by parts of names, sorted as asked for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.gateway.serving import assert_problem
from tests.read_api.conftest import Teller


class TestTrades:
    """Every list of captures."""

    @pytest.mark.parametrize(
        "query", ["q=ank", "q=BAN&sort=-position", "instrument=BANK&source=desk-1&intent=executed"]
    )
    def test_are_found_by_a_part_of_a_name(self, story: Teller, query: str) -> None:
        """Of the symbol, the instrument, the source or the external id, whatever its case."""
        items = story.ask(f"/v1/trades?{query}")["items"]

        assert [item["side"] for item in items] == ["sell", "buy"]

    def test_are_sorted_as_asked_for(self, story: Teller) -> None:
        """By pages, what has no value last, in every list of captures."""
        path, asked = "/v1/portfolios/growth/trades", {"sort": "-trade_date", "limit": 3}
        first = story.ask(path, **asked)
        second = story.ask(path, cursor=first["next_cursor"], **asked)
        third = story.ask(path, cursor=second["next_cursor"], **asked)
        refusals = story.ask("/v1/refusals?sort=price&q=too-much&to_date=2024-01-03")["items"]

        items = first["items"] + second["items"] + third["items"]
        assert third["next_cursor"] is None
        assert [item["position"] for item in items] == [
            item["position"] for item in story.ask("/v1/portfolios/growth/trades")["items"]
        ]
        assert [item["external_id"] for item in refusals] == ["too-much"]

    def test_are_sorted_only_by_what_they_have(self, story: Teller) -> None:
        """The refusal names the fields there are."""
        answer = story.read.get("/v1/trades?sort=colour")

        told = assert_problem(answer, 400, "parameter_invalid")
        assert "trade_date" in told["detail"]

    def test_are_sorted_only_so_many_at_a_time(
        self, story: Teller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where no index gives the order; the refusal names the sorts that have no bound."""
        monkeypatch.setattr("projections.sorting.SORTED_ROWS_MAX", 2)

        answer = story.read.get("/v1/trades?sort=price")

        told = assert_problem(answer, 422, "sort_too_long")
        assert told["fields"] == ["sort"]
        assert "trade_date" in told["detail"]


class TestPositions:
    """A portfolio's positions, by what they are worth."""

    @pytest.mark.parametrize("sort", ["market_value", "-market_value", "-price", "symbol"])
    def test_are_sorted_page_by_page(self, story: Teller, sort: str) -> None:
        """What has no value comes last; ties by instrument, in the same direction."""
        path, asked = "/v1/portfolios/growth/positions", {"sort": sort, "include_closed": "true"}
        name, is_descending = sort.removeprefix("-"), sort.startswith("-")
        every = story.ask(path, include_closed="true")["items"]

        first = story.ask(path, limit=1, **asked)
        second = story.ask(path, limit=1, cursor=first["next_cursor"], **asked)

        def place(item: dict[str, Any]) -> tuple[object, str]:
            value = item[name]
            return (value if name == "symbol" else Decimal(value), item["instrument"])

        given = [item for item in every if item[name] is not None]
        expected = sorted(given, key=place, reverse=is_descending)
        expected += [item for item in every if item[name] is None]
        assert [first["items"][0], second["items"][0]] == expected
        assert second["next_cursor"] is None

    def test_of_another_time_have_one_order(self, story: Teller) -> None:
        """A sort is refused, not left out in silence; so is one that they do not have."""
        path = "/v1/portfolios/growth/positions"
        then = story.read.get(f"{path}?sort=-quantity&valid_at=2024-01-03")
        unknown = story.read.get(f"{path}?sort=colour")

        assert assert_problem(then, 400, "parameter_invalid")["fields"] == ["sort"]
        assert "market_value" in assert_problem(unknown, 400, "parameter_invalid")["detail"]
