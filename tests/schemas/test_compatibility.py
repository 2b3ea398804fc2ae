"""Which schema may follow which: what the registry refuses, and our own gate before it."""

import json
from typing import Any

import pytest

from schemas.compatibility import InvalidSchema, Level, incompatibilities, parsed

Fields = tuple[dict[str, Any], ...]

NAME: dict[str, Any] = {"name": "name", "type": "string"}
PRICE: dict[str, Any] = {"name": "price", "type": "int"}
FEE: dict[str, Any] = {"name": "fee", "type": "string", "default": "0"}
NOTE: dict[str, Any] = {"name": "note", "type": ["null", "string"], "default": None}
TRANSITIVE = Level.FULL_TRANSITIVE


def record(*fields: dict[str, Any], name: str = "Priced") -> str:
    """A record schema of these fields."""
    return json.dumps({"type": "record", "name": name, "namespace": "shop", "fields": fields})


def typed(kind: object, **more: object) -> str:
    """A record of one field of a type."""
    return record({"name": "value", "type": kind, **more})


def decimal(scale: int) -> dict[str, Any]:
    """An exact number of 38 digits."""
    return {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": scale}


def instant(unit: str) -> dict[str, Any]:
    """A moment counted in a unit."""
    return {"type": "long", "logicalType": f"timestamp-{unit}"}


def named(*fields: dict[str, Any]) -> dict[str, Any]:
    """A record that lies within another."""
    return {"type": "record", "name": "Inner", "fields": list(fields)}


class TestAChangeBothSidesSurvive:
    """Accepted in either direction, so at every level."""

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (record(NAME), record(NAME)),
            (record(NAME), record(NAME, FEE)),
            (record(NAME, FEE), record(NAME)),
            (record(NAME), record(NAME, NOTE)),
            (record(NAME, FEE), record(FEE, NAME)),
            (record(NAME), record({**NAME, "doc": "What it is called."})),
            (typed(named(NAME)), typed(named(NAME, FEE))),
        ],
    )
    def test_is_no_reason(self, old: str, new: str) -> None:
        """Defaults added or gone, another order, words about a field."""
        for level in Level:
            assert incompatibilities(new, [old], level) == ()


class TestAChangeOneSideDoesNotSurvive:
    """Refused under FULL, with the reason; the other direction tells which side it was."""

    @pytest.mark.parametrize(
        ("old", "new", "reason"),
        [
            (record(NAME), record(NAME, PRICE), "missing_default_value (price)"),
            (typed(named(NAME)), typed(named(NAME, PRICE)), "missing_default_value (price)"),
            (typed(["null", named(NAME)]), typed(["null", named(NAME, PRICE)]), "RECORD"),
            (typed("long"), typed("int"), "type: int not compatible with writer type: long"),
            (typed(["null", "string"]), typed("string"), "writer type: null"),
        ],
    )
    def test_names_the_side_that_cannot_read(self, old: str, new: str, reason: str) -> None:
        """Here the new schema is the blind one, and with the two exchanged the old one."""
        (forth,) = incompatibilities(new, [old], Level.FULL)
        (back,) = incompatibilities(old, [new], Level.FULL)

        assert forth.startswith("the new schema cannot read version 1: ")
        assert back.startswith("version 1 cannot read the new schema: ")
        assert reason in forth
        assert reason in back
        assert incompatibilities(new, [old], Level.BACKWARD) == (forth,)
        assert incompatibilities(new, [old], Level.FORWARD) == ()
        assert incompatibilities(old, [new], Level.BACKWARD) == ()
        assert incompatibilities(old, [new], Level.FORWARD) == (back,)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (typed("string"), typed("int")),
            (typed("string"), typed(named(NAME))),
            (record(NAME), record(NAME, name="Renamed")),
            (typed(instant("micros")), typed(instant("millis"))),
            (typed(["null", instant("micros")]), typed(["null", instant("millis")])),
            (typed({"type": "array", "items": decimal(12)}), typed(decimal(12))),
            (typed(decimal(12)), typed(decimal(10))),
            (typed(decimal(12)), typed("string")),
            (typed({"type": "int", "logicalType": "date"}), typed("int")),
            (typed({"type": "string", "pms.type": "decimal"}), typed("string")),
        ],
    )
    def test_may_be_both_sides(self, old: str, new: str) -> None:
        """Another type, another name, or the same bytes with another meaning."""
        assert len(incompatibilities(new, [old], Level.FULL)) == 2
        assert len(incompatibilities(new, [old], Level.BACKWARD)) == 1
        assert len(incompatibilities(new, [old], Level.FORWARD)) == 1
        assert incompatibilities(new, [old], Level.NONE) == ()


class TestEarlierVersions:
    """A transitive level asks all of them, the others only the last."""

    FIRST, LAST = typed("string"), typed("int")

    @pytest.mark.parametrize("level", ["BACKWARD", "FORWARD", "FULL"])
    def test_count_when_transitive(self, level: str) -> None:
        """A type taken back to what it was is the first version's kin and the last one's not."""
        versions = [self.LAST, self.FIRST]

        plain = incompatibilities(self.FIRST, versions, Level(level))
        transitive = incompatibilities(self.FIRST, versions, Level(f"{level}_TRANSITIVE"))

        assert plain == ()
        assert transitive
        assert all("version 1" in reason for reason in transitive)

    def test_may_be_none(self) -> None:
        """The first schema of a subject follows nothing."""
        assert incompatibilities(self.FIRST, [], TRANSITIVE) == ()


class TestASchema:
    """What is none is refused, whatever the level."""

    @pytest.mark.parametrize(
        "text",
        [
            "{",
            "[]x",
            '{"type":"recordd"}',
            '{"type":"record","name":"R"}',
            '{"type":"record","name":7,"fields":[]}',
            typed("Unheard"),
            record(NAME, NAME),
            typed("int", default="x"),
            typed("int", default=True),
            typed("int", default=2**31),
            typed("string", default=None),
            typed(["null", "int"], default="x"),
            typed({"type": "array", "items": "int"}, default=["x"]),
            typed({"type": "map", "values": "int"}, default={"a": "x"}),
            typed({"type": "enum", "name": "E", "symbols": ["A"]}, default="B"),
            typed({"type": "fixed", "name": "F", "size": 3}, default="ab"),
            typed(named(NAME), default={}),
            typed(["null", named({"name": "x", "type": "boolean", "default": 0})]),
        ],
    )
    def test_that_is_none_is_refused(self, text: str) -> None:
        """Broken JSON, unknown types, a field twice, a default its type cannot hold."""
        with pytest.raises(InvalidSchema):
            incompatibilities(text, [], Level.NONE)

    @pytest.mark.parametrize(
        "text",
        [
            '"string"',
            typed("int", default=-(2**31)),
            typed("double", default=1),
            typed("bytes", default="\xff"),
            typed(["null", "int"], default=3),
            typed({"type": "map", "values": "int"}, default={"a": 1}),
            typed({"type": "enum", "name": "E", "symbols": ["A"]}, default="A"),
            typed(named(NAME, FEE), default={"name": "x"}),
            typed(["null", "shop.Priced"], default=None),
            typed({"type": "string", "logicalType": "unheard"}),
        ],
    )
    def test_that_is_one_is_read(self, text: str) -> None:
        """Defaults of every kind, a record within itself, a logical type nobody knows."""
        assert parsed(text).type
        assert incompatibilities(text, [text], TRANSITIVE) == ()
