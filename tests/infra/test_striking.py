"""Striking through the real processes: every session is struck once, though a writer is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import psutil
import pytest
from pydantic import SecretStr

from infra.process_write import reactions_of
from infra.settings import load_settings
from infra.striking import NICENESS
from tests.infra.test_settlement import Caller
from tests.infra.up import Up, wait_until

pytestmark = pytest.mark.slow

FIRST = date(2024, 5, 20)
SESSIONS = 5


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


def makers(up: Up) -> list[psutil.Process]:
    """The processes that make figures beside a writer."""
    found = []
    for process in up.family():
        with suppress(psutil.NoSuchProcess):
            if process.nice() == NICENESS and "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
    return found


def test_every_session_is_struck_once_though_the_writer_is_killed(
    start_up: Callable[..., Up],
) -> None:
    """So is the process that makes figures, alone, and when its writer is killed, it ends.

    Sessions wait when the writer is killed: the next leader tells the rest.
    """
    up = start_up("write", "projector", "read")
    up.wait_until_ready()
    owner, market = Caller(up, "acme", "portfolio_manager"), Caller(up, "market", "market_data")
    owner.tell("/v1/portfolios", portfolio="alpha", base_currency="USD", cost_basis="FIFO")
    owner.tell(
        "/v1/portfolios/alpha/deposits", amount="1000", currency="USD",
        value_date=FIRST.isoformat(),
    )  # fmt: skip
    close(market, 0)
    wait_until(lambda: len(struck(owner)) == 1)
    for maker in makers(up):
        maker.kill()
    close(market, 1)
    wait_until(lambda: len(struck(owner)) == 2)

    for number in range(2, SESSIONS):
        close(market, number)
    writer = psutil.Process(up.addresses()["process_ids"]["write"])
    orphans = makers(up)
    writer.kill()
    wait_until(lambda: not any(each.is_running() for each in orphans))
    wait_until(lambda: len(struck(owner)) == SESSIONS)
    assert [item["nav"] for item in struck(owner)] == ["1000"] * SESSIONS
    assert up.end(signal.SIGTERM)[0] == 0


def test_the_writer_does_not_load_what_statistics_need() -> None:
    """The process beside it does: it costs memory and time at every start."""
    asked = "import sys, infra.process_write; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


def test_a_writer_may_be_told_to_strike_no_figures() -> None:
    """Contests are ranked nevertheless."""
    given = {"postgres_app": SecretStr("postgresql://nowhere"), "build": "test"}
    offices = {
        strikes: reactions_of(load_settings(strike_figures=strikes, **given)).keys()
        for strikes in (True, False)
    }

    assert offices[True] - offices[False] == {"striking"}
    assert "contests" in offices[False]
