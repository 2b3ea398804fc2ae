"""A block, told over HTTP and asked for again: its trades in every portfolio."""

from __future__ import annotations

from tests.read_api.conftest import NewTeller


class TestTheTradesOfABlock:
    """GET /v1/trades?block=… tells what every portfolio has of it."""

    def test_are_asked_for_by_its_name(self, teller: NewTeller) -> None:
        """Amended and busted ones, too; another block's are left out."""
        owner = teller()
        for name in ("growth", "income"):
            owner.tell("/v1/portfolios", portfolio=name, base_currency="USD")
        content = {
            "intent": "executed",
            "instrument": "NEWCO",
            "side": "buy",
            "currency": "USD",
            "trade_date": "2024-01-03",
            "fills": [{"quantity": "3", "price": "10"}],
            "allocations": [
                {"portfolio": "growth", "quantity": "2"},
                {"portfolio": "income", "quantity": "1"},
            ],
        }
        owner.tell("/v1/blocks", external_id="B/1", **content)
        owner.tell("/v1/blocks", external_id="B/2", **content)
        amended = {
            "portfolio": "income",
            "instrument": "NEWCO",
            "side": "buy",
            "quantity": "2",
            "price": "10",
            "currency": "USD",
            "trade_date": "2024-01-03",
        }
        owner.tell("/v1/trades/desk-1/B%2F1%2Fgrowth/amendments", revision=1, **amended)
        told = owner.tell("/v1/blocks/desk-1/B%2F2/busts", reason="cancelled")

        first = owner.ask("/v1/trades", block="B/1", min_position=told["position"])["items"]
        second = owner.ask("/v1/trades", block="B/2", status="busted")["items"]
        page = owner.ask("/v1/trades", block="B/2", portfolio="growth")["items"]

        assert [(each["portfolio"], each["status"], each["quantity"]) for each in first] == [
            ("income", "parked", "2"),
            ("income", "parked", "1"),
            ("growth", "reassigned", "2"),
        ]
        assert {each["block"] for each in first} == {"B/1"}
        assert sorted(each["external_id"] for each in second) == ["B/2/growth", "B/2/income"]
        assert [each["external_id"] for each in page] == ["B/2/growth"]

    def test_are_refused_with_it(self, teller: NewTeller) -> None:
        """Those that breach something; a trade of no block has none."""
        owner = teller()
        owner.tell("/v1/portfolios", portfolio="growth", base_currency="USD")
        content = {
            "intent": "proposed",
            "instrument": "NEWCO",
            "side": "buy",
            "currency": "USD",
            "trade_date": "2024-01-03",
            "fills": [{"quantity": "3", "price": "10"}],
            "allocations": [{"portfolio": "growth", "weight": "2"}],
        }
        owner.send("/v1/blocks", 422, {"external_id": "B/1", **content})
        told = owner.trade("buy", "1", "1", instrument="NEWCO")

        (refused,) = owner.ask("/v1/trades", block="B/1", min_position=told["position"])["items"]
        plain = owner.ask(f"/v1/trades/{told['trade_id']}")["item"]

        assert (refused["status"], refused["external_id"]) == ("refused", "B/1/growth")
        assert plain["block"] is None
