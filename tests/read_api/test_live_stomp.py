"""Live in STOMP 1.2, with `@stomp/stompjs` as browsers run it."""

from __future__ import annotations

from tests.gateway.serving import new_tenant, token
from tests.read_api.conftest import Addresses, NewTeller
from tests.read_api.stomp_watching import stomp_watching
from tests.read_api.test_live import NAME, OWN, POSITIONS, funded, instrument, trade

__all__ = ["instrument"]


class TestAStompClient:
    """What a dashboard in a browser does."""

    def test_gets_a_snapshot_and_then_what_changes(
        self, addresses: Addresses, teller: NewTeller
    ) -> None:
        """Two subscriptions; ids and destinations with a sign that headers must escape."""
        tenant = new_tenant()
        owner = funded(teller, tenant)
        asked = (
            {"id": "a:b", "destination": f"/{POSITIONS}"},
            {"id": "cash", "destination": "/portfolios/growth/cash", "ack": "auto"},
        )
        with stomp_watching(addresses.read, token(tenant, "viewer"), *asked) as watcher:
            connected = watcher.hear()
            assert connected["headers"]["version"] == "1.2"
            watcher.until_state("cash", lambda rows: rows["USD"]["balance"] == "100000")
            watcher.until_state("a:b", lambda rows: not rows)
            trade(owner, "buy", "10", "100")
            watcher.until_state("a:b", lambda rows: NAME in rows)
            watcher.until_state("cash", lambda rows: rows["USD"]["balance"] == "99000")
            trade(owner, "sell", "10", "100")
            watcher.until_state("a:b", lambda rows: not rows)

    def test_hears_why_it_is_refused(self, addresses: Addresses, teller: NewTeller) -> None:
        """An ERROR with a code and what to do, and the end of the connection."""
        tenant = new_tenant()
        funded(teller, tenant)
        refused = {
            "destination_unknown": {"destination": "/nowhere"},
            "not_found": {"destination": "/portfolios/theirs/positions"},
            "frame_unsupported": {"destination": f"/{POSITIONS}", "ack": "client"},
        }
        for code, asked in refused.items():
            with stomp_watching(addresses.read, token(tenant, "viewer"), asked) as watcher:
                assert watcher.hear()["kind"] == "connected"
                error = watcher.hear()
                assert (error["kind"], error["headers"]["message"]) == ("error", code)
                closed = watcher.hear()
                assert closed["headers"] == {"code": 1002, "reason": code}

    def test_must_have_a_token(self, addresses: Addresses) -> None:
        """A token that is none is told in an ERROR, and closes with 4401."""
        with stomp_watching(addresses.read, "none") as watcher:
            assert watcher.hear()["headers"]["message"] == "token_invalid"
            assert watcher.hear()["headers"] == {"code": 4401, "reason": "token_invalid"}

    def test_resumes_from_its_last_position(self, addresses: Addresses, teller: NewTeller) -> None:
        """Away while a position was closed, it is told that and nothing else."""
        tenant = new_tenant()
        owner = funded(teller, tenant)
        owner.ask(
            f"{OWN}/positions", min_position=trade(owner, "buy", "10", "100"), wait_seconds=20
        )
        bearer = token(tenant, "viewer")
        asked = {"id": "p", "destination": f"/{POSITIONS}"}
        with stomp_watching(addresses.read, bearer, asked) as watcher:
            watcher.until_state("p", lambda rows: NAME in rows)
            last = watcher.messages[-1]["headers"]
        sold = trade(owner, "sell", "10", "100")
        owner.ask(f"{OWN}/positions", min_position=sold, wait_seconds=20)
        back = asked | {"position": last["position"], "edition": last["edition"]}
        with stomp_watching(addresses.read, bearer, back) as watcher:
            watcher.states["p"] = {NAME: {}}
            watcher.until_state("p", lambda rows: not rows)
            assert watcher.messages[-1]["headers"]["type"] == "change"
