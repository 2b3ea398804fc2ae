"""POST /v1/trades: every outcome of convention 2, seen by a caller."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID, uuid4

import httpx

from domain.identity import command_id, trade_id
from eventstore.log import Log
from tests.gateway.serving import assert_problem
from tests.write_api.conftest import Client, key, trade


class TestCapturing:
    """One trade, one answer."""

    def test_is_accepted_with_everything_a_caller_needs_to_go_on(
        self, client: Client, portfolio: str, apple: str, tenant: str
    ) -> None:
        """201 names the command, the trade, its stream version, log position and time."""
        sent = trade(apple)

        answer = client("trader").post("/v1/trades", json=sent, headers=key("order-1"))

        assert answer.status_code == 201, answer.text
        told = answer.json()
        assert told["outcome"] == "accepted"
        assert told["replayed"] is False
        assert UUID(told["command_id"]) == command_id(tenant, "order-1")
        external_id = str(sent["external_id"])
        assert UUID(told["trade_id"]) == trade_id(tenant, "desk-1", external_id, None)
        assert told["stream_version"] == 1
        assert told["position"] > 0
        assert told["recorded_at"].endswith("Z")
        assert told["market_position"] > 0
        assert answer.headers["x-correlation-id"]

    def test_is_rejected_with_every_breach(
        self, client: Client, portfolio: str, apple: str
    ) -> None:
        """422 lists all broken rules, each with its limit and the actual value."""
        sent = trade(apple, quantity="1000", trade_date="2190-01-02")

        answer = client("trader").post("/v1/trades", json=sent, headers=key())

        told = assert_problem(answer, 422, "insufficient_cash")
        assert told["outcome"] == "rejected"
        rules = [breach["rule"] for breach in told["breaches"]]
        assert rules == [
            "insufficient_cash",
            "trade_from_the_future",
            "settlement_date_unknown",
        ]
        assert told["breaches"][0]["limit"] == "100000"
        assert Decimal(told["breaches"][0]["actual"]) == 150_250

    def test_books_an_executed_trade_and_warns_of_its_breaches(
        self, client: Client, portfolio: str, apple: str
    ) -> None:
        """What has happened is not refused."""
        sent = trade(apple, quantity="1000", intent="executed")

        answer = client("execution").post("/v1/trades", json=sent, headers=key())

        assert answer.status_code == 201, answer.text
        assert [warning["rule"] for warning in answer.json()["warnings"]] == ["insufficient_cash"]

    def test_parks_an_executed_trade_in_an_unknown_instrument(
        self, client: Client, portfolio: str
    ) -> None:
        """The acceptance says that it waits."""
        sent = trade(f"NEW.{uuid4().hex[:8]}", intent="executed")

        answer = client("execution").post("/v1/trades", json=sent, headers=key())

        assert answer.status_code == 201, answer.text
        assert answer.json()["is_parked"] is True

    def test_is_refused_for_an_unknown_portfolio(self, client: Client, apple: str) -> None:
        """422 says that it has to be opened first."""
        answer = client("trader").post("/v1/trades", json=trade(apple), headers=key())

        assert_problem(answer, 422, "portfolio_unknown")

    def test_is_refused_in_another_currency_than_the_instruments(
        self, client: Client, portfolio: str, apple: str
    ) -> None:
        """Its amounts could not join the lots."""
        answer = client("trader").post(
            "/v1/trades", json=trade(apple, currency="EUR"), headers=key()
        )

        assert_problem(answer, 422, "currency_mismatch")

    def test_takes_the_source_from_the_token(
        self, client: Client, portfolio: str, apple: str
    ) -> None:
        """Naming it in the body too is fine; naming another is not."""
        trader = client("trader")

        same = trader.post("/v1/trades", json=trade(apple, source="desk-1"), headers=key())
        other = trader.post("/v1/trades", json=trade(apple, source="desk-2"), headers=key())

        assert same.status_code == 201
        assert assert_problem(other, 403, "source_not_yours")["fields"] == ["source"]

    def test_needs_a_source(self, client: Client, portfolio: str, apple: str) -> None:
        """A token without one cannot name trades."""
        answer = client("trader", source=None).post("/v1/trades", json=trade(apple), headers=key())

        assert_problem(answer, 403, "source_missing")

    def test_has_a_permission_for_asking_and_another_for_telling(
        self, client: Client, portfolio: str, apple: str
    ) -> None:
        """A trader proposes; only a trading system tells executions."""
        told = trade(apple, intent="executed")
        asked = trade(apple, intent="proposed")

        assert_problem(
            client("trader").post("/v1/trades", json=told, headers=key()), 403, "role_missing"
        )
        assert_problem(
            client("execution").post("/v1/trades", json=asked, headers=key()), 403, "role_missing"
        )


class TestTheEnvelope:
    """Who, why and from where travels with every event."""

    def test_carries_what_the_request_said(
        self, client: Client, portfolio: str, apple: str, written_log: Log
    ) -> None:
        """Actor, command, correlation and trace, on the trade's and the portfolio's events."""
        correlation_id, trace = uuid4(), "0af7651916cd43dd8448eb211c80319c"
        headers = {
            "X-Correlation-Id": str(correlation_id),
            "traceparent": f"00-{trace}-b7ad6b7169203331-01",
        }

        answer = client("trader").post("/v1/trades", json=trade(apple), headers=key() | headers)

        told = answer.json()
        events = written_log.read(told["position"] - 2, 2)
        names = [event.event_type for event in events]
        assert names == ["trade.captured.v1", "portfolio.trade_booked.v1"]
        for event in events:
            assert event.actor == "tester"
            assert event.command_id == UUID(told["command_id"])
            assert event.correlation_id == correlation_id
            assert event.trace_context is not None
            assert event.trace_context.startswith(f"00-{trace}-")


class TestSendingAgain:
    """Retries are safe."""

    def test_gets_the_first_acceptance_again(
        self, client: Client, portfolio: str, apple: str
    ) -> None:
        """Same key, same content: the same answer, said to be a replay."""
        trader, sent = client("trader"), trade(apple)
        first = trader.post("/v1/trades", json=sent, headers=key("order-1"))

        again = trader.post("/v1/trades", json=sent, headers=key("order-1"))

        assert again.status_code == 201
        assert again.json() == first.json() | {"replayed": True}

    def test_means_the_same_however_it_is_written(
        self, client: Client, portfolio: str, apple: str
    ) -> None:
        """Trailing zeros, another time zone and another order of fields are the same content."""
        trader = client("trader")
        sent = trade(apple, fee="0", executed_at="2020-01-03T15:00:00Z")
        trader.post("/v1/trades", json=sent, headers=key("order-1"))
        same = dict(reversed(sent.items()))
        same |= {"quantity": "1e1", "price": "150.250", "executed_at": "2020-01-03T16:00:00+01:00"}
        del same["fee"]

        again = trader.post("/v1/trades", json=same, headers=key("order-1"))

        assert again.status_code == 201, again.text
        assert again.json()["replayed"] is True

    def test_is_the_same_trade_under_another_key(
        self, client: Client, portfolio: str, apple: str
    ) -> None:
        """The trade's own name decides, not the key it came under."""
        trader, sent = client("trader"), trade(apple)
        first = trader.post("/v1/trades", json=sent, headers=key("order-1"))

        again = trader.post("/v1/trades", json=sent, headers=key("order-2"))

        assert again.json() == first.json() | {"replayed": True}

    def test_conflicts_when_the_key_names_other_content(
        self, client: Client, portfolio: str, apple: str
    ) -> None:
        """A key is used once."""
        trader, sent = client("trader"), trade(apple)
        trader.post("/v1/trades", json=sent, headers=key("order-1"))

        answer = trader.post("/v1/trades", json=trade(apple), headers=key("order-1"))

        assert_problem(answer, 409, "idempotency_key_reused")

    def test_conflicts_when_the_trade_is_named_with_other_content(
        self, client: Client, portfolio: str, apple: str
    ) -> None:
        """409 names the fields that differ."""
        trader, sent = client("trader"), trade(apple)
        trader.post("/v1/trades", json=sent, headers=key())

        answer = trader.post("/v1/trades", json=sent | {"price": "151"}, headers=key())

        assert assert_problem(answer, 409, "external_id_conflict")["fields"] == ["price"]

    def test_gets_the_first_rejection_again_and_a_new_key_tries_anew(
        self, client: Client, portfolio: str, apple: str
    ) -> None:
        """A rejection does not use the trade's name up."""
        trader, sent = client("trader"), trade(apple, side="sell")
        first = trader.post("/v1/trades", json=sent, headers=key("order-1"))

        again = trader.post("/v1/trades", json=sent, headers=key("order-1"))
        trader.post("/v1/trades", json=trade(apple), headers=key())
        anew = trader.post("/v1/trades", json=sent, headers=key("order-2"))

        assert_problem(first, 422, "short_not_allowed")
        assert assert_problem(again, 422, "short_not_allowed")["replayed"] is True
        assert anew.status_code == 201, anew.text


