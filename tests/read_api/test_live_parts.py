"""The parts of live that need nobody else: frames, what waits for a client, destinations."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from domain.money import canonical
from gateway.problem import Problem
from read_api.live.changes import Change, Piece, difference
from read_api.live.client import WAITING_ROWS_MAX, Client
from read_api.live.destinations import Directory, Topic
from read_api.live.dialect import PLACE_MAX, Connect, Subscribe
from read_api.live.json_dialect import JsonDialect
from read_api.live.metrics import LiveMetrics
from read_api.live.registry import live_destinations
from read_api.live.stomp_dialect import StompDialect
from read_api.live.stomp_frames import Frame, frames, written
from read_api.live.subscription import COLLECTED_MAX, PENDING_ROWS_MAX, Subscription, Taken
from read_api.live.values import digits

DESTINATIONS = live_destinations()
KEYS = st.sampled_from(["a", "b", "c"])
HEADERS = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
    max_size=4,
)


def subscription(wake: Callable[[Subscription], None] = lambda _: None) -> Subscription:
    """One that nobody feeds."""
    return Subscription("s", "portfolios", DESTINATIONS[0], Topic("t"), wake)


def change(
    position: int,
    rows: Mapping[str, int | None],
    since: int = -1,
    *,
    is_snapshot: bool = False,
    edition: int = 0,
) -> Change:
    """Rows that changed at a position; None takes one out."""
    pieces = {
        key: Piece(f'"{key}":{"null" if value is None else value}', position, value is None)
        for key, value in rows.items()
    }
    return Change(
        pieces,
        position=position,
        market_position=0,
        edition=edition,
        since=since,
        is_snapshot=is_snapshot,
    )


def folded(state: dict[str, str], told: Change) -> dict[str, str]:
    """Give the state of a client that is told a change."""
    state = {} if told.is_snapshot else dict(state)
    for key, piece in told.pieces.items():
        if piece.is_gone:
            state.pop(key, None)
        else:
            state[key] = piece.text
    return state


class TestFrames:
    """STOMP 1.2 by its specification."""

    @given(HEADERS, st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
    def test_come_back_as_they_were_written(self, headers: dict[str, str], body: str) -> None:
        """Escapes and bodies, two frames with heart-beats around them."""
        headers.pop("content-length", None)
        text = written("MESSAGE", headers, body)
        read = list(frames(f"\n{text}\r\n\n{text}\n".encode()))
        assert read == [Frame("MESSAGE", headers, body.encode())] * 2

    def test_a_connect_is_not_escaped(self) -> None:
        """As old clients write it: a colon is a colon, a backslash a backslash."""
        (frame,) = frames(b"CONNECT\r\nhost:a:1\\c\r\n\r\n\0")
        assert frame.headers == {"host": "a:1\\c"}

    def test_the_first_of_repeated_headers_counts(self) -> None:
        """The specification says so."""
        (frame,) = frames(b"SEND\na:1\na:2\ncontent-length:3\n\n1\x002\0")
        assert (frame.headers["a"], frame.body) == ("1", b"1\x002")

    @pytest.mark.parametrize(
        "text",
        [
            "SEND", "SEND\n", "SEND\n\n", "SEND\na\n\n\0", "SEND\n:a\n\n\0", "SEND\na:b:c\n\n\0",
            "SEND\na:\\t\n\n\0", "SEND\na:\\\n\n\0", "SEND\ncontent-length:x\n\n\0",
            "SEND\ncontent-length:9\n\n\0", "SEND\ncontent-length:0\n\nx\0",
        ],
    )  # fmt: skip
    def test_what_is_malformed_is_refused(self, text: str) -> None:
        """By a problem, never by anything else."""
        with pytest.raises(Problem, match=r"."):
            list(frames(text.encode()))

    @given(st.binary(max_size=60))
    def test_nothing_else_is_ever_raised(self, data: bytes) -> None:
        """Whatever bytes come."""
        for start in (b"", b"SEND\n", b"SUBSCRIBE\nid:1\ndestination:x\n\n\0"):
            with suppress(Problem):
                list(StompDialect().wishes(start + data))


class TestWhatWaits:
    """A client that takes its time is told less often, and the same in the end."""

    @given(
        st.lists(st.tuples(KEYS, st.none() | st.integers(0, 9), st.booleans()), max_size=30),
        st.integers(0, 10),
    )
    def test_ends_where_the_changes_lead(
        self, steps: list[tuple[str, int | None, bool]], joined: int
    ) -> None:
        """Whenever it takes something; whatever was told before its snapshot is not told again."""
        watched = subscription()
        truth: dict[str, str] = {}
        state: dict[str, str] = {}
        positions: list[int] = []

        def take() -> None:
            nonlocal state
            told = watched.hand_over()
            if told is not None:
                state = folded(state, told)
                positions.append(told.position)

        for position, (key, value, takes) in enumerate(steps, 1):
            told = change(position, {key: value}, position - 1)
            truth = folded(truth, told)
            watched.take(told)
            if position == joined:
                pieces = {
                    name: Piece(text, position, is_gone=False) for name, text in truth.items()
                }
                watched.begin(
                    Change(
                        pieces, position=position, market_position=0, edition=0, is_snapshot=True
                    )
                )
            if takes:
                take()
        take()
        if watched.has_begun:
            assert state == truth
        assert positions == sorted(set(positions))

    def test_is_bounded(self) -> None:
        """Beyond so many rows all is dropped, and a new snapshot is asked for."""
        woken: list[Subscription] = []
        watched = subscription(woken.append)
        watched.begin(change(1, {}))
        for position in range(2, PENDING_ROWS_MAX + 4):
            watched.take(change(position, {f"k{position}": 1}, position - 1))
        assert watched.is_behind
        assert watched.hand_over() is None
        assert woken[-1] is watched
        watched.begin_anew()
        watched.take(change(5_001, {"b": 2}, 5_000))
        watched.begin(change(5_000, {"a": 1}, is_snapshot=True))
        told = watched.hand_over()
        assert told is not None
        assert folded({}, told) == {"a": '"a":1', "b": '"b":2'}

    def test_is_bounded_while_the_snapshot_is_asked(self) -> None:
        """What is missing is behind the snapshot: it is asked again, and nothing is skipped."""
        watched = subscription()
        for position in range(2, 2 * COLLECTED_MAX + 10):
            watched.take(change(position, {f"k{position}": 1}, position - 1))
            assert len(watched._collected) <= COLLECTED_MAX

        watched.begin(change(5, {"a": 1}, is_snapshot=True))

        told = watched.hand_over()
        assert told is not None
        assert (told.position, folded({}, told)) == (5, {"a": '"a":1'})

    def test_is_bounded_over_all_subscriptions_of_a_client(self) -> None:
        """Each is dropped, and told anew when the client takes something."""

        async def takes_nothing(_: str) -> None:
            await asyncio.Event().wait()

        metrics = LiveMetrics(CollectorRegistry())
        client = Client(JsonDialect(), takes_nothing, None, metrics)  # type: ignore[arg-type]
        rows = {f"k{number}": 1 for number in range(PENDING_ROWS_MAX)}
        for number in range(WAITING_ROWS_MAX // PENDING_ROWS_MAX):
            client.subscriptions[str(number)] = watched = subscription(client.tell)
            watched.begin(change(1, {}, is_snapshot=True))
            watched.hand_over()
            watched.take(change(2, rows, 1))
        quiet = client.subscriptions["quiet"] = subscription(client.tell)
        quiet.begin(change(1, {"a": 1}, is_snapshot=True))
        quiet.hand_over()

        client.relieve()
        assert not any(each.is_behind for each in client.subscriptions.values())
        quiet.take(change(2, {"a": 2}, 1))
        client.relieve()

        assert all(each.is_behind for each in client.subscriptions.values())
        assert sum(each.waiting_rows for each in client.subscriptions.values()) == 0

    def test_is_dropped_where_other_tables_stand_before_what_was_sent(self) -> None:
        """Nothing earlier is told: a new snapshot is asked, until they are as far."""
        watched = subscription()
        watched.begin(change(5, {"a": 1}, is_snapshot=True))
        assert watched.hand_over() is not None
        assert watched.take(change(3, {"a": 0}, is_snapshot=True)) is Taken.NOTHING
        assert watched.take(change(3, {"b": 2}, is_snapshot=True, edition=1)) is Taken.DROPPED
        assert (watched.is_behind, watched.position, watched.hand_over()) == (True, 5, None)

    @given(st.dictionaries(KEYS, st.integers(0, 2)), st.dictionaries(KEYS, st.integers(0, 2)))
    def test_a_difference_leads_from_one_state_to_the_other(
        self, before: dict[str, int], after: dict[str, int]
    ) -> None:
        """Rows that stay are not told again."""
        old, new = change(1, before), change(2, after)
        told = Change(
            difference(old.pieces, new.pieces), position=2, market_position=0, edition=0, since=1
        )
        assert folded(folded({}, old), told) == folded({}, new)
        assert all(after.get(key) != before.get(key) for key in told.pieces)


class TestWhatIsSent:
    """Answers go out before the connection ends."""

    def test_is_an_answer_that_came_while_a_renewal_gave_nothing(self) -> None:
        """The client closes itself meanwhile."""
        sent: list[str] = []

        class Emptied:
            async def renew(self, _: Subscription) -> None:
                client.reply("last words")
                client.close(1000, "")

        async def send(texts: Sequence[str]) -> None:
            sent.extend(texts)

        metrics = LiveMetrics(CollectorRegistry())
        client = Client(JsonDialect(), send, Emptied(), metrics)  # type: ignore[arg-type]
        watched = subscription(client.tell)
        watched.begin(change(1, {}, is_snapshot=True))
        watched.fall_behind()
        asyncio.run(client.write())
        assert sent == ["last words"]


class TestADirectory:
    """Finding destinations."""

    def test_finds_each_by_its_pattern(self) -> None:
        """With or without the leading slash; names within it are given."""
        directory = Directory(DESTINATIONS)
        for each in DESTINATIONS:
            name = re.sub(r"\{[a-z]+\}", "growth", each.pattern)
            assert directory.find(f"/{name}")[0] is each
            assert directory.find(name)[0] is each

    @pytest.mark.parametrize(
        "name", ["", "/", "nothing", "portfolios/", "portfolios/a b/cash", "portfolios/a/cash/x"]
    )
    def test_refuses_what_is_none(self, name: str) -> None:
        """And says which there are."""
        with pytest.raises(Problem, match="portfolios/"):
            Directory(DESTINATIONS).find(name)


class TestDigits:
    """Numbers of rows that are written without a struct."""

    @given(st.decimals(allow_nan=False, allow_infinity=False, places=12) | st.decimals("-9", "9"))
    @example(Decimal("-0.00"))
    @example(Decimal("1E+3"))
    @example(Decimal(100))
    @example(Decimal("0E-12"))
    def test_are_those_of_the_canonical_form(self, number: Decimal) -> None:
        """So that a row reads the same, however it was written."""
        assert digits(number) == f"{canonical(number):f}"


class TestAPlace:
    """Where a returning client says that it stood."""

    @pytest.mark.parametrize(("place", "is_one"), [(PLACE_MAX, True), (PLACE_MAX + 1, False)])
    def test_has_a_place_behind_it(self, *, place: int, is_one: bool) -> None:
        """Questions ask from the place behind it on, which the database must know as a number."""
        subscribe = f"SUBSCRIBE\nid:1\ndestination:/system\nposition:{place}\n\n\0"
        told = {"type": "subscribe", "id": "1", "destination": "system", "position": place}
        for dialect, data in ((StompDialect(), subscribe), (JsonDialect(), json.dumps(told))):
            if is_one:
                (wish,) = dialect.wishes(data)
                assert isinstance(wish, Subscribe)
                assert wish.position == place
            else:
                with pytest.raises(Problem):
                    list(dialect.wishes(data))

    def test_is_that_of_a_client_that_speaks_several_versions(self) -> None:
        """With blanks between them, as some write."""
        (wish,) = StompDialect().wishes("CONNECT\naccept-version:1.1, 1.2\n\n\0")
        assert isinstance(wish, Connect)
