"""Who may ask what: every role x every address of the query side."""

from __future__ import annotations

from uuid import UUID

import pytest

from domain.identity import MARKET_TENANT
from gateway.access import Role
from tests.gateway.serving import client_of, new_tenant, token
from tests.read_api.conftest import Addresses, Teller

SEEING = {"admin", "portfolio_manager", "trader", "controller", "risk", "auditor", "viewer"}
OVERSEEING = {"admin", "portfolio_manager", "controller", "auditor", "risk"}
TRADE = "/v1/trades/00000000-0000-4000-8000-000000000000"
BLOCK = "/v1/blocks/00000000-0000-4000-8000-000000000000"
TRIAL = "/v1/alert-rules:try?kind=leverage&raise_above=2&clear_at=1"
PERMITTED = {
    "/v1/portfolios": SEEING,
    "/v1/portfolios/growth": SEEING,
    "/v1/portfolios/growth/positions": SEEING,
    "/v1/portfolios/growth/positions/AAPL": SEEING,
    "/v1/portfolios/growth/positions/bases": SEEING,
    "/v1/portfolios/growth/positions/bases/explain?instrument=AAPL": SEEING,
    "/v1/portfolios/growth/positions/AAPL/explain": SEEING,
    "/v1/portfolios/growth/lots": SEEING,
    "/v1/sectors?currency=USD": SEEING,
    "/v1/portfolios/growth/cash/explain?currency=USD": SEEING,
    "/v1/portfolios/growth/cash": SEEING,
    "/v1/portfolios/growth/cash/ladder": SEEING,
    "/v1/portfolios/growth/cash/movements": SEEING,
    "/v1/portfolios/growth/performance": SEEING,
    "/v1/portfolios/growth/performance/summary": SEEING,
    "/v1/portfolios/growth/performance/periods": SEEING,
    "/v1/portfolios/growth/performance/statistics": SEEING,
    "/v1/portfolios/growth/performance/drawdowns": SEEING,
    "/v1/portfolios/growth/struck": SEEING,
    "/v1/portfolios/growth/struck/explain?session=2024-01-02": SEEING,
    "/v1/portfolios/growth/risk/backtest": SEEING,
    "/v1/portfolios/growth/performance/money-weighted": SEEING,
    "/v1/portfolios/growth/performance/explain?figure=nav": SEEING,
    "/v1/portfolios/growth/bridge/explain": SEEING,
    "/v1/portfolios/growth/realised/explain?trade_id=00000000-0000-4000-8000-000000000000": SEEING,
    "/v1/portfolios/growth/performance/contributions": SEEING,
    "/v1/portfolios/growth/sectors": SEEING,
    "/v1/portfolios/growth/sectors/correlations": SEEING,
    "/v1/portfolios/growth/attribution": SEEING,
    "/v1/portfolios/growth/performance/contributions/explain?name=trading": SEEING,
    "/v1/portfolios/growth/attribution/explain": SEEING,
    "/v1/portfolios/growth/risk": SEEING,
    "/v1/portfolios/growth/risk/contributions": SEEING,
    "/v1/portfolios/growth/risk/contributions/explain?figure=marginal": SEEING,
    "/v1/portfolios/growth/risk/stress?market=-0.1": SEEING,
    "/v1/portfolios/growth/risk/stress/explain?market=-0.1": SEEING,
    "/v1/portfolios/growth/risk/correlations": SEEING,
    "/v1/portfolios/growth/risk/explain?figure=nav": SEEING,
    "/v1/portfolios/growth/trades": SEEING | {"execution"},
    "/v1/trades": SEEING | {"execution"},
    TRADE: SEEING | {"execution"},
    "/v1/refusals": (SEEING - {"viewer"}) | {"execution"},
    "/v1/trades/held": (SEEING - {"viewer"}) | {"execution"},
    "/v1/exceptions": (SEEING - {"viewer"}) | {"execution"},
    "/v1/limits": (SEEING - {"viewer"}) | {"execution"},
    "/v1/limits/gearing": (SEEING - {"viewer"}) | {"execution"},
    "/v1/limits/gearing/usage": (SEEING - {"viewer"}) | {"execution"},
    "/v1/trading-states": (SEEING - {"viewer"}) | {"execution"},
    "/v1/overrides": (SEEING - {"viewer"}) | {"execution"},
    "/v1/breaches": (SEEING - {"viewer"}) | {"execution"},
    "/v1/alerts": SEEING - {"viewer"},
    "/v1/alerts/counts": SEEING - {"viewer"},
    f"/v1/alerts/{UUID(int=1)}": SEEING - {"viewer"},
    "/v1/alert-deliveries": SEEING - {"viewer"},
    TRIAL: {"admin", "risk"},
    "/v1/alert-rules": SEEING - {"viewer"},
    "/v1/alert-rules/gearing": SEEING - {"viewer"},
    "/v1/rebuilds": OVERSEEING | {"market_data"},
    "/v1/sources/desk-1/outcomes": OVERSEEING | {"trader", "execution"},
    "/v1/sources/desk-1/state": OVERSEEING | {"trader", "execution"},
    "/v1/sources/desk-1/control-totals": OVERSEEING | {"trader", "execution"},
    "/v1/portfolios/growth/version": SEEING,
    "/v1/portfolios/growth/history": OVERSEEING,
    f"{TRADE}/version": SEEING | {"execution"},
    f"{TRADE}/history": OVERSEEING,
    f"{BLOCK}/version": SEEING | {"execution"},
    f"{BLOCK}/history": OVERSEEING,
    "/v1/instruments/none/version": SEEING | {"market_data"},
    "/v1/instruments/none/history": OVERSEEING | {"market_data"},
    "/v1/closes": SEEING | {"market_data"},
    "/v1/market": SEEING | {"market_data"},
    "/v1/market/history?name=none": SEEING | {"market_data"},
    "/v1/instruments": SEEING | {"market_data"},
    "/v1/benchmarks": SEEING | {"market_data"},
    "/v1/benchmarks/none/returns": SEEING | {"market_data"},
    "/v1/contests": SEEING | {"steward"},
    "/v1/contests/none": SEEING | {"steward"},
    "/v1/contests/none/ranks": SEEING | {"steward"},
    "/v1/contests/none/strikes": SEEING | {"steward"},
    "/v1/contests/none/struck-ranks?session=2024-01-02": SEEING | {"steward"},
    "/v1/contests/none/participants/user-7/ranks": SEEING | {"steward"},
    "/v1/contests/none/proof?participant=user-7": SEEING | {"steward"},
}
OF_A_NAME = {
    "/v1/instruments/none/version",
    "/v1/instruments/none/history",
    "/v1/benchmarks/none/returns",
}
SHARED = {
    "/v1/closes", "/v1/instruments", "/v1/benchmarks", "/v1/market",
    "/v1/market/history?name=none", "/v1/rebuilds",
}  # fmt: skip
LISTS = {
    "/v1/portfolios", "/v1/trades", "/v1/trades/held", "/v1/refusals", "/v1/exceptions",
    "/v1/sectors?currency=USD",
    "/v1/alerts", "/v1/alerts/counts", "/v1/alert-deliveries", TRIAL, "/v1/alert-rules",
    "/v1/trading-states", "/v1/overrides", "/v1/breaches", "/v1/limits",
    "/v1/sources/desk-1/outcomes", "/v1/sources/desk-1/state", "/v1/sources/desk-1/control-totals",
    "/v1/contests", "/v1/contests/none/strikes",
    "/v1/contests/none/struck-ranks?session=2024-01-02",
    "/v1/contests/none/participants/user-7/ranks",
} | SHARED  # fmt: skip


