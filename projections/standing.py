"""Where each read model of a projector stands, for the engine, for health and for metrics.

Lag is counted in events behind the head and in seconds since the oldest event not yet folded was
recorded.
"""

import contextlib
from datetime import datetime
from enum import StrEnum

import msgspec
from prometheus_client import Counter, Gauge, Histogram

from eventstore.partitions import WHOLE, Partition
from projections.checkpoint import Checkpoint
from projections.read_model import Fold, Placed, ReadModel

LOG_HEAD = Gauge("pms_log_head_position", "Position of the newest event of the log")
POSITION = Gauge("pms_projection_position", "Log position folded", ["model"])
LAG_EVENTS = Gauge("pms_projection_lag_events", "Events behind the head", ["model"])
LAG_SECONDS = Gauge(
    "pms_projection_lag_seconds", "Age of the oldest event not yet folded", ["model"]
)
POISONED = Gauge("pms_projection_poisoned", "1 while an event stops the model", ["model"])
REBUILD = Gauge(
    "pms_projection_rebuild_progress", "Part of the log folded by a running rebuild", ["model"]
)
FOLDED = Counter("pms_projection_events", "Events passed", ["model"])
BATCHES = Histogram(
    "pms_projection_batch_seconds",
    "Time to fold and commit one batch for all models that share it",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
DELAY = Histogram(
    "pms_projection_delay_seconds",
    "Time from the recording of a batch's oldest event to its commit in the read models",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)


class State(StrEnum):
    """What a read model is doing."""

    STARTING = "starting"
    LIVE = "live"
    REBUILDING = "rebuilding"
    POISONED = "poisoned"


class Poison(msgspec.Struct, frozen=True):
    """The event that stops a model, and what happened when it was folded."""

    position: int
    event_type: str
    error: str


class Standing:
    """One read model of one partition within one projector; `name` is also its tables' schema.

    `events_max` is set while the model reads alone in ever smaller batches, to find the event that
    makes it fail; `behind_since` is when the oldest event it has not folded was recorded,
    `level_at` when it last stood as far as the foremost, by the monotonic clock.
    """

    def __init__(self, model: ReadModel, partition: Partition = WHOLE) -> None:
        self.model = model
        self.partition = partition
        self.name = Placed(model, partition).schema
        self.state = State.STARTING
        self.fold: Fold | None = None
        self.checkpoint: Checkpoint | None = None
        self.events_max: int | None = None
        self.poison: Poison | None = None
        self.behind_since: datetime | None = None
        self.level_at = float("-inf")
        self.rebuilt_part: float | None = None
        self.rebuild_error: str | None = None
        POISONED.labels(self.name).set(0)

    @property
    def position(self) -> int:
        """The last log position folded."""
        return 0 if self.checkpoint is None else self.checkpoint.position

    def begin(self, checkpoint: Checkpoint) -> None:
        """Take part from a checkpoint on, knowing nothing of the tables."""
        self.state = State.LIVE
        self.checkpoint = checkpoint
        self.fold = self.model.new_fold(self.name)
        self.rebuilt_part = self.rebuild_error = None

    def forget(self) -> None:
        """Drop everything known of the tables; a poisoned or rebuilding model stays so."""
        self.fold = None
        if self.state is State.LIVE:
            self.state = State.STARTING

    def leave(self) -> None:
        """Show nothing more: another projector has the partition."""
        for gauge in (POSITION, LAG_EVENTS, LAG_SECONDS, POISONED, REBUILD):
            with contextlib.suppress(KeyError):
                gauge.remove(self.name)

    def stop_at(self, poison: Poison) -> None:
        """Stop for good at an event that cannot be folded."""
        self.forget()
        self.state = State.POISONED
        self.poison = poison
        POISONED.labels(self.name).set(1)

    def observe(self, *, head: int, now: datetime) -> None:
        """Set the gauges."""
        name = self.name
        POSITION.labels(name).set(self.position)
        LAG_EVENTS.labels(name).set(max(0, head - self.position))
        LAG_SECONDS.labels(name).set(self.lag_seconds(head=head, now=now))
        if self.rebuilt_part is not None:
            REBUILD.labels(name).set(self.rebuilt_part)

    def lag_seconds(self, *, head: int, now: datetime) -> float:
        """Tell how old the oldest event not yet folded is; 0 at the head."""
        if self.position >= head or self.behind_since is None:
            return 0.0
        return max(0.0, (now - self.behind_since).total_seconds())

    def health(self, *, head: int, now: datetime) -> dict[str, object]:
        """Describe the model for a health answer."""
        described: dict[str, object] = {
            "state": self.state.value,
            "position": self.position,
            "market_position": 0 if self.checkpoint is None else self.checkpoint.market_position,
            "lag_events": max(0, head - self.position),
            "lag_seconds": round(self.lag_seconds(head=head, now=now), 3),
        }
        if self.poison is not None:
            described["poison"] = msgspec.structs.asdict(self.poison)
        if self.rebuilt_part is not None:
            described["rebuild_progress"] = round(self.rebuilt_part, 4)
        if self.rebuild_error is not None:
            described["rebuild_error"] = self.rebuild_error
        return described
