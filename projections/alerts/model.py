"""The read model `alerts`: rules with all their versions, alerts, and what was told of each."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from msgspec.structs import replace

from domain.alerts.alert import OPEN, AlertStatus, status_after
from domain.alerts.events import (
    AlertAcknowledged,
    AlertCleared,
    AlertEscalated,
    AlertEvent,
    AlertRaised,
    AlertResolved,
    AlertRetracted,
    AlertRuleDeclared,
    AlertRuleRetired,
)
from domain.event import Event
from projections.alerts.tables import DDL, TABLES, AlertRow, OccurrenceRow, RuleRow
from projections.read_model import Decoded, Fold
from projections.rows import Cursor, Tables

_RULE_KEY = ("tenant", "alert_rule", "version")
_ALERT_KEY = ("tenant", "alert")
_IN_FORCE = "SELECT * FROM {schema}.rules WHERE status = 'in_force'"
_ALERT = "SELECT * FROM {schema}.alerts WHERE tenant = %s AND alert = %s"
_json = msgspec.json.Encoder()


class Alerts:
    """What is watched, what was raised, and who took it on."""

    name = "alerts"
    calculation_version = 3
    event_types: frozenset[type[Event]] = frozenset({
        AlertRuleDeclared, AlertRuleRetired, AlertRaised, AlertEscalated, AlertAcknowledged,
        AlertCleared, AlertResolved, AlertRetracted,
    })  # fmt: skip
    compared_tables = TABLES

    def ddl(self, schema: str) -> str:
        """Give the statements that make the tables."""
        return DDL.format(schema=schema)

    def new_fold(self, schema: str) -> Fold:
        """Make a fold that knows nothing yet."""
        return AlertsFold(schema)


class AlertsFold:
    """Folds one schema; in memory are the rules in force, and alerts while a batch is folded."""

    def __init__(self, schema: str) -> None:
        self._tables = Tables(schema)
        self._in_force: dict[tuple[str, str], RuleRow] | None = None
        self._rules: dict[tuple[str, str, int], RuleRow] = {}
        self._alerts: dict[tuple[str, UUID], AlertRow] = {}
        self._occurrences: list[OccurrenceRow] = []

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Fold a batch."""
        for decoded in batch:
            event = decoded.event
            if isinstance(event, AlertRuleDeclared):
                self._declare(cursor, decoded, event)
            elif isinstance(event, AlertRuleRetired):
                self._retire(cursor, decoded, event)
            else:
                assert isinstance(event, AlertEvent), "the model folds nothing else"
                self._take(cursor, decoded, event)
        self._tables.upsert(cursor, "rules", list(self._rules.values()), key=_RULE_KEY)
        self._tables.upsert(cursor, "alerts", list(self._alerts.values()), key=_ALERT_KEY)
        self._tables.insert(cursor, "occurrences", self._occurrences)
        self._rules, self._alerts, self._occurrences = {}, {}, []

    def _declare(self, cursor: Cursor, decoded: Decoded, event: AlertRuleDeclared) -> None:
        self._end(cursor, decoded, event.alert_rule, status="replaced")
        row = RuleRow(
            tenant=decoded.tenant,
            alert_rule=event.alert_rule,
            version=event.version,
            status="in_force",
            kind=event.terms.kind,
            terms=_json.encode(event.terms).decode(),
            reason=event.reason,
            declared_by=event.declared_by,
            declared_at=decoded.recorded_at,
            declared_position=decoded.position,
            retired_by=None,
            retired_reason=None,
            until_position=None,
            changed_position=decoded.position,
        )
        self._standing(cursor)[row.tenant, row.alert_rule] = row
        self._rules[row.tenant, row.alert_rule, row.version] = row

    def _retire(self, cursor: Cursor, decoded: Decoded, event: AlertRuleRetired) -> None:
        told = {"retired_by": event.retired_by, "retired_reason": event.reason}
        self._end(cursor, decoded, event.alert_rule, status="retired", **told)

    def _end(
        self, cursor: Cursor, decoded: Decoded, alert_rule: str, *, status: str, **told: str
    ) -> None:
        before = self._standing(cursor).pop((decoded.tenant, alert_rule), None)
        if before is not None:
            position = decoded.position
            self._rules[before.tenant, alert_rule, before.version] = replace(
                before, status=status, until_position=position, changed_position=position, **told
            )

    def _standing(self, cursor: Cursor) -> dict[tuple[str, str], RuleRow]:
        if self._in_force is None:
            rows = [RuleRow(*values) for values in self._tables.select(cursor, _IN_FORCE)]
            self._in_force = {(row.tenant, row.alert_rule): row for row in rows}
        return self._in_force

    def _take(self, cursor: Cursor, decoded: Decoded, event: AlertEvent) -> None:
        key = decoded.tenant, event.alert
        if isinstance(event, AlertRaised):
            self._alerts[key] = _raised(decoded, event)
        else:
            self._alerts[key] = _after(self._alert(cursor, key), decoded, event)
        self._occurrences.append(_occurrence(decoded, event))

    def _alert(self, cursor: Cursor, key: tuple[str, UUID]) -> AlertRow:
        found = self._alerts.get(key)
        if found is None:
            (values,) = self._tables.select(cursor, _ALERT, key)
            found = AlertRow(*values)
        return found