def code_of(addresses: Addresses, bearer: str | None, path: str) -> str:
    """Ask; give the code of the problem, empty without one."""
    with client_of(addresses.read, bearer) as client:
        answer = client.get(path)
    return "" if answer.status_code == 200 else str(answer.json()["code"])


class TestARole:
    """The table, told a second time: what is not listed here is refused."""

    @pytest.mark.parametrize("role", [*(role.value for role in Role), "owner"])
    @pytest.mark.parametrize("path", PERMITTED)
    def test_may_ask(self, addresses: Addresses, story: Teller, path: str, role: str) -> None:
        """The permitted find an empty list or nothing; the others are refused."""
        code = code_of(addresses, token(new_tenant(), role, source="desk-1"), path)

        found = "" if path in LISTS else "not_found"
        assert code == (found if role in PERMITTED[path] else "role_missing")


class TestTheMarket:
    """The tenant of the shared facts."""

    @pytest.mark.parametrize("path", PERMITTED)
    def test_has_no_portfolios_to_ask_for(
        self, addresses: Addresses, story: Teller, path: str
    ) -> None:
        """Closes and instruments are its own; the rest is refused, whatever the role."""
        code = code_of(addresses, token(MARKET_TENANT, "admin"), path)

        found = "not_found" if path in OF_A_NAME else "tenant_is_market"
        assert code == ("" if path in SHARED else found)


class TestNobody:
    """Without a valid token there is nothing."""

    @pytest.mark.parametrize("path", PERMITTED)
    def test_gets_past_a_missing_or_wrong_token(self, addresses: Addresses, path: str) -> None:
        """401, before anything is looked up."""
        assert code_of(addresses, None, path) == "token_missing"
        assert code_of(addresses, "abc", path) == "token_invalid"
