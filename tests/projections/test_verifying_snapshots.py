"""Verification holds snapshots of portfolios against replay."""

import psycopg
import pytest

from domain.identity import portfolio_stream
from domain.portfolio.state import Portfolio
from eventstore.log import Log
from eventstore.snapshots import Snapshot
from infra.database import Database
from projections.findings import Check
from projections.snapshot_checks import check_snapshots
from projections.verification import ignore_watch
from schemas.codec import decode
from schemas.snapshots import FORM, encode_portfolio
from tests.projections.portfolio_story import charge
from tests.projections.story import ACME, Story

FUND = "growth"
STREAM = portfolio_stream(ACME, FUND)


@pytest.fixture
def held(log: Log, story: Story) -> Portfolio:
    """A portfolio that bought, sold and was charged, as its stream says."""
    story.open(FUND)
    story.deposit(FUND, "1000")
    story.register("AAPL")
    story.trade(FUND, "AAPL", "10", "10", fee="1")
    charge(story, FUND, "2.5")
    story.append_to(log)
    portfolio = Portfolio()
    for each in log.read_stream(STREAM):
        portfolio.apply(decode(each.event_type, each.data))  # type: ignore[arg-type]
    return portfolio


def checked(log: Log, limit: int = 20) -> Check:
    """Check what is there."""
    return check_snapshots(log, log.head().position, limit, ignore_watch)


def keep(log: Log, portfolio: Portfolio) -> None:
    """Keep a snapshot of a portfolio."""
    log.keep_snapshot(Snapshot(STREAM, FORM, portfolio.version, encode_portfolio(portfolio)))


class TestVerifyingSnapshots:
    """They are no part of the truth, and must agree with it."""

    def test_holds_where_they_are_what_the_events_say(self, log: Log, held: Portfolio) -> None:
        """And counts them; none need be checked."""
        keep(log, held)

        assert checked(log) == Check("snapshots equal replay", counted=1)
        assert checked(log, 0).counted == 0

    def test_names_the_slot_that_differs(self, log: Log, held: Portfolio) -> None:
        """Of the portfolio, or of one book."""
        instrument, book = next(iter(held.books.items()))
        book.fees += 1
        keep(log, held)

        assert f"fees of the book of {instrument}" in (checked(log).difference or "")

    def test_names_cash_that_differs(self, log: Log, held: Portfolio) -> None:
        """A cent is enough."""
        held.cash["USD"] += 1
        keep(log, held)

        assert (checked(log).difference or "").endswith(": cash")

    def test_finds_damage(self, log: Log, held: Portfolio, log_database: Database) -> None:
        """Though the desk would only leave it aside."""
        keep(log, held)
        with psycopg.connect(log_database.owner_conninfo) as owner:
            owner.execute("UPDATE log.snapshots SET data = 'nonsense'")

        assert "bytes" in (checked(log).difference or "")

    def test_without_the_table_finds_none(
        self, log: Log, held: Portfolio, log_database: Database
    ) -> None:
        """A log that was made before there were any."""
        with psycopg.connect(log_database.owner_conninfo) as owner:
            owner.execute("DROP TABLE log.snapshots")

        assert checked(log) == Check("snapshots equal replay")
