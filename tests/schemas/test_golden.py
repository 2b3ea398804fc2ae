"""Golden samples of every event version ever written still mean what they meant."""

import json
import typing
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from schemas.catalogue import EVENT_TYPES
from schemas.codec import decode, encode
from tests.schemas.golden_samples import GOLDEN, SAMPLES, golden_names
from tests.schemas.strategies import fields_of, is_tuple, without_none

DEFAULTS = Path(__file__).parent / "defaults.json"
"""What a field means that was left out of the bytes, by struct and field."""


def lines(name: str) -> list[bytes]:
    """The golden bytes of an event, one sample a line."""
    return (GOLDEN / f"{name}.json").read_bytes().splitlines()


@pytest.mark.parametrize("name", sorted(golden_names()))
class TestAGoldenSample:
    """Bytes of an older build, read by this one."""

    def test_decodes_to_what_it_meant(self, name: str) -> None:
        """Whole events compared."""
        decoded = [decode(name, line) for line in lines(name)]

        assert decoded == list(SAMPLES[name])

    def test_is_written_so_still(self, name: str) -> None:
        """The same bytes, so that hashes over them hold."""
        assert [encode(decode(name, line)) for line in lines(name)] == lines(name)
        assert [encode(event) for event in SAMPLES[name]] == lines(name)

    def test_shows_every_field_and_the_fewest(self, name: str) -> None:
        """All there are, of which those that came later have a line of their own."""
        kind = EVENT_TYPES[name]
        shown = [json.loads(line) for line in lines(name)]
        least = min(shown, key=len)
        required = {
            field.name
            for field in msgspec.structs.fields(kind)
            if field.default is msgspec.NODEFAULT
        }

        assert set().union(*shown) == set(kind.__struct_fields__)
        assert set(least) - required <= {"opened"}


def reachable(kind: type, seen: set[type]) -> Iterator[type]:
    """A struct and all structs in its fields, each once."""
    if kind in seen:
        return
    seen.add(kind)
    yield kind
    for annotation in fields_of(kind).values():
        inner = without_none(annotation) or annotation
        inner = typing.get_args(inner)[0] if is_tuple(inner) else inner
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield from reachable(inner, seen)


def defaults() -> dict[str, str]:
    """The default of every field of every stored struct that has one, as text."""
    seen: set[type] = set()
    kinds = [each for kind in EVENT_TYPES.values() for each in reachable(kind, seen)]
    return {
        f"{kind.__name__}.{field.name}": str(field.default)
        for kind in kinds
        for field in msgspec.structs.fields(kind)
        if field.default is not msgspec.NODEFAULT
    }


class TestAFieldLeftOut:
    """Defaults are not written, so they are a part of the form: none may ever change."""

    def test_means_what_it_always_meant(self) -> None:
        """Compared with the list that was written when each was introduced."""
        written: dict[str, str] = json.loads(DEFAULTS.read_text(encoding="utf-8"))

        assert defaults() == written
