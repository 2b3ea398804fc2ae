"""Running the demo on a system that is up: open it, feed it, watch it, sum it up."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import NamedTuple, Self

from client import CallFailed
from eventstore.log import Log
from infra.clock import now
from infra.demonstration.connections import DemoConnections
from infra.demonstration.lag import LagMeter
from infra.demonstration.screen import Moment
from infra.demonstration.watching import Seen, Watcher
from infra.errors import OperatorError
from infra.read_models import live_schemas
from infra.running import RunningSystem, Say
from simulation.demo_feed import DemoFeed
from simulation.demo_opening import open_demo
from simulation.demo_portfolios import demo_portfolios
from simulation.tally import Tally

LEVEL_SECONDS_MAX = 60.0
LOOK_SECONDS = 0.05
RATE_MOMENTS = 5
"""How many of the last moments a rate is taken over."""


class DemoSize(NamedTuple):
    """How large a demo is and which one it is."""

    seed: int
    portfolios: int
    trades_per_second: float


class Demo:
    """A demo that is being fed, between `feeding` and its end."""

    def __init__(
        self, feed: DemoFeed, tally: Tally, meter: LagMeter, watcher: Watcher, log: Log
    ) -> None:
        self._feed = feed
        self._tally = tally
        self._meter = meter
        self._watcher = watcher
        self._log = log
        self._recent: deque[tuple[float, int]] = deque([(0.0, 0)], maxlen=RATE_MOMENTS)

    def __enter__(self) -> Self:
        self._feed.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._feed.__exit__(kind, error, trace)

    def require_alive(self) -> None:
        """Make sure that everybody still trades.

        Raises:
            OperatorError: a bot or the exchange had to give up; the message says why.
        """
        if self._feed.failures:
            raise OperatorError(f"The demo cannot go on. {self._feed.failures[0]}")

    def moment(self, *, with_portfolios: bool) -> Moment:
        """Look at everything now; asking for the portfolios as well takes some requests."""
        counts = self._tally.counts()
        seconds = self._feed.seconds
        before_seconds, before = self._recent[0]
        self._recent.append((seconds, counts.accepted))
        elapsed = seconds - before_seconds
        return Moment(
            seconds=seconds,
            counts=counts,
            trades_per_second=(counts.accepted - before) / elapsed if elapsed > 0 else 0.0,
            lag=self._meter.measure(),
            events=self._log.head().position,
            seen=self._watcher.look() if with_portfolios else Seen([], []),
            refusals=self._tally.refusals(),
        )

    def wait_until_level(self) -> None:
        """Wait, after the end of the feed, until every read model is at the head of the log.

        Raises:
            OperatorError: they are not in time.
        """
        deadline = time.monotonic() + LEVEL_SECONDS_MAX
        head = self._log.head().position
        while self._meter.level < head:
            if time.monotonic() > deadline:
                behind = head - self._meter.level
                raise OperatorError(f"The read models are still {behind} events behind.")
            time.sleep(LOOK_SECONDS)

    def summary(self, *, seconds: float) -> dict[str, object]:
        """Sum the demo up, once it is level; `seconds` is how long it was fed."""
        moment = self.moment(with_portfolios=True)
        counts, lag = moment.counts, moment.lag
        return {
            "trades_accepted": counts.accepted,
            "trades_refused": counts.refused,
            "trades_refused_intended": counts.refused_intended,
            "trades_refused_by_accident": counts.refused_by_accident,
            "trades_accepted_by_accident": counts.accepted_by_accident,
            "trades_unanswered": counts.unanswered,
            "events": moment.events,
            "portfolios": len(moment.seen.portfolios),
            "positions": len(moment.seen.positions),
            "seconds": round(seconds, 1),
            "trades_per_second": round(counts.accepted / seconds, 1) if seconds else 0.0,
            "lag_p50_ms": lag.p50_ms,
            "lag_p95_ms": lag.p95_ms,
            "lag_samples": lag.samples,
        }

    @property
    def is_as_meant(self) -> bool:
        """Whether every trade ended as its bot meant it to."""
        return self._tally.counts().as_meant


@contextmanager
def prepared_demo(system: RunningSystem, size: DemoSize, *, say: Say) -> Iterator[Demo]:
    """Open the demo's market and portfolios on a running system; entering the demo feeds it.

    Raises:
        OperatorError: the system refused what the demo needs.
    """
    portfolios = demo_portfolios(size.portfolios, trades_per_second=size.trades_per_second)
    with ExitStack() as stack:
        connections = stack.enter_context(DemoConnections(system))
        log = stack.enter_context(
            Log(system.database.app_conninfo, clock=now, build=system.settings.build or "demo")
        )
        schemas = live_schemas(system.settings)
        meter = stack.enter_context(LagMeter(system.redis_url, schemas, clock=now))
        tally = Tally(meter.accepted)
        say(f"opening {size.portfolios} portfolios and a market of the seed {size.seed}")
        try:
            position = open_demo(connections, portfolios, seed=size.seed, today=now().date())
            feed = DemoFeed(
                connections,
                portfolios,
                tally,
                seed=size.seed,
                run=f"{now():%Y%m%dT%H%M%S%f}",
                position=position,
                clock=now,
            )
            yield Demo(feed, tally, meter, Watcher(connections, portfolios), log)
        except CallFailed as error:
            raise OperatorError(f"The demo cannot be opened: {error}") from error


def watch(
    demo: Demo,
    stop: threading.Event,
    *,
    seconds: float | None,
    every_seconds: float,
    show: Callable[[], None],
) -> float:
    """Let the demo run until `stop` or for some seconds; gives how long that was."""
    started = time.monotonic()
    end = None if seconds is None else started + seconds
    while not stop.is_set():
        left = every_seconds if end is None else min(every_seconds, end - time.monotonic())
        if left <= 0:
            break
        stop.wait(left)
        demo.require_alive()
        show()
    return time.monotonic() - started
