"""Verification finds each kind of tampering, names it, and is silent where all is well."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from eventstore.envelope import NewReceipt
from eventstore.log import Log
from infra.database import Database
from projections.cash.model import Cash
from projections.findings import Report
from projections.positions.model import Positions
from projections.read_model import ReadModel
from projections.rebuild import rebuild
from projections.trades.model import Trades
from projections.verification import verify
from tests.projections.running import running, wait_for_position
from tests.projections.story import DAY_ONE, GLOBEX, Story, opening
from tests.projections.test_verifying_actions import UNTOLD

APPLE, TESLA, FUND = "AAPL", "TSLA", "growth"
MODELS: tuple[ReadModel, ...] = (Positions(), Cash(), Trades())

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def told(log: Log, log_database: Database, story: Story) -> None:
    """A story with everything in it, folded into all models."""
    story.register(APPLE)
    story.open(FUND)
    story.open(FUND, tenant=GLOBEX)
    story.deposit(FUND, "1000")
    story.withdraw(FUND, "10")
    for number in range(5):
        story.trade(FUND, APPLE, "2", str(10 + number), fee="0.1", day=DAY_ONE + timedelta(days=1))
    story.trade(FUND, APPLE, "-7", "20", fee="0.1", day=DAY_ONE + timedelta(days=2))
    story.trade(FUND, APPLE, "1", "9", day=DAY_ONE)
    story.trade(FUND, TESLA, "1", "9", tenant=GLOBEX)
    story.refuse(FUND, APPLE)
    story.register(TESLA)
    story.mark(opening(DAY_ONE), **{APPLE: "12"})
    story.close(DAY_ONE, **{APPLE: "13", TESLA: "14"})
    story.bust(story.trade(FUND, APPLE, "2", "7", fee="0.1"))
    story.amend(story.trade(FUND, APPLE, "1", "8"), "-2", "8", fee="0.1")
    story.settle(FUND, DAY_ONE + timedelta(days=3))
    story.append_to(log)
    for model in MODELS:
        rebuild(model, log, log_database.app_conninfo)


@pytest.fixture
def owner(log_database: Database) -> Iterator[Connection]:
    """A connection as the owner of the log, who can do what the application cannot."""
    with psycopg.connect(log_database.owner_conninfo, autocommit=True) as connection:
        yield connection


def verified(log: Log, database: Database) -> Report:
    """Verify everything."""
    return verify(log, database.app_conninfo, MODELS)


def failed(report: Report) -> dict[str, str]:
    """The checks that found a difference."""
    return {check.name: check.difference for check in report.checks if check.difference}


class TestVerifying:
    """Where nothing was touched, everything holds, and it is said what was looked at."""

    def test_an_untouched_system_holds(self, log: Log, log_database: Database) -> None:
        """Every check counts something, but for what this story has none of."""
        report = verified(log, log_database)

        assert failed(report) == {}
        assert report.ok
        assert report.difference is None
        assert [check.name for check in report.checks if not check.counted] == UNTOLD
        assert {check.name: check.counted for check in report.checks}.items() >= {
            "positions are gapless": log.head().position,
            "every event can be read": log.head().position,
            "every captured, released or amended trade is booked once": 11,
        }.items()

    def test_an_empty_log_holds_once_models_have_begun(
        self, log: Log, log_database: Database, connection: Connection
    ) -> None:
        """Models without tables are named."""
        connection.execute("SET client_min_messages = warning; DROP SCHEMA trades CASCADE")

        report = verified(log, log_database)

        assert list(failed(report)) == ["trades equals a rebuild"]
        assert "no live tables" in str(report.difference)

    def test_it_works_while_the_system_runs(
        self, log: Log, log_database: Database, story: Story
    ) -> None:
        """Live models move on between any two steps."""
        told: list[str] = []

        def go_on(name: str, done: int, total: int) -> None:
            told.append(name)
            assert 0 <= done <= total
            story.deposit(FUND, "1")
            story.trade(FUND, APPLE, "1", "10", fee="0.3")
            story.append_to(log)

        with running(log, log_database, MODELS) as projector:
            report = verify(log, log_database.app_conninfo, MODELS, go_on)
            wait_for_position(projector, log.head().position, *MODELS)
            again = verified(log, log_database)

        assert failed(report) == {}
        assert failed(again) == {}
        assert {"envelope", "bookkeeping", "positions equals a rebuild"} <= set(told)

    def test_it_works_with_a_projector_that_lags(
        self, log: Log, log_database: Database, story: Story
    ) -> None:
        """Tables are judged at their own position, not at the head."""
        story.deposit(FUND, "1")
        story.trade(FUND, APPLE, "1", "10")
        story.append_to(log)

        assert failed(verified(log, log_database)) == {}

    @pytest.mark.parametrize("step", ["bookkeeping", "cash equals a rebuild"])
    def test_it_works_with_tables_that_have_gone_back(
        self, log: Log, log_database: Database, connection: Connection, story: Story, step: str
    ) -> None:
        """A crash of PostgreSQL may take a projector's last commits with it, between two looks."""
        before = log.head().position
        connection.execute("CREATE TEMP TABLE balances_before AS TABLE cash.balances")
        connection.execute("CREATE TEMP TABLE checkpoint_before AS TABLE cash.checkpoint")
        story.deposit(FUND, "1")
        story.append_to(log)
        rebuild(Cash(), log, log_database.app_conninfo)
        steps: list[str] = []

        def crash(name: str, _done: int, _total: int) -> None:
            steps.append(name)
            if name == step and steps.count(name) == 1:
                connection.execute("DELETE FROM cash.balances; DELETE FROM cash.checkpoint")
                connection.execute("INSERT INTO cash.balances TABLE balances_before")
                connection.execute("INSERT INTO cash.checkpoint TABLE checkpoint_before")
                statement = "DELETE FROM cash.movements WHERE position > %s"
                assert connection.execute(statement, (before,)).rowcount == 1

        report = verify(log, log_database.app_conninfo, (Cash(),), crash)

        assert step in steps
        assert failed(report) == {}
        assert all(check.counted for check in report.checks if "balance" in check.name)


