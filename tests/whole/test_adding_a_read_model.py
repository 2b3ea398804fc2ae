"""A read model is added to a running system: a second projector makes it, and nobody notices."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Self

import httpx
import pytest

from client.market import Instrument
from client.portfolios import Portfolio
from client.queries import Positions
from client.trades import Trade
from domain.identity import MARKET_TENANT
from gateway.access import Role
from infra.embedded_postgres import free_port
from infra.errors import OperatorError
from infra.read_models import READ_MODELS
from infra.running import process_command_line, running_system
from infra.settings import load_settings
from tests.infra.up import wait_until
from tests.read_api.watching import Watcher, watching
from tests.whole.system import WholeSystem, whole_system

TENANT, NAME, NEW = "growing", "GROWN", "controls"
OTHERS = ",".join(model.name for model in READ_MODELS if model.name != NEW)
HISTORY = 2_000

pytestmark = pytest.mark.slow


class Busy:
    """Somebody who buys one unit after the other, and what was answered last."""

    def __init__(self, system: WholeSystem) -> None:
        exchange = system.writer(MARKET_TENANT, Role.MARKET_DATA)
        listed = Instrument(
            instrument=NAME, symbol=NAME, currency="USD", asset_class="equity", calendar="XNYS"
        )
        exchange.send(listed, key="instrument").require()
        owner = system.writer(TENANT, Role.PORTFOLIO_MANAGER)
        owner.send(Portfolio(portfolio="one", base_currency="USD"), key="one").require()
        self._desk = system.writer(TENANT, Role.EXECUTION, source="desk")
        self._numbers = count()
        self.position = self._desk.send_all([self._trade() for _ in range(HISTORY)], key="past")[
            -1
        ].require().position  # fmt: skip
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            trade = self._trade()
            self.position = self._desk.send(trade, key=trade.external_id).require().position

    def _trade(self) -> Trade:
        return Trade(
            portfolio="one",
            external_id=f"t-{next(self._numbers):07}",
            intent="executed",
            instrument=NAME,
            side="buy",
            quantity="1",
            price="10",
            currency="USD",
            trade_date="2024-01-03",
        )


@contextmanager
def second_projector(system: WholeSystem) -> Iterator[str]:
    """Start a projector that folds the new model only; give where it answers."""
    settings = system.running.settings.model_copy(
        update={"projector_models": NEW, "projector_port": free_port()}
    )
    log = system.running.data.logs / "second.jsonl"
    with (
        log.open("wb") as written,
        subprocess.Popen(
            process_command_line("projector"),
            env=settings.environment(),
            stdout=written,
            stderr=written,
        ) as process,
    ):
        try:
            yield settings.projector_url
        finally:
            process.terminate()
            assert process.wait(timeout=60) == 0


def checkpoints(url: str) -> dict[str, int]:
    """Ask a projector where its read models stand; none while it does not answer."""
    try:
        models = httpx.get(f"{url}/health/ready", timeout=10).json()["checks"]["models"]
    except httpx.TransportError:
        return {}
    return {name: int(each["position"]) for name, each in models.items()}


class Audience:
    """Somebody who watches the position live, and how many units were seen last."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        watcher.subscribe("p", "portfolios/one/positions")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def held(self) -> int:
        """The units of the state as it was told last."""
        return int(self._watcher.states["p"][NAME]["quantity"])

    def _run(self) -> None:
        while not self._stop.is_set():
            self._watcher.hear()


class TestANewReadModel:
    """No tables, nobody who folds it; then a second projector comes."""

    def test_is_made_while_all_else_goes_on(self) -> None:
        """Trades, queries, live and the first projector's checkpoints; no race is lost."""
        with whole_system(projector_models=OTHERS) as system:
            running = system.running
            officer = {"Authorization": f"Bearer {system.token(TENANT, Role.AUDITOR)}"}
            limits = f"{running.read_url}/v1/trading-states"
            with (
                Busy(system) as busy,
                watching(running.read_url, system.token(TENANT, Role.VIEWER)) as watcher,
                Audience(watcher) as audience,
            ):
                before, seen = checkpoints(running.settings.projector_url), audience.held
                unknown = httpx.get(limits, headers=officer, timeout=30)
                with second_projector(system) as url:
                    wait_until(lambda: NEW in checkpoints(url))
                    asked = {"min_position": busy.position, "wait_seconds": 20}
                    known = httpx.get(limits, params=asked, headers=officer, timeout=60)
                    during = checkpoints(running.settings.projector_url)
                    heard = audience.held
                    (position,) = system.reader(TENANT).pages(
                        Positions(portfolio="one", min_position=busy.position)
                    )
                    second = checkpoints(url)
            verified = system.pms("verify")
            logs = [
                (running.data.logs / f"{it}.jsonl").read_text() for it in ("projector", "second")
            ]

        assert unknown.status_code == 503
        assert known.status_code == 200, known.text
        assert known.json()["position"] >= asked["min_position"]
        assert set(second) == {NEW}
        assert set(before) == set(during) == {*OTHERS.split(",")}
        assert all(during[name] > before[name] for name in before)
        assert position.quantity >= heard > seen
        assert all("projector_lost_race" not in log and "starting" in log for log in logs)
        assert verified.status == 0, verified.said

    def test_of_an_unknown_name_is_refused_at_once(self) -> None:
        """Before anything is started; the names that there are are told."""
        settings = load_settings(projector_models="positions, cahs")
        with (
            pytest.raises(
                OperatorError, match=r"PMS_PROJECTOR_MODELS.*'cahs'.*positions, performance"
            ),
            running_system(settings, say=lambda _: None),
        ):
            pass
