"""A bounded memory gives what was kept last, within its bound, whoever asks for it."""

import sys
from collections.abc import Iterator
from random import Random
from threading import Barrier, Thread
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.bounded_memory import BoundedMemory

Key = tuple[str, int, str]
"""A log, an edition of the tables made of it, and a name."""
KEYS = [(log, edition, name) for log in "lm" for edition in (0, 1) for name in "abc"]
THREADS = 4


class Kept(NamedTuple):
    """A value that says as what it was kept."""

    key: Key
    number: int
    size: int


Memory = BoundedMemory[Key, Kept]
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["get", "take", "keep", "keep"]), st.sampled_from(KEYS), st.integers(0, 6)
    ),
    max_size=60,
)


def memory_of(room: int) -> Memory:
    """A memory that measures values by what they say."""
    return BoundedMemory(room, lambda kept: kept.size)


def taken_out(memory: Memory) -> list[Kept]:
    """All that is known, which is forgotten."""
    found = [memory.take(key) for key in KEYS]
    return [each for each in found if each is not None]


class TestWhatIsKept:
    """By one thread."""

    @given(room=st.integers(0, 12), acts=ACTS)
    def test_is_what_was_kept_last_of_keys_that_were_asked_for_last(
        self, room: int, acts: list[tuple[str, Key, int]]
    ) -> None:
        """As a list by last use has it: under its very key, and never more than there is room."""
        memory, by_use = memory_of(room), dict[Key, Kept]()
        for number, (act, key, size) in enumerate(acts):
            known = by_use.pop(key, None)
            if act == "keep":
                known = Kept(key, number, size)
                memory.keep(key, known)
            else:
                assert (memory.get if act == "get" else memory.take)(key) is known
            if known is not None and act != "take" and known.size <= room and room:
                by_use[key] = known
            while sum(max(1, each.size) for each in by_use.values()) > room:
                del by_use[next(iter(by_use))]

        found = taken_out(memory)
        assert sorted(found) == sorted(by_use.values())
        assert sum(max(1, each.size) for each in found) <= room

    def test_counts_as_one_where_nothing_else_is_said(self) -> None:
        """The one asked for longest ago gives way to a third."""
        memory = BoundedMemory[str, str](2)
        memory.keep("a", "first")
        memory.keep("b", "second")
        memory.get("a")
        memory.keep("c", "third")

        assert [memory.get(key) for key in "abc"] == ["first", None, "third"]

    def test_stays_where_another_is_too_large(self) -> None:
        """That one pushes out nothing, but what it follows, which is right no more."""
        memory = memory_of(3)
        beside, before, large = Kept(KEYS[0], 0, 1), Kept(KEYS[1], 0, 1), Kept(KEYS[1], 1, 4)
        for each in (beside, before, large):
            memory.keep(each.key, each)

        assert taken_out(memory) == [beside]


@pytest.fixture
def often_switching() -> Iterator[None]:
    """Threads give way to each other after every few instructions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("often_switching")
class TestAMemoryThatThreadsShare:
    """All of them at once."""

    def test_counts_what_is_in_it(self) -> None:
        """In the end there is room for as much as at the beginning, and for no more."""
        memory, begin, failures = memory_of(12), Barrier(THREADS), list[Exception]()

        def use(seed: int) -> None:
            chance = Random(seed)
            begin.wait()
            try:
                for number in range(3_000):
                    key = chance.choice(KEYS)
                    memory.keep(key, Kept(key, number, chance.randint(0, 5)))
                    for known in (memory.get(key), memory.take(chance.choice(KEYS))):
                        assert known is None or known.key in KEYS
            except Exception as failure:  # noqa: BLE001
                failures.append(failure)

        threads = [Thread(target=use, args=(seed,)) for seed in range(THREADS)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        taken_out(memory)
        fitting = [Kept(key, -1, 1) for key in KEYS]
        for kept in fitting:
            memory.keep(kept.key, kept)

        assert not failures
        assert len(fitting) == memory.room
        assert taken_out(memory) == fitting