def _raised(decoded: Decoded, event: AlertRaised) -> AlertRow:
    return AlertRow(
        tenant=decoded.tenant,
        alert=event.alert,
        position=decoded.position,
        status=AlertStatus.RAISED,
        alert_rule=event.alert_rule,
        version=event.version,
        kind=event.kind,
        subject_portfolio=event.subject.portfolio,
        subject_instrument=event.subject.instrument,
        subject_source=event.subject.source,
        level=event.level,
        step=0,
        raise_above=event.raise_above,
        clear_at=event.clear_at,
        actual=event.actual,
        headroom=event.headroom,
        contributors=_json.encode(event.contributors).decode(),
        calculation=event.calculation,
        currency=event.currency,
        since=event.since,
        raised_at=event.at,
        as_of=event.as_of,
        market_position=event.market_position,
        recorded_at=decoded.recorded_at,
        acknowledged_by=None,
        acknowledged_position=None,
        ended_at=None,
        ended_actual=None,
        ended_by=None,
        ended_reason=None,
        ended_position=None,
        changed_position=decoded.position,
    )


def _after(row: AlertRow, decoded: Decoded, event: AlertEvent) -> AlertRow:
    """Give an alert's row behind one event; the first end stays, but a retraction replaces it."""
    before = AlertStatus(row.status)
    status = status_after(before, event)
    row = replace(row, status=status, changed_position=decoded.position)
    match event:
        case AlertEscalated() if before in OPEN:
            return replace(row, level=event.level, step=event.step)
        case AlertAcknowledged() if before in OPEN:
            by, position = event.acknowledged_by, decoded.position
            return replace(row, acknowledged_by=by, acknowledged_position=position)
        case AlertCleared() | AlertRetracted() if status is not before:
            return replace(
                row,
                ended_at=event.at,
                ended_actual=event.actual,
                ended_by=None,
                ended_reason=None,
                ended_position=decoded.position,
            )
        case AlertResolved() if before in OPEN:
            return replace(
                row,
                ended_by=event.resolved_by,
                ended_reason=event.reason,
                ended_position=decoded.position,
            )
    return row


def _occurrence(decoded: Decoded, event: AlertEvent) -> OccurrenceRow:
    told_by = getattr(event, "acknowledged_by", None) or getattr(event, "resolved_by", None)
    return OccurrenceRow(
        tenant=decoded.tenant,
        alert=event.alert,
        position=decoded.position,
        occurrence=type(event).__name__.removeprefix("Alert").lower(),
        at=getattr(event, "at", None),
        as_of=getattr(event, "as_of", None),
        level=getattr(event, "level", None),
        channels=_json.encode(getattr(event, "channels", ())).decode(),
        actual=getattr(event, "actual", None),
        told_by=told_by,
        reason=getattr(event, "reason", None),
        recorded_at=decoded.recorded_at,
    )
