"""What the reaction that strikes figures asks: `performance`, in every partition."""

from __future__ import annotations

from commands.reactions.striking import AllDue, AskDue, Due
from projections.asking import Readable, ReadModelMissing
from projections.performance.figures import AllDueFigures, figures_due
from projections.reading import Reading, ReadingUnavailable


def due_figures(reading: Reading) -> AskDue:
    """Make the question; while `performance` cannot be asked, nothing is said to be due.

    A portfolio that failed once is passed over from then on: it is told as failed once.
    """
    passed: set[tuple[str, str]] = set()

    def ask_due(behind: int, limit: int) -> AllDue | None:
        def ask(readable: Readable) -> AllDueFigures:
            return figures_due(readable, behind=behind, limit=limit, passed=passed)

        try:
            found = [reading.answer(ask, (each,)) for each in reading.partitions]
        except (ReadModelMissing, ReadingUnavailable):
            return None
        failed = [each for one in found for each in one.failed]
        passed.update((each.tenant, each.portfolio) for each in failed)
        due = [Due(*each) for one in found for each in one.due]
        due.sort(key=lambda each: each.struck.closed_at)
        position = min(one.position for one in found)
        return AllDue(position, due[:limit], [str(each) for each in failed])

    return ask_due
