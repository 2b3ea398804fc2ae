"""Snapshots of portfolios: taken beside the desk as it goes on, used when one is loaded.

The desk's thread only forks a portfolio (its books are copied when next changed, not before); it
is another thread that turns the fork into bytes and writes them. What cannot be taken or used is
said so and left out: the log has everything.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import msgspec
import structlog

from commands import metrics
from domain.portfolio.state import Portfolio
from eventstore.failures import LogFailure
from eventstore.log import Log
from eventstore.snapshots import Snapshot
from schemas.snapshots import FORM, decode_portfolio, encode_portfolio, require_readable

EVENTS_BETWEEN = 200
"""Events of a stream after which a snapshot of it is taken: about 6 ms to fold."""

EVENTS_BETWEEN_AT_REST = 50
"""The same, while nobody asks anything of the desk."""

BYTES_PER_EVENT = 4_000
"""A large snapshot waits for more events, one for so many of its bytes."""

BYTES_MAX = 64 * 2**20
"""What is larger is not kept."""

PAUSE = 3.0
"""After each snapshot none is begun for so many times as long as it took."""

WAITING_MAX = 4
"""Portfolios that may wait for their snapshots; others are offered again with their next events."""

_log = structlog.get_logger("commands.snapshots")


class Snapshots:
    """The snapshots of one desk; only `close` may be called from another thread than its own."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._taker = ThreadPoolExecutor(1, thread_name_prefix="desk-snapshots")
        self._ending = threading.Event()
        self._room = threading.BoundedSemaphore(WAITING_MAX)
        self._taken: dict[UUID, tuple[int, int]] = {}
        self._behind: OrderedDict[UUID, None] = OrderedDict()

    def close(self) -> None:
        """End what is being written, and take no more."""
        self._ending.set()
        self._taker.shutdown(cancel_futures=True)

    def finish(self) -> None:
        """Write what was taken so far, and take no more."""
        self._ending.set()
        self._taker.shutdown()

    def load(self, stream_id: UUID, *, until: int) -> Portfolio | None:
        """Give a portfolio as of its newest snapshot up to a log position, None without one.

        What is damaged is deleted, and the one before it looked at.
        """
        try:
            while (found := self._log.snapshot(stream_id, FORM, until=until)) is not None:
                portfolio, damage = _read(found)
                if portfolio is not None:
                    metrics.SNAPSHOTS.labels("used").inc()
                    self._note(found)
                    return portfolio
                metrics.SNAPSHOTS.labels("damaged").inc()
                _log.warning(
                    "snapshot.damaged", stream=str(stream_id), version=found.version, why=damage
                )
                self._log.delete_snapshot(found)
        except LogFailure as error:
            metrics.SNAPSHOTS.labels("failed").inc()
            _log.warning("snapshot.not_read", stream=str(stream_id), error=str(error))
        else:
            metrics.SNAPSHOTS.labels("missing").inc()
        return None

    def offer(self, stream_id: UUID, portfolio: Portfolio) -> None:
        """Have a snapshot taken of a portfolio that is in the log as it stands here, if due."""
        version, due = self._taken.get(stream_id, (0, EVENTS_BETWEEN))
        if portfolio.version >= due:
            self._take(stream_id, portfolio)
        elif portfolio.version >= version + EVENTS_BETWEEN_AT_REST:
            self._behind[stream_id] = None

    def rest(self, portfolios: Mapping[UUID, Portfolio]) -> None:
        """Take one snapshot that is not due yet; for when nobody asks anything."""
        while self._behind:
            stream_id, _ = self._behind.popitem(last=False)
            portfolio = portfolios.get(stream_id)
            if portfolio is not None:
                self._take(stream_id, portfolio)
                return

    def forget(self, stream_id: UUID) -> None:
        """Remember nothing of a portfolio that is no longer held."""
        self._taken.pop(stream_id, None)
        self._behind.pop(stream_id, None)

    def _take(self, stream_id: UUID, portfolio: Portfolio) -> None:
        if not self._room.acquire(blocking=False):
            return
        self._behind.pop(stream_id, None)
        self._taken[stream_id] = (portfolio.version, portfolio.version + EVENTS_BETWEEN)
        taking = self._taker.submit(self._write_and_pause, stream_id, portfolio.fork())
        taking.add_done_callback(lambda _: self._room.release())

    def _write_and_pause(self, stream_id: UUID, portfolio: Portfolio) -> None:
        started = time.perf_counter()
        self._write(stream_id, portfolio)
        self._ending.wait(PAUSE * (time.perf_counter() - started))

    def _write(self, stream_id: UUID, portfolio: Portfolio) -> None:
        try:
            data = encode_portfolio(portfolio)
            require_readable(data)
            snapshot = Snapshot(stream_id, FORM, portfolio.version, data)
            self._note(snapshot)
            if len(data) > BYTES_MAX:
                _log.warning("snapshot.too_large", stream=str(stream_id), bytes=len(data))
                return
            self._log.keep_snapshot(snapshot)
        except LogFailure as error:
            metrics.SNAPSHOTS.labels("failed").inc()
            _log.warning("snapshot.not_kept", stream=str(stream_id), error=str(error))
        except Exception:  # noqa: BLE001 - the desk goes on without this one
            metrics.SNAPSHOTS.labels("failed").inc()
            _log.exception("snapshot.failed", stream=str(stream_id))
        else:
            metrics.SNAPSHOTS.labels("kept").inc()

    def _note(self, snapshot: Snapshot) -> None:
        between = max(EVENTS_BETWEEN, len(snapshot.data) // BYTES_PER_EVENT)
        self._taken[snapshot.stream_id] = (snapshot.version, snapshot.version + between)


def _read(found: Snapshot) -> tuple[Portfolio | None, str | None]:
    """Read a snapshot, or say why it is not to be used."""
    if found.damage is not None:
        return None, found.damage
    try:
        portfolio = decode_portfolio(found.data)
    except msgspec.DecodeError as error:
        return None, str(error)
    if portfolio.version != found.version:
        return None, f"it is of version {portfolio.version}"
    return portfolio, None
