"""The bench itself: a whole system on the prepared state, and its phases.

Each query is asked in turn with the others, by a few clients, of portfolios drawn anew each time:
alone, beside a process that sends trades at a steady rate, and while all read models are rebuilt.
"""

from __future__ import annotations

import platform
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psutil
import psycopg

from benchmarks.history import TENANT
from benchmarks.pipeline.pacing import Pace
from benchmarks.pipeline.sending import LANES, Doors, Order, Sender
from benchmarks.pipeline.trial import accepted_between
from benchmarks.queries import furnishing
from benchmarks.queries.addresses import Known, Trade, addresses, fill
from benchmarks.queries.asking import Answer, Asker, Door, Figures, Wanted, figures, problems
from benchmarks.queries.costing import Cost, costs
from benchmarks.queries.preparing import Watch, prepare
from benchmarks.universe import SOURCE, Size
from domain.identity import MARKET_TENANT
from gateway.access import Role
from infra.child_processes import service_account
from infra.clock import now
from infra.data_directory import DataDirectory
from infra.errors import OperatorError
from infra.keys import signing_key
from infra.running import RunningSystem, StopRequested, running_system
from infra.settings import Settings, load_settings
from infra.tokens import issue_token

SEED = 20_260_103
CLIENTS = 3
TARGET_MS = 50.0
TRADES_PER_SECOND = 1_000.0
BATCH_TRADES = 50
TRADES_KNOWN = 500
LEVEL_SECONDS_MAX = 300.0
LOOK_SECONDS = 0.2
COSTED_ROUNDS_MAX = 20

Say = Callable[[str], None]


class Wish(NamedTuple):
    """How large a state, how long each phase lasts at most, and how often each query is asked."""

    size: Size
    seconds: float
    rounds: int
    prices: Path | None = None
    state: Path | None = None


def run(*, wish: Wish, say: Say, watch: Watch, stop: threading.Event) -> dict[str, Any]:
    """Measure on a directory of its own, or on the kept one; `stop` ends it between two phases.

    Raises:
        OperatorError: the system cannot start.
        StopRequested: `stop` was set.
    """
    with _directory(wish.state) as directory, ExitStack() as stack:
        data = DataDirectory(directory)
        told = prepare(data, wish.size, prices_file=wish.prices, say=say, watch=watch)
        settings = load_settings(
            data=directory, write_port=0, read_port=0, projector_port=0, feed="log"
        )
        system = stack.enter_context(running_system(_of_its_own(settings), say=say, stop=stop))
        return Measuring(stack, system, told, wish, say, stop).result()


