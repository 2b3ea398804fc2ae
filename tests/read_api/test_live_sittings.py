"""Destinations of one sitting: asked on one connection, told at once, and none spoils another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from infra.database import Database
from projections.asking import Readable, State
from projections.reading import Reading
from read_api.live import audience as module
from read_api.live.audience import Audience
from read_api.live.destinations import Destination, Row, Spread, Told, Topic
from read_api.live.metrics import LiveMetrics
from read_api.live.subscription import Subscription

TOPIC = Topic("acme", ("alpha",))
NAMES = ("positions", "cash", "trades")
PATIENCE_SECONDS = 10.0
SOON = 0.5
"""Seconds that a test gives to those that are gathered."""


class Scene:
    """Three destinations, each of a model of its own, which an audience watches."""

    def __init__(self, audience: Audience) -> None:
        self.audience = audience
        self.asked: list[tuple[str, int]] = []
        """Who was asked, on which of the database's sessions."""
        self.wakes: list[str] = []
        self.broken: set[str] = set()
        self.subscriptions = {
            name: Subscription(name, name, self._destination(name), TOPIC, self._wake)
            for name in NAMES
        }

    def _destination(self, name: str) -> Destination:
        def snapshot(_: Readable, topics: Sequence[Topic]) -> Told:
            rows = [Row(topic, "row", 1, "first") for topic in topics]
            return Told(1, 1, rows, {name: State(1, 0)})

        def changes(readable: Readable, topics: Sequence[Topic], after: int) -> Told:
            self.asked.append((name, readable.connection.info.backend_pid))
            if name in self.broken:
                raise ZeroDivisionError
            position = after + 1
            rows = [Row(topic, "row", position, f"at {position}") for topic in topics]
            return Told(position, 1, rows, {name: State(position, 0)})

        return Destination(
            name, "", name, (), snapshot, changes, spread=Spread.ANY, sitting="booked"
        )

    def _wake(self, subscription: Subscription) -> None:
        self.wakes.append(subscription.name)

    async def begin(self) -> None:
        """Let everybody have a first message."""
        for subscription in self.subscriptions.values():
            await self.audience.join(subscription)
            subscription.hand_over()
        self.wakes.clear()

    def commit(self, position: int) -> None:
        """Let a projector announce a commit, model by model."""
        for name in NAMES:
            self.audience.heard(name, position)

    def stands(self, name: str) -> int:
        """Say up to where a client was told."""
        return self.subscriptions[name].position


def played(database: Database, play: Callable[[Scene], Any]) -> None:
    """Play a scene in a loop of its own, with as many connections as a sitting takes."""

    @asynccontextmanager
    async def running(audience: Audience) -> AsyncIterator[None]:
        task = asyncio.ensure_future(audience.run())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def main() -> None:
        with Reading(database.app_conninfo, pool_size=1) as reading:
            audience = Audience(reading, LiveMetrics(CollectorRegistry()))
            async with running(audience):
                scene = Scene(audience)
                await scene.begin()
                await play(scene)

    asyncio.run(main())


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():  # noqa: ASYNC110 - whoever moves it knows nothing of tests
            await asyncio.sleep(0)


class TestASitting:
    """What one commit moved, in one piece of work."""

    def test_asks_all_on_one_connection_and_tells_all_at_once(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever watches all three is woken by all before anything can be sent."""
        monkeypatch.setattr(module, "GATHER_SECONDS", SOON)

        async def play(scene: Scene) -> None:
            scene.commit(2)
            await until(lambda: bool(scene.wakes))
            assert sorted(scene.wakes) == sorted(NAMES)
            assert sorted(name for name, _ in scene.asked) == sorted(NAMES)
            assert len({session for _, session in scene.asked}) == 1

        played(database, play)

    def test_survives_a_question_that_fails(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The others are told; that one is asked again, and told what it missed."""
        monkeypatch.setattr(module, "FAILED_PAUSE_SECONDS", 0.05)

        async def play(scene: Scene) -> None:
            scene.broken = {"cash"}
            scene.commit(2)
            await until(lambda: scene.stands("positions") == scene.stands("trades") == 2)
            assert scene.stands("cash") == 1
            scene.broken = set()
            await until(lambda: scene.stands("cash") == 2)

        played(database, play)

    def test_is_held_again_for_what_moved_meanwhile(self, database: Database) -> None:
        """Commit after commit, nobody's position is left behind."""

        async def play(scene: Scene) -> None:
            for position in range(2, 8):
                scene.commit(position)
                await asyncio.sleep(0.002)
            await until(lambda: all(scene.stands(name) == 7 for name in NAMES))

        played(database, play)
