"""When each request is due: a schedule by time that does not wait for answers (an open loop).

So a slow system shows as requests sent late and left over, never as a lower rate. Times are seconds
after the start.
"""

from __future__ import annotations

import math
from typing import NamedTuple


class Pace(NamedTuple):
    """So many trades a second in batches of so many, spread evenly over the lanes in turn."""

    trades_per_second: float
    batch_trades: int
    lanes: int

    @property
    def batch_seconds(self) -> float:
        """The time from one batch to the next, over all lanes."""
        return self.batch_trades / self.trades_per_second

    def due(self, lane: int, number: int) -> float:
        """Say when a lane's `number`-th batch is to be sent, from 0."""
        return (number * self.lanes + lane) * self.batch_seconds

    def batches(self, lane: int, *, until: float) -> int:
        """Count the batches of a lane that are due before a moment."""
        everyone = math.ceil(round(until / self.batch_seconds, 6))
        return max(0, math.ceil((everyone - lane) / self.lanes))