BOOKED = "event_type = 'portfolio.trade_booked.v1'"


class TestTamperingWithTheLog:
    """As the log's owner, one row altered: the check that concerns it says where."""

    @pytest.mark.parametrize(
        ("statement", "check", "difference"),
        [
            (
                "DELETE FROM log.events WHERE position = 6",
                "positions are gapless",
                "position 7 follows position 5",
            ),
            (
                "UPDATE log.events SET stream_version = 77 WHERE position = 5",
                "versions of each stream are consecutive",
                "version 77 at position 5",
            ),
            (
                (
                    "UPDATE log.events SET recorded_at = recorded_at + interval '1 s'"
                    " WHERE position = 6"
                ),
                "recorded_at never goes back",
                "position 7 was recorded at",
            ),
            (
                (
                    "UPDATE log.events SET data = convert_to(replace(convert_from(data, 'UTF8'),"
                    " '1000', '1001'), 'UTF8') WHERE position = 4"
                ),
                "cash legs add up to the balance in every event",
                "position 5, acme / growth / USD: legs sum to 991, event says 990",
            ),
            (
                (
                    "UPDATE log.events SET data = convert_to(regexp_replace(convert_from(data,"
                    " 'UTF8'), '\"cash_change\":\"-[0-9.]*\"', '\"cash_change\":\"-1\"'), 'UTF8')"
                    " WHERE position = 7"
                ),
                "cash legs add up to the balance in every event",
                "position 7: cash_change -1, principal -20 less fee 0.1",
            ),
            (
                (
                    "UPDATE log.events SET data = convert_to(replace(convert_from(data, 'UTF8'),"
                    ' \'"quantity":"2"\', \'"quantity":"3"\'), \'UTF8\') WHERE position = 7'
                ),
                "lots add up to the position in every event",
                "position 9, acme / growth / AAPL: changes sum to 5, event says 4",
            ),
            (
                "UPDATE log.events SET data = '{}' WHERE position = 7",
                "every event can be read",
                "position 7, portfolio.trade_booked.v1",
            ),
            (
                (
                    "UPDATE log.events SET data = convert_to(replace(convert_from(data, 'UTF8'),"
                    ' \'"quantity":"2"\', \'"quantity":"3"\'), \'UTF8\')'
                    " WHERE event_type = 'portfolio.trade_unbooked.v1'"
                ),
                "lots add up to the position in every event",
                "acme / growth / AAPL: changes sum to 3, event says 4",
            ),
            (
                "UPDATE log.events SET event_type = 'trade.parked.v1' WHERE position = 6",
                "every captured, released or amended trade is booked once",
                "is booked at position 7, never captured",
            ),
            (
                (
                    "UPDATE log.events SET event_type = 'portfolio.lots_closed.v1',"
                    ' data = \'{"portfolio":"growth","instrument":"X","trade_id":'
                    '"00000000-0000-0000-0000-000000000000","page":1,"pages":1,"closed":[]}\''
                    " WHERE position = 7"
                ),
                "every captured, released or amended trade is booked once",
                "of position 6 is not booked",
            ),
        ],
    )
    def test_each_kind_is_named(
        self,
        log: Log,
        log_database: Database,
        owner: Connection,
        statement: str,
        check: str,
        difference: str,
    ) -> None:
        """Other checks may find a consequence; this one names the place."""
        owner.execute(statement.encode())

        report = verified(log, log_database)

        assert not report.ok
        assert difference in failed(report)[check]

    def test_a_receipt_without_its_event(
        self, log: Log, log_database: Database, owner: Connection, story: Story
    ) -> None:
        """The events at the end of the log were cut off; only the receipt remembers them."""
        story.deposit(FUND, "5")
        (command,) = story.take_commands()
        receipt = NewReceipt(command[0].command_id, "acme", bytes(32), b"{}", 0)
        with log.writing() as transaction:
            transaction.append(command, [receipt])
        assert verified(log, log_database).ok
        head = log.head().position
        owner.execute("DELETE FROM log.events WHERE position = %s", (head,))

        report = verified(log, log_database)

        assert f"names position {head}" in failed(report)["receipts point to events"]

    def test_a_trade_booked_twice(self, log: Log, log_database: Database, story: Story) -> None:
        """A second capture under the same trade, as if two writers had not seen each other."""
        story.name_again()
        story.trade(FUND, APPLE, "1", "10")
        story.name_again()
        story.trade(FUND, APPLE, "1", "10")
        story.append_to(log)

        report = verified(log, log_database)

        check = "each trade is captured once, then released, amended or busted"
        assert "trade.captured.v1 at position" in failed(report)[check]


