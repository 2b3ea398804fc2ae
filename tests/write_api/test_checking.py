"""POST /v1/trades:check: what would become of trades, and no trace of it (conventions 1 and 2)."""

from __future__ import annotations

import httpx
import pytest

from commands import checks
from commands.checks import TRADES_MAX
from eventstore.log import Log
from tests.gateway.serving import assert_problem
from tests.write_api.conftest import Client, key, trade

PATH = "/v1/trades:check"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give checks all the time that a loaded machine may take."""
    monkeypatch.setattr(checks, "SECONDS_MAX", 10.0)


@pytest.fixture
def trader(client: Client, portfolio: str) -> httpx.Client:
    """A client that may propose trades, with a portfolio of 100,000 dollars to trade in."""
    return client("trader")


def checked(client: httpx.Client, *sent: object) -> list[dict[str, object]]:
    """What would become of trades: one alone, or several in an array."""
    answer = client.post(PATH, json=sent[0] if len(sent) == 1 else list(sent))
    assert answer.status_code == 200, answer.text
    results: list[dict[str, object]] = answer.json()["results"]
    return results


class TestChecking:
    """Judged as it would be if it were sent, on a state that is named."""

    def test_tells_what_would_be_held_then(self, trader: httpx.Client, apple: str) -> None:
        """Position and cash after it, and what it would realise."""
        (bought,) = checked(trader, trade(apple, quantity="10", price="100"))

        assert bought["outcome"] == "accepted"
        assert bought["quantity_after"] == "10"
        assert bought["cash_after"] == [{"amount": "99000", "currency": "USD"}]
        assert bought["realised_gross"] == "0"

    def test_tells_every_breach(self, trader: httpx.Client, apple: str) -> None:
        """As the refusal would."""
        (refused,) = checked(trader, trade(apple, quantity="1e9"))

        assert (refused["outcome"], refused["code"]) == ("rejected", "insufficient_cash")
        assert refused["breaches"][0]["rule"] == "insufficient_cash"  # type: ignore[index]

    def test_lets_later_trades_see_earlier_ones(self, trader: httpx.Client, apple: str) -> None:
        """What the first buys the second sells, and the third no more."""
        sale = trade(apple, side="sell")

        told = checked(trader, trade(apple), sale, {**sale, "external_id": "another"})

        assert [each["outcome"] for each in told] == ["accepted", "accepted", "rejected"]

    def test_tells_a_trade_that_was_accepted_before_and_one_of_its_name(
        self, trader: httpx.Client, apple: str
    ) -> None:
        """Replayed, with its place in the log; with other content a conflict."""
        sent = trade(apple)
        first = trader.post("/v1/trades", json=sent, headers=key()).json()

        again, other = checked(trader, sent, {**sent, "quantity": "7"})

        assert again["replayed"] is True
        assert again["trade_id"] == first["trade_id"]
        assert isinstance(again["first_position"], int)
        assert (other["outcome"], other["fields"]) == ("conflict", ["quantity"])

    def test_tells_what_would_be_parked(self, client: Client, portfolio: str) -> None:
        """Told of an instrument that is not registered."""
        told = trade("not-registered", portfolio=portfolio, intent="executed")

        (parked,) = checked(client("execution"), told)

        assert parked["is_parked"] is True

    def test_leaves_no_trace(self, trader: httpx.Client, apple: str, written_log: Log) -> None:
        """The head is where it was, and the trade is new when it is sent."""
        sent = trade(apple)
        before = written_log.head()

        answer = trader.post(PATH, json=sent)

        assert written_log.head() == before
        assert answer.json()["position"] == before.position
        accepted = trader.post("/v1/trades", json=sent, headers=key())
        assert accepted.json()["replayed"] is False

    def test_promises_nothing(self, trader: httpx.Client, market: httpx.Client, apple: str) -> None:
        """Checked as fine, and refused once it is suspended."""
        (fine,) = checked(trader, trade(apple))
        assert fine["outcome"] == "accepted"
        answer = market.post(
            f"/v1/instruments/{apple}/suspensions",
            json={"from_at": "2000-01-03T00:00:00Z", "reason": "halted"},
            headers=key(),
        )
        assert answer.status_code == 201, answer.text

        (refused,) = checked(trader, trade(apple))

        assert refused["code"] == "instrument_inactive"


class TestItsBounds:
    """Bounded, and only for who may capture."""

    def test_takes_so_many_and_no_more(self, trader: httpx.Client, apple: str) -> None:
        """500 fit."""
        sent = [trade(apple, quantity="1") for _ in range(TRADES_MAX)]
        told = checked(trader, *sent)
        assert len(told) == TRADES_MAX
        assert {each["outcome"] for each in told} == {"accepted"}

        answer = trader.post(PATH, json=[*sent, trade(apple)])

        assert_problem(answer, 413, "batch_too_long")

    def test_asks_for_something(self, trader: httpx.Client) -> None:
        """An empty array asks nothing."""
        answer = trader.post(PATH, json=[])
        assert answer.json()["code"] == "batch_empty"

    def test_needs_the_permission_to_capture(self, client: Client, apple: str) -> None:
        """Asking needs that of asking, telling that of telling."""
        told = trade(apple, intent="executed")
        assert client("trader").post(PATH, json=told).status_code == 403
        assert client("viewer").post(PATH, json=trade(apple)).status_code == 403
