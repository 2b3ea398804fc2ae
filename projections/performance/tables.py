"""The tables of `performance`, and how rows are written into them by COPY.

`days` is what is served: `struck_` columns stay as the day was struck (null where it was not), the
others say what is known now. The rest is what restating a day needs: every fill and flow, every
mark (closes among them, with their findings), the sessions, the corporate actions declared, what
each event of one did to a holder, the calendars of instruments, and the portfolios with what they
held at the last closed session of their calendar. An FX pair is named `EUR/USD`, which no
instrument can be. Returns are fractions; `priced` is the part of the NAV that has a price.
"""

from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import psycopg

from domain.money import canonical

NULL = "\\N"
_TEXT = 'text COLLATE "C"'
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

CURRENT_COLUMNS = (
    "nav, nav_status, priced, unpriced, stale, priced_by_trade, flows, daily_return,"
    " return_reason, return_method, return_from, is_emptied, carried"
)
STRUCK_COLUMNS = (
    "struck_nav, struck_nav_status, struck_priced, struck_unpriced, struck_stale,"
    " struck_priced_by_trade, struck_flows, struck_return, struck_return_reason,"
    " struck_return_method, struck_return_from"
)
DAY_KEY_COLUMNS = "tenant, portfolio, session, ends_at, currency"
STRUCK_DAY_COLUMNS = (
    f"{DAY_KEY_COLUMNS}, struck_position, {STRUCK_COLUMNS}, {CURRENT_COLUMNS}, changed_position"
)
RESTATED_DAY_COLUMNS = (
    f"{DAY_KEY_COLUMNS}, {CURRENT_COLUMNS}, restated_position, restated_reason, changed_position"
)
FLOW_COLUMNS = "tenant, portfolio, on_date, position, leg, at, currency, amount, part"
ACT_COLUMNS = (
    "tenant, portfolio, on_date, position, instrument, action_of, action, kind, quantity, currency,"
    " cash, due_currency, gross, withheld, rate_to_base, due_rate_to_base"
)
ENTRY_COLUMNS = (
    "tenant, portfolio, on_date, position, instrument, currency, kind, entry, flow, rate_to_base,"
    " at, book_order"
)
ACTION_COLUMNS = "instrument, action, ex_date, terms, position, reversed_position"
FIGURE_COLUMNS = "tenant, portfolio, session, position, closed_at, currency, figures"
MARK_COLUMNS = "name, at, position, price, calendar, session, status, findings"
BENCHMARK_COLUMNS = (
    "benchmark, version, from_date, currency, calendar, kind, rebalancing, constituents, position"
)
PORTFOLIO_COLUMNS = (
    "tenant, portfolio, base_currency, cost_basis, calendar, opened_position, first_session, held"
)

_STRUCK_FIELDS = len(STRUCK_COLUMNS.split(","))

