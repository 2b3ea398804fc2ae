"""Fairness between tenants: who may hold how much of a bounded room, and whose turn it is.

A tenant that is alone may use nearly all of a room; with others in it, an equal part. A fifth is
kept for tenants that hold nothing, so that a flood by one never shuts out another.
"""

from collections import deque
from typing import Generic, Protocol, TypeVar

KEPT_FOR_NEWCOMERS = 0.2
"""The part of a room that only tenants with nothing in it may fill."""


class Owned(Protocol):
    """What belongs to a tenant."""

    @property
    def tenant(self) -> str:
        """Whose it is."""
        ...


OwnedT = TypeVar("OwnedT", bound=Owned)


def has_room(limit: float, *, held: float, own: float, tenants: int) -> bool:
    """Say whether a tenant may put more into a room that takes `limit` in all.

    `held` is what everybody holds in it, `own` the tenant's part of that; `tenants` counts those
    who hold something and the one who asks.
    """
    if held >= limit:
        return False
    return own == 0 or own < limit * (1 - KEPT_FOR_NEWCOMERS) / tenants


class Turns(Generic[OwnedT]):
    """What waits, by tenant: the tenants take turns, and what a tenant put keeps its order."""

    __slots__ = ("_order", "_waiting")

    def __init__(self) -> None:
        self._order: deque[str] = deque()
        self._waiting: dict[str, deque[OwnedT]] = {}

    def __bool__(self) -> bool:
        return bool(self._order)

    def put(self, one: OwnedT) -> None:
        """Let one wait behind all others of its tenant."""
        waiting = self._waiting.get(one.tenant)
        if waiting is None:
            self._waiting[one.tenant] = deque((one,))
            self._order.append(one.tenant)
        else:
            waiting.append(one)

    def put_first(self, one: OwnedT) -> None:
        """Let one be the next, its tenant before the others."""
        waiting = self._waiting.get(one.tenant)
        if waiting is None:
            self._waiting[one.tenant] = deque((one,))
        else:
            waiting.appendleft(one)
            self._order.remove(one.tenant)
        self._order.appendleft(one.tenant)

    def take(self) -> OwnedT:
        """Take one of the tenant whose turn it is, which then goes behind the others."""
        one = self.take_of_turn()
        assert one is not None, "asked only where something waits"
        self.end_turn(one.tenant)
        return one

    @property
    def turn(self) -> str | None:
        """The tenant whose turn it is; None where nothing waits."""
        return self._order[0] if self._order else None

    def take_of_turn(self) -> OwnedT | None:
        """Take one more of the tenant whose turn it is, if it has any; its turn goes on."""
        waiting = self._waiting[self._order[0]]
        return waiting.popleft() if waiting else None

    def end_turn(self, tenant: str) -> None:
        """Let the next tenant have its turn; one without anything left is forgotten."""
        self._order.popleft()
        if self._waiting[tenant]:
            self._order.append(tenant)
        else:
            del self._waiting[tenant]

    def remove(self, one: OwnedT) -> bool:
        """Take one out of its turn; False if it does not wait."""
        waiting = self._waiting.get(one.tenant)
        if waiting is None:
            return False
        try:
            waiting.remove(one)
        except ValueError:
            return False
        if not waiting:
            del self._waiting[one.tenant]
            self._order.remove(one.tenant)
        return True
