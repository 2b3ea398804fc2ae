"""The wire's codec: whatever can be an event goes to Avro and back.

fastavro is the oracle: our generated coders must give its bytes, and read what it reads.
"""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Event
from domain.market import Mark, MarketMarked
from domain.trade import TradeCaptured
from eventstore.envelope import EVENT_BYTES_MAX
from schemas import codec
from schemas.avro_codec import PREFIX, AvroDecoder, AvroEncoder, MalformedValue
from schemas.avro_reading import make_reader
from schemas.avro_schemas import WIRE_TYPES, schema_text
from schemas.avro_writing import make_writer, varint
from schemas.catalogue import EVENT_TYPES
from schemas.codec import UnknownEventType, event_name
from schemas.watermark import WATERMARK, Watermark
from tests.schemas.golden_samples import SAMPLES
from tests.schemas.strategies import events, largest

IDS = {name: number for number, name in enumerate(WIRE_TYPES, start=1)}
FOREIGN_ID = 900
RECORD_BYTES_MAX = 1_000_000
MONDAY = datetime(2024, 1, 8, 14, 30, 0, 1, tzinfo=UTC)
MARKED = MarketMarked(source="feed", at=MONDAY)
CAPTURED = SAMPLES["trade.captured.v1"][0]


def no_registry(number: int) -> str:
    """Nobody should ask: every id is known."""
    raise AssertionError(f"schema {number} was asked for")


ENCODER = AvroEncoder(IDS)
DECODER = AvroDecoder(no_registry, IDS)


def form(name: str) -> Any:  # noqa: ANN401 - a schema as JSON gives it
    """Our schema of an event."""
    return json.loads(schema_text(name))


def written(event: Event) -> bytes:
    """An event as the wire carries it."""
    return ENCODER.encode(event_name(event), codec.encode(event))


def body_by_fastavro(schema: Any, plain: object) -> bytes:  # noqa: ANN401
    """What the oracle writes of a plain value."""
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema, plain)
    return buffer.getvalue()


def read_by_fastavro(name: str, value: bytes) -> Any:  # noqa: ANN401
    """What the oracle reads in a value of our schema."""
    body = io.BytesIO(value[PREFIX.size :])
    return fastavro.schemaless_reader(body, form(name), None)


def says_the_same(stored: Any, read: Any) -> bool:  # noqa: ANN401
    """Whether every field that the log's JSON holds is in a plain value, with the same content."""
    if isinstance(stored, dict):
        return all(says_the_same(value, read[key]) for key, value in stored.items())
    if isinstance(stored, list):
        return len(stored) == len(read) and all(map(says_the_same, stored, read))
    return bool(stored == read)


