"""Positions and cash as of another time, over HTTP."""

from __future__ import annotations

import pytest

from tests.gateway.serving import assert_problem
from tests.read_api.conftest import APPLE, BANK, Teller


class TestAnotherTime:
    """GET …/positions and …/cash with `known_at` and `valid_at`."""

    def test_is_as_the_log_knew_it(self, story: Teller) -> None:
        """Before the withdrawal, which came last: by position, not valued."""
        now = story.ask("/v1/portfolios/growth/cash")
        last = now["items"][0]["changed_position"]

        then = story.ask("/v1/portfolios/growth/cash", known_at=last - 1)
        positions = story.ask("/v1/portfolios/growth/positions", known_at=last - 1)

        assert (then["position"], positions["position"]) == (last - 1, last - 1)
        assert then["items"][0]["withdrawals"] == "0"
        assert then["items"][0]["balance"] == "97498.5"
        (apple,) = positions["items"]
        assert (apple["instrument"], apple["quantity"], apple["cost"]) == (APPLE, "30", "4800")
        assert (apple["price_source"], apple["market_value"]) == ("none", None)

    def test_is_as_of_the_end_of_a_date(self, story: Teller) -> None:
        """On the day before the trades there was the deposit, less the withdrawal told last."""
        cash = story.ask("/v1/portfolios/growth/cash", valid_at="2024-01-02")
        none = story.ask("/v1/portfolios/growth/positions", valid_at="2024-01-02")

        assert cash["items"][0]["balance"] == "99000"
        assert none["items"] == []

    def test_takes_a_moment_in_any_zone(self, story: Teller) -> None:
        """Long ago nothing was known; in a time to come, all that is known now."""
        path = "/v1/portfolios/growth/positions"

        missing = story.read.get(path, params={"known_at": "2001-01-01T00:00:00+02:00"})
        told = story.ask(path, known_at="2150-01-01T00:00:00Z", include_closed="true")

        assert_problem(missing, 404, "not_found")
        assert [item["instrument"] for item in told["items"]] == [APPLE, BANK]

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("known_at=-1", "known_at"),
            ("known_at=yesterday", "known_at"),
            ("known_at=2024-01-01T00:00:00", "known_at"),
            ("valid_at=2024-02-30", "valid_at"),
            ("known_at=1&min_position=2", "known_at"),
        ],
    )
    def test_that_cannot_be_is_refused(self, story: Teller, query: str, field: str) -> None:
        """400 with the parameter's name."""
        answer = story.read.get(f"/v1/portfolios/growth/cash?{query}")

        assert assert_problem(answer, 400, "parameter_invalid")["fields"][0] == field
