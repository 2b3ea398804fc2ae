"""What a portfolio is compared with, day by day: the benchmarks assigned to it, each from its date.

A benchmark counts for the sessions it is in force on (convention 13); of two assigned from one date
the later told holds. One that is named in a question counts for all of them.
"""

from datetime import date, timedelta
from typing import NamedTuple

import psycopg

from domain.portfolio.life import BenchmarkAssigned
from projections.performance.history import History
from projections.performance.tables import moment, text, upsert_lines

COLUMNS = "tenant, portfolio, from_date, benchmark, position"
_KEY = "tenant, portfolio, from_date"
_OF = """
from_date, benchmark FROM {schema}.assigned WHERE tenant = %s AND portfolio = %s ORDER BY from_date
"""


class Assigned:
    """What was assigned and is not yet written."""

    def __init__(self, schema: str) -> None:
        self._table = f"{schema}.assigned"
        self._told: dict[tuple[str, str, date], str] = {}

    def add(self, event: BenchmarkAssigned, position: int, tenant: str) -> None:
        """Take an assignment."""
        owner = f"{text(tenant)}\t{text(event.portfolio)}"
        line = f"{owner}\t{moment(event.from_date)}\t{text(event.benchmark)}\t{position}\n"
        self._told[tenant, event.portfolio, event.from_date] = line

    def flush(self, cursor: psycopg.Cursor[tuple[object, ...]]) -> None:
        """Write what came since the last time."""
        if self._told:
            upsert_lines(cursor, self._table, COLUMNS, list(self._told.values()), key=_KEY)
            self._told = {}


class InForce(NamedTuple):
    """A benchmark, and the first and last session dates it counts for."""

    benchmark: str
    since: date
    until: date


def benchmarks_in_force(
    history: History, named: str | None, first: date, last: date
) -> list[InForce]:
    """Give what a range is compared with, in order: the one that is named, else those assigned."""
    if named is not None:
        return [InForce(named, date.min, date.max)]
    rows = history.ask(_OF, *history.owner, order="ORDER BY from_date").rows
    ends = [*(since - timedelta(days=1) for since, _ in rows[1:]), date.max]
    found = [InForce(name, since, end) for (since, name), end in zip(rows, ends, strict=False)]
    return [each for each in found if each.since <= last and each.until >= first]
