"""Parting a log: laws over random logs, held against a naive reading of the rule."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.event import Event
from domain.market import MarketMarked
from domain.money import Money
from domain.portfolio.events import CashDeposited
from domain.source import NamingScope, SourceRegistered
from eventstore.envelope import RecordedEvent
from eventstore.kafka.outgoing import whole_commands
from eventstore.kafka.parting import Chains, OutgoingRecord, Parting
from eventstore.kafka.records import RecordHeaders, WatermarkHeaders, read_headers
from eventstore.kafka.topics import Topics, partition_of
from schemas.avro_codec import AvroDecoder, AvroEncoder
from schemas.avro_schemas import WIRE_TYPES
from schemas.codec import encode, event_name
from tests.eventstore.kafka.outgoing_events import outgoing, prepare

LOG_ID = UUID(int=99)
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
IDS = {name: number for number, name in enumerate(sorted(WIRE_TYPES), start=1)}
TENANTS = ("acme", "globex", "market")


@dataclass(frozen=True)
class Fact:
    """An event to be, of a portfolio or (without one) shared."""

    tenant: str
    portfolio: str | None

    def event(self) -> Event:
        """Make an event of the right kind."""
        if self.portfolio is not None:
            return CashDeposited(
                portfolio=self.portfolio,
                amount=Money(Decimal(1), "USD"),
                balance=Decimal(1),
                value_date=date(2026, 3, 2),
            )
        if self.tenant == "market":
            return MarketMarked(source="feed", at=MONDAY)
        return SourceRegistered(source="broker", naming_scope=NamingScope.FOREVER)


facts = st.builds(
    Fact, tenant=st.sampled_from(TENANTS), portfolio=st.none() | st.sampled_from("abcdefgh")
)
histories = st.lists(st.lists(facts, min_size=1, max_size=6), min_size=1, max_size=20)
partition_counts = st.integers(1, 7)


def recorded(history: list[list[Fact]]) -> list[RecordedEvent]:
    """Record a history of commands as the log would."""
    events: list[RecordedEvent] = []
    for number, command in enumerate(history, start=1):
        for fact in command:
            event = fact.event()
            events.append(
                RecordedEvent(
                    position=len(events) + 1,
                    recorded_at=MONDAY + timedelta(seconds=number),
                    stream_id=UUID(int=number),
                    stream_version=len(events) + 1,
                    command_id=UUID(int=number),
                    correlation_id=UUID(int=number),
                    causation_id=None,
                    event_type=event_name(event),
                    tenant=fact.tenant,
                    actor="trader-7",
                    build="test",
                    key=None,
                    trace_context=None,
                    data=encode(event),
                )
            )
    return events


def expected_chains(
    history: list[list[Fact]], topics: Topics
) -> dict[tuple[str, int], list[tuple[int, int, bool]]]:
    """Say naively what each chain holds: position, previous, end of its command."""
    commands: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    position = 0
    for number, command in enumerate(history):
        for fact in command:
            position += 1
            for partition in range(topics.partitions):
                home = (
                    None
                    if fact.portfolio is None
                    else partition_of(fact.tenant, fact.portfolio, topics.partitions)
                )
                if home in {None, partition}:
                    commands[topics.portfolios, partition].append((position, number))
            if fact.tenant == "market" and fact.portfolio is None:
                commands[topics.market, 0].append((position, number))
    return {
        place: [
            (
                own,
                chain[index - 1][0] if index else 0,
                index + 1 == len(chain) or chain[index + 1][1] != number,
            )
            for index, (own, number) in enumerate(chain)
        ]
        for place, chain in commands.items()
    }


def parting(topics: Topics, market_after: int = 0) -> Parting:
    """Begin to part a log."""
    return Parting(
        Chains(topics, market_after=market_after),
        log_id=LOG_ID,
        encoder=AvroEncoder(IDS),
        previous=[0] * (topics.partitions + 1),
    )


def part(history: list[list[Fact]], topics: Topics, limit: int) -> list[OutgoingRecord]:
    """Part a history in batches as the relay cuts them."""
    events = prepare(recorded(history), AvroEncoder(IDS))
    begun, done = parting(topics), 0
    records: list[OutgoingRecord] = []
    while done < len(events):
        batch, is_whole = whole_commands(events[done : done + limit], limit=limit)
        records += begun.records(batch, is_whole=is_whole)
        done += len(batch)
    return records


def chains_of(
    records: list[OutgoingRecord],
) -> dict[tuple[str, int], list[tuple[int, int, bool]]]:
    """Read what each chain holds."""
    chains: dict[tuple[str, int], list[tuple[int, int, bool]]] = defaultdict(list)
    for record in records:
        topic, partition, *_, headers, _ = record
        told = read_headers(headers.items())
        assert isinstance(told, RecordHeaders)
        chains[topic, partition].append((told.position, told.previous, told.is_command_end))
    return dict(chains)


class TestParting:
    """Which record is where, whatever the log and however it is cut."""

    @given(history=histories, partitions=partition_counts, limit=st.integers(7, 40))
    def test_each_chain_is_its_part_of_the_log(
        self, history: list[list[Fact]], partitions: int, limit: int
    ) -> None:
        """Complete and in order, each record with its predecessor, commands' ends marked."""
        topics = Topics("pms", partitions)

        records = part(history, topics, limit)

        assert chains_of(records) == expected_chains(history, topics)

    @given(history=histories, partitions=partition_counts, limit=st.integers(1, 6))
    def test_a_command_longer_than_a_batch_is_never_ended_too_early(
        self, history: list[list[Fact]], partitions: int, limit: int
    ) -> None:
        """Its end may go unmarked, for nobody knew it; a reader sees what follows."""
        topics = Topics("pms", partitions)
        expected = expected_chains(history, topics)

        found = chains_of(part(history, topics, limit))

        for place, chain in found.items():
            assert [each[:2] for each in chain] == [each[:2] for each in expected[place]]
            for own, wanted in zip(chain, expected[place], strict=True):
                assert wanted[2] or not own[2]

    @given(history=histories, partitions=partition_counts)
    def test_a_record_is_its_event(self, history: list[list[Fact]], partitions: int) -> None:
        """Value, key and timestamp are the event's in every chain."""
        by_position = {event.position: event for event in recorded(history)}
        decoder = AvroDecoder(lambda _number: "", IDS)

        for _, _, key, value, timestamp, headers, _ in part(
            history, Topics("pms", partitions), limit=1_000
        ):
            told = read_headers(headers.items())
            event = by_position[told.position]
            portfolio = getattr(decoder.decode(value), "portfolio", None)
            assert timestamp == event.recorded_at.timestamp() * 1_000
            assert encode(decoder.decode(value)) == event.data  # type: ignore[arg-type]
            assert key == "/".join(filter(None, (event.tenant, portfolio))).encode()

    @given(history=histories, partitions=partition_counts)
    def test_the_last_record_of_a_partition_counts_those_of_it(
        self, history: list[list[Fact]], partitions: int
    ) -> None:
        """Among the records made together; the others count none."""
        topics = Topics("pms", partitions)
        events = prepare(recorded(history), AvroEncoder(IDS))
        counted: dict[tuple[str, int], list[int]] = defaultdict(list)

        for topic, partition, *_, count in parting(topics).records(events, is_whole=True):
            counted[topic, partition].append(count)

        for counts in counted.values():
            assert counts == [0] * (len(counts) - 1) + [len(counts)]

    @given(history=histories, market_after=st.integers(0, 60))
    def test_what_the_market_topic_has_is_not_sent_again(
        self, history: list[list[Fact]], market_after: int
    ) -> None:
        """Another generation of the partitions leaves that topic as it is."""
        topics = Topics("pms", 2, generation=2)
        events = prepare(recorded(history), AvroEncoder(IDS))
        market = (topics.market, 0)
        wanted = expected_chains(history, topics).get(market, [])

        records = list(parting(topics, market_after).records(events, is_whole=True))

        positions = [position for position, _, _ in chains_of(records).get(market, [])]
        assert positions == [position for position, _, _ in wanted if position > market_after]

    def test_a_watermark_speaks_of_an_event_of_another_partition(self) -> None:
        """Position and moment are that event's; it has no key, for it is nobody's."""
        topics = Topics("pms", 3)
        event = outgoing(recorded([[Fact("acme", "a")]])[0])

        topic, partition, key, value, _, headers, count = parting(topics).watermark(2, event)

        assert (topic, partition, key) == ("pms.portfolios", 2, None)
        told = WatermarkHeaders(LOG_ID, 1, MONDAY + timedelta(seconds=1), 0)
        assert read_headers(headers.items()) == told
        assert count == 1
        mark = AvroDecoder(lambda _number: "", IDS).decode(value)
        assert (mark.position, mark.recorded_at) == (1, told.recorded_at)  # type: ignore[union-attr]
