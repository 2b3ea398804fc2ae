"""The check of a partition is shown gaps, repeats, wrong order, wrong chains and wrong values."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.market import Mark, MarketMarked
from eventstore.envelope import RecordedEvent
from eventstore.kafka.records import read_headers
from infra.hammering.partition_checks import SubLog
from schemas.codec import decode, encode

LOG, OTHER_LOG = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DATA = encode(MarketMarked(source="exchange", at=NOON, marks=(Mark("APPLE", Decimal(10)),)))
MOMENT = "2026-03-02T12:00:00.000000Z"
POSITIONS = (2, 3, 5, 9)
COMMANDS = {2: 1, 3: 1, 5: 2, 9: 3}


def event(position: int) -> RecordedEvent:
    """The log's event at a position; the first two are of one command."""
    command = UUID(int=COMMANDS[position])
    return RecordedEvent(
        position, NOON, UUID(int=50), position, command, command, None, "market.marked.v1",
        "market", "exchange", "build", None, None, DATA,
    )  # fmt: skip


EVENTS = {position: event(position) for position in POSITIONS}


def sub_log() -> SubLog:
    """A partition to which four events belong; its values are the log's bytes."""
    return SubLog(
        "topic/0",
        EVENTS.values(),
        log_id=LOG,
        read=lambda value: decode("market.marked.v1", value),
    )


def give(
    checked: SubLog,
    position: int,
    *,
    previous: int | None = None,
    is_end: bool | None = None,
    value: bytes = DATA,
    log_id: UUID = LOG,
    changed: RecordedEvent | None = None,
) -> None:
    """Give a record: right, but for what is said otherwise."""
    index = POSITIONS.index(position)
    headers = headers_of(changed or EVENTS[position])
    headers["ce_logid"] = str(log_id)
    headers["ce_previous"] = str((0, *POSITIONS)[index] if previous is None else previous)
    if position != 2 if is_end is None else is_end:
        headers["ce_commandend"] = "1"
    checked.take(read_headers(as_consumed(headers)), value)


def watermark(checked: SubLog, position: int) -> None:
    """Give a watermark."""
    headers = {
        "ce_type": "log.watermark.v1", "ce_logid": str(LOG), "ce_position": str(position),
        "ce_time": MOMENT,
    }  # fmt: skip
    checked.take(read_headers(as_consumed(headers)), b"")


def headers_of(event: RecordedEvent) -> dict[str, str]:
    """Head an event as the topics' description says; its end and its chain are told elsewhere."""
    told = {
        "ce_position": event.position, "ce_type": event.event_type, "ce_tenant": event.tenant,
        "ce_time": event.recorded_at.isoformat(), "ce_subject": event.stream_id,
        "ce_streamversion": event.stream_version, "ce_commandid": event.command_id,
        "ce_actor": event.actor, "ce_build": event.build, "ce_instrument": event.key,
        "ce_causationid": event.causation_id, "ce_correlationid": event.correlation_id,
    }  # fmt: skip
    return {name: str(value) for name, value in told.items() if value is not None}


def as_consumed(headers: dict[str, str]) -> list[tuple[str, bytes]]:
    """Give headers as a consumer gets them."""
    return [(name, text.encode()) for name, text in headers.items()]


class TestAWholePartition:
    """What must be let pass."""

    def test_is_found_whole(self) -> None:
        """With watermarks where nothing is due."""
        checked = sub_log()
        watermark(checked, 1)
        for position in POSITIONS:
            give(checked, position)
        watermark(checked, 12)

        check = checked.end()

        assert check.ok, check.difference
        assert (check.counted, checked.records, checked.watermarks) == (4, 6, 2)

    @given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), max_size=6))
    def test_may_repeat_what_was_there(self, repeats: list[tuple[int, int]]) -> None:
        """An old leader delivers anything again, in its order, at any time."""
        checked = sub_log()
        for count, position in enumerate(POSITIONS, start=1):
            give(checked, position)
            for after, first in repeats:
                if after == count:
                    for again in POSITIONS[min(first, count) : count]:
                        give(checked, again)

        assert checked.end().ok
        assert checked.repeats == checked.records - len(POSITIONS)


class TestADamagedPartition:
    """What must be found."""

    @pytest.mark.parametrize("missing", POSITIONS)
    def test_lacks_a_record(self, missing: int) -> None:
        """At its beginning, within, or at its end."""
        checked = sub_log()
        for position in POSITIONS:
            if position != missing:
                give(checked, position)

        assert not checked.end().ok

    def test_has_two_records_in_the_wrong_order(self) -> None:
        """The later one came first; the other is then taken for a repeat."""
        checked = sub_log()
        for position in (2, 5, 3, 9):
            give(checked, position)

        assert not checked.end().ok

    @pytest.mark.parametrize("position", [2, 3, 4, 8, 9])
    def test_has_a_watermark_before_what_it_vouches_for(self, position: int) -> None:
        """Nothing came yet."""
        checked = sub_log()
        watermark(checked, position)
        for each in POSITIONS:
            give(checked, each)

        assert not checked.end().ok

    @pytest.mark.parametrize(
        "wrong",
        [
            {"previous": 3},
            {"previous": 0},
            {"is_end": False},
            {"value": encode(MarketMarked(source="exchange", at=NOON))},
            {"value": b"{"},
            {"log_id": OTHER_LOG},
        ],
        ids=str,
    )
    def test_tells_something_wrong(self, wrong: dict[str, int]) -> None:
        """Of its chain, its command, its value or its log."""
        checked = sub_log()
        for position in POSITIONS:
            give(checked, position, **(wrong if position == 9 else {}))  # type: ignore[arg-type]

        assert not checked.end().ok

    @pytest.mark.parametrize(
        "change",
        [
            {"stream_version": 4},
            {"stream_id": UUID(int=51)},
            {"command_id": UUID(int=9), "correlation_id": UUID(int=9)},
            {"correlation_id": UUID(int=9)},
            {"causation_id": UUID(int=9)},
            {"tenant": "other"},
            {"actor": "other"},
            {"build": "other"},
            {"key": "APPLE"},
            {"recorded_at": datetime(2026, 3, 2, 13, tzinfo=UTC)},
            {"event_type": "market.session_closed.v1"},
        ],
        ids=str,
    )
    def test_tells_another_envelope(self, change: dict[str, object]) -> None:
        """Whatever of it differs from the log's."""
        checked = sub_log()
        for position in POSITIONS:
            changed = msgspec.structs.replace(EVENTS[position], **change)
            give(checked, position, changed=changed if position == 9 else None)

        assert not checked.end().ok
