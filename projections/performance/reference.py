"""What is told of instruments and benchmarks for everybody, and is read only when asked for."""

from typing import Any, TypeAlias

import psycopg

from domain.benchmark import BenchmarkDeclared
from domain.instrument import InstrumentRegistered, SectorAssigned
from projections.performance.benchmarks import Benchmarks
from projections.performance.sectors import Sectors
from projections.performance.units import Units

ReferenceEvent: TypeAlias = InstrumentRegistered | SectorAssigned | BenchmarkDeclared


class Reference:
    """Takes each to the part that keeps it."""

    def __init__(self, schema: str, units: Units) -> None:
        self._units = units
        self._benchmarks = Benchmarks(schema)
        self._sectors = Sectors(schema)

    def add(self, event: ReferenceEvent, position: int) -> None:
        """Take an event."""
        if isinstance(event, BenchmarkDeclared):
            self._benchmarks.add(event, position)
            return
        self._sectors.add(event, position)
        if isinstance(event, InstrumentRegistered):
            self._units.register(event)

    def flush(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write what came since the last time."""
        self._benchmarks.flush(cursor)
        self._sectors.flush(cursor)
