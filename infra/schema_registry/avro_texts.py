"""Avro schemas as texts: whether one is a schema at all, and when two are the same one."""

from __future__ import annotations

import hashlib

import msgspec

from infra.schema_registry.refusals import schema_invalid
from schemas.compatibility import InvalidSchema, parsed

_REASON_CHARACTERS_MAX = 500


def check_schema(text: str) -> None:
    """Refuse what no reader could use.

    Raises:
        Refused: 42201, with what is wrong.
    """
    try:
        fingerprint(text)
        parsed(text)
    except RecursionError:
        raise schema_invalid("it is nested too deeply") from None
    except (InvalidSchema, ValueError) as error:
        reason = " ".join(str(error).split())[:_REASON_CHARACTERS_MAX]
        raise schema_invalid(reason or type(error).__name__) from None


def fingerprint(text: str) -> bytes:
    """Give 32 bytes that two texts share when they differ in white space or order of keys only.

    Avro's own canonical form would not do: it leaves out defaults, on which compatibility rests.

    Raises:
        ValueError: the text is not JSON.
        RecursionError: it is nested too deeply.
    """
    same = msgspec.json.encode(msgspec.json.decode(text), order="sorted")
    return hashlib.sha256(same).digest()
