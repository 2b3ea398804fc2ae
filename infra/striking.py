"""What the reaction that strikes figures asks: `performance`, in every partition."""

from __future__ import annotations

from commands.reactions.striking import AllDue, AskDue, Due
from projections.asking import Readable, ReadModelMissing
from projections.performance.figures import figures_due
from projections.reading import Reading, ReadingUnavailable


def due_figures(reading: Reading) -> AskDue:
    """Make the question; while `performance` cannot be asked, nothing is said to be due."""

    def ask_due(behind: int, limit: int) -> AllDue | None:
        def ask(readable: Readable) -> AllDue:
            position, due = figures_due(readable, behind=behind, limit=limit)
            return AllDue(position, [Due(*each) for each in due])

        try:
            found = [reading.answer(ask, (each,)) for each in reading.partitions]
        except (ReadModelMissing, ReadingUnavailable):
            return None
        due = [each for one in found for each in one.due]
        due.sort(key=lambda each: each.struck.closed_at)
        return AllDue(min(one.position for one in found), due[:limit])

    return ask_due
