"""Reading the log by position, stream, key and tenant."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest

from eventstore.envelope import NewEvent
from eventstore.failures import LogBehindCheckpoint, LogUnavailable
from eventstore.log import Log
from eventstore.reading import LIMITED, OPENED, PARKING, SHARED
from infra.database import Database
from tests.eventstore.samples import SettableClock, new_event, new_receipt, stream_of


def append(log: Log, events: list[NewEvent]) -> None:
    """Append in one block."""
    with log.writing() as writing:
        writing.append(events)


class TestReadingByPosition:
    """Pages of the one total order."""

    def test_gives_pages_that_meet(self, log: Log) -> None:
        """Each page begins behind the last position of the one before."""
        append(log, stream_of(5))

        pages = [[event.position for event in log.read(after, 2)] for after in (0, 2, 4, 5)]

        assert pages == [[1, 2], [3, 4], [5], []]

    def test_stops_at_until(self, log: Log) -> None:
        """`until` is the last position wanted, for a view as of then."""
        append(log, stream_of(5))

        assert [event.position for event in log.read(1, 10, until=3)] == [2, 3]
        assert log.read(3, 10, until=3) == []


class TestReadingASelection:
    """Selections are in order of position, each with an index of its own."""

    def test_of_shared_events_gives_the_market_tenant_only(self, log: Log) -> None:
        """What all portfolios share belongs to the tenant `market`."""
        tenants = ["acme", "market", "market.", "market", "Market", "market"]
        append(log, [new_event(tenant=tenant) for tenant in tenants])

        assert [event.position for event in log.read_shared(0, 2)] == [2, 4]
        assert [event.position for event in log.read_shared(2, 9)] == [4, 6]
        assert [event.position for event in log.read_shared(0, 9, until=5)] == [2, 4]

    def test_of_parking_gives_parked_and_released_trades_only(self, log: Log) -> None:
        """Both types, of every tenant."""
        types = ["trade.parked.v1", "trade.captured.v1", "trade.released.v1", "trade.parked.v2"]
        append(log, [new_event(event_type=event_type) for event_type in types])

        assert [event.position for event in log.read_parking(0, 9)] == [1, 3]
        assert [event.position for event in log.read_parking(1, 9)] == [3]

    def test_of_opened_portfolios_gives_those_of_every_tenant(self, log: Log) -> None:
        """And nothing else that happens to them."""
        types = ["portfolio.opened.v1", "portfolio.renamed.v1", "portfolio.opened.v1"]
        append(log, [new_event(event_type=event_type) for event_type in types])

        assert [event.position for event in log.read_opened(0, 9)] == [1, 3]
        assert [event.position for event in log.read_opened(1, 9)] == [3]

    def test_of_approved_limits_gives_those_of_every_tenant(self, log: Log) -> None:
        """Not those that are only proposed."""
        types = ["control.limit_approved.v1", "control.limit_proposed.v1"]
        append(log, [new_event(event_type=event_type) for event_type in types])

        assert [event.position for event in log.read_limited(0, 9)] == [1]

    @pytest.mark.parametrize(
        ("statement", "index"),
        [
            (SHARED, "events_shared"),
            (PARKING, "events_parking"),
            (OPENED, "events_opened"),
            (LIMITED, "events_limited"),
        ],
    )
    def test_is_answered_from_its_index(
        self, log_database: Database, log: Log, statement: str, index: str
    ) -> None:
        """However long the log is, only the events asked for are touched."""
        append(log, [new_event() for _ in range(2_000)])
        with psycopg.connect(log_database.owner_conninfo, autocommit=True) as owner:
            owner.execute("ANALYZE log.events")
            plan = owner.execute(f"EXPLAIN {statement}".encode(), (0, 2_000, 10)).fetchall()

        assert index in str(plan)


class TestReadingAStream:
    """One aggregate's events."""

    def test_gives_its_events_in_order(self, log: Log) -> None:
        """Events of other streams between them do not show."""
        first, second = stream_of(3), stream_of(2)
        append(log, [first[0], second[0], first[1], second[1], first[2]])

        versions = [event.stream_version for event in log.read_stream(first[0].stream_id)]
        later = log.read_stream(first[0].stream_id, after_version=1, limit=1)

        assert versions == [1, 2, 3]
        assert [event.position for event in later] == [3]
        assert log.read_stream(uuid4()) == []

    def test_of_one_key_gives_the_last_up_to_a_position(self, log: Log) -> None:
        """None before the first."""
        stream = uuid4()
        keys = ["AAPL", "MSFT", "AAPL", "AAPL"]
        append(log, [new_event(stream, place, key=key) for place, key in enumerate(keys, start=1)])

        found = [log.last_of_key(stream, "AAPL", until) for until in (0, 1, 2, 3, 9)]

        assert [each and each.position for each in found] == [None, 1, 1, 3, 4]

    def test_of_one_key_gives_one_instrument(self, log: Log) -> None:
        """A portfolio's bookings of one instrument, behind a version."""
        portfolio = uuid4()
        keys = ["AAPL", "MSFT", None, "AAPL", "AAPL"]
        append(
            log,
            [new_event(portfolio, version, key=key) for version, key in enumerate(keys, start=1)]
            + [new_event(key="AAPL")],
        )

        assert [event.stream_version for event in log.read_key(portfolio, "AAPL")] == [1, 4, 5]
        assert [
            event.stream_version for event in log.read_key(portfolio, "AAPL", after_version=1)
        ] == [4, 5]
        assert log.read_key(portfolio, "GOOG") == []

    def test_tells_first_events_and_versions_of_many(self, log: Log) -> None:
        """Streams that do not exist are absent."""
        short, long = stream_of(1), stream_of(4)
        absent = uuid4()
        append(log, short + long)
        asked = [short[0].stream_id, long[0].stream_id, absent, short[0].stream_id]

        assert log.stream_versions(asked) == {asked[0]: 1, asked[1]: 4}
        assert {key: event.position for key, event in log.first_events(asked).items()} == {
            asked[0]: 1,
            asked[1]: 2,
        }
        assert log.stream_versions([]) == {}


class TestProbingForWhatIsKnown:
    """One question about command ids and stream ids together."""

    def test_names_answered_commands_and_existing_streams(self, log: Log) -> None:
        """What is new is absent, whichever of the two it is."""
        event, receipt = new_event(), new_receipt(0)
        with log.writing() as writing:
            writing.append([event], [receipt])

        known = log.known([receipt.command_id, uuid4()], [event.stream_id, uuid4()])

        assert known == {receipt.command_id, event.stream_id}
        assert log.known([event.stream_id], [receipt.command_id]) == set()
        assert log.known([receipt.command_id], []) == {receipt.command_id}
        assert log.known([], [event.stream_id]) == {event.stream_id}


class TestServingBehindACheckpoint:
    """A log that was restored from an old copy must not be served."""

    def test_is_refused(self, log: Log) -> None:
        """One event short is short; level is enough."""
        append(log, stream_of(2))

        log.require_not_behind(2)
        with pytest.raises(LogBehindCheckpoint):
            log.require_not_behind(3)


class TestReadingWithoutADatabase:
    """Nobody listens there."""

    def test_says_that_the_log_is_unavailable(self) -> None:
        """The pool gives up within its time."""
        address = "postgresql://pms_app:secret@127.0.0.1:1/pms?connect_timeout=1"
        with (
            Log(address, clock=SettableClock(), build="b") as log,
            pytest.raises(LogUnavailable) as failure,
        ):
            log.head()

        assert "secret" not in str(failure.value)
