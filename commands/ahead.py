"""Folding ahead: what takes long to decide is folded beside the desk, so that others go on.

A fill late by a whole history restates all that follows it. The desk puts its command aside, has
the book folded by another thread, and decides it again on what was prepared (`domain.refolding`).
What came meanwhile at the end of the book is folded then; if more than that came, or an amend takes
long twice (out of the book, and in again), the rest is decided at once.
"""

import math
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple
from uuid import UUID

import structlog

from commands.intake import Taken
from commands.overlay import Overlay
from commands.view import View
from commands.world import World
from domain.book import Book, Entry
from domain.refolding import Prepared, TakesLong, prepare
from eventstore.log import Log

ENTRIES_AT_ONCE_MAX = 4_000
"""Most entries of a book's history that one decision reads and folds while others wait."""

PREPARED_REMEMBERED_MAX = 10_000
SWITCH_SECONDS_MEANWHILE = 0.0005
"""While a book is folded beside the desk, so soon it gives way to the desk's own thread."""

_log = structlog.get_logger("commands.ahead")


class Aside(NamedTuple):
    """A command that takes long, with those of its batch that come behind it."""

    taken: list[Taken]
    long: TakesLong


class Ahead:
    """Prepares books for commands that were put aside; called by the desk's thread only."""

    def __init__(self, log: Log, nudge: Callable[[], None]) -> None:
        self._log = log
        self._nudge = nudge
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="desk-ahead")
        self._waiting: list[tuple[Aside, Future[Prepared]]] = []
        self._switch_seconds = sys.getswitchinterval()
        self._prepared: set[UUID] = set()

    @property
    def is_idle(self) -> bool:
        """Whether no command is aside."""
        return not self._waiting

    @property
    def is_ready(self) -> bool:
        """Whether `take_ready` would give any."""
        return any(asked.done() for _, asked in self._waiting)

    def entries_max(self, command_id: UUID) -> float:
        """Give how many entries a command may read: all of them, once it was put aside."""
        return math.inf if command_id in self._prepared else ENTRIES_AT_ONCE_MAX

    def put(self, world: World, asides: Iterable[Aside]) -> None:
        """Begin to prepare what was put aside, from the world as it is."""
        if len(self._prepared) > PREPARED_REMEMBERED_MAX:
            self._prepared.clear()
        for aside in asides:
            self._prepared.add(aside.taken[0].issued.command_id)
            long = aside.long
            portfolio = world.portfolio(long.stream_id, self._log)
            if portfolio is None:  # It is not in the log yet: decided again, it will be.
                book, version = None, 0
            else:
                book, version = portfolio.book(long.instrument).copy(), portfolio.version + 1
            view = View(Overlay(world), self._log, {})
            asked = self._worker.submit(_prepare, view, long, book, version)
            asked.add_done_callback(lambda _: self._nudge())
            self._waiting.append((aside, asked))
            sys.setswitchinterval(SWITCH_SECONDS_MEANWHILE)

    def take_ready(self, world: World, flight: Overlay | None) -> list[Taken]:
        """Leave what is prepared with its book, and give the commands that waited for it.

        The turn in flight may stand on a copy of that book, which will take its place.
        """
        ready = [(aside, asked) for aside, asked in self._waiting if asked.done()]
        if not ready:
            return []
        self._waiting = [each for each in self._waiting if not each[1].done()]
        if not self._waiting:
            sys.setswitchinterval(self._switch_seconds)
        taken: list[Taken] = []
        for aside, asked in ready:
            taken += aside.taken
            failed = asked.exception()
            if failed is not None:
                _log.warning("desk.not_prepared", error=str(failed))
                continue
            layers = () if flight is None else flight.layers()
            held = [layer.portfolios.get(aside.long.stream_id) for layer in layers]
            for portfolio in (*held, world.portfolios.get(aside.long.stream_id)):
                book = None if portfolio is None else portfolio.books.get(aside.long.instrument)
                if book is not None:
                    book.prepared = asked.result()
        return taken

    def stop(self, *, wait: bool = True) -> None:
        """End the worker, and `wait` for it."""
        self._worker.shutdown(wait=wait)


def _prepare(view: View, long: TakesLong, book: Book | None, version: int) -> Prepared:
    assert book is not None, "what is prepared is in the log"

    def history(from_version: int) -> Iterable[tuple[int, Entry]]:
        told = view.entries(long.stream_id, long.instrument, from_version)
        return [each for each in told if each[0] < version]

    return prepare(book, long.change, history, version=version)
