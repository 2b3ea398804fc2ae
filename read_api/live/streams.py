"""A stream: the watched topics of one destination (and partition), and where they stand."""

import asyncio
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from eventstore.partitions import Partition
from projections.asking import Seen
from projections.asking import State as Standing
from read_api.live.changes import NO_POSITION, Change, Encoded, State, difference
from read_api.live.destinations import Destination, Topic, Topics
from read_api.live.subscription import Subscription


class Telling(NamedTuple):
    """A change, and who is told."""

    change: Change
    subscriptions: Sequence[Subscription]


class First(NamedTuple):
    """What a topic's new subscriber is told: all of it, or what changed behind `since`."""

    topic: Topic
    told: Encoded
    seen: Seen
    since: int | None = None

    @property
    def position(self) -> int:
        """The position it is of."""
        return self.told.position

    @property
    def edition(self) -> int:
        """The edition of the tables."""
        return edition_of(self.seen)

    @property
    def change(self) -> Change:
        """What is sent."""
        return _change(self.told, self.topic, self.edition, self.since)


class Question(NamedTuple):
    """What is asked at once: what changed of these topics behind a position, in tables known."""

    topics: Topics
    since: int
    edition: int | None

    def anew(self, touched: Iterable[Topic], seen: Seen) -> Topics:
        """Give the topics that are asked anew: those touched, or all where the tables are others.

        Other tables tell nothing of what differs between them and those before.
        """
        if edition_of(seen) != self.edition:
            return self.topics
        wanted = set(touched)
        return Topics(topic for topic in self.topics if topic in wanted)


class _Whole(NamedTuple):
    """A topic's whole state as it is told, and the edition and position that it was asked at.

    Of tables made anew it may have been asked at an earlier position than was told before.
    """

    asked: tuple[int, int]
    change: Change


