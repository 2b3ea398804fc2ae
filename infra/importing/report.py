"""What an import did, and line by line what it could not do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from infra.importing.csv_rows import Fault

TOLD_BEFORE = "replayed"
GOOD_OUTCOMES = frozenset({"accepted", TOLD_BEFORE})


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

    def results(self, lines: Iterable[int], results: Iterable[Mapping[str, Any]]) -> None:
        """Take note of the results of a batch, one for each line."""
        for line, result in zip(lines, results, strict=True):
            self.result(line, result)

    def result(self, line: int, result: Mapping[str, Any]) -> None:
        """Take note of one result."""
        outcome = str(result["outcome"])
        if outcome == "accepted" and result.get("replayed"):
            outcome = TOLD_BEFORE
        self.counts[outcome] += 1
        self.counts["parked"] += bool(result.get("is_parked"))
        self.counts["with_warnings"] += bool(result.get("warnings"))
        self.position = max(self.position, int(result.get("position") or 0))
        if outcome not in GOOD_OUTCOMES:
            code, message = str(result.get("code", outcome)), str(result.get("message", ""))
            fields = ", ".join(result.get("fields") or ())
            self.faults.append(Fault(line, code, f"{message} [{fields}]" if fields else message))

    def summary(self) -> dict[str, object]:
        """Put the counts into one object."""
        return {
            "accepted": self.counts["accepted"],
            "imported_before": self.counts[TOLD_BEFORE],
            "parked": self.counts["parked"],
            "with_warnings": self.counts["with_warnings"],
            "refused": self.counts["rejected"] + self.counts["conflict"],
            "malformed": self.counts["malformed"],
            "position": self.position,
        }
