"""POST /v1/trades:batch: arrays and NDJSON, one result per item, atomic or not."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import httpx
import pytest

from domain.identity import command_id
from tests.gateway.serving import assert_problem
from tests.write_api.conftest import Client, instrument, key, trade
from write_api.reading_bodies import ITEMS_MAX

PATH = "/v1/trades:batch"
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def trader(client: Client, portfolio: str) -> httpx.Client:
    """A client that may propose trades, with a portfolio to trade in."""
    return client("trader")


def lines(*items: object) -> bytes:
    """Write items as NDJSON; text is taken as it is."""
    written = [item if isinstance(item, str) else json.dumps(item) for item in items]
    return "\n".join(written).encode()


def outcomes(answer: httpx.Response) -> list[str]:
    """Give the outcome of each item."""
    assert answer.status_code == 200, answer.text
    return [result["outcome"] for result in answer.json()["results"]]


class TestABatch:
    """Items are decided in order, each with its own result."""

    def test_gives_one_result_per_item_in_order(
        self, trader: httpx.Client, apple: str, tenant: str
    ) -> None:
        """Item i is named by the key and i; a refusal touches no neighbour."""
        sent = [trade(apple), trade(apple, quantity="1e9"), trade(apple)]

        answer = trader.post(PATH, json=sent, headers=key("batch-1"))

        assert outcomes(answer) == ["accepted", "rejected", "accepted"]
        told = answer.json()
        assert [result["index"] for result in told["results"]] == [0, 1, 2]
        assert [UUID(result["command_id"]) for result in told["results"]] == [
            command_id(tenant, "batch-1", index) for index in range(3)
        ]
        assert told["results"][1]["breaches"][0]["rule"] == "insufficient_cash"
        assert told["counts"] == {"accepted": 2, "rejected": 1}
        assert told["position"] == told["results"][2]["position"]

    def test_lets_later_items_see_earlier_ones(self, trader: httpx.Client, apple: str) -> None:
        """What the first buys the second can sell, and the third no more."""
        sale = {"side": "sell"}
        sent = [trade(apple), trade(apple, **sale), trade(apple, **sale)]

        answer = trader.post(PATH, json=sent, headers=key())

        assert outcomes(answer) == ["accepted", "accepted", "rejected"]

    def test_sent_again_is_replayed_item_by_item(self, trader: httpx.Client, apple: str) -> None:
        """Same key, same content: the same results."""
        sent = [trade(apple), trade(apple, quantity="1e9")]
        first = trader.post(PATH, json=sent, headers=key("batch-1")).json()

        again = trader.post(PATH, json=sent, headers=key("batch-1"))

        assert outcomes(again) == ["replayed", "rejected"]
        assert all(result["replayed"] for result in again.json()["results"])
        assert again.json()["position"] == first["position"]

    def test_tells_a_repeated_item_as_the_same_trade(
        self, trader: httpx.Client, apple: str
    ) -> None:
        """Twice the same name and content within one batch is one trade."""
        sent = trade(apple)

        answer = trader.post(PATH, json=[sent, sent, sent | {"price": "1"}], headers=key())

        assert outcomes(answer) == ["accepted", "replayed", "conflict"]
        assert answer.json()["results"][2]["fields"] == ["price"]

    def test_that_is_a_malformed_array_decides_nothing(
        self, trader: httpx.Client, apple: str
    ) -> None:
        """One wrong element refuses all, and is named."""
        wrong = [trade(apple), trade(apple, quantity="NaN")]
        zero = [trade(apple), trade(apple, quantity="0")]

        schema = trader.post(PATH, json=wrong, headers=key("batch-1"))
        value = trader.post(PATH, json=zero, headers=key("batch-1"))
        corrected = trader.post(PATH, json=[trade(apple)], headers=key("batch-1"))

        assert assert_problem(schema, 400, "not_a_number")["fields"] == ["[1].quantity"]
        assert assert_problem(value, 400, "out_of_range")["fields"] == ["[1].quantity"]
        assert outcomes(corrected) == ["accepted"]

    def test_holds_at_least_one_item(self, trader: httpx.Client) -> None:
        """An empty batch is a slip."""
        assert_problem(trader.post(PATH, json=[], headers=key()), 400, "batch_empty")
        empty = trader.post(PATH, content=b"\n\n", headers=key() | NDJSON)
        assert_problem(empty, 400, "batch_empty")

    def test_holds_at_most_5000_items(self, trader: httpx.Client, apple: str) -> None:
        """One more is refused whole; the full number is decided."""
        sent = [trade(apple, quantity="0.01", external_id=f"fill-{n:05}") for n in range(ITEMS_MAX)]
        beyond = [*sent, trade(apple)]

        refused = trader.post(PATH, content=lines(*beyond), headers=key() | NDJSON)
        decided = trader.post(PATH, content=lines(*sent), headers=key() | NDJSON)

        assert_problem(refused, 413, "batch_too_long")
        assert decided.json()["counts"] == {"accepted": ITEMS_MAX}

    def test_of_executed_trades_needs_its_own_permission(
        self, trader: httpx.Client, apple: str
    ) -> None:
        """One item that is not permitted refuses the batch: nothing is decided."""
        sent = [trade(apple), trade(apple, intent="executed")]

        assert_problem(trader.post(PATH, json=sent, headers=key()), 403, "role_missing")

    def test_of_instruments_registers_them(self, market: httpx.Client) -> None:
        """The same rules for the other batch."""
        first, second = f"A.{uuid4().hex[:8]}", f"B.{uuid4().hex[:8]}"
        sent = [instrument(first), instrument(second), instrument(first, symbol="OTHER")]

        answer = market.post("/v1/instruments:batch", json=sent, headers=key())

        assert outcomes(answer) == ["accepted", "accepted", "conflict"]
        assert answer.json()["results"][2]["fields"] == ["symbol"]


class TestLines:
    """NDJSON: a malformed line is its own result."""

    def test_that_are_malformed_spare_the_others(self, trader: httpx.Client, apple: str) -> None:
        """The index counts lines that hold anything."""
        body = lines(trade(apple), "{nope", "", trade(apple, quantity="NaN"), "7", trade(apple))

        answer = trader.post(PATH, content=body, headers=key() | NDJSON)

        assert outcomes(answer) == ["accepted", "malformed", "malformed", "malformed", "accepted"]
        results = answer.json()["results"]
        assert results[1]["code"] == "body_malformed"
        assert results[2]["code"] == "not_a_number"
        assert results[2]["fields"] == ["quantity"]
        assert results[4]["index"] == 4

    def test_may_all_be_malformed(self, trader: httpx.Client) -> None:
        """The batch was understood; none of its lines was."""
        answer = trader.post(PATH, content=b"x\ny\n", headers=key() | NDJSON)

        assert outcomes(answer) == ["malformed", "malformed"]

    def test_may_end_in_carriage_returns(self, trader: httpx.Client, apple: str) -> None:
        """Windows line ends are white space to JSON."""
        body = lines(trade(apple), trade(apple)).replace(b"\n", b"\r\n") + b"\r\n"

        assert outcomes(trader.post(PATH, content=body, headers=key() | NDJSON)) == ["accepted"] * 2


class TestAnAtomicBatch:
    """All items or none."""

    def test_is_accepted_whole(self, trader: httpx.Client, apple: str) -> None:
        """Every item accepted: like any other batch."""
        sent = [trade(apple), trade(apple)]

        answer = trader.post(f"{PATH}?atomic=true", json=sent, headers=key())

        assert outcomes(answer) == ["accepted", "accepted"]

    def test_is_refused_whole_by_one_rejection(self, trader: httpx.Client, apple: str) -> None:
        """422 with the cause and every item's result; nothing of it is booked."""
        first = trade(apple)
        sent = [first, trade(apple, side="sell", quantity="20")]

        answer = trader.post(f"{PATH}?atomic=true", json=sent, headers=key())
        alone = trader.post("/v1/trades", json=first, headers=key())

        told = assert_problem(answer, 422, "short_not_allowed")
        assert [result["outcome"] for result in told["results"]] == ["not_attempted", "rejected"]
        assert alone.json()["replayed"] is False

    def test_is_refused_whole_by_one_malformed_line(self, trader: httpx.Client, apple: str) -> None:
        """400: what cannot be understood cannot be all of it."""
        body = lines(trade(apple), "{nope")

        answer = trader.post(f"{PATH}?atomic=true", content=body, headers=key() | NDJSON)

        assert_problem(answer, 400, "body_malformed")

    def test_says_clearly_when_its_parameter_is_not_understood(
        self, trader: httpx.Client, apple: str
    ) -> None:
        """Neither yes nor no."""
        answer = trader.post(f"{PATH}?atomic=perhaps", json=[trade(apple)], headers=key())

        assert assert_problem(answer, 400, "parameter_invalid")["fields"] == ["atomic"]
