"""Whose turn it is: what stands together folds together, and under load who is patient waits.

A batch costs much beside its events, for each model that folds it. So while events come fast, the
models that no screen follows trade by trade are left where they stand, and fold what came
meanwhile at once, for a tenth of a second at most.
"""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import TypeAlias

from eventstore.partitions import Partition
from projections.pacing import Pacing
from projections.standing import Standing, State

Group: TypeAlias = list[Standing]


class Turns:
    """Tells which models fold next, by how busy the projector is; `patient` are names of models."""

    def __init__(self, patient: Collection[str]) -> None:
        self.pacing = Pacing()
        self._patient = frozenset(patient)

    def groups(self, standings: Iterable[Standing]) -> list[Group]:
        """Put live models of a partition that stand at one position together, the foremost first.

        Those that are not due are left out.
        """
        groups: defaultdict[tuple[Partition, int, str], Group] = defaultdict(list)
        for standing in standings:
            if self.is_due(standing):
                alone = "" if standing.events_max is None else standing.name
                groups[standing.partition, -standing.position, alone].append(standing)
        return [groups[key] for key in sorted(groups)]

    def is_due(self, standing: Standing) -> bool:
        """Say whether a model is live, and not left where it stands for the moment."""
        return standing.state is State.LIVE and self._due_in(standing) <= 0

    def until_due(self, standings: Iterable[Standing], *, head: int) -> float:
        """Say in how many seconds the first of those left behind `head` is due; inf if none is."""
        behind = (each for each in standings if each.state is State.LIVE and each.position < head)
        return min((left for each in behind if (left := self._due_in(each)) > 0), default=_NEVER)

    def _due_in(self, standing: Standing) -> float:
        if standing.model.name not in self._patient:
            return 0.0
        return standing.level_at + self.pacing.patience - time.monotonic()


_NEVER = float("inf")
