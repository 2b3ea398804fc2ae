"""What the naive model expects of a command's outcome."""

from typing import NamedTuple

from commands.command import Status


class Expected(NamedTuple):
    """What a command's outcome must say."""

    status: Status
    code: str | None = None
    is_replayed: bool = False
    is_parked: bool = False
    is_held: bool = False
    is_superseded: bool = False


ACCEPTED = Expected(Status.ACCEPTED)
AGAIN = Expected(Status.ACCEPTED, is_replayed=True)
NOT_ATTEMPTED = Expected(Status.NOT_ATTEMPTED, "atomic_batch_refused")


def rejected(code: str) -> Expected:
    """Refused by this rule first."""
    return Expected(Status.REJECTED, code)


def conflict(code: str) -> Expected:
    """The name is taken."""
    return Expected(Status.CONFLICT, code)
