"""Folding overrides: each proposal is a row, and says whether it was approved and used."""

from typing import TypeAlias
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.limits.events import OverrideApproved, OverrideDeclined, OverrideProposed
from domain.trade import TradeCaptured
from projections.controls.tables import OverrideRow, OverrideStatus
from projections.read_model import Decoded
from projections.rows import Cursor, Tables

OverrideTold: TypeAlias = OverrideProposed | OverrideApproved | OverrideDeclined | TradeCaptured
Place: TypeAlias = tuple[str, str, UUID]
"""Tenant, portfolio, trade: all of one place is told in one partition."""

_KEY = ("tenant", "position")
_OPEN = """
SELECT * FROM {schema}.overrides WHERE status IN ('proposed', 'approved')
ORDER BY position
"""


class Overrides:
    """The overrides of one schema; in memory are those proposed or approved and not yet used."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._is_loaded = False
        self._open: dict[Place, OverrideRow] = {}
        self._touched: dict[tuple[str, int], OverrideRow] = {}

    def load(self, cursor: Cursor) -> None:
        """Load what is open, if it is not there yet."""
        if self._is_loaded:
            return
        self._is_loaded = True
        for values in self._tables.select(cursor, _OPEN):
            row = OverrideRow(*values)
            self._open[row.tenant, row.portfolio, row.trade_id] = row

    def take(self, decoded: Decoded, event: OverrideTold) -> None:
        """Fold one event; a trade that no override let pass changes nothing.

        Nor does what was decided on one that had been used: earlier builds let it be taken back.
        """
        if isinstance(event, OverrideProposed):
            self._propose(decoded, event)
            return
        named = event if isinstance(event, OverrideDeclined) else event.capture
        key = decoded.tenant, named.portfolio, event.trade_id
        row = self._open.get(key)
        if isinstance(event, TradeCaptured):
            if row is not None and any(breach.is_overridden for breach in event.breaches):
                self._end(row, OverrideStatus.USED, decoded.position, used=decoded.position)
            return
        if row is None:
            return
        if isinstance(event, OverrideApproved):
            row = self._open[key] = replace(
                row,
                status=OverrideStatus.APPROVED,
                approved_by=event.approved_by,
                approved_at=event.approved_at,
                changed_position=decoded.position,
            )
            self._touch(row)
            return
        was_approved = row.status == OverrideStatus.APPROVED
        row = replace(row, declined_by=event.declined_by, declined_reason=event.reason)
        status = OverrideStatus.REVOKED if was_approved else OverrideStatus.DECLINED
        self._end(row, status, decoded.position)

    def write(self, cursor: Cursor) -> None:
        """Write what was touched since the last time."""
        self._tables.upsert(cursor, "overrides", list(self._touched.values()), key=_KEY)
        self._touched = {}

    def _propose(self, decoded: Decoded, event: OverrideProposed) -> None:
        key = decoded.tenant, event.capture.portfolio, event.trade_id
        before = self._open.get(key)
        # An approved one has expired, and stays as it is; it is not open any more.
        if before is not None and before.status == OverrideStatus.PROPOSED:
            self._end(before, OverrideStatus.SUPERSEDED, decoded.position)
        row = self._open[key] = _proposed_row(decoded, event)
        self._touch(row)

    def _end(
        self, row: OverrideRow, status: OverrideStatus, position: int, used: int | None = None
    ) -> None:
        self._open.pop((row.tenant, row.portfolio, row.trade_id), None)
        self._touch(replace(row, status=status, used_position=used, changed_position=position))

    def _touch(self, row: OverrideRow) -> None:
        self._touched[row.tenant, row.position] = row


def _proposed_row(decoded: Decoded, event: OverrideProposed) -> OverrideRow:
    capture = event.capture
    return OverrideRow(
        tenant=decoded.tenant,
        position=decoded.position,
        trade_id=event.trade_id,
        status=OverrideStatus.PROPOSED,
        portfolio=capture.portfolio,
        instrument=capture.instrument,
        source=capture.source,
        external_id=capture.external_id,
        side=capture.side,
        quantity=capture.quantity,
        price=capture.price,
        currency=capture.currency,
        trade_date=capture.trade_date,
        executed_at=capture.executed_at,
        rules=msgspec.json.encode(event.rules).decode(),
        reason=event.reason,
        proposed_by=event.proposed_by,
        proposed_at=event.proposed_at,
        expires_at=event.expires_at,
        approved_by=None,
        approved_at=None,
        declined_by=None,
        declined_reason=None,
        used_position=None,
        changed_position=decoded.position,
    )
