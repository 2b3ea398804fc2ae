"""What the reaction that strikes ranks asks: `performance`, all partitions in one snapshot."""

from __future__ import annotations

from commands.reactions.contests import AllDue, AskDue, Due, Held
from projections.asking import Readable, ReadModelMissing
from projections.leaderboard.striking import ranks_due
from projections.reading import Reading, ReadingUnavailable


def due_ranks(reading: Reading) -> AskDue:
    """Make the question; while `performance` cannot be asked, nothing is said to be due."""

    def ask_due(held: Held, limit: int) -> AllDue | None:
        def ask(readable: Readable) -> AllDue:
            looked = ranks_due(readable, held, limit=limit)
            return AllDue(looked.position, [Due(*each) for each in looked.due], looked.held)

        try:
            return reading.answer(ask)
        except (ReadModelMissing, ReadingUnavailable):
            return None

    return ask_due