class Stream:
    """Where the topics of a destination stand; `position` is None until somebody has begun.

    Whoever has begun was told everything up to `position`, at least. While a question is out others
    may begin, at an earlier position or with a topic that is not asked: they are remembered until
    it is answered, so that the next one is asked from where they stand.

    Of a destination without `changes` it keeps each topic's state, to tell what differs.

    It is not asked again before `not_before`; the last answer was told over so many seconds.
    """

    def __init__(
        self, destination: Destination, partitions: tuple[Partition, ...], key: Hashable
    ) -> None:
        self.destination = destination
        self.partitions = partitions
        self.key = key
        self.changes = destination.changes if destination.follow is None else destination.follow()
        model = destination.model
        self.schemas = [] if model is None else [model + each.suffix for each in partitions]
        self.topics: dict[Topic, set[Subscription]] = {}
        self.position: int | None = None
        self.is_asking = False
        self.not_before = 0.0
        self.told_over = 0.0
        self._seen: Seen = {}
        self._edition: int | None = None
        self._asked: Topics | None = None
        self._began: dict[Subscription, First] = {}
        self._states: dict[Topic, _Whole] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, subscription: Subscription) -> None:
        """Let a subscription collect what changes."""
        if subscription.topic not in self.topics:
            self.topics[subscription.topic] = set()
            self._asked = None
        self.topics[subscription.topic].add(subscription)

    def has(self, subscription: Subscription) -> bool:
        """Say whether a subscription was added and not removed."""
        return subscription in self.topics.get(subscription.topic, ())

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription, and its topic with the last one."""
        watching = self.topics.get(subscription.topic, set())
        watching.discard(subscription)
        self._began.pop(subscription, None)
        if not watching:
            self.topics.pop(subscription.topic, None)
            self._asked = None
            self._states.pop(subscription.topic, None)

    def own(self, seen: Seen) -> Seen:
        """Leave, of what an answer was made of, the tables that this stream's position is of."""
        return {schema: seen[schema] for schema in self.schemas if schema in seen}

    def is_due(self, known: Mapping[str, Standing]) -> bool:
        """Say whether the model may have moved since it was asked, and nobody asks."""
        if self.is_asking or self.position is None or not self.topics:
            return False
        if self.destination.model is None:
            return True
        for schema in self.schemas:
            seen, now = self._seen.get(schema), known.get(schema)
            if now is not None and (seen is None or _is_beyond(now, seen)):
                return True
        return False

    def look_again(self, seconds: float, look: Callable[[], None]) -> None:
        """Call `look` after a while, once however often this is asked for."""

        def call() -> None:
            self._timer = None
            look()

        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, call)

    def is_of_same_edition(self, seen: Seen) -> bool:
        """Say whether an answer is of the tables that were asked before."""
        return edition_of(seen) == self._edition

    def question(self) -> Question | None:
        """Give what is to be asked now, if anybody wants to know."""
        self._began.clear()
        if not self.topics or self.position is None:
            return None
        if self._asked is None:
            self._asked = Topics(self.topics)
        return Question(self._asked, self.position, self._edition)

    def begin(self, subscription: Subscription, first: First) -> None:
        """Let a subscription begin with its first answer."""
        if self.position is None:
            self._edition = first.edition
        self._began[subscription] = first
        self._ask_behind(first)
        if self.destination.changes is not None:
            subscription.begin(first.change)
            return
        for change, others in self._take_whole(first.told, first.edition, [first.topic]):
            for other in others:
                other.take(change)
        subscription.begin(self._states[first.topic].change)

    def moved(self, told: Encoded, seen: Seen, since: int) -> list[Telling]:
        """Take in what changed behind the position that was asked, and say who is told what.

        It may be told little by little, before anything more is asked: see `hears`.
        """
        self._stand(told, seen)
        edition = edition_of(seen)
        return [
            Telling(_change(told, topic, edition, since), list(watching))
            for topic in told.rows
            if (watching := self.topics.get(topic))
        ]

    def hears(self, subscription: Subscription, change: Change) -> bool:
        """Say whether a subscription is still to be told of a change.

        Not one that has left meanwhile, nor one that began before what the change is behind: it
        would miss what is in between, and is asked for again.
        """
        if not self.has(subscription):
            return False
        if not self._began or self.destination.changes is None:
            return True
        began = self._began.get(subscription)
        return began is None or began.position >= change.since

    def asked_anew(self, told: Encoded, seen: Seen, topics: Iterable[Topic]) -> list[Telling]:
        """Take in the whole state of topics, and say who is told what.

        Who is told rows that changed gets a snapshot: the tables were made anew, or too much
        changed. Otherwise what differs is told.
        """
        self._stand(told, seen)
        if self.destination.changes is None:
            return self._take_whole(told, edition_of(seen), topics)
        return [
            Telling(_change(told, topic, edition_of(seen), None), list(self.topics.get(topic, ())))
            for topic in topics
        ]

    def _stand(self, told: Encoded, seen: Seen) -> None:
        """Stand where an answer is of, or at the earliest of those who began meanwhile."""
        self.position, self._seen, self._edition = told.position, seen, edition_of(seen)
        for first in self._began.values():
            self._ask_behind(first)

    def _ask_behind(self, first: First) -> None:
        """Ask next what changed behind a first answer; nobody is told twice."""
        if self.position is None or first.position < self.position:
            self.position, self._seen = first.position, first.seen
        if first.edition != self._edition:
            # Some have rows of other tables: all is asked anew.
            self._edition, self._seen = None, {}

    def _take_whole(self, told: Encoded, edition: int, topics: Iterable[Topic]) -> list[Telling]:
        """Keep topics' states, and say who is told what differs."""
        tellings = []
        for topic in topics:
            before = self._states.get(topic)
            if before is not None and before.asked > (edition, told.position):
                continue  # Somebody who joined meanwhile was told of a later one.
            state = _state(told, topic, edition, before)
            self._states[topic] = state
            later = None if before is None else _later(before.change, state.change)
            if later is not None:
                watching = self.topics.get(topic, ())
                tellings.append(Telling(later, [each for each in watching if each.has_begun]))
        return tellings


def _state(told: Encoded, topic: Topic, edition: int, before: _Whole | None) -> _Whole:
    """Give a topic's state, to be told at no position before that of the state before."""
    whole = _change(told, topic, edition, None)
    if before is not None and whole.position < before.change.position:
        whole = whole.told_at(before.change.position)
    return _Whole((edition, told.position), whole)


def _later(before: Change, whole: Change) -> Change | None:
    """Give what leads from a state to a later one: what differs, if the position tells them apart.

    Otherwise all of it: a client that meets a position twice is told a snapshot.
    """
    pieces = difference(before.pieces, whole.pieces)
    if not pieces:
        return None
    if whole.position == before.position:
        return whole
    return Change(
        pieces,
        position=whole.position,
        market_position=whole.market_position,
        edition=whole.edition,
        since=whole.position,
    )


def edition_of(seen: Seen) -> int:
    """Give the edition of tables in several partitions: it changes when any of theirs does."""
    return sum(state.edition for state in seen.values())


def _is_beyond(now: Standing, seen: Standing) -> bool:
    return now.position > seen.position or now.edition > seen.edition


def _change(told: Encoded, topic: Topic, edition: int, since: int | None) -> Change:
    rows: State = told.rows.get(topic, {})
    return Change(
        rows,
        position=told.position,
        market_position=told.market_position,
        edition=edition,
        since=NO_POSITION if since is None else since,
        is_snapshot=since is None,
    )
