"""Positions under every cost basis, over HTTP."""

from __future__ import annotations

from decimal import Decimal

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
