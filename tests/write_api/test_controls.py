"""Limits, trading states and overrides over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta

import httpx
import pytest

from domain.identity import controls_stream
from domain.limits.events import OverrideProposed
from eventstore.log import Log
from schemas.codec import decode
from tests.gateway.serving import assert_problem, client_of, now, token
from tests.write_api.conftest import Client, key, trade

TERMS: dict[str, object] = {"rule": "price_far_from_mark", "scope": {}, "maximum": "0.05"}

Person = Callable[..., httpx.Client]


@pytest.fixture
def person(address: str, tenant: str) -> Iterator[Person]:
    """Open clients of named persons of this test's tenant: risk officers by default."""
    with ExitStack() as open_clients:

        def opened(subject: str, *roles: str, source: str | None = None) -> httpx.Client:
            bearer = token(tenant, *(roles or ("risk",)), source=source, subject=subject)
            return open_clients.enter_context(client_of(address, bearer))

        yield opened


def proposed(officer: httpx.Client, **changes: object) -> httpx.Response:
    """Propose the limit `fat-finger`, with changes of its terms."""
    body = {"limit": "fat-finger", "terms": TERMS | changes, "reason": "policy_2024"}
    return officer.post("/v1/limits", json=body, headers=key())


def decided(
    officer: httpx.Client, what: str, version: int, limit: str = "fat-finger"
) -> httpx.Response:
    """Approve or decline a version of a limit."""
    body = {"version": version} | ({"reason": "too_wide"} if what == "declinations" else {})
    return officer.post(f"/v1/limits/{limit}/{what}", json=body, headers=key())


def assigned(
    officer: httpx.Client, state: str, reason: str = "drill", **scope: str
) -> httpx.Response:
    """Assign a trading state; give the answer."""
    body = {"scope": scope, "state": state, "reason": reason}
    return officer.post("/v1/trading-states", json=body, headers=key())


def in_an_hour() -> str:
    """Give an expiry as of the call: a suite may run for longer than an hour before it."""
    return (now() + timedelta(hours=1)).isoformat()


def override(wanted: dict[str, object], **changes: object) -> dict[str, object]:
    """Give an override of a trade as callers send it."""
    content = {name: value for name, value in wanted.items() if name != "intent"}
    own = {"rules": ["insufficient_cash"], "expires_at": in_an_hour(), "reason": "known_event"}
    return content | own | changes


class TestALimit:
    """It is proposed by one person and approved by another."""

    def test_is_in_force_by_the_second_person(self, person: Person) -> None:
        """Both answers say which version it is about."""
        answer = proposed(person("one"))
        assert (answer.status_code, answer.json()["limit_version"]) == (201, 1)
        assert_problem(decided(person("one"), "approvals", 1), 422, "same_person")

        approved = decided(person("two"), "approvals", 1)

        assert approved.status_code == 201, approved.text
        told = approved.json()
        assert (told["limit_version"], told["stream_version"]) == (1, 2)

    def test_is_approved_as_it_was_looked_at(self, person: Person) -> None:
        """A newer proposal makes the approval of an older one a conflict that names it."""
        proposed(person("one"))
        newer = proposed(person("one"), maximum="0.5")
        assert newer.json()["limit_version"] == 2

        problem = assert_problem(decided(person("two"), "approvals", 1), 409, "version_stale")

        assert problem["fields"] == ["version"]
        assert "Version 2" in problem["detail"]
        assert decided(person("two"), "approvals", 2).status_code == 201

    def test_is_told_once_where_it_still_stands(self, person: Person) -> None:
        """Proposal, approval and declination, each again under another key."""
        first, again = (proposed(person("one")) for _ in range(2))
        assert again.json() == first.json() | {"replayed": True}

        first, again = (decided(person("two"), "approvals", 1) for _ in range(2))
        assert again.json() == first.json() | {"replayed": True}

        proposed(person("one"), maximum="0.5")
        first, again = (decided(person("two"), "declinations", 2) for _ in range(2))
        assert again.json() == first.json() | {"replayed": True}
        assert_problem(decided(person("two"), "approvals", 2), 422, "limit_declined")

    def test_ends_by_two_persons_too(self, person: Person) -> None:
        """`terms` null; left out it is malformed, so that no slip ends a limit."""
        proposed(person("one"))
        decided(person("two"), "approvals", 1)
        end = {"limit": "fat-finger", "terms": None}

        answer = person("two").post("/v1/limits", json=end, headers=key())

        assert answer.json()["limit_version"] == 2
        assert decided(person("one"), "approvals", 2).status_code == 201
        again = person("two").post("/v1/limits", json=end, headers=key())
        assert_problem(again, 422, "limit_unknown")
        slip = person("two").post("/v1/limits", json={"limit": "fat-finger"}, headers=key())
        assert_problem(slip, 400, "field_invalid")

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"maximum": "5"}, "terms_invalid"),
            ({"maximum": None}, "terms_invalid"),
            ({"scope": {"portfolio": "growht"}}, "portfolio_unknown"),
            ({"scope": {"instrument": "APPL"}}, "instrument_unknown"),
            ({"scope": {"sector": "Tecnology"}}, "sector_unknown"),
            ({"rule": "trade_notional_exceeded", "currency": "XXQ"}, "currency_unknown"),
        ],
    )
    def test_is_refused_where_it_could_not_work(
        self, person: Person, changes: dict[str, object], code: str
    ) -> None:
        """A slip of the pen would protect nothing, and nobody would notice."""
        assert_problem(proposed(person("one"), **changes), 422, code)

    def test_names_the_field_that_is_not_understood(self, person: Person) -> None:
        """In the body's own terms."""
        problem = assert_problem(proposed(person("one"), maximum="0"), 400, "out_of_range")
        assert problem["fields"] == ["terms.maximum"]

        problem = assert_problem(proposed(person("one"), rule="no_luck"), 400, "field_invalid")
        assert problem["fields"] == ["terms.rule"]