class TestTamperingWithTables:
    """One row of a live table altered: the comparison names table, key, column, both values."""

    @pytest.mark.parametrize(
        ("statement", "check", "difference"),
        [
            (
                "UPDATE positions.positions SET realised_net = 7 WHERE tenant = 'acme'",
                "positions equals a rebuild",
                (
                    "table positions, row (tenant=acme, portfolio=growth, instrument=AAPL),"
                    " column realised_net: live 7, rebuilt "
                ),
            ),
            (
                "UPDATE positions.prices SET price = 7 WHERE instrument = 'TSLA'",
                "positions equals a rebuild",
                "table prices, row (instrument=TSLA), column price: live 7, rebuilt 14",
            ),
            (
                "UPDATE positions.prices SET price = 14.00 WHERE instrument = 'TSLA'",
                "positions equals a rebuild",
                "column price: live 14.00, rebuilt 14",
            ),
            (
                "DELETE FROM positions.lots WHERE tenant = 'globex'",
                "positions equals a rebuild",
                "column *: live None, rebuilt {",
            ),
            (
                "DELETE FROM positions.lots WHERE tenant = 'globex'",
                "lots sum to positions",
                "globex / growth / TSLA: lots sum to , quantity is 1",
            ),
            (
                "UPDATE positions.positions SET quantity = 7 WHERE tenant = 'globex'",
                "quantities in the table are those of the log",
                "globex / growth / TSLA: table 7, log 1",
            ),
            (
                "DELETE FROM cash.movements WHERE position = 5",
                "each cash leg is tied to its event",
                "position 5: no movement in the table, the event is portfolio.cash_withdrawn.v1",
            ),
            (
                "DELETE FROM cash.movements WHERE reversal = 'amended'",
                "each cash leg is tied to its event",
                "no movement in the table, the event is portfolio.trade_unbooked.v1",
            ),
            (
                "UPDATE cash.movements SET position = 3 WHERE position = 5",
                "each cash leg is tied to its event",
                "position 3: acme movement in the table, the event is missing",
            ),
            (
                "UPDATE cash.movements SET amount = amount + 1 WHERE position = 5",
                "cash movements sum to balances",
                "acme / growth / USD",
            ),
            (
                "UPDATE cash.movements SET kind = 'fee' WHERE position = 5",
                "cash movements sum to totals by kind",
                "acme / growth / USD, kind fee",
            ),
            (
                "UPDATE cash.balances SET balance = 7 WHERE tenant = 'globex'",
                "balances in the table are those of the log",
                "globex / growth / USD: table 7, log -9",
            ),
            (
                "UPDATE trades.trades SET status = 'booked' WHERE status = 'refused'",
                "trades equals a rebuild",
                "column status: live booked, rebuilt refused",
            ),
            (
                "UPDATE trades.checkpoint SET market_position = 0",
                "trades equals a rebuild",
                "column market_position: live 0, rebuilt ",
            ),
            (
                "UPDATE trades.checkpoint SET position = 1000",
                "trades equals a rebuild",
                "column position: live 1000, log ends at ",
            ),
            (
                "UPDATE trades.checkpoint SET calculation_version = 9",
                "trades equals a rebuild",
                "column calculation_version: live 9, rebuilt 5",
            ),
        ],
    )
    def test_each_kind_is_named(
        self,
        log: Log,
        log_database: Database,
        connection: Connection,
        statement: str,
        check: str,
        difference: str,
    ) -> None:
        """The row, the column and both values."""
        changed = connection.execute(statement.encode())
        assert changed.rowcount == 1

        report = verified(log, log_database)

        assert difference in failed(report)[check]
