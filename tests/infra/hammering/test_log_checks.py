"""Each check against the log is shown what it must find, and what it must let pass."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from uuid import UUID

import pytest

from commands.reactions.settlement import Owner, settlement_id
from eventstore.envelope import RecordedEvent
from eventstore.log import Log
from infra.clock import now
from infra.database import Database
from infra.hammering.ledger import Answer, Answered, Promise, Told
from infra.hammering.log_checks import (
    Evidence,
    Follower,
    Resolution,
    check_nothing_unasked,
    check_once,
    check_promises,
    check_resolutions,
    read_evidence,
    read_truths,
)
from tests.eventstore.samples import new_event

ONE, OTHER, REACTION = UUID(int=1), UUID(int=2), UUID(int=3)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CAPTURED = b'{"capture": {"source": "desk", "external_id": "fill-1", "portfolio": "alpha"}}'


def recorded(
    position: int, command: UUID, *, causation: UUID | None = None, data: bytes = b"{}"
) -> RecordedEvent:
    """An event of a command as the log holds it; with data, one that captures a trade."""
    kind = "market.marked.v1" if data == b"{}" else "trade.captured.v1"
    return RecordedEvent(
        position, NOON, UUID(int=100 + position), 1, command, command, causation, kind,
        "north", "me", "build", None, None, data,
    )  # fmt: skip


def evidence(*events: RecordedEvent) -> Evidence:
    """What a log of these events holds."""
    found = Evidence()
    for each in events:
        found.take(each)
    return found


def accepted(command: UUID, position: int) -> Promise:
    """A command that was told to be accepted."""
    promise = Promise(command, None)
    promise.take(Answered(Answer.ACCEPTED, Told(command, "accepted", position)))
    return promise


def answered(command: UUID, *answers: Answer) -> Promise:
    """A command that was told no outcome."""
    promise = Promise(command, None)
    for answer in answers:
        promise.take(Answered(answer))
    return promise


HELD = evidence(recorded(1, ONE), recorded(2, ONE), recorded(3, OTHER))
PROMISES = {ONE: accepted(ONE, 2), OTHER: accepted(OTHER, 3)}
TRUTHS = {ONE: Told(ONE, "accepted", 2), OTHER: Told(OTHER, "accepted", 3)}


class TestCheckingPromises:
    """What was told against receipts and events."""

    def test_is_content_with_a_log_that_holds_what_was_told(self) -> None:
        """Each command with its events, the last where it was told."""
        check = check_promises(PROMISES, TRUTHS, HELD)

        assert check.ok
        assert check.counted == 2

    def test_finds_an_acknowledged_command_that_is_missing(self) -> None:
        """Neither receipt nor events."""
        check = check_promises(PROMISES, {ONE: TRUTHS[ONE]}, HELD)

        assert str(OTHER) in str(check.difference)

    def test_finds_a_receipt_without_events(self) -> None:
        """An acceptance that wrote nothing."""
        found = evidence(recorded(1, ONE), recorded(2, ONE))

        assert not check_promises(PROMISES, TRUTHS, found).ok

    def test_finds_events_elsewhere_than_told(self) -> None:
        """One event more behind the told position."""
        found = evidence(recorded(1, ONE), recorded(2, ONE), recorded(3, OTHER), recorded(4, OTHER))

        assert not check_promises(PROMISES, TRUTHS, found).ok

    def test_finds_a_command_written_twice(self) -> None:
        """Its events lie apart."""
        found = evidence(recorded(1, ONE), recorded(2, OTHER), recorded(3, ONE))
        promises = {ONE: accepted(ONE, 3), OTHER: accepted(OTHER, 2)}
        truths = {ONE: Told(ONE, "accepted", 3), OTHER: Told(OTHER, "accepted", 2)}

        assert "lie apart" in str(check_promises(promises, truths, found).difference)

    def test_finds_what_was_said_not_to_be_attempted(self) -> None:
        """With a receipt, or with events alone."""
        promises = {OTHER: answered(OTHER, Answer.NOT_ATTEMPTED)}

        assert not check_promises(promises, {OTHER: TRUTHS[OTHER]}, evidence()).ok
        assert not check_promises(promises, {}, evidence(recorded(1, OTHER))).ok

    def test_lets_pass_what_nobody_answered(self) -> None:
        """There or not there."""
        promises = {OTHER: answered(OTHER, Answer.NO_ANSWER)}

        assert check_promises(promises, {OTHER: TRUTHS[OTHER]}, HELD).ok
        assert check_promises(promises, {}, evidence()).ok


class TestCheckingNames:
    """Trades by the names their sources gave them."""

    def test_finds_a_trade_captured_twice(self) -> None:
        """Under two commands."""
        once = recorded(1, ONE, data=CAPTURED)

        assert check_once(evidence(once)).ok
        assert not check_once(evidence(once, recorded(2, OTHER, data=CAPTURED))).ok


class TestCheckingWhatNobodySent:
    """Events and receipts of commands that are in no ledger."""

    def test_finds_a_stranger(self) -> None:
        """By its events or by its receipt."""
        asked = {ONE: PROMISES[ONE]}

        assert check_nothing_unasked(evidence(recorded(1, ONE)), [ONE], asked).ok
        assert not check_nothing_unasked(HELD, [ONE], asked).ok
        assert not check_nothing_unasked(evidence(recorded(1, ONE)), [ONE, OTHER], asked).ok

    def test_knows_the_settlements_that_settle_nothing(self) -> None:
        """They leave a receipt alone; their names follow from the session's end and the owner."""
        held = Evidence(owners=[Owner("north", "alpha")], closings=[7])
        ours = settlement_id(Owner("north", "alpha"), closed_at=7)
        others = settlement_id(Owner("north", "alpha"), closed_at=8)

        assert check_nothing_unasked(held, [ours], {}).ok
        assert not check_nothing_unasked(held, [others], {}).ok

    def test_lets_reactions_pass(self) -> None:
        """They are caused by an event, and asked for by nobody."""
        found = evidence(recorded(1, ONE), recorded(2, REACTION, causation=ONE))

        assert check_nothing_unasked(found, [ONE, REACTION], {ONE: PROMISES[ONE]}).ok


