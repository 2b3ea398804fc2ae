"""Who may command what: every role x every address of the command side."""

from __future__ import annotations

from uuid import UUID

import httpx
import pytest

from domain.identity import MARKET_TENANT
from gateway.access import Role
from tests.gateway.serving import assert_problem, client_of, new_tenant, token
from tests.write_api.conftest import key, trade
from tests.write_api.test_blocks import block

TAKING_ALERTS = {"admin", "risk", "portfolio_manager", "controller"}
TENANT_WRITES = {
    "/v1/portfolios": {"admin", "portfolio_manager"},
    "/v1/portfolios/growth/deposits": {"admin", "portfolio_manager"},
    "/v1/portfolios/growth/withdrawals": {"admin", "portfolio_manager"},
    "/v1/portfolios/growth/titles": {"admin", "portfolio_manager"},
    "/v1/portfolios/growth/owners": {"admin", "portfolio_manager"},
    "/v1/portfolios/growth/benchmarks": {"admin", "portfolio_manager"},
    "/v1/portfolios/growth/fees": {"admin", "portfolio_manager", "execution"},
    "/v1/portfolios/growth/interest": {"admin", "portfolio_manager", "execution"},
    "/v1/portfolios/growth/exchanges": {"admin", "portfolio_manager", "trader", "execution"},
    "/v1/portfolios/growth/freezes": {"admin", "controller"},
    "/v1/portfolios/growth/unfreezes": {"admin", "controller"},
    "/v1/portfolios/growth/closures": {"admin", "portfolio_manager"},
    "/v1/portfolios/growth/period-closures": {"admin", "controller"},
    "/v1/portfolios/growth/period-reopenings": {"admin", "controller"},
    "/v1/blocks": {"admin", "portfolio_manager", "trader", "execution"},
    "/v1/blocks/s/B-1/busts": {"admin", "execution"},
    "/v1/sources": {"admin", "portfolio_manager"},
    "/v1/limits": {"admin", "risk"},
    "/v1/limits/gearing/approvals": {"admin", "risk"},
    "/v1/limits/gearing/declinations": {"admin", "risk"},
    "/v1/trading-states": {"admin", "risk", "controller"},
    "/v1/alert-rules": {"admin", "risk"},
    "/v1/alert-rules/gearing/retirements": {"admin", "risk"},
    f"/v1/alerts/{UUID(int=1)}/acknowledgements": TAKING_ALERTS,
    f"/v1/alerts/{UUID(int=1)}/resolutions": TAKING_ALERTS,
    f"/v1/alerts/{UUID(int=1)}/deliveries": TAKING_ALERTS,
    "/v1/overrides": {"admin", "risk", "portfolio_manager", "trader", "execution"},
    "/v1/overrides/s/t-1/approvals": {"admin", "risk"},
    "/v1/overrides/s/t-1/declinations": {
        "admin",
        "risk",
        "portfolio_manager",
        "trader",
        "execution",
    },
    "/v1/contests": {"admin", "steward"},
    "/v1/contests/march/entries": {"admin", "portfolio_manager", "trader", "steward"},
    "/v1/contests/march/withdrawals": {"admin", "portfolio_manager", "trader", "steward"},
    "/v1/contests/march/disqualifications": {"admin", "steward"},
    "/v1/trades": {"admin", "portfolio_manager", "trader", "execution"},
    "/v1/trades/s/t-1/amendments": {"admin", "execution"},
    "/v1/trades/s/t-1/busts": {"admin", "execution"},
    "/v1/trades:batch": {"admin", "portfolio_manager", "trader", "execution"},
    "/v1/trades:check": {"admin", "portfolio_manager", "trader", "execution"},
}
SHARED_WRITES = {
    "/v1/instruments": {"admin", "market_data"},
    "/v1/instruments:batch": {"admin", "market_data"},
    "/v1/benchmarks": {"admin", "market_data"},
    "/v1/instruments/AAPL/titles": {"admin", "market_data"},
    "/v1/instruments/AAPL/symbols": {"admin", "market_data"},
    "/v1/instruments/AAPL/sectors": {"admin", "market_data"},
    "/v1/instruments/AAPL/suspensions": {"admin", "market_data"},
    "/v1/instruments/AAPL/resumptions": {"admin", "market_data"},
    "/v1/instruments/AAPL/delistings": {"admin", "market_data"},
    "/v1/instruments/AAPL/write-downs": {"admin", "market_data"},
    "/v1/instruments/AAPL/splits": {"admin", "market_data"},
    "/v1/instruments/AAPL/stock-dividends": {"admin", "market_data"},
    "/v1/instruments/AAPL/dividends": {"admin", "market_data"},
    "/v1/instruments/AAPL/spin-offs": {"admin", "market_data"},
    "/v1/instruments/AAPL/reversals": {"admin", "market_data"},
    "/v1/time": {"admin", "market_data"},
    "/v1/marks": {"admin", "market_data"},
    "/v1/sessions": {"admin", "market_data"},
    "/v1/sessions/corrections": {"admin", "market_data"},
}
COMMAND = "/v1/commands/00000000-0000-4000-8000-000000000000"
ASKING = {
    "admin", "portfolio_manager", "trader", "execution", "market_data", "controller", "risk",
    "auditor", "steward",
}  # fmt: skip
INTENTS = {
    "proposed": {"admin", "portfolio_manager", "trader"},
    "executed": {"admin", "execution"},
}
STATES = {
    "halted": {"admin", "risk", "controller"},
    "reduce_only": {"admin", "risk"},
    "active": {"admin", "risk"},
}
EVERY_ROLE = [role.value for role in Role]
EVERY_WRITE = [*TENANT_WRITES, *SHARED_WRITES]


