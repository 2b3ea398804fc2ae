"""Tables of partitions beside those of the whole: parted, shared by all, or adding up."""

from psycopg import sql
from psycopg.rows import tuple_row

from eventstore.partitions import partitions
from projections.building import Connection
from projections.read_model import Placed, ReadModel

COUNT = 4
SUMMED = {
    "outcomes.counts": "tenant, source, kind, sum(outcomes), max(last_position)",
    "outcomes.control_totals": (
        "tenant, source, trade_date, currency, sum(trades), trim_scale(sum(quantity)),"
        " trim_scale(sum(consideration)), trim_scale(sum(fees)), sum(refused), sum(parked)"
    ),
}
"""Figures of a source, whose portfolios are in several partitions: summed by what comes first."""
ROWS = "SELECT * FROM {schema}.{table}"
GROUPED = "SELECT {columns} FROM ({rows}) AS t GROUP BY {key} ORDER BY {key}"
OF_A_SOURCE = {"outcomes.outcomes", "outcomes.sequences"}
"""Parted by their rows, though they name no portfolio."""


def assert_summed(connection: Connection, model: ReadModel, table: str, whole: str) -> None:
    """A table of figures adds up over the partitions."""
    columns = SUMMED[f"{model.name}.{table}"]
    key = ", ".join(columns.split(", ")[: columns.split("sum(")[0].count(",")])
    schemas = [Placed(model, each).schema for each in partitions(COUNT)]
    parts = " UNION ALL ".join(ROWS.format(schema=schema, table=table) for schema in schemas)
    parted, expected = (
        connection.execute(GROUPED.format(columns=columns, rows=rows, key=key).encode()).fetchall()
        for rows in (parts, ROWS.format(schema=whole, table=table))
    )
    assert expected
    assert parted == expected, f"{model.name}.{table}"


def assert_parted(connection: Connection, model: ReadModel, table: str, whole: str) -> None:
    """A table of portfolios is parted exactly; one that all share is the same in each partition."""
    if (model.name, table) == ("controls", "usage"):
        return  # Each knows what its own portfolios said last: asking all of them gives the last.
    if f"{model.name}.{table}" in SUMMED:
        assert_summed(connection, model, table, whole)
        return
    expected = rows(connection, whole, table)
    parts = [rows(connection, Placed(model, each).schema, table) for each in partitions(COUNT)]
    columns = connection.execute(
        "SELECT count(*) FROM information_schema.columns WHERE table_schema = %s"
        " AND table_name = %s AND column_name = 'portfolio'",
        (whole, table),
    ).fetchone()
    if columns == (0,) and f"{model.name}.{table}" not in OF_A_SOURCE:
        assert all(part == expected for part in parts), f"{model.name}.{table} is shared"
    else:
        assert sorted(row for part in parts for row in part) == expected, f"{model.name}.{table}"


def rows(connection: Connection, schema: str, table: str) -> list[str]:
    """All rows of a table, as text, in order."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        name = sql.Identifier(schema, table)
        cursor.execute(sql.SQL("SELECT t::text FROM {} AS t").format(name))
        return sorted(text for (text,) in cursor.fetchall())