class TestAnEventOnTheWire:
    """JSON to Avro to event, for every type."""

    @pytest.mark.parametrize("name", EVENT_TYPES)
    @settings(max_examples=30)
    @given(data=st.data())
    def test_is_the_same_event(self, name: str, data: st.DataObject) -> None:
        """Unchanged, in the oracle's bytes, and smaller than its JSON, which the log bounds."""
        event = data.draw(events(EVENT_TYPES[name]))
        stored = codec.encode(event)

        value = ENCODER.encode(name, stored)
        plain = read_by_fastavro(name, value)

        assert DECODER.decode(value) == event
        assert codec.encode(DECODER.decode(value)) == stored  # type: ignore[arg-type]
        assert value == PREFIX.pack(0, IDS[name]) + body_by_fastavro(form(name), plain)
        assert says_the_same(json.loads(stored), msgspec.to_builtins(plain))
        assert len(value) < len(stored)

    @pytest.mark.parametrize("name", EVENT_TYPES)
    def test_fits_a_record_at_its_largest(self, name: str) -> None:
        """The log's bound, and headers of 16 KiB at most, stay below Kafka's."""
        event = largest(EVENT_TYPES[name])
        stored = codec.encode(event)

        value = written(event)

        assert DECODER.decode(value) == event
        assert len(value) < len(stored)
        assert EVENT_BYTES_MAX + 16 * 1024 < RECORD_BYTES_MAX

    @given(st.datetimes(timezones=st.just(UTC)))
    def test_keeps_every_instant(self, at: datetime) -> None:
        """Also those whose microseconds fill more or fewer than eight bytes."""
        event = MarketMarked(source="feed", at=at)

        assert DECODER.decode(written(event)) == event
        assert read_by_fastavro("market.marked.v1", written(event))["at"] == at

    @given(st.integers(-(2**63), 2**63 - 1))
    def test_keeps_every_long(self, number: int) -> None:
        """Negative ones too, to both ends of 64 bits."""
        schema = {"type": "record", "name": "Counted", "fields": [{"name": "n", "type": "long"}]}

        body, _ = make_writer(schema)(b'{"n":%d}' % number)

        assert body == varint(number) == body_by_fastavro(schema, {"n": number})
        assert make_reader(schema)(body, 0) == ({"n": number}, len(body))

    def test_leaves_out_what_only_a_later_build_knows(self) -> None:
        """The fields a later build added are its business: they are not written."""
        value = ENCODER.encode(
            "market.marked.v1",
            b'{"source":"feed","at":"2024-01-08T14:30:00.000001Z","added_later":1}',
        )

        assert DECODER.decode(value) == MARKED

    @pytest.mark.parametrize("source", ["Zürich", "東京", 'a\n"b"\\', "\x1f", "😀", "x" * 20_000])
    @pytest.mark.parametrize("is_escaped", [True, False])
    def test_keeps_every_letter(self, source: str, *, is_escaped: bool) -> None:
        """Beyond ASCII too, long texts, and letters that somebody else's JSON wrote as escapes."""
        event = MarketMarked(source=source, at=MONDAY)
        stored = json.dumps({"source": source, "at": MONDAY.isoformat()}, ensure_ascii=is_escaped)

        value = ENCODER.encode("market.marked.v1", stored.encode())

        assert DECODER.decode(value) == event
        assert value == written(event)
        assert read_by_fastavro("market.marked.v1", value)["source"] == source

    def test_is_refused_by_an_unknown_name(self) -> None:
        """A newer log, an older relay: it stops and says so."""
        with pytest.raises(UnknownEventType, match=r"trade\.teleported\.v1"):
            ENCODER.encode("trade.teleported.v1", b"{}")


class TestAWatermark:
    """No event of the log, but carried like one."""

    @given(position=st.integers(0, 2**63 - 1), at=st.datetimes(timezones=st.just(UTC)))
    def test_goes_through(self, position: int, at: datetime) -> None:
        """Position and moment."""
        value = ENCODER.encode_watermark(position, at)

        assert DECODER.decode(value) == Watermark(position, at)
        assert read_by_fastavro(WATERMARK, value) == {"position": position, "recorded_at": at}