def code_of(address: str, bearer: str | None, path: str, body: object = ()) -> str:
    """Ask for a command, or post something (by default malformed); give the problem's code."""
    with client_of(address, bearer) as client:
        answer = (
            client.get(path) if path == COMMAND else client.post(path, json=body, headers=key())
        )
    return "" if answer.status_code == 200 else str(answer.json()["code"])


class TestARole:
    """The table, told a second time: what is not listed here is refused."""

    @pytest.mark.parametrize("role", [*EVERY_ROLE, "owner", "ADMIN"])
    @pytest.mark.parametrize("path", TENANT_WRITES)
    def test_of_a_customer_may_write(self, address: str, path: str, role: str) -> None:
        """The permitted get to the body, which is malformed; the others do not."""
        code = code_of(address, token(new_tenant(), role, source="s"), path)

        assert (code in {"field_invalid", "batch_empty"}) is (role in TENANT_WRITES[path])
        assert (code == "role_missing") is (role not in TENANT_WRITES[path])

    @pytest.mark.parametrize("role", [*EVERY_ROLE, "owner"])
    @pytest.mark.parametrize("path", SHARED_WRITES)
    def test_of_the_market_may_write_shared_facts(self, address: str, path: str, role: str) -> None:
        """Roles of portfolios are worth nothing there."""
        code = code_of(address, token(MARKET_TENANT, role, source="s"), path)

        assert (code in {"field_invalid", "batch_empty"}) is (role in SHARED_WRITES[path])
        assert (code == "role_missing") is (role not in SHARED_WRITES[path])

    @pytest.mark.parametrize("role", EVERY_ROLE)
    def test_may_ask_for_commands(self, address: str, role: str) -> None:
        """All who issue them, and the auditor."""
        code = code_of(address, token(new_tenant(), role), COMMAND)

        assert (code == "") is (role in ASKING)
        assert code in {"", "role_missing"}

    @pytest.mark.parametrize("role", EVERY_ROLE)
    @pytest.mark.parametrize("intent", INTENTS)
    def test_may_capture_by_intent(self, address: str, role: str, intent: str) -> None:
        """Asking and telling are permissions of their own; the portfolio is not there."""
        bearer = token(new_tenant(), role, source="s")

        code = code_of(address, bearer, "/v1/trades", trade("AAPL", intent=intent))

        permitted = role in INTENTS[intent]
        assert code == ("portfolio_unknown" if permitted else "role_missing")

    @pytest.mark.parametrize("role", EVERY_ROLE)
    @pytest.mark.parametrize("intent", INTENTS)
    def test_may_allocate_blocks_by_intent(self, address: str, role: str, intent: str) -> None:
        """As with trades."""
        bearer = token(new_tenant(), role, source="s")

        code = code_of(address, bearer, "/v1/blocks", block("AAPL", intent=intent))

        permitted = role in INTENTS[intent]
        assert code == ("portfolio_unknown" if permitted else "role_missing")

    @pytest.mark.parametrize("role", EVERY_ROLE)
    @pytest.mark.parametrize("state", STATES)
    def test_may_assign_trading_states(self, address: str, role: str, state: str) -> None:
        """Halting is for more roles than letting trading go on."""
        body = {"scope": {"portfolio": "growth"}, "state": state, "reason": "drill"}

        code = code_of(address, token(new_tenant(), role), "/v1/trading-states", body)

        refused = "trading_not_restricted" if state == "active" else "portfolio_unknown"
        assert code == (refused if role in STATES[state] else "role_missing")

    @pytest.mark.parametrize("role", EVERY_ROLE)
    @pytest.mark.parametrize("intent", INTENTS)
    def test_may_exchange_cash_by_intent(self, address: str, role: str, intent: str) -> None:
        """As with trades."""
        body = {
            "intent": intent,
            "sold": {"amount": "1", "currency": "USD"},
            "bought": {"amount": "1", "currency": "EUR"},
            "value_date": "2020-01-03",
        }
        bearer = token(new_tenant(), role, source="s")

        code = code_of(address, bearer, "/v1/portfolios/growth/exchanges", body)

        permitted = role in INTENTS[intent]
        assert code == ("portfolio_unknown" if permitted else "role_missing")

    def test_is_one_of_several(self, address: str) -> None:
        """Roles add up."""
        bearer = token(new_tenant(), "viewer", "trader", "unheard-of", source="s")

        assert code_of(address, bearer, "/v1/trades", trade("AAPL")) == "portfolio_unknown"