class TestCheckingResolutions:
    """What was in doubt, asked for and sent again."""

    def test_is_content_when_all_tell_the_same(self) -> None:
        """What the log held is told; what it did not hold is accepted now."""
        held = Resolution(accepted(ONE, 2), TRUTHS[ONE], "accepted")
        absent = Resolution(accepted(OTHER, 3), None, "never_seen")

        assert check_resolutions([held, absent], TRUTHS).ok

    @pytest.mark.parametrize(
        "resolution",
        [
            Resolution(accepted(ONE, 2), TRUTHS[ONE], "never_seen"),
            Resolution(accepted(ONE, 2), None, "accepted"),
            Resolution(accepted(ONE, 2), Told(ONE, "accepted", 1), "accepted"),
            Resolution(accepted(ONE, 2), TRUTHS[ONE], "nothing"),
            Resolution(answered(ONE, Answer.NO_ANSWER), None, "never_seen"),
            Resolution(answered(ONE, Answer.MALFORMED), TRUTHS[ONE], "accepted"),
        ],
    )
    def test_finds_two_truths_or_none(self, resolution: Resolution) -> None:
        """Asking, sending again and the log disagree, or somebody still says nothing."""
        assert not check_resolutions([resolution], TRUTHS).ok

    def test_finds_a_trace_of_what_was_never_attempted(self) -> None:
        """A neighbour of a refused item, or a malformed line, leaves none."""
        neighbour = Resolution(answered(ONE, Answer.NOT_ATTEMPTED), None, "never_seen")

        assert check_resolutions([neighbour], {}).ok
        assert not check_resolutions([neighbour], TRUTHS).ok


class TestTheFollower:
    """A reader that must meet every position once, in order."""

    def test_reads_a_whole_log(self, log_database: Database) -> None:
        """And so do evidence and truths."""
        reached = threading.Event()
        with Log(log_database.app_conninfo, clock=now, build="test") as log:
            with log.writing() as transaction:
                marks = [new_event(event_type="market.marked.v1") for _ in range(2)]
                transaction.append(marks, [], is_last=True)
            follower = Follower(log)
            while follower.position < 2 and not reached.wait(0.01):
                assert follower.check.ok, follower.check.difference
            follower.end()

            assert follower.check.ok
            assert read_evidence(log).events == 2
            assert read_truths(log_database.app_conninfo) == {}

    @pytest.mark.parametrize("wrong", [2, 4])
    def test_finds_a_repeat_and_a_gap(self, log_database: Database, wrong: int) -> None:
        """Either ends its trust."""
        with Log(log_database.app_conninfo, clock=now, build="test") as log:
            follower = Follower(log)
            follower.end()
        for position in (1, 2, wrong):
            follower.take(recorded(position, ONE))

        assert not follower.check.ok
