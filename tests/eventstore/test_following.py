"""Following the log: every event once and in order, whatever happens to the connection."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

import psycopg
import pytest

from eventstore.envelope import RecordedEvent
from eventstore.failures import LogBehindCheckpoint
from eventstore.following import ReadChosen, read_releasing
from eventstore.log import Log
from infra.database import Database
from tests.eventstore.samples import new_event, stream_of

WRITERS = 4
APPENDS_PER_WRITER = 60
DEADLINE_SECONDS = 40.0
RARELY_SECONDS = 20.0


def append(log: Log, count: int) -> None:
    """Append a new stream."""
    with log.writing() as writing:
        writing.append(stream_of(count))


class Follower:
    """Follows a log on a thread of its own and keeps what it saw."""

    def __init__(
        self, log: Log, *, after: int = 0, batch_events_max: int = 7, poll_seconds: float = 0.25
    ) -> None:
        self.batches: list[list[RecordedEvent]] = []
        self.stop = threading.Event()
        self._thread = ThreadPoolExecutor(1)
        self._following = self._thread.submit(
            self._follow, log, after, batch_events_max, poll_seconds
        )

    def _follow(self, log: Log, after: int, batch_events_max: int, poll_seconds: float) -> None:
        for batch in log.follow(
            after, batch_events_max=batch_events_max, stop=self.stop, poll_seconds=poll_seconds
        ):
            self.batches.append(batch)

    @property
    def positions(self) -> list[int]:
        """All positions seen, in the order they came."""
        return [event.position for batch in self.batches for event in batch]

    def wait_until(self, position: int, *, seconds: float = DEADLINE_SECONDS) -> None:
        """Wait until a position was seen, or the follower failed."""
        deadline = time.monotonic() + seconds
        while not self.positions[-1:] >= [position]:
            if self._following.done():
                self._following.result()
            assert time.monotonic() < deadline, f"only {self.positions[-1:]} was seen"
            time.sleep(0.01)

    def wait_until_idle(self) -> None:
        """Wait until the follower says that it stands at the head."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not self.batches or self.batches[-1]:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def end(self) -> None:
        """Stop, and raise what the follower raised; harmless when repeated."""
        self.stop.set()
        self._following.result(timeout=DEADLINE_SECONDS)
        self._thread.shutdown()


Follow: TypeAlias = Callable[..., Follower]


@pytest.fixture
def follow(log: Log) -> Iterator[Follow]:
    """Start followers of the log; those still running are stopped at the end of the test."""
    with contextlib.ExitStack() as running:

        def start(**options: Any) -> Follower:
            follower = Follower(log, **options)
            running.callback(follower.end)
            return follower

        yield start


class TestFollowing:
    """One reader at the head of the log."""

    def test_gives_what_was_there_and_what_comes(self, log: Log, follow: Follow) -> None:
        """From a position on, in batches that are not larger than asked."""
        append(log, 10)
        follower = follow(after=2, batch_events_max=3)
        follower.wait_until(10)

        append(log, 4)
        follower.wait_until(14)

        follower.end()
        assert follower.positions == list(range(3, 15))
        assert max(len(batch) for batch in follower.batches) == 3

    def test_is_woken_by_the_append(self, log: Log, follow: Follow) -> None:
        """With a poll too rare to help, NOTIFY brings the event at once."""
        follower = follow(poll_seconds=RARELY_SECONDS)
        follower.wait_until_idle()

        append(log, 1)

        follower.wait_until(1, seconds=RARELY_SECONDS / 2)
        follower.stop.set()
        append(log, 1)

    def test_needs_no_hint(self, log: Log, log_database: Database, follow: Follow) -> None:
        """An event whose NOTIFY never came is found by the next poll."""
        follower = follow()
        append(log, 1)
        follower.wait_until(1)

        with psycopg.connect(log_database.app_conninfo) as silent:
            silent.execute(
                "INSERT INTO log.events SELECT position + 1, recorded_at, gen_random_uuid(), 1,"
                " command_id, correlation_id, NULL, event_type, tenant, actor, build, NULL, NULL,"
                " data FROM log.events"
            )

        follower.wait_until(2)

    def test_survives_a_lost_connection(
        self, log: Log, log_database: Database, follow: Follow
    ) -> None:
        """It connects again and goes on where it was."""
        follower = follow()
        for round_number in range(1, 4):
            append(log, 5)
            follower.wait_until(5 * round_number)
            with psycopg.connect(log_database.app_conninfo, autocommit=True) as connection:
                ended = connection.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name = 'pms log follow'"
                ).fetchall()
            assert ended == [(True,)]

        append(log, 5)
        follower.wait_until(20)

        assert follower.positions == list(range(1, 21))

    def test_stops_when_told(self, log: Log, follow: Follow) -> None:
        """Also where nothing ever comes."""
        follower = follow()
        follower.wait_until_idle()

        follower.end()

        assert follower.positions == []

    def test_refuses_a_log_shorter_than_its_checkpoint(self, log: Log) -> None:
        """Waiting for positions to be used a second time would skip the new events."""
        append(log, 3)

        following = log.follow(4, batch_events_max=1, stop=threading.Event())

        with pytest.raises(LogBehindCheckpoint):
            next(following)


