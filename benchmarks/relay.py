"""From the log to Kafka's acknowledgement, against the same records produced bare, in one run.

The history is what a desk writes: trades of 200 portfolios, each an event of the trade and one of
its booking, and marks between them. The relay's side is all of its work: reading the log, parting,
encoding, heading, producing, hearing the acknowledgements, keeping its progress, watermarks. The
bare side gets the same records with keys, values and headers ready in memory, hands them to a
producer of the same settings, and counts the acknowledgements until the last is there.

Both are warm when the clock starts: the relay stands at the head of a log that holds only the
opening of the books, and the rest of the history becomes visible in one instant. The sides take
turns, each leading every other round, into topics of their own.
"""

import os
import platform
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from commands.command import (
    CaptureTrade,
    Command,
    DepositCash,
    Issued,
    MarkMarket,
    OpenPortfolio,
    Outcome,
    RegisterInstrument,
    Status,
    fingerprint_of,
)
from commands.desk import Desk
from domain.identity import MARKET_TENANT
from domain.instrument import AssetClass
from domain.lots import CostBasis, Side
from domain.market import Mark
from domain.money import Money
from domain.trade import Capture, Intent
from eventstore.kafka.delivering import CONFIGURATION
from eventstore.kafka.outgoing import prepared_event, read_outgoing
from eventstore.kafka.parting import Chains, OutgoingRecord, Parting
from eventstore.kafka.preparing import prepared
from eventstore.kafka.relay import Relay
from eventstore.kafka.topic_creation import create_topics
from eventstore.kafka.topics import Topics
from eventstore.log import Log
from eventstore.tables import CHANNEL, create_log
from schemas.avro_codec import AvroEncoder
from schemas.registry import register_schemas

TENANT = "benchmark"
PORTFOLIOS = 200
INSTRUMENTS = 50
COMMANDS_AT_ONCE = 500
TRADES_PER_MARKS = 50
MARKS = 10
PARTITIONS = 6
SEED = 20_260_103
REGISTRY = "mock://benchmark"
LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 120.0
_ACKNOWLEDGED = "SELECT max(position) FROM relay.progress WHERE topic = %s"


class Acknowledged:
    """Counts the records that Kafka has acknowledged."""

    def __init__(self) -> None:
        self.count = 0

    def hear(self, error: KafkaError | None, _message: Message) -> None:
        """Take the report of one record."""
        if error is not None:
            raise KafkaException(error)
        self.count += 1


