"""What is asked of `alerts`: alerts by many things, one with its history, counts, rules.

Every partition holds all of it, so one of them is asked.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from projections.alerts.tables import AlertRow, OccurrenceRow, RuleRow
from projections.arrays import array_text
from projections.asking import PAGE_ROWS_MAX, Answered, Readable, ask
from projections.changed import CHANGED, CHANGES_MAX, TENANTS, Question
from projections.paging import Answer, Page, page_of, read_cursor

_POSITION_MAX = 2**63 - 1
HISTORY_MAX = 1_000
_ALERTS = """
* FROM {{schema}}.alerts WHERE tenant = %s AND position < %s {filters}
ORDER BY position DESC LIMIT %s
"""
_CHANGED = """
* FROM {schema}.alerts WHERE tenant = ANY({tenants}) AND {changed}
LIMIT %(limit)s
""".replace("{changed}", CHANGED).replace("{tenants}", TENANTS)
_OPEN = """
* FROM {schema}.alerts WHERE tenant = ANY({tenants}) AND ended_position IS NULL
""".replace("{tenants}", TENANTS)
_ALERT = "* FROM {schema}.alerts WHERE tenant = %s AND alert = %s"
_HISTORY = """
* FROM {schema}.occurrences WHERE tenant = %s AND alert = %s ORDER BY position LIMIT %s
"""
_COUNTS = """
level, kind, (acknowledged_position IS NOT NULL) AS is_acknowledged, count(*) AS alerts
FROM {schema}.alerts WHERE tenant = %s AND ended_position IS NULL
GROUP BY level, kind, (acknowledged_position IS NOT NULL)
"""
_RULES = """
* FROM {{schema}}.rules WHERE tenant = %s AND alert_rule > %s {filters}
ORDER BY alert_rule LIMIT %s
"""
_VERSIONS = """
* FROM {schema}.rules WHERE tenant = %s AND alert_rule = %s AND version < %s
ORDER BY version DESC LIMIT %s
"""
_BY_POSITION = "ORDER BY answer.position DESC"


class Wanted(NamedTuple):
    """Which alerts: where everything agrees that is there."""

    is_open: bool | None = None
    status: str | None = None
    level: str | None = None
    kind: str | None = None
    alert_rule: str | None = None
    portfolio: str | None = None

    @property
    def filters(self) -> tuple[str, list[object]]:
        """Write the conditions, and their parameters."""
        columns = {
            "status": self.status,
            "level": self.level,
            "kind": self.kind,
            "alert_rule": self.alert_rule,
            "subject_portfolio": self.portfolio,
        }
        named = {name: value for name, value in columns.items() if value is not None}
        filters = "".join(f" AND {name} = %s" for name in named)
        if self.is_open is not None:
            filters += f" AND ended_position IS {'' if self.is_open else 'NOT '}NULL"
        return filters, list(named.values())


class Count(NamedTuple):
    """How many open alerts there are of one level and kind."""

    level: str
    kind: str
    is_acknowledged: bool
    alerts: int


def alerts_of(
    readable: Readable,
    *,
    tenant: str,
    wanted: Wanted,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[AlertRow]:
    """List alerts, newest first.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"alerts {tenant} {tuple(wanted)}"
    before = _POSITION_MAX if cursor is None else read_cursor(question, cursor, int)
    filters, parameters = wanted.filters
    statement = _ALERTS.format(filters=filters)
    answered = ask(
        readable, "alerts", statement, [tenant, before, *parameters, limit + 1], order=_BY_POSITION
    )
    rows = [AlertRow(*values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda row: row.position)


def alerts_changed(tenants: Sequence[str], *, after: int | None) -> Question:
    """Ask for alerts of tenants that changed behind a position, ended ones too; or for all open."""
    names = array_text(tenants)
    if after is None:
        return Question("alerts", _OPEN, {"tenants": names}, _alert)
    parameters = {"tenants": names, "after": after, "limit": CHANGES_MAX + 1}
    return Question("alerts", _CHANGED, parameters, _alert, limit=CHANGES_MAX)


def _alert(values: tuple[Any, ...]) -> AlertRow:
    return AlertRow(*values)


def alert_of(
    readable: Readable, *, tenant: str, alert: UUID
) -> tuple[Answer[AlertRow], list[OccurrenceRow]]:
    """Give one alert, and what was told of it, oldest first."""
    answered = ask(readable, "alerts", _ALERT, (tenant, alert))
    row = AlertRow(*answered.rows[0]) if answered.rows else None
    told: Answered = ask(
        readable,
        "alerts",
        _HISTORY,
        (tenant, alert, HISTORY_MAX),
        order="ORDER BY answer.position",
    )
    found = Answer(row, answered.position, answered.market_position)
    return found, [OccurrenceRow(*values) for values in told.rows]


def open_counts(readable: Readable, *, tenant: str) -> Page[Count]:
    """Count open alerts by level and kind."""
    order = "ORDER BY answer.level, answer.kind, answer.is_acknowledged"
    answered = ask(readable, "alerts", _COUNTS, (tenant,), order=order)
    rows = [Count(*values) for values in answered.rows]
    return Page(rows, answered.position, answered.market_position)


def rules_now(
    readable: Readable,
    *,
    tenant: str,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[RuleRow]:
    """List the rules in force, by name.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"alert rules {tenant}"
    after = "" if cursor is None else read_cursor(question, cursor, str)
    statement = _RULES.format(filters="AND status = 'in_force'")
    order = "ORDER BY answer.alert_rule"
    answered = ask(readable, "alerts", statement, (tenant, after, limit + 1), order=order)
    rows = [RuleRow(*values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda row: row.alert_rule)


def rule_versions(
    readable: Readable,
    *,
    tenant: str,
    name: str,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[RuleRow]:
    """List every version of a rule, newest first.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"alert rule {tenant} {name}"
    before = 2**31 - 1 if cursor is None else read_cursor(question, cursor, int)
    parameters = (tenant, name, before, limit + 1)
    order = "ORDER BY answer.version DESC"
    answered = ask(readable, "alerts", _VERSIONS, parameters, order=order)
    rows = [RuleRow(*values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda row: row.version)