class TestAskingForACommand:
    """GET /v1/commands/{id}."""

    def test_tells_what_was_decided(self, client: Client, portfolio: str, apple: str) -> None:
        """The outcome is the one that was answered."""
        trader = client("trader")
        accepted = trader.post("/v1/trades", json=trade(apple), headers=key()).json()
        rejected = trader.post(
            "/v1/trades", json=trade(apple, quantity="1e9"), headers=key()
        ).json()

        told = trader.get(f"/v1/commands/{accepted['command_id']}").json()
        refused = trader.get(f"/v1/commands/{rejected['command_id']}").json()

        assert told == {name: value for name, value in accepted.items() if name != "replayed"}
        assert refused["outcome"] == "rejected"
        assert refused["breaches"] == rejected["breaches"]

    def test_has_never_seen_a_command_that_was_never_sent(self, client: Client) -> None:
        """It is an answer, not an error: nothing in flight can still commit it."""
        name = uuid4()

        answer = client("trader").get(f"/v1/commands/{name}")

        assert answer.status_code == 200
        assert answer.json() == {"outcome": "never_seen", "command_id": str(name)}

    def test_refuses_what_cannot_be_a_command_id(self, client: Client) -> None:
        """The address is checked like any other input."""
        answer = client("trader").get("/v1/commands/latest")

        assert_problem(answer, 404, "not_found")


