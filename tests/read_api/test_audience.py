"""The audience by itself: destinations made for a test, asked over a real database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator, Sequence

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from gateway.access import Action
from gateway.problem import Problem
from infra.database import Database
from projections.asking import Readable, ReadModelMissing, State
from projections.reading import Reading
from read_api.live import audience as module
from read_api.live import subscription as subscriptions
from read_api.live.audience import Audience, Resumed, renewal_pause
from read_api.live.destinations import Destination, Row, Spread, Told, Topic
from read_api.live.metrics import LiveMetrics
from read_api.live.subscription import Subscription

TOPIC = Topic("t", ("a",))
PATIENCE_SECONDS = 20.0
PENDING = 7
"""Rows that may wait for a client of a log, here."""


@pytest.fixture(scope="module")
def reading(database: Database) -> Iterator[Reading]:
    """Connections to a database."""
    with Reading(database.app_conninfo) as opened:
        yield opened


@pytest.fixture
def audience(reading: Reading) -> Audience:
    """An audience in which nobody sits."""
    return Audience(reading, LiveMetrics(CollectorRegistry()))


def never(readable: Readable, topics: Sequence[Topic], after: int = 0) -> Told:
    """Stand in for a question that must not be asked."""
    raise AssertionError(readable, topics, after)


def subscribed(destination: Destination) -> Subscription:
    """A subscription of the topic, of a client that looks for itself."""
    return Subscription("s", "x/a", destination, TOPIC, lambda _: None)


class TestJoining:
    """The first message."""

    @pytest.mark.parametrize("resumed", [None, Resumed(1, 0)])
    def test_with_an_unknown_topic_is_refused_before_anything_is_asked(
        self, audience: Audience, resumed: Resumed | None
    ) -> None:
        """Whether it is new, or says where it stood."""
        destination = Destination(
            "x/{x}", "", "toy", (Action.READ_CASH,), never, never, spread=Spread.ANY,
            is_known=lambda _, topic: topic != TOPIC,
        )  # fmt: skip
        with pytest.raises(Problem) as refused:
            asyncio.run(audience.join(subscribed(destination), resumed))
        assert refused.value.code == "not_found"


class TestRenewing:
    """A new snapshot for whoever fell behind."""

    def test_that_fails_is_tried_again_after_a_pause(
        self, audience: Audience, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Away, broken, or of a position before what was told: asked once, and again later."""
        answers: Iterator[Told | Exception] = iter([
            Told(5, 5, []), ReadModelMissing(), ZeroDivisionError(), Told(4, 4, []), Told(6, 6, []),
        ])  # fmt: skip
        asked = 0

        def snapshot(readable: Readable, topics: Sequence[Topic]) -> Told:
            nonlocal asked
            asked += 1
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        async def watch() -> None:
            woken = asyncio.Event()
            fallen = Subscription("s", "x/a", destination, TOPIC, lambda _: woken.set())
            await audience.join(fallen)
            fallen.fall_behind()
            for attempt in range(1, 4):
                woken.clear()
                await audience.renew(fallen)
                assert (asked, fallen.is_behind, fallen.hand_over()) == (1 + attempt, True, None)
                await woken.wait()
            await audience.renew(fallen)
            told = fallen.hand_over()
            assert told is not None
            assert (told.position, fallen.is_behind, fallen.renewals_failed) == (6, False, 0)

        monkeypatch.setattr(module, "RENEWAL_SECONDS_MIN", 0.001)
        destination = Destination(
            "x/{x}", "", "toy", (Action.READ_CASH,), snapshot, never, spread=Spread.ANY
        )
        asyncio.run(asyncio.wait_for(watch(), PATIENCE_SECONDS))

    def test_waits_longer_each_time_up_to_a_bound(self) -> None:
        """Doubled, and never more than some seconds."""
        pauses = [renewal_pause(failed) for failed in range(12)]
        assert pauses[:3] == [0.1, 0.2, 0.4]
        assert pauses[-6:] == [5.0] * 6

    def test_of_one_that_left_meanwhile_tells_nothing(self, audience: Audience) -> None:
        """And leaves no stream behind."""
        woken: list[Subscription] = []

        def snapshot(readable: Readable, topics: Sequence[Topic]) -> Told:
            return Told(5, 5, [])

        async def watch() -> None:
            fallen = Subscription("s", "x/a", destination, TOPIC, woken.append)
            await audience.join(fallen)
            fallen.fall_behind()
            woken.clear()
            renewing = asyncio.ensure_future(audience.renew(fallen))
            await asyncio.sleep(0)
            audience.leave(fallen)
            await renewing
            assert not woken
            assert not audience._streams

        destination = Destination(
            "x/{x}", "", "toy", (Action.READ_CASH,), snapshot, never, spread=Spread.ANY
        )
        asyncio.run(watch())


