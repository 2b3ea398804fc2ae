"""How busy a projector is, and how long it lets events come together before it reads again.

A batch costs as much as 35 of its events beside them, and whoever watches asks anew behind each:
under load fewer and larger ones cost less. Alone, an event waits for nobody.
"""

from typing import NamedTuple


class Pace(NamedTuple):
    """From `rate` events a second on it rests for `rest` seconds behind a batch.

    Models that are patient are left where they stand for `patience` seconds (`projections.turns`).
    """

    rate: int
    rest: float
    patience: float


PACES = (Pace(3_000, 0.05, 0.0), Pace(800, 0.005, 0.1), Pace(500, 0.005, 0.0))
"""The first that applies counts. With the longest rest batches are large for all alike."""

FULL_EVENTS = 2_000
"""Behind so many at once it does not rest: it has to catch up."""

_ALONE = Pace(0, 0.0, 0.0)


class Pacing:
    """Counts what is passed."""

    def __init__(self) -> None:
        self._passed = self._round = 0
        self._pace = _ALONE

    @property
    def patience(self) -> float:
        """How long patient models are left where they stand, in seconds."""
        return self._pace.patience

    def passed(self, events: int) -> None:
        """Take note of a batch."""
        self._passed += events
        self._round += events

    def look(self, seconds: float) -> None:
        """Judge by what was passed since it was looked last, so many seconds ago."""
        rate = self._passed / seconds
        self._pace = next((pace for pace in PACES if rate >= pace.rate), _ALONE)
        self._passed = 0

    def rest(self) -> float:
        """Say how long to rest, behind what was passed since this was asked last."""
        passed, self._round = self._round, 0
        return self._pace.rest if 0 < passed < FULL_EVENTS else 0.0