class TestAnotherTenant:
    """Tenants cannot see, touch or detect each other."""

    def test_has_never_seen_my_command(self, client: Client, portfolio: str, apple: str) -> None:
        """Its answer equals that for a command nobody sent."""
        accepted = client("trader").post("/v1/trades", json=trade(apple), headers=key()).json()
        stranger = client("admin", tenant="stranger")

        answer = stranger.get(f"/v1/commands/{accepted['command_id']}")

        assert answer.json()["outcome"] == "never_seen"

    def test_cannot_trade_in_my_portfolio(self, client: Client, portfolio: str, apple: str) -> None:
        """The refusal is the one for a portfolio that does not exist."""
        stranger = client("admin", tenant="stranger")
        absent = trade(apple, portfolio="never-opened")

        mine = stranger.post("/v1/trades", json=trade(apple), headers=key())
        nobodys = stranger.post("/v1/trades", json=absent, headers=key())

        assert_problem(mine, 422, "portfolio_unknown")
        assert without_names(mine, "growth") == without_names(nobodys, "never-opened")

    def test_uses_the_same_names_and_keys_freely(
        self, client: Client, portfolio: str, apple: str
    ) -> None:
        """The same portfolio, key, source and external id name other things for another tenant."""
        sent = trade(apple)
        mine = client("trader").post("/v1/trades", json=sent, headers=key("order-1")).json()
        stranger = client("admin", tenant=f"stranger-{uuid4().hex[:8]}")
        stranger.post(
            "/v1/portfolios",
            json={"portfolio": "growth", "base_currency": "USD", "allows_leverage": True},
            headers=key(),
        )

        theirs = stranger.post("/v1/trades", json=sent, headers=key("order-1"))

        assert theirs.status_code == 201, theirs.text
        assert theirs.json()["replayed"] is False
        assert theirs.json()["trade_id"] != mine["trade_id"]
        assert theirs.json()["command_id"] != mine["command_id"]


def without_names(answer: httpx.Response, name: str) -> dict[str, object]:
    """Give a problem without what differs between any two requests."""
    text = answer.text.replace(name, "NAME")
    document: dict[str, object] = httpx.Response(200, text=text).json()
    for unique in ("correlation_id", "command_id", "position"):
        document.pop(unique, None)
    return document
