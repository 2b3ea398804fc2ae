"""What the client asks and sends, byte by byte; no HTTP here."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from client import Accepted, Refused, VersionMismatch
from client.conversation import Stream
from client.queries import Positions
from client.sources import Outcome
from client.trades import Bust
from client.wire import Heard, Reply, Told
from tests.client.conversing import (
    ACCEPTED,
    CUT,
    DECIDED,
    IN_FLIGHT,
    NAMED,
    NEVER_SEEN,
    TURNED_AWAY,
    Played,
    reply,
    trade,
)


class TestAsking:
    """Queries wait for the position asked for, and lists come page by page."""

    def test_follows_the_pages(self) -> None:
        """Until there is no cursor; parameters go with each."""
        played = Played(
            reply(200, items=[{"n": 1}], next_cursor="two"), reply(200, items=[{"n": 2}])
        )

        found = played.flow(
            played.conversation.listed("/v1/closes", {"status": "suspect", "instrument": None})
        )

        assert found == [{"n": 1}, {"n": 2}]
        assert played.paths == [
            "GET /v1/closes?status=suspect",
            "GET /v1/closes?status=suspect&cursor=two",
        ]
        assert all(each.is_query for each in played.sent)

    def test_waits_for_its_own_write(self) -> None:
        """`position_not_reached` is a matter of patience; other problems are not."""
        late = reply(409, code="position_not_reached", detail="at 6")
        played = Played(late, reply(200, items=[]))
        query = Positions(portfolio="growth", min_position=7, include_closed=True)

        assert played.flow(played.conversation.pages(query)) == []
        assert len(played.pauses) == 1
        assert played.sent[0].path == (
            "/v1/portfolios/growth/positions?include_closed=true&min_position=7"
        )
        refused = Played(reply(404, code="not_found"))
        with pytest.raises(Refused, match="not_found"):
            refused.run(refused.conversation.document("/v1/portfolios/none"))

    def test_is_repeated_when_lost(self) -> None:
        """A query changes nothing."""
        played = Played(CUT, TURNED_AWAY, reply(200, item={}))

        assert played.run(played.conversation.document("/v1/x")) == {"item": {}}

    def test_shows_what_is_not_ours(self) -> None:
        """By its beginning."""
        played = Played(Reply(200, b"<html>login"))

        with pytest.raises(Refused, match="not_ours: <html>login"):
            played.run(played.conversation.document("/v1/x"))

    def test_checks_without_a_key(self) -> None:
        """Turned away, it asks again; the answer is typed."""
        told = {"outcome": "accepted", "quantity_after": "10"}
        checked = reply(200, position=5, market_position=3, results=[told])
        played = Played(TURNED_AWAY, checked)

        answer = played.run(played.conversation.check([trade()]))

        assert answer.results[0].quantity_after == Decimal(10)
        assert played.paths == ["POST /v1/trades:check"] * 2
        assert "Idempotency-Key" not in played.sent[0].headers

    def test_tells_an_outcome_by_its_id(self) -> None:
        """Once it is there; None if it was never seen."""
        played = Played(IN_FLIGHT, DECIDED)

        answer = played.run(played.conversation.outcome(NAMED))

        assert isinstance(answer, Accepted)
        never = Played(NEVER_SEEN)
        assert never.run(never.conversation.outcome(NAMED)) is None


class TestFollowing:
    """The drop copy, line by line, resumed where the last one ended."""

    @staticmethod
    def lines(*positions: int, complete: int | str) -> Reply:
        """Answer some lines."""
        told = [
            f'{{"position":{each},"kind":"captured","recorded_at":"2026-03-02T10:00:00Z",'
            f'"command_id":"{NAMED}"}}\n'
            for each in positions
        ]
        return Reply(200, "".join(told).encode(), complete_position=str(complete))

    def test_goes_on_behind_what_is_complete(self) -> None:
        """Also where an answer had no line; lost answers are asked for again."""
        played = Played(
            self.lines(3, 5, complete=6), CUT, self.lines(complete=9), TURNED_AWAY,
            self.lines(12, complete=""), self.lines(complete=12),
        )  # fmt: skip
        follow = played.conversation.outcomes("a/b", 0, 20)
        seen: list[int] = []

        with pytest.raises(IndexError):  # It would go on for ever.
            played.flow(_noted(follow, seen))

        assert seen == [3, 5, 12]
        asked = [
            each.path.partition("after_position=")[2].partition("&")[0] for each in played.sent
        ]
        assert asked == ["0", "6", "6", "9", "9", "12", "12"]
        assert played.sent[0].path.startswith("/v1/sources/a%2Fb/outcomes?")

    def test_ends_without_waiting(self) -> None:
        """Where there is nothing more."""
        played = Played(self.lines(3, complete=3), self.lines(complete=3))

        assert [each.position for each in played.flow(played.conversation.outcomes("a", 0, 0))] == [
            3
        ]


def _noted(stream: Stream[Outcome], seen: list[int]) -> Stream[Outcome]:
    """Hand a stream on, and note what it told."""
    heard: Heard = None
    while True:
        step = stream.send(heard)
        if isinstance(step, Told):
            seen += [each.position for each in step.items]
        heard = yield step


class TestExpecting:
    """A version may be expected of what a command acts on."""

    def test_goes_with_the_command(self) -> None:
        """As an entity tag, and again with each attempt."""
        played = Played(TURNED_AWAY, ACCEPTED)

        played.run(played.conversation.command(trade(), "one", 7))

        assert [each.headers["If-Match"] for each in played.sent] == ['"7"'] * 2

    def test_tells_the_version_there_is(self) -> None:
        """412: nothing is written."""
        played = Played(reply(412, code="version_mismatch", version=9))

        with pytest.raises(VersionMismatch) as raised:
            played.run(played.conversation.command(trade(), "one", 7))
        assert raised.value.version == 9


class TestABody:
    """What is sent is exact."""

    def test_holds_what_was_given_only(self) -> None:
        """Decimals as strings to the last digit, instants with their offset; defaults left out."""
        east = timezone(timedelta(hours=2))
        sent = trade(
            quantity=Decimal("0.100"), trade_date=date(2024, 1, 3),
            executed_at=datetime(2024, 1, 3, 17, 30, tzinfo=east),
        )  # fmt: skip

        assert sent.body() == (
            b'{"portfolio":"growth","external_id":"fill-1","intent":"executed",'
            b'"instrument":"AAPL","side":"buy","quantity":"0.100","price":"150.25",'
            b'"currency":"USD","trade_date":"2024-01-03",'
            b'"executed_at":"2024-01-03T17:30:00+02:00"}'
        )

    def test_leaves_out_what_the_address_says(self) -> None:
        """Names are percent-encoded there, slashes too."""
        bust = Bust(source="oms", external_id="a/b?#%", portfolio="growth", reason="error")

        assert bust.path() == "/v1/trades/oms/a%2Fb%3F%23%25/busts"
        assert bust.body() == b'{"portfolio":"growth","reason":"error"}'
