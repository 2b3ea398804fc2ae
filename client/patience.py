"""How long and how often something is tried: pauses that grow, and an end to them."""

import zlib
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from client.failures import NothingAttempted, OutcomeUnknown, Unanswered
from client.wire import Pause

FIRST_PAUSE_SECONDS = 0.1
PAUSE_SECONDS_MAX = 5.0
DOUBLINGS_MAX = 10
_DAY_SECONDS = timedelta(days=1).total_seconds()
_LARGEST = 2**32


class Patience:
    """One conversation's patience; `name` spreads its pauses, so that no two crowds return at once.

    The spread is derived from the name, not drawn: the same conversation has the same pauses.
    """

    def __init__(self, name: str, seconds: float, clock: Callable[[], float]) -> None:
        self._name = name
        self._clock = clock
        self._deadline = clock() + seconds
        self._pauses = 0

    def pause(self, reason: str, retry_after: str = "") -> Pause:
        """Give the next pause: what the server asks for, and a growing time on top.

        Raises:
            Unanswered: it would last until patience has ended.
        """
        seconds = asked_seconds(retry_after) + self._own_seconds()
        if self._clock() + seconds > self._deadline:
            raise self.ended(reason)
        return Pause(seconds)

    def _own_seconds(self) -> float:
        self._pauses += 1
        doublings = min(self._pauses - 1, DOUBLINGS_MAX)
        longest = min(FIRST_PAUSE_SECONDS * 2.0**doublings, PAUSE_SECONDS_MAX)
        spread = zlib.crc32(f"{self._name} {self._pauses}".encode()) / _LARGEST
        return longest * (1 + spread) / 2

    def ended(self, reason: str) -> Unanswered:
        """Say that it has ended, and what was heard last."""
        return Unanswered(reason)


class CommandPatience(Patience):
    """The patience of a command: whether it may have been written decides how it ends."""

    def __init__(
        self, key: str, seconds: float, clock: Callable[[], float], command_id: UUID | None
    ) -> None:
        super().__init__(key, seconds, clock)
        self._key = key
        self.command_id = command_id
        self.is_in_doubt = False

    def doubt(self, command_id: UUID | None) -> None:
        """Take note that an attempt may have been, or may still be, carried out."""
        self.is_in_doubt = True
        self.command_id = command_id or self.command_id

    def ended(self, reason: str) -> Unanswered:
        """Say that it has ended, and whether that leaves a doubt."""
        kind = OutcomeUnknown if self.is_in_doubt else NothingAttempted
        return kind(reason, key=self._key, command_id=self.command_id)


def asked_seconds(retry_after: str) -> float:
    """Read a Retry-After in seconds (RFC 9110, section 10.2.3); a date is not understood: none."""
    if not (retry_after.isascii() and retry_after.isdigit()):
        return 0.0
    return min(float(retry_after[:9]), _DAY_SECONDS)
