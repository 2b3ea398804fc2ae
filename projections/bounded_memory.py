"""What a process remembers of what it read, up to a bound.

A key says what a value is of: it names the log and the edition where another one is another answer.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import RLock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedMemory(Generic[Key, Value]):
    """The value kept last under each key; what was asked for longest ago gives way to others.

    `room` bounds the sum of the values' sizes, each at least 1; a value larger than it is not kept.
    Threads may share it. Whoever holds the `lock` while reading spares a second one the same.
    """

    def __init__(self, room: int, size: Callable[[Value], int] = lambda _: 1) -> None:
        """Remember nothing yet; a value is measured as it is kept."""
        self.room = room
        self.lock = RLock()
        self._size = size
        self._known: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._taken = 0

    def get(self, key: Key) -> Value | None:
        """Give what is known, which gives way last from now on."""
        with self.lock:
            known = self._known.get(key)
            if known is None:
                return None
            self._known.move_to_end(key)
            return known[0]

    def take(self, key: Key) -> Value | None:
        """Give what is known, and forget it."""
        with self.lock:
            known = self._known.pop(key, None)
            if known is None:
                return None
            self._taken -= known[1]
            return known[0]

    def keep(self, key: Key, value: Value) -> None:
        """Remember a value in place of the one before; others give way to it."""
        size = max(1, self._size(value))
        with self.lock:
            self.take(key)
            if size > self.room:
                return
            self._known[key] = value, size
            self._taken += size
            while self._taken > self.room:
                self._taken -= self._known.popitem(last=False)[1][1]
