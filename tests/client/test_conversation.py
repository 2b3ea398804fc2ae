"""What the client says and how it goes on, whatever it is answered; no HTTP here."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client import (
    Accepted,
    Conflict,
    Malformed,
    NotAccepted,
    NothingAttempted,
    OutcomeUnknown,
    Refused,
    Rejected,
    Terms,
    Unanswered,
)
from client.wire import Lost, Reply
from tests.client.conversing import (
    ACCEPTED,
    ASKED,
    CUT,
    DECIDED,
    IN_FLIGHT,
    NAMED,
    NEVER_SEEN,
    NOT_ATTEMPTED,
    REFUSED_CONNECTION,
    SENT,
    TURNED_AWAY,
    UNKNOWN,
    Played,
    reply,
    trade,
)


class TestACommand:
    """It is sent until it has an outcome, with the same key and the same bytes."""

    def test_that_is_accepted_is_sent_once(self) -> None:
        """The acceptance comes back typed."""
        played = Played(ACCEPTED)

        answer = played.run(played.conversation.command(trade(), "one"))

        assert isinstance(answer, Accepted)
        assert (answer.position, answer.command_id) == (7, NAMED)
        assert answer.require() is answer
        assert played.paths == [SENT]
        assert played.sent[0].headers["Idempotency-Key"] == "one"

    def test_turned_away_is_sent_again_after_the_pause_asked_for(self) -> None:
        """429 and 503 `not_attempted`: nothing was written, so there is nothing to ask about."""
        played = Played(TURNED_AWAY, NOT_ATTEMPTED, ACCEPTED)

        answer = played.run(played.conversation.command(trade(), "one"))

        assert answer.is_accepted
        assert played.paths == [SENT] * 3
        assert {(each.content, each.headers["Idempotency-Key"]) for each in played.sent} == {
            (played.sent[0].content, "one")
        }
        assert 2 < played.pauses[0] < 2.2
        assert 1 < played.pauses[1] < 1.3

    def test_unknown_is_asked_for_until_it_is_known_and_sent_again(self) -> None:
        """What is in flight is waited for; then its key makes the server tell the first outcome."""
        played = Played(UNKNOWN, IN_FLIGHT, IN_FLIGHT, DECIDED, ACCEPTED)

        answer = played.run(played.conversation.command(trade(), "one"))

        assert answer.is_accepted
        assert played.paths == [SENT, ASKED, ASKED, ASKED, SENT]

    def test_never_seen_is_sent_again(self) -> None:
        """Then nothing can be there twice."""
        played = Played(UNKNOWN, NEVER_SEEN, ACCEPTED)

        played.run(played.conversation.command(trade(), "one"))

        assert played.paths == [SENT, ASKED, SENT]

    @pytest.mark.parametrize(
        "heard",
        [
            CUT,
            reply(500, code="internal_error"),
            reply(504),
            Reply(502, b"<html>bad gateway"),
            Reply(201, b"<html>hello"),
            Reply(201, b'{"outcome": "accepted"}'),
            Reply(201, b"\xff"),
            reply(201, outcome="not_attempted"),
        ],
        ids=range(8),
    )
    def test_that_nobody_answered_properly_is_in_doubt(self, heard: Reply | Lost) -> None:
        """It may be written: it is asked for by the id that the client itself can tell."""
        played = Played(heard, DECIDED, ACCEPTED)

        assert played.run(played.conversation.command(trade(), "one")).is_accepted
        assert played.paths == [SENT, ASKED, SENT]

    def test_that_reached_nobody_is_not_in_doubt(self) -> None:
        """It is sent again without a question."""
        played = Played(REFUSED_CONNECTION, ACCEPTED)

        played.run(played.conversation.command(trade(), "one"))

        assert played.paths == [SENT, SENT]

    def test_under_the_key_of_another_is_never_told_the_others_outcome(self) -> None:
        """The key named other content before: asking says `accepted`, sending again says no."""
        reused = reply(
            409, code="idempotency_key_reused", outcome="conflict", detail="taken",
            command_id=str(NAMED),
        )  # fmt: skip
        played = Played(CUT, DECIDED, reused)

        answer = played.run(played.conversation.command(trade(), "one"))

        assert isinstance(answer, Conflict)
        assert answer.code == "idempotency_key_reused"

    def test_goes_on_when_nobody_may_ask(self) -> None:
        """A token without that right, or a server that does not answer it: the key is enough."""
        played = Played(CUT, reply(403, code="role_missing"), CUT, CUT, DECIDED, ACCEPTED)

        assert played.run(played.conversation.command(trade(), "one")).is_accepted
        assert played.paths == [SENT, ASKED, SENT, ASKED, ASKED, SENT]

    def test_needs_a_key_from_somewhere(self) -> None:
        """Given, or made by what was handed in."""
        numbers = count(1)
        made = Played(ACCEPTED, terms=Terms(new_key=lambda: f"key-{next(numbers)}"))
        made.run(made.conversation.command(trade(), None))

        assert made.sent[0].headers["Idempotency-Key"] == "key-1"
        with pytest.raises(ValueError, match="new_key"):
            next(Played().conversation.command(trade(), None))


class TestRefusals:
    """A final answer that is no acceptance."""

    def test_by_the_world_lists_every_breach(self) -> None:
        """Rule, limit and actual value."""
        breach = {"rule": "insufficient_cash", "message": "10 needed", "limit": "5", "actual": "10"}
        played = Played(
            reply(
                422,
                code="insufficient_cash",
                detail="10 needed",
                outcome="rejected",
                breaches=[breach],
                command_id=str(NAMED),
                position=9,
            )
        )

        answer = played.run(played.conversation.command(trade(), "one"))

        assert isinstance(answer, Rejected)
        assert answer.breaches[0].limit == "5"
        assert answer.position == 9
        assert answer.told() == "insufficient_cash: 10 needed"
        with pytest.raises(NotAccepted, match="10 needed") as raised:
            answer.require()
        assert raised.value.answer is answer

    def test_by_other_content_name_the_fields(self) -> None:
        """Convention 2: 409 `external_id_conflict`."""
        conflict = reply(
            409, code="external_id_conflict", detail="", outcome="conflict", fields=["price"]
        )
        played = Played(conflict)

        answer = played.run(played.conversation.command(trade(), "one"))

        assert isinstance(answer, Conflict)
        assert answer.fields == ("price",)

    def test_of_what_was_not_understood_name_the_field(self) -> None:
        """400: nothing was written."""
        played = Played(reply(400, code="not_a_number", detail="quantity", fields=["quantity"]))

        answer = played.run(played.conversation.command(trade(), "one"))

        assert isinstance(answer, Malformed)
        assert answer.fields == ("quantity",)

    @pytest.mark.parametrize("status", [401, 403, 404, 405, 413, 415, 302])
    def test_of_the_request_itself_are_raised(self, status: int) -> None:
        """No command could be carried out like that."""
        played = Played(reply(status, code="role_missing", detail="ask"))

        with pytest.raises(Refused, match="role_missing: ask") as raised:
            played.run(played.conversation.command(trade(), "one"))
        assert raised.value.problem.status == status

    def test_of_the_request_leave_a_doubt_where_there_was_one(self) -> None:
        """A token that expires between two attempts does not undo the first."""
        played = Played(CUT, NEVER_SEEN, reply(401, code="token_expired"))

        with pytest.raises(OutcomeUnknown, match="token_expired"):
            played.run(played.conversation.command(trade(), "one"))


class TestPatience:
    """It ends, and says what that means."""

    def test_ends_with_nothing_attempted_where_each_attempt_was_turned_away(self) -> None:
        """The command may be sent later or dropped."""
        turned_away = (TURNED_AWAY, REFUSED_CONNECTION) * 40
        played = Played(*turned_away, terms=Terms(patience_seconds=10))

        with pytest.raises(NothingAttempted) as raised:
            played.run(played.conversation.command(trade(), "one"))

        assert (raised.value.key, raised.value.command_id) == ("one", NAMED)
        assert 5 < played.clock.seconds <= 10

    def test_ends_with_an_unknown_outcome_where_one_attempt_is_in_doubt(self) -> None:
        """The exception carries the id to ask for, even if it was never seen until now."""
        answers = (CUT, NEVER_SEEN, *(TURNED_AWAY,) * 40)
        played = Played(*answers, terms=Terms(patience_seconds=10))

        with pytest.raises(OutcomeUnknown, match=str(NAMED)) as raised:
            played.run(played.conversation.command(trade(), "one"))

        assert raised.value.command_id == NAMED

    def test_ends_while_asking_too(self) -> None:
        """A command in flight for ever."""
        played = Played(UNKNOWN, *(IN_FLIGHT,) * 40, terms=Terms(patience_seconds=10))

        with pytest.raises(OutcomeUnknown, match="in flight"):
            played.run(played.conversation.command(trade(), "one"))

    def test_grows_its_pauses_up_to_five_seconds(self) -> None:
        """The same each time, as they follow from the key."""
        terms = Terms(patience_seconds=40)

        def pauses(key: str) -> list[float]:
            played = Played(*(REFUSED_CONNECTION,) * 99, terms=terms)
            with pytest.raises(Unanswered):
                played.run(played.conversation.command(trade(), key))
            return played.pauses

        assert pauses("one") == pauses("one") != pauses("two")
        assert 0.05 <= pauses("one")[0] <= 0.1
        assert 2.5 <= pauses("one")[-1] <= 5

    @given(text=st.text() | st.integers(-5, 10**12).map(str))
    def test_takes_any_text_for_a_pause(self, text: str) -> None:
        """What is no number of seconds is none; a day is more than anybody's patience."""
        played = Played(
            reply(429, code="too_many_requests", retry_after=text), *(TURNED_AWAY,) * 99
        )

        with pytest.raises(NothingAttempted):
            played.run(played.conversation.command(trade(), "one"))
