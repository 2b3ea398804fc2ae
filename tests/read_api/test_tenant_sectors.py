"""Sectors over all portfolios of a tenant, over HTTP."""

from __future__ import annotations

from decimal import Decimal

from tests.gateway.serving import assert_problem
from tests.read_api.conftest import Teller


class TestTenantSectors:
    """GET /v1/sectors."""

    def test_are_the_sum_of_the_positions(self, story: Teller) -> None:
        """Of all portfolios; a sum is of one market position."""
        rows = [
            row
            for portfolio in story.ask("/v1/portfolios")["items"]
            for row in story.ask(f"/v1/portfolios/{portfolio['portfolio']}/positions")["items"]
        ]

        told = story.ask("/v1/sectors", currency="USD")

        total = told["item"]["total"]
        assert Decimal(total["net"]) == sum(Decimal(row["market_value"]) for row in rows) > 0
        assert (total["positions"], told["item"]["lacking"]) == (len(rows), [])
        assert told["market_position"] > 0
        assert_problem(story.read.get("/v1/sectors"), 400, "parameter_invalid")
