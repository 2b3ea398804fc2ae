"""The tail: what followers of one process are given from memory is what the log holds."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.envelope import RecordedEvent
from eventstore.following import ReadChosen, ReadOn, read_everything, read_releasing, read_settling
from eventstore.log import Log
from eventstore.tail import Tail
from infra.database import Database
from tests.commands.desks import wait_until
from tests.eventstore.samples import new_event

NAMES = ["trade.parked.v1", "trade.released.v1", "portfolio.opened.v1", "trade.captured.v1"]
APPENDS = 40
WRITERS = 3


def append_some(log: Log, draw: Random) -> None:
    """Append a few events, of the market and of others, some of which somebody wants."""
    with log.writing() as writing:
        writing.append([
            new_event(
                tenant=draw.choice(["market", "acme", "acme"]), event_type=draw.choice(NAMES)
            )
            for _ in range(draw.choice([1, 2, 5]))
        ])  # fmt: skip


def append_elsewhere(conninfo: str, seed: int) -> None:
    """Append in a process of its own."""
    draw = Random(seed)
    with Log(conninfo, clock=lambda: datetime.now(UTC), build="elsewhere") as log:
        for _ in range(APPENDS):
            append_some(log, draw)


@pytest.fixture
def kept(log: Log) -> Iterator[Log]:
    """A log whose tail is kept."""
    append_some(log, Random(0))
    stop = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        keeping = threads.submit(log.keep_tail, stop)
        wait_until(lambda: log.tail.position is not None)
        yield log
        stop.set()
        keeping.result()


def followed(log: Log, read: ReadOn, until: int, *, after: int = 0) -> list[RecordedEvent]:
    """Follow until a position that is wanted."""
    stop = threading.Event()
    seen: list[RecordedEvent] = []
    for batch in log.follow(after, batch_events_max=7, stop=stop, poll_seconds=0.02, read=read):
        seen += batch
        if seen and seen[-1].position >= until:
            stop.set()
    return seen


class TestFollowingATail:
    """Nobody can tell it from the log."""

    def test_is_given_what_the_log_holds_whoever_appends(
        self, kept: Log, log_database: Database
    ) -> None:
        """Writers here and in other processes: once each, in order, and every field as recorded."""
        began = kept.head().position
        with multiprocessing.get_context("spawn").Pool(WRITERS) as processes:
            writing = processes.starmap_async(
                append_elsewhere, [(log_database.app_conninfo, seed) for seed in range(WRITERS)]
            )
            while not writing.ready():
                append_some(kept, Random(9))
                writing.wait(0.01)
        head = kept.head().position
        wait_until(lambda: kept.tail.position == head)

        seen = followed(kept, read_everything, head)

        recorded = kept.read(0, 10_000)
        assert seen == recorded
        held = kept.tail.behind(began, 10_000)
        assert held is not None
        assert held == (recorded[began:], head, True)
        assert {event.build for event in recorded[began:]} > {"elsewhere"}

    def test_reads_the_log_where_the_tail_begins_too_late(self, kept: Log) -> None:
        """From the first position on, and then goes on in memory without a gap."""
        append_some(kept, Random(1))
        head = kept.head().position

        seen = followed(kept, read_everything, head)

        assert [event.position for event in seen] == list(range(1, head + 1))

    @pytest.mark.parametrize(
        "read",
        [read_releasing, read_settling, ReadChosen(NAMES[:2]), ReadChosen(NAMES[2:])],
        ids=["releasing", "settling", "parking", "others"],
    )
    def test_chooses_as_the_database_does(self, kept: Log, read: ReadOn) -> None:
        """What a follower wants is the same, whether the log or the memory is asked."""
        began, draw = kept.head().position, Random(3)
        for _ in range(APPENDS):
            append_some(kept, draw)
        held = kept.tail.behind(began, 10_000)
        assert held is not None

        chosen = read.choose(held)

        with kept.datastore.connection() as connection:
            assert chosen == read(connection, began, 10_000)
        assert 0 < len(chosen[0]) < len(held[0])

    def test_gives_nothing_at_once_behind_what_is_heeded(self, kept: Log) -> None:
        """It may change what is chosen: the rest is given by the next look."""
        began = kept.head().position
        with kept.writing() as writing:
            writing.append([new_event(event_type=name) for name in ("rule.v1", "x.v1", "rule.v1")])
        held = kept.tail.behind(began, 100)
        assert held is not None
        read = ReadChosen({"rule.v1"}, heeded={"rule.v1"})

        events, reached, is_level = read.choose(held)

        assert [event.position for event in events] == [began + 1]
        assert (reached, is_level) == (began + 1, False)

    def test_does_not_hold_what_was_not_committed(self, kept: Log) -> None:
        """An append that is broken off never was."""
        began = kept.head().position
        with suppress(InterruptedError), kept.writing() as writing:
            writing.append([new_event()])
            raise InterruptedError

        assert kept.tail.position == began

    def test_is_forgotten_when_nobody_keeps_it(self, log: Log) -> None:
        """What others append would be missing."""
        stop = threading.Event()
        stop.set()

        log.keep_tail(stop)

        assert log.tail.position is None
        assert log.tail.behind(0, 1) is None


def recorded_at(position: int) -> RecordedEvent:
    """An event that is told by its position."""
    one = UUID(int=position)
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    return RecordedEvent(
        position, moment, one, 1, one, one, None, "x.v1", "acme", "me", "build", None, None, b"{}"
    )


class TestHolding:
    """Whatever order news come in, there is no gap and nothing twice."""

    @given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 8)), max_size=20))
    def test_holds_consecutive_events(self, news: list[tuple[int, int]]) -> None:
        """Overlapping ones are taken in part, those behind a gap not at all."""
        tail, expected = Tail(events_max=5), 0
        tail.begin(0)
        for first, count in news:
            tail.include([recorded_at(first + index) for index in range(count)])
            if first <= expected + 1:
                expected = max(expected, first + count - 1)

        assert tail.position == expected
        held = max((after for after in range(expected + 1) if not tail.holds(after)), default=-1)
        assert held < max(expected - 5, 0)
        for after in range(held + 1, expected + 1):
            found = tail.behind(after, 3)
            assert found is not None
            events, reached, is_level = found
            assert [each.position for each in events] == list(range(after + 1, reached + 1))
            assert reached == min(after + 3, expected)
            assert is_level is (reached == expected)
        assert not tail.holds(expected + 1)
