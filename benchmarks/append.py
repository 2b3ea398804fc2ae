"""Append to the log, measured against raw binary COPY of the same rows into the same kind of table.

The log's side is the whole append: lock, head, bounds, packing, COPY, receipts, NOTIFY, COMMIT. Raw
COPY gets rows packed before its clock starts and commits as often, into tables of its own with the
same columns and indexes. The two take turns at each transaction, each leading every other time, so
that caches, checkpoints and growing tables meet both alike. In every other transaction both sides
write receipts too, one per two events as the desk has them.
"""

import os
import platform
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from eventstore import packing
from eventstore.envelope import NewEvent, NewReceipt
from eventstore.log import Log
from eventstore.tables import create_log, events_statements

BUILD = "benchmark"
SEED = 20_260_101
PORTFOLIOS = 200
INSTRUMENTS = 500
SCHEMA = "append_benchmark"
COPY_EVENTS = sql.SQL("COPY {}.events ({}) FROM STDIN (FORMAT BINARY)").format(
    sql.Identifier(SCHEMA), sql.SQL(packing.EVENT_COLUMNS)
)
COPY_RECEIPTS = sql.SQL("COPY {}.receipts ({}) FROM STDIN (FORMAT BINARY)").format(
    sql.Identifier(SCHEMA), sql.SQL(packing.RECEIPT_COLUMNS)
)
_FIXED_BYTES_OF_DATA = 25


@dataclass(frozen=True)
class Transaction:
    """The events of one commit and their commands' receipts, and both as rows for raw COPY."""

    events: Sequence[NewEvent]
    receipts: Sequence[NewReceipt]
    event_rows: bytes
    receipt_rows: bytes


@dataclass
class Contestant:
    """One way to write, the seconds it has used and the events it has written."""

    write: Callable[[Transaction], None]
    seconds: float = 0.0
    events: int = 0

    def take_turn(self, transaction: Transaction) -> None:
        """Write the transaction by the clock."""
        started = perf_counter()
        self.write(transaction)
        self.seconds += perf_counter() - started
        self.events += len(transaction.events)

    @property
    def events_per_second(self) -> float:
        """Events written per second of its own turns."""
        return self.events / self.seconds


class TradeEvents:
    """Makes what captured trades write: per command an event of the trade and its booking."""

    def __init__(self, *, data_bytes: int) -> None:
        self._random = random.Random(SEED)
        self._data_bytes = data_bytes
        self._portfolios = [self._uuid() for _ in range(PORTFOLIOS)]
        self._versions = dict.fromkeys(self._portfolios, 0)

    def transaction(self, *, events: int, first_position: int) -> Transaction:
        """Make the transaction whose first event will have `first_position`."""
        made: list[NewEvent] = []
        receipts: list[NewReceipt] = []
        while len(made) < events:
            made += self._trade()
            receipts.append(
                NewReceipt(made[-1].command_id, "acme", bytes(32), b'{"ok":1}', len(made) - 1)
            )
        place = {
            "first_position": first_position,
            "recorded_at": packing.microseconds(datetime.now(UTC)),
        }
        tenants = packing.admit_receipts(receipts, events=len(made))
        receipt_rows = packing.receipt_rows(receipts, texts=tenants, **place)
        texts = packing.admit_events(made)
        build = packing.build_field(BUILD)
        event_rows = packing.event_rows(made, texts=texts, build=build, **place)
        return Transaction(made, receipts, b"".join(event_rows), b"".join(receipt_rows))

    def _trade(self) -> Iterator[NewEvent]:
        portfolio = self._random.choice(self._portfolios)
        self._versions[portfolio] += 1
        instrument = f"I{self._random.randrange(INSTRUMENTS)}"
        command_id = self._uuid()
        for stream_id, version, event_type, key in (
            (self._uuid(), 1, "trade.captured.v1", None),
            (portfolio, self._versions[portfolio], "portfolio.trade_booked.v1", instrument),
        ):
            yield NewEvent(
                stream_id=stream_id,
                stream_version=version,
                event_type=event_type,
                data=self._data(),
                key=key,
                tenant="acme",
                actor="trader-7",
                command_id=command_id,
                correlation_id=command_id,
                causation_id=None,
                trace_context=None,
            )

    def _data(self) -> bytes:
        filler = self._random.randbytes((self._data_bytes - _FIXED_BYTES_OF_DATA) // 2).hex()
        return f'{{"quantity":"100","x":"{filler}"}}'.encode()

    def _uuid(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=5)


def append_with_receipts(log: Log, transaction: Transaction) -> None:
    """Append as the desk does: events and the receipts of their commands."""
    with log.writing() as writing:
        writing.append(transaction.events, transaction.receipts)


def append_without_receipts(log: Log, transaction: Transaction) -> None:
    """Append events alone, which writes exactly the rows raw COPY writes."""
    with log.writing() as writing:
        writing.append(transaction.events)


def copy_with_receipts(connection: psycopg.Connection, transaction: Transaction) -> None:
    """Send rows of events and receipts packed beforehand, and commit both."""
    with connection.transaction():
        copy_without_receipts(connection, transaction)
        with connection.cursor() as cursor, cursor.copy(COPY_RECEIPTS) as copy:
            copy.write(transaction.receipt_rows)


def copy_without_receipts(connection: psycopg.Connection, transaction: Transaction) -> None:
    """Send rows of events packed beforehand, and commit."""
    with connection.cursor() as cursor, cursor.copy(COPY_EVENTS) as copy:
        copy.write(transaction.event_rows)


def create_tables(owner: psycopg.Connection) -> None:
    """Make the tables raw COPY writes, with the columns and indexes of the log's."""
    schema = sql.Identifier(SCHEMA)
    owner.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(schema))
    owner.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
    for statement in events_statements(schema=SCHEMA, table="events"):
        owner.execute(statement)
    owner.execute(
        sql.SQL("CREATE TABLE {}.receipts (LIKE log.receipts INCLUDING ALL)").format(schema)
    )