class TestAnotherForm:
    """Values written with a schema that is not ours are resolved to ours."""

    @pytest.mark.parametrize("name", EVENT_TYPES)
    @settings(max_examples=10)
    @given(data=st.data())
    def test_that_is_older_lacks_what_has_a_default(self, name: str, data: st.DataObject) -> None:
        """The field means what it means where the log's JSON leaves it out."""
        event = data.draw(events(EVENT_TYPES[name]))
        plain = read_by_fastavro(name, written(event))
        old = form(name)
        gone = {field["name"] for field in old["fields"] if "default" in field}
        old["fields"] = [field for field in old["fields"] if field["name"] not in gone]
        defaults = {
            field.name: field.default
            for field in msgspec.structs.fields(EVENT_TYPES[name])
            if field.name in gone
        }
        asked: list[int] = []

        def registered(number: int) -> str:
            asked.append(number)
            return json.dumps(old)

        decoder = AvroDecoder(registered, IDS)
        value = PREFIX.pack(0, FOREIGN_ID) + body_by_fastavro(old, plain)

        first, again = decoder.decode(value), decoder.decode(value)

        assert first == again == msgspec.structs.replace(event, **defaults)
        assert asked == [FOREIGN_ID]

    @pytest.mark.parametrize("name", EVENT_TYPES)
    def test_that_is_newer_may_say_more(self, name: str) -> None:
        """A field of a later build, at the front, is read past."""
        event = SAMPLES[name][0]
        plain = read_by_fastavro(name, written(event))
        new = form(name)
        new["fields"].insert(0, {"name": "added_later", "type": ["null", "long"], "default": None})
        decoder = AvroDecoder(lambda _: json.dumps(new), IDS)

        value = PREFIX.pack(0, FOREIGN_ID) + body_by_fastavro(new, {**plain, "added_later": 7})

        assert decoder.decode(value) == event

    @pytest.mark.parametrize("name", EVENT_TYPES)
    def test_that_is_our_own_under_a_new_id_is_read_as_ours(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A reader that registered nothing learns the ids, and needs no resolving."""
        monkeypatch.setattr(fastavro, "schemaless_reader", None)
        event = SAMPLES[name][0]
        decoder = AvroDecoder(lambda _: schema_text(name), {})

        assert decoder.decode(PREFIX.pack(0, FOREIGN_ID) + written(event)[PREFIX.size :]) == event

    def test_of_no_type_of_ours_is_refused(self) -> None:
        """A record name that this build does not know."""
        stranger = {"type": "record", "name": "Teleported", "namespace": "pms.trade.v1"}
        decoder = AvroDecoder(lambda _: json.dumps({**stranger, "fields": []}), IDS)

        with pytest.raises(UnknownEventType, match=r"pms\.trade\.v1\.Teleported"):
            decoder.decode(PREFIX.pack(0, FOREIGN_ID))

    def test_may_write_an_array_in_blocks(self) -> None:
        """Any writer of our schema may, with or without the size of each block."""
        marks = tuple(Mark(name, MARK.price) for name in ("A", "B", "C"))
        one, two, three = (body_of_mark(mark) for mark in marks)
        sized = varint(-2) + varint(len(two + three)) + two + three
        head, tail = written(MARKED)[:-2], b"\x00"

        value = head + varint(1) + one + sized + b"\x00" + tail

        assert DECODER.decode(value) == msgspec.structs.replace(MARKED, marks=marks)
        assert len(read_by_fastavro("market.marked.v1", value)["marks"]) == 3


MARK = Mark("AAPL", msgspec.convert("170.25", type=Mark.__annotations__["price"]))


def body_of_mark(mark: Mark) -> bytes:
    """A mark as it lies in an array."""
    texts = (mark.instrument.encode(), str(mark.price).encode())
    return b"".join(varint(len(text)) + text for text in texts)


class TestBytesOfAnotherKind:
    """Never half an event: cut off, too long or of another form, they are refused."""

    @pytest.mark.parametrize("name", EVENT_TYPES)
    def test_are_refused_where_they_are_cut(self, name: str) -> None:
        """At every byte."""
        value = written(SAMPLES[name][0])

        for length in range(len(value)):
            with pytest.raises(MalformedValue):
                DECODER.decode(value[:length])

    @pytest.mark.parametrize(
        "value", [written(CAPTURED) + b"\x00", b"\x01" + written(CAPTURED)[1:]]
    )
    def test_are_refused_with_more_or_without_the_magic_byte(self, value: bytes) -> None:
        """Something behind the event, or another wire format."""
        with pytest.raises(MalformedValue):
            DECODER.decode(value)

    @settings(max_examples=300)
    @given(name=st.sampled_from(list(WIRE_TYPES)), body=st.binary(max_size=120))
    def test_are_an_event_or_malformed(self, name: str, body: bytes) -> None:
        """Whatever they are, no other error comes out."""
        try:
            decoded = DECODER.decode(PREFIX.pack(0, IDS[name]) + body)
        except MalformedValue:
            return
        assert type(decoded) is WIRE_TYPES[name]

    @given(st.data())
    def test_that_differ_in_one_place_are_an_event_or_malformed(self, data: st.DataObject) -> None:
        """Near enough to a captured trade to be read far into it."""
        value = bytearray(written(CAPTURED))
        place = data.draw(st.integers(PREFIX.size, len(value) - 1))
        value[place] = data.draw(st.integers(0, 255))

        try:
            decoded = DECODER.decode(bytes(value))
        except MalformedValue:
            return
        assert type(decoded) is TradeCaptured


class TestACoder:
    """Generated from the forms our schemas have; another one is a mistake of ours."""

    @pytest.mark.parametrize("make", [make_writer, make_reader])
    @pytest.mark.parametrize(
        "kind", ["bytes", "Unheard", ["string", "long"], {"type": "map", "values": "long"}]
    )
    def test_is_not_made_of_a_form_we_do_not_use(
        self, make: Callable[[Any], object], kind: object
    ) -> None:
        """It says which."""
        schema = {"type": "record", "name": "Odd", "fields": [{"name": "odd", "type": kind}]}

        with pytest.raises(TypeError, match="no coder"):
            make(schema)
