"""The relay: the log to Kafka, in order, without a gap, as far behind as Kafka makes it.

It only reads the log, so that writers never notice it. Of several relays one leads; what an old
leader may still deliver beside its successor are repeats, which readers drop by their position.
"""

import threading
from contextlib import closing
from enum import StrEnum

import psycopg
import structlog
from confluent_kafka import KafkaException
from prometheus_client import Counter

from eventstore.collecting import rare_collections
from eventstore.connections import Connection, connect
from eventstore.failures import LogUnavailable
from eventstore.following import pause_seconds
from eventstore.kafka.delivering import Delivery, DeliveryFailed
from eventstore.kafka.divergence import require_no_divergence
from eventstore.kafka.leadership import Leadership
from eventstore.kafka.parting import Chains, Parting
from eventstore.kafka.preparing import Preparer, PreparerLost
from eventstore.kafka.progress import (
    ProgressTaken,
    create_progress,
    move_progress,
    read_market_progress,
    read_progress,
)
from eventstore.kafka.resuming import resumed
from eventstore.kafka.topic_creation import create_topics
from eventstore.kafka.topics import Topics
from eventstore.reading import read_log_id
from schemas.avro_codec import AvroDecoder, AvroEncoder
from schemas.registry import RegistryUnavailable, fetch_schema, register_schemas

BATCH_EVENTS_MAX = 2_000
FAILURES = Counter("pms_relay_failures", "Times the relay began anew after a failure")

_RETRIED = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    LogUnavailable,
    KafkaException,
    RegistryUnavailable,
    DeliveryFailed,
    PreparerLost,
)


class RelayState(StrEnum):
    """What a relay is doing."""

    STANDING_BY = "standing by"
    STARTING = "starting"
    LEADING = "leading"
    FAILING = "failing"


class Relay:
    """Relays one log to its topics. `run` blocks and is to be called by whoever leads."""

    def __init__(
        self,
        conninfo: str,
        topics: Topics,
        *,
        bootstrap: str,
        registry_url: str,
        replication_factor: int = -1,
        batch_events_max: int = BATCH_EVENTS_MAX,
    ) -> None:
        self._conninfo = conninfo
        self._topics = topics
        self._bootstrap = bootstrap
        self._registry_url = registry_url
        self._replication_factor = replication_factor
        self._batch_events_max = batch_events_max
        self._logger = structlog.get_logger(__name__)
        self.state = RelayState.STANDING_BY

    def run(self, stop: threading.Event) -> None:
        """Relay until `stop` is set; survives a lost PostgreSQL, Kafka or registry.

        Raises:
            TopicDiverged, LogDamaged: log and topics do not fit together.
            TopicUnsuitable: a topic is there with another number of partitions.
            SchemaRefused: the registry holds schemas that ours may not follow.
            UnknownEventType, msgspec.DecodeError: this build cannot read an event.
        """
        failures = 0
        try:
            while not stop.is_set():
                self.state = RelayState.STARTING
                leadership = None
                try:
                    with connect(self._conninfo, application_name="pms relay") as connection:
                        # A lost tail of the progress costs repeats, a wait for the disk costs time.
                        connection.execute("SET synchronous_commit = off")
                        leadership = self._begin(connection)
                        self.state = RelayState.LEADING
                        with rare_collections(), closing(leadership):
                            leadership.relay(stop)
                except (*_RETRIED, ProgressTaken) as error:
                    self.state = RelayState.FAILING
                    FAILURES.inc()
                    if leadership is not None and leadership.has_moved:
                        failures = 0  # Not where Kafka refuses the same record again and again.
                    self._logger.warning("relay_begins_anew", error=str(error))
                    stop.wait(pause_seconds(failures))
                    failures += 1
        finally:
            self.state = RelayState.STANDING_BY

    def _begin(self, connection: Connection) -> Leadership:
        """Make what is missing, hold topics against the log, and find where to go on."""
        topics, log_id = self._topics, read_log_id(connection)
        create_progress(connection)
        ids = register_schemas(self._registry_url, (topics.portfolios, topics.market))
        create_topics(self._bootstrap, topics, replication_factor=self._replication_factor)
        kept = read_progress(connection, topics)
        market = read_market_progress(connection, topics)
        ends = require_no_divergence(
            self._bootstrap,
            topics,
            connection,
            log_id=log_id,
            decoder=AvroDecoder(lambda number: fetch_schema(self._registry_url, number), ids),
            progress=kept,
            market_progress=market,
        )
        last = [end.position for end in ends]
        market_after = 0 if market is None else market.position
        progress = kept or resumed(
            connection, topics, log_id=log_id, last=last, market_after=market_after
        )
        if kept is None and not move_progress(connection, topics, origin=None, target=progress):
            raise ProgressTaken("another relay begins as well")
        market_after = max(market_after, progress.position)
        previous = list(progress.previous)
        if market is not None and market.position > progress.position:
            previous[-1] = market.market_previous
        self._logger.info("relay_leads", topic=topics.portfolios, position=progress.position)
        chains = Chains(topics, market_after=market_after)
        offsets = [end.offset for end in ends]
        return Leadership(
            connection,
            topics,
            Parting(
                chains,
                log_id=log_id,
                encoder=AvroEncoder(ids),
                previous=previous,
            ),
            Preparer(self._conninfo, ids, batch_events_max=self._batch_events_max),
            Delivery(self._bootstrap, dict(zip(chains.places, offsets, strict=True))),
            progress,
            told=last,
        )
