"""What is told of instruments, benchmarks and contests, and is read only when asked for."""

from datetime import date
from typing import Any, TypeAlias

import msgspec
import psycopg

from domain.benchmark import BenchmarkDeclared
from domain.contests.events import ContestEvent
from domain.instrument import InstrumentRegistered, SectorAssigned
from domain.portfolio.life import BenchmarkAssigned
from projections.performance.assigned import Assigned
from projections.performance.contests import Contests
from projections.performance.tables import (
    BENCHMARK_COLUMNS,
    NULL,
    copy_lines,
    moment,
    text,
    upsert_lines,
)  # fmt: skip
from projections.performance.units import Units

SECTOR_COLUMNS = "instrument, from_date, sector, position"

ReferenceEvent: TypeAlias = (
    InstrumentRegistered | SectorAssigned | BenchmarkDeclared | BenchmarkAssigned | ContestEvent
)


class Reference:
    """Takes each to the part that keeps it."""

    def __init__(self, schema: str, units: Units) -> None:
        self._units = units
        self._benchmarks = _Benchmarks(schema)
        self._sectors = _Sectors(schema)
        self._assigned = Assigned(schema)
        self._contests = Contests(schema)

    def add(self, position: int, tenant: str, event: ReferenceEvent) -> None:
        """Take an event."""
        if isinstance(event, BenchmarkDeclared):
            self._benchmarks.add(event, position)
        elif isinstance(event, InstrumentRegistered | SectorAssigned):
            self._sectors.add(event, position)
            if isinstance(event, InstrumentRegistered):
                self._units.register(event)
        elif isinstance(event, BenchmarkAssigned):
            self._assigned.add(event, position, tenant)
        else:
            self._contests.add(event, position, tenant)

    def flush(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write what came since the last time."""
        self._benchmarks.flush(cursor)
        self._sectors.flush(cursor)
        self._assigned.flush(cursor)
        self._contests.flush(cursor)


class _Benchmarks:
    """The versions told that are not yet written; no two are of one name and number."""

    def __init__(self, schema: str) -> None:
        self._table = f"{schema}.benchmarks"
        self._lines: list[str] = []

    def add(self, event: BenchmarkDeclared, position: int) -> None:
        """Take a version."""
        self._lines.append(_benchmark_line(event, position))

    def flush(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write what came since the last time."""
        if self._lines:
            copy_lines(cursor, self._table, BENCHMARK_COLUMNS, self._lines)
            self._lines = []


def _benchmark_line(event: BenchmarkDeclared, position: int) -> str:
    constituents = msgspec.json.encode(event.constituents, order="deterministic").decode()
    return (
        f"{text(event.benchmark)}\t{event.version}\t{moment(event.from_date)}\t{event.currency}\t"
        f"{text(event.calendar)}\t{event.kind}\t{event.rebalancing or NULL}\t"
        f"{text(constituents)}\t{position}\n"
    )


class _Sectors:
    """What was told of sectors and is not yet written."""

    def __init__(self, schema: str) -> None:
        self._table = f"{schema}.sectors"
        self._told: dict[tuple[str, date], str] = {}

    def add(self, event: InstrumentRegistered | SectorAssigned, position: int) -> None:
        """Take a registration, whose sector holds from ever, or an assignment."""
        since = date.min if isinstance(event, InstrumentRegistered) else event.from_date
        sector = NULL if event.sector is None else text(event.sector)
        line = f"{text(event.instrument)}\t{moment(since)}\t{sector}\t{position}\n"
        self._told[event.instrument, since] = line

    def flush(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write what came since the last time."""
        if self._told:
            lines = list(self._told.values())
            upsert_lines(cursor, self._table, SECTOR_COLUMNS, lines, key="instrument, from_date")
            self._told = {}
