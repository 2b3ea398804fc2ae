"""Rows are found by an index, whatever the planner knows of their table."""

from typing import Any

import psycopg
import pytest
from psycopg import sql

from eventstore.log import Log
from projections.alerts.model import Alerts
from projections.arrays import looked_up
from projections.building import create_schema, nothing_folded
from projections.cash.model import Cash
from projections.changed import changed_of
from projections.positions.model import Positions
from projections.read_model import ReadModel
from projections.trades.model import Trades

Connection = psycopg.Connection[Any]
ROWS = 400

_SAMPLES = {
    "bigint": "number",
    "integer": "number",
    "numeric": "number",
    "boolean": "true",
    "date": "DATE '2026-01-02' + number",
    "timestamp with time zone": "TIMESTAMPTZ '2026-01-02 00:00Z' + number * INTERVAL '1 day'",
    "uuid": "gen_random_uuid()",
    "jsonb": "'{}'",
    "text": "number::text",
}


def fill(connection: Connection, schema: str, table: str) -> None:
    """Put rows into a table that differ in every column they must have."""
    columns = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE (table_schema, table_name, is_nullable) = (%s, %s, 'NO')",
        (schema, table),
    ).fetchall()
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) SELECT {} FROM generate_series(1, {}) AS number").format(
            sql.Identifier(schema, table),
            sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns),
            sql.SQL(", ").join(sql.SQL(_SAMPLES[kind]) for _, kind in columns),
            ROWS,
        )
    )


@pytest.mark.parametrize(
    ("model", "table"),
    [
        (Positions(), "positions"),
        (Positions(), "portfolios"),
        (Cash(), "balances"),
        (Trades(), "trades"),
        (Alerts(), "alerts"),
    ],
    ids=["positions", "portfolios", "balances", "trades", "alerts"],
)
def test_what_changed_is_found_by_an_index(
    log: Log, connection: Connection, model: ReadModel, table: str
) -> None:
    """Also by a plan for any position, made when nothing was known of the rows.

    A plan made then is kept as long as the connection, while the table grows.
    """
    create_schema(connection, model, model.name, nothing_folded(model, log))
    fill(connection, model.name, table)
    connection.execute("SET plan_cache_mode = force_generic_plan")
    rows = changed_of(table).format(schema=model.name) % {"after": "$1"}
    connection.execute(f"PREPARE changed (bigint) AS SELECT * FROM {rows}".encode())  # noqa: S608

    plan = connection.execute("EXPLAIN EXECUTE changed (390)").fetchall()
    found = connection.execute("EXECUTE changed (390)").fetchall()

    assert not [line for (line,) in plan if "Seq Scan" in line], plan
    assert len(found) == ROWS - 390


LOTS = {"tenant": "text", "portfolio": "text", "instrument": "text"}
LADDER = {"tenant": "text", "portfolio": "text", "currency": "text", "value_date": "date"}


@pytest.mark.parametrize(
    ("model", "table", "key"),
    [(Positions(), "lots", LOTS), (Cash(), "ladder", LADDER)],
    ids=["lots", "ladder"],
)
def test_what_a_fold_looks_for_is_found_by_its_key(
    log: Log, connection: Connection, model: ReadModel, table: str, key: dict[str, str]
) -> None:
    """A few of many, by a plan that was made while there was none."""
    create_schema(connection, model, model.name, nothing_folded(model, log))
    connection.execute("SET plan_cache_mode = force_generic_plan")
    statement = looked_up(table, **key).format(schema=model.name).replace("%s", "{}")
    numbered = statement.format(*(f"${number}" for number in range(1, len(key) + 1)))
    types = ", ".join(f"{kind}[]" for kind in key.values())
    connection.execute(f"PREPARE asked ({types}) AS {numbered}".encode())
    asked = ", ".join(
        "ARRAY['2', '3']" if kind == "text" else "ARRAY['2026-01-04', '2026-01-05']::date[]"
        for kind in key.values()
    )
    connection.execute(f"EXECUTE asked ({asked})".encode())
    fill(connection, model.name, table)

    plan = connection.execute(f"EXPLAIN EXECUTE asked ({asked})".encode()).fetchall()
    found = connection.execute(f"EXECUTE asked ({asked})".encode()).fetchall()

    assert not [line for (line,) in plan if "Seq Scan" in line], plan
    assert [row[0] for row in found] == ["2", "3"]