class TestATenant:
    """Customers and the market are kept apart, whatever the roles."""

    @pytest.mark.parametrize("role", ["admin", "market_data"])
    @pytest.mark.parametrize("path", SHARED_WRITES)
    def test_of_a_customer_writes_no_shared_fact(self, address: str, path: str, role: str) -> None:
        """Its own administrators cannot write everybody's prices."""
        assert code_of(address, token(new_tenant(), role), path) == "tenant_not_market"

    @pytest.mark.parametrize("path", TENANT_WRITES)
    def test_of_the_market_holds_no_portfolio(self, address: str, path: str) -> None:
        """Its events are read by all, so nothing private may be among them."""
        assert code_of(address, token(MARKET_TENANT, "admin"), path) == "tenant_is_market"


class TestNobody:
    """Without a valid token there is nothing."""

    @pytest.mark.parametrize("path", [*EVERY_WRITE, COMMAND])
    def test_gets_past_a_missing_or_wrong_token(self, address: str, path: str) -> None:
        """401 with how to authenticate."""
        assert code_of(address, None, path) == "token_missing"
        assert code_of(address, "abc", path) == "token_invalid"

    def test_is_told_how_to_authenticate(self, address: str) -> None:
        """WWW-Authenticate, as RFC 6750 says."""
        answer = httpx.post(f"{address}/v1/trades", trust_env=False)

        assert_problem(answer, 401, "token_missing")
        assert answer.headers["www-authenticate"].startswith("Bearer")
