"""Struck figures are made again of the log, as of their inputs; each difference is named."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import pytest

from domain.figures import FiguresStruck
from domain.identity import figures_stream
from eventstore.log import Log
from infra.database import Database
from projections.asking import Readable
from projections.findings import Check
from projections.performance.figures import figures_due
from projections.performance.model import PerformanceModel
from projections.rebuild import rebuild
from projections.verification import verify
from tests.projections.story import ACME, DAY_ONE, Story

Connection = psycopg.Connection[Any]
APPLE, FUND, RIVAL = "AAPL", "growth", "income"
SESSIONS = 63
PERFORMANCE = PerformanceModel()


@pytest.fixture(autouse=True)
def told(log: Log, story: Story) -> None:
    """Two portfolios with something held over enough sessions for a VaR."""
    story.register(APPLE)
    for name in (FUND, RIVAL):
        story.open(name)
        story.deposit(name, "1000")
        story.trade(name, APPLE, "7", "20", day=DAY_ONE)
    for number in range(SESSIONS):
        story.close(DAY_ONE + timedelta(days=number), AAPL=str(20 + number * 7 % 11))
    story.append_to(log)


def struck(log: Log, database: Database, connection: Connection) -> list[FiguresStruck]:
    """What is due of the last session, made of tables that stand at the log's head."""
    rebuild(PERFORMANCE, log, database.app_conninfo)
    found = figures_due(Readable(connection), behind=0, limit=1_000).due
    last = max(each.struck.session for each in found)
    return [each.struck for each in found if each.struck.session == last]


def tell(story: Story, log: Log, *figures: FiguresStruck) -> None:
    """Tell them, behind facts that change what is known of that session."""
    story.trade(FUND, APPLE, "100", "1", day=DAY_ONE)
    story.correct(DAY_ONE + timedelta(days=SESSIONS - 1), APPLE, "40")
    for each in figures:
        story.tell((ACME, figures_stream(ACME, each.portfolio), each))
    story.append_to(log)


def checked(log: Log, database: Database, limit: int = 10) -> Check:
    """Verify, and give the check of figures; all others hold."""
    rebuild(PERFORMANCE, log, database.app_conninfo)
    report = verify(log, database.app_conninfo, [PERFORMANCE], figures_max=limit)
    (found,) = [each for each in report.checks if each.name.startswith("struck figures")]
    assert [each.name for each in report.checks if not each.ok and each is not found] == []
    return found


def altered(event: FiguresStruck, name: str, **changes: object) -> FiguresStruck:
    """The same with one figure changed."""
    figures = tuple(
        msgspec.structs.replace(each, **changes) if each.name == name else each
        for each in event.figures
    )
    return msgspec.structs.replace(event, figures=figures)


class TestVerifyingFigures:
    """As of their inputs, whatever was told since."""

    def test_made_again_they_are_the_same(
        self, log: Log, log_database: Database, connection: Connection, story: Story
    ) -> None:
        """NAV, VaR at both levels and the hypothetical P&L of both portfolios."""
        figures = struck(log, log_database, connection)
        tell(story, log, *figures)

        found = checked(log, log_database)

        assert all(each.value is not None for event in figures for each in event.figures)
        assert found == Check("struck figures are what the log gives", counted=8)

    @pytest.mark.parametrize("name", ["nav", "value_at_risk_historical_1d_99", "hypothetical_pnl"])
    def test_one_that_the_log_does_not_give_is_named(
        self, log: Log, log_database: Database, connection: Connection, story: Story, name: str
    ) -> None:
        """With its position, whose it is, what was struck and what is made."""
        one, other = struck(log, log_database, connection)
        told = next(each for each in other.figures if each.name == name).value
        assert told is not None
        wrong = altered(other, name, value=told + Decimal("0.01"))
        tell(story, log, one, wrong)

        found = checked(log, log_database)

        assert found.difference == (
            f"position {log.head().position}, {ACME} / {RIVAL} / {other.session}, {name}: "
            f"struck {told + Decimal('0.01'):f}, made {told:f}"
        )

    def test_one_without_a_value_has_its_reason(
        self, log: Log, log_database: Database, connection: Connection, story: Story
    ) -> None:
        """A value that was there cannot have been lacking."""
        one, _ = struck(log, log_database, connection)
        tell(story, log, altered(one, "nav", value=None, reason="nav_incomplete"))

        found = checked(log, log_database)

        assert found.difference is not None
        assert "nav: struck nav_incomplete, made " in found.difference

    def test_of_another_calculation_are_not_comparable(
        self, log: Log, log_database: Database, connection: Connection, story: Story
    ) -> None:
        """Counted and said, and no fault; where they are the same, nothing is said."""
        one, other = struck(log, log_database, connection)
        changed = altered(one, "nav", value=Decimal(1), calculation="performance 1")
        same = altered(other, "nav", calculation="performance 1")
        tell(story, log, changed, same)

        found = checked(log, log_database)

        assert found == Check(
            "struck figures are what the log gives",
            counted=8,
            note="1 of another calculation differ: not comparable",
        )

    def test_of_a_session_that_was_not_struck_are_named(
        self, log: Log, log_database: Database, connection: Connection, story: Story
    ) -> None:
        """A day before anything was held."""
        one, _ = struck(log, log_database, connection)
        early = msgspec.structs.replace(one, session=DAY_ONE - timedelta(days=1))
        tell(story, log, early)

        found = checked(log, log_database)

        assert "no such session was struck" in str(found.difference)

    def test_are_held_against_the_log_so_many_at_most(
        self, log: Log, log_database: Database, connection: Connection, story: Story
    ) -> None:
        """Those told last."""
        one, other = struck(log, log_database, connection)
        tell(story, log, altered(one, "nav", value=Decimal(1)), other)

        assert checked(log, log_database, 1).ok
        assert checked(log, log_database, 0).counted == 0
        assert not checked(log, log_database, 2).ok
