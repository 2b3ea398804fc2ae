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
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any
from uuid import uuid4

import psutil
import psycopg
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from benchmarks.history import write_history
from benchmarks.pipeline.costs import POSTGRESQL, Processors, microseconds_per_trade
from eventstore.kafka.delivering import CONFIGURATION
from eventstore.kafka.outgoing import read_rows
from eventstore.kafka.parting import Chains, OutgoingRecord, Parting
from eventstore.kafka.preparing import prepared
from eventstore.kafka.relay import Relay
from eventstore.kafka.topic_creation import create_topics
from eventstore.kafka.topics import Topics
from eventstore.tables import CHANNEL, create_log
from schemas.avro_codec import AvroEncoder
from schemas.registry import register_schemas

PARTITIONS = 6
REGISTRY = "mock://benchmark"
LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 120.0
COST_TOLD_MIN = 0.05
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

    def __init__(
        self, owner_conninfo: str, app_conninfo: str, bootstrap: str, broker: int | None
    ) -> None:
        self.costs: dict[str, list[dict[str, float]]] = {"relay": [], "bare": []}
        self._broker = broker
        self._processors = Processors(app_conninfo, self._process_ids)
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

    def _process_ids(self) -> dict[str, int]:
        """Name the processes whose time is told; the second one of a relay is our only child."""
        ours = psutil.Process()
        server = psutil.Process(self._app.info.backend_pid).parent()
        found = {"producing": ours.pid, POSTGRESQL: 0 if server is None else server.pid}
        for child in ours.children():
            if "eventstore.kafka.preparing" in child.cmdline():
                found["preparing"] = child.pid
        return found if self._broker is None else found | {"kafka": self._broker}

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
            before = self._processors.used()
            self._exchange()
            began = time.perf_counter()
            self._wait_until_acknowledged(topics, self._head)
            seconds = time.perf_counter() - began
            self._note_cost("relay", before)
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
        events = read_rows(self._owner, after=self._opening, limit=self.events)
        self._exchange()
        return list(parting.records(prepared(events, encoder), is_whole=True))

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
        before = self._processors.used()
        began = time.perf_counter()
        produce, hear = producer.produce, acknowledged.hear
        for topic, partition, key, value, timestamp, headers, _ in records:
            while True:
                try:
                    produce(topic, value, key, partition, hear, None, timestamp, headers)  # type: ignore[arg-type]  # a dict is not covariant
                    break
                except BufferError:
                    producer.poll(LOOK_SECONDS)
        producer.flush()
        seconds = time.perf_counter() - began
        assert acknowledged.count == len(records), "every record was acknowledged"
        self._note_cost("bare", before)
        return seconds

    def _note_cost(self, side: str, before: dict[str, float]) -> None:
        after = self._processors.used()
        self.costs[side].append(microseconds_per_trade(before, after, trades=self.events))


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
    broker: int | None = None,
    trades: int = 50_000,
    rounds: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Measure, on a database and a broker (a process id) of the benchmark's own."""
    create_log(owner_conninfo)
    opening = write_history(app_conninfo, trades=trades)
    sides = Rounds(owner_conninfo, app_conninfo, bootstrap, broker)
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
            "cpu_us_per_event": {side: _medians(each) for side, each in sides.costs.items()},
            "parameters": {"trades": trades, "rounds": rounds, "partitions": PARTITIONS},
            "machine": {
                "cpu_count": os.cpu_count(),
                "python": platform.python_version(),
                "postgresql": version,
            },
        }
    finally:
        sides.close()


def _medians(costs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Give what each process costs in the median turn, the first turn (which warms) left out."""
    names = sorted({name for each in costs for name in each})
    found = {name: median(each.get(name, 0.0) for each in costs[1:]) for name in names}
    return {name: round(cost, 1) for name, cost in found.items() if cost > COST_TOLD_MIN}


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
