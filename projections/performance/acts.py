"""What corporate actions did to holders: a row for every event that changed something (additive).

An action's results are the sums over its rows; a reversed one's are zero.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg

from domain.corporate_actions import Split, StockDividend
from domain.money import ZERO
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    LotsSpunOff,
)
from projections.performance.facts import Change
from projections.performance.tables import ACT_COLUMNS, NULL, copy_lines, moment, number, text

ActEvent = CorporateActionApplied | CorporateActionUnapplied | LotsSpunOff
APPLIED = "applied"
UNAPPLIED = "unapplied"
SPUN_OFF = "spun_off"
TRANSFERRED = "transferred"

_KINDS: dict[type[ActEvent], str] = {
    CorporateActionApplied: APPLIED,
    CorporateActionUnapplied: UNAPPLIED,
    LotsSpunOff: SPUN_OFF,
}
_ACTS_FROM = """
SELECT asked.number, acts.on_date, acts.instrument, acts.action_of, acts.action, acts.quantity,
    acts.currency, acts.cash, acts.due_currency, acts.gross - acts.withheld,
    acts.kind = 'transferred'
FROM unnest(%s::text[], %s::text[], %s::date[]) WITH ORDINALITY
    AS asked (tenant, portfolio, earliest, number)
JOIN {schema}.acts ON acts.tenant = asked.tenant AND acts.portfolio = asked.portfolio
    AND acts.on_date >= asked.earliest
ORDER BY asked.number, acts.position
"""


def due_of(event: ActEvent) -> tuple[str | None, Decimal, Decimal]:
    """Give what an event changed of a dividend: its currency, gross and withheld."""
    declared = event.terms.cash_dividend
    if isinstance(event, LotsSpunOff) or declared is None:
        return None, ZERO, ZERO
    return declared.currency, event.gross_change, event.withheld_change


def change_of(event: ActEvent) -> Change:
    """Give what an event changed."""
    action = event.terms.action
    currency, gross, withheld = due_of(event)
    return Change(
        on_date=action.ex_date,
        instrument=event.instrument,
        action_of=action.instrument,
        action=action.action,
        quantity=event.quantity_change,
        currency=event.currency,
        cash=event.cash_change,
        due_currency=currency,
        due=gross - withheld,
    )


def changes_units(event: ActEvent) -> bool:
    """Say whether an event is of an action that changes the units of its instrument."""
    return isinstance(event.terms.action, Split | StockDividend)


class Acts:
    """The rows of one schema; those not yet written are lines for COPY."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._arrived: list[str] = []

    def add(self, tenant: str, event: ActEvent, position: int) -> None:
        """Take an event."""
        change = change_of(event)
        currency, gross, withheld = due_of(event)
        due_rate = None if isinstance(event, LotsSpunOff) else event.due_rate_to_base
        self._arrived.append(
            f"{text(tenant)}\t{text(event.portfolio)}\t{moment(change.on_date)}\t{position}\t"
            f"{text(change.instrument)}\t{text(change.action_of)}\t{text(change.action)}\t"
            f"{_KINDS[type(event)]}\t{change.quantity}\t{text(change.currency)}\t{change.cash}\t"
            f"{text(currency)}\t{gross}\t{withheld}\t{number(event.rate_to_base)}\t"
            f"{number(due_rate)}\n"
        )

    def add_change(self, tenant: str, portfolio: str, change: Change, position: int) -> None:
        """Take a change that no corporate action made, without a rate."""
        self._arrived.append(
            f"{text(tenant)}\t{text(portfolio)}\t{moment(change.on_date)}\t{position}\t"
            f"{text(change.instrument)}\t{text(change.action_of)}\t{text(change.action)}\t"
            f"{TRANSFERRED}\t{change.quantity}\t{text(change.currency)}\t{change.cash}\t"
            f"{NULL}\t0\t0\t{NULL}\t{NULL}\n"
        )

    def flush(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write the rows that came since the last time."""
        if self._arrived:
            copy_lines(cursor, f"{self._schema}.acts", ACT_COLUMNS, self._arrived)
            self._arrived = []

    def changes_from(
        self,
        cursor: psycopg.Cursor[Any],
        owners: tuple[Sequence[str], Sequence[str]],
        earliest: Sequence[date],
    ) -> Iterator[tuple[int, Change]]:
        """Read what changed for some portfolios, from a date of each on, by place in the lists."""
        self.flush(cursor)
        cursor.execute(_ACTS_FROM.format(schema=self._schema).encode(), (*owners, earliest))
        for ordinal, *columns in cursor:
            yield ordinal - 1, Change(*columns)
