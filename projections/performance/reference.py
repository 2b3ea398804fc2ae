"""What is told of instruments, benchmarks and contests, and is read only when asked for."""

from typing import Any, TypeAlias

import psycopg

from domain.benchmark import BenchmarkDeclared
from domain.contests.events import ContestEvent
from domain.instrument import InstrumentRegistered, SectorAssigned
from projections.performance.benchmarks import Benchmarks
from projections.performance.contests import Contests
from projections.performance.sectors import Sectors
from projections.performance.units import Units

ReferenceEvent: TypeAlias = InstrumentRegistered | SectorAssigned | BenchmarkDeclared | ContestEvent


class Reference:
    """Takes each to the part that keeps it."""

    def __init__(self, schema: str, units: Units) -> None:
        self._units = units
        self._benchmarks = Benchmarks(schema)
        self._sectors = Sectors(schema)
        self._contests = Contests(schema)

    def add(self, position: int, tenant: str, event: ReferenceEvent) -> None:
        """Take an event."""
        if isinstance(event, BenchmarkDeclared):
            self._benchmarks.add(event, position)
        elif isinstance(event, InstrumentRegistered | SectorAssigned):
            self._sectors.add(event, position)
            if isinstance(event, InstrumentRegistered):
                self._units.register(event)
        else:
            self._contests.add(event, position, tenant)

    def flush(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write what came since the last time."""
        self._benchmarks.flush(cursor)
        self._sectors.flush(cursor)
        self._contests.flush(cursor)
