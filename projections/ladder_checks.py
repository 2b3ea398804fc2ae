"""Checks of cash by value date: what settles was pending, and the table says what the log says."""

from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

import psycopg

from domain.money import ZERO
from domain.portfolio.events import CashSettled, TradeBooked, TradeUnbooked
from projections.findings import Check
from projections.read_model import Decoded, Placed

Cursor: TypeAlias = psycopg.Cursor[Any]
Key: TypeAlias = tuple[str, str, str]
"""Tenant, portfolio and currency."""

_PENDING = """
SELECT tenant, portfolio, currency, value_date, pending_in + pending_out FROM {schema}.ladder
WHERE pending_in + pending_out <> 0
"""


class PendingCash:
    """What the events leave pending by currency and value date."""

    def __init__(self) -> None:
        self.pending: dict[Key, dict[date, Decimal]] = {}
        self.check = Check("what settles was pending in every event")

    def take(self, decoded: Decoded, balances: dict[Key, Decimal]) -> None:
        """Fold one event; `balances` are those behind it."""
        position, tenant, _, event = decoded
        if isinstance(event, TradeBooked | TradeUnbooked):
            value_date = event.fill.value_date
            if value_date is not None:
                dates = self.pending.setdefault((tenant, event.portfolio, event.currency), {})
                dates[value_date] = dates.get(value_date, ZERO) + event.cash_change
        elif isinstance(event, CashSettled):
            key = (tenant, event.portfolio, event.currency)
            dates = self.pending.get(key, {})
            due = dates.pop(event.value_date, None)
            settled = balances.get(key, ZERO) - sum(dates.values(), ZERO)
            told = (event.amount, event.settled_after)
            self.check.counted += 1
            self.check.must(
                (due, settled) == told,
                lambda: (
                    f"position {position}, {' / '.join(key)} on {event.value_date}: {due} was "
                    f"pending and {settled} is settled, event says {told[0]} and {told[1]}"
                ),
            )


def check_ladder(cursor: Cursor, placed: Placed, told: PendingCash) -> Check:
    """Compare the net amounts pending in the table with those of the log."""
    check = Check("cash pending in the table is that of the log" + placed.partition.suffix)
    expected = {
        (*key, day): amount
        for key, dates in told.pending.items()
        if placed.partition.holds_portfolio(*key[:2])
        for day, amount in dates.items()
        if amount
    }
    question = _PENDING.replace("{schema}", placed.schema).encode()
    for tenant, portfolio, currency, day, amount in cursor.execute(question):
        check.counted += 1
        wanted = expected.pop((tenant, portfolio, currency, day), None)
        if amount != wanted:
            where = f"{tenant} / {portfolio} / {currency} on {day}"
            check.fail(f"{where}: table {amount}, log {wanted}")
    if expected:
        check.fail(f"{' / '.join(map(str, min(expected)))}: no row in the table")
    return check
