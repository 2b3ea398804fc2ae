"""Partitions: the portfolios of a log parted into sub-logs, each complete for its portfolios.

A sub-log holds, in log order, every event of its own portfolios and every event that all or several
portfolios share (instruments, marks, sessions, sources, blocks). So a reader of one partition needs
no other, and its place is one log position.
"""

from typing import NamedTuple

from eventstore.envelope import Excerpt, RecordedEvent
from eventstore.kafka.topics import partition_of, portfolio_of


class Partition(NamedTuple):
    """The `number`-th `of` so many sub-logs, from 0; one of one is the whole log."""

    number: int
    of: int

    @property
    def suffix(self) -> str:
        """What tables of this partition have behind their schema's name."""
        return "" if self.of == 1 else f"_{self.number}_of_{self.of}"

    def holds(self, event: Excerpt | RecordedEvent) -> bool:
        """Say whether an event belongs to this sub-log."""
        if self.of == 1:
            return True
        portfolio = portfolio_of(event.event_type, event.data)
        return portfolio is None or self.holds_portfolio(event.tenant, portfolio)

    def holds_portfolio(self, tenant: str, portfolio: str) -> bool:
        """Say whether a portfolio belongs to this sub-log."""
        return partition_of(tenant, portfolio, self.of) == self.number


WHOLE = Partition(0, 1)


def partitions(count: int) -> tuple[Partition, ...]:
    """Give all of `count` partitions, in order."""
    return tuple(Partition(number, count) for number in range(count))


def home_of(tenant: str, portfolio: str, count: int) -> Partition:
    """Give the partition that a portfolio belongs to."""
    return Partition(partition_of(tenant, portfolio, count), count)
