"""Controls as desks decide them: a halt on one counts on the other, from its position on."""

from __future__ import annotations

import threading
from decimal import Decimal

import msgspec

from commands.command import Command, Issued, Outcome, Status
from commands.control_commands import (
    ApproveLimit,
    AssignTradingState,
    ProposeLimit,
)
from commands.desk import Desk
from domain.limits.scope import Scope
from domain.limits.terms import LimitRule, LimitTerms, TradingState
from domain.trade import Intent
from infra.database import Database
from tests.commands.desks import InterruptedLog, running_desk
from tests.commands.scenes import WAIT_SECONDS, capture, done, issue, open_alpha

ONE_SHARE = {"quantity": Decimal(1)}
HALT = AssignTradingState(scope=Scope(), state=TradingState.HALTED, reason="runaway")
SMALL = LimitTerms(rule=LimitRule.TRADE_QUANTITY, scope=Scope(), maximum=Decimal(5))


def issued_by(person: str, command: Command) -> Issued:
    """Issue a command in the name of a person."""
    return msgspec.structs.replace(issue(command), actor=person)


def submitted(desk: Desk, person: str, command: Command) -> Outcome:
    """Submit a person's command and wait for its outcome."""
    return desk.submit(issued_by(person, command)).result(WAIT_SECONDS)


class TestAHalt:
    """After it is acknowledged no later position holds an accepted proposed trade."""

    def test_counts_for_what_another_desk_is_about_to_append(self, log_database: Database) -> None:
        """It comes between that desk's decision and its append, which is decided anew."""
        with (
            running_desk(log_database.app_conninfo) as other,
            InterruptedLog(log_database.app_conninfo) as raced,
        ):
            open_alpha(other)
            desk = Desk(raced)
            halted: list[Outcome] = []
            raced.before_next("writing", lambda: halted.append(done(other, HALT)))
            asked = desk.submit(issue(capture("asked", **ONE_SHARE)))
            told = desk.submit(issue(capture("told", intent=Intent.EXECUTED, **ONE_SHARE)))

            desk.start()
            refused, booked = asked.result(WAIT_SECONDS), told.result(WAIT_SECONDS)
            desk.stop(WAIT_SECONDS)

        assert [each.status for each in halted] == [Status.ACCEPTED]
        assert (refused.status, refused.code) == (Status.REJECTED, "trading_halted")
        assert booked.status is Status.ACCEPTED
        assert [breach.rule for breach in booked.warnings] == ["trading_halted"]

    def test_leaves_nothing_accepted_behind_it_while_another_desk_is_flooded(
        self, log_database: Database
    ) -> None:
        """Trades before its position may stand; every one behind it is refused."""
        with (
            running_desk(log_database.app_conninfo) as first,
            running_desk(log_database.app_conninfo) as second,
        ):
            open_alpha(first)
            outcomes: list[Outcome] = []
            is_halted = threading.Event()

            def flood() -> None:
                number = behind = 0
                while behind < 20:
                    outcomes.append(done(second, capture(f"o-{number}", **ONE_SHARE)))
                    number += 1
                    behind += is_halted.is_set()

            flooding = threading.Thread(target=flood)
            flooding.start()
            halted = done(first, HALT)
            is_halted.set()
            flooding.join(WAIT_SECONDS)
            assert not flooding.is_alive()

        assert halted.position is not None
        accepted = [each.position for each in outcomes if each.status is Status.ACCEPTED]
        assert all(position is not None and position < halted.position for position in accepted)
        assert {each.code for each in outcomes} <= {None, "trading_halted"}
        assert len(outcomes) - len(accepted) >= 19


class TestALimit:
    """In force for whatever is decided behind its approval, on every desk."""

    def test_is_approved_once_by_whoever_comes_first(self, log_database: Database) -> None:
        """Two officers on two desks: one acceptance, told twice; the proposer on neither."""
        with (
            running_desk(log_database.app_conninfo) as first,
            running_desk(log_database.app_conninfo) as second,
        ):
            open_alpha(first)
            submitted(first, "one", ProposeLimit(limit="small", terms=SMALL))
            approval = ApproveLimit(limit="small", version=1)
            own = submitted(second, "one", approval)
            before = done(second, capture("o-1", quantity=Decimal(6)))
            approved = submitted(first, "two", approval)
            again = submitted(second, "three", approval)
            behind = done(second, capture("o-2", quantity=Decimal(6)))

        assert (own.status, own.code) == (Status.REJECTED, "same_person")
        assert before.status is Status.ACCEPTED
        assert (approved.limit_version, again.replayed) == (1, True)
        assert again.position == approved.position
        (breach,) = behind.breaches
        assert (breach.rule, breach.limited_by, breach.limit_version) == (
            "trade_quantity_exceeded",
            "small",
            1,
        )
