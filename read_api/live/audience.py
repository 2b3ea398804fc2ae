"""The audience: all subscriptions of this process, asked for together and told one by one.

Per destination (and partition) there is one stream. When its model moves, one question tells what
changed for everybody's topics. A model is known to have moved by the hints of projectors, and by
comparing checkpoints every 250 ms; what is told is always of the position that the answer says.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeVar

import structlog

from eventstore.partitions import Partition
from gateway.interface import not_found
from gateway.problem import Problem
from projections.asking import Readable, ReadModelMissing, State
from projections.changed import TooMuchChanged
from projections.reading import Reading, ReadingUnavailable
from read_api.live.asker import Answer, Asker, Asking
from read_api.live.destinations import Destination, Spread, Told, Topic
from read_api.live.metrics import LiveMetrics
from read_api.live.streams import First, Question, Stream, Telling
from read_api.live.subscription import Subscription

POLL_SECONDS = 0.25
FAILED_PAUSE_SECONDS = 1.0
RENEWAL_SECONDS_MIN = 0.1
RENEWAL_SECONDS_MAX = 5.0
THREADS = 4

GATHER_SECONDS = 0.001
TOPICS_AT_ONCE = 10

ValueT = TypeVar("ValueT")


class Resumed(NamedTuple):
    """Where a returning client stood: the position and edition of its last message."""

    position: int
    edition: int | None


class Audience:
    """Everybody who watches, and the questions asked for them; lives in one event loop."""

    def __init__(self, reading: Reading, metrics: LiveMetrics) -> None:
        self._reading = reading
        self._asker = Asker(reading)
        self._metrics = metrics
        self._streams: dict[Hashable, Stream] = {}
        self._known: dict[str, State] = {}
        self._heard_at: dict[str, float] = {}
        self._sittings: dict[tuple[str, tuple[Partition, ...]], list[Stream]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="live")
        self._apart = ThreadPoolExecutor(1, thread_name_prefix="live-apart")
        self._logger = structlog.get_logger(__name__)

    def heard(self, schema: str, position: int) -> None:
        """Take note that a model may stand further, and ask for whom that concerns."""
        self._heard_at[schema] = time.monotonic()
        known = self._known.get(schema)
        if known is None or position > known.position:
            self._known[schema] = State(position, known.edition if known else 0)
        for stream in self._streams.values():
            if schema in stream.schemas:
                self._look(stream)

    async def run(self) -> None:
        """Compare checkpoints until cancelled: of those models of which nobody was heard."""
        try:
            while True:
                await asyncio.sleep(POLL_SECONDS)
                try:
                    await self._compare()
                except Exception:
                    # Nobody starts this anew, and streams would stand still without it.
                    self._logger.exception("live_comparing_failed")
                    await asyncio.sleep(FAILED_PAUSE_SECONDS)
        finally:
            for task in self._tasks:
                task.cancel()
            self._executor.shutdown(wait=False)
            self._apart.shutdown(wait=False)

    async def _compare(self) -> None:
        """Look where models stand of which nobody was heard, and ask for whom that concerns."""
        schemas = {name for each in self._streams.values() for name in each.schemas}
        long_ago = time.monotonic() - POLL_SECONDS
        unheard = {each for each in schemas if self._heard_at.get(each, 0.0) < long_ago}
        if unheard:
            with contextlib.suppress(ReadingUnavailable, ReadModelMissing):
                self._known.update(await self._in_thread(partial(self._states, unheard)))
        for stream in list(self._streams.values()):
            self._look(stream)

    async def join(self, subscription: Subscription, resumed: Resumed | None = None) -> None:
        """Give a subscription its first message, and from then on what changes.

        Raises:
            Problem: `not_found` or `not_ready`.
        """
        stream = self._stream(subscription.destination, subscription.topic)
        stream.add(subscription)
        try:
            first = await self._first(stream, subscription.topic, resumed)
        except (ReadModelMissing, ReadingUnavailable):
            self.leave(subscription)
            raise Problem(
                "not_ready", "The read model cannot be asked now; subscribe again shortly."
            ) from None
        except BaseException:
            self.leave(subscription)
            raise
        if stream.has(subscription):
            stream.begin(subscription, first)
            self._look(stream)

    async def renew(self, subscription: Subscription) -> None:
        """Give a new snapshot to a subscription that fell behind, or wake it later to try again.

        A log has no snapshot of what it told: it goes on behind what the client was sent.
        Its client is told other things meanwhile, so nothing is waited for here.
        """
        subscription.begin_anew()
        stream = self._stream(subscription.destination, subscription.topic)
        resumed = Resumed(subscription.position, None) if stream.destination.is_log else None
        first = None
        try:
            first = await self._first(stream, subscription.topic, resumed)
        except (ReadModelMissing, ReadingUnavailable, Problem):
            pass
        except Exception:
            self._metrics.failures.labels(stream.destination.pattern).inc()
            self._logger.exception("live_renewal_failed", destination=stream.destination.pattern)
        if not stream.has(subscription):
            self.leave(subscription)
        elif first is not None and (
            # What is asked anew is told at the client's position, whatever it was asked at.
            stream.destination.changes is None or first.position >= subscription.position
        ):
            stream.begin(subscription, first)
        else:
            # What was asked is away, or stands before what the client was told already.
            pause = renewal_pause(subscription.renewals_failed)
            subscription.stay_behind()
            loop = asyncio.get_running_loop()
            loop.call_later(pause, subscription.wake, subscription)

    def leave(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        stream = self._stream(subscription.destination, subscription.topic)
        stream.remove(subscription)
        if not stream.topics:
            self._streams.pop(stream.key, None)

    def _stream(self, destination: Destination, topic: Topic) -> Stream:
        partitions = self._reading.partitions
        if destination.spread is Spread.HOME:
            partitions = self._reading.home_of(topic.tenant, topic.names[0])
        elif destination.spread is Spread.ANY:
            partitions = partitions[:1]
        key = (destination.pattern, partitions, topic if destination.is_log else None)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = Stream(destination, partitions, key)
        return stream

    async def _first(self, stream: Stream, topic: Topic, resumed: Resumed | None) -> First:
        """Ask what a client that joins is told first."""
        destination = stream.destination

        def ask(readable: Readable) -> Told:
            _require_known(destination, readable, topic)
            return destination.snapshot(readable, [topic])

        if resumed is not None:
            since = await self._since(stream, topic, resumed)
            if since is not None:
                return since
        return First(topic, *await self._ask(stream, ask, is_of_one_snapshot=True))

    async def _since(self, stream: Stream, topic: Topic, resumed: Resumed) -> First | None:
        """Ask what changed since a client was here; None where it must begin anew."""
        destination, changes = stream.destination, stream.destination.changes
        if changes is None:
            return None

        def ask(readable: Readable) -> Told:
            _require_known(destination, readable, topic)
            return changes(readable, [topic], resumed.position)

        try:
            found = await self._ask(stream, ask)
        except TooMuchChanged:
            return None
        first = First(topic, *found, since=resumed.position)
        is_of_same = destination.is_log or first.edition == resumed.edition
        return first if is_of_same and first.position >= resumed.position else None

    def _look(self, stream: Stream) -> None:
        """Ask what changed in a stream, if its model moved and nobody is asking already."""
        if not stream.is_due(self._known):
            return
        wait = stream.not_before - time.monotonic()
        if wait > 0:
            stream.look_again(wait, lambda: self._look(stream))
            return
        stream.is_asking = True
        sitting = stream.destination.sitting
        if sitting is None:
            self._begin([stream])
            return
        waiting = self._sittings.setdefault((sitting, stream.partitions), [])
        waiting.append(stream)
        if len(waiting) == 1:  # The others hear of the same commit a moment later.
            key = (sitting, stream.partitions)
            loop = asyncio.get_running_loop()
            loop.call_later(GATHER_SECONDS, lambda: self._begin(self._sittings.pop(key)))

    def _begin(self, streams: Sequence[Stream]) -> None:
        task = asyncio.get_running_loop().create_task(self._advance(streams))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _advance(self, streams: Sequence[Stream]) -> None:
        """Ask what changed in streams and tell it; one destination's fault is not everybody's."""
        started = time.monotonic()
        failed: dict[Stream, Exception] = {}
        try:
            for stream, question in await self._tell_changes(streams, failed):
                try:
                    await self._tell_anew(stream, question)
                except Exception as error:  # noqa: BLE001 - it is logged with the others
                    failed[stream] = error
        finally:
            ended = time.monotonic()
            for stream in streams:
                self._rest(stream, ended - started, self._pause_after(stream, failed.get(stream)))
        for stream in streams:
            self._look(stream)

    def _rest(self, stream: Stream, taken: float, pause: float) -> None:
        destination, told_over = stream.destination, stream.told_over
        taken -= told_over
        self._metrics.asked.labels(destination.pattern).observe(taken)
        rest = max(pause, destination.pause_seconds, taken * (1 / destination.busy_part - 1))
        stream.not_before = time.monotonic() - told_over + rest
        stream.told_over = 0.0
        stream.is_asking = False

    def _pause_after(self, stream: Stream, error: Exception | None) -> float:
        """Say how long to leave a stream alone after a question, and log what no one expects."""
        if error is None:
            return 0.0
        if isinstance(error, ReadModelMissing | ReadingUnavailable):
            return POLL_SECONDS
        pattern = stream.destination.pattern
        self._metrics.failures.labels(pattern).inc()
        self._logger.error("live_question_failed", destination=pattern, exc_info=error)
        return FAILED_PAUSE_SECONDS

    async def _tell_changes(
        self, streams: Sequence[Stream], failed: dict[Stream, Exception]
    ) -> list[Asking]:
        """Ask what changed and tell it; give what is to be asked anew instead."""
        asked = [
            Asking(stream, question)
            for stream in streams
            if (question := stream.question()) is not None
        ]
        wanted = [each for each in asked if each.stream.changes is not None]
        anew = [each for each in asked if each.stream.changes is None]
        answers = await self._in_thread(partial(self._asker.changes, wanted)) if wanted else []
        for each, answer in zip(wanted, answers, strict=True):
            stream = each.stream
            if isinstance(answer, TooMuchChanged):
                anew.append(each)
            elif isinstance(answer, Exception):
                failed[stream] = answer
            elif stream.destination.is_log or stream.is_of_same_edition(answer[1]):
                await self._tell_by_and_by(stream, stream.moved(*answer, each.question.since))
            else:
                anew.append(each)
        return anew

    async def _tell_anew(self, stream: Stream, question: Question) -> None:
        destination, asked = stream.destination, question.topics
        touched = destination.touched

        def anew(readable: Readable) -> Told:
            nonlocal asked
            if stream.changes is None and touched is not None:
                seen = readable.seen
                assert seen is not None, "what the tables hold is told to the stream"
                concerned = touched(readable, question.topics, question.since)
                asked = question.anew(concerned, stream.own(seen))
            return destination.snapshot(readable, asked)

        told, seen = await self._ask(stream, anew, is_of_one_snapshot=True)
        self._tell(stream, stream.asked_anew(told, seen, asked))

    async def _tell_by_and_by(self, stream: Stream, told: Sequence[Telling]) -> None:
        """Tell what changed; of what is asked at leisure, much at once is told over its pause.

        A tick of all prices moves every topic: told at once it would hold up what was just booked.
        """
        pause = stream.destination.pause_seconds * TOPICS_AT_ONCE / max(len(told), 1)
        for first in range(0, len(told), TOPICS_AT_ONCE):
            if first and pause:
                await asyncio.sleep(pause)
                stream.told_over += pause
            self._tell(stream, told[first : first + TOPICS_AT_ONCE])

    def _tell(self, stream: Stream, told: Sequence[Telling]) -> None:
        hears = stream.hears
        self._metrics.taken(
            [
                subscription.take(change)
                for change, subscriptions in told
                for subscription in subscriptions
                if hears(subscription, change)
            ]
        )

    async def _ask(
        self,
        stream: Stream,
        question: Callable[[Readable], Told],
        *,
        is_of_one_snapshot: bool = False,
    ) -> Answer:
        """Ask a question and encode its rows, off the event loop."""
        work = partial(self._asker.answer, stream, question, is_of_one_snapshot=is_of_one_snapshot)
        return await self._in_thread(work, is_apart=stream.destination.asks_others)

    async def _in_thread(self, work: Callable[[], ValueT], *, is_apart: bool = False) -> ValueT:
        executor = self._apart if is_apart else self._executor
        return await asyncio.get_running_loop().run_in_executor(executor, work)

    def _states(self, schemas: set[str]) -> dict[str, State]:
        found = self._reading.states(schemas)
        return {schema: state for schema, state in found.items() if state is not None}


def renewal_pause(failed: int) -> float:
    """Say for how many seconds to wait after so many attempts that failed, and another one."""
    return min(RENEWAL_SECONDS_MIN * 2.0 ** min(failed, 10), RENEWAL_SECONDS_MAX)


def _require_known(destination: Destination, readable: Readable, topic: Topic) -> None:
    """Refuse a topic that is none, whatever else was asked for.

    Raises:
        Problem: `not_found`.
    """
    # What this is made of is no part of the answer.
    if not destination.is_known(readable._replace(seen=None), topic):
        raise not_found()
