"""The codec of the log: whatever can be an event survives it, within the log's bounds."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.alerts.terms import AlertStep, AlertTerms
from domain.block import Block
from domain.contests.terms import ContestTerms
from domain.event import Event
from domain.figures import StruckFigure
from domain.limits.terms import LimitTerms
from domain.lots import Fill, Lot
from domain.market import CLOSES_PER_SESSION_MAX, Close, MarketMarked, SessionClosed
from domain.portfolio.events import LOTS_PER_EVENT_MAX, LotsRestated
from domain.trade import Capture
from domain.transfers import Transfer
from eventstore.envelope import EVENT_BYTES_MAX
from schemas.catalogue import EVENT_NAMES, EVENT_TYPES
from schemas.codec import UnknownEventType, decode, encode, event_name
from tests.domain.numbers import wide
from tests.schemas.strategies import (
    COUNTS_MAX,
    WIDEST,
    events,
    fields_of,
    is_tuple,
    largest,
)

CLOSES_WIDE = 300
"""How many closes of the widest kind one session carries; ordinary ones are a fifth as wide."""


class TestEncodingAndDecoding:
    """`decode(encode(event)) == event`, and the bytes are the same again."""

    @pytest.mark.parametrize("name", EVENT_TYPES)
    @settings(max_examples=40)
    @given(data=st.data())
    def test_gives_the_same_event_back(self, name: str, data: st.DataObject) -> None:
        """Every constructible event, whatever its numbers, texts and lists."""
        event = data.draw(events(EVENT_TYPES[name]))

        encoded = encode(event)
        decoded = decode(event_name(event), encoded)

        assert type(decoded) is type(event)
        assert decoded == event
        assert encode(decoded) == encoded

    @given(wide)
    def test_keeps_every_digit_and_every_zero(self, number: Decimal) -> None:
        """The number that was written, in the form in which it was written."""
        lot = msgspec.json.decode(msgspec.json.encode(number), type=Decimal)

        assert lot.as_tuple() == number.as_tuple()

    def test_writes_numbers_as_texts(self) -> None:
        """A JSON number would pass through a float somewhere."""
        encoded = encode(largest(EVENT_TYPES["portfolio.trade_booked.v1"]))

        assert f'"cash_after":"{WIDEST}"'.encode() in encoded

    @pytest.mark.parametrize(
        ("number", "written"), [("0.000001", "0.000001"), ("0.0000001", "1E-7"), ("1.50", "1.50")]
    )
    def test_writes_small_numbers_with_an_exponent(self, number: str, written: str) -> None:
        """Decimal notation as PostgreSQL and JSON read it too: readers must expect an exponent."""
        assert msgspec.json.encode(Decimal(number)) == f'"{written}"'.encode()

    def test_writes_instants_in_utc_to_the_microsecond(self) -> None:
        """RFC 3339 with a Z."""
        at = datetime(2024, 1, 8, 14, 30, 0, 1, tzinfo=UTC)

        encoded = encode(MarketMarked(source="feed", at=at))

        assert encoded == b'{"source":"feed","at":"2024-01-08T14:30:00.000001Z"}'
        assert decode("market.marked.v1", encoded) == MarketMarked(source="feed", at=at)

    def test_reads_past_fields_of_a_later_build(self) -> None:
        """During a rolling upgrade an older reader meets a newer writer's additions."""
        encoded = b'{"source":"feed","at":"2024-01-08T14:30:00Z","added_later":[1]}'

        decoded = decode("market.marked.v1", encoded)

        assert decoded == MarketMarked(source="feed", at=datetime(2024, 1, 8, 14, 30, tzinfo=UTC))


class TestDecodingWhatIsNotOurs:
    """Neither is skipped: a fold that cannot read must stop and say so."""

    def test_refuses_an_unknown_name(self) -> None:
        """A newer log, an older build."""
        with pytest.raises(UnknownEventType, match=r"trade\.teleported\.v1"):
            decode("trade.teleported.v1", b"{}")

    @pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"source":1}', b"\xff"])
    def test_refuses_bytes_of_another_form(self, data: bytes) -> None:
        """Broken, or of another type."""
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
            decode("market.marked.v1", data)


class TestTheLargestEvent:
    """Nothing is appended that the wire cannot carry (design, "The log")."""

    @pytest.mark.parametrize("kind", [each for each in EVENT_NAMES if each is not SessionClosed])
    def test_fits_at_the_documented_page_sizes(self, kind: type[Event]) -> None:
        """Full pages, 26 and 12 digits, the longest names: at most 256 KiB, and read back."""
        event = largest(kind)

        encoded = encode(event)

        assert len(encoded) <= EVENT_BYTES_MAX
        assert decode(event_name(event), encoded) == event

    def test_fits_in_one_session_s_closes(self) -> None:
        """2,000 of ordinary width, or 300 of the widest; beyond, the desk refuses the event.

        Sessions are not paged: a market of more names than this needs a new form of the event.
        """
        session = largest(SessionClosed)
        ordinary = Close(
            instrument="ABCD.EF",
            price=Decimal("1234.56"),
            has_bar=True,
            open=Decimal("1234.56"),
            high=Decimal("1234.56"),
            low=Decimal("1234.56"),
            volume=Decimal(12345678),
        )

        widest = msgspec.structs.replace(session, closes=session.closes[:CLOSES_WIDE])
        fullest = msgspec.structs.replace(session, closes=(ordinary,) * CLOSES_PER_SESSION_MAX)

        assert len(encode(widest)) <= EVENT_BYTES_MAX
        assert len(encode(fullest)) <= EVENT_BYTES_MAX
        assert len(encode(session)) > EVENT_BYTES_MAX

    def test_grows_with_its_page(self) -> None:
        """The measure measures: twice a page of lots would not fit beside its changes."""
        event = largest(LotsRestated)
        assert isinstance(event, LotsRestated)

        doubled = msgspec.structs.replace(event, lots=event.lots * 2)

        assert len(event.lots) == LOTS_PER_EVENT_MAX
        assert all(isinstance(lot, Lot) for lot in event.lots)
        assert len(encode(doubled)) > EVENT_BYTES_MAX

    def test_has_a_documented_count_for_every_list(self) -> None:
        """A list without a bound would grow with history."""
        parts = (AlertStep, AlertTerms, Block, Capture, ContestTerms, Fill, LimitTerms)
        kinds: list[type] = [*EVENT_NAMES, *parts, StruckFigure, Transfer]
        lists = {
            (kind, name)
            for kind in kinds
            for name, annotation in fields_of(kind).items()
            if is_tuple(annotation) and name != "findings"
        }

        assert lists == set(COUNTS_MAX)