class TestTablesMadeAnew:
    """They are swapped in at the position of those before, or a later one."""

    def test_are_asked_about_topics_that_nothing_was_told_of_since(
        self, audience: Audience
    ) -> None:
        """Another calculation may give other rows of each."""
        tables = State(7, 0)

        def stand(readable: Readable) -> None:
            assert readable.seen is not None
            readable.seen["toy"] = tables
            readable.seen["other"] = State(3, 9)

        def snapshot(readable: Readable, topics: Sequence[Topic]) -> Told:
            stand(readable)
            value = f"of edition {tables.edition}"
            rows = [Row(topic, "row", 1, value) for topic in topics]
            return Told(tables.position, 0, rows)

        def touched(readable: Readable, topics: Sequence[Topic], after: int) -> list[Topic]:
            stand(readable)
            return []

        async def watch() -> None:
            nonlocal tables
            woken = asyncio.Event()
            watching = Subscription("s", "x/a", destination, TOPIC, lambda _: woken.set())
            await audience.join(watching)
            assert watching.hand_over() is not None
            woken.clear()
            tables = State(8, 1)
            audience.heard("toy", 8)
            await woken.wait()
            told = watching.hand_over()
            assert told is not None
            assert (told.position, told.edition) == (8, 1)
            assert [piece.text for piece in told.pieces.values()] == ['"row":"of edition 1"']

        destination = Destination(
            "x/{x}", "", "toy", (Action.READ_CASH,), snapshot, touched=touched, spread=Spread.ANY
        )
        asyncio.run(asyncio.wait_for(watch(), PATIENCE_SECONDS))


class TestALog:
    """Its lines are told once each, however many there are and however slowly they are taken."""

    @pytest.mark.parametrize("resumed", [None, Resumed(0, None)])
    def test_is_told_line_by_line_to_one_that_falls_behind(
        self, audience: Audience, monkeypatch: pytest.MonkeyPatch, resumed: Resumed | None
    ) -> None:
        """It takes nothing until more waits than may; then it goes on where it was."""
        head, page = 0, 3

        def begin(readable: Readable, topics: Sequence[Topic]) -> Told:
            return Told(head, 0, [])

        def lines(readable: Readable, topics: Sequence[Topic], after: int) -> Told:
            assert readable.seen is not None
            readable.seen["toy"] = State(head, 0)
            found = range(after + 1, min(after + page, head) + 1)
            rows = [Row(topics[0], str(line), line, line) for line in found]
            if len(found) < page:
                return Told(head, 0, rows)
            return Told(found[-1], 0, rows, {"toy": State(found[-1], 0)})

        async def watch() -> None:
            nonlocal head
            woken, heard = asyncio.Event(), list[int]()
            reader = Subscription("s", "x/a", destination, TOPIC, lambda _: woken.set())
            await audience.join(reader, resumed)
            for head in (50, 53, 103):
                audience.heard("toy", head)
                while head - len(heard) > PENDING and not reader.is_behind:
                    await woken.wait()
                    woken.clear()
                while len(heard) < head:
                    if reader.is_behind:
                        await audience.renew(reader)
                    change = reader.hand_over()
                    if change is None:
                        await woken.wait()
                        woken.clear()
                    else:
                        heard += map(int, change.pieces)
            assert heard == list(range(1, head + 1))

        monkeypatch.setattr(subscriptions, "PENDING_ROWS_MAX", PENDING)
        destination = Destination(
            "x/{x}", "", "toy", (Action.READ_CASH,), begin, lines, spread=Spread.ANY, is_log=True
        )
        asyncio.run(asyncio.wait_for(watch(), PATIENCE_SECONDS))


def test_a_fault_does_not_end_the_comparing_of_checkpoints(
    audience: Audience, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody starts it anew, and all would wait for hints only."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(module, "FAILED_PAUSE_SECONDS", 0.01)
    compared = threading.Event()
    looks = 0

    def states(schemas: Iterable[str]) -> dict[str, State | None]:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise psycopg.errors.InternalError_("could not open relation with OID 123")
        compared.set()
        return dict.fromkeys(schemas)

    async def compare() -> None:
        destination = Destination(
            "x/{x}", "", "toy", (Action.READ_CASH,), never, never, spread=Spread.ANY
        )
        audience._stream(destination, TOPIC)
        running = asyncio.ensure_future(audience.run())
        assert await asyncio.to_thread(compared.wait, PATIENCE_SECONDS)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    monkeypatch.setattr(reading, "states", states)
    asyncio.run(compare())
