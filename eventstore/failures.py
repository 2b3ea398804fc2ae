"""How the log can fail, sorted by what the caller may conclude.

`LogUnavailable` and `AppendRefused` are certain: nothing of the append was written. `CommitUnknown`
is the one failure that says nothing; `Log.resolve` finds the truth.
"""

from collections.abc import Iterable
from uuid import UUID


class LogFailure(Exception):
    """Anything the log raises on its own account."""


class LogUnavailable(LogFailure):
    """The database could not be reached or gave up; nothing was written, later may succeed."""


class CommitUnknown(LogFailure):
    """The connection ended while COMMIT was under way: all of the append is in the log, or none.

    `command_ids` are those of the receipts appended with it, to be handed to `Log.resolve`.
    """

    def __init__(self, message: str, command_ids: Iterable[UUID]) -> None:
        super().__init__(message)
        self.command_ids = tuple(command_ids)


class AppendRefused(LogFailure):
    """The same append would be refused again: a bug of the caller. Nothing was written."""


class VersionConflict(AppendRefused):
    """A stream already holds an event of that version."""


class ReceiptConflict(AppendRefused):
    """A command already has its receipt."""


class EnvelopeOutOfRange(AppendRefused):
    """A field of an event or receipt breaks its bound; nothing was sent."""


class EventTooLarge(EnvelopeOutOfRange):
    """An event's data exceeds `EVENT_BYTES_MAX`; nothing was sent."""


class LogDamaged(LogFailure):
    """The log breaks a promise of its own, such as gapless positions; nobody may go on."""


class LogNotCreated(LogFailure):
    """The database holds no log, or one of another format; `create_log` makes it."""


class LogBehindCheckpoint(LogFailure):
    """A reader has folded positions that this log does not hold: it was restored or replaced."""