def ratio(contestant: Contestant, *, of: Contestant) -> float:
    """Give one contestant's speed as a part of another's."""
    return round(contestant.events_per_second / of.events_per_second, 3)


def run(
    owner_conninfo: str,
    app_conninfo: str,
    *,
    transactions: int = 120,
    transaction_events: int = 2_000,
    data_bytes: int = 260,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Measure in a database of the benchmark's own, whose log must be empty or not yet made.

    `progress` is told the transactions done and their number. The first three figures of the
    result count events where both sides write events and receipts.
    """
    create_log(owner_conninfo)
    with (
        Log(app_conninfo, clock=lambda: datetime.now(UTC), build=BUILD) as log,
        psycopg.connect(owner_conninfo, autocommit=True) as owner,
    ):
        if log.head().position:
            raise ValueError("the benchmark needs a database of its own, this log holds events")
        create_tables(owner)
        receipted = Contestant(partial(append_with_receipts, log))
        plain = Contestant(partial(append_without_receipts, log))
        receipted_copy = Contestant(partial(copy_with_receipts, owner))
        plain_copy = Contestant(partial(copy_without_receipts, owner))
        trades = TradeEvents(data_bytes=data_bytes)
        for number in range(transactions):
            transaction = trades.transaction(
                events=transaction_events, first_position=log.head().position + 1
            )
            turns = [receipted, receipted_copy] if number % 2 else [plain, plain_copy]
            for contestant in turns if number % 4 < 2 else reversed(turns):
                contestant.take_turn(transaction)
            if progress is not None:
                progress(number + 1, transactions)
        version = owner.info.server_version
    return {
        "events_per_second": round(receipted.events_per_second),
        "copy_events_per_second": round(receipted_copy.events_per_second),
        "ratio_to_copy": ratio(receipted, of=receipted_copy),
        "receipts": "one per two events, on both sides",
        "without_receipts": {
            "events_per_second": round(plain.events_per_second),
            "copy_events_per_second": round(plain_copy.events_per_second),
            "ratio_to_copy": ratio(plain, of=plain_copy),
        },
        "append_with_receipts_to_copy_without": ratio(receipted, of=plain_copy),
        "parameters": {
            "transactions": transactions,
            "transaction_events": transaction_events,
            "data_bytes": data_bytes,
        },
        "machine": {
            "cpu_count": os.cpu_count(),
            "python": platform.python_version(),
            "postgresql": f"{version // 10_000}.{version % 10_000}",
        },
    }
