"""The lines of a drop copy: the same text whichever feed an event was read from."""

from collections.abc import Callable
from typing import Any, get_args
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Event
from domain.portfolio.events import LotsRestated, TradeUnbooked
from domain.trade import SettlementWord, TradeBusted, TradeBustHeld, TradeReleased
from projections.outcomes.lines import (
    BlockEvent,
    Content,
    Outcome,
    block_line,
    bust_line,
    content_line,
    released_line,
    restated_line,
    unbooked_line,
    word_line,
)
from projections.read_model import Decoded
from schemas.avro_codec import AvroDecoder, AvroEncoder
from schemas.avro_schemas import WIRE_TYPES
from schemas.codec import decode, encode, event_name
from tests.schemas.golden_samples import SAMPLES
from tests.schemas.strategies import events
from tests.schemas.trade_samples import RECEIVED

IDS = {name: number for number, name in enumerate(sorted(WIRE_TYPES), start=1)}
ENCODER = AvroEncoder(IDS)


def no_registry(number: int) -> str:
    """No schema is unknown here."""
    raise AssertionError(f"schema {number} is one of ours")


DECODER = AvroDecoder(no_registry, IDS)


WRITTEN: dict[type[Event], Callable[[Decoded, Any], Outcome]] = {
    **dict.fromkeys(get_args(Content), content_line),
    **dict.fromkeys(get_args(BlockEvent), block_line),
    **dict.fromkeys(get_args(SettlementWord), word_line),
    **dict.fromkeys((TradeBusted, TradeBustHeld), bust_line),
    TradeReleased: released_line,
    TradeUnbooked: unbooked_line,
    LotsRestated: lambda decoded, event: restated_line(decoded, event, "t-1"),
}


def line(event: Event) -> bytes:
    """The line of an event, as it is kept."""
    decoded = Decoded(
        position=7, tenant="acme", recorded_at=RECEIVED, event=event, command_id=UUID(int=2)
    )
    return msgspec.json.encode(WRITTEN[type(event)](decoded, event))


def fed(event: Event) -> tuple[Event, Event]:
    """The event as the log gives it, and as Kafka does."""
    name, data = event_name(event), encode(event)
    from_kafka = DECODER.decode(ENCODER.encode(name, data))
    assert isinstance(from_kafka, Event)
    return decode(name, data), from_kafka


class TestALine:
    """Values that are left out on one way and written on another are the same values."""

    @pytest.mark.parametrize("kind", WRITTEN, ids=lambda kind: kind.__name__)
    @settings(max_examples=40)
    @given(data=st.data())
    def test_is_the_same_from_the_log_and_from_kafka(
        self, kind: type[Event], data: st.DataObject
    ) -> None:
        """Whatever is nothing in it."""
        event: Event = data.draw(events(kind))

        from_log, from_kafka = fed(event)

        assert line(from_log) == line(from_kafka)

    def test_of_a_book_without_fees_says_so(self) -> None:
        """As the sample has it, which leaves them out."""
        event = SAMPLES["portfolio.lots_restated.v1"][-1]
        assert b"fees" not in encode(event)

        from_log, from_kafka = fed(event)

        assert line(from_log) == line(from_kafka)
        assert b'"fees":"0"' in line(from_log)
