"""What can be subscribed to: a destination is a name, who may have it, and how its rows are asked.

A destination's state is a mapping from keys to rows (the JSON of a struct). A subscriber gets all
of it, then rows that changed; a row that is None goes out of the state. There are two kinds:

- With `changes`, the rows that changed behind a log position are asked, for everybody at once; this
  needs rows that keep the position of their last change and are closed, never deleted.
- Without, all rows of the topics that `touched` names (by default of all) are asked anew whenever
  the model moved, at most every `pause_seconds`, and what differs is told.

To add one: write its questions over `projections`, and add it to `registry`.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto
from functools import cached_property
from typing import Any, NamedTuple, Self

import msgspec

from gateway.access import Action
from gateway.problem import Kind, Problem
from gateway.tokens import Principal
from projections.asking import Readable, Seen
from projections.changed import Changed, Owners, Question
from read_api.parameters import NAME

_PLACE = re.compile(r"\{[a-z_]+\}")
_NAME = re.compile(NAME)


class Topic(NamedTuple):
    """What a subscription is of, within a destination: a tenant, and the names in the address."""

    tenant: str
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, tenant: str, name: str) -> Self:
        """Make that of what a tenant has under one name, such as a portfolio."""
        return cls(tenant, (name,))

    @property
    def owner(self) -> tuple[str, str]:
        """Give the tenant and the first name: whose portfolio it is of, or which contest."""
        return self.tenant, self.names[0]


class Topics(tuple[Topic, ...]):  # noqa: SLOT001 - it remembers
    """Topics that are asked about together, again and again."""

    @classmethod
    def kept(cls, topics: Sequence[Topic]) -> Self:
        """Give topics with what is remembered of them, if somebody kept them."""
        return topics if isinstance(topics, cls) else cls(topics)

    @cached_property
    def owners(self) -> Owners:
        """Give whose portfolios they are of; listed once."""
        return Owners(topic.owner for topic in self)


class Written(str):
    """The JSON of a row, written already."""

    __slots__ = ()


class Row(NamedTuple):
    """A row of a topic's state as of its last change; `value` None takes the key out of it."""

    topic: Topic
    key: str
    changed_position: int
    value: object


class Told(NamedTuple):
    """Rows, and the one log position all of them are of.

    `seen` is given where they are made of less than the tables hold: the rest is asked for next.
    """

    position: int
    market_position: int
    rows: Sequence[Row]
    seen: Seen | None = None


class Rows(msgspec.Struct, frozen=True):
    """What one question tells: all rows of topics, or those that changed behind a position.

    It serves as `snapshot` and as `changes`; those of a sitting are asked together.
    """

    question: Callable[[Sequence[Topic], int | None], Question]
    row: Callable[[Any], Row]

    def __call__(
        self, readable: Readable, topics: Sequence[Topic], after: int | None = None
    ) -> Told:
        """Ask it alone."""
        return self.told(self.question(topics, after).asked(readable))

    def told(self, found: Changed) -> Told:
        """Tell what was found."""
        rows = [self.row(each) for each in found.rows]
        return Told(found.position, found.market_position, rows)


class Spread(Enum):
    """Which partitions hold the rows of a topic."""

    HOME = auto()
    """That of the portfolio which is the first name."""
    ANY = auto()
    """Each holds all of them: what is shared by all tenants."""
    ALL = auto()
    """Each holds a part."""


Snapshot = Callable[[Readable, Sequence[Topic]], Told]
Changes = Callable[[Readable, Sequence[Topic], int], Told]
Touched = Callable[[Readable, Sequence[Topic], int], Iterable[Topic]]
Admit = Callable[[Principal, Topic], None]
Known = Callable[[Readable, Topic], bool]


def admit_all(principal: Principal, topic: Topic) -> None:
    """Ask for nothing more than a permitted action."""


def know_all(readable: Readable, topic: Topic) -> bool:  # noqa: ARG001
    """Take any name: nothing may have been told of it yet."""
    return True


class Destination(NamedTuple):
    """One destination; it belongs to the tenant of the token, whatever its name.

    `pattern` is such as `portfolios/{portfolio}/positions`. `model` is the read model whose
    checkpoint is its position: it is asked when that one moves; without one, time and again.
    `snapshot` gives all rows of some topics, `changes` those that changed behind a position,
    `touched` the topics that may have (it asks `model`, so that one made anew is noticed); `follow`
    makes what a stream asks in place of `changes`, with a memory of its own. They run in a thread,
    at most `busy_part` of the time. What changed is asked every `pause_seconds` at most, and where
    many topics have changed it is told over so long.
    `admit` raises a `Problem` where the actions do not say enough; a topic that is not `is_known`
    is refused at once. Those of one `sitting` are asked together and their clients told at once,
    which costs each less; none of them may take long. The rows of a `is_log` never change: whoever
    resumes goes on, whatever was rebuilt meanwhile; each of its topics is asked alone. One that
    `asks_others` than the database is asked in a thread apart: what hangs there is waited for by
    nobody else.
    """

    pattern: str
    summary: str
    model: str | None
    actions: tuple[Action, ...]
    snapshot: Snapshot
    changes: Changes | None = None
    follow: Callable[[], Changes] | None = None
    touched: Touched | None = None
    spread: Spread = Spread.HOME
    pause_seconds: float = 0.0
    busy_part: float = 0.67
    admit: Admit = admit_all
    is_known: Known = know_all
    sitting: str | None = None
    is_log: bool = False
    asks_others: bool = False


class Directory:
    """All destinations, found by name."""

    def __init__(self, destinations: Iterable[Destination]) -> None:
        self.destinations = tuple(destinations)
        self._patterns = [
            (re.compile(_PLACE.sub("([^/]+)", each.pattern) + r"\Z"), each)
            for each in self.destinations
        ]

    def find(self, name: str) -> tuple[Destination, tuple[str, ...]]:
        """Find a destination, and the names within its address; a leading slash is no part of it.

        Raises:
            Problem: `destination_unknown`.
        """
        for pattern, destination in self._patterns:
            found = pattern.match(name.removeprefix("/"))
            if found is not None and all(map(_NAME.match, found.groups())):
                return destination, found.groups()
        known = ", ".join(f"`{each.pattern}`" for each in self.destinations)
        raise Problem(
            "destination_unknown",
            f"Subscribe to one of {known}.",
            kind=Kind(404, "There is no such destination"),
        )
