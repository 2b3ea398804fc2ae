"""Settlement through the real processes: a session that closes settles what is due."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.infra.up import Up, wait_until

pytestmark = pytest.mark.slow

EQUITY = {
    "instrument": "AAPL",
    "symbol": "AAPL",
    "currency": "USD",
    "asset_class": "equity",
    "calendar": "XNYS",
}
BOUGHT = {
    "portfolio": "alpha",
    "external_id": "t-1",
    "intent": "executed",
    "instrument": "AAPL",
    "side": "buy",
    "quantity": "10",
    "price": "20",
    "currency": "USD",
    "trade_date": "2024-05-24",
}
CLOSED = {
    "calendar": "XNYS",
    "session": "2024-05-29",
    "starts_at": "2024-05-29T13:30:00Z",
    "ends_at": "2024-05-29T20:00:00Z",
    "closes": [],
}


class Caller:
    """A person or program of one tenant and role."""

    def __init__(self, up: Up, tenant: str, role: str) -> None:
        self._addresses = up.addresses()
        issued = subprocess.run(
            [
                sys.executable, "-m", "infra.cli", "token", "--tenant", tenant, "--subject", "desk",
                "--role", role, "--source", "desk-1", "--data", str(up.data.path),
            ],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        self._headers = {"Authorization": f"Bearer {issued.stdout.strip()}"}

    def tell(self, path: str, **content: Any) -> None:
        """Send a command that is accepted, the only one to its address."""
        self.send(path, path, content)

    def send(self, path: str, key: str, content: dict[str, Any]) -> None:
        """Send a command under a name; it is accepted."""
        answer = httpx.post(
            f"{self._addresses['write_url']}{path}",
            json=content,
            headers={**self._headers, "Idempotency-Key": key},
            timeout=30,
        )
        assert answer.status_code == 201, answer.text

    def items(self, path: str) -> list[dict[str, Any]]:
        """Ask for a list; what is not there yet is empty."""
        address = f"{self._addresses['read_url']}{path}"
        found: list[dict[str, Any]] = (
            httpx.get(address, headers=self._headers, timeout=30).json().get("items", [])
        )
        return found

    def dollars(self) -> list[tuple[str, str]]:
        """Settled and held, once there is any."""
        answer = httpx.get(
            f"{self._addresses['read_url']}/v1/portfolios/alpha/cash/ladder",
            headers=self._headers,
            timeout=30,
        )
        ladders = answer.json().get("items", [])
        return [(ladder["settled"], ladder["balance"]) for ladder in ladders]


def test_cash_settles_when_the_session_of_its_value_date_closes(
    start_up: Callable[..., Up],
) -> None:
    """XNYS, Friday 2024-05-24: two days on, over Memorial Day."""
    up = start_up("write", "projector", "read")
    up.wait_until_ready()
    owner, trader, market = (
        Caller(up, "acme", "portfolio_manager"),
        Caller(up, "acme", "execution"),
        Caller(up, "market", "market_data"),
    )
    owner.tell("/v1/portfolios", portfolio="alpha", base_currency="USD", cost_basis="FIFO")
    owner.tell(
        "/v1/portfolios/alpha/deposits",
        amount="1000",
        currency="USD",
        value_date="2024-05-24",
    )
    market.tell("/v1/instruments", **EQUITY)
    trader.tell("/v1/trades", **BOUGHT)
    wait_until(lambda: owner.dollars() == [("1000", "800")])

    market.tell("/v1/sessions", **CLOSED)

    wait_until(lambda: owner.dollars() == [("800", "800")])
    assert up.end(signal.SIGTERM)[0] == 0
