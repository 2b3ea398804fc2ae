"""Limits, trading states and overrides, from the command to what readers are told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.identity import MARKET_TENANT
from tests.gateway.serving import assert_problem, client_of, new_tenant, now, token
from tests.read_api.conftest import Addresses, NewTeller, Teller

TERMS: dict[str, Any] = {"rule": "leverage_exceeded", "scope": {}, "maximum": "2.50"}

Person = Callable[..., Teller]


@pytest.fixture
def person(addresses: Addresses) -> Iterator[Person]:
    """Persons of one new tenant, each under their own name: risk officers by default."""
    tenant = new_tenant()
    with ExitStack() as open_clients:

        def made(subject: str, *roles: str) -> Teller:
            bearer = token(tenant, *(roles or ("risk",)), source="desk-1", subject=subject)
            write = open_clients.enter_context(client_of(addresses.write, bearer))
            return Teller(write, open_clients.enter_context(client_of(addresses.read, bearer)))

        yield made


class TestALimit:
    """What was proposed and approved can be read behind the position of the write."""

    def test_is_listed_with_its_history(self, person: Person) -> None:
        """Who proposed it, who approved, when, at which position."""
        one, two = person("one"), person("two")
        first = one.tell("/v1/limits", limit="gearing", terms=TERMS, reason="policy_2024")
        approved = two.tell("/v1/limits/gearing/approvals", version=first["limit_version"])
        last = one.tell("/v1/limits", limit="gearing", terms=None)

        listed = two.ask("/v1/limits", min_position=last["position"])["items"]
        in_force = two.ask("/v1/limits", status="in_force")["items"]
        told = two.ask("/v1/limits/gearing", min_position=last["position"])["items"]

        assert [(each["version"], each["status"]) for each in told] == [
            (2, "proposed"),
            (1, "in_force"),
        ]
        assert told[::-1] == listed
        assert in_force == [told[1]]
        assert (told[0]["rule"], told[0]["scope"]) == (None, None)
        everywhere = {"portfolio": None, "instrument": None, "sector": None}
        assert (
            told[1].items()
            >= {
                "rule": "leverage_exceeded",
                "scope": everywhere,
                "maximum": "2.5",
                "currencies": [],
                "level": "block",
                "reason": "policy_2024",
                "proposed_by": "one",
                "proposed_position": first["position"],
                "decided_by": "two",
                "decided_position": approved["position"],
                "decided_at": approved["recorded_at"],
            }.items()
        )

    def test_of_another_tenant_is_not_found(self, person: Person, teller: NewTeller) -> None:
        """Exactly like one that was never proposed."""
        last = person("one").tell("/v1/limits", limit="gearing", terms=TERMS)
        stranger = teller("risk")

        for path in ("/v1/limits/gearing", "/v1/limits/gearing/usage"):
            answer = stranger.read.get(path, params={"min_position": last["position"]})
            assert_problem(answer, 404, "not_found")
        assert person("two").ask("/v1/limits/gearing/usage")["items"] == []


class TestTrading:
    """What is halted, from one command on."""

    def test_is_listed_while_it_is_restricted(self, person: Person) -> None:
        """And later in the history."""
        one = person("one")
        halted = one.tell("/v1/trading-states", scope={}, state="halted", reason="runaway")

        (now_,) = one.ask("/v1/trading-states", min_position=halted["position"])["items"]
        ended = one.tell("/v1/trading-states", scope={}, state="active", reason="all_clear")
        after = one.ask("/v1/trading-states", min_position=ended["position"])["items"]
        ever = one.ask("/v1/trading-states", include_ended="true")["items"]

        assert (now_["state"], now_["assigned_by"], now_["reason"]) == ("halted", "one", "runaway")
        assert (now_["position"], now_["until_position"]) == (halted["position"], None)
        assert after == []
        assert [(each["state"], each["until_position"]) for each in ever] == [
            ("active", None),
            ("halted", ended["position"]),
        ]


class TestAnOverride:
    """From the refusal over two persons to the trade that it let pass."""

    def test_is_used_by_the_trade_that_it_lets_pass(
        self, person: Person, teller: NewTeller
    ) -> None:
        """The approver reads what they approve; the breach rides on the acceptance."""
        apple = f"AAPL.{uuid4().hex[:12]}"
        _register(teller, apple)
        trader, two = person("one", "admin"), person("two")
        trader.tell("/v1/portfolios", portfolio="growth", base_currency="USD")
        content: dict[str, Any] = {
            "portfolio": "growth",
            "external_id": "t-1",
            "instrument": apple,
            "side": "buy",
            "quantity": "10",
            "price": "10.5",
            "currency": "USD",
            "trade_date": "2024-01-03",
        }
        trader.send("/v1/trades", 422, content | {"intent": "proposed"})
        soon = (now() + timedelta(hours=1)).isoformat()
        own = {"rules": ["insufficient_cash"], "expires_at": soon, "reason": "known_event"}
        asked = trader.tell("/v1/overrides", **(content | own))

        (waiting,) = two.ask("/v1/overrides", min_position=asked["position"])["items"]
        two.tell("/v1/overrides/desk-1/t-1/approvals", proposed_at=waiting["proposed_at"])
        traded = trader.tell("/v1/trades", **(content | {"intent": "proposed"}))
        (used,) = two.ask("/v1/overrides", portfolio="growth", min_position=traded["position"])[
            "items"
        ]

        assert (waiting["status"], waiting["rules"]) == ("proposed", ["insufficient_cash"])
        assert (used["status"], used["approved_by"], used["price"]) == ("used", "two", "10.5")
        assert asked["position"] < used["used_position"] <= traded["position"]
        assert [each["is_overridden"] for each in traded["warnings"]] == [True]
        assert two.ask("/v1/overrides", status="expired")["items"] == []


def _register(teller: NewTeller, name: str) -> None:
    teller("market_data", tenant=MARKET_TENANT).tell(
        "/v1/instruments",
        instrument=name,
        symbol="AAPL",
        currency="USD",
        asset_class="equity",
        calendar="XNYS",
    )


class TestBreaches:
    """Limits that portfolios went beyond without a trade."""

    def test_are_none_where_nothing_happened(self, person: Person) -> None:
        """Open ones, closed ones, of one portfolio."""
        one = person("one")
        for parameters in ({}, {"is_open": "true"}, {"portfolio": "growth", "is_open": "false"}):
            assert one.ask("/v1/breaches", **parameters)["items"] == []
