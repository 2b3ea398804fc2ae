"""Amends and busts, told over HTTP and asked for again."""

from __future__ import annotations

from tests.read_api.conftest import NewTeller


class TestCorrectedTrades:
    """A trade shows what holds; what came before its trade is listed."""

    def test_that_are_corrected_show_what_holds(self, teller: NewTeller) -> None:
        """Amended over HTTP, and a bust that waits: GET /v1/trades/held."""
        owner = teller()
        owner.tell("/v1/portfolios", portfolio="growth", base_currency="USD")
        first = owner.trade("buy", "5", "10", external_id="f/1", instrument="NEWCO")
        content = {
            "portfolio": "growth",
            "instrument": "NEWCO",
            "side": "buy",
            "quantity": "4",
            "price": "10",
            "currency": "USD",
            "trade_date": "2024-01-03",
        }
        owner.tell("/v1/trades/desk-1/f%2F1/amendments", revision=1, reason="size", **content)
        bust = {"portfolio": "growth", "reason": "cancelled"}
        told = owner.tell("/v1/trades/desk-1/unknown/busts", **bust)

        trade = owner.ask(f"/v1/trades/{first['trade_id']}", min_position=told["position"])["item"]
        (held,) = owner.ask("/v1/trades/held", portfolio="growth")["items"]

        assert (trade["status"], trade["quantity"]) == ("parked", "4")
        assert (trade["revision"], trade["reason"]) == (1, "size")
        assert (held["external_id"], held["revision"]) == ("unknown", None)
        assert held["reason"] == "cancelled"
