"""SIGKILL of the read process, of Valkey and of the projector under a live audience.

Every watcher comes back by itself with its last position, as a dashboard does; none sees a position
go backwards, and all end with the state that the queries, and so the log, say.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from client import Client
from client.market import Instrument
from client.portfolios import Portfolio
from client.trades import Trade
from domain.identity import MARKET_TENANT
from gateway.access import Role
from tests.crash.test_killing import kill, wait_until, wait_until_ready
from tests.read_api.watching import Watcher, watching
from tests.whole.system import WholeSystem, whole_system

TENANT = "watched"
NAME = "WATCHED"
PORTFOLIOS = ("one", "two", "three")
VICTIMS = ("read", "valkey", "projector") * 2
SEED = 7
LOAD_SECONDS = (0.2, 0.8)
BACK_SECONDS = 0.1
WATCHERS = 4

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(300)]


class Dashboard:
    """Watches positions and cash of one portfolio for as long as it is asked to, whatever dies."""

    def __init__(self, system: WholeSystem, portfolio: str) -> None:
        self.portfolio = portfolio
        self.states: dict[str, dict[str, Any]] = {}
        self.positions: dict[str, int] = {}
        self.connections = 0
        self.failure: BaseException | None = None
        self._editions: dict[str, int] = {}
        self._read_url = system.running.read_url
        self._token = system.token(TENANT, Role.VIEWER)
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Stop watching."""
        self._stop.set()
        self.thread.join(timeout=30)
        assert self.failure is None, self.failure

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                with contextlib.suppress(OSError, ConnectionClosed, InvalidHandshake, TimeoutError):
                    self._watch()
                self._stop.wait(BACK_SECONDS)
        except BaseException as failure:
            self.failure = failure
            raise

    def _watch(self) -> None:
        with watching(self._read_url, self._token) as watcher:
            watcher.states, watcher.positions = self.states, self.positions
            watcher.editions = self._editions
            self.connections += 1
            for name in ("positions", "cash"):
                self._subscribe(watcher, name)
            while not self._stop.is_set():
                with contextlib.suppress(TimeoutError):
                    watcher.hear(seconds=0.2)

    def _subscribe(self, watcher: Watcher, name: str) -> None:
        stood: dict[str, object] = {}
        if name in self.positions:
            stood = {"position": self.positions[name], "edition": self._editions[name]}
        told = watcher.subscribe(name, f"portfolios/{self.portfolio}/{name}", **stood)
        if told["type"] == "error":
            raise TimeoutError  # Not ready yet: come back.


def prepared(system: WholeSystem) -> Client:
    """Open portfolios and register what is traded; give who trades it."""
    exchange = system.writer(MARKET_TENANT, Role.MARKET_DATA)
    instrument = Instrument(
        instrument=NAME, symbol=NAME, currency="USD", asset_class="equity", calendar="XNYS"
    )
    exchange.send(instrument, key="instrument").require()
    operator = system.writer(TENANT, Role.PORTFOLIO_MANAGER)
    for name in PORTFOLIOS:
        operator.send(Portfolio(portfolio=name, base_currency="USD"), key=name).require()
    return system.writer(TENANT, Role.EXECUTION, source="desk")


def trades() -> Iterator[Trade]:
    """Buy and sell by turns, so that positions open and close all the time."""
    for number in range(1_000_000):
        yield Trade(
            portfolio=PORTFOLIOS[number % len(PORTFOLIOS)],
            external_id=f"t-{number:07}",
            intent="executed",
            instrument=NAME,
            side="buy" if number // len(PORTFOLIOS) % 2 == 0 else "sell",
            quantity="1",
            price="10",
            currency="USD",
            trade_date="2024-01-03",
        )


class TestAnAudience:
    """Under kills."""

    def test_ends_with_the_state_that_the_log_implies(self) -> None:
        """Six kills; positions of subscriptions only ascend, which every watcher checks."""
        drawn = random.Random(SEED)
        with whole_system() as system:
            writer = prepared(system)
            wait_until_ready(system, "projector")
            dashboards = [
                Dashboard(system, PORTFOLIOS[number % len(PORTFOLIOS)])
                for number in range(WATCHERS)
            ]
            wait_until(lambda: all(len(each.positions) == 2 for each in dashboards))
            stop = threading.Event()
            last: list[int] = []

            def send() -> None:
                for trade in trades():
                    last[:] = [writer.send(trade, key=trade.external_id).require().position]
                    if stop.wait(0.005):
                        return

            sender = threading.Thread(target=send)
            sender.start()
            for victim in VICTIMS:
                time.sleep(drawn.uniform(*LOAD_SECONDS))
                kill(system, victim)
            stop.set()
            sender.join()

            for process in ("projector", "read"):
                wait_until_ready(system, process)
            reader = system.reader(TENANT)
            for dashboard in dashboards:
                own = f"/v1/portfolios/{dashboard.portfolio}"
                for name, key in (("positions", "instrument"), ("cash", "currency")):
                    asked = reader.items(f"{own}/{name}", min_position=last[0])
                    wanted = {row[key]: row["changed_position"] for row in asked}

                    def is_reached(
                        state: Dashboard = dashboard, of: str = name, it: dict[str, int] = wanted
                    ) -> bool:
                        told = state.states.get(of, {})
                        return {key: row["changed_position"] for key, row in told.items()} == it

                    wait_until(is_reached)
            for dashboard in dashboards:
                dashboard.end()
            assert max(each.connections for each in dashboards) > 1
