"""Ranks of contests: when a session has closed they are told once, by event; so is the result.

As with struck figures, what is due is asked of a read model that has folded the closing, and
nothing is kept here but what spares looking again. A command's name follows from the contest, the
session and the edition, so whoever asks again meets the receipt of the first.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import structlog

from commands.command import Issued
from commands.contests import StrikeRanks
from commands.desk import Desk
from commands.metrics import UNRANKED
from commands.reactions.owing import FoundDue, reacting
from domain.contests.events import RanksStruck, ResultStruck
from domain.identity import derive
from eventstore.log import Log

_log = structlog.get_logger("commands.contests")
ACTOR = "reaction:contests"
ASKED_MAX = 4
"""Sets of ranks made, and commands under way, at a time: one may be of thousands."""

LOOK_SECONDS = 0.2
REST = 3
"""How much longer than it worked the reaction rests: it shares the interpreter with trades."""

Held = Mapping[tuple[str, str], int]
"""By tenant and contest, up to which position the result is known to hold."""


class Due(NamedTuple):
    """Ranks that the log does not tell yet, and the position of what they follow from."""

    tenant: str
    cause: int
    struck: tuple[RanksStruck, ...] | tuple[ResultStruck, ...]


class AllDue(NamedTuple):
    """What is due as of the `position` looked at.

    `failed` says, once, of which contests no ranks can be made: the others go on without them.
    """

    position: int
    due: list[Due]
    held: Held
    failed: Sequence[str] = ()


AskDue = Callable[[Held, int], AllDue | None]
"""Tells what is due, so many at most; None: not now."""


class RanksAtSessionEnd:
    """Asks what is due, and has the desk tell it, a few at a time."""

    def __init__(self, desk: Desk, log: Log, ask_due: AskDue) -> None:
        self._asking = FoundDue(desk)
        self._log = log
        self._ask_due = ask_due
        self._held: Held = {}

    def look(self) -> None:
        """Note what was decided; once all is, look what is due, and ask for it."""
        if not self._asking.is_decided():
            return
        found = self._ask_due(self._held, ASKED_MAX)
        if found is None:
            return
        for failed in found.failed:
            UNRANKED.inc()
            _log.error("ranking.failed", contest=failed)
        if found.position < self._asking.told_at:
            return  # What was told is not folded yet: it would be found due again.
        self._held = found.held
        self._asking.ask(map(self._issue, found.due))

    def _issue(self, due: Due) -> Issued:
        (cause,) = self._log.read(due.cause - 1, 1)
        return reacting(
            StrikeRanks(due.struck),
            cause,
            command_id=ranks_id(due.tenant, due.struck[0]),
            tenant=due.tenant,
            actor=ACTOR,
        )


def ranks_id(tenant: str, struck: RanksStruck | ResultStruck) -> UUID:
    """Name the striking of a contest's session, or of an edition of its result."""
    edition = struck.edition if isinstance(struck, ResultStruck) else 0
    session = struck.session.isoformat()
    return derive("reaction", "contests", tenant, struck.contest, session, str(edition))


def run_contests(desk: Desk, log: Log, stop: threading.Event, *, ask_due: AskDue) -> None:
    """Have ranks told until `stop`."""
    reaction = RanksAtSessionEnd(desk, log, ask_due)
    worked = 0.0
    while not stop.wait(max(LOOK_SECONDS, REST * worked)):
        began = time.thread_time()
        reaction.look()
        worked = time.thread_time() - began
