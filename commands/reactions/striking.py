"""Struck figures: when a session has closed, each portfolio's figures are told once, by event.

What is due is asked of a read model that has folded the closing, and whether it was told already
of the same: so what was missed is caught up by looking, and nothing is kept here. A command's name
follows from the closing and the portfolio, so whoever asks again meets the receipt of the first.
"""

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

import structlog

from commands.command import Issued
from commands.desk import Desk
from commands.metrics import UNSTRUCK
from commands.reactions.owing import FoundDue, reacting
from commands.striking import StrikeFigures
from domain.figures import FiguresStruck
from domain.identity import derive
from eventstore.envelope import RecordedEvent
from eventstore.log import Log

_log = structlog.get_logger("commands.striking")
ACTOR = "reaction:striking"
ASKED_MAX = 50
"""Figures made, and commands under way, at a time: trades beside them wait for so many at most."""

LOOK_SECONDS = 0.1


class Due(NamedTuple):
    """Figures of one portfolio that the log does not tell yet."""

    tenant: str
    struck: FiguresStruck


class AllDue(NamedTuple):
    """What is due behind a closing, oldest closing first, as of the `position` looked at.

    `failed` says, once, of which portfolios no figures can be made: the others go on without them.
    """

    position: int
    due: list[Due]
    failed: Sequence[str] = ()


AskDue = Callable[[int, int], AllDue | None]
"""Tells what is due of sessions closed behind a log position, so many at most; None: not now."""


class FiguresAtSessionEnd:
    """Asks what is due, and has the desk tell it, a few at a time."""

    def __init__(self, desk: Desk, log: Log, ask_due: AskDue) -> None:
        self._asking = FoundDue(desk)
        self._log = log
        self._ask_due = ask_due
        self._behind = 0
        self._cause: RecordedEvent | None = None

    def look(self) -> None:
        """Note what was decided; once all is, look what is due, and ask for it."""
        if not self._asking.is_decided():
            return
        found = self._ask_due(self._behind, ASKED_MAX)
        if found is None:
            return
        for failed in found.failed:
            UNSTRUCK.inc()
            _log.error("striking.failed", portfolio=failed)
        if found.position < self._asking.told_at:
            return  # What was told is not folded yet: it would be found due again.
        if not found.failed:  # Else others may be due behind those, which filled the look.
            first = min((each.struck.closed_at - 1 for each in found.due), default=found.position)
            self._behind = min(first, found.position)
        self._asking.ask(map(self._issue, found.due))

    def _issue(self, due: Due) -> Issued:
        struck = due.struck
        if self._cause is None or self._cause.position != struck.closed_at:
            (self._cause,) = self._log.read(struck.closed_at - 1, 1)
        return reacting(
            StrikeFigures(struck),
            self._cause,
            command_id=striking_id(due.tenant, struck.portfolio, closed_at=struck.closed_at),
            tenant=due.tenant,
            actor=ACTOR,
        )


def striking_id(tenant: str, portfolio: str, *, closed_at: int) -> UUID:
    """Name the striking of a portfolio that follows from a session's end at a log position."""
    return derive("reaction", "striking", str(closed_at), tenant, portfolio)


def run_striking(desk: Desk, log: Log, stop: threading.Event, *, ask_due: AskDue) -> None:
    """Have figures told until `stop`."""
    reaction = FiguresAtSessionEnd(desk, log, ask_due)
    while not stop.wait(LOOK_SECONDS):
        reaction.look()
