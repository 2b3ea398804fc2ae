"""Striking through the real processes: every session is struck once, though a writer is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from tests.infra.test_settlement import Caller
from tests.infra.up import Up, wait_until

pytestmark = pytest.mark.slow

FIRST = date(2024, 5, 28)
SESSIONS = 4


def close(market: Caller, number: int) -> None:
    """Close a session of XNYS without closes."""
    on = (FIRST + timedelta(days=number)).isoformat()
    content = {
        "calendar": "XNYS", "session": on, "starts_at": f"{on}T13:30:00Z",
        "ends_at": f"{on}T20:00:00Z", "closes": [],
    }  # fmt: skip
    market.send("/v1/sessions", f"session-{number}", content)


def struck(owner: Caller) -> list[dict[str, Any]]:
    """What was told so far."""
    return owner.items("/v1/portfolios/alpha/struck")


def test_every_session_is_struck_once_though_the_writer_is_killed(
    start_up: Callable[..., Up],
) -> None:
    """Killed when the first session is told and others wait: the next leader tells the rest."""
    up = start_up("write", "projector", "read")
    up.wait_until_ready()
    owner, market = Caller(up, "acme", "portfolio_manager"), Caller(up, "market", "market_data")
    owner.tell("/v1/portfolios", portfolio="alpha", base_currency="USD", cost_basis="FIFO")
    owner.tell(
        "/v1/portfolios/alpha/deposits", amount="1000", currency="USD",
        value_date=FIRST.isoformat(),
    )  # fmt: skip
    for number in range(SESSIONS):
        close(market, number)
    wait_until(lambda: bool(struck(owner)))
    os.kill(up.addresses()["process_ids"]["write"], signal.SIGKILL)

    wait_until(lambda: len(struck(owner)) == SESSIONS)
    assert [item["nav"] for item in struck(owner)] == ["1000"] * SESSIONS
    assert up.end(signal.SIGTERM)[0] == 0