@contextmanager
def _directory(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        kept.chmod(0o711 if service_account() else 0o700)
        yield kept
        return
    directory = Path(tempfile.mkdtemp(prefix="pms-bench-"))
    directory.chmod(0o711 if service_account() else 0o700)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _of_its_own(settings: Settings) -> Settings:
    given = ("postgres_owner", "postgres_app", "redis_url", "kafka_bootstrap")
    # Striking a history of years, read in a moment ago, is no part of a day's work.
    return settings.model_copy(update=dict.fromkeys(given) | {"strike_figures": False})


class Measuring:
    """A system that is up on the state, and what asks it."""

    def __init__(
        self,
        stack: ExitStack,
        system: RunningSystem,
        told: Mapping[str, Any],
        wish: Wish,
        say: Say,
        stop: threading.Event,
    ) -> None:
        self._system, self._told, self._wish = system, told, wish
        self._say, self._stop = say, stop
        self._key = signing_key(system.data)
        reader = self._token(TENANT, SOURCE, Role.ADMIN)
        self._client = stack.enter_context(
            httpx.Client(
                base_url=system.read_url, headers={"Authorization": f"Bearer {reader}"},
                timeout=60, trust_env=False,
            )
        )  # fmt: skip
        self._write_limit()
        self._wait_until_level()
        self._addresses = addresses(self._client.get("/openapi.json").raise_for_status().json())
        sales = self._items("/v1/trades", limit=TRADES_KNOWN, side="sell", status="booked")
        self._known = Known(
            told["portfolios"], told["positions"], told["names"],
            [Trade(each["trade_id"], each["portfolio"]) for each in sales],
            furnishing.names(told) | {"alert": self._raised()},
        )  # fmt: skip
        address = urlsplit(system.read_url)
        assert address.hostname is not None, "a running system is reached by host and port"
        assert address.port is not None, "a running system is reached by host and port"
        self._door = Door(address.hostname, address.port, reader)
        self._asker = stack.enter_context(Asker(self._door))
        self._draw = random.Random(SEED)

    def result(self) -> dict[str, Any]:
        """Run the phases and put the figures together."""
        first = self._phase("asking each query once, cold", rounds=1)
        cost = self._cost()
        alone = self._phase("asking alone")
        accepted, writes = self._under_writes()
        self._wait_until_level()
        share, rebuild = self._during_rebuild()
        phases = {"alone": alone, "under_writes": writes, "during_rebuild": rebuild}
        by_phase = {name: figures(answers) for name, answers in phases.items()}
        missing = [each.path for each in self._addresses if each.path not in by_phase["alone"]]
        told = {key: value for key, value in self._told.items() if key != "names"}
        return {
            "benchmark": "query",
            "p95_ms": _p95(by_phase["alone"]),
            "p95_ms_under_writes": _p95(by_phase["under_writes"]),
            "p95_ms_during_rebuild": _p95(by_phase["during_rebuild"]),
            "over_target": {name: _over(found) for name, found in by_phase.items()},
            "target_ms": TARGET_MS,
            "processor_ms": {query: each._asdict() for query, each in cost.items()},
            "queries": {
                name: {query: each._asdict() for query, each in found.items()}
                for name, found in by_phase.items()
            },
            "first_ms": _p95(figures(first)),
            "problems": {name: problems(answers) for name, answers in phases.items()},
            "not_measured": missing,
            "state": told,
            "writes": {"wanted_per_second": TRADES_PER_SECOND, "accepted_per_second": accepted},
            "rebuild": {"asked_while_it_ran": share},
            "clients": CLIENTS,
            "machine": {"processors": psutil.cpu_count(), "load": psutil.getloadavg()[0]}
            | {"system": platform.platform(), "python": platform.python_version()},
            "check": self._check(phases, missing, accepted),
        }

    def _raised(self) -> str:
        """Wait for the alert that the furniture's rule raises, and name it."""
        self._wait_until(lambda: bool(self._items("/v1/alerts")), "No alert is raised.")
        return str(self._items("/v1/alerts")[0]["alert"])

    def _items(self, path: str, **asked: str | int) -> list[dict[str, Any]]:
        found = self._client.get(path, params=asked).raise_for_status().json()
        items: list[dict[str, Any]] = found["items"]
        return items

    def _phase(self, what: str, *, rounds: int | None = None) -> list[Answer]:
        if self._stop.is_set():
            raise StopRequested
        self._say(what)
        wanted = self._wanted(rounds or self._wish.rounds)
        return self._asker.ask(wanted, clients=CLIENTS, seconds=self._wish.seconds)

    def _wanted(self, rounds: int) -> list[Wanted]:
        """Draw every query so many times, in any order."""
        wanted = [
            Wanted(address.path, target)
            for address in self._addresses
            for _ in range(rounds)
            if (target := fill(address, self._known, self._draw)) is not None
        ]
        self._draw.shuffle(wanted)
        return wanted

    def _cost(self) -> dict[str, Cost]:
        """Ask one by one, and tell the processor time of each query."""
        self._say("asking one by one, for the processor time of each")
        wanted = self._wanted(min(self._wish.rounds, COSTED_ROUNDS_MAX))
        process_id = self._system.supervisor.process_ids["read"]
        conninfo = self._system.database.app_conninfo
        return costs(self._door, wanted, process_id=process_id, conninfo=conninfo)

    def _under_writes(self) -> tuple[float, list[Answer]]:
        """Ask while trades are sent at a steady rate; tell how many a second were accepted."""
        order = Order(Pace(TRADES_PER_SECOND, BATCH_TRADES, LANES), self._wish.seconds)
        address = urlsplit(self._system.write_url)
        lanes = tuple(self._token(TENANT, f"system-{each}", Role.ADMIN) for each in range(LANES))
        market = self._token(MARKET_TENANT, "exchange", Role.MARKET_DATA)
        with Sender(Doors(address.hostname or "", address.port or 0, lanes, market)) as sender:
            sender.prepare(order)
            began = time.monotonic()
            sender.start(began)
            answers = self._phase("asking under 1,000 trades a second")
            lasted = min(time.monotonic() - began, order.seconds)
            sent = sender.collect()
        return round(accepted_between(sent, 0.0, lasted) / lasted, 1), answers

    def _during_rebuild(self) -> tuple[float, list[Answer]]:
        """Ask while everything is rebuilt; tell in which part of the time that was so."""
        command = [
            sys.executable,
            "-m",
            "infra.cli",
            "rebuild",
            "--data",
            str(self._system.data.path),
        ]
        ended: list[float] = []
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            watching = threading.Thread(target=lambda: ended.append(_ended_at(process)))
            watching.start()
            began = time.monotonic()
            answers = self._phase("asking during a rebuild of everything")
            lasted = time.monotonic() - began
            process.terminate()
            watching.join()
        return round(min(1.0, (ended[0] - began) / lasted), 2), answers

    def _check(
        self, phases: Mapping[str, Sequence[Answer]], missing: Sequence[str], accepted: float
    ) -> dict[str, Any]:
        """Nothing may have failed but what has no data here, and the trades were taken."""
        failed = [each for answers in phases.values() for each in answers if each.problem]
        told = {f"{each.query}: {each.problem}" for each in failed if each.query not in missing}
        return {"ok": not told and accepted > 0, "failed": sorted(told)}

    def _write_limit(self) -> None:
        """Set a limit, by one person and another, so that there is one to be asked about."""
        terms = {"rule": "trade_quantity_exceeded", "maximum": "1000000000", "scope": {}}
        self._post("/v1/limits", {"limit": furnishing.NAMED, "terms": terms}, "proposer")
        self._post(f"/v1/limits/{furnishing.NAMED}/approvals", {"version": 1}, "approver")

    def _post(self, path: str, body: Mapping[str, Any], subject: str) -> None:
        headers = {
            "Authorization": f"Bearer {self._token(TENANT, subject, Role.RISK)}",
            "Idempotency-Key": f"bench-{path}",
        }
        answer = httpx.post(
            self._system.write_url + path, json=body, headers=headers, timeout=60, trust_env=False
        )
        if answer.is_error:
            raise OperatorError(f"The benchmark cannot be prepared: {answer.text}")

    def _wait_until_level(self) -> None:
        """Wait until the read models stand where the log ends."""
        self._wait_until(self._is_level, "The read models do not come level with the log.")

    def _wait_until(self, is_so: Callable[[], bool], complaint: str) -> None:
        deadline = time.monotonic() + LEVEL_SECONDS_MAX
        while not is_so():
            if self._stop.is_set():
                raise StopRequested
            if time.monotonic() > deadline:
                raise OperatorError(complaint)
            time.sleep(LOOK_SECONDS)

    def _is_level(self) -> bool:
        with psycopg.connect(self._system.database.app_conninfo) as connection:
            row = connection.execute(_BEHIND).fetchone()
        return row is not None and row[0] is True

    def _token(self, tenant: str, subject: str, role: Role) -> str:
        return issue_token(
            self._key, tenant=tenant, subject=subject, roles=[role.value], source=subject,
            issued_at=now(), token_id=uuid4(), lifetime=timedelta(days=1),
        )  # fmt: skip


_BEHIND = """
SELECT (SELECT max(position) FROM log.events) <= least(
    (SELECT position FROM positions.checkpoint), (SELECT position FROM performance.checkpoint)
)
"""


def _ended_at(process: subprocess.Popen[bytes]) -> float:
    process.wait()
    return time.monotonic()


def _p95(found: Mapping[str, Figures]) -> dict[str, float]:
    return {query: each.p95_ms for query, each in found.items()}


def _over(found: Mapping[str, Figures]) -> list[str]:
    return [query for query, each in found.items() if each.p95_ms > TARGET_MS]
