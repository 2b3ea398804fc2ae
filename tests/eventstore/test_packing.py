"""The bounds of an envelope, checked before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import packing
from eventstore.envelope import (
    ACTOR_BYTES_MAX,
    EVENT_BYTES_MAX,
    EVENT_TYPE_BYTES_MAX,
    FINGERPRINT_BYTES,
    KEY_BYTES_MAX,
    OUTCOME_BYTES_MAX,
    TENANT_BYTES_MAX,
    TRACE_CONTEXT_BYTES_MAX,
)
from eventstore.failures import EnvelopeOutOfRange, EventTooLarge
from tests.eventstore.samples import new_event, new_receipt


@dataclass(frozen=True)
class TextBound:
    """A text field of an event and the most bytes it may have."""

    field: str
    bytes_max: int


TEXT_BOUNDS = (
    TextBound("event_type", EVENT_TYPE_BYTES_MAX),
    TextBound("tenant", TENANT_BYTES_MAX),
    TextBound("actor", ACTOR_BYTES_MAX),
    TextBound("key", KEY_BYTES_MAX),
    TextBound("trace_context", TRACE_CONTEXT_BYTES_MAX),
)


def admit(**fields: Any) -> packing.Texts:
    """Check an event with these fields behind one that is in order."""
    return packing.admit_events([new_event(), msgspec.structs.replace(new_event(), **fields)])


@pytest.mark.parametrize("bound", TEXT_BOUNDS, ids=lambda bound: bound.field)
class TestAdmittingText:
    """Texts are bounded in UTF-8 bytes and storable in PostgreSQL."""

    def test_takes_the_longest(self, bound: TextBound) -> None:
        """The bound itself is inside."""
        longest = "é" * (bound.bytes_max // 2)

        assert admit(**{bound.field: longest})[longest][4:] == longest.encode()

    @pytest.mark.parametrize("text", ["", "a\0b", "\ud800"], ids=["empty", "nul", "surrogate"])
    def test_refuses_what_cannot_be_stored(self, bound: TextBound, text: str) -> None:
        """The failure names the field."""
        with pytest.raises(EnvelopeOutOfRange, match=bound.field):
            admit(**{bound.field: text})

    def test_refuses_one_byte_more(self, bound: TextBound) -> None:
        """Characters of two bytes count twice."""
        with pytest.raises(EnvelopeOutOfRange, match=bound.field):
            admit(**{bound.field: "é" * (bound.bytes_max // 2) + "a"})


class TestAdmittingEvents:
    """Sizes and versions are bounded."""

    def test_takes_the_largest(self) -> None:
        """The bound itself is inside."""
        assert admit(data=bytes(EVENT_BYTES_MAX))

    def test_refuses_one_byte_more(self) -> None:
        """The failure names the event's type."""
        with pytest.raises(EventTooLarge, match=r"trade\.captured\.v1"):
            admit(data=bytes(EVENT_BYTES_MAX + 1))

    @pytest.mark.parametrize("version", [-1, 0, 2**63])
    def test_refuses_a_version_out_of_range(self, version: int) -> None:
        """Streams begin at 1."""
        with pytest.raises(EnvelopeOutOfRange, match="stream_version"):
            admit(stream_version=version)


class TestAdmittingReceipts:
    """Receipts name an event of their batch and carry a whole fingerprint."""

    def test_takes_the_last_event_and_none(self) -> None:
        """An index up to the last one, or no event at all."""
        assert packing.admit_receipts([new_receipt(1), new_receipt(None)], events=2)

    @pytest.mark.parametrize("last_event", [-1, 2])
    def test_refuses_an_event_outside_the_batch(self, last_event: int) -> None:
        """Such a receipt would name somebody else's event."""
        with pytest.raises(EnvelopeOutOfRange, match="last_event"):
            packing.admit_receipts([new_receipt(last_event)], events=2)

    @pytest.mark.parametrize("size", [0, FINGERPRINT_BYTES - 1, FINGERPRINT_BYTES + 1])
    def test_refuses_another_fingerprint(self, size: int) -> None:
        """A fingerprint is a SHA-256."""
        with pytest.raises(EnvelopeOutOfRange, match="fingerprint"):
            packing.admit_receipts([new_receipt(fingerprint=bytes(size))], events=0)

    def test_refuses_an_outcome_too_large(self) -> None:
        """One byte over the bound."""
        with pytest.raises(EnvelopeOutOfRange, match="outcome"):
            packing.admit_receipts([new_receipt(outcome=bytes(OUTCOME_BYTES_MAX + 1))], events=0)


class TestCountingMicroseconds:
    """Moments travel as whole microseconds since 2000."""

    @given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    def test_there_and_back_is_the_same_moment(self, moment: datetime) -> None:
        """No float is involved, so nothing is lost."""
        assert packing.moment(packing.microseconds(moment)) == moment

    def test_of_another_zone_is_the_same_instant(self) -> None:
        """The zone is only a way to write it."""
        in_zone = datetime(2000, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))

        assert packing.microseconds(in_zone) == 0

    def test_refuses_a_moment_without_a_zone(self) -> None:
        """A naive moment names no instant."""
        with pytest.raises(TypeError):
            packing.microseconds(datetime(2000, 1, 1))  # noqa: DTZ001
