"""Checks of corporate actions: applied as declared, once; what is paid was due."""

from decimal import Decimal
from typing import Any, TypeAlias

import msgspec
import psycopg

from domain.corporate_actions import Action
from domain.instrument import CorporateActionDeclared, CorporateActionReversed
from domain.money import ZERO
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    DividendPaid,
    LotsSpunOff,
)
from projections.findings import Check
from projections.read_model import Decoded, Placed

Cursor: TypeAlias = psycopg.Cursor[Any]
Name: TypeAlias = tuple[str, str]
"""An instrument, and the name of an action declared on it."""
Holder: TypeAlias = tuple[str, str, str, str]
"""Tenant, portfolio, and the name of an action."""

_RECEIVABLES = """
SELECT tenant, portfolio, instrument, action, gross, withheld, paid_gross, paid_withheld
FROM {schema}.receivables
"""


class Receivable(msgspec.Struct):
    """What the events say is due of a dividend, and what was paid of it."""

    gross: Decimal = ZERO
    withheld: Decimal = ZERO
    paid_gross: Decimal = ZERO
    paid_withheld: Decimal = ZERO


class ActionsDone:
    """What the events say of corporate actions: declared, reversed, standing, due and paid."""

    def __init__(self) -> None:
        self.receivables: dict[Holder, Receivable] = {}
        self.applied = Check("every action is applied as it was declared, and once")
        self.paid = Check("what is paid of a dividend was due in every event")
        self._declared: dict[Name, Action] = {}
        self._reversed: set[Name] = set()
        self._standing: set[Holder] = set()
        self._taken_back: set[Holder] = set()

    def take(self, decoded: Decoded) -> None:
        """Fold one event."""
        position, tenant, _, event, _ = decoded
        match event:
            case CorporateActionDeclared():
                action = event.terms.action
                self._declared[action.instrument, action.action] = action
            case CorporateActionReversed():
                self._reversed.add((event.instrument, event.action))
            case CorporateActionApplied() | CorporateActionUnapplied() | LotsSpunOff():
                self._take_action(tenant, event, position)
            case DividendPaid():
                self._pay(tenant, event, position)
            case _:
                pass  # Concerns no corporate action.

    def _take_action(
        self,
        tenant: str,
        event: CorporateActionApplied | CorporateActionUnapplied | LotsSpunOff,
        position: int,
    ) -> None:
        action = event.terms.action
        name: Name = (action.instrument, action.action)
        holder: Holder = (tenant, event.portfolio, *name)
        where = f"position {position}, {' / '.join(holder)}"
        self.applied.counted += 1
        self.applied.must(
            self._declared.get(name) == action, lambda: f"{where}: was not declared so"
        )
        stands = holder in self._standing
        match event:
            case CorporateActionApplied():
                self._apply(event, holder, where)
            case CorporateActionUnapplied():
                self.applied.must(
                    stands and name in self._reversed,
                    lambda: f"{where}: taken back, but {_why(stands=stands)}",
                )
                self._standing.discard(holder)
                self._taken_back.add(holder)
                self._owe(event, holder, (ZERO, ZERO), where)
            case LotsSpunOff():
                self.applied.must(
                    stands or (holder in self._taken_back and not event.lots),
                    lambda: f"{where}: lots of an action that does not stand",
                )

    def _apply(self, event: CorporateActionApplied, holder: Holder, where: str) -> None:
        stands = holder in self._standing
        self.applied.must(
            stands == event.is_restated,
            lambda: f"{where}: {'applied twice' if stands else 'restated, but does not stand'}",
        )
        self.applied.must(
            event.is_restated or holder[2:] not in self._reversed,
            lambda: f"{where}: applied after it was reversed",
        )
        self._standing.add(holder)
        due = event.due
        self._owe(event, holder, (ZERO, ZERO) if due is None else (due.gross, due.withheld), where)

    def _owe(
        self,
        event: CorporateActionApplied | CorporateActionUnapplied,
        holder: Holder,
        told: tuple[Decimal, Decimal],
        where: str,
    ) -> None:
        """Add what is new of a dividend; together it is what the event says is due."""
        row = self.receivables.get(holder, Receivable())
        row.gross += event.gross_change
        row.withheld += event.withheld_change
        self.paid.must(
            (row.gross, row.withheld) == told,
            lambda: (
                f"{where}: changes sum to {row.gross} less {row.withheld}, "
                f"event says {told[0]} less {told[1]}"
            ),
        )
        if event.gross_change or event.withheld_change:
            self.receivables[holder] = row

    def _pay(self, tenant: str, event: DividendPaid, position: int) -> None:
        holder = (tenant, event.portfolio, event.instrument, event.action)
        row = self.receivables.get(holder, Receivable())
        due = (row.gross - row.paid_gross, row.withheld - row.paid_withheld)
        self.paid.counted += 1
        self.paid.must(
            due == (event.gross, event.withheld),
            lambda: (
                f"position {position}, {' / '.join(holder)}: {due[0]} less {due[1]} was due, "
                f"event says {event.gross} less {event.withheld}"
            ),
        )
        row.paid_gross += event.gross
        row.paid_withheld += event.withheld
        self.receivables[holder] = row


def check_receivables(cursor: Cursor, placed: Placed, told: ActionsDone) -> Check:
    """Compare the dividends in the table, due and paid, with those of the log."""
    check = Check("dividends due in the table are those of the log" + placed.partition.suffix)
    expected = {
        holder: (row.gross, row.withheld, row.paid_gross, row.paid_withheld)
        for holder, row in told.receivables.items()
        if placed.partition.holds_portfolio(*holder[:2])
    }
    for found in cursor.execute(_RECEIVABLES.replace("{schema}", placed.schema).encode()):
        holder, amounts = found[:4], found[4:]
        check.counted += 1
        wanted = expected.pop(holder, None)
        if amounts != wanted:
            check.fail(f"{' / '.join(holder)}: table {_sums(amounts)}, log {_sums(wanted)}")
    if expected:
        check.fail(f"{' / '.join(min(expected))}: no row in the table")
    return check


def _why(*, stands: bool) -> str:
    return "it was not reversed" if stands else "it does not stand"


def _sums(amounts: tuple[Decimal, ...] | None) -> str:
    return "none" if amounts is None else ", ".join(map(str, amounts))
