"""A source's figures: how many outcomes of each kind, which numbers arrived, control totals.

What a batch adds is gathered first, then put upon the rows it meets: those remembered, or read in
one question for all the others. What is written are the rows, absolute.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, date
from typing import Generic, TypeVar
from uuid import UUID

from domain.lots import Fill, Side
from domain.money import canonical
from domain.trade import Capture
from projections.arrays import looked_up
from projections.outcomes.lines import Kind
from projections.outcomes.sequences import chunk_of, read_bits, write_bits
from projections.outcomes.tables import (
    NO_CURRENCY,
    PARKED,
    UNDATED,
    ChunkRow,
    CountRow,
    TotalsRow,
    WaitingRow,
)
from projections.rows import Cursor, Tables

REMEMBERED_MAX = 20_000
"""Most rows of a kind kept in mind; beyond that all are forgotten, and read when needed."""

_COUNTS = looked_up("counts", tenant="text", source="text", kind="text")
_CHUNKS = looked_up("sequences", tenant="text", source="text", chunk="bigint")
_TOTALS = looked_up(
    "control_totals", tenant="text", source="text", trade_date="date", currency="text"
)
_WAITING = "SELECT * FROM {schema}.waiting"
_BUY = Side.BUY  # Python 3.11 looks a member up ten times slower than a name.

Key = TypeVar("Key", bound=tuple[object, ...])
Row = TypeVar("Row")
TotalsKey = tuple[str, str, date, str]
Place = tuple[str, str, int]
"""A trade in a portfolio: tenant, portfolio, the number of its id."""


class Remembered(Generic[Key, Row]):
    """Rows by their keys: the last ones met, and the others in their table."""

    def __init__(self, question: str, read: Callable[..., tuple[Key, Row]]) -> None:
        self._question = question
        self._read = read
        self._rows: dict[Key, Row] = {}

    def meet(self, tables: Tables, cursor: Cursor, keys: Iterable[Key]) -> dict[Key, Row]:
        """Find the rows of some keys; those that are not there yet are left out."""
        rows = self._rows
        unknown = [key for key in keys if key not in rows]
        if unknown:
            if len(rows) > REMEMBERED_MAX:
                rows.clear()
                unknown = list(keys)
            columns = [list(column) for column in zip(*unknown, strict=True)]
            for values in tables.select(cursor, self._question, columns):
                key, row = self._read(*values)
                rows[key] = row
        return rows


def _read_count(*values: object) -> tuple[tuple[str, str, str], CountRow]:
    row = CountRow(*values)  # type: ignore[arg-type]
    return (row.tenant, row.source, row.kind), row


def _read_chunk(
    tenant: str, source: str, chunk: int, bits: bytes
) -> tuple[tuple[str, str, int], int]:
    return (tenant, source, chunk), read_bits(bits)


def _read_totals(*values: object) -> tuple[TotalsKey, TotalsRow]:
    row = TotalsRow(*values)  # type: ignore[arg-type]
    return (row.tenant, row.source, row.trade_date, row.currency), row


class Figures:
    """The figures of all sources, as one fold keeps them."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._counts = Remembered(_COUNTS, _read_count)
        self._chunks = Remembered(_CHUNKS, _read_chunk)
        self._totals = Remembered(_TOTALS, _read_totals)
        self._waiting: dict[Place, dict[str, WaitingRow]] | None = None
        self._counted: dict[tuple[str, str, str], CountRow] = {}
        self._came: dict[tuple[str, str, int], int] = {}
        self._changes: dict[TotalsKey, TotalsRow] = {}
        self._touched: dict[tuple[Place, str], WaitingRow] = {}

    def begin(self, cursor: Cursor) -> None:
        """Load what waits, which is little, before the first batch."""
        if self._waiting is None:
            self._waiting = {}
            for values in self._tables.select(cursor, _WAITING):
                row = WaitingRow(*values)
                self._waiting.setdefault(_place(row), {})[row.what] = row

    def count(self, tenant: str, source: str, kind: Kind, position: int) -> None:
        """Count an outcome; positions ascend."""
        key = (tenant, source, kind)
        counted = self._counted.get(key)
        if counted is None:
            counted = self._counted[key] = CountRow(tenant, source, kind)
        counted.outcomes += 1
        counted.last_position = max(counted.last_position, position)

    def arrive(self, tenant: str, source: str, sequence: int | None) -> None:
        """Take note of a number that has arrived, whatever became of what bore it."""
        if sequence is not None:
            chunk, bit = chunk_of(sequence)
            key = (tenant, source, chunk)
            self._came[key] = self._came.get(key, 0) | bit

    def book(self, tenant: str, fill: Fill, currency: str, sign: int) -> None:
        """Count a trade that is booked now, or with a negative sign one that is not any more."""
        row = self._change((tenant, fill.source, fill.trade_date, currency))
        row.trades += sign
        row.fees += fill.fee if sign > 0 else -fill.fee
        is_bought = (fill.side is _BUY) is (sign > 0)
        if is_bought:
            row.quantity += fill.quantity
            row.consideration -= fill.consideration
        else:
            row.quantity -= fill.quantity
            row.consideration += fill.consideration

    def refuse(self, tenant: str, capture: Capture) -> None:
        """Count a refusal."""
        self._change((tenant, capture.source, day_of(capture), capture.currency)).refused += 1

    def hold(
        self,
        tenant: str,
        portfolio: str,
        trade_id: UUID,
        what: str,
        source: str,
        capture: Capture | None = None,
    ) -> None:
        """Let something wait, in place of what waited so before."""
        day, currency = UNDATED, NO_CURRENCY
        if capture is not None:
            day, currency = day_of(capture), capture.currency
        row = WaitingRow(tenant, portfolio, trade_id, what, source, day, currency)
        assert self._waiting is not None, "begun before the first batch"
        place = _place(row)
        held = self._waiting.setdefault(place, {})
        if what in held:
            self._count_waiting(held[what], -1)
        held[what] = self._touched[place, what] = row
        self._count_waiting(row, 1)

    def end(self, tenant: str, portfolio: str, trade_id: UUID, *what: str) -> None:
        """Let something wait no longer, if it did."""
        if not self._waiting:
            return
        place = (tenant, portfolio, trade_id.int)
        held = self._waiting.get(place)
        if held is None:
            return
        for each in what:
            row = held.pop(each, None)
            if row is not None:
                self._touched[place, each] = row
                self._count_waiting(row, -1)
        if not held:
            del self._waiting[place]

    def write(self, cursor: Cursor) -> None:
        """Write every row that the batch changed."""
        self._write_waiting(cursor)
        self._write_counts(cursor)
        self._write_chunks(cursor)
        self._write_totals(cursor)

    def _change(self, key: TotalsKey) -> TotalsRow:
        row = self._changes.get(key)
        if row is None:
            row = self._changes[key] = TotalsRow(*key)
        return row

    def _count_waiting(self, row: WaitingRow, sign: int) -> None:
        changed = self._change((row.tenant, row.source, row.trade_date, row.currency))
        if row.what == PARKED:
            changed.parked += sign
        else:
            changed.held += sign

    def _write_waiting(self, cursor: Cursor) -> None:
        if not self._touched:
            return
        assert self._waiting is not None, "begun before the first batch"
        kept: list[WaitingRow] = []
        gone: list[tuple[object, ...]] = []
        for (place, what), row in self._touched.items():
            held = self._waiting.get(place, {}).get(what)
            if held is None:
                gone.append((row.tenant, row.portfolio, row.trade_id, what))
            else:
                kept.append(held)
        self._tables.upsert(cursor, "waiting", kept, key=WaitingRow.KEY)
        self._tables.delete(cursor, "waiting", gone, key=WaitingRow.KEY)
        self._touched = {}

    def _write_counts(self, cursor: Cursor) -> None:
        rows = self._counts.meet(self._tables, cursor, self._counted)
        for key, counted in self._counted.items():
            row = rows.get(key)
            if row is not None:
                counted.outcomes += row.outcomes
            rows[key] = counted
        self._tables.upsert(cursor, "counts", list(self._counted.values()), key=CountRow.KEY)
        self._counted = {}

    def _write_chunks(self, cursor: Cursor) -> None:
        rows = self._chunks.meet(self._tables, cursor, self._came)
        changed: list[ChunkRow] = []
        for key, bits in self._came.items():
            known = rows.get(key, 0)
            if known | bits != known:
                rows[key] = known | bits
                changed.append(ChunkRow(*key, "\\x" + write_bits(known | bits).hex()))
        self._tables.upsert(cursor, "sequences", changed, key=ChunkRow.KEY)
        self._came = {}

    def _write_totals(self, cursor: Cursor) -> None:
        rows = self._totals.meet(self._tables, cursor, self._changes)
        for key, change in self._changes.items():
            row = rows.get(key)
            if row is not None:
                change.trades += row.trades
                change.quantity += row.quantity
                change.consideration += row.consideration
                change.fees += row.fees
                change.refused += row.refused
                change.parked += row.parked
                change.held += row.held
            change.quantity = canonical(change.quantity)
            change.consideration = canonical(change.consideration)
            change.fees = canonical(change.fees)
            rows[key] = change
        self._tables.upsert(
            cursor, "control_totals", list(self._changes.values()), key=TotalsRow.KEY
        )
        self._changes = {}


def day_of(capture: Capture) -> date:
    """Date a capture that is not booked: its trade date, else the UTC date of its execution."""
    if capture.trade_date is not None:
        return capture.trade_date
    return UNDATED if capture.executed_at is None else capture.executed_at.astimezone(UTC).date()


def _place(row: WaitingRow) -> Place:
    return row.tenant, row.portfolio, row.trade_id.int
