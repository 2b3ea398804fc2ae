"""What crosses the border between the conversation and whoever carries it over HTTP."""

from collections.abc import Mapping, Sequence
from typing import BinaryIO, Generic, NamedTuple, TypeVar

JSON = "application/json"
NDJSON = "application/x-ndjson"
GOOD, REDIRECTED = 200, 300
UNCHANGED = 304
NO_HEADERS: Mapping[str, str] = {}

T = TypeVar("T")


class Request(NamedTuple):
    """One HTTP request; `path` holds its query string. A query goes to the read side.

    A good answer's content goes `into` a file, from its beginning, if there is one.
    """

    method: str
    path: str
    content: bytes = b""
    headers: Mapping[str, str] = NO_HEADERS
    is_query: bool = False
    into: BinaryIO | None = None


class Reply(NamedTuple):
    """One HTTP answer, with the headers that matter here; empty where they were not sent."""

    status: int
    content: bytes
    retry_after: str = ""
    location: str = ""
    complete_position: str = ""
    media_type: str = ""
    tag: str = ""
    position: str = ""
    market_position: str = ""

    @property
    def is_good(self) -> bool:
        """Whether it tells what was asked for: no problem, and no way to somewhere else."""
        return GOOD <= self.status < REDIRECTED

    @property
    def is_unchanged(self) -> bool:
        """Whether it tells that what was seen before still holds."""
        return self.status == UNCHANGED


class Lost(NamedTuple):
    """No answer came; if `was_sent`, the server may have got the request and acted on it."""

    reason: str
    was_sent: bool


class Pause(NamedTuple):
    """Nothing is to be done for so long."""

    seconds: float


class Told(NamedTuple, Generic[T]):
    """Items of a stream, to be handed on to whoever reads it."""

    items: Sequence[T]


Heard = Reply | Lost | None
"""What is sent into a conversation: the answer to its request, or nothing after a pause."""