class Rounds:
    """The history set aside, and the two ways of bringing it to Kafka."""

    def __init__(self, owner_conninfo: str, app_conninfo: str, bootstrap: str) -> None:
        self._app_conninfo = app_conninfo
        self._bootstrap = bootstrap
        self._owner = psycopg.connect(owner_conninfo, autocommit=True)
        self._app = psycopg.connect(app_conninfo, autocommit=True)
        self._opening = 0
        self._head = 0

    def close(self) -> None:
        """Close both connections."""
        self._owner.close()
        self._app.close()

    @property
    def events(self) -> int:
        """Events that one turn brings to Kafka."""
        return self._head - self._opening

    @property
    def server_version(self) -> str:
        """The version of PostgreSQL."""
        number = self._owner.info.server_version
        return f"{number // 10_000}.{number % 10_000}"

    def set_aside(self, opening: int) -> None:
        """Take what follows the opening out of the log, to come back in one instant."""
        self._opening = opening
        for statement in (
            "CREATE TABLE log.complete (LIKE log.events INCLUDING ALL)",
            "INSERT INTO log.complete SELECT * FROM log.events ORDER BY position",
            f"GRANT SELECT ON log.complete TO {self._app.info.user}",
        ):
            self._owner.execute(statement)
        self._owner.execute("DELETE FROM log.events WHERE position > %s", (opening,))
        # As an old log is: every page looked at once, so that reading it writes nothing.
        self._owner.execute("VACUUM (ANALYZE) log.events, log.complete")
        row = self._owner.execute("SELECT max(position) FROM log.complete").fetchone()
        assert row is not None, "a maximum is one row"
        self._head = row[0]

    def _exchange(self) -> None:
        """Let the log be the complete one, or the opening again."""
        with self._owner.transaction():
            self._owner.execute("ALTER TABLE log.events RENAME TO waiting")
            self._owner.execute("ALTER TABLE log.complete RENAME TO events")
            self._owner.execute("ALTER TABLE log.waiting RENAME TO complete")
            self._owner.execute(f"NOTIFY {CHANNEL}")

    def relay(self) -> float:
        """Relay the history into new topics; give the seconds until the last ack."""
        topics = Topics(f"relayed-{uuid4().hex[:8]}", PARTITIONS)
        relay = Relay(self._app_conninfo, topics, bootstrap=self._bootstrap, registry_url=REGISTRY)
        with _running(relay):
            self._wait_until_acknowledged(topics, self._opening)
            self._exchange()
            began = time.perf_counter()
            self._wait_until_acknowledged(topics, self._head)
            seconds = time.perf_counter() - began
        self._exchange()
        return seconds

    def _wait_until_acknowledged(self, topics: Topics, position: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                row = self._app.execute(_ACKNOWLEDGED, (topics.portfolios,)).fetchone()
            except psycopg.errors.UndefinedTable:
                row = None
            if row is not None and row[0] is not None and row[0] >= position:
                return
            time.sleep(LOOK_SECONDS)
        raise RuntimeError(f"the relay has not brought {position} to Kafka")

    def records(self, topics: Topics) -> list[OutgoingRecord]:
        """Make all records of the history beforehand."""
        encoder = AvroEncoder(register_schemas(REGISTRY, (topics.portfolios, topics.market)))
        row = self._owner.execute("SELECT log_id FROM log.identity").fetchone()
        assert row is not None, "a log has an identity"
        chains = Chains(topics)
        parting = Parting(chains, log_id=row[0], encoder=encoder, previous=[0] * len(chains.places))
        self._exchange()
        events = read_outgoing(self._owner, after=self._opening, limit=self.events)
        self._exchange()
        ready = [prepared_event(row) for row in prepared(events, encoder)]
        return list(parting.records(ready, is_whole=True))

    def bare(self) -> float:
        """Produce the same records bare into new topics; give the seconds to the last ack."""
        topics = Topics(f"bare-{uuid4().hex[:8]}", PARTITIONS)
        records = self.records(topics)
        create_topics(self._bootstrap, topics)
        producer = Producer(CONFIGURATION | {"bootstrap.servers": self._bootstrap, "log_level": 3})
        for partition in range(PARTITIONS):
            producer.produce(topics.portfolios, b"warm", partition=partition)
        producer.produce(topics.market, b"warm", partition=0)
        producer.flush()
        acknowledged = Acknowledged()
        began = time.perf_counter()
        produce, hear = producer.produce, acknowledged.hear
        for topic, partition, key, value, timestamp, headers in records:
            while True:
                try:
                    produce(
                        topic, value, key, partition,
                        on_delivery=hear, timestamp=timestamp,
                        headers=headers,  # type: ignore[arg-type]  # a list is not covariant
                    )  # fmt: skip
                    break
                except BufferError:
                    producer.poll(LOOK_SECONDS)
        producer.flush()
        seconds = time.perf_counter() - began
        assert acknowledged.count == len(records), "every record was acknowledged"
        return seconds


@contextmanager
def _running(relay: Relay) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=relay.run, args=(stop,), name="relay")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def run(
    owner_conninfo: str,
    app_conninfo: str,
    bootstrap: str,
    *,
    trades: int = 50_000,
    rounds: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Measure, on a database and a broker of the benchmark's own."""
    create_log(owner_conninfo)
    opening = write_history(app_conninfo, trades=trades)
    sides = Rounds(owner_conninfo, app_conninfo, bootstrap)
    try:
        sides.set_aside(opening)
        records = len(sides.records(Topics("counted", PARTITIONS)))
        sides.relay()  # the broker compiles what it does often: neither side should pay for that
        sides.bare()
        relayed: list[float] = []
        bare: list[float] = []
        for number in range(rounds):
            turns = [(sides.relay, relayed), (sides.bare, bare)]
            for turn, seconds in turns if number % 2 else reversed(turns):
                seconds.append(turn())
            if progress is not None:
                progress(number + 1, rounds)
        version = sides.server_version
        return _result(relayed, bare, events=sides.events, records=records) | {
            "parameters": {"trades": trades, "rounds": rounds, "partitions": PARTITIONS},
            "machine": {
                "cpu_count": os.cpu_count(),
                "python": platform.python_version(),
                "postgresql": version,
            },
        }
    finally:
        sides.close()


def _result(
    relayed: Sequence[float], bare: Sequence[float], *, events: int, records: int
) -> dict[str, Any]:
    ours, theirs = (events * len(each) / sum(each) for each in (relayed, bare))
    return {
        "events_per_second": round(ours),
        "bare_events_per_second": round(theirs),
        "ratio_to_bare": round(ours / theirs, 3),
        "events": events,
        "records": records,
        "seconds": [round(each, 3) for each in relayed],
        "bare_seconds": [round(each, 3) for each in bare],
    }


def write_history(conninfo: str, *, trades: int) -> int:
    """Have a desk write the history into an empty log; give the position of the books' opening."""
    draw = random.Random(SEED)
    with Log(conninfo, clock=lambda: datetime.now(UTC), build="benchmark") as log:
        desk = Desk(log)
        desk.start()
        began = datetime.now(UTC)
        _submit(desk, list(opening_commands(began)))
        opening = log.head().position
        wanted: list[Issued] = []
        for command in trading_commands(draw, trades, began):
            wanted.append(command)
            if len(wanted) == COMMANDS_AT_ONCE:
                _submit(desk, wanted)
                wanted = []
        _submit(desk, wanted)
        desk.stop()
    return opening


def opening_commands(began: datetime) -> Iterator[Issued]:
    """Register the instruments, open the portfolios and fund them."""
    for number in range(INSTRUMENTS):
        name = f"I{number:03}"
        yield issue(
            RegisterInstrument(
                instrument=name,
                symbol=name,
                currency="USD",
                asset_class=AssetClass.EQUITY,
                calendar="24/7",
            ),
            tenant=MARKET_TENANT,
        )
    for number in range(PORTFOLIOS):
        name = f"P{number:03}"
        cash = Money(Decimal(10) ** 12, "USD")
        yield issue(OpenPortfolio(portfolio=name, base_currency="USD", cost_basis=CostBasis.FIFO))
        yield issue(DepositCash(portfolio=name, amount=cash, value_date=began.date()))


def trading_commands(draw: random.Random, trades: int, began: datetime) -> Iterator[Issued]:
    """Draw trades with marks between them."""
    for number in range(trades):
        at = began + timedelta(microseconds=number)
        yield issue(capture(draw, number, at))
        if number % TRADES_PER_MARKS == 0:
            yield issue(marks(draw, at), tenant=MARKET_TENANT)


def capture(draw: random.Random, number: int, at: datetime) -> CaptureTrade:
    """Draw a fill: three purchases for one sale."""
    return CaptureTrade(
        Capture(
            portfolio=f"P{draw.randrange(PORTFOLIOS):03}",
            source="benchmark",
            external_id=f"execution-{number:09}",
            intent=Intent.EXECUTED,
            instrument=f"I{draw.randrange(INSTRUMENTS):03}",
            side=Side.SELL if draw.random() < 0.25 else Side.BUY,
            quantity=Decimal(draw.randrange(1, 1_000)),
            price=price(draw),
            currency="USD",
            fee=Decimal("1.25"),
            executed_at=at,
        )
    )


def marks(draw: random.Random, at: datetime) -> MarkMarket:
    """Draw new prices of a few instruments."""
    names = draw.sample(range(INSTRUMENTS), MARKS)
    return MarkMarket(
        source="benchmark",
        at=at,
        marks=tuple(Mark(instrument=f"I{name:03}", price=price(draw)) for name in names),
    )


def price(draw: random.Random) -> Decimal:
    """Draw a price of two places."""
    return Decimal(draw.randrange(100, 100_000)).scaleb(-2)


def issue(command: Command, *, tenant: str = TENANT) -> Issued:
    """Wrap a command as the gateway would."""
    name = uuid4()
    return Issued(
        command_id=name,
        tenant=tenant,
        actor="benchmark",
        correlation_id=name,
        received_at=datetime.now(UTC),
        fingerprint=fingerprint_of(command),
        command=command,
    )


def _submit(desk: Desk, wanted: list[Issued]) -> None:
    outcomes: list[Outcome] = desk.submit_batch(wanted, is_atomic=False).result()
    refused = [each for each in outcomes if each.status is not Status.ACCEPTED]
    if refused:
        raise RuntimeError(f"the benchmark's own command was not accepted: {refused[0]}")
