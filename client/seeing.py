"""What an address of the read side answered, as it was sent: a document, or a file of a table."""

from collections.abc import Iterable
from typing import Any

import msgspec

from client.queries import with_parameters
from client.wire import Reply


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """An answer and the positions it is of; `tag` lets a later look hear only of a change.

    `content` is empty where it went into a file. With `is_unchanged` it is what was seen before,
    which still holds at `position`.
    """

    content: bytes
    media_type: str
    position: int
    market_position: int
    tag: str
    is_unchanged: bool = False

    def document(self) -> dict[str, Any]:
        """Read the content as JSON.

        Raises:
            msgspec.DecodeError: it is none.
        """
        return msgspec.json.decode(self.content, type=dict[str, Any])


def looked_for(
    path: str, fields: Iterable[str], form: str | None, parameters: dict[str, Any]
) -> str:
    """Give an address with its parameters; without `fields`, all of them are asked for."""
    wanted = ",".join(fields) or None
    return with_parameters(path, parameters | {"fields": wanted, "format": form})


def seen(reply: Reply, known: Seen | None) -> Seen:
    """Read an answer, beside what was known before it."""
    position = _number(reply.position)
    if known is not None and reply.is_unchanged:
        return msgspec.structs.replace(
            known,
            position=max(position, known.position),
            market_position=max(_number(reply.market_position), known.market_position),
            tag=reply.tag or known.tag,
            is_unchanged=True,
        )
    return Seen(
        content=reply.content,
        media_type=reply.media_type.partition(";")[0].strip(),
        position=position,
        market_position=_number(reply.market_position),
        tag=reply.tag,
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
