"""Reading request bodies: one JSON value, a JSON array, or one JSON value per line (NDJSON)."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from commands.command import Command
from gateway.decoding import JSON_TYPE, BodyFault, BodyFaulty, decode_body, media_type
from gateway.interface import Call
from gateway.problem import Problem

ITEMS_MAX = 5_000
SLICE_ITEMS = 50
NDJSON_TYPES = frozenset({b"application/x-ndjson", b"application/ndjson", b"application/jsonl"})

BodyT = TypeVar("BodyT", bound=msgspec.Struct)
BuiltT = TypeVar("BuiltT", bound=Command)
Item = Command | BodyFault


class BodyReader(Generic[BodyT]):
    """Read one kind of body, alone or in batches."""

    def __init__(self, kind: type[BodyT]) -> None:
        self._one = msgspec.json.Decoder(kind)
        self._many: msgspec.json.Decoder[list[BodyT]] = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]

    async def read(self, call: Call) -> BodyT:
        """Read a JSON body.

        Raises:
            Problem: it is not said to be JSON.
            BodyFaulty: it is not JSON, or not of this kind.
        """
        if media_type(call.exchange.content_type) != JSON_TYPE:
            raise Problem("media_type_unsupported", "Send `Content-Type: application/json`.")
        return decode_body(self._one, await call.body())

    async def read_batch(self, call: Call, build: Callable[[BodyT], Command]) -> list[Item]:
        """Read a batch whole; each item becomes a command, or, in NDJSON only, a fault.

        Raises:
            Problem: the media type or the number of items is wrong.
            BodyFaulty: the array is malformed; nothing of it is decided.
        """
        sent = media_type(call.exchange.content_type)
        if sent != JSON_TYPE and sent not in NDJSON_TYPES:
            raise Problem(
                "media_type_unsupported",
                "Send `Content-Type: application/json` with an array, or "
                "`application/x-ndjson` with one object per line.",
            )
        body = await call.body()
        if sent == JSON_TYPE:
            items = await self._array(body, build)
        else:
            items = await self._lines(body, build)
        if not items:
            raise Problem("batch_empty", "Send at least one item.")
        return items

    async def read_one_or_many(self, call: Call, build: Callable[[BodyT], BuiltT]) -> list[BuiltT]:
        """Read one JSON object, or an array of them; a malformed one is a fault of the whole.

        Raises:
            Problem: it is not said to be JSON, or the array is empty.
            BodyFaulty: it is not JSON, or not of this kind.
        """
        if media_type(call.exchange.content_type) != JSON_TYPE:
            raise Problem("media_type_unsupported", "Send `Content-Type: application/json`.")
        body = await call.body()
        if not body.lstrip().startswith(b"["):
            return [build(decode_body(self._one, body))]
        decoded = decode_body(self._many, body)
        built: list[BuiltT] = []
        for index, each in enumerate(decoded):
            try:
                built.append(build(each))
            except BodyFaulty as faulty:
                raise BodyFaulty(faulty.fault.within(f"[{index}].")) from None
        if not built:
            raise Problem("batch_empty", "Send at least one item.")
        return built

    async def _array(self, body: bytes, build: Callable[[BodyT], Command]) -> list[Item]:
        decoded = decode_body(self._many, body)
        _require_length(len(decoded))
        items: list[Item] = []
        for index, each in enumerate(decoded):
            if ends_slice(index):
                await breathe()
            try:
                items.append(build(each))
            except BodyFaulty as faulty:
                raise BodyFaulty(faulty.fault.within(f"[{index}].")) from None
        return items

    async def _lines(self, body: bytes, build: Callable[[BodyT], Command]) -> list[Item]:
        """Read NDJSON: blank lines are skipped, and a faulty line is its own fault only."""
        lines = [line for line in body.split(b"\n") if line.strip()]
        _require_length(len(lines))
        items: list[Item] = []
        for index, line in enumerate(lines):
            if ends_slice(index):
                await breathe()
            try:
                items.append(build(decode_body(self._one, line)))
            except BodyFaulty as faulty:
                items.append(faulty.fault)
        return items


def ends_slice(index: int) -> bool:
    """Say whether an item is the last of a slice, behind which a batch is to `breathe`."""
    return index % SLICE_ITEMS == SLICE_ITEMS - 1


async def breathe() -> None:
    """Let other requests have their turn, as each slice of a batch does: they are short.

    Without, a batch of 5,000 kept everybody else from being read or answered for 0.2 s.
    """
    await asyncio.sleep(0)


def _require_length(count: int) -> None:
    if count > ITEMS_MAX:
        raise Problem("batch_too_long", f"Send at most {ITEMS_MAX:,} items; yours has {count:,}.")
