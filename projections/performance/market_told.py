"""What the market told, as it was last asked for: right until the market's next event.

Prices in force at a moment, calendars of instruments, their corporate actions and write-downs are
the same for every portfolio. They are kept in memory as of one market position, and only names
that nobody has asked for since are read.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
import psycopg

from domain.corporate_actions import Action, Terms
from projections.asking import Answered, Database, Readable, ReadModelReplaced, Stand, ask
from projections.bounded_memory import BoundedMemory
from projections.performance.booked import WRITE_DOWNS
from projections.performance.prices import Prices
from projections.performance.state import Quote
from projections.performance.units import Declared, Units

NAME = "performance"
SCHEMAS_MAX = 8
"""Schemas of databases of which something is kept in one process."""
MARKS_MAX = 200_000
"""Marks in force kept of each, about 300 bytes each; with more, all are asked for anew."""

MOMENTS_MAX = 1_000
"""Moments of which late marks are kept."""

LateMark: TypeAlias = tuple[Any, ...]
"""The position of a mark, what it is, and of what."""

_MARKS = """
asked.name, found.* FROM unnest(%s::text[]) AS asked (name)
CROSS JOIN LATERAL (
    SELECT marks.at, marks.price, marks.status IS NOT DISTINCT FROM 'written_down'
        AS is_written_down, marks.session, marks.position AS told_at
    FROM {schema}.marks
    WHERE marks.name = asked.name AND marks.at <= %s AND marks.price IS NOT NULL
    ORDER BY marks.at DESC, marks.position DESC LIMIT 1
) AS found
"""
_LATE_MARKS = """
position AS told_at, coalesce(status, 'mark') AS kind, name AS told_of FROM {schema}.marks
WHERE name = ANY(%s) AND at <= %s AND position > %s
"""
_LISTED = """
asked.name, listings.calendar, actions.terms, actions.position AS told_at, actions.reversed_position
FROM unnest(%s::text[]) AS asked (name)
LEFT JOIN {schema}.listings ON listings.instrument = asked.name
LEFT JOIN {schema}.actions ON actions.instrument = asked.name
"""


class _Of(NamedTuple):
    """The log, the edition of the tables made of it, and their market position."""

    log_id: UUID
    edition: int
    market_position: int


class Mark(NamedTuple):
    """A mark in force, and the log position of the event that told it."""

    quote: Quote
    position: int


class _Listed(NamedTuple):
    """An instrument's calendar, if it is listed, and what was declared of it."""

    calendar: str | None
    declared: tuple[Declared, ...]


