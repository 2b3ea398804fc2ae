"""Waiting for a position: woken by a hint, else by looking; never longer than asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping

import pytest

from read_api.waiting import POLL_SECONDS, PositionWatch

CASH = frozenset({"cash"})
BOTH = frozenset({"cash", "trades"})


class Checkpoints:
    """Where models stand, as the database would tell; counts how often it was asked."""

    def __init__(self, **positions: int | None) -> None:
        self.positions = positions
        self.asked = 0

    async def __call__(self, models: Iterable[str]) -> Mapping[str, int | None]:
        """Tell where models stand."""
        self.asked += 1
        return {model: self.positions.get(model) for model in models}


def waited(
    checkpoints: Checkpoints,
    models: frozenset[str],
    position: int,
    *,
    seconds: float,
    hint: int | None = None,
) -> tuple[bool, float]:
    """Wait; a hint about `cash` comes after 20 ms. Give whether it was reached, and how long."""

    async def wait() -> tuple[bool, float]:
        watch = PositionWatch(checkpoints)
        if hint is not None:
            asyncio.get_running_loop().call_later(0.02, watch.heard, "cash", hint)
        started = time.monotonic()
        reached = await watch.reach(models, position, started + seconds)
        return reached, time.monotonic() - started

    return asyncio.run(wait())


class TestWaiting:
    """For one model or several."""

    def test_ends_at_once_where_the_model_is_far_enough(self) -> None:
        """One look suffices."""
        checkpoints = Checkpoints(cash=7)

        reached, seconds = waited(checkpoints, CASH, 7, seconds=5)

        assert reached
        assert seconds < POLL_SECONDS
        assert checkpoints.asked == 1

    def test_is_ended_by_a_hint_before_the_next_look(self) -> None:
        """The announcement comes first."""
        reached, seconds = waited(Checkpoints(cash=6), CASH, 7, seconds=5, hint=7)

        assert reached
        assert seconds < POLL_SECONDS

    def test_is_ended_by_looking_where_no_hint_comes(self) -> None:
        """Valkey may be away: the checkpoint moves all the same."""
        checkpoints = Checkpoints(cash=6)

        async def wait() -> bool:
            watch = PositionWatch(checkpoints)
            move = lambda: checkpoints.positions.update(cash=7)  # noqa: E731
            asyncio.get_running_loop().call_later(0.05, move)
            return await watch.reach(CASH, 7, time.monotonic() + 10)

        assert asyncio.run(wait())

    def test_looks_on_time_however_often_it_is_woken(self) -> None:
        """Others' announcements never stop, this model's are lost: looking alone finds it."""
        checkpoints = Checkpoints(cash=6)

        async def wait() -> bool:
            watch = PositionWatch(checkpoints)

            async def announce_others() -> None:
                while True:
                    watch.heard("trades", 1)
                    await asyncio.sleep(POLL_SECONDS / 10)

            others = asyncio.ensure_future(announce_others())
            asyncio.get_running_loop().call_later(
                0.05, lambda: checkpoints.positions.update(cash=7)
            )
            # The last look, at the deadline, must not be the one that finds it.
            watching = asyncio.ensure_future(watch.reach(CASH, 7, time.monotonic() + 60))
            done, _ = await asyncio.wait({watching}, timeout=20)
            others.cancel()
            watching.cancel()
            return bool(done) and watching.result()

        assert asyncio.run(wait())

    def test_needs_every_model(self) -> None:
        """One of two is not enough."""
        reached, _ = waited(Checkpoints(cash=7, trades=6), BOTH, 7, seconds=0.1)

        assert not reached

    @pytest.mark.parametrize("seconds", [0.0, 0.1])
    def test_is_over_in_time(self, seconds: float) -> None:
        """Also where the model has no tables yet."""
        reached, took = waited(Checkpoints(cash=None), CASH, 7, seconds=seconds)

        assert not reached
        assert took < seconds + 2 * POLL_SECONDS

    def test_tells_facts_from_hints(self) -> None:
        """Whether the checkpoints stand there is not answered from what was announced."""

        async def look() -> tuple[bool, bool, bool]:
            watch = PositionWatch(Checkpoints(cash=6))
            watch.heard("cash", 7)
            believed = await watch.reach(CASH, 7, time.monotonic())
            stands = await watch.stands_at(CASH, 7)
            return believed, stands, await watch.reach(CASH, 7, time.monotonic())

        assert asyncio.run(look()) == (True, False, False)

    def test_of_many_looks_once_for_all(self) -> None:
        """A thousand waiters are one question to the database."""
        checkpoints = Checkpoints(cash=7)

        async def wait() -> list[bool]:
            watch = PositionWatch(checkpoints)
            deadline = time.monotonic() + 5
            return await asyncio.gather(*(watch.reach(CASH, 7, deadline) for _ in range(1_000)))

        assert all(asyncio.run(wait()))
        assert checkpoints.asked == 1
