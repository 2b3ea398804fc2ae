"""Contests over HTTP: announced, entered, left, each once, and what is refused."""

from __future__ import annotations

import pytest

from tests.gateway.serving import assert_problem, client_of, token
from tests.write_api.conftest import Client, key

MARCH: dict[str, object] = {
    "contest": "march-2034",
    "window": "month",
    "first_day": "2026-03-01",
    "calendar": "XSWX",
    "currency": "CHF",
    "metric": "return",
}


def post(client: Client, path: str, body: object) -> tuple[int, dict[str, object]]:
    """Post under a new key."""
    answer = client().post(path, json=body, headers=key())
    return answer.status_code, answer.json()


def swiss(client: Client, name: str = "bern", owner: str | None = "user-7") -> None:
    """Open a portfolio in francs, for its owner."""
    status, _ = post(client, "/v1/portfolios", {"portfolio": name, "base_currency": "CHF"})
    assert status == 201
    if owner is not None:
        assert post(client, f"/v1/portfolios/{name}/owners", {"owner": owner})[0] == 201


class TestAContest:
    """From its announcement to a disqualification."""

    def test_is_announced_entered_and_left(self, client: Client) -> None:
        """Each is accepted; told again under another key it is the first acceptance."""
        swiss(client)
        own = "/v1/contests/march-2034"
        for path, body in (
            ("/v1/contests", MARCH),
            (f"{own}/entries", {"portfolio": "bern"}),
            (f"{own}/withdrawals", {"participant": "user-7"}),
            (f"{own}/disqualifications", {"participant": "user-7", "reason": "wash_trades"}),
        ):
            status, first = post(client, path, body)
            assert (status, first["outcome"]) == (201, "accepted")
            assert post(client, path, body)[1] == first | {"replayed": True}

    def test_is_entered_and_left_by_a_trader_for_themselves_only(
        self, client: Client, address: str, tenant: str
    ) -> None:
        """A rival's portfolio is not entered, and a rival not withdrawn."""
        swiss(client)
        assert post(client, "/v1/contests", MARCH)[0] == 201
        entries, withdrawals = (
            f"/v1/contests/march-2034/{each}" for each in ("entries", "withdrawals")
        )
        bern, leaving = {"portfolio": "bern"}, {"participant": "user-7"}
        with client_of(address, token(tenant, "trader", subject="user-8")) as rival:
            answer = rival.post(entries, json=bern, headers=key())
            assert_problem(answer, 422, "portfolio_not_own")
            assert post(client, entries, bern)[0] == 201
            answer = rival.post(withdrawals, json=leaving, headers=key())
            assert_problem(answer, 403, "role_missing")
        with client_of(address, token(tenant, "trader", subject="user-7")) as own:
            assert own.post(withdrawals, json=leaving, headers=key()).status_code == 201
            assert own.post(entries, json=bern, headers=key()).status_code == 201
        assert post(lambda: client("steward"), withdrawals, leaving)[0] == 201

    def test_of_another_tenant_is_not_there(self, client: Client, address: str) -> None:
        """Its name is free, and entering it is refused."""
        assert post(client, "/v1/contests", MARCH)[0] == 201
        with client_of(address, token("somebody-else", "admin")) as other:
            answer = other.post(
                "/v1/contests/march-2034/disqualifications",
                json={"participant": "user-7", "reason": "spite"},
                headers=key(),
            )
        assert_problem(answer, 422, "contest_unknown")

    @pytest.mark.parametrize(
        ("changes", "status", "code"),
        [
            ({"window": "fortnight"}, 400, "field_invalid"),
            ({"window": "contest"}, 400, "date_missing"),
            ({"first_day": "2026-03-02"}, 400, "date_missing"),
            ({"first_day": "1066-10-01"}, 400, "out_of_range"),
            ({"capital": "0"}, 400, "out_of_range"),
            ({"minimum_days": 0}, 400, "field_invalid"),
            ({"metric": "pnl"}, 422, "capital_required"),
            ({"window": "contest", "last_day": "2026-03-01"}, 422, "window_without_sessions"),
            ({"universe": ["NOBODY-KNOWS"]}, 422, "instrument_unknown"),
        ],
    )
    def test_is_refused_by_name(
        self, client: Client, changes: dict[str, object], status: int, code: str
    ) -> None:
        """What is not understood, and what the world refuses."""
        answer = client().post("/v1/contests", json=MARCH | changes, headers=key())

        assert_problem(answer, status, code)

    def test_needs_an_owner_to_enter(self, client: Client) -> None:
        """Nobody is ranked who answers for nothing."""
        swiss(client, owner=None)
        assert post(client, "/v1/contests", MARCH)[0] == 201

        status, problem = post(client, "/v1/contests/march-2034/entries", {"portfolio": "bern"})

        assert (status, problem["code"]) == (422, "portfolio_unowned")
