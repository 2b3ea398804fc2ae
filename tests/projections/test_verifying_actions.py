"""Verification sees what was done to corporate actions, in the log and in the tables."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from domain.corporate_actions import CashDividend, SpinOff, Split
from eventstore.log import Log
from infra.database import Database
from projections.cash.model import Cash
from projections.findings import Report
from projections.positions.model import Positions
from projections.rebuild import rebuild
from projections.verification import verify
from tests.domain.blotter import LATER, Day, Declaration, Registration, Reversal
from tests.domain.scenes import APPLE, FUND, MONDAY, TUESDAY, WEDNESDAY, told
from tests.projections.acted import ActedStory

APPLIED = "every action is applied as it was declared, and once"
PAID = "what is paid of a dividend was due in every event"
CASH = "cash legs add up to the balance in every event"
LOTS = "lots add up to the position in every event"
TIED = "each cash leg is tied to its event"
DUE = "dividends due in the table are those of the log"
OF_ACTIONS = (APPLIED, PAID, DUE)
UNTOLD = [
    "receipts point to events",
    "every block is allotted as it was filled, each allotment captured once",
    "what a transfer takes from one portfolio it brings into another",
    *OF_ACTIONS,
    "snapshots equal replay",
]
"""What counts nothing in a story without receipts, snapshots, blocks, transfers and actions."""


Connection = psycopg.Connection[Any]
SPLIT = Split(
    action="split-1", instrument=APPLE, ex_date=TUESDAY, new=3, old=2, fraction_price=Decimal(6)
)
WRONG = Split(action="split-2", instrument=APPLE, ex_date=TUESDAY, new=5, old=1)
SPIN_OFF = SpinOff(
    action="spin-1",
    instrument=APPLE,
    ex_date=WEDNESDAY,
    child=LATER,
    new=1,
    old=2,
    cost_share=Decimal("0.25"),
)
DIVIDEND = CashDividend(
    action="dividend-1",
    instrument=APPLE,
    ex_date=TUESDAY,
    per_unit=Decimal("0.5"),
    currency="USD",
    withholding_rate=Decimal("0.2"),
    pay_date=WEDNESDAY,
)


@pytest.fixture(autouse=True)
def acted(log: Log, log_database: Database) -> None:
    """All kinds of actions, one reversed, one restated by a late trade, and a dividend paid."""
    went = ActedStory()
    bought = told("t-1", quantity=Decimal(5), trade_date=MONDAY)
    late = told("t-2", quantity=Decimal(2), trade_date=MONDAY - timedelta(days=3))
    went.tell(Registration(), bought)
    went.tell(*(Declaration(each) for each in (SPLIT, WRONG, SPIN_OFF, DIVIDEND)))
    went.tell(Day(WEDNESDAY), Reversal(WRONG), Day(WEDNESDAY))
    went.settle(WEDNESDAY)
    went.tell(late)
    went.story.append_to(log)
    for model in (Cash(), Positions()):
        rebuild(model, log, log_database.app_conninfo)


@pytest.fixture
def owner(log_database: Database) -> Iterator[Connection]:
    """A connection as the owner of the log, who can do what the application cannot."""
    with psycopg.connect(log_database.owner_conninfo, autocommit=True) as connection:
        yield connection


def failed(log: Log, database: Database) -> dict[str, str]:
    """Verify the models; give the checks that found a difference."""
    report: Report = verify(log, database.app_conninfo, (Cash(), Positions()))
    return {check.name: check.difference for check in report.checks if check.difference}


ALTERED = [
    ("portfolio.corporate_action_applied", '"new":3', '"new":4', APPLIED, "was not declared so"),
    ("portfolio.corporate_action_applied", '"is_restated":true', '"is_restated":false', APPLIED,
     "applied twice"),
    ("portfolio.corporate_action_unapplied", '"split-2"', '"split-9"', APPLIED,
     "was not declared so"),
    ("instrument.corporate_action_reversed", '"split-2"', '"split-1"', APPLIED,
     "it was not reversed"),
    ("portfolio.corporate_action_applied", '"quantity_change":"2"', '"quantity_change":"3"', LOTS,
     "changes sum to"),
    ("portfolio.corporate_action_applied", '"cash_after":"', '"cash_after":"1', CASH,
     "legs sum to"),
    ("portfolio.corporate_action_applied", '"gross_change":"', '"gross_change":"1', PAID,
     "changes sum to"),
    ("portfolio.lots_spun_off", '"pages":1', '"pages":2', LOTS, "a page nobody expects"),
    ("portfolio.lots_spun_off", '"action":"spin-1"', '"action":"spin-2"', APPLIED,
     "was not declared so"),
    ("portfolio.dividend_paid", '"gross":"', '"gross":"1', PAID, "was due, event says"),
]  # fmt: skip


class TestVerifyingActions:
    """Applications, reversals, lots spun off, dividends."""

    def test_an_untouched_system_holds(self, log: Log, log_database: Database) -> None:
        """Applied, restated, reversed and paid; each check counts something."""
        report = verify(log, log_database.app_conninfo, (Cash(), Positions()))

        assert {each.name: each.difference for each in report.checks if each.difference} == {}
        counted = {check.name for check in report.checks if check.counted}
        assert {APPLIED, PAID, CASH, LOTS, TIED, DUE} <= counted

    @pytest.mark.parametrize(("kind", "written", "altered", "check", "finding"), ALTERED)
    def test_an_altered_event_is_named(
        self,
        log: Log,
        log_database: Database,
        owner: Connection,
        kind: str,
        written: str,
        altered: str,
        check: str,
        finding: str,
    ) -> None:
        """By what it says of the terms, of quantities, of cash, of what is due."""
        statement = (
            "UPDATE log.events SET data = convert_to(replace(convert_from(data, 'UTF8'), %s, %s),"
            " 'UTF8') WHERE event_type = %s AND position(%s IN convert_from(data, 'UTF8')) > 0"
        )
        values = (written, altered, f"{kind}.v1", written)
        assert owner.execute(statement, values).rowcount

        assert finding in failed(log, log_database)[check]

    @pytest.mark.parametrize(
        ("statement", "check"),
        [
            ("UPDATE cash.receivables SET paid_gross = paid_gross + 1", DUE),
            ("DELETE FROM cash.receivables", DUE),
            (
                "DELETE FROM cash.movements WHERE kind = 'dividend'",
                "cash movements sum to balances",
            ),
            ("DELETE FROM cash.movements WHERE kind = 'cash_in_lieu'", TIED),
            (
                "UPDATE cash.balances SET dividends = dividends + 1, fees = fees - 1",
                "cash movements sum to totals by kind",
            ),
            ("UPDATE positions.applied SET held = held + 1", "positions equals a rebuild"),
        ],
    )
    def test_an_altered_row_is_named(
        self,
        log: Log,
        log_database: Database,
        connection: Connection,
        statement: str,
        check: str,
    ) -> None:
        """Beside the rebuild that differs too."""
        assert connection.execute(statement.encode()).rowcount

        assert check in failed(log, log_database)

    def test_the_holder_has_what_is_left(self, log: Log, connection: Connection) -> None:
        """Seven by three for two are ten and a half, paid for; a quarter of the cost spun off."""
        assert log.head().position
        found = connection.execute(
            "SELECT instrument, quantity FROM positions.positions WHERE portfolio = %s ORDER BY 1",
            (FUND,),
        ).fetchall()

        assert [tuple(row) for row in found] == [(APPLE, 10), (LATER, 5)]
