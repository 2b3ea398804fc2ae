"""Alert rules and alerts over HTTP: declared, raised by the reaction, taken on, ended, listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from threading import Event
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from domain.alerts.watching import Watching
from domain.identity import MARKET_TENANT
from eventstore.log import Log
from infra.clock import now
from infra.database import Database
from projections.alerts.trying import Tried, try_rule
from tests.commands.alert_scenes import Alerting
from tests.commands.desks import desk_on
from tests.gateway.serving import assert_problem, client_of, new_tenant, token
from tests.read_api.conftest import Addresses, NewTeller, Teller
from tests.read_api.watching import watching

HEAVY, LIGHT = "ALERTING-A", "ALERTING-B"
STEPS = [
    {"level": "warning", "channels": ["desk"]},
    {"level": "critical", "channels": ["head"], "after_seconds": 600},
]
RULE = {
    "alert_rule": "one-name",
    "kind": "concentration",
    "scope": {"portfolio": "watched"},
    "raise_above": "0.70",
    "clear_at": "0.6",
    "steps": STEPS,
    "reason": "mandate",
}

Person = Callable[..., Teller]


@pytest.fixture(scope="module")
def person(addresses: Addresses, teller: NewTeller) -> Iterator[Person]:
    """Persons of a tenant whose portfolio `watched` holds three times as much of one as of two."""
    tenant, market = new_tenant(), teller("market_data", tenant=MARKET_TENANT)
    with ExitStack() as open_clients:

        def made(subject: str, role: str = "risk") -> Teller:
            bearer = token(tenant, role, source="desk-1", subject=subject)
            write = open_clients.enter_context(client_of(addresses.write, bearer))
            return Teller(write, open_clients.enter_context(client_of(addresses.read, bearer)))

        for name in (HEAVY, LIGHT):
            market.tell(
                "/v1/instruments", instrument=name, symbol=name, currency="USD",
                asset_class="equity", calendar="XNYS",
            )  # fmt: skip
        market.tell("/v1/time", at="2024-01-02T15:00:00Z")
        boss = made("boss", "admin")
        boss.tell("/v1/portfolios", portfolio="watched", base_currency="USD")
        boss.trade("buy", "75", "10", portfolio="watched", instrument=HEAVY)
        boss.trade("buy", "25", "10", portfolio="watched", instrument=LIGHT)
        yield made


@pytest.fixture(scope="module")
def raised(person: Person, database: Database) -> str:
    """The alert that the reaction raised; it is listed."""
    officer = person("one")
    told = officer.tell("/v1/alert-rules", **RULE)
    settle(database)
    assert told["position"] > 0
    last = officer.tell("/v1/alert-rules", **(RULE | {"alert_rule": "later", "raise_above": "0.9"}))
    listed = officer.ask("/v1/alerts", min_position=last["position"], wait_seconds=20)
    (alert,) = (str(each["alert"]) for each in listed["items"])
    return alert


def settle(database: Database) -> None:
    """Let the reaction tell what the rules lead to."""
    with (
        Log(database.app_conninfo, clock=now, build="test") as log,
        desk_on(log) as desk,
    ):
        Alerting(desk, log, batch=5_000).settle()


class TestARule:
    """Declared, changed as its next version, retired."""

    def test_is_listed_with_its_versions(self, person: Person, raised: str) -> None:
        """What it says, who declared it, until where it was in force."""
        officer = person("one")
        first = officer.tell("/v1/alert-rules", **(RULE | {"alert_rule": "moved"}))
        again = officer.tell("/v1/alert-rules", **(RULE | {"alert_rule": "moved"}))
        second = officer.tell(
            "/v1/alert-rules", **(RULE | {"alert_rule": "moved", "raise_above": "0.95"})
        )
        ended = officer.tell("/v1/alert-rules/moved/retirements", version=2, reason="noise")

        told = officer.ask("/v1/alert-rules/moved", min_position=ended["position"])["items"]
        in_force = officer.ask("/v1/alert-rules")["items"]

        assert again["position"] == first["position"]
        assert [(each["version"], each["status"], each["raise_above"]) for each in told] == [
            (2, "retired", "0.95"), (1, "replaced", "0.7"),
        ]  # fmt: skip
        assert told[0]["retired_by"] == told[0]["declared_by"] == "one"
        assert told[1]["until_position"] == second["position"]
        assert [each["level"] for each in told[0]["steps"]] == ["warning", "critical"]
        assert [each["alert_rule"] for each in in_force] == ["later", "one-name"]

    def test_that_means_nothing_is_refused(self, person: Person) -> None:
        """By name, with what to do; nothing that is sent is a 500."""
        officer = person("one")

        def code(**changes: object) -> str:
            answer = officer.send("/v1/alert-rules", 422, RULE | changes)
            return str(answer["code"])

        assert code(clear_at="0.8") == "alert_terms_invalid"
        assert code(kind="refusals", scope={}) == "alert_terms_invalid"
        assert code(scope={"portfolio": "watched", "source": "x"}) == "alert_terms_invalid"
        assert code(scope={"portfolio": "none"}) == "portfolio_unknown"
        assert code(steps=[STEPS[1]]) == "alert_terms_invalid"


class TestATrial:
    """A rule that is not in force yet, judged from the log."""

    def test_says_what_it_would_have_raised(self, person: Person, raised: str) -> None:
        """The same as the rule that is in force did, whatever persons did then."""
        officer = person("one")
        rule = {"kind": "concentration", "raise_above": "0.7", "clear_at": "0.6"}

        tried = officer.ask("/v1/alert-rules:try", portfolio="watched", **rule)
        over = rule | {"raise_above": "0.8", "clear_at": "0.78"}
        once = officer.ask("/v1/alert-rules:try", **over)

        (hit,) = tried["items"]
        assert (hit["portfolio"], hit["ended"], tried["hit_count"]) == ("watched", None, 1)
        assert Decimal(hit["actual"]) == 1  # With the first of its two trades.
        # Its second trade ends it: late, where other tests have brought the market's time further.
        (ended,) = (each["ended"] for each in once["items"])
        assert ended in {"cleared", "retracted"}
        bad = officer.read.get("/v1/alert-rules:try", params=rule | {"clear_at": "0.9"})
        assert_problem(bad, 400, "parameter_invalid")

    RULE: ClassVar = {"kind": "concentration", "raise_above": "0.7", "clear_at": "0.6"}

    def test_is_made_one_at_a_time(
        self, person: Person, raised: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The next one may ask when it is made."""
        officer, folding, goes_on = person("one"), Event(), Event()

        def slow(*given: Any, **named: Any) -> Tried:
            folding.set()
            assert goes_on.wait(30)
            return try_rule(*given, **named)

        with monkeypatch.context() as patched, ThreadPoolExecutor(1) as another:
            patched.setattr("read_api.alert_trials.try_rule", slow)
            first = another.submit(officer.ask, "/v1/alert-rules:try", **self.RULE)
            assert folding.wait(30)
            refused = officer.read.get("/v1/alert-rules:try", params=self.RULE)
            goes_on.set()
            assert first.result()["hit_count"] >= 1

        assert_problem(refused, 429, "too_many_requests")
        assert refused.headers["Retry-After"] == "1"
        assert officer.ask("/v1/alert-rules:try", **self.RULE)["hit_count"] >= 1

    def test_of_too_much_is_refused_before_anything_is_folded(
        self, person: Person, raised: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With an earlier end it may be little enough."""
        officer = person("one")
        events = officer.ask("/v1/alert-rules:try", **self.RULE)["events"]
        monkeypatch.setattr("projections.alerts.trying.EVENTS_MAX", events - 1)
        with monkeypatch.context() as patched:
            patched.setattr(Watching, "fold", None)
            refused = officer.read.get("/v1/alert-rules:try", params=self.RULE)
            late = self.RULE | {"until": "2999-01-01T00:00:00Z"}
            too_late = officer.read.get("/v1/alert-rules:try", params=late)

        early = officer.ask("/v1/alert-rules:try", **self.RULE, until="2000-01-01T00:00:00Z")

        assert assert_problem(refused, 422, "history_too_long")["fields"] == ["until"]
        assert_problem(too_late, 422, "history_too_long")
        assert early["events"] < events


class TestAnAlert:
    """What was raised, and what persons do with it."""

    def test_says_what_it_is_of(self, person: Person, raised: str) -> None:
        """Rule, figure, limit, headroom, contributors, history; counted while it is open."""
        officer = person("one")

        found = officer.ask(f"/v1/alerts/{raised}")
        counted = officer.ask("/v1/alerts/counts")["items"]

        alert = found["alert"]
        assert (
            alert.items()
            >= {
                "alert_rule": "one-name",
                "portfolio": "watched",
                "status": "raised",
                "level": "warning",
                "limit": "0.7",
                "actual": "0.75",
                "headroom": "-0.05",
                "contributors": [
                    {"contributor": HEAVY, "amount": "750"},
                    {"contributor": LIGHT, "amount": "250"},
                ],
            }.items()
        )
        assert [each["occurrence"] for each in found["history"]] == ["raised"]
        assert found["history"][0]["channels"] == ["desk"]
        assert counted == [
            {"level": "warning", "kind": "concentration", "alerts": 1, "unacknowledged": 1}
        ]

    def test_is_taken_on_and_ended(self, person: Person, raised: str, addresses: Addresses) -> None:
        """By a portfolio manager and by risk; another comes too late, and live is told of it."""
        holder, officer = person("two", "portfolio_manager"), person("one")
        bearer = officer.read.headers["Authorization"].removeprefix("Bearer ")
        with watching(addresses.read, bearer) as watcher:
            first = watcher.subscribe("a", "alerts")
            assert first["rows"][raised]["status"] == "raised"
            holder.tell(f"/v1/alerts/{raised}/acknowledgements")
            watcher.until_state("a", lambda rows: rows[raised]["status"] == "acknowledged")
            refused = officer.send(f"/v1/alerts/{raised}/acknowledgements", 422, {})
            last = officer.tell(f"/v1/alerts/{raised}/resolutions", reason="hedged")
            assert watcher.until_state("a", lambda rows: not rows) == {}

        found = officer.ask(f"/v1/alerts/{raised}", min_position=last["position"])
        alert = found["alert"]

        assert refused["code"] == "alert_acknowledged"
        assert (alert["status"], alert["acknowledged_by"], alert["ended_by"]) == (
            "resolved", "two", "one",
        )  # fmt: skip
        assert [each["occurrence"] for each in found["history"]] == [
            "raised", "acknowledged", "resolved",
        ]  # fmt: skip
        assert officer.ask("/v1/alerts", is_open=True)["items"] == []
        assert len(officer.ask("/v1/alerts", status="resolved", portfolio="watched")["items"]) == 1

    def test_of_another_tenant_is_not_found(self, raised: str, teller: NewTeller) -> None:
        """Exactly like one that was never raised."""
        stranger = teller("risk")

        for path in (f"/v1/alerts/{raised}", f"/v1/alerts/{uuid4()}", "/v1/alert-rules/one-name"):
            assert_problem(stranger.read.get(path), 404, "not_found")
        assert stranger.send(f"/v1/alerts/{raised}/acknowledgements", 422, {})["code"] == (
            "alert_unknown"
        )
