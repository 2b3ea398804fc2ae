"""A stream and those who join it: whatever the order of answers, all end where the log leads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.partitions import WHOLE
from gateway.access import Action
from projections.asking import Readable, Seen, State
from read_api.live import subscription
from read_api.live.changes import Encoded, encoded
from read_api.live.destinations import Destination, Row, Told, Topic
from read_api.live.streams import First, Question, Stream, Telling
from read_api.live.subscription import Subscription
from tests.read_api.test_live_parts import folded

MODEL = "toy"
A, B = Topic("t", ("a",)), Topic("t", ("b",))
TOPICS = st.sampled_from([A, B])


def never(readable: Readable, topics: Sequence[Topic], after: int = 0) -> Told:
    """Stand in for the question of a destination, which only says of what kind it is."""
    raise AssertionError(readable, topics, after)


def never_touched(readable: Readable, topics: Sequence[Topic], after: int) -> list[Topic]:
    """Stand in for the question which topics may have changed."""
    raise AssertionError(readable, topics, after)


WITH_CHANGES = Destination("x/{x}", "", MODEL, (Action.READ_CASH,), never, changes=never)
ASKED_ANEW = Destination("x/{x}", "", MODEL, (Action.READ_CASH,), never, touched=never_touched)


class Cell(NamedTuple):
    """What a key of a topic was set to, and where."""

    position: int
    value: int | None


class Store:
    """Rows by topic and key, of one edition of the tables, as of the last position written."""

    def __init__(self) -> None:
        self.position = 80
        self.edition = 0
        self.cells: dict[tuple[Topic, str], Cell] = {}

    def write(self, topic: Topic, key: str, value: int | None) -> None:
        """Set a key; None takes it out."""
        self.position += 1
        self.cells[topic, key] = Cell(self.position, value)

    def rebuild(self) -> None:
        """Fold anew, by another calculation: every value differs, none changed its position."""
        self.edition += 1
        self.cells = {
            at: cell._replace(value=None if cell.value is None else cell.value + 100)
            for at, cell in self.cells.items()
        }

    def restore(self) -> None:
        """Fold anew, from a log of which the end was lost."""
        self.rebuild()
        self.position -= 30
        self.cells = {
            at: cell._replace(position=min(cell.position, self.position))
            for at, cell in self.cells.items()
        }

    def read(self, topics: Sequence[Topic], after: int = -1) -> tuple[Encoded, Seen]:
        """Tell rows that changed behind a position; all that there are without one."""
        rows = [
            Row(topic, key, cell.position, cell.value)
            for (topic, key), cell in self.cells.items()
            if topic in topics and cell.position > after
        ]
        if after < 0:
            rows = [row for row in rows if row.value is not None]
        return encoded(Told(self.position, 0, rows)), self.seen

    def touched(self, topics: Sequence[Topic], after: int) -> list[Topic]:
        """Name topics that changed behind a position."""
        return [
            topic
            for topic in topics
            if any(at[0] == topic and cell.position > after for at, cell in self.cells.items())
        ]

    @property
    def seen(self) -> Seen:
        """What an answer is made of."""
        return {MODEL: State(self.position, self.edition)}


class Answer(NamedTuple):
    """A question that was read, on its way back."""

    question: Question
    told: Encoded
    seen: Seen
    topics: Sequence[Topic]
    is_anew: bool


class World:
    """A store, its stream, and clients; answers come whenever they are let come."""

    def __init__(self, destination: Destination) -> None:
        self.store = Store()
        self.stream = Stream(destination, (WHOLE,), "key")
        self.joining: list[tuple[Subscription, First]] = []
        self.watching: list[Subscription] = []
        self.states: dict[Subscription, dict[str, str]] = {}
        self.positions: dict[Subscription, int] = {}
        self.asked: Question | None = None
        self.answer: Answer | None = None
        self.untold: list[Telling] = []

    def write(self, topic: Topic, key: str, value: int | None) -> None:
        """Let something happen."""
        self.store.write(topic, key, value)

    def rebuild(self) -> None:
        """Swap in tables made anew."""
        self.store.rebuild()

    def restore(self) -> None:
        """Swap in tables that stand before those they replace."""
        self.store.restore()

    def join(self, topic: Topic) -> None:
        """Let a client begin; its snapshot is read and on its way."""
        client = Subscription("s", "x", self.stream.destination, topic, lambda _: None)
        self.stream.add(client)
        self.watching.append(client)
        self.states[client] = {}
        self.joining.append((client, First(topic, *self.store.read([topic]))))

    def arrive(self, number: int = 0) -> None:
        """Let the snapshot of one who joins arrive."""
        if self.joining:
            client, first = self.joining.pop(number % len(self.joining))
            if client in self.watching:
                self.stream.begin(client, first)

    def leave(self) -> None:
        """Let the first client go."""
        if self.watching:
            self.stream.remove(self.watching.pop(0))

    def ask(self) -> None:
        """Ask what changed, if that is due."""
        if self.stream.is_due(self.store.seen):
            self.stream.is_asking = True
            self.asked = self.stream.question()

    def read(self) -> None:
        """Let the question be read, some time after it was asked."""
        if self.asked is None or self.answer is not None:
            return
        topics, since, _ = self.asked
        if self.stream.destination.changes is None:
            touched = self.store.touched(topics, since)
            topics = self.asked.anew(touched, self.stream.own(self.store.seen))
        elif self.stream.is_of_same_edition(self.store.seen):
            self.answer = Answer(self.asked, *self.store.read(topics, since), topics, is_anew=False)
            return
        self.answer = Answer(self.asked, *self.store.read(topics), topics, is_anew=True)

    def reply(self) -> None:
        """Let what was read come back, and all of it be told."""
        self.come_back()
        while self.untold:
            self.tell()
        self.take()

    def come_back(self) -> None:
        """Let what was read come back; what changed behind a position is told by and by."""
        if self.answer is None:
            return
        (_, since, _), told, seen, topics, is_anew = self.answer
        self.asked, self.answer = None, None
        if is_anew:
            self.untold = self.stream.asked_anew(told, seen, topics)
            while self.untold:
                self.tell()
        else:
            self.untold = self.stream.moved(told, seen, since)
        self.stream.is_asking = bool(self.untold)

    def tell(self) -> None:
        """Tell one more topic."""
        if self.untold:
            change, clients = self.untold.pop(0)
            for client in clients:
                if self.stream.hears(client, change):
                    assert client in self.watching, "who has left is told nothing"
                    client.take(change)
            self.stream.is_asking = bool(self.untold)

    def take(self) -> None:
        """Let every client take what waits."""
        for client in self.watching:
            change = client.hand_over()
            if change is not None:
                known = self.positions.get(client, -1)
                assert change.position > known or (change.is_snapshot and change.position == known)
                self.positions[client] = change.position
                self.states[client] = folded(self.states[client], change)

    def settle(self) -> None:
        """Let all come that is on its way, and ask until nothing more is due."""
        while self.joining:
            self.arrive()
        for _ in range(4):
            self.read()
            self.reply()
            self.ask()
        assert self.asked is None, "a stream comes to rest"

    def assert_told(self) -> None:
        """Every client has the state of the store."""
        for client in self.watching:
            told, _ = self.store.read([client.topic])
            pieces = told.rows.get(client.topic, {})
            assert self.states[client] == {key: piece.text for key, piece in pieces.items()}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), TOPICS, st.sampled_from("kl"), st.none() | st.integers(0, 9)),
        st.tuples(st.just("join"), TOPICS),
        st.tuples(st.just("arrive"), st.integers(0, 3)),
        st.sampled_from([("ask",), ("read",), ("reply",), ("take",), ("leave",)]),
        st.sampled_from([("come_back",), ("tell",)]),
    ),
    max_size=40,
)


class TestAStream:
    """Joins, questions and answers in any order."""

    @pytest.mark.parametrize("destination", [WITH_CHANGES, ASKED_ANEW])
    @given(steps=STEPS)
    def test_leaves_nothing_out(
        self, destination: Destination, steps: list[tuple[object, ...]]
    ) -> None:
        """Snapshots may be older or newer than the answers they come with."""
        assert_all_told(steps, destination)

    @given(steps=STEPS)
    def test_leaves_nothing_out_of_what_could_not_be_collected(
        self, steps: list[tuple[object, ...]]
    ) -> None:
        """While a snapshot is asked: here of two changes the first is dropped."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(subscription, "COLLECTED_MAX", 1)
            assert_all_told(steps, WITH_CHANGES)

    @pytest.mark.parametrize("destination", [WITH_CHANGES, ASKED_ANEW])
    @given(steps=STEPS, part=st.floats(0, 1))
    def test_leaves_no_row_of_tables_before_a_rebuild(
        self, destination: Destination, steps: list[tuple[object, ...]], part: float
    ) -> None:
        """Whoever joined around it, and of whatever topic nothing was told since."""
        rebuilt = int(part * len(steps))
        assert_all_told([*steps[:rebuilt], ("rebuild",), *steps[rebuilt:]], destination)

    @given(steps=STEPS, part=st.floats(0, 1))
    def test_goes_on_with_tables_of_an_earlier_position(
        self, steps: list[tuple[object, ...]], part: float
    ) -> None:
        """Whoever joined around it."""
        restored = int(part * len(steps))
        assert_all_told([*steps[:restored], ("restore",), *steps[restored:]], ASKED_ANEW)

    def test_asks_anew_for_a_topic_that_nothing_was_told_of_since_a_rebuild(self) -> None:
        """Its rows were folded by another calculation."""
        steps = [("write", A, "k", 1), ("join", A), ("arrive", 0), ("rebuild",)]
        assert_all_told(steps, ASKED_ANEW)

    @pytest.mark.parametrize(
        "then", [[], [("write", A, "k", 3)], [("write", A, "k", None)], [("join", A)]]
    )
    def test_shows_tables_that_stand_before_those_they_replace(
        self, then: list[tuple[object, ...]]
    ) -> None:
        """Whoever watches sees their rows, at no position before one that it was told."""
        begun = [("write", A, "k", 1), ("join", A), ("arrive", 0), ("take",), ("restore",)]
        turn = [("ask",), ("read",), ("reply",)]
        assert_all_told([*begun, *turn, *then], ASKED_ANEW)
        assert_all_told([*begun, *then, *turn], ASKED_ANEW)

    @pytest.mark.parametrize(
        "rest",
        [
            [("arrive", 0), ("read",), ("reply",)],
            [("read",), ("arrive", 0), ("reply",)],
            [("read",), ("reply",), ("arrive", 0)],
        ],
    )
    def test_asks_again_for_one_whose_snapshot_is_older(
        self, rest: list[tuple[object, ...]]
    ) -> None:
        """Its topic was none of the first question, and had changed as the second was asked."""
        assert_all_told([
            *ASKED_OF_A_ALONE,
            ("write", B, "k", 1),
            ("read",),
            ("reply",),
            ("write", B, "l", 2),
            ("ask",),
            *rest,
        ])  # fmt: skip

    @pytest.mark.parametrize("meanwhile", [[("leave",)], [("join", A), ("arrive", 0)]])
    def test_tells_by_and_by_whoever_is_still_there(
        self, meanwhile: list[tuple[object, ...]]
    ) -> None:
        """Between what came back and its telling some go, and some begin."""
        begun = [("join", A), ("arrive", 0), ("write", A, "k", 1), ("ask",), ("read",)]
        assert_all_told([*begun, ("come_back",), *meanwhile, ("tell",)])

    def test_asks_again_for_one_whose_topic_was_not_asked(self) -> None:
        """It has begun before the answer, which is of a later position."""
        steps = [("arrive", 0), ("write", B, "k", 1), ("read",), ("reply",)]
        assert_all_told([*ASKED_OF_A_ALONE, *steps])

    def test_tells_all_of_it_to_one_that_has_rows_of_other_tables(self) -> None:
        """The tables were made anew between its snapshot and the answer that it was not of."""
        steps = [("rebuild",), ("read",), ("reply",), ("arrive", 0)]
        assert_all_told([("write", B, "k", 1), *ASKED_OF_A_ALONE, *steps])


ASKED_OF_A_ALONE: list[tuple[object, ...]] = [
    ("join", A), ("arrive", 0), ("write", A, "k", 1), ("ask",), ("join", B),
]  # fmt: skip


class TestAQuestion:
    """Its topics are kept from one question to the next."""

    def test_is_about_who_watches_now(self) -> None:
        """Somebody joins, and somebody leaves."""
        world = World(WITH_CHANGES)
        asked: list[tuple[Topic, ...]] = []
        steps: list[Callable[[], None]] = [
            lambda: world.join(A), lambda: world.join(B), world.leave,
        ]  # fmt: skip
        for step in steps:
            step()
            world.arrive()
            for _ in range(2):
                question = world.stream.question()
                assert question is not None
                assert question.topics.owners == tuple(each.owner for each in question.topics)
                asked.append(question.topics)
        assert asked == [(A,), (A,), (A, B), (A, B), (B,), (B,)]


def assert_all_told(
    steps: Sequence[tuple[object, ...]], destination: Destination = WITH_CHANGES
) -> None:
    """Take the steps; in the end every client has the state of the store."""
    world = World(destination)
    for name, *arguments in steps:
        getattr(world, str(name))(*arguments)
    world.settle()
    world.assert_told()
