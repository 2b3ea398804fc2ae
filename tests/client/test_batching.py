"""Streams of commands, sent in batches: each answer in its place, nothing twice; no HTTP here."""

from __future__ import annotations

from itertools import count, islice
from typing import Any

import pytest

from client import (
    Accepted,
    Conflict,
    Malformed,
    NotAttempted,
    Refused,
    Rejected,
    Terms,
)
from client.market import Instrument
from client.naming import command_id
from client.wire import Reply
from tests.client.conversing import (
    CUT,
    IN_FLIGHT,
    NEVER_SEEN,
    TENANT,
    Played,
    accepted,
    reply,
    trade,
)


def results(*outcomes: str, key: str = "many") -> Reply:
    """Answer a batch with one result per outcome."""
    told: list[dict[str, Any]] = [
        accepted(key, index)
        if outcome in {"accepted", "replayed"}
        else {"outcome": outcome, "code": f"{outcome}_why", "message": "why"}
        for index, outcome in enumerate(outcomes)
    ]
    for each, outcome in zip(told, outcomes, strict=True):
        each["outcome"] = outcome
    return reply(200, results=told)


class TestABatch:
    """A stream of commands goes in batches, each answer in its place."""

    def test_is_split_by_items(self) -> None:
        """Each batch has a key that says where it begins."""
        played = Played(
            results("accepted", "rejected"),
            results("replayed", "malformed"),
            results("conflict"),
            terms=Terms(batch_items_max=2),
        )

        answers = played.flow(
            played.conversation.stream((trade(f"fill-{n}") for n in range(5)), "many")
        )

        kinds = [type(each) for each in answers]
        assert kinds == [Accepted, Rejected, Accepted, Malformed, Conflict]
        assert [each.headers["Idempotency-Key"] for each in played.sent] == [
            "many", "many:2", "many:4",
        ]  # fmt: skip
        assert [each.content.count(b"\n") + 1 for each in played.sent] == [2, 2, 1]
        assert isinstance(answers[2], Accepted)
        assert answers[2].replayed

    def test_is_split_by_bytes(self) -> None:
        """No body is larger than agreed, unless one command alone is."""
        size = len(trade("fill-1").body())
        terms = Terms(batch_bytes_max=2 * size + 2)
        played = Played(results("accepted", "accepted"), results("accepted"), terms=terms)

        played.flow(played.conversation.stream([trade(f"fill-{n}") for n in range(3)], "many"))

        assert [len(each.content) <= 2 * size + 2 for each in played.sent] == [True, True]

    def test_is_read_only_as_far_as_it_is_sent(self) -> None:
        """An endless stream is no trouble."""
        played = Played(
            results("accepted", "accepted"), results("accepted", "accepted"),
            terms=Terms(batch_items_max=2),
        )  # fmt: skip
        endless = (trade(f"fill-{n}") for n in count())
        stream = played.conversation.stream(islice(endless, 4), "many")

        assert len(played.flow(stream)) == 4
        assert next(endless).external_id == "fill-4"

    def test_is_sent_again_whole_while_an_item_is_open(self) -> None:
        """Item i is named by the key and i, so the same items go under the same key."""
        played = Played(results("accepted", "not_attempted"), results("replayed", "accepted"))

        answers = played.flow(
            played.conversation.stream([trade("fill-1"), trade("fill-2")], "many")
        )

        assert [each.is_accepted for each in answers] == [True, True]
        assert played.sent[0] == played.sent[1]

    def test_in_doubt_is_asked_for_by_its_last_item(self) -> None:
        """While that is in flight, sending it again would only make more work."""
        last = command_id(TENANT, "many", 1)
        played = Played(CUT, IN_FLIGHT, NEVER_SEEN, results("replayed", "accepted"))

        played.flow(played.conversation.stream([trade("fill-1"), trade("fill-2")], "many"))

        batch = "POST /v1/trades:batch"
        assert played.paths == [batch, *[f"GET /v1/commands/{last}"] * 2, batch]

    def test_with_other_than_one_result_per_item_is_not_believed(self) -> None:
        """It is in doubt, and asked for."""
        played = Played(results("accepted"), NEVER_SEEN, results("accepted", "accepted"))

        answers = played.flow(
            played.conversation.stream([trade("fill-1"), trade("fill-2")], "many")
        )

        assert len(answers) == 2

    def test_is_of_one_kind(self) -> None:
        """Each kind has its own address."""
        apple = Instrument(
            instrument="AAPL", symbol="AAPL", currency="USD", asset_class="equity", calendar="XNYS"
        )
        played = Played()

        with pytest.raises(ValueError, match="one kind"):
            played.flow(played.conversation.stream([trade(), apple], "many"))

    def test_of_nothing_sends_nothing(self) -> None:
        """An empty stream has no answers."""
        played = Played()

        assert played.flow(played.conversation.stream([], "many")) == []
        assert played.run(played.conversation.atomic([], "many")) == []


class TestAnAtomicBatch:
    """All or none, in one piece."""

    def test_refused_tells_each_item(self) -> None:
        """The cause, and the neighbours that were not attempted."""
        told = [
            {"outcome": "not_attempted", "code": "atomic", "message": ""},
            {"outcome": "rejected", "code": "short_not_allowed", "message": "no"},
        ]
        played = Played(reply(422, code="short_not_allowed", outcome="rejected", results=told))

        answers = played.run(played.conversation.atomic([trade("fill-1"), trade("fill-2")], "many"))

        assert [type(each) for each in answers] == [NotAttempted, Rejected]
        assert played.paths == ["POST /v1/trades:batch?atomic=true"]

    def test_turned_away_is_sent_again(self) -> None:
        """Its results say that nothing was attempted: that is no refusal."""
        told = [{"outcome": "not_attempted", "code": "not_attempted"}] * 2
        away = reply(503, code="not_attempted", outcome="not_attempted", results=told)
        played = Played(away, results("accepted", "accepted"))

        answers = played.run(played.conversation.atomic([trade("fill-1"), trade("fill-2")], "many"))

        assert all(each.is_accepted for each in answers)

    def test_that_is_too_long_is_not_sent(self) -> None:
        """In two pieces it would not be all or none."""
        played = Played(terms=Terms(batch_items_max=1))

        with pytest.raises(ValueError, match="one piece"):
            played.run(played.conversation.atomic([trade("fill-1"), trade("fill-2")], "many"))

    def test_malformed_is_refused_whole(self) -> None:
        """The problem names the item."""
        played = Played(reply(400, code="not_a_number", fields=["[1].quantity"]))

        with pytest.raises(Refused) as raised:
            played.run(played.conversation.atomic([trade()], "many"))
        assert raised.value.problem.fields == ("[1].quantity",)