_DDL = f"""
CREATE TABLE {{schema}}.portfolios (
    tenant {_TEXT}, portfolio {_TEXT}, base_currency text NOT NULL, cost_basis text NOT NULL,
    calendar text NOT NULL, opened_position bigint NOT NULL, first_session date, held text NOT NULL,
    PRIMARY KEY (tenant, portfolio)
);
CREATE TABLE {{schema}}.sessions (
    calendar {_TEXT}, session date, starts_at timestamptz NOT NULL, ends_at timestamptz NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (calendar, session)
);
CREATE TABLE {{schema}}.fills (
    tenant {_TEXT}, portfolio {_TEXT}, on_date date, position bigint, at timestamptz,
    instrument {_TEXT} NOT NULL, quantity numeric NOT NULL, price numeric NOT NULL,
    currency text NOT NULL, cash numeric NOT NULL, book_order {_TEXT} NOT NULL,
    trade_id uuid NOT NULL, fee numeric NOT NULL, rate_to_base numeric,
    closes uuid[] NOT NULL,
    PRIMARY KEY (tenant, portfolio, on_date, position)
);
CREATE TABLE {{schema}}.flows (
    tenant {_TEXT}, portfolio {_TEXT}, on_date date, position bigint, leg smallint, at timestamptz,
    currency text NOT NULL, amount numeric NOT NULL, part text NOT NULL,
    PRIMARY KEY (tenant, portfolio, on_date, position, leg)
);
CREATE TABLE {{schema}}.acts (
    tenant {_TEXT}, portfolio {_TEXT}, on_date date, position bigint, instrument {_TEXT} NOT NULL,
    action_of {_TEXT} NOT NULL, action {_TEXT} NOT NULL, kind text NOT NULL,
    quantity numeric NOT NULL, currency text NOT NULL, cash numeric NOT NULL, due_currency text,
    gross numeric NOT NULL, withheld numeric NOT NULL, rate_to_base numeric,
    due_rate_to_base numeric,
    PRIMARY KEY (tenant, portfolio, on_date, position)
);
CREATE TABLE {{schema}}.entries (
    tenant {_TEXT}, portfolio {_TEXT}, on_date date, position bigint, instrument {_TEXT} NOT NULL,
    currency text NOT NULL, kind text NOT NULL, entry text NOT NULL, flow numeric NOT NULL,
    rate_to_base numeric, at timestamptz NOT NULL, book_order {_TEXT} NOT NULL,
    PRIMARY KEY (tenant, portfolio, on_date, position)
);
CREATE TABLE {{schema}}.actions (
    instrument {_TEXT}, action {_TEXT}, ex_date date NOT NULL, terms text NOT NULL,
    position bigint NOT NULL, reversed_position bigint,
    PRIMARY KEY (instrument, action)
);
CREATE TABLE {{schema}}.listings (
    instrument {_TEXT} PRIMARY KEY, calendar text NOT NULL, currency text NOT NULL
);
CREATE TABLE {{schema}}.assigned (
    tenant {_TEXT}, portfolio {_TEXT}, from_date date, benchmark {_TEXT} NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tenant, portfolio, from_date)
);
CREATE TABLE {{schema}}.marks (
    name {_TEXT}, at timestamptz, position bigint, price numeric, calendar {_TEXT}, session date,
    status text, findings text[], replaces numeric, reason text, corrected_position bigint,
    PRIMARY KEY (name, at, position)
);
CREATE INDEX ON {{schema}}.marks (status, name, at, position)
    WHERE status IN ('suspect', 'corrected', 'cancelled', 'written_down');
CREATE INDEX ON {{schema}}.marks (position) WHERE calendar IS NOT NULL OR name LIKE '%/%';
CREATE TABLE {{schema}}.sectors (
    instrument {_TEXT}, from_date date, sector text, position bigint NOT NULL,
    PRIMARY KEY (instrument, from_date)
);
CREATE TABLE {{schema}}.benchmarks (
    benchmark {_TEXT}, version bigint, from_date date NOT NULL, currency text NOT NULL,
    calendar text NOT NULL, kind text NOT NULL, rebalancing text, constituents text NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (benchmark, version)
);
CREATE TABLE {{schema}}.figures (
    tenant {_TEXT}, portfolio {_TEXT}, session date, position bigint NOT NULL,
    closed_at bigint NOT NULL, currency text NOT NULL, figures text NOT NULL,
    PRIMARY KEY (tenant, portfolio, session)
);
CREATE TABLE {{schema}}.days (
    tenant {_TEXT}, portfolio {_TEXT}, session date, ends_at timestamptz NOT NULL,
    currency text NOT NULL,
    struck_position bigint, struck_nav numeric, struck_nav_status text, struck_priced numeric,
    struck_unpriced text[], struck_stale text[], struck_priced_by_trade text[],
    struck_flows numeric, struck_return numeric, struck_return_reason text,
    struck_return_method text, struck_return_from date,
    nav numeric, nav_status text NOT NULL, priced numeric NOT NULL, unpriced text[] NOT NULL,
    stale text[] NOT NULL, priced_by_trade text[] NOT NULL, flows numeric, daily_return numeric,
    return_reason text, return_method text, return_from date, is_emptied boolean NOT NULL,
    carried text,
    restated_position bigint, restated_reason text, changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, portfolio, session)
        INCLUDE (return_from, daily_return, return_reason)
);
CREATE INDEX ON {{schema}}.days (tenant, changed_position);
"""

_ARRIVING = """
CREATE TEMPORARY TABLE IF NOT EXISTS {arriving} (LIKE {table}) ON COMMIT DELETE ROWS;
DELETE FROM {arriving}
"""
_UPSERT = """
INSERT INTO {table} ({columns}) SELECT {columns} FROM {arriving}
ON CONFLICT ({key}) DO UPDATE SET {taken}
"""


def ddl(schema: str) -> str:
    """Give the statements that make the tables."""
    return _DDL.format(schema=schema)


def text(value: str | None) -> str:
    """Write a text for COPY."""
    if value is None:
        return NULL
    return value if "\\" not in value and value.isprintable() else value.translate(_ESCAPES)


def number(value: Decimal | None) -> str:
    """Write a number for COPY, in its one form."""
    return NULL if value is None else str(canonical(value))


def moment(value: date | datetime | None) -> str:
    """Write a date or an instant for COPY; `isoformat` takes many times as long."""
    if value is None:
        return NULL
    written: str = msgspec.to_builtins(value)
    return written


def names(values: Collection[str]) -> str:
    """Write a text array for COPY."""
    if not values:
        return "{}"
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    body = '","'.join(quoted)
    return text(f'{{"{body}"}}')


def struck_part(current: str) -> str:
    """Give the struck columns of a row that is struck now, of its current ones."""
    return "\t".join(current.split("\t")[:_STRUCK_FIELDS])


def copy_lines(cursor: psycopg.Cursor[Any], table: str, columns: str, lines: list[str]) -> None:
    """Write lines, each ended by a newline, into a table."""
    with cursor.copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as copy:
        copy.write("".join(lines))


def upsert_lines(
    cursor: psycopg.Cursor[Any], table: str, columns: str, lines: list[str], key: str
) -> None:
    """Write lines into a table by way of a temporary one; a known row gets the given columns."""
    arriving = "arriving_" + table.replace(".", "_")
    cursor.execute(_ARRIVING.format(table=table, arriving=arriving).encode())
    copy_lines(cursor, arriving, columns, lines)
    kept = {name.strip() for name in key.split(",")}
    given = [name.strip() for name in columns.split(",")]
    taken = ", ".join(f"{name} = EXCLUDED.{name}" for name in given if name not in kept)
    statement = _UPSERT.format(
        table=table, columns=columns, arriving=arriving, key=key, taken=taken
    )
    cursor.execute(statement.encode())
