"""Positions and cash opened into lines, over HTTP."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.gateway.serving import assert_problem
from tests.read_api.conftest import APPLE, BANK, Teller

OWN = "/v1/portfolios/growth"


def all_lines(story: Teller, path: str, **asked: object) -> tuple[dict[str, Any], list[Any]]:
    """Ask one line a page; give the first page and the lines of all."""
    first = page = story.ask(path, limit=1, **asked)
    lines = [*page["items"]]
    while page["next_cursor"] is not None:
        page = story.ask(path, limit=1, cursor=page["next_cursor"], **asked)
        assert page["position"] == first["position"]
        lines += page["items"]
    return first, lines


def sums(lines: list[Any]) -> dict[str, Decimal]:
    """Add the changes up, figure by figure."""
    return {
        name: sum((Decimal(line["change"][name]) for line in lines), Decimal(0))
        for name in lines[0]["change"]
    }


class TestExplaining:
    """GET …/positions/{instrument}/explain and …/cash/explain."""

    @pytest.mark.parametrize("instrument", [APPLE, BANK])
    def test_adds_up_to_the_position(self, story: Teller, instrument: str) -> None:
        """Every figure of the row, and of what it realised; the lots that a sale closed."""
        row = story.ask(f"{OWN}/positions/{instrument}")["item"]

        first, lines = all_lines(story, f"{OWN}/positions/{instrument}/explain")

        for name, total in sums(lines).items():
            assert total == Decimal(first["total"][name]) == Decimal(row[name])
            assert lines[-1]["after"][name] == first["total"][name]
        assert {line["kind"] for line in lines} == {"buy", "sell"}
        for line in lines:
            closed = sum((Decimal(lot["realised_gross"]) for lot in line["closed"]), Decimal(0))
            assert closed == Decimal(line["change"]["realised_gross"])
        value = first["value"]
        for name in ("market_value", "price", "price_source", "is_stale", "unrealised_gross"):
            assert value[name] == row[name]
        history = f"{OWN}/history"
        if value["price_source"] == "mark":
            worth = Decimal(value["quantity"]) * Decimal(value["told_price"])
            assert worth == Decimal(value["market_value"])
            assert value["event"] not in {line["event"] for line in lines}
        else:
            assert value["event"] == lines[-1]["event"]
        events = {each["position"] for each in story.ask(history, limit=100)["items"]}
        assert {line["event"] for line in lines} <= events

    def test_adds_up_to_the_cash(self, story: Teller) -> None:
        """Every figure of the ladder; trades with their fees."""
        (ladder,) = story.ask(f"{OWN}/cash/ladder")["items"]

        first, lines = all_lines(story, f"{OWN}/cash/explain", currency="USD")

        for name, total in sums(lines).items():
            assert total == Decimal(first["total"][name]) == Decimal(ladder[name])
        for line in lines:
            moved = sum((Decimal(leg["amount"]) for leg in line["legs"]), Decimal(0))
            assert moved == Decimal(line["change"]["balance"])

    def test_of_a_currency_without_cash_has_no_lines(self, story: Teller) -> None:
        """It is nothing; a position that never was is not found."""
        told = story.ask(f"{OWN}/cash/explain", currency="CHF")
        missing = story.read.get(f"{OWN}/positions/NOTHING/explain")

        assert (told["items"], told["total"]["balance"]) == ([], "0")
        assert_problem(missing, 404, "not_found")
