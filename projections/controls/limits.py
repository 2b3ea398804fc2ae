"""Folding limits: each version proposed is a row, and says what became of it."""

from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from domain.limits.events import LimitApproved, LimitDeclined, LimitProposed
from domain.limits.terms import LimitTerms
from projections.controls.tables import LimitRow, LimitStatus
from projections.read_model import Decoded
from projections.rows import Cursor, Tables

LimitTold: TypeAlias = LimitProposed | LimitApproved | LimitDeclined
_KEY = ("tenant", "limit_name", "version")
_LIVE = "SELECT * FROM {schema}.limits WHERE status IN ('in_force', 'proposed')"


class Limits:
    """The limits of one schema; in memory are the versions in force and those proposed."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._is_loaded = False
        self._proposed: dict[tuple[str, str], LimitRow] = {}
        self._in_force: dict[tuple[str, str], LimitRow] = {}
        self._touched: dict[tuple[str, str, int], LimitRow] = {}

    def load(self, cursor: Cursor) -> None:
        """Load what is open, if it is not there yet."""
        if self._is_loaded:
            return
        self._is_loaded = True
        for values in self._tables.select(cursor, _LIVE):
            row = LimitRow(*values)
            is_proposed = row.status == LimitStatus.PROPOSED
            live = self._proposed if is_proposed else self._in_force
            live[row.tenant, row.limit_name] = row

    def take(self, decoded: Decoded, event: LimitTold) -> None:
        """Fold one event."""
        key = decoded.tenant, event.limit
        before = self._proposed.pop(key, None)
        if isinstance(event, LimitProposed):
            if before is not None:
                self._end(before, LimitStatus.SUPERSEDED, decoded.position)
            row = self._proposed[key] = _proposed_row(decoded, event)
            self._touch(row)
            return
        assert before is not None, "what is decided on was proposed"
        if isinstance(event, LimitDeclined):
            self._touch(_declined(before, decoded, event))
            return
        last = self._in_force.pop(key, None)
        if last is not None:
            self._end(last, LimitStatus.REPLACED, decoded.position)
        row = _approved(before, decoded, event)
        if event.terms is not None:
            self._in_force[key] = row
        self._touch(row)

    def write(self, cursor: Cursor) -> None:
        """Write what was touched since the last time."""
        self._tables.upsert(cursor, "limits", list(self._touched.values()), key=_KEY)
        self._touched = {}

    def _end(self, row: LimitRow, status: LimitStatus, position: int) -> None:
        until = position if status is LimitStatus.REPLACED else None
        self._touch(replace(row, status=status, until_position=until, changed_position=position))

    def _touch(self, row: LimitRow) -> None:
        self._touched[row.tenant, row.limit_name, row.version] = row


def _proposed_row(decoded: Decoded, event: LimitProposed) -> LimitRow:
    row = LimitRow(
        tenant=decoded.tenant,
        limit_name=event.limit,
        version=event.version,
        status=LimitStatus.PROPOSED,
        rule=None,
        scope_portfolio=None,
        scope_instrument=None,
        scope_sector=None,
        level=None,
        maximum=None,
        currency=None,
        currencies="[]",
        binding=None,
        usage_age_ms_max=None,
        reason=event.reason,
        proposed_by=event.proposed_by,
        proposed_at=decoded.recorded_at,
        proposed_position=decoded.position,
        decided_by=None,
        decided_at=None,
        decided_position=None,
        declined_reason=None,
        until_position=None,
        changed_position=decoded.position,
    )
    return row if event.terms is None else _of_terms(row, event.terms)


def _of_terms(row: LimitRow, terms: LimitTerms) -> LimitRow:
    return replace(
        row,
        rule=terms.rule,
        scope_portfolio=terms.scope.portfolio,
        scope_instrument=terms.scope.instrument,
        scope_sector=terms.scope.sector,
        level=terms.level,
        maximum=terms.maximum,
        currency=terms.currency,
        currencies=msgspec.json.encode(terms.currencies).decode(),
        binding=terms.binding,
        usage_age_ms_max=terms.usage_age_ms_max,
    )


def _approved(row: LimitRow, decoded: Decoded, event: LimitApproved) -> LimitRow:
    return replace(
        row,
        status=LimitStatus.ENDED if event.terms is None else LimitStatus.IN_FORCE,
        decided_by=event.approved_by,
        decided_at=decoded.recorded_at,
        decided_position=decoded.position,
        changed_position=decoded.position,
    )


def _declined(row: LimitRow, decoded: Decoded, event: LimitDeclined) -> LimitRow:
    return replace(
        row,
        status=LimitStatus.DECLINED,
        decided_by=event.declined_by,
        decided_at=decoded.recorded_at,
        decided_position=decoded.position,
        declined_reason=event.reason,
        changed_position=decoded.position,
    )
