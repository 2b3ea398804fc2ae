"""The log's JSON codec: an event to bytes and back. Decimals are strings, instants RFC 3339."""

import msgspec

from domain.event import Event
from schemas.catalogue import EVENT_NAMES, EVENT_TYPES

_ENCODER = msgspec.json.Encoder()
_DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in EVENT_TYPES.items()}


class UnknownEventType(Exception):
    """The log holds a name that this build does not know."""


def event_name(event: Event) -> str:
    """Give the stored name of an event."""
    return EVENT_NAMES[type(event)]


def encode(event: Event) -> bytes:
    """Write an event as the bytes the log keeps."""
    return _ENCODER.encode(event)


def decode(name: str, data: bytes) -> Event:
    """Read an event from its stored name and bytes.

    Raises:
        UnknownEventType: the name is not in the catalogue.
    """
    decoder = _DECODERS.get(name)
    if decoder is None:
        raise UnknownEventType(f"This build knows no event named {name!r}.")
    return decoder.decode(data)