class MarketTold:
    """What is known of one market position; asking makes it more, and never other."""

    def __init__(self, of: _Of) -> None:
        self.of = of
        self._marks: dict[datetime, dict[str, Mark | None]] = {}
        self._listed: dict[str, _Listed] = {}
        self._late_marks: dict[tuple[datetime, int], dict[str, list[LateMark]]] = {}
        self._write_downs: dict[str, list[tuple[Any, ...]]] = {}

    def marks(self, readable: Readable, names: Collection[str], at: datetime) -> dict[str, Mark]:
        """Give the marks in force at a moment, of those names that have one."""
        known = self._marks.setdefault(at, {})
        lacking = [name for name in names if name not in known]
        if lacking:
            found: dict[str, Mark | None] = dict.fromkeys(lacking)
            for name, *quote, position in self._ask(readable, _MARKS, lacking, at).rows:
                found[name] = Mark(Quote(*quote), position)
            known.update(found)
            if sum(map(len, self._marks.values())) > MARKS_MAX:
                self._marks = {}
        return {name: mark for name in names if (mark := known[name]) is not None}

    def units(self, readable: Readable, names: Collection[str]) -> Units:
        """Give the units of some instruments."""
        listed = self._listings(readable, names)
        calendars = {
            name: each.calendar for name, each in listed.items() if each.calendar is not None
        }
        return Units.told((each for of in listed.values() for each in of.declared), calendars)

    def declared(self, readable: Readable, names: Collection[str]) -> list[Action]:
        """List the actions declared of some instruments that were not reversed."""
        listed = self._listings(readable, names)
        return [
            each.action
            for of in listed.values()
            for each in of.declared
            if each.reversed_position is None
        ]

    def write_downs(
        self, readable: Readable, names: Collection[str], until: datetime
    ) -> list[tuple[Any, ...]]:
        """Give rows of `WRITE_DOWNS`: those of some instruments up to a moment."""
        lacking = [name for name in names if name not in self._write_downs]
        if lacking:
            found: dict[str, list[tuple[Any, ...]]] = {name: [] for name in lacking}
            for row in self._ask(readable, WRITE_DOWNS, lacking).rows:
                found[row[1]].append(row)
            self._write_downs.update(found)
        return [row for name in names for row in self._write_downs[name] if row[0] <= until]

    def late_marks(
        self, readable: Readable, names: Collection[str], until: datetime, behind: int
    ) -> list[LateMark]:
        """List marks up to a moment that were told behind a log position."""
        if behind >= self.of.market_position:
            return []
        if len(self._late_marks) > MOMENTS_MAX:
            self._late_marks = {}
        known = self._late_marks.setdefault((until, behind), {})
        lacking = [name for name in names if name not in known]
        if lacking:
            found: dict[str, list[LateMark]] = {name: [] for name in lacking}
            for row in self._ask(readable, _LATE_MARKS, lacking, until, behind).rows:
                found[row[2]].append(row)
            known.update(found)
        return [row for name in names for row in known[name]]

    def _listings(self, readable: Readable, names: Collection[str]) -> Mapping[str, _Listed]:
        lacking = [name for name in names if name not in self._listed]
        if lacking:
            found: dict[str, _Listed] = {}
            for name, calendar, terms, *positions in self._ask(readable, _LISTED, lacking).rows:
                before = found.get(name, _Listed(calendar, ()))
                if terms is not None:
                    action = msgspec.json.decode(terms, type=Terms).action
                    declared = (*before.declared, Declared(action, *positions))
                    before = before._replace(declared=declared)
                found[name] = before
            self._listed.update(found)
        return {name: self._listed[name] for name in names}

    def _ask(self, readable: Readable, rows: str, *parameters: object) -> Answered:
        answered = ask(readable, NAME, rows, parameters)
        if answered.market_position != self.of.market_position:
            # A rebuild was swapped in: what it tells is of another position.
            raise ReadModelReplaced(f"read model {NAME} is being replaced")
        return answered


class ToldPrices(Prices):
    """The prices of a walk that is only looked at: what is asked is what the market told."""

    def __init__(self, schema: str, readable: Readable, told: MarketTold) -> None:
        super().__init__(schema)
        self._readable = readable
        self._told = told

    def ask(self, _: psycopg.Cursor[Any], asked: Mapping[datetime, set[str]]) -> None:
        """Find the quotes in force for names at moments."""
        for at, names in asked.items():
            marks = self._told.marks(self._readable, names, at)
            self.answer(at, names, {name: mark.quote for name, mark in marks.items()})


_KEPT: BoundedMemory[tuple[Database, str], MarketTold] = BoundedMemory(SCHEMAS_MAX)
"""The last market position of each schema."""


def market_told(readable: Readable, stand: Stand) -> MarketTold:
    """Give what is known of the market as of a snapshot, in which the tables stand so."""
    of = _Of(stand.log_id, stand.state.edition, stand.market_position)
    (partition,) = readable.partitions
    key = (readable.database, NAME + partition.suffix)
    with _KEPT.lock:
        known = _KEPT.get(key)
        if known is None or known.of[:2] != of[:2] or known.of.market_position < of.market_position:
            known = MarketTold(of)
            _KEPT.keep(key, known)
    return known if known.of == of else MarketTold(of)
