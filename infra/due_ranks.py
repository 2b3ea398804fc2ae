"""What the reaction that strikes ranks asks: `performance`, all partitions in one snapshot."""

from __future__ import annotations

from commands.reactions.contests import AllDue, AskDue, Due, Held
from projections.asking import Readable, ReadModelMissing
from projections.leaderboard.striking import Looked, ranks_due
from projections.reading import Reading, ReadingUnavailable


def due_ranks(reading: Reading) -> AskDue:
    """Make the question; while `performance` cannot be asked, nothing is said to be due.

    A contest that failed once is passed over from then on: it is told as failed once.
    """
    passed: set[tuple[str, str]] = set()

    def ask_due(held: Held, limit: int) -> AllDue | None:
        def ask(readable: Readable) -> Looked:
            return ranks_due(readable, held, limit=limit, passed=passed)

        try:
            looked = reading.answer(ask)
        except (ReadModelMissing, ReadingUnavailable):
            return None
        passed.update((each.tenant, each.contest) for each in looked.failed)
        due = [Due(*each) for each in looked.due]
        return AllDue(looked.position, due, looked.held, [str(each) for each in looked.failed])

    return ask_due
