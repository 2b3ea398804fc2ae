"""A log that grows, a relay that runs, and what the topics hold, for tests against a real Kafka."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, cast
from uuid import UUID, uuid4

from confluent_kafka import Consumer, TopicPartition

from eventstore.connections import connect
from eventstore.envelope import NewEvent, RecordedEvent
from eventstore.kafka.progress import Progress, create_progress, read_progress
from eventstore.kafka.records import Header, RecordHeaders, WatermarkHeaders, read_headers
from eventstore.kafka.relay import Relay
from eventstore.kafka.topics import Topics, partition_of, portfolio_of
from eventstore.log import Log
from infra.database import Database
from schemas.codec import encode, event_name
from tests.eventstore.kafka.test_parting import TENANTS, Fact

SECONDS = 30.0
PORTFOLIOS = tuple("abcdefgh")


class Arrived(NamedTuple):
    """A record as it arrived: what its headers say, and the rest."""

    told: RecordHeaders | WatermarkHeaders
    key: bytes | None
    value: bytes
    timestamp: int


Chain = list[Arrived]


def append(log: Log, draw: random.Random, *, commands: int, shared: float = 0.3) -> None:
    """Append commands of one to four events each, in one transaction."""
    with log.writing() as writing:
        writing.append([event for _ in range(commands) for event in _command(draw, shared)])


def _command(draw: random.Random, shared: float) -> Iterator[NewEvent]:
    command_id = uuid4()
    for _ in range(draw.randint(1, 4)):
        portfolio = None if draw.random() < shared else draw.choice(PORTFOLIOS)
        fact = Fact(draw.choice(TENANTS), portfolio)
        event = fact.event()
        yield NewEvent(
            stream_id=uuid4(),
            stream_version=1,
            event_type=event_name(event),
            data=encode(event),
            key=None,
            tenant=fact.tenant,
            actor="trader-7",
            command_id=command_id,
            correlation_id=command_id,
            causation_id=None,
            trace_context=None,
        )


def append_of_one_portfolio(log: Log, portfolio: str, *, tenant: str = "acme") -> None:
    """Append one event that belongs to one partition."""
    event = Fact(tenant, portfolio).event()
    command_id = uuid4()
    with log.writing() as writing:
        writing.append(
            [
                NewEvent(
                    uuid4(), 1, event_name(event), encode(event), None, tenant, "trader-7",
                    command_id, command_id, None, None,
                )
            ]
        )  # fmt: skip


@contextmanager
def running(relay: Relay) -> Iterator[threading.Thread]:
    """Let a relay lead meanwhile, in a thread; what it raises is raised here."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def act() -> None:
        try:
            relay.run(stop)
        except BaseException as error:  # noqa: BLE001 - told to the test below
            failures.append(error)

    thread = threading.Thread(target=act, name="relay under test")
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(SECONDS)
        if failures:
            raise failures[0]
    assert not thread.is_alive(), "the relay did not stop"


def progress_of(conninfo: str, topics: Topics) -> Progress | None:
    """Read how far a topic has come."""
    with connect(conninfo, application_name="test") as connection:
        create_progress(connection)
        return read_progress(connection, topics)


def lose_progress(database: Database) -> None:
    """Forget how far any topic has come."""
    with connect(database.app_conninfo, application_name="test") as connection:
        connection.execute("DROP SCHEMA relay CASCADE")


def arrived(bootstrap: str, topics: Topics) -> dict[tuple[str, int], Chain]:
    """Read everything that both topics hold now."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": str(uuid4()), "log_level": 0})
    places = [(topics.portfolios, number) for number in range(topics.partitions)]
    found: dict[tuple[str, int], Chain] = {place: [] for place in [*places, (topics.market, 0)]}
    ends: dict[tuple[str, int], int] = {}
    try:
        for topic, number in found:
            place = TopicPartition(topic, number, 0)
            ends[topic, number] = consumer.get_watermark_offsets(place, timeout=SECONDS)[1]
        consumer.assign([TopicPartition(*place, 0) for place, end in ends.items() if end])
        missing = sum(ends.values())
        while missing:
            messages = consumer.consume(min(1_000, missing), SECONDS)
            assert messages, "Kafka gives nothing more"
            missing -= len(messages)
            for message in messages:
                assert message.error() is None, message.error()
                told = read_headers(cast("list[Header]", message.headers()))
                found[str(message.topic()), int(message.partition() or 0)].append(
                    Arrived(told, message.key(), message.value() or b"", message.timestamp()[1])
                )
    finally:
        consumer.close()
    return found


def without_repeats(chain: Chain) -> list[Arrived]:
    """Drop what is not beyond the position of what came before, as every reader does."""
    kept: list[Arrived] = []
    for each in chain:
        if not kept or each.told.position > kept[-1].told.position:
            kept.append(each)
    return kept


def expected_positions(
    events: Sequence[RecordedEvent], topics: Topics
) -> dict[tuple[str, int], list[int]]:
    """Say naively which positions each chain holds."""
    expected: dict[tuple[str, int], list[int]] = defaultdict(list)
    for event in events:
        portfolio = portfolio_of(event.event_type, event.data)
        for number in range(topics.partitions):
            if portfolio is None or number == partition_of(
                event.tenant, portfolio, topics.partitions
            ):
                expected[topics.portfolios, number].append(event.position)
        if portfolio is None and event.tenant == "market":
            expected[topics.market, 0].append(event.position)
    return expected


def require_complete(log: Log, bootstrap: str, topics: Topics) -> dict[tuple[str, int], Chain]:
    """Hold the topics against the log: every event of each chain, in order, chained, none else."""
    events = log.read(0, 1_000_000)
    by_position = {event.position: event for event in events}
    expected = expected_positions(events, topics)
    found = arrived(bootstrap, topics)
    for place, chain in found.items():
        kept = without_repeats(chain)
        positions: list[int] = []
        for each in kept:
            assert each.told.log_id == log.log_id
            if isinstance(each.told, WatermarkHeaders):
                reached = [
                    position for position in expected[place] if position <= each.told.position
                ]
                assert positions == reached, f"{place}: a watermark lies at {each.told.position}"
                continue
            assert each.told.previous == (positions[-1] if positions else 0)
            event = by_position[each.told.position]
            assert each.told.stream_id == event.stream_id
            assert each.timestamp == int(event.recorded_at.timestamp() * 1_000)
            positions.append(event.position)
        assert positions == expected[place], place
    return found


def one_portfolio_of(topics: Topics, partition: int) -> str:
    """Name a portfolio of `acme` that belongs to a partition."""
    names = (str(UUID(int=number)) for number in range(10_000))
    return next(
        name for name in names if partition_of("acme", name, topics.partitions) == partition
    )
