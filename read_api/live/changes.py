"""What a subscriber is told at once: rows as JSON, encoded once for all who get them."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import msgspec

from read_api.live.destinations import Told, Topic, Written

NO_POSITION = -1
NAMES_MAX = 10_000

_encode = msgspec.json.Encoder().encode


class Piece(NamedTuple):
    """A row as JSON, `"key":row`; the position of its last change; whether it goes out."""

    text: str
    changed_position: int
    is_gone: bool


State: TypeAlias = Mapping[str, Piece]
"""A topic's rows, or some of them, by key."""


class Encoded(NamedTuple):
    """What was told of topics at one position, by topic."""

    position: int
    market_position: int
    rows: Mapping[Topic, State]


class Change:
    """Rows that bring a topic's state to `position`, from any state at `since` or later.

    A snapshot is the whole state. `edition` counts the rebuilds of the model's tables.
    """

    __slots__ = (
        "_body", "edition", "is_snapshot", "market_position", "pieces", "position", "since",
    )  # fmt: skip

    def __init__(
        self,
        pieces: State,
        *,
        position: int,
        market_position: int,
        edition: int,
        since: int = NO_POSITION,
        is_snapshot: bool = False,
    ) -> None:
        self.pieces = pieces
        self.position = position
        self.market_position = market_position
        self.edition = edition
        self.since = since
        self.is_snapshot = is_snapshot
        self._body: str | None = None

    @property
    def kind(self) -> str:
        """Name it as messages do."""
        return "snapshot" if self.is_snapshot else "change"

    @property
    def body(self) -> str:
        """Give the members of its JSON object without the opening brace; made once."""
        if self._body is None:
            rows = ",".join([piece.text for piece in self.pieces.values()])
            self._body = (
                f'"type":"{self.kind}","position":{self.position},'
                f'"market_position":{self.market_position},"edition":{self.edition},'
                f'"rows":{{{rows}}}}}'
            )
        return self._body

    def behind(self, position: int) -> "Change":
        """Leave out what did not change behind a position."""
        pieces = {
            key: piece for key, piece in self.pieces.items() if piece.changed_position > position
        }
        return self._with(pieces, self.position)

    def told_at(self, position: int) -> "Change":
        """Tell the same at another position."""
        return self._with(self.pieces, position)

    def followed_by(self, later: "Change") -> "Change":
        """Put a later change on top: the newest row of each key."""
        if later.is_snapshot:
            return later
        pieces = {**self.pieces, **later.pieces}
        if self.is_snapshot:
            pieces = {key: piece for key, piece in pieces.items() if not piece.is_gone}
        return Change(
            pieces,
            position=max(self.position, later.position),
            market_position=max(self.market_position, later.market_position),
            edition=later.edition,
            since=self.since,
            is_snapshot=self.is_snapshot,
        )

    def _with(self, pieces: State, position: int) -> "Change":
        return Change(
            pieces,
            position=position,
            market_position=self.market_position,
            edition=self.edition,
            since=self.since,
            is_snapshot=self.is_snapshot,
        )


def encoded(told: Told) -> Encoded:
    """Encode what was told; this is the work of a thread, not of the event loop."""
    rows: dict[Topic, dict[str, Piece]] = {}
    last: Topic | None = None
    for topic, key, changed_position, value in told.rows:
        if topic is not last:  # Rows of one come together, mostly.
            pieces, last = rows.setdefault(topic, {}), topic
        # Put together so, what is written already is copied once less than where it is formatted.
        text = quoted(key) + ":" + written(value)
        pieces[key] = Piece(text, changed_position, value is None)
    return Encoded(told.position, told.market_position, rows)


def written(value: object) -> str:
    """Write a row's value, if that is not done already."""
    return value if type(value) is Written else _encode(value).decode()


@lru_cache(maxsize=NAMES_MAX)
def quoted(name: str) -> str:
    """Write a name as JSON: the same are written again and again, as keys of rows and as ids."""
    return _encode(name).decode()


def difference(before: State, after: State) -> dict[str, Piece]:
    """Give what leads from one state to another."""
    pieces = {
        key: piece
        for key, piece in after.items()
        if key not in before or before[key].text != piece.text
    }
    for key in set(before).difference(after):
        pieces[key] = Piece(f"{quoted(key)}:null", 0, is_gone=True)
    return pieces
