"""What answers promise, and which truths break a promise."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.hammering.ledger import (
    DECIDED,
    KEY_REUSED,
    OPEN,
    Answer,
    Answered,
    Ledger,
    Promise,
    Request,
    Told,
    answers_of,
    is_final,
)

COMMAND = UUID(int=1)
OTHER = UUID(int=2)
ACCEPTED = Told(COMMAND, "accepted", 7)

answers = st.sampled_from(sorted(set(Answer) - DECIDED))


def request(count: int = 1, *, is_atomic: bool = False) -> Request:
    """A request for so many commands."""
    commands = tuple(uuid5(COMMAND, str(index)) for index in range(count))
    return Request("me", "north", "/v1/trades", b"{}", "key", commands, is_atomic=is_atomic)


def promise(*answered: Answered) -> Promise:
    """What these answers to one command add up to."""
    made = Promise(COMMAND, request())
    for each in answered:
        made.take(each)
    return made


class TestAPromise:
    """What may be in the log after which answers."""

    def test_of_an_outcome_is_kept_by_that_outcome_alone(self) -> None:
        """Missing, elsewhere or otherwise ended breaks it."""
        told = promise(Answered(Answer.ACCEPTED, ACCEPTED))

        assert told.difference({COMMAND: ACCEPTED}) is None
        for truth in (None, ACCEPTED._replace(position=8), ACCEPTED._replace(status="rejected")):
            assert told.difference({} if truth is None else {COMMAND: truth}) is not None

    @given(st.lists(answers, max_size=4), st.lists(answers, max_size=4))
    def test_of_an_outcome_binds_whatever_was_answered_beside_it(
        self, before: list[Answer], after: list[Answer]
    ) -> None:
        """A lost answer excuses nothing once an outcome was told."""
        told = promise(
            *map(Answered, before), Answered(Answer.ACCEPTED, ACCEPTED), *map(Answered, after)
        )

        assert told.difference({COMMAND: ACCEPTED}) is None
        assert told.difference({}) is not None
        assert not told.is_unresolved

    @given(st.lists(answers, min_size=1, max_size=5))
    def test_without_an_outcome_allows_one_only_where_something_was_open(
        self, answered: list[Answer]
    ) -> None:
        """What was not attempted, not sent or malformed has written nothing."""
        told = promise(*map(Answered, answered))
        is_open = bool(set(answered) & OPEN)

        assert told.is_unresolved is is_open
        assert told.difference({}) is None
        assert (told.difference({COMMAND: ACCEPTED}) is None) is is_open

    @given(st.lists(answers, max_size=4))
    def test_not_attempted_is_not_told_again(self, before: list[Answer]) -> None:
        """An outcome told for the first time is no replay, unless an answer was lost before."""
        told = promise(*map(Answered, before), Answered(Answer.REPLAYED, ACCEPTED, is_replay=True))

        is_kept = told.difference({COMMAND: ACCEPTED}) is None
        assert is_kept is bool(set(before) & OPEN)

    def test_told_twice_must_be_told_alike(self) -> None:
        """A replay tells the first outcome."""
        first = Answered(Answer.ACCEPTED, ACCEPTED)
        again = Answered(Answer.REPLAYED, ACCEPTED, is_replay=True)
        otherwise = Answered(Answer.REPLAYED, ACCEPTED._replace(position=9), is_replay=True)

        assert promise(first, again).difference({COMMAND: ACCEPTED}) is None
        assert promise(first, otherwise).difference({COMMAND: ACCEPTED}) is not None

    def test_met_by_an_earlier_name_is_kept_by_that_one(self) -> None:
        """Who tells the same trade under another key gets the first acceptance."""
        earlier = ACCEPTED._replace(command_id=OTHER)
        told = promise(Answered(Answer.REPLAYED, earlier))

        assert told.difference({OTHER: earlier}) is None
        assert told.difference({OTHER: earlier, COMMAND: earlier}) is None
        assert told.difference({OTHER: earlier, COMMAND: ACCEPTED}) is not None
        assert told.difference({COMMAND: earlier}) is not None


class TestReadingAnswers:
    """What an HTTP answer says of each command."""

    def test_a_single_acceptance(self) -> None:
        """With its position."""
        document = {"outcome": "accepted", "command_id": str(COMMAND), "position": 7}

        assert answers_of(request(), 201, document) == [Answered(Answer.ACCEPTED, ACCEPTED)]

    def test_a_replay_is_the_acceptance_told_again(self) -> None:
        """It promises the same."""
        document = {"outcome": "replayed", "command_id": str(COMMAND), "position": 7}

        (answered,) = answers_of(request(), 200, document)

        assert answered == Answered(Answer.REPLAYED, ACCEPTED, is_replay=True)

    def test_a_batch_item_by_item(self) -> None:
        """In the order sent; a malformed one promises that nothing was written."""
        results = [
            {"outcome": "accepted", "command_id": str(COMMAND), "position": 7},
            {"outcome": "malformed", "command_id": str(OTHER)},
        ]

        answered = answers_of(request(2), 200, {"results": results})

        assert [each.answer for each in answered] == [Answer.ACCEPTED, Answer.MALFORMED]

    def test_other_content_under_a_key_tells_nothing_of_the_first(self) -> None:
        """Its outcome is not that of the command the key names."""
        document = {"outcome": "conflict", "code": KEY_REUSED, "command_id": str(COMMAND)}

        assert answers_of(request(), 409, document) == [Answered(Answer.CONFLICT)]

    @pytest.mark.parametrize(
        ("status", "document", "answer"),
        [
            (503, {"outcome": "unknown", "command_id": str(COMMAND)}, Answer.UNKNOWN),
            (503, {"code": "not_ready"}, Answer.NOT_ATTEMPTED),
            (429, {"outcome": "not_attempted", "command_id": str(COMMAND)}, Answer.NOT_ATTEMPTED),
            (400, {"code": "field_invalid"}, Answer.MALFORMED),
            (500, {"code": "internal_error"}, Answer.FAILED),
            (502, {}, Answer.FAILED),
        ],
    )
    def test_of_a_batch_as_a_whole_holds_for_each_item(
        self, status: int, document: dict[str, Any], answer: Answer
    ) -> None:
        """The first command's name in it is nobody else's outcome."""
        assert answers_of(request(3), status, document) == [Answered(answer)] * 3


class TestSendingAgain:
    """When it changes nothing."""

    def test_is_needless_once_every_command_has_its_outcome(self) -> None:
        """And needed while one has none."""
        told = Answered(Answer.ACCEPTED, ACCEPTED)

        assert is_final(request(2), [told, Answered(Answer.MALFORMED)])
        assert not is_final(request(2), [told, Answered(Answer.NOT_ATTEMPTED)])
        assert not is_final(request(2), [told, Answered(Answer.NO_ANSWER)])

    def test_is_needless_where_one_refusal_stops_all(self) -> None:
        """An atomic batch is refused for the same reason again."""
        refused = Answered(Answer.REJECTED, Told(COMMAND, "rejected", 7))
        answered = [refused, Answered(Answer.NOT_ATTEMPTED)]

        assert is_final(request(2, is_atomic=True), answered)
        assert not is_final(request(2), answered)


class TestTheLedger:
    """All promises together."""

    def test_adds_up_attempts_by_command(self) -> None:
        """A command in doubt is no longer so once its outcome is told."""
        ledger, sent = Ledger(), request(2)
        one, other = sent.commands

        ledger.take(sent, [Answered(Answer.NO_ANSWER)] * 2)
        ledger.take(
            sent, [Answered(Answer.ACCEPTED, Told(one, "accepted", 7)), Answered(Answer.UNKNOWN)]
        )

        assert [each.command_id for each in ledger.unresolved()] == [other]
        assert ledger.is_decided(one)
        assert not ledger.is_decided(other)
        assert ledger.counts == {"no_answer": 2, "accepted": 1, "unknown": 1}

    def test_remembers_who_was_told_an_outcome_under_a_taken_key(self) -> None:
        """That would be one name for two commands."""
        ledger = Ledger()

        ledger.take_misuse(request(), [Answered(Answer.CONFLICT)])
        assert not ledger.misuses
        ledger.take_misuse(request(), [Answered(Answer.ACCEPTED, ACCEPTED)])

        assert len(ledger.misuses) == 1
