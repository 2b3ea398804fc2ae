"""Checks of live tables: they add up in themselves, and to what the log says at their position.

All questions of one check are asked in one snapshot of the database.
"""

from typing import Any, TypeAlias

import psycopg
from psycopg.rows import tuple_row

from projections.content_checks import Bookkeeping
from projections.findings import Check, Watch

Cursor: TypeAlias = psycopg.Cursor[Any]

_CASH_SUMS = """
SELECT format('%s / %s / %s: movements sum to %s, kinds to %s, balance is %s, last balance %s',
              tenant, portfolio, currency, summed.total,
              deposits + withdrawals + principal + fees, balance, summed.last)
FROM cash.balances FULL JOIN (
    SELECT tenant, portfolio, currency, sum(amount) AS total,
           (array_agg(balance_after ORDER BY position DESC))[1] AS last
    FROM cash.movements GROUP BY tenant, portfolio, currency
) AS summed USING (tenant, portfolio, currency)
WHERE balance IS DISTINCT FROM summed.total OR balance IS DISTINCT FROM summed.last
    OR balance IS DISTINCT FROM deposits + withdrawals + principal + fees
ORDER BY tenant, portfolio, currency LIMIT 1
"""
_CASH_KINDS = """
SELECT format('%s / %s / %s, kind %s: movements sum to %s, balances say %s',
              tenant, portfolio, currency, kind, summed.total, told.total)
FROM (SELECT tenant, portfolio, currency, kind, total FROM cash.balances
      CROSS JOIN LATERAL (VALUES ('deposit', deposits), ('withdrawal', withdrawals),
          ('principal', principal), ('fee', fees)) AS by_kind (kind, total)) AS told
FULL JOIN (SELECT tenant, portfolio, currency, kind, sum(amount) AS total FROM cash.movements
           GROUP BY tenant, portfolio, currency, kind) AS summed
    USING (tenant, portfolio, currency, kind)
WHERE coalesce(told.total, 0) <> coalesce(summed.total, 0)
ORDER BY tenant, portfolio, currency, kind LIMIT 1
"""
_CASH_EVENTS = """
SELECT format('position %s: %s movement in the table, the event is %s', position,
              coalesce(movements.tenant, 'no'), coalesce(events.event_type, 'missing'))
FROM (SELECT DISTINCT tenant, position FROM cash.movements) AS movements
FULL JOIN (
    SELECT tenant, position, event_type FROM log.events
    WHERE position <= (SELECT position FROM cash.checkpoint) AND event_type IN
        ('portfolio.cash_deposited.v1', 'portfolio.cash_withdrawn.v1', 'portfolio.trade_booked.v1')
) AS events USING (tenant, position)
WHERE movements.tenant IS NULL OR events.event_type IS NULL
ORDER BY position LIMIT 1
"""
_LOT_SUMS = """
SELECT format('%s / %s / %s: lots sum to %s, quantity is %s',
              tenant, portfolio, instrument, summed.quantity, positions.quantity)
FROM positions.positions FULL JOIN (
    SELECT tenant, portfolio, instrument, sum(quantity) AS quantity
    FROM positions.lots GROUP BY tenant, portfolio, instrument
) AS summed USING (tenant, portfolio, instrument)
WHERE positions.quantity IS DISTINCT FROM coalesce(summed.quantity, 0)
ORDER BY tenant, portfolio, instrument LIMIT 1
"""

_CASH_CHECKS = (
    ("cash movements sum to balances", "SELECT count(*) FROM cash.balances", _CASH_SUMS),
    ("cash movements sum to totals by kind", "SELECT count(*) FROM cash.balances", _CASH_KINDS),
    ("each cash leg is tied to its event", "SELECT count(*) FROM cash.movements", _CASH_EVENTS),
)
_LOT_CHECKS = (("lots sum to positions", "SELECT count(*) FROM positions.lots", _LOT_SUMS),)
_BALANCES = "SELECT tenant, portfolio, currency, balance FROM cash.balances"
_QUANTITIES = "SELECT tenant, portfolio, instrument, quantity FROM positions.positions"


def check_tables(
    connection: psycopg.Connection[Any],
    bookkeeping: Bookkeeping,
    positions: dict[str, int],
    watch: Watch,
) -> list[Check]:
    """Check the models given with their positions, in the caller's snapshot of the database.

    `bookkeeping` must not be beyond the lowest of the positions; it is taken along.
    """
    checks: list[Check] = []
    with connection.cursor(row_factory=tuple_row) as cursor:
        for name, position in sorted(positions.items(), key=lambda each: each[1]):
            assert bookkeeping.position <= position, "bookkeeping cannot go back"
            bookkeeping.advance(position, watch)
            watch(f"tables of {name}", 0, 1)
            if name == "cash":
                checks += [_ask(cursor, *each) for each in _CASH_CHECKS]
                checks.append(_check_balances(cursor, bookkeeping))
            elif name == "positions":
                checks += [_ask(cursor, *each) for each in _LOT_CHECKS]
                checks.append(_check_quantities(cursor, bookkeeping))
            watch(f"tables of {name}", 1, 1)
    return checks


def _ask(cursor: Cursor, name: str, count: str, question: str) -> Check:
    counted = cursor.execute(count).fetchone()
    found = cursor.execute(question).fetchone()
    return Check(name, counted[0] if counted else 0, found[0] if found else None)


def _check_balances(cursor: Cursor, bookkeeping: Bookkeeping) -> Check:
    check = Check("balances in the table are those of the log")
    told = dict(bookkeeping.balances)
    for tenant, portfolio, currency, balance in cursor.execute(_BALANCES):
        check.counted += 1
        expected = told.pop((tenant, portfolio, currency), None)
        if balance != expected:
            check.fail(f"{tenant} / {portfolio} / {currency}: table {balance}, log {expected}")
    if told:
        check.fail(f"{' / '.join(min(told))}: no row in the table")
    return check


def _check_quantities(cursor: Cursor, bookkeeping: Bookkeeping) -> Check:
    check = Check("quantities in the table are those of the log")
    told = {key: holding.quantity for key, holding in bookkeeping.holdings.items()}
    for tenant, portfolio, instrument, quantity in cursor.execute(_QUANTITIES):
        check.counted += 1
        expected = told.pop((tenant, portfolio, instrument), None)
        if quantity != expected:
            check.fail(f"{tenant} / {portfolio} / {instrument}: table {quantity}, log {expected}")
    if told:
        check.fail(f"{' / '.join(min(told))}: no row in the table")
    return check
