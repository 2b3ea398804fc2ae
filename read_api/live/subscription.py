"""One subscription of one client: where it stands, and what waits to be sent to it.

What waits is a map from keys to their newest rows, so a slow client is conflated; beyond
`PENDING_ROWS_MAX` even that is dropped, and the client gets a new snapshot when it can take one.
"""

from collections.abc import Callable
from enum import Enum, auto

from read_api.live.changes import NO_POSITION, Change
from read_api.live.destinations import Destination, Topic

PENDING_ROWS_MAX = 2_000
COLLECTED_MAX = 500
"""Changes collected while the snapshot is asked: of more none is kept, and they are asked again."""


class Taken(Enum):
    """What became of a change that was handed in."""

    NOTHING = auto()
    WAITING = auto()
    CONFLATED = auto()
    DROPPED = auto()


class Subscription:
    """Collects while its snapshot is asked (`begin` ends that), then hands on what changes.

    `position` is that of the last change that was handed in: the client is told nothing older. One
    that falls behind is back at what it was sent, and a log goes on from there.
    `wake` is called when something waits to be sent.
    """

    __slots__ = (
        "_collected", "_sent", "destination", "edition", "has_begun", "is_behind", "name",
        "pending", "position", "renewals_failed", "topic", "wake", "where",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        where: str,
        destination: Destination,
        topic: Topic,
        wake: Callable[["Subscription"], None],
    ) -> None:
        self.name = name
        self.where = where
        self.destination = destination
        self.topic = topic
        self.wake = wake
        self.position = NO_POSITION
        self.edition = 0
        self.pending: Change | None = None
        self.has_begun = False
        self.is_behind = False
        self.renewals_failed = 0
        self._collected: list[Change] = []
        self._sent = NO_POSITION

    def begin(self, first: Change) -> None:
        """Start with a snapshot, or with the changes since the client's last position."""
        self.has_begun = True
        self.is_behind = False
        self.renewals_failed = 0
        self.position, self.edition = first.position, first.edition
        self.pending = first
        if self._sent == NO_POSITION:
            self._sent = first.position if first.is_snapshot else first.since
        collected, self._collected = self._collected, []
        for change in collected:
            if change.is_snapshot or change.since <= self.position:
                self.take(change)
            # Else something is missing in between: it is asked again, behind this position.
        self.wake(self)

    def take(self, change: Change) -> Taken:
        """Take in what changed, or a snapshot of a later position."""
        if not self.has_begun:
            if len(self._collected) >= COLLECTED_MAX:
                self._collected = []
            self._collected.append(change)
            return Taken.NOTHING
        if self.is_behind:
            return Taken.DROPPED
        if change.is_snapshot:
            if change.position < self.position:
                return self._meet_earlier(change)
        elif change.since < self.position:
            change = change.behind(self.position)
            if not change.pieces:
                return Taken.NOTHING
        self.position, self.edition = max(self.position, change.position), change.edition
        waited = self.pending
        self.pending = change if waited is None else waited.followed_by(change)
        # The state of a topic is as long as it is, but a log grows as long as it is not taken.
        is_bounded = self.pending.is_snapshot and not self.destination.is_log
        if not is_bounded and len(self.pending.pieces) > PENDING_ROWS_MAX:
            self.fall_behind()
            return Taken.DROPPED
        if waited is not None:
            return Taken.CONFLATED
        self.wake(self)
        return Taken.WAITING

    def _meet_earlier(self, snapshot: Change) -> Taken:
        """Wait for other tables until they are as far as the client; leave out what is old."""
        if snapshot.edition <= self.edition:
            return Taken.NOTHING
        self.fall_behind()
        return Taken.DROPPED

    def fall_behind(self) -> None:
        """Drop what waits; it is asked anew, or the rest of a log, when the client can take it."""
        self.pending = None
        self.position = self._sent
        self.is_behind = True
        self.wake(self)

    def begin_anew(self) -> None:
        """Collect again, until `begin` gives a new snapshot."""
        self.has_begun = False

    def stay_behind(self) -> None:
        """Drop what was collected: there is no new snapshot yet."""
        self.has_begun = True
        self.renewals_failed += 1
        self._collected = []

    @property
    def waiting_rows(self) -> int:
        """How many rows wait to be sent."""
        return 0 if self.pending is None else len(self.pending.pieces)

    def hand_over(self) -> Change | None:
        """Give what is to be sent now."""
        change, self.pending = self.pending, None
        if change is not None:
            self._sent = change.position
        return change
