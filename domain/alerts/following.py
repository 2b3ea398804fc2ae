"""What the log tells of a tenant's alerts where another evaluation judged: it stands as told.

An alert that was told is never decided anew: up to the last position that another evaluation is
told to have judged, the alerts are those that are told. Beyond it, this evaluation judges.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.alerts.events import AlertEscalated, AlertRaised, AlertSubject, JudgedEvent
from domain.alerts.watch import Watch


class WatchOf(Protocol):
    """Gives the watch of a rule, by its name, on a subject; None where no such rule is in force."""

    def __call__(self, alert_rule: str, subject: AlertSubject) -> Watch | None:
        """Give it."""


class Following:
    """Takes what is told, event by event, at the position as of which it was decided.

    Up to `floor` what is told is all there is; that is 0 where only this evaluation judged.
    """

    def __init__(self, told: Iterable[JudgedEvent] = ()) -> None:
        self._told = deque(sorted(told, key=lambda each: (each.as_of, each.at)))
        self.floor = self._told[-1].as_of if self._told else 0
        self._watches: dict[UUID, Watch] = {}

    def take(
        self, position: int, at: datetime, watch_of: WatchOf, *, before: datetime | None = None
    ) -> Iterator[tuple[Watch, UUID | None]]:
        """Take what was decided up to a position, and to before an instant, if one is given.

        Gives each watch, with what it had open before.
        """
        while self._told and self._told[0].as_of <= position:
            if before is not None and self._told[0].at >= before:
                return
            event = self._told.popleft()
            if isinstance(event, AlertRaised):
                watch = watch_of(event.alert_rule, event.subject)
                if watch is not None:
                    self._watches[event.alert] = watch
            watch = self._watches.get(event.alert)
            if watch is not None:
                open_before = watch.alert
                watch.take(event, at)
                yield watch, open_before


class Floors:
    """Finds, tenant by tenant, the last position that another evaluation is told to have judged.

    What is told is seen in log order. A step of an alert does not say by which evaluation: it is
    by that of what was told before it.
    """

    def __init__(self, calculation: str) -> None:
        self.of: dict[str, int] = {}
        self._calculation = calculation
        self._last: dict[str, str] = {}

    def see(self, tenant: str, event: JudgedEvent) -> bool:
        """See what is told; say whether it stands as told."""
        if not isinstance(event, AlertEscalated):
            self._last[tenant] = event.calculation
        floor = self.of.get(tenant, 0)
        if self._last.get(tenant, self._calculation) != self._calculation:
            floor = self.of[tenant] = max(floor, event.as_of)
        return event.as_of <= floor
