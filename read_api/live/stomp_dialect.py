"""STOMP 1.2 over WebSocket: what a broker would speak, of it what a subscriber needs.

Messages are acknowledged by nobody (`ack:auto`): a client that was away resumes by position.
"""

from collections.abc import Iterable

from gateway.problem import Kind, Problem
from gateway.tokens import bearer_token
from read_api.live.changes import Change
from read_api.live.dialect import (
    PLACE_MAX,
    Connect,
    Disconnect,
    Subscribe,
    Unsubscribe,
    Wish,
    malformed,
)
from read_api.live.stomp_frames import Frame, escaped, frames, written
from read_api.live.subscription import Subscription

PROTOCOL = "v12.stomp"
BEATS_MILLISECONDS_MIN = 1_000
"""We tell no more often than this, and expect no more."""

NAME_LENGTH_MAX = 128


class StompDialect:
    """STOMP 1.2."""

    name = "stomp"
    protocol: str | None = PROTOCOL
    ends_with_error = True

    def __init__(self) -> None:
        self._messages = 0

    def wishes(self, data: str | bytes) -> Iterable[Wish]:
        """Read the frames of one message."""
        return map(_wish, frames(data.encode() if isinstance(data, str) else data))

    def connected(self, *, beats_every: float | None) -> str:
        """Welcome the client."""
        told = int((beats_every or 0) * 1_000)
        return written("CONNECTED", {
            "version": "1.2",
            "heart-beat": f"{told},{BEATS_MILLISECONDS_MIN}",
        })  # fmt: skip

    def message(self, subscription: Subscription, change: Change) -> str:
        """Tell a snapshot or a change; its headers say what the body says."""
        self._messages += 1
        return (
            f"MESSAGE\nsubscription:{escaped(subscription.name)}\nmessage-id:{self._messages}\n"
            f"destination:{escaped(subscription.where)}\ncontent-type:application/json\n"
            f"type:{change.kind}\nposition:{change.position}\nedition:{change.edition}\n\n"
            f"{{{change.body}\0"
        )

    def done(self, wish: Subscribe | Unsubscribe | Disconnect) -> str | None:
        """Give the receipt that was asked for."""
        if wish.receipt is None:
            return None
        return written("RECEIPT", {"receipt-id": wish.receipt})

    def error(self, problem: Problem, wish: Wish | None) -> str:
        """Tell a problem; it is the last frame."""
        receipt = None if wish is None or isinstance(wish, Connect) else wish.receipt
        return written(
            "ERROR",
            {
                "message": problem.code,
                "content-type": "text/plain",
                **({} if receipt is None else {"receipt-id": receipt}),
            },
            f"{problem.kind.title}. {problem.detail}",
        )

    def heartbeat(self) -> str:
        """Give a sign of life."""
        return "\n"


def _wish(frame: Frame) -> Wish:
    headers = frame.headers
    receipt = headers.get("receipt")
    match frame.command:
        case "CONNECT" | "STOMP":
            return _connect(frame)
        case "SUBSCRIBE":
            if headers.get("ack", "auto") != "auto":
                raise _unsupported("Only `ack:auto` is served; resume by `position` instead.")
            position, edition = _number(frame, "position"), _number(frame, "edition")
            return Subscribe(
                _needed(frame, "id"), _needed(frame, "destination"), position, edition, receipt
            )
        case "UNSUBSCRIBE":
            return Unsubscribe(_needed(frame, "id"), receipt)
        case "DISCONNECT":
            return Disconnect(receipt)
        case _:
            raise _unsupported(
                f"Only CONNECT, SUBSCRIBE, UNSUBSCRIBE and DISCONNECT are served, not "
                f"{frame.command[:32]}: commands are sent to the write API."
            )


def _connect(frame: Frame) -> Connect:
    versions = frame.headers.get("accept-version", "1.0").split(",")
    if "1.2" not in map(str.strip, versions):
        raise _unsupported("Only STOMP 1.2 is spoken.")
    given = frame.headers.get("Authorization") or frame.headers.get("authorization")
    token = None if given is None else bearer_token(given.encode())
    parts = frame.headers.get("heart-beat", "0,0").split(",")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):  # noqa: PLR2004
        raise malformed("The header heart-beat is two numbers of milliseconds.")
    tells, hears = (_seconds(int(part[:9])) for part in parts)
    return Connect(token, hears_every=hears, tells_every=tells)


def _seconds(milliseconds: int) -> float | None:
    """Give the agreed interval of one direction; nothing: no heart-beats."""
    if not milliseconds:
        return None
    return max(milliseconds, BEATS_MILLISECONDS_MIN) / 1_000


def _needed(frame: Frame, name: str) -> str:
    value = frame.headers.get(name, "")
    if not value or len(value) > NAME_LENGTH_MAX:
        raise malformed(f"{frame.command} needs the header `{name}`.")
    return value


def _number(frame: Frame, name: str) -> int | None:
    value = frame.headers.get(name)
    if value is None:
        return None
    is_number = value.isascii() and value.isdigit() and len(value) <= len(str(PLACE_MAX))
    if not is_number or int(value) > PLACE_MAX:
        raise malformed(f"The header `{name}` is a number.")
    return int(value)


def _unsupported(detail: str) -> Problem:
    return Problem("frame_unsupported", detail, kind=Kind(400, "This is not served"))
