"""The endpoints of alerts: rules and their versions, alerts, one with its history, counts."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import msgspec
from starlette.responses import Response

from domain.alerts.alert import AlertStatus
from domain.alerts.events import Contributor
from domain.alerts.terms import AlertKind, AlertLevel, AlertTerms
from gateway.access import Action
from gateway.decoding import Name
from gateway.interface import Call, Endpoint, not_found
from gateway.openapi import PathParameter
from projections.alert_deliveries import deliveries_of
from projections.alerts import queries
from projections.alerts.tables import AlertRow, OccurrenceRow, RuleRow
from projections.asking import Readable
from read_api import alert_shapes as shapes
from read_api.asking import Asked, Asking, PageAsked
from read_api.declaring import query
from read_api.parameters import NAME
from read_api.shaping import page_shaped, plain, shaped

RULE = PathParameter("alert_rule", NAME, "The rule's name.")
ALERT = PathParameter(
    "alert", r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z", "The alert's id."
)
_read_terms = msgspec.json.Decoder(AlertTerms).decode
_read_contributors = msgspec.json.Decoder(tuple[Contributor, ...]).decode
_read_texts = msgspec.json.Decoder(tuple[str, ...]).decode


class AlertsAsked(PageAsked, kw_only=True):
    """Which alerts: where everything agrees that is given."""

    is_open: bool | None = None
    status: AlertStatus | None = None
    level: AlertLevel | None = None
    kind: AlertKind | None = None
    alert_rule: Name | None = None
    portfolio: Name | None = None


class DeliveriesAsked(PageAsked, kw_only=True):
    """Which deliveries."""

    status: Literal["due", "delivered", "dead"] | None = None
    channel: Name | None = None


class AlertQueries:
    """The endpoints' coroutines, over one way to ask."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def alerts(self, call: Call) -> Response:
        """List alerts."""
        asked: AlertsAsked = call.parameters
        wanted = queries.Wanted(
            asked.is_open, asked.status, asked.level, asked.kind, asked.alert_rule, asked.portfolio
        )

        def query(readable: Readable) -> shapes.AlertsPage:
            page = queries.alerts_of(readable, wanted=wanted, **_paged(call, asked))
            return page_shaped(shapes.AlertsPage, page, map(alert_shaped, page.rows))

        return await self._ask(call, query)

    async def alert(self, call: Call) -> Response:
        """Tell one alert."""
        alert = UUID(call.named(ALERT))

        def query(readable: Readable) -> shapes.OneAlert:
            found, told = queries.alert_of(readable, tenant=call.principal.tenant, alert=alert)
            if found.row is None:
                raise not_found()
            history = tuple(map(_occurrence, told))
            return shaped(shapes.OneAlert, found, alert=alert_shaped(found.row), history=history)

        return await self._ask(call, query)

    async def counts(self, call: Call) -> Response:
        """Count open alerts."""

        def query(readable: Readable) -> shapes.AlertCounts:
            page = queries.open_counts(readable, tenant=call.principal.tenant)
            counted: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
            for each in page.rows:
                counted[each.level, each.kind][0] += each.alerts
                counted[each.level, each.kind][1] += 0 if each.is_acknowledged else each.alerts
            items = tuple(
                shapes.OpenAlerts(level=level, kind=kind, alerts=alerts, unacknowledged=untaken)
                for (level, kind), (alerts, untaken) in sorted(counted.items())
            )
            return shaped(shapes.AlertCounts, page, items=items)

        return await self._ask(call, query)

    async def deliveries(self, call: Call) -> Response:
        """List deliveries."""
        asked: DeliveriesAsked = call.parameters

        def query(readable: Readable) -> shapes.AlertDeliveriesPage:
            page = deliveries_of(
                readable, status=asked.status, channel=asked.channel, **_paged(call, asked)
            )
            items = [shaped(shapes.AlertDelivery, row) for row in page.rows]
            return page_shaped(shapes.AlertDeliveriesPage, page, items)

        return await self._ask(call, query)

    async def rules(self, call: Call) -> Response:
        """List rules in force."""
        asked: PageAsked = call.parameters

        def query(readable: Readable) -> shapes.AlertRulesPage:
            page = queries.rules_now(readable, **_paged(call, asked))
            return page_shaped(shapes.AlertRulesPage, page, map(_rule, page.rows))

        return await self._ask(call, query)

    async def rule(self, call: Call) -> Response:
        """List every version of a rule."""
        asked: PageAsked = call.parameters
        name = call.named(RULE)

        def query(readable: Readable) -> shapes.AlertRulesPage:
            page = queries.rule_versions(readable, name=name, **_paged(call, asked))
            if not page.rows and asked.cursor is None:
                raise not_found()
            return page_shaped(shapes.AlertRulesPage, page, map(_rule, page.rows))

        return await self._ask(call, query)

    async def _ask(self, call: Call, query: Callable[[Readable], Any]) -> Response:
        """Ask one partition: every one of them holds all alerts."""
        one = self._asking.any_partition
        return await self._asking.answer(call, "alerts", query, one)


