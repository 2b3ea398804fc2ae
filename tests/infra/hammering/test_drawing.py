"""The load can be understood, follows from the seed, and uses a name twice only on purpose."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.identity import command_id
from infra.hammering.drawing import SESSION_LENGTH, BusinessTime, Sender
from infra.hammering.ledger import Request

seeds = st.integers(0, 2**31)


def sender(seed: int) -> Sender:
    """A sender whose clock stands still."""
    return Sender("north-0", "north", seed, BusinessTime(lambda: 0.0))


def drawn(seed: int) -> list[Request]:
    """Some of everything."""
    one = sender(seed)
    kinds = (one.single, one.batch, one.cash, one.marks, one.close, one.late_registration)
    return [kind() for _ in range(5) for kind in kinds]


class TestRequests:
    """What is drawn."""

    @given(seeds)
    def test_are_the_same_for_the_same_seed(self, seed: int) -> None:
        """But for what depends on the clock, which stands still here."""
        assert drawn(seed) == drawn(seed)

    @given(seeds)
    def test_name_each_command_as_the_system_will(self, seed: int) -> None:
        """By key, and by key and index in a batch; no key twice."""
        requests = drawn(seed)

        for request in requests:
            is_batch = ":batch" in request.path
            items: list[int | None] = list(range(len(request.commands))) if is_batch else [None]
            assert request.commands == tuple(
                command_id("north", request.key, item) for item in items
            )
        assert max(Counter(request.key for request in requests).values()) == 1

    @given(seeds)
    def test_hold_one_item_for_each_command(self, seed: int) -> None:
        """Arrays and lines alike."""
        for request in drawn(seed):
            if ":batch" in request.path:
                is_lines = request.media_type == "application/x-ndjson"
                content = request.content
                items = content.split(b"\n") if is_lines else json.loads(content)
                assert len(items) == len(request.commands)


class TestBusinessTime:
    """The day that is traded."""

    def test_moves_to_the_next_day_when_a_session_ends(self) -> None:
        """Days follow each other without a gap, and time never leaves its day."""
        seconds = 0.0
        time = BusinessTime(lambda: seconds)
        first = time.starts_at

        seconds = 200_000.0
        assert time.now() < first + SESSION_LENGTH
        time.end_session()

        assert time.starts_at == first + SESSION_LENGTH == time.now()
        seconds += 3
        assert time.now() == time.starts_at + timedelta(seconds=3)
