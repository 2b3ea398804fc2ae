"""Versions and histories of aggregates: their streams, page by page, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from domain.identity import portfolio_stream
from tests.gateway.serving import client_of, new_tenant, token
from tests.read_api.conftest import APPLE, OWNER, Addresses, NewTeller, Teller

CASH = {"amount": "100", "currency": "USD", "value_date": "2024-01-02"}


@pytest.fixture
def desk(teller: NewTeller, story: Teller) -> Teller:
    """A tenant of its own with an open portfolio and five deposits."""
    made = teller()
    made.tell("/v1/portfolios", portfolio="growth", base_currency="USD")
    for _ in range(5):
        made.tell("/v1/portfolios/growth/deposits", **CASH)
    return made


def all_of(desk: Teller, path: str, *, limit: int) -> list[dict[str, Any]]:
    """Every event of a history, page by page."""
    items: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = desk.ask(path, after_version=after, limit=limit)
        assert len(page["items"]) <= limit
        items += page["items"]
        after = page["next_version"]
    return items


class TestAVersion:
    """How many events an aggregate has."""

    def test_is_what_its_last_acceptance_said(self, desk: Teller) -> None:
        """With the position of its last event, and as an ETag."""
        told = desk.tell("/v1/portfolios/growth/deposits", **CASH)

        answer = desk.read.get("/v1/portfolios/growth/version")

        assert answer.json()["version"] == told["stream_version"] == 7
        assert answer.json()["position"] == told["position"]
        assert answer.headers["etag"] == '"7"'

    def test_of_an_instrument_is_for_every_tenant(self, desk: Teller) -> None:
        """Instruments are shared."""
        assert desk.ask(f"/v1/instruments/{APPLE}/version")["version"] >= 1

    def test_of_a_trade_counts_its_corrections(self, desk: Teller) -> None:
        """Its own events, not its bookings."""
        trade = desk.trade("buy", "1", "10", external_id="a")
        desk.tell("/v1/trades/desk-1/a/busts", portfolio="growth", reason="wrong")

        assert desk.ask(f"/v1/trades/{trade['trade_id']}/version")["version"] == 2


class TestAHistory:
    """Events as the log holds them."""

    @pytest.mark.parametrize("limit", [1, 2, 6, 100])
    def test_is_whole_page_by_page(self, desk: Teller, limit: int) -> None:
        """Versions from 1 without a gap; the last page says so."""
        events = all_of(desk, "/v1/portfolios/growth/history", limit=limit)

        assert [event["version"] for event in events] == [1, 2, 3, 4, 5, 6]
        assert [event["type"] for event in events] == [
            "portfolio.opened.v1", *["portfolio.cash_deposited.v1"] * 5,
        ]  # fmt: skip
        assert events[-1]["data"]["balance"] == "500"
        assert {event["actor"] for event in events} != set()

    def test_names_the_command_of_each_event(self, desk: Teller) -> None:
        """As its answer did."""
        told = desk.trade("buy", "1", "10", external_id="a")

        (event,) = all_of(desk, f"/v1/trades/{told['trade_id']}/history", limit=9)

        assert event["command_id"] == told["command_id"]
        assert event["type"] == "trade.captured.v1"
        assert event["data"]["capture"]["external_id"] == "a"

    def test_of_a_block(self, desk: Teller) -> None:
        """By the id that the drop copy tells."""
        told = desk.tell(
            "/v1/blocks",
            external_id="B-1",
            intent="executed",
            instrument=APPLE,
            side="buy",
            currency="USD",
            trade_date="2024-01-03",
            fills=[{"quantity": "10", "price": "1"}],
            allocations=[{"portfolio": "growth", "quantity": "10"}],
        )
        lines = ""
        while "block_allocated" not in lines:
            lines = desk.read.get("/v1/sources/desk-1/outcomes?wait_seconds=5").text
        block_id = lines.split('"block_id":"')[1][:36]

        (event,) = all_of(desk, f"/v1/blocks/{block_id}/history", limit=9)

        assert event["type"] == "block.allocated.v1"
        assert event["command_id"] == told["command_id"]

    def test_behind_the_end_is_empty(self, desk: Teller) -> None:
        """There is nothing yet."""
        page = desk.ask("/v1/portfolios/growth/history", after_version=999)

        assert (page["items"], page["next_version"], page["version"]) == ([], None, 6)


class TestAnotherTenant:
    """Finds nothing, by whatever id it asks."""

    def test_sees_neither_portfolio_nor_trade(self, desk: Teller, addresses: Addresses) -> None:
        """Also not with the very id of the stream."""
        trade = desk.trade("buy", "1", "10")
        stream = portfolio_stream(OWNER, "growth")
        with client_of(addresses.read, token(new_tenant(), "auditor")) as other:
            for path in (
                "/v1/portfolios/growth",
                f"/v1/trades/{trade['trade_id']}",
                f"/v1/blocks/{trade['trade_id']}",
                f"/v1/trades/{stream}",
            ):
                for what in ("version", "history"):
                    answer = other.get(f"{path}/{what}")
                    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    def test_an_id_of_another_kind_is_not_found(self, desk: Teller) -> None:
        """A portfolio's stream is no trade, a trade is no block."""
        trade = desk.trade("buy", "1", "10")

        for path in (
            f"/v1/blocks/{trade['trade_id']}/history",
            f"/v1/trades/{portfolio_stream(OWNER, 'growth')}/history",
        ):
            assert desk.read.get(path).status_code == 404


class TestBadInput:
    """Is a problem that names the parameter."""

    @pytest.mark.parametrize(
        "query", ["after_version=-1", "limit=0", "limit=101", "after_version=x", "cursor=a"]
    )
    def test_of_a_history(self, desk: Teller, query: str) -> None:
        """Never a failure of ours."""
        answer = desk.read.get(f"/v1/portfolios/growth/history?{query}")

        assert (answer.status_code, answer.json()["code"]) == (400, "parameter_invalid")
