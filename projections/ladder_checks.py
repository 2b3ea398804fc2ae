"""Checks of cash by value date: what settles was pending, and the table says what the log says."""

from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

import psycopg

from domain.money import ZERO
from domain.portfolio.events import (
    CashDeposited,
    CashSettled,
    CashWithdrawn,
    TradeBooked,
    TradeCashMoved,
    TradeUnbooked,
)
from domain.portfolio.life import CashExchanged, FeeCharged, InterestBooked
from projections.findings import Check
from projections.read_model import Decoded, Placed

Cursor: TypeAlias = psycopg.Cursor[Any]
Key: TypeAlias = tuple[str, str, str]
"""Tenant, portfolio and currency."""
Dated: TypeAlias = dict[Key, dict[date, Decimal]]
CashMove = CashDeposited | CashWithdrawn | FeeCharged | InterestBooked | CashExchanged

_PENDING = """
SELECT tenant, portfolio, currency, value_date, pending_in + pending_out,
    awaited_in + awaited_out, failing FROM {schema}.ladder
WHERE pending_in + pending_out <> 0 OR awaited_in + awaited_out <> 0 OR failing <> 0
"""


class PendingCash:
    """What the events leave pending, awaited and failing by currency and value date."""

    def __init__(self) -> None:
        self.pending: Dated = {}
        self.awaited: Dated = {}
        self.failing: Dated = {}
        self.check = Check("what settles was pending in every event")

    def take(self, decoded: Decoded, balances: dict[Key, Decimal]) -> None:
        """Fold one event; `balances` are those behind it."""
        position, tenant, _, event, _ = decoded
        if isinstance(event, TradeBooked | TradeUnbooked):
            value_date = event.fill.value_date
            if value_date is not None:
                where = self.awaited if event.is_awaited else self.pending
                key = (tenant, event.portfolio, event.currency)
                _add(where, key, value_date, event.cash_change)
        elif isinstance(event, TradeCashMoved):
            self._move(position, tenant, event)
        elif isinstance(event, CashMove):
            if event.is_pending:
                for currency, change in _changes(event):
                    key = (tenant, event.portfolio, currency)
                    _add(self.pending, key, event.value_date, change)
        elif isinstance(event, CashSettled):
            key = (tenant, event.portfolio, event.currency)
            due = self.pending.get(key, {}).pop(event.value_date, None)
            told = (event.amount, event.settled_after)
            self._must_be(
                position, key, event.value_date, (due, self._settled(key, balances)), told
            )

    def _settled(self, key: Key, balances: dict[Key, Decimal]) -> Decimal:
        unsettled = (self.pending, self.awaited, self.failing)
        sums = (sum(each.get(key, {}).values(), ZERO) for each in unsettled)
        return balances.get(key, ZERO) - sum(sums, ZERO)

    def _move(self, position: int, tenant: str, event: TradeCashMoved) -> None:
        key = (tenant, event.portfolio, event.currency)
        self.check.counted += 1
        self.check.must(
            not event.awaited + event.failing + event.settled,
            lambda: (
                f"position {position}, {' / '.join(key)} on {event.value_date}: {event.awaited} "
                f"awaited, {event.failing} failing and {event.settled} settled are not nothing"
            ),
        )
        _add(self.awaited, key, event.value_date, event.awaited)
        _add(self.failing, key, event.value_date, event.failing)

    def _must_be(
        self,
        position: int,
        key: Key,
        day: date,
        found: tuple[Decimal | None, Decimal],
        told: tuple[Decimal, Decimal],
    ) -> None:
        self.check.counted += 1
        self.check.must(
            found == told,
            lambda: (
                f"position {position}, {' / '.join(key)} on {day}: {found[0]} was "
                f"pending and {found[1]} is settled, event says {told[0]} and {told[1]}"
            ),
        )


def _add(where: Dated, key: Key, day: date, change: Decimal) -> None:
    dates = where.setdefault(key, {})
    dates[day] = dates.get(day, ZERO) + change


def _changes(event: CashMove) -> list[tuple[str, Decimal]]:
    """Give what a flow changes, by currency."""
    if isinstance(event, CashExchanged):
        changes = [
            (event.sold.currency, -event.sold.amount),
            (event.bought.currency, event.bought.amount),
        ]
        if event.fee is not None:
            changes.append((event.fee.currency, -event.fee.amount))
        return changes
    is_paid = isinstance(event, CashWithdrawn | FeeCharged)
    return [(event.amount.currency, -event.amount.amount if is_paid else event.amount.amount)]


def check_ladder(cursor: Cursor, placed: Placed, told: PendingCash) -> Check:
    """Compare the net amounts pending, awaited and failing in the table with those of the log."""
    check = Check("cash pending in the table is that of the log" + placed.partition.suffix)
    expected: dict[tuple[str, str, str, date], list[Decimal]] = {}
    for number, by_key in enumerate((told.pending, told.awaited, told.failing)):
        for key, dates in by_key.items():
            if not placed.partition.holds_portfolio(*key[:2]):
                continue
            for day, amount in dates.items():
                if amount:
                    expected.setdefault((*key, day), [ZERO, ZERO, ZERO])[number] = amount
    question = _PENDING.replace("{schema}", placed.schema).encode()
    for tenant, portfolio, currency, day, *amounts in cursor.execute(question):
        check.counted += 1
        wanted = expected.pop((tenant, portfolio, currency, day), None)
        if amounts != wanted:
            where = f"{tenant} / {portfolio} / {currency} on {day}"
            check.fail(f"{where}: table {_told(amounts)}, log {_told(wanted)}")
    if expected:
        check.fail(f"{' / '.join(map(str, min(expected)))}: no row in the table")
    return check


def _told(amounts: list[Decimal] | None) -> str:
    if amounts is None:
        return "nothing"
    pending, awaited, failing = amounts
    return f"{pending} pending, {awaited} awaited, {failing} failing"
