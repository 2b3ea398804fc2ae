"""Verification sees what was done to fees, interest and exchanges, in the log and in tables."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from domain.money import Money
from domain.portfolio.life import PortfolioRenamed
from eventstore.log import Log
from infra.database import Database
from projections.cash.model import Cash
from projections.findings import Report
from projections.positions.model import Positions
from projections.read_model import ReadModel
from projections.rebuild import rebuild
from projections.verification import verify
from tests.projections.portfolio_story import book_interest, charge, exchange, tell
from tests.projections.story import Story

FUND = "growth"
MODELS: tuple[ReadModel, ...] = (Positions(), Cash())
LEGS = "cash legs add up to the balance in every event"
TO_JSON = "UPDATE log.events SET data = convert_to(replace(convert_from(data, 'UTF8'),"

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def told(log: Log, log_database: Database, story: Story) -> None:
    """A portfolio that was charged, earned, exchanged and was renamed, folded into both models."""
    story.open(FUND)
    story.deposit(FUND, "1000")
    charge(story, FUND, "2.5")
    book_interest(story, FUND, "-0.5")
    exchange(story, FUND, "100", "80", fee=Money(Decimal(3), "EUR"))
    tell(story, PortfolioRenamed(portfolio=FUND, title="Growth"))
    story.append_to(log)
    for model in MODELS:
        rebuild(model, log, log_database.app_conninfo)


@pytest.fixture
def owner(log_database: Database) -> Iterator[Connection]:
    """A connection as the owner of the log, who can do what the application cannot."""
    with psycopg.connect(log_database.owner_conninfo, autocommit=True) as connection:
        yield connection


def verified(log: Log, database: Database) -> Report:
    """Verify both models."""
    return verify(log, database.app_conninfo, MODELS)


def failed(report: Report) -> dict[str, str]:
    """The checks that found a difference."""
    return {check.name: check.difference for check in report.checks if check.difference}


class TestVerifying:
    """Every leg counts."""

    def test_an_untouched_system_holds(self, log: Log, log_database: Database) -> None:
        """One leg each for deposit, fee and interest, two for the exchange."""
        report = verified(log, log_database)

        assert failed(report) == {}
        assert {check.name: check.counted for check in report.checks}[LEGS] == 5

    @pytest.mark.parametrize(
        ("event", "written", "altered", "difference"),
        [
            ("fee_charged", "2.5", "2.6", "USD: legs sum to 997.4, event says 997.5"),
            ("interest_booked", "-0.5", "0.5", "USD: legs sum to 998"),
            ("cash_exchanged", "100", "99", "USD: legs sum to 898"),
            ("cash_exchanged", "80", "81", "EUR: legs sum to 78, event says 77"),
            ("cash_exchanged", "3", "2", "EUR: legs sum to 78, event says 77"),
        ],
    )
    def test_names_an_altered_event(
        self, log: Log, log_database: Database, owner: Connection,
        event: str, written: str, altered: str, difference: str,
    ) -> None:  # fmt: skip
        """Where the sums differ from what the event says."""
        amounts = [f'"amount":"{amount}"' for amount in (written, altered)]
        statement = f"{TO_JSON} %s, %s), 'UTF8') WHERE event_type = %s"
        owner.execute(statement.encode(), (*amounts, f"portfolio.{event}.v1"))

        assert difference in failed(verified(log, log_database))[LEGS]

    @pytest.mark.parametrize(
        ("statement", "check"),
        [
            ("UPDATE cash.balances SET charges = -3", "cash movements sum to totals by kind"),
            ("UPDATE cash.balances SET interest = 1", "cash movements sum to totals by kind"),
            ("UPDATE cash.balances SET exchanged = 7", "cash movements sum to totals by kind"),
            (
                "DELETE FROM cash.movements WHERE kind = 'interest'",
                "each cash leg is tied to its event",
            ),
            ("UPDATE positions.portfolios SET title = 'G'", "positions equals a rebuild"),
            ("UPDATE positions.portfolios SET state = 'closed'", "positions equals a rebuild"),
        ],
    )
    def test_names_an_altered_row(
        self, log: Log, log_database: Database, connection: Connection, statement: str, check: str
    ) -> None:
        """In the table of balances, of movements, of portfolios."""
        connection.execute(statement.encode())
        connection.commit()

        assert check in failed(verified(log, log_database))
