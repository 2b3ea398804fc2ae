"""Checks of live tables: they add up in themselves, and to what the log says at their position.

All questions of one check are asked in one snapshot of the database.
"""

from typing import Any, TypeAlias

import psycopg
from psycopg.rows import tuple_row

from projections.action_checks import check_receivables
from projections.content_checks import Bookkeeping
from projections.findings import Check, Watch
from projections.ladder_checks import check_ladder
from projections.read_model import Placed

Cursor: TypeAlias = psycopg.Cursor[Any]

ADDED_UP = ("cash", "positions")
"""The models whose tables are checked so."""

_KINDS = (
    "deposits + withdrawals + principal + fees + charges + interest + exchanged"
    " + cash_in_lieu + dividends + withholding_tax"
)
_CASH_SUMS = """
SELECT format('%s / %s / %s: movements sum to %s, kinds to %s, balance is %s, last balance %s',
              tenant, portfolio, currency, summed.total,
              {kinds}, balance, summed.last)
FROM {schema}.balances FULL JOIN (
    SELECT tenant, portfolio, currency, sum(amount) AS total,
           (array_agg(balance_after ORDER BY position DESC))[1] AS last
    FROM {schema}.movements GROUP BY tenant, portfolio, currency
) AS summed USING (tenant, portfolio, currency)
WHERE balance IS DISTINCT FROM summed.total OR balance IS DISTINCT FROM summed.last
    OR balance IS DISTINCT FROM {kinds}
ORDER BY tenant, portfolio, currency LIMIT 1
""".replace("{kinds}", _KINDS)
_CASH_KINDS = """
SELECT format('%s / %s / %s, kind %s: movements sum to %s, balances say %s',
              tenant, portfolio, currency, kind, summed.total, told.total)
FROM (SELECT tenant, portfolio, currency, kind, total FROM {schema}.balances
      CROSS JOIN LATERAL (VALUES ('deposit', deposits), ('withdrawal', withdrawals),
          ('principal', principal), ('fee', fees), ('charge', charges), ('interest', interest),
          ('exchange', exchanged), ('cash_in_lieu', cash_in_lieu), ('dividend', dividends),
          ('withholding_tax', withholding_tax)) AS by_kind (kind, total)) AS told
FULL JOIN (SELECT tenant, portfolio, currency, summed_kind AS kind, sum(amount) AS total
           FROM {schema}.movements CROSS JOIN LATERAL (
               SELECT CASE WHEN kind LIKE '%_fee' THEN 'charge' ELSE kind END) AS of (summed_kind)
           GROUP BY tenant, portfolio, currency, summed_kind) AS summed
    USING (tenant, portfolio, currency, kind)
WHERE coalesce(told.total, 0) <> coalesce(summed.total, 0)
ORDER BY tenant, portfolio, currency, kind LIMIT 1
"""
_CASH_EVENTS = """
SELECT format('position %s: %s movement in the table, the event is %s', position,
              coalesce(movements.tenant, 'no'), coalesce(events.event_type, 'missing'))
FROM ({movements}) AS movements
FULL JOIN (
    SELECT tenant, position, event_type FROM log.events
    WHERE position <= {least} AND (event_type IN
        ('portfolio.cash_deposited.v1', 'portfolio.cash_withdrawn.v1',
         'portfolio.trade_booked.v1', 'portfolio.trade_unbooked.v1',
         'portfolio.fee_charged.v1', 'portfolio.interest_booked.v1', 'portfolio.cash_exchanged.v1',
         'portfolio.dividend_paid.v1')
        OR event_type IN ('portfolio.corporate_action_applied.v1',
         'portfolio.corporate_action_unapplied.v1', 'portfolio.lots_spun_off.v1')
        AND position('"cash_change":"'::bytea IN data) > 0
        AND position('"cash_change":"0"'::bytea IN data) = 0)
) AS events USING (tenant, position)
WHERE movements.tenant IS NULL OR events.event_type IS NULL
ORDER BY position LIMIT 1
"""
_LOT_SUMS = """
SELECT format('%s / %s / %s: lots sum to %s, quantity is %s',
              tenant, portfolio, instrument, summed.quantity, positions.quantity)
FROM {schema}.positions FULL JOIN (
    SELECT tenant, portfolio, instrument, sum(quantity) AS quantity
    FROM {schema}.lots GROUP BY tenant, portfolio, instrument
) AS summed USING (tenant, portfolio, instrument)
WHERE positions.quantity IS DISTINCT FROM coalesce(summed.quantity, 0)
ORDER BY tenant, portfolio, instrument LIMIT 1
"""

