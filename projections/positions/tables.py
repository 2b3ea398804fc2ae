"""The tables of the read model `positions`, each beside the row that is written into it.

Quantities and costs are signed, negative for shorts; amounts are in the instrument's currency.
`changed_position` is the log position of the event that last changed the row; only a block range
index holds it, so that a booking changes a position within its page (a heap-only update).
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

from domain.money import ZERO

DDL = """
CREATE TABLE {schema}.portfolios (
    tenant text COLLATE "C" NOT NULL,
    portfolio text COLLATE "C" NOT NULL,
    base_currency text NOT NULL,
    cost_basis text NOT NULL,
    calendar text NOT NULL,
    allows_leverage boolean NOT NULL,
    allows_short boolean NOT NULL,
    opened_at timestamptz NOT NULL,
    changed_position bigint NOT NULL,
    state text NOT NULL,
    title text,
    owner text,
    benchmark text,
    benchmark_from date,
    frozen_reason text,
    closed_on date,
    period_closed_until date,
    changed_cost_basis text,
    cost_basis_from date,
    PRIMARY KEY (tenant, portfolio)
);
CREATE INDEX ON {schema}.portfolios (changed_position);
CREATE TABLE {schema}.instruments (
    instrument text COLLATE "C" PRIMARY KEY,
    symbol text NOT NULL,
    currency text NOT NULL,
    asset_class text NOT NULL,
    calendar text COLLATE "C" NOT NULL,
    sector text,
    suspended_at timestamptz,
    delisted_on date,
    changed_position bigint NOT NULL
);
CREATE TABLE {schema}.terms (
    instrument text COLLATE "C" NOT NULL,
    term text NOT NULL,
    from_date date NOT NULL,
    value text,
    changed_position bigint NOT NULL,
    PRIMARY KEY (instrument, term, from_date)
);
CREATE TABLE {schema}.actions (
    instrument text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    ex_date date NOT NULL,
    declared_position bigint NOT NULL,
    changed_position bigint NOT NULL,
    reversed_position bigint,
    reason text,
    new integer,
    old integer,
    fraction_price numeric,
    prices_adjusted boolean,
    per_unit numeric,
    currency text,
    withholding_rate numeric,
    pay_date date,
    child text,
    cost_share numeric,
    PRIMARY KEY (instrument, action)
);
CREATE TABLE {schema}.applied (
    tenant text COLLATE "C" NOT NULL,
    portfolio text COLLATE "C" NOT NULL,
    instrument text COLLATE "C" NOT NULL,
    declared_on text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    ex_date date NOT NULL,
    currency text NOT NULL,
    held numeric NOT NULL,
    quantity_change numeric NOT NULL,
    cash_in_lieu numeric NOT NULL,
    realised_gross numeric NOT NULL,
    realised_net numeric NOT NULL,
    gross numeric NOT NULL,
    withheld numeric NOT NULL,
    due_currency text,
    pay_date date,
    is_reversed boolean NOT NULL,
    changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, portfolio, instrument, declared_on, action)
);
CREATE TABLE {schema}.calendars (
    calendar text COLLATE "C" PRIMARY KEY,
    session date NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    changed_position bigint NOT NULL
);
CREATE TABLE {schema}.closes (
    instrument text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    price numeric,
    changed_position bigint NOT NULL,
    PRIMARY KEY (instrument, at)
);
CREATE TABLE {schema}.prices (
    instrument text COLLATE "C" PRIMARY KEY,
    price numeric,
    at timestamptz,
    position bigint,
    source text,
    tick_price numeric,
    tick_at timestamptz,
    tick_position bigint,
    tick_source text,
    changed_position bigint NOT NULL
) WITH (fillfactor = 70);
CREATE TABLE {schema}.positions (
    tenant text COLLATE "C" NOT NULL,
    portfolio text COLLATE "C" NOT NULL,
    instrument text COLLATE "C" NOT NULL,
    currency text NOT NULL,
    quantity numeric NOT NULL,
    cost numeric NOT NULL,
    fees numeric NOT NULL,
    realised_gross numeric NOT NULL,
    realised_net numeric NOT NULL,
    first_date date NOT NULL,
    traded_price numeric,
    traded_date date,
    traded_at timestamptz,
    traded_key text,
    changed_position bigint NOT NULL,
    cost_basis text,
    PRIMARY KEY (tenant, portfolio, instrument)
);
CREATE INDEX ON {schema}.positions (changed_position);
CREATE TABLE {schema}.lots (
    tenant text COLLATE "C" NOT NULL,
    portfolio text COLLATE "C" NOT NULL,
    instrument text COLLATE "C" NOT NULL,
    trade_id uuid NOT NULL,
    trade_date date NOT NULL,
    quantity numeric NOT NULL,
    cost numeric NOT NULL,
    fee numeric NOT NULL,
    order_position bigint NOT NULL,
    order_index integer NOT NULL,
    changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, portfolio, instrument, trade_id)
);
"""

MARK = "mark"
WRITE_DOWN = "write_down"

TABLES = (
    "portfolios", "instruments", "terms", "actions", "applied", "calendars", "closes", "prices",
    "positions", "lots",
)  # fmt: skip


class PortfolioState(StrEnum):
    """What may be asked of a portfolio."""

    OPEN = "open"
    FROZEN = "frozen"
    CLOSED = "closed"


class PortfolioRow(msgspec.Struct, frozen=True, gc=False):
    """A portfolio as it was opened, and how it stands.

    `benchmark` is the one with the latest first date, which may lie ahead; so is
    `changed_cost_basis`. `cost_basis` is that of its opening.
    """

    tenant: str
    portfolio: str
    base_currency: str
    cost_basis: str
    calendar: str
    allows_leverage: bool
    allows_short: bool
    opened_at: datetime
    changed_position: int
    state: PortfolioState = PortfolioState.OPEN
    title: str | None = None
    owner: str | None = None
    benchmark: str | None = None
    benchmark_from: date | None = None
    frozen_reason: str | None = None
    closed_on: date | None = None
    period_closed_until: date | None = None
    changed_cost_basis: str | None = None
    cost_basis_from: date | None = None


class InstrumentRow(msgspec.Struct, frozen=True, gc=False):
    """An instrument as it was registered, and since when it is suspended or not listed any more."""

    instrument: str
    symbol: str
    currency: str
    asset_class: str
    calendar: str
    sector: str | None
    suspended_at: datetime | None
    delisted_on: date | None
    changed_position: int


class TermRow(msgspec.Struct, frozen=True, gc=False):
    """What a title, symbol or sector is from a date on."""

    instrument: str
    term: str
    from_date: date
    value: str | None
    changed_position: int


class ActionKind(StrEnum):
    """What a corporate action is."""

    SPLIT = "split"
    STOCK_DIVIDEND = "stock_dividend"
    CASH_DIVIDEND = "cash_dividend"
    SPIN_OFF = "spin_off"


class ActionRow(msgspec.Struct, frozen=True, gc=False):
    """A corporate action as it was declared, and where and why it was taken back.

    Which terms there are depends on its kind; `old` of a stock dividend is what is held for `new`.
    """

    instrument: str
    action: str
    kind: ActionKind
    ex_date: date
    declared_position: int
    changed_position: int
    reversed_position: int | None = None
    reason: str | None = None
    new: int | None = None
    old: int | None = None
    fraction_price: Decimal | None = None
    prices_adjusted: bool | None = None
    per_unit: Decimal | None = None
    currency: str | None = None
    withholding_rate: Decimal | None = None
    pay_date: date | None = None
    child: str | None = None
    cost_share: Decimal | None = None


class AppliedRow(msgspec.Struct, frozen=True, gc=False):
    """What an action that was declared on `declared_on` did to a position, as known now.

    `held` is the quantity it met; of a child that was spun off there is none of it. Amounts are in
    `currency`, those of a dividend (`gross`, `withheld`) in `due_currency`. Once it is reversed
    nothing of it is left.
    """

    tenant: str
    portfolio: str
    instrument: str
    declared_on: str
    action: str
    kind: ActionKind
    ex_date: date
    currency: str
    held: Decimal = ZERO
    quantity_change: Decimal = ZERO
    cash_in_lieu: Decimal = ZERO
    realised_gross: Decimal = ZERO
    realised_net: Decimal = ZERO
    gross: Decimal = ZERO
    withheld: Decimal = ZERO
    due_currency: str | None = None
    pay_date: date | None = None
    is_reversed: bool = False
    changed_position: int = 0


class CalendarRow(msgspec.Struct, frozen=True, gc=False):
    """The last closed session of a calendar."""

    calendar: str
    session: date
    starts_at: datetime
    ends_at: datetime
    changed_position: int


class CloseRow(msgspec.Struct, frozen=True, gc=False):
    """A session's close; without a price once it is cancelled."""

    instrument: str
    at: datetime
    price: Decimal | None
    changed_position: int


