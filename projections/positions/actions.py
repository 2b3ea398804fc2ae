"""Folding corporate actions: as they are declared, and what they did to each holder.

What an action did is the sum of its events. In the books of a child that was spun off stands a row
of its own, named by the parent the action was declared on.
"""

from collections.abc import Iterable
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from domain.corporate_actions import Action, CashDividend, SpinOff, Split, StockDividend
from domain.instrument import CorporateActionDeclared, CorporateActionReversed
from domain.money import ZERO
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    LotsSpunOff,
)
from projections.arrays import looked_up
from projections.positions.tables import ActionKind, ActionRow, AppliedRow
from projections.rows import Cursor, Tables

ActionTold: TypeAlias = CorporateActionDeclared | CorporateActionReversed
ActionDone: TypeAlias = CorporateActionApplied | CorporateActionUnapplied | LotsSpunOff

AppliedKey: TypeAlias = tuple[str, str, str, str, str]
"""Tenant, portfolio, instrument, the instrument an action was declared on, and its name."""

APPLIED_MAX = 200_000
"""Most rows kept in memory; beyond that all are dropped and loaded again when needed."""

ACTION_KEY = ("instrument", "action")
APPLIED_KEY = ("tenant", "portfolio", "instrument", "declared_on", "action")

_ACTIONS = "SELECT * FROM {schema}.actions"
_APPLIED = looked_up("applied", **dict.fromkeys(APPLIED_KEY, "text"))


class Actions:
    """What was declared, of one schema; actions are few and stay in memory."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._rows: dict[tuple[str, str], ActionRow] = {}
        self._is_loaded = False

    def fold(self, cursor: Cursor, events: Iterable[tuple[int, ActionTold]]) -> None:
        """Fold what was told, given with its position, and write it."""
        if not self._is_loaded:
            found = (ActionRow(*values) for values in self._tables.select(cursor, _ACTIONS))
            self._rows = {(row.instrument, row.action): row for row in found}
            self._is_loaded = True
        touched: dict[tuple[str, str], ActionRow] = {}
        for position, event in events:
            if isinstance(event, CorporateActionDeclared):
                row = _declared(event.terms.action, position)
            else:
                known = self._rows[event.instrument, event.action]
                row = replace(
                    known,
                    reversed_position=position,
                    reason=event.reason,
                    changed_position=position,
                )
            key = (row.instrument, row.action)
            self._rows[key] = touched[key] = row
        self._tables.upsert(cursor, "actions", list(touched.values()), key=ACTION_KEY)


class Applications:
    """What actions did to holders, of one schema."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._rows: dict[AppliedKey, AppliedRow | None] = {}

    def fold(self, cursor: Cursor, events: Iterable[tuple[int, str, ActionDone]]) -> None:
        """Fold what was done, given as position, tenant and event, and write it."""
        listed = list(events)
        keys = {key for _, tenant, event in listed for key in _keys(tenant, event)}
        self._load(cursor, keys.difference(self._rows))
        touched: dict[AppliedKey, AppliedRow] = {}
        for position, tenant, event in listed:
            for key in _keys(tenant, event):
                row = self._rows[key]
                if row is None and key[2] != event.instrument:
                    continue  # Nothing ever came of the parent's lots.
                row = _folded(row or _first(key, event), event, position)
                self._rows[key] = touched[key] = row
        self._tables.upsert(cursor, "applied", list(touched.values()), key=APPLIED_KEY)
        if len(self._rows) > APPLIED_MAX:
            self._rows.clear()

    def _load(self, cursor: Cursor, missing: set[AppliedKey]) -> None:
        if not missing:
            return
        self._rows.update(dict.fromkeys(missing))
        asked = [list(column) for column in zip(*missing, strict=True)]
        for values in self._tables.select(cursor, _APPLIED, asked):
            row = AppliedRow(*values)
            key = (row.tenant, row.portfolio, row.instrument, row.declared_on, row.action)
            self._rows[key] = row


def _keys(tenant: str, event: ActionDone) -> list[AppliedKey]:
    """Name the rows an event concerns; a reversed spin-off is so in the child's books too."""
    action = event.terms.action
    names = [event.instrument]
    if isinstance(event, CorporateActionUnapplied) and isinstance(action, SpinOff):
        names.append(action.child)
    return [(tenant, event.portfolio, name, action.instrument, action.action) for name in names]


def _first(key: AppliedKey, event: ActionDone) -> AppliedRow:
    action = event.terms.action
    row = AppliedRow(*key, _kind(action), action.ex_date, event.currency)
    if isinstance(action, CashDividend):
        return replace(row, due_currency=action.currency, pay_date=action.pay_date)
    return row


def _folded(row: AppliedRow, event: ActionDone, position: int) -> AppliedRow:
    if isinstance(event, CorporateActionUnapplied):
        row = replace(row, is_reversed=True, held=ZERO)
        if row.instrument != event.instrument:
            return replace(row, changed_position=position)
    row = replace(
        row,
        quantity_change=row.quantity_change + event.quantity_change,
        cash_in_lieu=row.cash_in_lieu + event.cash_change,
        realised_gross=row.realised_gross + event.realised_gross,
        realised_net=row.realised_net + event.realised_net,
        changed_position=position,
    )
    match event:
        case CorporateActionApplied():
            row = replace(row, held=event.held)
        case CorporateActionUnapplied():
            pass
        case LotsSpunOff():
            return row
        case _:
            assert_never(event)
    return replace(
        row,
        gross=row.gross + event.gross_change,
        withheld=row.withheld + event.withheld_change,
    )


def _kind(action: Action) -> ActionKind:
    match action:
        case Split():
            return ActionKind.SPLIT
        case StockDividend():
            return ActionKind.STOCK_DIVIDEND
        case CashDividend():
            return ActionKind.CASH_DIVIDEND
        case SpinOff():
            return ActionKind.SPIN_OFF
        case _:
            assert_never(action)


def _declared(action: Action, position: int) -> ActionRow:
    row = ActionRow(
        instrument=action.instrument,
        action=action.action,
        kind=_kind(action),
        ex_date=action.ex_date,
        declared_position=position,
        changed_position=position,
    )
    match action:
        case Split():
            return replace(
                row,
                new=action.new,
                old=action.old,
                fraction_price=action.fraction_price,
                prices_adjusted=action.prices_adjusted,
            )
        case StockDividend():
            return replace(
                row,
                new=action.new,
                old=action.held,
                fraction_price=action.fraction_price,
                prices_adjusted=action.prices_adjusted,
            )
        case CashDividend():
            return replace(
                row,
                per_unit=action.per_unit,
                currency=action.currency,
                withholding_rate=action.withholding_rate,
                pay_date=action.pay_date,
            )
        case SpinOff():
            return replace(
                row,
                child=action.child,
                new=action.new,
                old=action.old,
                cost_share=action.cost_share,
                fraction_price=action.fraction_price,
            )
        case _:
            assert_never(action)
