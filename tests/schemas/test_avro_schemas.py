"""The Avro schema of a type, derived from its annotations."""

import json
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import avro.schema
import fastavro
import msgspec
import pytest

from schemas.avro_schemas import WIRE_TYPES, derive, record_name, schema_text

DECIMAL = {"type": "string", "pms.type": "decimal"}


class Colour(StrEnum):
    """What a thing may be painted in."""

    RED = "red"
    DARK_BLUE = "dark_blue"


class Size(msgspec.Struct):
    """How large a thing is.

    In metres.
    """

    width: Decimal
    height: Decimal = Decimal(0)


class ThingMade(msgspec.Struct):
    """A thing was made.

    Of no more than this sentence is the schema told.
    """

    thing_id: UUID
    name: str
    colour: Colour
    size: Size
    made_on: date
    weight: Decimal | None
    made_at: datetime | None = None
    parts: tuple[Size, ...] = ()
    count: int = 3
    is_sold: bool = False
    finish: Colour = Colour.RED


DERIVED = {
    "type": "record",
    "name": "PaintedOver",
    "namespace": "pms.thing.v2",
    "doc": "A thing was made.",
    "pms.event": "thing.painted_over.v2",
    "fields": [
        {"name": "thing_id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "name", "type": "string"},
        {"name": "colour", "type": {"type": "string", "pms.symbols": ["red", "dark_blue"]}},
        {
            "name": "size",
            "type": {
                "type": "record",
                "name": "Size",
                "doc": "How large a thing is.",
                "fields": [
                    {"name": "width", "type": DECIMAL},
                    {"name": "height", "type": DECIMAL, "default": "0"},
                ],
            },
        },
        {"name": "made_on", "type": {"type": "int", "logicalType": "date"}},
        {"name": "weight", "type": ["null", DECIMAL]},
        {
            "name": "made_at",
            "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}],
            "default": None,
        },
        {"name": "parts", "type": {"type": "array", "items": "Size"}, "default": []},
        {"name": "count", "type": "long", "default": 3},
        {"name": "is_sold", "type": "boolean", "default": False},
        {
            "name": "finish",
            "type": {"type": "string", "pms.symbols": ["red", "dark_blue"]},
            "default": "red",
        },
    ],
}


class TestDeriving:
    """One schema from one type."""

    def test_gives_every_kind_of_field_its_type_and_default(self) -> None:
        """Required ones stay so, a record is written out once, numbers are exact texts."""
        assert derive("thing.painted_over.v2", ThingMade) == DERIVED

    @pytest.mark.parametrize("annotation", [float, bytes, str | int, dict[str, int], list[int]])
    def test_refuses_what_the_wire_has_no_form_for(self, annotation: object) -> None:
        """A float above all."""
        kind = msgspec.defstruct("Odd", [("odd", annotation)])

        with pytest.raises(TypeError, match="no Avro type is known"):
            derive("thing.odd.v1", kind)

    def test_refuses_a_default_that_avro_cannot_say(self) -> None:
        """A moment that everything unsaid would have happened at."""
        kind = msgspec.defstruct("Odd", [("on", date, date(2024, 1, 8))])

        with pytest.raises(TypeError, match="no Avro default is known"):
            derive("thing.odd.v1", kind)


class TestOurSchemas:
    """Every type a topic may carry has one."""

    @pytest.mark.parametrize("name", WIRE_TYPES)
    def test_are_schemas_to_both_libraries(self, name: str) -> None:
        """Under the name that the stored name gives."""
        text = schema_text(name)

        read = fastavro.parse_schema(json.loads(text))
        assert isinstance(read, dict)
        assert read["name"] == record_name(name) == avro.schema.parse(text).fullname  # type: ignore[attr-defined]
        assert "\n" not in text

    def test_have_names_of_their_own(self) -> None:
        """A record in a topic tells its type by its name alone."""
        assert len({record_name(name) for name in WIRE_TYPES}) == len(WIRE_TYPES)
        assert record_name("portfolio.cash_deposited.v1") == "pms.portfolio.v1.CashDeposited"
