"""Verification sees what was done to cash by value date, in the log and in the table."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from eventstore.log import Log
from infra.database import Database
from projections.cash.model import Cash
from projections.findings import Report
from projections.rebuild import rebuild
from projections.verification import verify
from tests.projections.story import DAY_ONE, Story

FUND, APPLE = "growth", "AAPL"
SETTLES = "what settles was pending in every event"
PENDING = "cash pending in the table is that of the log"
RUNG = "INSERT INTO cash.ladder VALUES ('acme', 'growth', 'EUR', '2024-03-06', {}, 0, 1)"
DUE = DAY_ONE + timedelta(days=2)

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def told(log: Log, log_database: Database, story: Story) -> None:
    """A purchase that is settled, one that is busted then, and one pending still."""
    story.register(APPLE)
    story.open(FUND)
    story.deposit(FUND, "1000")
    busted = story.trade(FUND, APPLE, "2", "10")
    story.trade(FUND, APPLE, "1", "7")
    story.settle(FUND, DUE)
    story.bust(busted)
    story.trade(FUND, APPLE, "1", "9", day=DAY_ONE + timedelta(days=1))
    story.append_to(log)
    rebuild(Cash(), log, log_database.app_conninfo)


@pytest.fixture
def owner(log_database: Database) -> Iterator[Connection]:
    """A connection as the owner of the log, who can do what the application cannot."""
    with psycopg.connect(log_database.owner_conninfo, autocommit=True) as connection:
        yield connection


def failed(log: Log, database: Database) -> dict[str, str]:
    """Verify the model; give the checks that found a difference."""
    report: Report = verify(log, database.app_conninfo, (Cash(),))
    return {check.name: check.difference for check in report.checks if check.difference}


class TestVerifyingSettlement:
    """What is pending and what settles."""

    def test_an_untouched_system_holds(self, log: Log, log_database: Database) -> None:
        """Settled, taken back and pending."""
        assert failed(log, log_database) == {}

    @pytest.mark.parametrize(
        ("written", "altered"), [('"-27"', '"-26"'), ('"973"', '"974"'), ("03-06", "03-05")]
    )
    def test_an_altered_settlement_is_named(
        self, log: Log, log_database: Database, owner: Connection, written: str, altered: str
    ) -> None:
        """Its amount, what is settled then, or its date."""
        statement = (
            "UPDATE log.events SET data = convert_to(replace(convert_from(data, 'UTF8'), %s, %s),"
            " 'UTF8') WHERE event_type = 'portfolio.cash_settled.v1'"
        )
        assert owner.execute(statement, (written, altered)).rowcount == 1

        assert "acme / growth / USD on" in failed(log, log_database)[SETTLES]

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE cash.ladder SET pending_out = pending_out - 1 WHERE pending_out < 0",
            "DELETE FROM cash.ladder WHERE pending_out > 0",
            RUNG.format("1, 0, 0, 0, 0"),
            RUNG.format("0, 0, 0, 0, 1"),
            "UPDATE cash.ladder SET awaited_in = 1 WHERE pending_out < 0",
        ],
    )
    def test_an_altered_rung_is_named(
        self, log: Log, log_database: Database, connection: Connection, statement: str
    ) -> None:
        """Beside the rebuild that differs too."""
        assert connection.execute(statement.encode()).rowcount == 1

        assert "acme / growth / " in failed(log, log_database)[PENDING]
