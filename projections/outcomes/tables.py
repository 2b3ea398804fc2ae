"""The tables of the read model `outcomes`, and their rows."""

from datetime import date
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

import msgspec

from domain.money import ZERO

# The drop copy is only ever inserted into, and asked for one source behind a position.
DDL = """
CREATE TABLE {schema}.outcomes (
    tenant text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    line text NOT NULL,
    PRIMARY KEY (tenant, source, position)
);
CREATE TABLE {schema}.unfinished (
    tenant text COLLATE "C" NOT NULL,
    portfolio text COLLATE "C" NOT NULL,
    trade_id uuid NOT NULL,
    waits_for text NOT NULL,
    position bigint NOT NULL,
    source text COLLATE "C" NOT NULL,
    line text NOT NULL,
    PRIMARY KEY (tenant, portfolio, trade_id, waits_for)
);
CREATE TABLE {schema}.waiting (
    tenant text COLLATE "C" NOT NULL,
    portfolio text COLLATE "C" NOT NULL,
    trade_id uuid NOT NULL,
    what text NOT NULL,
    source text COLLATE "C" NOT NULL,
    trade_date date NOT NULL,
    currency text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, portfolio, trade_id, what)
);
CREATE TABLE {schema}.counts (
    tenant text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    outcomes bigint NOT NULL,
    last_position bigint NOT NULL,
    PRIMARY KEY (tenant, source, kind)
) WITH (fillfactor = 50);
CREATE TABLE {schema}.sequences (
    tenant text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    chunk bigint NOT NULL,
    arrived bytea NOT NULL,
    PRIMARY KEY (tenant, source, chunk)
) WITH (fillfactor = 50);
CREATE TABLE {schema}.control_totals (
    tenant text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    trade_date date NOT NULL,
    currency text COLLATE "C" NOT NULL,
    trades bigint NOT NULL,
    quantity numeric NOT NULL,
    consideration numeric NOT NULL,
    fees numeric NOT NULL,
    refused bigint NOT NULL,
    parked bigint NOT NULL,
    held bigint NOT NULL,
    PRIMARY KEY (tenant, source, trade_date, currency)
) WITH (fillfactor = 50);
"""
TABLES = ("outcomes", "unfinished", "waiting", "counts", "sequences", "control_totals")
BOOKING, PAGES = "booking", "pages"
"""What is waited for within a command: the booking of an acceptance, a restatement's pages."""

PARKED, CORRECTION, WORD = "parked", "correction", "word"
"""What waits for another message: a parked trade; a correction or a word that came before it."""

UNDATED = date.min
"""The date of what tells none; no trade has one before 1900."""

NO_CURRENCY = ""


class OutcomeRow(msgspec.Struct, gc=False):
    """A line of the drop copy."""

    tenant: str
    source: str
    position: int
    line: str


class UnfinishedRow(msgspec.Struct, gc=False):
    """What a batch that ended within a command leaves to the next: a line, without its results.

    One that waits for a restatement's pages has no line; it says whose trade restates.
    """

    KEY: ClassVar = ("tenant", "portfolio", "trade_id", "waits_for")

    tenant: str
    portfolio: str
    trade_id: UUID
    waits_for: str
    position: int
    source: str
    line: str


class WaitingRow(msgspec.Struct, gc=False):
    """A trade that is parked, or what is held of one until it is captured."""

    KEY: ClassVar = ("tenant", "portfolio", "trade_id", "what")

    tenant: str
    portfolio: str
    trade_id: UUID
    what: str
    source: str
    trade_date: date
    currency: str


class CountRow(msgspec.Struct, gc=False):
    """How many outcomes of a kind a source has, and where the last of them is."""

    KEY: ClassVar = ("tenant", "source", "kind")

    tenant: str
    source: str
    kind: str
    outcomes: int = 0
    last_position: int = 0


class ChunkRow(msgspec.Struct, gc=False):
    r"""Which numbers of a chunk have arrived; written as PostgreSQL reads bytes, `\x` and hex."""

    KEY: ClassVar = ("tenant", "source", "chunk")

    tenant: str
    source: str
    chunk: int
    arrived: str


class TotalsRow(msgspec.Struct, gc=False):
    """A source's trades of a date and a currency as they stand now.

    `quantity` is bought minus sold, `consideration` as cash moves: buys negative; fees apart.
    """

    KEY: ClassVar = ("tenant", "source", "trade_date", "currency")

    tenant: str
    source: str
    trade_date: date
    currency: str
    trades: int = 0
    quantity: Decimal = ZERO
    consideration: Decimal = ZERO
    fees: Decimal = ZERO
    refused: int = 0
    parked: int = 0
    held: int = 0
