"""One trade between the log and the wire: our generated coders against fastavro.

From the log's JSON to Avro, and from Avro to the event, for both events of an ordinary fill;
fastavro with decimals as strings, as the wire has them, and as its logical type. The ways take
turns, so that whatever else the machine does meets all alike; a figure is the median turn.
"""

import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID

import fastavro
import msgspec

from domain.event import Event
from domain.held import BookTotals
from domain.identity import trade_id
from domain.lots import ClosedLot, Fill, Side
from domain.portfolio.events import TradeBooked
from domain.trade import Capture, Intent, TradeCaptured
from schemas import codec
from schemas.avro_codec import PREFIX, AvroDecoder, AvroEncoder
from schemas.avro_schemas import WIRE_TYPES, schema_text

TURNS = 15
TRADES_PER_TURN = 400
MICROSECONDS = 1e6
LOGICAL = {"type": "bytes", "logicalType": "decimal", "precision": 50, "scale": 18}
"""As wide as money (26 digits before the point) and as fine as rates (18 after it)."""

AT = datetime(2024, 1, 8, 15, 30, 1, 250_000, tzinfo=UTC)
TRADE = trade_id("acme", "desk-1", "fill-000123", None)
QUANTITY, PRICE, CONSIDERATION = Decimal(120), Decimal("170.25"), Decimal(20430)


def trade() -> tuple[Event, Event]:
    """Make the two events of a fill that closes part of one lot."""
    same: dict[str, Any] = {
        "source": "desk-1",
        "external_id": "fill-000123",
        "side": Side.SELL,
        "quantity": QUANTITY,
        "price": PRICE,
        "fee": Decimal("1.25"),
        "executed_at": AT,
        "source_sequence": 123,
    }
    capture = Capture(
        portfolio="growth", intent=Intent.EXECUTED, instrument="AAPL", currency="USD", **same
    )
    fill = Fill(trade_id=TRADE, consideration=CONSIDERATION, trade_date=AT.date(), **same)
    closed = ClosedLot(TRADE, AT.date(), QUANTITY, Decimal(20160), Decimal("0.75"), Decimal(270))
    booked = TradeBooked(
        portfolio="growth",
        instrument="AAPL",
        currency="USD",
        fill=fill,
        totals=BookTotals(Decimal(380), Decimal(63840), Decimal("2.5"), Decimal(270), Decimal(268)),
        cash_change=Decimal("20428.75"),
        cash_after=Decimal("1020428.75"),
        realised_gross=Decimal(270),
        realised_net=Decimal(268),
        closed=(closed,),
        rate_to_base=Decimal(1),
    )
    return TradeCaptured(
        trade_id=TRADE, capture=capture, market_position=123_456, received_at=AT
    ), booked


def plain(value: object) -> object:
    """Take structs and enumerations apart, and leave numbers, ids and moments as they are."""
    match value:
        case msgspec.Struct():
            return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        case tuple():
            return [plain(each) for each in value]
        case Enum():
            return value.value
    return value


def with_logical_decimals(schema: Any) -> Any:  # noqa: ANN401 - a schema as JSON gives it
    """Let numbers be Avro's decimals; defaults go, because every field is written."""
    match schema:
        case {"pms.type": "decimal"}:
            return LOGICAL
        case dict():
            return {
                key: with_logical_decimals(value)
                for key, value in schema.items()
                if key != "default"
            }
        case list():
            return [with_logical_decimals(each) for each in schema]
    return schema


def by_fastavro(
    schemas: Mapping[str, Any], apart: Callable[[Event], object]
) -> tuple[Callable[[str, bytes], bytes], Callable[[str, bytes], object]]:
    """Give the two ways through fastavro with these schemas."""
    parsed = {name: fastavro.parse_schema(schema) for name, schema in schemas.items()}

    def write(name: str, stored: bytes) -> bytes:
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, parsed[name], apart(codec.decode(name, stored)))
        return buffer.getvalue()

    def read(name: str, body: bytes) -> object:
        found = fastavro.schemaless_reader(io.BytesIO(body), parsed[name], None)
        return msgspec.convert(found, WIRE_TYPES[name])

    return write, read


def run(*, progress: Callable[[int, int], None]) -> dict[str, object]:
    """Measure; give microseconds a trade, two events each."""
    events = {codec.event_name(event): event for event in trade()}
    stored = {name: codec.encode(event) for name, event in events.items()}
    ids = {name: number for number, name in enumerate(events, start=1)}
    encoder, decoder = AvroEncoder(ids), AvroDecoder(lambda _: "", ids)
    ours = {name: json.loads(schema_text(name)) for name in events}
    strings, read_strings = by_fastavro(
        ours, lambda event: msgspec.to_builtins(event, builtin_types=(date, datetime, UUID))
    )
    decimals, read_decimals = by_fastavro(
        {name: with_logical_decimals(schema) for name, schema in ours.items()}, plain
    )
    wire = {name: encoder.encode(name, data) for name, data in stored.items()}
    logical = {name: decimals(name, data) for name, data in stored.items()}
    assert {name: PREFIX.pack(0, ids[name]) + strings(name, stored[name]) for name in ids} == wire
    ways: dict[str, tuple[Callable[[str, bytes], object], Mapping[str, bytes]]] = {
        "json_decode": (codec.decode, stored),
        "encode": (encoder.encode, stored),
        "decode": (lambda _, value: decoder.decode(value), wire),
        "fastavro_encode": (strings, stored),
        "fastavro_decode": (
            read_strings,
            {name: body[PREFIX.size :] for name, body in wire.items()},
        ),
        "logical_decimals_encode": (decimals, stored),
        "logical_decimals_decode": (read_decimals, logical),
    }
    for name, event in events.items():
        for read, bodies in (ways[way] for way in ways if way.endswith("decode")):
            assert read(name, bodies[name]) == event, "every way gives the event back"
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(TURNS):
        progress(turn, TURNS)
        for way, (act, given) in ways.items():
            begun = perf_counter()
            for _ in range(TRADES_PER_TURN):
                for name, data in given.items():
                    act(name, data)
            seconds[way].append(perf_counter() - begun)
    figures: dict[str, object] = {
        f"{way}_us": round(median(turns) / TRADES_PER_TURN * MICROSECONDS, 1)
        for way, turns in seconds.items()
    }
    sizes = {"json_bytes": stored, "avro_bytes": wire, "logical_decimals_bytes": logical}
    return figures | {size: sum(map(len, each.values())) for size, each in sizes.items()}
