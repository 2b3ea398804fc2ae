"""The read model `alerts`: the same tables however batches are cut, and whatever comes late."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
    AlertSubject,
)
from domain.alerts.terms import AlertKind, AlertLevel, AlertScope, AlertStep, AlertTerms
from domain.identity import alert_rules_stream, alert_stream
from infra.database import Database
from projections.alerts.model import Alerts
from projections.alerts.queries import Wanted, alert_of, alerts_of, open_counts
from projections.asking import Readable
from projections.read_model import ReadModel
from tests.projections.folding import cut, difference, fold_by_hand
from tests.projections.story import ACME, Story

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]
NOON = datetime(2024, 1, 8, 12, tzinfo=UTC)
TERMS = AlertTerms(
    kind=AlertKind.LEVERAGE,
    scope=AlertScope(),
    raise_above=Decimal(2),
    clear_at=Decimal(1),
    steps=(AlertStep(level=AlertLevel.WARNING, channels=("desk",)),),
)


def raised(number: int) -> AlertRaised:
    """An alert about the portfolio of a number."""
    return AlertRaised(
        alert=UUID(int=number),
        alert_rule="gearing",
        version=1,
        kind=AlertKind.LEVERAGE,
        subject=AlertSubject(portfolio=f"fund-{number}"),
        level=AlertLevel.WARNING,
        channels=("desk",),
        raise_above=Decimal(2),
        clear_at=Decimal(1),
        actual=Decimal(3),
        headroom=Decimal(-1),
        contributors=(),
        calculation="alerts 1",
        since=NOON,
        at=NOON,
        as_of=number,
        market_position=number,
    )


def later(number: int, choice: int) -> AlertEvent:
    """Something that is told of it then."""
    alert, at = UUID(int=number), NOON + timedelta(minutes=choice)
    return (
        AlertEscalated(
            alert=alert, step=1, level=AlertLevel.CRITICAL, channels=("head",), at=at, as_of=9
        ),
        AlertAcknowledged(alert=alert, acknowledged_by="two"),
        AlertCleared(calculation="alerts 1", alert=alert, at=at, as_of=9, actual=Decimal(1)),
        AlertResolved(alert=alert, resolved_by="two", reason="hedged"),
        AlertRetracted(calculation="alerts 1", alert=alert, actual=Decimal("1.5"), at=at, as_of=9),
    )[choice]


def tell(story: Story, *events: AlertEvent) -> None:
    """Tell events of alerts."""
    for event in events:
        story.tell((ACME, alert_stream(ACME, event.alert), event))


class TestAnAlert:
    """One row, that says what became of it; and a row for all that was told of it."""

    def test_keeps_its_first_end_but_for_a_retraction(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Cleared while somebody resolved it, escalated too late, retracted at last."""
        tell(story, raised(1), later(1, 2), later(1, 3), later(1, 0), later(1, 4), raised(2))
        fold(Alerts())
        readable = Readable(connection)

        found, history = alert_of(readable, tenant=ACME, alert=UUID(int=1))
        is_open = alerts_of(readable, tenant=ACME, wanted=Wanted(is_open=True))

        assert found.row is not None
        assert (found.row.status, found.row.ended_actual) == ("retracted", Decimal("1.5"))
        assert (found.row.level, found.row.step, found.row.ended_by) == ("warning", 0, None)
        assert [each.occurrence for each in history] == [
            "raised", "cleared", "resolved", "escalated", "retracted",
        ]  # fmt: skip
        assert [each.alert for each in is_open.rows] == [UUID(int=2)]
        assert [tuple(each) for each in open_counts(readable, tenant=ACME).rows] == [
            ("warning", "leverage", False, 1)
        ]


@pytest.fixture
def tables(database: Database) -> Iterator[Connection]:
    """A connection to a database without a log: these folds meet events made by hand."""
    with psycopg.connect(database.app_conninfo, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        yield connection


class TestCuttingTheLog:
    """Where a batch ends leaves no trace in any table."""

    @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        told=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4)), max_size=12),
        sizes=st.lists(st.integers(1, 9), min_size=1),
    )
    def test_any_batches_give_the_same_tables(
        self, tables: Connection, told: list[tuple[int, int]], sizes: list[int]
    ) -> None:
        """Rules that come and go, and alerts to which anything happens, in any order."""
        story, rules = Story(), alert_rules_stream(ACME)
        for version in (1, 2):
            declared = AlertRuleDeclared(
                alert_rule="gearing", version=version, declared_by="one", terms=TERMS
            )
            story.tell((ACME, rules, declared))
        tell(story, *(raised(number) for number in (1, 2, 3)))
        tell(story, *(later(*each) for each in told))
        ended = AlertRuleRetired(alert_rule="gearing", version=2, retired_by="one", reason="noise")
        story.tell((ACME, rules, ended))
        events = story.recorded()
        batches = cut(events, sizes)
        fold_by_hand(tables, Alerts(), "whole", [events])

        fold_by_hand(tables, Alerts(), "pieces", batches)
        assert difference(tables, Alerts(), live="pieces", rebuilt="whole") is None

        fold_by_hand(tables, Alerts(), "pieces", batches, forgets=True)
        assert difference(tables, Alerts(), live="pieces", rebuilt="whole") is None