def alert_endpoints(asking: Asking) -> Sequence[Endpoint]:
    """Give every address of alerts, and of their rules."""
    alerts, read = AlertQueries(asking), Action.READ_ALERTS
    return (
        *_rule_endpoints(alerts),
        query(
            "/v1/alerts",
            "list_alerts",
            "Alerts, newest first",
            read,
            AlertsAsked,
            shapes.AlertsPage,
            alerts.alerts,
        ),
        query(
            "/v1/alerts/counts",
            "count_alerts",
            "Open alerts by level and kind",
            read,
            Asked,
            shapes.AlertCounts,
            alerts.counts,
        ),
        query(
            "/v1/alerts/{alert}",
            "get_alert",
            "One alert with all that was told of it",
            read,
            Asked,
            shapes.OneAlert,
            alerts.alert,
            ALERT,
        ),
        query(
            "/v1/alert-deliveries",
            "list_alert_deliveries",
            "Deliveries of alerts, newest first: due, delivered, or given up",
            read,
            DeliveriesAsked,
            shapes.AlertDeliveriesPage,
            alerts.deliveries,
        ),
    )


def _rule_endpoints(alerts: AlertQueries) -> Sequence[Endpoint]:
    read = Action.READ_ALERTS
    return (
        query(
            "/v1/alert-rules",
            "list_alert_rules",
            "Alert rules in force, by name",
            read,
            PageAsked,
            shapes.AlertRulesPage,
            alerts.rules,
        ),
        query(
            "/v1/alert-rules/{alert_rule}",
            "get_alert_rule",
            "Every version of an alert rule, newest first",
            read,
            PageAsked,
            shapes.AlertRulesPage,
            alerts.rule,
            RULE,
        ),
    )


def alert_shaped(row: AlertRow) -> shapes.Alert:
    """Shape one alert."""
    return shaped(
        shapes.Alert,
        row,
        portfolio=row.subject_portfolio,
        instrument=row.subject_instrument,
        source=row.subject_source,
        limit=plain(row.raise_above),
        contributors=tuple(
            shaped(shapes.AlertContributor, each) for each in _read_contributors(row.contributors)
        ),
    )


def _occurrence(row: OccurrenceRow) -> shapes.AlertOccurrence:
    return shaped(shapes.AlertOccurrence, row, channels=_read_texts(row.channels))


def _rule(row: RuleRow) -> shapes.AlertRule:
    terms = _read_terms(row.terms)
    return shaped(
        shapes.AlertRule,
        row,
        scope=shaped(shapes.AlertRuleScope, terms.scope),
        raise_above=plain(terms.raise_above),
        clear_at=plain(terms.clear_at),
        lasting_seconds=terms.lasting_seconds,
        window_seconds=terms.window_seconds,
        confidence=_optional(terms.confidence),
        steps=tuple(shaped(shapes.AlertRuleStep, each) for each in terms.steps),
    )


def _optional(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")


def _paged(call: Call, asked: PageAsked) -> dict[str, Any]:
    return {"tenant": call.principal.tenant, "cursor": asked.cursor, "limit": asked.limit}
