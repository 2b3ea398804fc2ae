"""What a dialect is: it reads what a client wants, and writes what the client is told."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol, TypeAlias

from gateway.problem import Kind, Problem
from read_api.live.changes import Change
from read_api.live.subscription import Subscription

PLACE_MAX = 2**63 - 2
"""The last position or edition that a client may tell; what follows it is a `bigint` still."""


class Connect(NamedTuple):
    """Who asks, if the handshake has not said so; how often, in seconds, each side is to be heard.

    Nothing: not at all. `hears_every` is what the client wants, `tells_every` what it promises.
    """

    token: str | None
    hears_every: float | None = None
    tells_every: float | None = None


class Subscribe(NamedTuple):
    """A subscription of a name of the client's own; a returning one says where it stood."""

    name: str
    destination: str
    position: int | None = None
    edition: int | None = None
    receipt: str | None = None


class Unsubscribe(NamedTuple):
    """The end of a subscription."""

    name: str
    receipt: str | None = None


class Disconnect(NamedTuple):
    """The client goes."""

    receipt: str | None = None


Wish: TypeAlias = Connect | Subscribe | Unsubscribe | Disconnect


class Dialect(Protocol):
    """One client's way of speaking."""

    name: str
    protocol: str | None
    """The sub-protocol of the handshake."""
    ends_with_error: bool
    """Whether an error is the last thing that is told."""

    def wishes(self, data: str | bytes) -> Iterable[Wish]:
        """Read what came; a heart-beat is no wish.

        Raises:
            Problem: it is not understood.
        """
        ...

    def connected(self, *, beats_every: float | None) -> str:
        """Welcome the client."""
        ...

    def message(self, subscription: Subscription, change: Change) -> str:
        """Tell a snapshot or a change."""
        ...

    def done(self, wish: Subscribe | Unsubscribe | Disconnect) -> str | None:
        """Tell that a wish was met, if this is told at all."""
        ...

    def error(self, problem: Problem, wish: Wish | None) -> str:
        """Tell a problem."""
        ...

    def heartbeat(self) -> str:
        """Give a sign of life."""
        ...


def malformed(detail: str) -> Problem:
    """Say that something is not understood."""
    return Problem("message_malformed", detail, kind=Kind(400, "The message is not understood"))