_CASH_CHECKS = (
    ("cash movements sum to balances", "SELECT count(*) FROM {schema}.balances", _CASH_SUMS),
    ("cash movements sum to totals by kind", "SELECT count(*) FROM {schema}.balances", _CASH_KINDS),
)
_MOVEMENTS = "SELECT DISTINCT tenant, position FROM {schema}.movements WHERE position <= {least}"
_LOT_CHECKS = (("lots sum to positions", "SELECT count(*) FROM {schema}.lots", _LOT_SUMS),)
_BALANCES = "SELECT tenant, portfolio, currency, balance FROM {schema}.balances"
_QUANTITIES = "SELECT tenant, portfolio, instrument, quantity FROM {schema}.positions"


def check_tables(
    connection: psycopg.Connection[Any],
    bookkeeping: Bookkeeping,
    positions: dict[Placed, int],
    watch: Watch,
) -> list[Check]:
    """Check the models given with their positions, in the caller's snapshot of the database.

    `bookkeeping` must not be beyond the lowest of the positions; it is taken along.
    """
    checks: list[Check] = []
    with connection.cursor(row_factory=tuple_row) as cursor:
        cash = {each.schema: at for each, at in positions.items() if each.model.name == "cash"}
        if cash:
            checks.append(_check_events(cursor, cash))
        for placed, position in sorted(positions.items(), key=lambda each: each[1]):
            assert bookkeeping.position <= position, "bookkeeping cannot go back"
            bookkeeping.advance(position, watch)
            watch(f"tables of {placed.schema}", 0, 1)
            if placed.model.name == "cash":
                checks += [_ask(cursor, placed, *each) for each in _CASH_CHECKS]
                checks.append(_check_balances(cursor, placed, bookkeeping))
                checks.append(check_ladder(cursor, placed, bookkeeping.pending))
                checks.append(check_receivables(cursor, placed, bookkeeping.acted))
            elif placed.model.name == "positions":
                checks += [_ask(cursor, placed, *each) for each in _LOT_CHECKS]
                checks.append(_check_quantities(cursor, placed, bookkeeping))
            watch(f"tables of {placed.schema}", 1, 1)
    return checks


def _ask(cursor: Cursor, placed: Placed, name: str, count: str, question: str) -> Check:
    counted = cursor.execute(_of(placed.schema, count)).fetchone()
    found = cursor.execute(_of(placed.schema, question)).fetchone()
    name += placed.partition.suffix
    return Check(name, counted[0] if counted else 0, found[0] if found else None)


def _of(schema: str, statement: str) -> bytes:
    return statement.replace("{schema}", schema).encode()


def _check_events(cursor: Cursor, cash: dict[str, int]) -> Check:
    """Tie the legs of all partitions to the events up to the least of their positions."""
    least = str(min(cash.values()))
    movements = " UNION ALL ".join(
        _MOVEMENTS.format(schema=schema, least=least) for schema in sorted(cash)
    )
    count = f"SELECT count(*) FROM ({movements}) AS movements"  # noqa: S608 - schemas and a number
    question = _CASH_EVENTS.replace("{movements}", movements).replace("{least}", least)
    counted = cursor.execute(count.encode()).fetchone()
    found = cursor.execute(question.encode()).fetchone()
    name = "each cash leg is tied to its event"
    return Check(name, counted[0] if counted else 0, found[0] if found else None)


def _check_balances(cursor: Cursor, placed: Placed, bookkeeping: Bookkeeping) -> Check:
    check = Check("balances in the table are those of the log" + placed.partition.suffix)
    told = {
        (tenant, portfolio, currency): balance
        for (tenant, portfolio, currency), balance in bookkeeping.balances.items()
        if placed.partition.holds_portfolio(tenant, portfolio)
    }
    for tenant, portfolio, currency, balance in cursor.execute(_of(placed.schema, _BALANCES)):
        check.counted += 1
        expected = told.pop((tenant, portfolio, currency), None)
        if balance != expected:
            check.fail(f"{tenant} / {portfolio} / {currency}: table {balance}, log {expected}")
    if told:
        check.fail(f"{' / '.join(min(told))}: no row in the table")
    return check


def _check_quantities(cursor: Cursor, placed: Placed, bookkeeping: Bookkeeping) -> Check:
    check = Check("quantities in the table are those of the log" + placed.partition.suffix)
    told = {
        (tenant, portfolio, instrument): holding.told
        for (tenant, portfolio, instrument), holding in bookkeeping.holdings.items()
        if placed.partition.holds_portfolio(tenant, portfolio)
    }
    for tenant, portfolio, instrument, quantity in cursor.execute(_of(placed.schema, _QUANTITIES)):
        check.counted += 1
        expected = told.pop((tenant, portfolio, instrument), None)
        if quantity != expected:
            check.fail(f"{tenant} / {portfolio} / {instrument}: table {quantity}, log {expected}")
    if told:
        check.fail(f"{' / '.join(min(told))}: no row in the table")
    return check
