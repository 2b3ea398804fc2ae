"""How busy a projector is, and how long it lets events come together before it reads again.

A batch costs as much as 35 of its events beside them, and whoever watches asks anew behind each:
under load fewer and larger ones cost less. Alone, an event waits for nobody.
"""

RESTS = ((3_000, 0.05), (500, 0.01))
"""From so many events a second on it rests for so many seconds; the highest that applies counts."""

FULL_EVENTS = 2_000
"""Behind so many at once it does not rest: it has to catch up."""


class Pacing:
    """Counts what is passed."""

    def __init__(self) -> None:
        self._passed = self._round = 0
        self._rest = 0.0

    def passed(self, events: int) -> None:
        """Take note of a batch."""
        self._passed += events
        self._round += events

    def look(self, seconds: float) -> None:
        """Judge by what was passed since it was looked last, so many seconds ago."""
        rate = self._passed / seconds
        self._rest = next((rest for least, rest in RESTS if rate >= least), 0.0)
        self._passed = 0

    def rest(self) -> float:
        """Say how long to rest, behind what was passed since this was asked last."""
        passed, self._round = self._round, 0
        return self._rest if 0 < passed < FULL_EVENTS else 0.0