class TestFollowingAFew:
    """What a reaction needs, from small indexes, however much else is between."""

    @pytest.mark.parametrize("batch_events_max", [1, 2, 3, 100])
    def test_sees_what_is_shared_parked_or_released(self, log: Log, batch_events_max: int) -> None:
        """In log order, once, also where a batch is cut short and as the log goes on."""
        draw = Random(7)
        names = ["trade.parked.v1", "trade.released.v1", "trade.captured.v1", "x.y.v1"]

        def append_some() -> None:
            with log.writing() as writing:
                tenants = [draw.choice(["market", "acme", "acme"]) for _ in range(20)]
                writing.append(
                    [new_event(tenant=each, event_type=draw.choice(names)) for each in tenants]
                )

        append_some()
        stop = threading.Event()
        seen: list[RecordedEvent] = []
        following = log.follow(
            0,
            batch_events_max=batch_events_max,
            stop=stop,
            poll_seconds=0.01,
            read=read_releasing,
        )
        for rounds, batch in enumerate(following):
            seen += batch
            if rounds == 5:
                append_some()
            if rounds == 60:
                stop.set()

        expected = [
            event.position
            for event in log.read(0, 100)
            if event.tenant == "market" or event.event_type in names[:2]
        ]
        assert [event.position for event in seen] == expected
        assert 10 < len(expected) < 40


def write_many(conninfo: str, seed: int) -> list[UUID]:
    """Append in blocks of different sizes, breaking some off; give the streams appended."""
    draw = Random(seed)
    streams = []
    with Log(conninfo, clock=lambda: datetime.now(UTC), build="writer") as log:
        for _ in range(APPENDS_PER_WRITER):
            events = [new_event() for _ in range(draw.choice([1, 1, 2, 5, 40]))]
            try:
                with log.writing() as writing:
                    writing.append(events)
                    if draw.random() < 0.2:
                        raise InterruptedError
                streams += [event.stream_id for event in events]
            except InterruptedError:
                continue
    return streams


class TestFollowingManyWriters:
    """Writers in processes of their own, some of whose appends are broken off."""

    def test_misses_nothing_and_sees_nothing_twice(
        self, log: Log, log_database: Database, follow: Follow
    ) -> None:
        """What the follower saw is exactly what was committed, in positions without gaps."""
        follower = follow(batch_events_max=500)

        with multiprocessing.get_context("spawn").Pool(WRITERS) as processes:
            written = processes.starmap(
                write_many, [(log_database.app_conninfo, seed) for seed in range(WRITERS)]
            )
        follower.wait_until(log.head().position)
        follower.end()

        streams = {stream for streams in written for stream in streams}
        seen = [event.stream_id for batch in follower.batches for event in batch]
        assert follower.positions == list(range(1, log.head().position + 1))
        assert (len(seen), set(seen)) == (len(streams), streams)
        moments = [event.recorded_at for batch in follower.batches for event in batch]
        assert moments == sorted(moments)


class TestFollowingChosenTypes:
    """Only what is chosen is read; what is heeded may change the choice."""

    def test_gives_what_is_chosen_and_chooses_anew_behind_what_is_heeded(self, log: Log) -> None:
        """From the position on that was heeded, nothing of what is chosen then is missed."""
        types = ["other.v1", "limit.v1", "trade.v1", "limit.v1", "other.v1", "trade.v1"]
        with log.writing() as writing:
            writing.append([new_event(event_type=event_type) for event_type in types])
        read = ReadChosen({"limit.v1"}, heeded={"limit.v1"})
        stop = threading.Event()
        seen: list[int] = []
        reached: list[int] = []

        for recorded in log.follow(0, batch_events_max=3, stop=stop, read=read):
            seen += [each.position for each in recorded]
            reached.append(read.reached)
            if recorded:
                read.event_types = {"limit.v1", "trade.v1"}
                read.heeded = ()
            if read.reached == len(types):
                stop.set()

        assert seen == [2, 3, 4, 6]
        assert reached == [2, 5, 6]
