"""Snapshots of what alert rules watch, so that a leader that begins folds the tail of the log only.

One is kept now and then beside the stream of the log's first rule, as one document, named by the
evaluation and the code it is of: what is of others is left alone, as is what is damaged. Nothing
depends on one: the log has everything.
"""

import time
import zlib
from typing import NamedTuple
from uuid import UUID

import structlog

from commands.metrics import ALERTS_SNAPSHOTS
from domain.alerts import watch
from domain.alerts.following import Floors
from domain.alerts.watching import RULE_EVENTS, Watching
from eventstore.envelope import RecordedEvent
from eventstore.failures import LogFailure
from eventstore.log import Log
from eventstore.snapshots import Snapshot
from schemas.catalogue import EVENT_NAMES
from schemas.graphs import Unreadable, Unwritable, code_digest, read, written

POSITIONS_BETWEEN = 50_000
"""Positions of the log after which another is kept: some seconds to fold."""
SECONDS_BETWEEN = 300.0
"""The least between two: while one is written nothing is judged."""
REST = 200
"""After each none is written for so many times as long as it took."""
BYTES_MAX = 64 * 2**20
"""What is larger is not kept."""

VERSION = 1
"""Of the stream of the first rule: the declaration, which is there."""

_log = structlog.get_logger("commands.alerts")
_RULES = frozenset(EVENT_NAMES[kind] for kind in RULE_EVENTS)


class Kept(NamedTuple):
    """What was folded of the log up to `position`, all of it told; `cause` is the last of it."""

    position: int
    tenants: set[str]
    floors: Floors
    watching: Watching
    cause: RecordedEvent
    is_live: bool


class AlertSnapshots:
    """The snapshots of one leader."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._form = f"{watch.CALCULATION} {code_digest()}"
        self._stream: UUID | None = None
        self._position = 0
        self._not_before = 0.0

    def load(self, until: int) -> Kept | None:
        """Give what was kept of the log as it stands up to there; None without anything usable."""
        stream_id = self._stream_id(until)
        if stream_id is None:
            return None
        try:
            found = self._log.snapshot(stream_id, self._form, until=until)
            if found is None:
                ALERTS_SNAPSHOTS.labels("missing").inc()
                return None
            kept = self._read(found, until)
        except LogFailure as error:
            ALERTS_SNAPSHOTS.labels("failed").inc()
            _log.warning("alerts.snapshot_not_read", error=str(error))
            return None
        except (Unreadable, zlib.error) as error:
            ALERTS_SNAPSHOTS.labels("damaged").inc()
            _log.warning("alerts.snapshot_damaged", why=str(error))
            return None
        ALERTS_SNAPSHOTS.labels("used").inc()
        self._position = kept.position
        return kept

    def is_due(self, position: int) -> bool:
        """Say whether one is to be kept of what is folded up to a position."""
        is_far = position - self._position >= POSITIONS_BETWEEN
        return is_far and time.monotonic() >= self._not_before

    def keep(self, kept: Kept) -> None:
        """Keep what was folded, in place of the one before; what cannot be kept is said so."""
        began = time.monotonic()
        self._position = kept.position
        stream_id = self._stream_id(kept.position)
        assert stream_id is not None, "there is a rule"
        folded = (kept.position, kept.tenants, kept.floors, kept.watching, kept.is_live)
        named = (kept.cause.position, str(kept.cause.command_id))
        try:
            snapshot = Snapshot(stream_id, self._form, VERSION, _packed((folded, named)))
            self._log.delete_snapshot(snapshot)
            self._log.keep_snapshot(snapshot)
        except (LogFailure, Unwritable) as error:
            ALERTS_SNAPSHOTS.labels("failed").inc()
            _log.warning("alerts.snapshot_not_kept", why=str(error))
        else:
            ALERTS_SNAPSHOTS.labels("kept").inc()
        ended = time.monotonic()
        self._not_before = ended + max(SECONDS_BETWEEN, REST * (ended - began))

    def _read(self, found: Snapshot, until: int) -> Kept:
        """Read what was kept, and hold it against the log.

        Raises:
            Unreadable, zlib.error: it is not to be used.
        """
        if found.damage is not None:
            raise Unreadable(found.damage)
        document = read(zlib.decompress(found.data))
        try:
            (position, tenants, floors, watching, is_live), (caused_at, command_id) = document
        except (TypeError, ValueError) as error:
            raise Unreadable(str(error)) from error
        causes = self._log.read(caused_at - 1, 1)
        if position > until or not causes or str(causes[0].command_id) != command_id:
            raise Unreadable("the log is not the one that was folded")
        return Kept(position, tenants, floors, watching, causes[0], is_live)

    def _stream_id(self, until: int) -> UUID | None:
        """Find the stream of the log's first rule; None where there is none."""
        if self._stream is None and until:
            first = next(iter(self._log.read_of_types(_RULES, 0, until)), None)
            self._stream = None if first is None else first.stream_id
        return self._stream


def _packed(folded: object) -> bytes:
    """Write what was folded.

    Raises:
        Unwritable: it holds what cannot be written, or is too long.
    """
    data = zlib.compress(written(folded), 1)
    if len(data) > BYTES_MAX:
        raise Unwritable(f"{len(data):,} bytes")
    return data
