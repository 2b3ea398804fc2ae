"""`pms bench pipeline`: the highest rate of trades a second at which no lag grows, and its cost."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from benchmarks.pipeline import holding
from benchmarks.pipeline.costs import ELSE, Processors, microseconds_per_trade
from benchmarks.pipeline.lags import Listener
from benchmarks.pipeline.opening import open_market
from benchmarks.pipeline.pacing import Pace
from benchmarks.pipeline.sending import LANES, Order, Sender
from benchmarks.pipeline.trial import (
    ALL,
    WARM_UP_SECONDS,
    Figures,
    Trial,
    accepted_between,
    judged,
)
from client import CallFailed
from eventstore.log import Log
from eventstore.partitions import partitions
from infra.child_processes import service_account
from infra.clock import now
from infra.errors import OperatorError
from infra.read_models import READ_MODELS, partition_count
from infra.running import RunningSystem, StopRequested, running_system
from infra.settings import Settings, load_settings
from projections.checkpoint import read_checkpoint
from projections.read_model import Placed

BATCH_TRADES = 500
PROBE_SECONDS = 9.0
START = 2_500.0
LEVEL_SECONDS_MAX = 120.0
HEARING_SECONDS = 0.3
LOOK_SECONDS = 0.05
TRADES_TABLE = "trades"

Say = Callable[[str], None]


class Wish(NamedTuple):
    """What to measure: `rate` alone, or else the highest that is held, looked for from `start`."""

    feed: str
    seconds: float
    start: float = START
    rate: float | None = None
    batch_trades: int = BATCH_TRADES


def run(
    *,
    feed: str,
    seconds: float,
    start: float | None,
    rate: float | None,
    batch_trades: int,
    say: Say,
    stop: threading.Event,
) -> dict[str, Any]:
    """Measure a whole system of its own on a throwaway directory; `stop` ends with what there is.

    Raises:
        OperatorError: the system cannot start, or does not keep up with anything.
        StopRequested: `stop` was set before there was anything to tell.
    """
    wish = Wish(feed, seconds, start or START, rate, batch_trades)
    directory = Path(tempfile.mkdtemp(prefix="pms-bench-"))
    directory.chmod(0o711 if service_account() else 0o700)
    try:
        with ExitStack() as stack:
            system = stack.enter_context(
                running_system(throwaway_settings(directory, feed), say=say, stop=stop)
            )
            measuring = Measuring(stack, system, wish, say, stop)
            found = measuring.search()
            return measuring.result(found)
    except CallFailed as error:
        raise OperatorError(f"The benchmark cannot be opened: {error}") from error
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def throwaway_settings(directory: Path, feed: str) -> Settings:
    """Take any free port, and servers of our own whatever the environment names."""
    settings = load_settings(
        data=directory, write_port=0, read_port=0, projector_port=0, relay_port=0, feed=feed
    )
    given = (
        "postgres_owner",
        "postgres_app",
        "redis_url",
        "kafka_bootstrap",
        "schema_registry_url",
    )
    return settings.model_copy(update=dict.fromkeys(given))


class Measuring:
    """A system that is up, opened for the load, with everything that watches it."""

    def __init__(
        self, stack: ExitStack, system: RunningSystem, wish: Wish, say: Say, stop: threading.Event
    ) -> None:
        say("opening portfolios and a market")
        count = partition_count(system.settings)
        models = {
            model.name: [Placed(model, each).schema for each in partitions(count)]
            for model in READ_MODELS
        }
        self._sender = stack.enter_context(Sender(open_market(system)))
        self._listener = stack.enter_context(Listener(system.redis_url, models))
        self._log = stack.enter_context(
            Log(system.database.app_conninfo, clock=now, build="benchmark", pool_size=1)
        )
        self._conninfo = system.database.app_conninfo
        self._processors = Processors(self._conninfo, self._process_ids)
        self._system, self._wish, self._say, self._stop = system, wish, say, stop
        self._accepted = 0
        self.trials: list[Trial] = []

    def search(self) -> Trial | None:
        """Look for the highest rate that is held; None where none was, or nobody waited for it."""
        wish = self._wish
        if wish.rate is not None:
            self._attempt(wish.rate, wish.seconds)
            return self.trials[-1] if self.trials else None
        try:
            rate = holding.highest_probed(
                wish.start, lambda each: self._attempt(each, PROBE_SECONDS)
            )
            if rate is not None:
                holding.highest_confirmed(rate, lambda each: self._attempt(each, wish.seconds))
        except StopRequested:
            self._say("stopped; this is what there is")
        held = [trial for trial in self.trials if trial.failure is None]
        longest = max((trial.seconds for trial in held), default=0.0)
        best = [trial for trial in held if trial.seconds == longest]
        return max(best, key=lambda trial: trial.trades_per_second, default=None)

    def result(self, found: Trial | None) -> dict[str, Any]:
        """Write the result of the trial that was found, and check what the system holds now."""
        if not self.trials:
            raise StopRequested
        trial = found or self.trials[-1]
        is_held = trial.failure is None
        return {
            "benchmark": "pipeline",
            "feed": self._wish.feed,
            "seconds": trial.seconds,
            "trades_per_second_sustained": round(trial.accepted_per_second) if is_held else None,
            "is_held": is_held,
            "failure": trial.failure,
            **_lag("lag_", trial.lags[ALL]),
            **_lag("answer_", trial.answers),
            "per_model": {
                name: _lag("lag_", figures) for name, figures in trial.lags.items() if name != ALL
            },
            "outcomes": trial.outcomes,
            "trades_unsent": trial.trades_unsent,
            "trades_undecided": trial.trades_undecided,
            "microseconds_per_trade": trial.costs,
            "tried": [
                {
                    "trades_per_second": round(each.trades_per_second),
                    "seconds": each.seconds,
                    "failure": each.failure,
                    "accepted_per_second": round(each.accepted_per_second),
                    "lag_p95_ms": each.lags[ALL].p95_ms,
                    "microseconds_per_trade": round(_ours(each), 1),
                    "microseconds_elsewhere": each.costs.get(ELSE),
                }
                for each in self.trials
            ],
            "series": trial.series,
            "check": self._check(),
            "parameters": {"batch_trades": self._wish.batch_trades, "connections": LANES},
            "machine": {
                "processors": os.cpu_count(),
                "python": platform.python_version(),
                "system": platform.platform(),
            },
        }

    def _attempt(self, rate: float, seconds: float) -> bool:
        """Run a rate until everything is level again; say whether it was held."""
        pace = Pace(rate, self._wish.batch_trades, LANES)
        order = Order(pace, seconds + WARM_UP_SECONDS)
        self._sender.prepare(order)
        started = time.monotonic() + 0.1
        began_at = time.time() + 0.1
        self._sender.start(started)
        self._wait_until(started + WARM_UP_SECONDS)
        before, begun = self._processors.used(), time.monotonic() - started
        self._wait_until(started + order.seconds)
        after, ended = self._processors.used(), time.monotonic() - started
        if not self._stop.is_set():
            self._wait_until(started + order.seconds + 1.0)
        answers = self._sender.collect()
        self._accepted += accepted_between(answers, 0.0, float("inf"))
        if self._stop.is_set():
            raise StopRequested
        self._wait_until_level()
        trades = accepted_between(answers, begun, ended)
        costs = microseconds_per_trade(before, after, trades=trades)
        trial = judged(order, answers, self._listener, began_at=began_at, costs=costs)
        self.trials.append(trial)
        self._say(trial.line())
        return trial.failure is None

    def _wait_until(self, moment: float) -> None:
        self._stop.wait(max(0.0, moment - time.monotonic()))

    def _wait_until_level(self) -> None:
        """Wait until every read model stands at the head of the log.

        Raises:
            OperatorError: they do not come.
        """
        deadline = time.monotonic() + LEVEL_SECONDS_MAX
        head = self._log.head().position
        while (lowest := min(self._positions().values())) < head:
            if time.monotonic() > deadline:
                raise OperatorError(f"The read models are still {head - lowest:,} events behind.")
            time.sleep(LOOK_SECONDS)
        time.sleep(HEARING_SECONDS)  # the last announcements are on their way

    def _positions(self) -> dict[str, int]:
        """Say where every schema stands."""
        schemas = [schema for each in self._listener.models.values() for schema in each]
        with psycopg.connect(self._conninfo) as connection, connection.cursor() as cursor:
            found = {schema: read_checkpoint(cursor, schema) for schema in schemas}
        return {schema: each.position if each else 0 for schema, each in found.items()}

    def _check(self) -> dict[str, object]:
        """Compare what was accepted with what the read models hold now."""
        self._wait_until_level()
        booked = 0
        with psycopg.connect(self._conninfo) as connection:
            for schema in self._listener.models[TRADES_TABLE]:
                table = sql.Identifier(schema, TRADES_TABLE)
                statement = sql.SQL("SELECT count(*) FROM {} WHERE status = 'booked'").format(table)
                row = connection.execute(statement).fetchone()
                booked += 0 if row is None else int(row[0])
        return {
            "trades_accepted": self._accepted,
            "trades_booked": booked,
            "log_head": self._log.head().position,
            "ok": booked == self._accepted,
        }

    def _process_ids(self) -> Mapping[str, int]:
        ours = {"generator: sending": self._sender.process_id, "generator: watching": os.getpid()}
        return self._system.supervisor.process_ids | ours


def _ours(trial: Trial) -> float:
    return sum(cost for name, cost in trial.costs.items() if name != ELSE)


def _lag(prefix: str, figures: Figures) -> dict[str, float | None]:
    return {
        f"{prefix}p50_ms": figures.p50_ms,
        f"{prefix}p95_ms": figures.p95_ms,
        f"{prefix}max_ms": figures.max_ms,
    }
