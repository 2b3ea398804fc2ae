"""POST /v1/trades/{source}/{external_id}/settlements and their like, seen by a custodian."""

from __future__ import annotations

from uuid import uuid4

from tests.gateway.serving import assert_problem
from tests.write_api.conftest import Client, key, trade


def settlement(**changes: object) -> dict[str, object]:
    """Give a settlement as callers send it."""
    wanted = {"portfolio": "growth", "settlement_id": "s-1", "settled_on": "2024-01-10"}
    return wanted | changes


def failure(**changes: object) -> dict[str, object]:
    """Give a fail as callers send it."""
    wanted = {"portfolio": "growth", "failure_id": "f-1", "failed_on": "2024-01-10"}
    return wanted | {"reason": "no_securities"} | changes


class TestSettling:
    """An acceptance says what became of it."""

    def test_tells_what_became_of_a_trade(self, client: Client, portfolio: str, apple: str) -> None:
        """Settled in part, failing, resumed: facts on the trade's own stream."""
        execution, external_id = client("execution"), uuid4().hex
        sent = trade(apple, external_id=external_id, intent="executed")
        captured = execution.post("/v1/trades", json=sent, headers=key()).json()
        path = f"/v1/trades/desk-1/{external_id}"
        resumption = {"portfolio": "growth", "failure_id": "f-1", "resumed_on": "2024-01-11"}

        told = [
            execution.post(f"{path}/{end}", json=body, headers=key())
            for end, body in (
                ("settlements", settlement(quantity="1", cash_change="-10.5")),
                ("settlement-failures", failure()),
                ("settlement-resumptions", resumption),
            )
        ]

        assert [each.status_code for each in told] == [201, 201, 201], told[0].text
        assert {each.json()["trade_id"] for each in told} == {captured["trade_id"]}
        assert [each.json()["stream_version"] for each in told] == [2, 3, 4]

    def test_is_held_before_its_trade_and_named_once(self, client: Client, portfolio: str) -> None:
        """The same word is a replay, another one under its name a conflict."""
        execution, path = client("execution"), f"/v1/trades/desk-1/{uuid4().hex}/settlements"

        held = execution.post(path, json=settlement(), headers=key()).json()
        again = execution.post(path, json=settlement(), headers=key()).json()
        other = execution.post(path, json=settlement(quantity="1"), headers=key())

        assert held["is_held"]
        assert again["replayed"]
        assert_problem(other, 409, "settlement_conflict")

    def test_is_told_by_those_who_may(self, client: Client, portfolio: str) -> None:
        """A trader does not settle."""
        path = f"/v1/trades/desk-1/{uuid4().hex}/settlements"

        answer = client("trader").post(path, json=settlement(), headers=key())

        assert_problem(answer, 403, "role_missing")

    def test_needs_a_quantity_above_zero(self, client: Client, portfolio: str) -> None:
        """What is taken back is told as a reversal."""
        path = f"/v1/trades/desk-1/{uuid4().hex}/settlements"

        answer = client("execution").post(path, json=settlement(quantity="-1"), headers=key())

        assert_problem(answer, 400, "out_of_range")