class PriceRow(msgspec.Struct, gc=False):
    """The price in force now, and the newest that is not a close: a mark or a write-down.

    Only closes can be cancelled, so the newest tick and the closes are enough to know what is in
    force after any correction.
    """

    instrument: str
    price: Decimal | None = None
    at: datetime | None = None
    position: int | None = None
    source: str | None = None
    tick_price: Decimal | None = None
    tick_at: datetime | None = None
    tick_position: int | None = None
    tick_source: str | None = None
    changed_position: int = 0


class PositionRow(msgspec.Struct, gc=False):
    """A position; `traded_*` is its last executed price in book order, which `traded_key` places.

    A position whose every trade was taken out again stays, with nothing in it and no such price.
    `first_date` is that of the first thing in book order that ever came into it. `cost_basis` is
    there once the portfolio's has changed for this book.
    `fees` are the opening fees still carried by open lots.
    """

    tenant: str
    portfolio: str
    instrument: str
    currency: str
    quantity: Decimal
    cost: Decimal
    fees: Decimal
    realised_gross: Decimal
    realised_net: Decimal
    first_date: date
    traded_price: Decimal | None
    traded_date: date | None
    traded_at: datetime | None
    traded_key: str | None
    changed_position: int
    cost_basis: str | None = None


class LotRow(msgspec.Struct, frozen=True, gc=False):
    """An open lot; oldest first is by (`order_position`, `order_index`)."""

    tenant: str
    portfolio: str
    instrument: str
    trade_id: UUID
    trade_date: date
    quantity: Decimal
    cost: Decimal
    fee: Decimal
    order_position: int
    order_index: int
    changed_position: int