class TestAHalt:
    """One command halts a tenant, or a part of it."""

    def test_is_the_first_acceptance_again_whatever_its_reason(self, person: Person) -> None:
        """Two alarms at once are both answered."""
        first = assigned(person("one"), "halted")
        again = assigned(person("two", "controller"), "halted", "runaway")

        assert again.json() == first.json() | {"replayed": True}

    def test_is_ended_by_risk_only(self, person: Person) -> None:
        """Who may halt may not always let trading go on."""
        assigned(person("one", "controller"), "halted")

        refused = assigned(person("one", "controller"), "active")
        ended = assigned(person("two"), "active")

        assert_problem(refused, 403, "role_missing")
        assert ended.status_code == 201


class TestAnOverride:
    """It lets one refused trade pass, once two persons said so."""

    def test_is_in_force_by_the_second_person(
        self,
        person: Person,
        client: Client,
        portfolio: str,
        apple: str,
        tenant: str,
        written_log: Log,
    ) -> None:
        """Who approves names the proposal they looked at."""
        wanted = trade(apple, quantity="1000000")
        refused = client("trader").post("/v1/trades", json=wanted, headers=key())
        assert_problem(refused, 422, "insufficient_cash")
        trader = person("one", "trader", source="desk-1")

        answer = trader.post("/v1/overrides", json=override(wanted), headers=key())

        assert answer.status_code == 201, answer.text
        path = f"/v1/overrides/desk-1/{wanted['external_id']}/approvals"
        stream = controls_stream(tenant)
        (told,) = written_log.read_stream(stream)
        event = decode(told.event_type, told.data)
        assert isinstance(event, OverrideProposed)
        stale = {"proposed_at": in_an_hour()}
        refused = person("two").post(path, json=stale, headers=key())
        assert_problem(refused, 409, "proposal_stale")
        body = {"proposed_at": event.proposed_at.isoformat()}
        approved = person("two").post(path, json=body, headers=key())
        assert approved.status_code == 201, approved.text
        assert approved.json()["trade_id"] == answer.json()["trade_id"]

        assert trader.post("/v1/trades", json=wanted, headers=key()).status_code == 201, portfolio
        path = f"/v1/overrides/desk-1/{wanted['external_id']}/declinations"
        late = person("two").post(path, json={"reason": "late"}, headers=key())
        assert_problem(late, 422, "trade_captured")

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"rules": ["instrument_unknown"]}, "rule_not_overridable"),
            ({"rules": ["trading_halted"]}, "rule_not_overridable"),
            ({"rules": ["mark_stale", "mark_stale"]}, "rules_invalid"),
            ({"expires_at": (now() + timedelta(days=3)).isoformat()}, "expiry_invalid"),
            ({"expires_at": (now() - timedelta(hours=1)).isoformat()}, "expiry_invalid"),
        ],
    )
    def test_is_refused_where_it_could_not_count(
        self, person: Person, apple: str, changes: dict[str, object], code: str
    ) -> None:
        """Each with its code."""
        trader = person("one", "trader", source="desk-1")

        answer = trader.post("/v1/overrides", json=override(trade(apple), **changes), headers=key())

        assert_problem(answer, 422, code)

    def test_is_taken_back_by_its_proposer_or_by_risk(self, person: Person, apple: str) -> None:
        """Another trader cannot."""
        wanted = trade(apple)
        trader = person("one", "trader", source="desk-1")
        trader.post("/v1/overrides", json=override(wanted), headers=key())
        path = f"/v1/overrides/desk-1/{wanted['external_id']}/declinations"

        other = person("three", "trader", source="desk-1").post(
            path, json={"reason": "envy"}, headers=key()
        )
        own = trader.post(path, json={"reason": "mistaken"}, headers=key())

        assert_problem(other, 422, "not_your_proposal")
        assert own.status_code == 201

    def test_is_proposed_by_risk_for_any_source(self, person: Person, apple: str) -> None:
        """Traders speak for the source of their token only."""
        body = override(trade(apple), source="desk-2")

        of_risk = person("one").post("/v1/overrides", json=body, headers=key())
        of_trader = person("two", "trader", source="desk-1").post(
            "/v1/overrides", json=body, headers=key()
        )

        assert of_risk.status_code == 201, of_risk.text
        assert_problem(of_trader, 403, "source_not_yours")
