"""Positions under every cost basis, over HTTP."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.gateway.serving import assert_problem
from tests.read_api.conftest import APPLE, NewTeller, Teller

OWN = "/v1/portfolios/growth"


def three_lots(teller: NewTeller, basis: str) -> Teller:
    """1 at 10, 1 at 30, 1 at 20, each with a fee of 1; 2 sold at 40, fee 2."""
    owner = teller()
    owner.tell("/v1/portfolios", portfolio="growth", base_currency="USD", cost_basis=basis)
    for price in ("10", "30", "20"):
        owner.trade("buy", "1", price, fee="1")
    last = owner.trade("sell", "2", "40", fee="2")
    owner.ask(f"{OWN}/positions", min_position=last["position"], wait_seconds=20)
    return owner


class TestSideBySide:
    """GET …/positions/bases."""

    def test_shows_what_each_basis_realises(self, story: Teller, teller: NewTeller) -> None:
        """Booked by LIFO; the example of docs/accounting.md, net of fees too."""
        del story  # It registers the instrument.
        owner = three_lots(teller, "LIFO")

        told = owner.ask(f"{OWN}/positions/bases")

        (item,) = told["items"]
        shown = {
            line["cost_basis"]: (
                line["booking"], line["quantity"], line["cost"], line["realised_gross"],
                line["realised_net"],
            )
            for line in item["bases"]
        }  # fmt: skip
        assert (item["instrument"], item["is_rebased"]) == (APPLE, False)
        assert list(shown) == ["LIFO", "FIFO", "HIFO", "AVERAGE"]
        assert shown == {
            "LIFO": ("booked", "1", "10", "30", "26"),
            "FIFO": ("not_booked", "1", "20", "40", "36"),
            "HIFO": ("not_booked", "1", "10", "30", "26"),
            "AVERAGE": ("not_booked", "1", "20", "40", "36"),
        }

    def test_agrees_with_positions_and_what_fills_realised(
        self, story: Teller, teller: NewTeller
    ) -> None:
        """The booked line is the row, and the sum of `/realised`; all have earned as much."""
        del story
        owner = three_lots(teller, "SPECIFIC")

        (item,) = owner.ask(f"{OWN}/positions/bases", instrument=APPLE)["items"]
        row = owner.ask(f"{OWN}/positions/{APPLE}")["item"]
        fills = owner.ask(f"{OWN}/realised", min_position=row["changed_position"])["items"]

        booked = item["bases"][0]
        assert {name: value for name, value in booked.items() if name in row} == {
            name: value for name, value in row.items() if name in booked
        }
        for figure in ("realised_gross", "realised_net"):
            assert Decimal(booked[figure]) == sum(Decimal(fill[figure]) for fill in fills)
        assert item["market_value"] == row["market_value"]
        earned = {
            Decimal(line["realised_gross"]) + Decimal(line["unrealised_gross"])
            for line in item["bases"]
        }
        assert len(earned) == 1

    def test_as_of_a_date_is_not_valued(self, story: Teller) -> None:
        """Before the first trade there was nothing; on its day, what was held, without a price."""
        path = f"{OWN}/positions/bases"

        assert story.ask(path, valid_at="2024-01-02")["items"] == []
        (apple,) = story.ask(path, valid_at="2024-01-03")["items"]
        assert (apple["price_source"], apple["market_value"]) == ("none", None)
        assert {line["quantity"] for line in apple["bases"]} == {"30"}


def opened(owner: Teller, **asked: str) -> dict[str, Any]:
    """Explain the position of three lots."""
    return owner.ask(f"{OWN}/positions/bases/explain", instrument=APPLE, **asked)


class TestExplaining:
    """GET …/positions/bases/explain."""

    @pytest.mark.parametrize("basis", ["LIFO", "FIFO", "HIFO", "AVERAGE"])
    def test_adds_up_to_the_line(self, story: Teller, teller: NewTeller, basis: str) -> None:
        """Every figure of the basis, at the same position; lots and value too."""
        del story
        owner = three_lots(teller, "LIFO")
        whole = owner.ask(f"{OWN}/positions/bases")
        (line,) = (each for each in whole["items"][0]["bases"] if each["cost_basis"] == basis)

        told = opened(owner, cost_basis=basis)

        assert told["position"] == whole["position"]
        assert told["total"] == line
        for figure in told["items"][0]["change"]:
            total = sum(Decimal(each["change"][figure]) for each in told["items"])
            assert total == Decimal(line[figure])
        for figure, name in (("quantity", "quantity"), ("cost", "cost"), ("fees", "fee")):
            assert sum(Decimal(lot[name]) for lot in told["lots"]) == Decimal(line[figure])
        unrealised = Decimal(told["value"]["market_value"]) - Decimal(line["cost"])
        assert Decimal(line["unrealised_gross"]) == unrealised
        closed = told["items"][-1]["closed"]
        assert sum(Decimal(lot["realised_gross"]) for lot in closed) == Decimal(
            line["realised_gross"]
        )

    def test_is_of_the_booked_line_where_no_basis_is_asked_for(
        self, story: Teller, teller: NewTeller
    ) -> None:
        """HIFO closes the lots of 30 and 20, as docs/accounting.md says, whoever asks for it."""
        del story
        booked = three_lots(teller, "HIFO")

        told = opened(booked)

        assert told["total"]["booking"] == "booked"
        closed = [(lot["cost"], lot["realised_gross"]) for lot in told["items"][-1]["closed"]]
        assert closed == [("30", "10"), ("20", "20")]
        assert [lot["cost"] for lot in told["lots"]] == ["10"]
        assert opened(booked, cost_basis="HIFO") == told

    def test_of_what_is_not_there(self, story: Teller, teller: NewTeller) -> None:
        """No such basis, portfolio, instrument or line, or another tenant's: a problem each."""
        path = f"{OWN}/positions/bases/explain"
        for asked in ({}, {"instrument": APPLE, "cost_basis": "DEAREST"}):
            assert_problem(story.read.get(path, params=asked), 400, "parameter_invalid")
        for missing in ({"instrument": "NONE"}, {"instrument": APPLE, "cost_basis": "SPECIFIC"}):
            assert_problem(story.read.get(path, params=missing), 404, "not_found")
        nobody = "/v1/portfolios/nobody/positions/bases/explain"
        assert_problem(story.read.get(f"{nobody}?instrument={APPLE}"), 404, "not_found")
        assert_problem(teller().read.get(f"{path}?instrument={APPLE}"), 404, "not_found")
