"""The plain dialect: JSON objects with a `type`, one a message (see docs/live.md)."""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from gateway.problem import Problem
from read_api.live.changes import Change, quoted
from read_api.live.dialect import (
    PLACE_MAX,
    Connect,
    Disconnect,
    Subscribe,
    Unsubscribe,
    Wish,
    malformed,
)
from read_api.live.subscription import Subscription

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_Place = Annotated[int, msgspec.Meta(ge=0, le=PLACE_MAX)]


class _Connect(msgspec.Struct, tag="connect", forbid_unknown_fields=True):
    token: str | None = None


class _Subscribe(msgspec.Struct, tag="subscribe", forbid_unknown_fields=True):
    id: _Name
    destination: Annotated[str, msgspec.Meta(max_length=512)]
    position: _Place | None = None
    edition: _Place | None = None


class _Unsubscribe(msgspec.Struct, tag="unsubscribe", forbid_unknown_fields=True):
    id: _Name


class _Heartbeat(msgspec.Struct, tag="heartbeat", forbid_unknown_fields=True):
    pass


_decode = msgspec.json.Decoder(_Connect | _Subscribe | _Unsubscribe | _Heartbeat).decode


class JsonDialect:
    """JSON, as any WebSocket speaks it."""

    name = "json"
    protocol: str | None = None
    ends_with_error = False

    def wishes(self, data: str | bytes) -> Iterable[Wish]:
        """Read one message."""
        try:
            told = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise malformed(f"Send one JSON object a message: {error}") from None
        match told:
            case _Connect():
                return (Connect(told.token),)
            case _Subscribe():
                return (Subscribe(told.id, told.destination, told.position, told.edition),)
            case _Unsubscribe():
                return (Unsubscribe(told.id),)
            case _:
                return ()

    def connected(self, *, beats_every: float | None) -> str:
        """Welcome the client."""
        return _text({
            "type": "connected",
            "heartbeat_seconds": beats_every,
        })  # fmt: skip

    def message(self, subscription: Subscription, change: Change) -> str:
        """Tell a snapshot or a change."""
        return f'{{"id":{quoted(subscription.name)},{change.body}'

    def done(self, wish: Subscribe | Unsubscribe | Disconnect) -> str | None:
        """Tell that a subscription has ended; what else was wished for shows itself."""
        if isinstance(wish, Unsubscribe):
            return _text({"type": "unsubscribed", "id": wish.name})
        return None

    def error(self, problem: Problem, wish: Wish | None) -> str:
        """Tell a problem, and of which subscription."""
        name = wish.name if isinstance(wish, Subscribe | Unsubscribe) else None
        return _text({
            "type": "error",
            "id": name,
            "code": problem.code,
            "title": problem.kind.title,
            "detail": problem.detail,
        })  # fmt: skip

    def heartbeat(self) -> str:
        """Give a sign of life."""
        return '{"type":"heartbeat"}'


def _text(value: Any) -> str:  # noqa: ANN401
    return msgspec.json.encode(value).decode()
