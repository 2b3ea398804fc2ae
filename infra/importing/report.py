"""What an import did, and line by line what it could not do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from client import Accepted, ItemAnswer, Malformed
from infra.importing.csv_rows import Fault


class ImportReport:
    """Counts outcomes and keeps every fault."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.position = 0
        for fault in faults:
            self.fault(fault)

    @property
    def is_clean(self) -> bool:
        """Whether everything in the file is in the log now."""
        return not self.faults

    def fault(self, fault: Fault) -> None:
        """Take note of a row that was not sent."""
        self.counts["malformed"] += 1
        self.faults.append(fault)

    def answers(self, lines: Iterable[int], answers: Iterable[ItemAnswer]) -> None:
        """Take note of the answers to a batch, one for each line."""
        for line, answer in zip(lines, answers, strict=True):
            self.answer(line, answer)

    def answer(self, line: int, answer: ItemAnswer) -> None:
        """Take note of one answer."""
        if isinstance(answer, Accepted):
            self.counts["imported_before" if answer.replayed else "accepted"] += 1
            self.counts["parked"] += answer.is_parked
            self.counts["with_warnings"] += bool(answer.warnings)
            self.position = max(self.position, answer.position)
            return
        self.counts["malformed" if isinstance(answer, Malformed) else "refused"] += 1
        fields = f" [{', '.join(answer.fields)}]" if answer.fields else ""
        self.faults.append(Fault(line, answer.code, answer.message + fields))

    def summary(self) -> dict[str, object]:
        """Put the counts into one object."""
        return {
            "accepted": self.counts["accepted"],
            "imported_before": self.counts["imported_before"],
            "parked": self.counts["parked"],
            "with_warnings": self.counts["with_warnings"],
            "refused": self.counts["refused"],
            "malformed": self.counts["malformed"],
            "position": self.position,
        }
