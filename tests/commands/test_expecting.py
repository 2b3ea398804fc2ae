"""A command that expects a version is decided at that version, whoever else writes."""

from concurrent.futures import Future
from contextlib import ExitStack
from decimal import Decimal

from msgspec.structs import replace

from commands.command import DepositCash, Issued, Outcome, Status
from commands.desk import OVERLAPPED_COMMANDS_MIN
from commands.expecting import VERSION_MISMATCH
from domain.identity import portfolio_stream
from domain.money import Money
from eventstore.log import Log
from infra.database import Database
from tests.commands.desks import InterruptedLog, desk_on, running_desk
from tests.commands.scenes import ACME, MONDAY, WAIT_SECONDS, issue, open_alpha

ALPHA = portfolio_stream(ACME, "alpha")
FUNDED = 2
"""The version of a portfolio that was opened and funded."""


def deposit(*, expecting: int | None, amount: int = 1) -> Issued:
    """A deposit that expects a version of its portfolio."""
    money = Money(Decimal(amount), "USD")
    command = DepositCash(portfolio="alpha", amount=money, value_date=MONDAY)
    return replace(issue(command), expected_version=expecting)


def is_mismatch(outcome: Outcome) -> bool:
    """Whether another version was met."""
    return (outcome.status, outcome.code) == (Status.NOT_ATTEMPTED, VERSION_MISMATCH)


class TestExpecting:
    """Of those who expect the same version, one is accepted."""

    def test_one_of_many_on_several_desks_is_accepted(
        self, log_database: Database, log: Log
    ) -> None:
        """All the others meet the version that it made, and wrote nothing."""
        with ExitStack() as stack:
            desks = [stack.enter_context(running_desk(log_database.app_conninfo)) for _ in range(3)]
            open_alpha(desks[0])
            futures: list[Future[Outcome]] = [
                desks[number % 3].submit(deposit(expecting=FUNDED, amount=1 + number))
                for number in range(30)
            ]
            outcomes = [future.result(WAIT_SECONDS) for future in futures]

        assert [each.status for each in outcomes].count(Status.ACCEPTED) == 1
        others = [each for each in outcomes if each.status is not Status.ACCEPTED]
        assert all(map(is_mismatch, others))
        assert {each.stream_version for each in others} == {FUNDED + 1}
        assert [each.stream_version for each in log.read_stream(ALPHA)] == [1, 2, 3]

    def test_what_another_desk_wrote_in_time_is_met(self, log_database: Database) -> None:
        """Nobody is told of a mismatch that the head of the log does not bear out."""
        with (
            running_desk(log_database.app_conninfo) as other,
            InterruptedLog(log_database.app_conninfo) as raced,
        ):
            open_alpha(other)
            with desk_on(raced) as desk:
                first = deposit(expecting=None)
                raced.before_next("known", lambda: other.submit(first).result(WAIT_SECONDS))
                wanted = [deposit(expecting=FUNDED + 1) for _ in range(OVERLAPPED_COMMANDS_MIN)]
                accepted, *others = desk.submit_batch(wanted, is_atomic=False).result(WAIT_SECONDS)
                assert raced.has_met("known")

        assert (accepted.status, accepted.stream_version) == (Status.ACCEPTED, FUNDED + 2)
        assert all(map(is_mismatch, others))
        assert {each.stream_version for each in others} == {FUNDED + 2}

    def test_an_item_of_an_atomic_batch_refuses_all_of_it(
        self, log_database: Database, log: Log
    ) -> None:
        """As any item does that is not accepted."""
        with running_desk(log_database.app_conninfo) as desk:
            open_alpha(desk)
            batch = [deposit(expecting=FUNDED), deposit(expecting=FUNDED)]
            one, other = desk.submit_batch(batch, is_atomic=True).result(WAIT_SECONDS)

        assert one.status is Status.NOT_ATTEMPTED
        assert is_mismatch(other)
        assert len(log.read_stream(ALPHA)) == FUNDED
