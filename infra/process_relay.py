"""The process that brings the log to Kafka; of several, one leads and the others stand by."""

from __future__ import annotations

import threading

import msgspec
import psycopg
import structlog
from prometheus_client import Gauge

from eventstore.connections import connect
from eventstore.failures import LogFailure
from eventstore.kafka.lag import Lag, read_lag
from eventstore.kafka.progress import create_progress
from eventstore.kafka.relay import Relay, RelayState
from eventstore.kafka.topic_creation import TopicUnsuitable
from eventstore.kafka.topics import Topics
from eventstore.leading import lead
from infra.clock import now
from infra.errors import OperatorError
from infra.probe_server import Readiness, probe_server
from infra.settings import Settings
from schemas.codec import UnknownEventType
from schemas.registry import SchemaNotFound, SchemaRefused

LOOK_SECONDS = 1.0
POSITION = Gauge("pms_relay_position", "Last log position acknowledged by Kafka")
LAG_EVENTS = Gauge("pms_relay_lag_events", "Events not yet acknowledged by Kafka")
LAG_SECONDS = Gauge("pms_relay_lag_seconds", "Age of the oldest event not yet acknowledged")
IS_LEADER = Gauge("pms_relay_is_leader", "1 while this process relays")

_INCURABLE = (
    LogFailure,
    TopicUnsuitable,
    SchemaRefused,
    SchemaNotFound,
    UnknownEventType,
    msgspec.DecodeError,
)
"""What another try cannot mend, but a person, or a relay of another build."""


class LagWatch:
    """Looks once a second how far Kafka is behind, whoever leads."""

    def __init__(self, conninfo: str, topics: Topics) -> None:
        self._conninfo = conninfo
        self._topics = topics
        self._logger = structlog.get_logger(__name__)
        self.lag: Lag | None = None

    def run(self, stop: threading.Event) -> None:
        """Look until `stop` is set; while the database is away nothing is known."""
        while not stop.is_set():
            try:
                with connect(self._conninfo, application_name="pms relay lag") as connection:
                    create_progress(connection)
                    while not stop.is_set():
                        self._look(read_lag(connection, self._topics, now=now()))
                        stop.wait(LOOK_SECONDS)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self.lag = None
                self._logger.warning("relay_lag_unknown", error=str(error))
                stop.wait(LOOK_SECONDS)

    def _look(self, lag: Lag) -> None:
        self.lag = lag
        POSITION.set(lag.position)
        LAG_EVENTS.set(lag.events)
        LAG_SECONDS.set(lag.seconds)


def run(settings: Settings, stop: threading.Event) -> None:
    """Relay, or stand by for the leader, until `stop` is set.

    Raises:
        OperatorError: log, topics or schemas are not such that any relay of this build could go on.
    """
    topics = Topics(settings.kafka_prefix, settings.partitions, settings.kafka_generation)
    relay = Relay(
        settings.app_conninfo,
        topics,
        bootstrap=settings.kafka_address,
        registry_url=settings.registry_address,
    )
    watch = LagWatch(settings.app_conninfo, topics)
    IS_LEADER.set_function(lambda: relay.state is RelayState.LEADING)
    incurable: list[Exception] = []
    logger = structlog.get_logger(__name__)

    def act(ending: threading.Event) -> None:
        try:
            relay.run(ending)
        except _INCURABLE as error:
            incurable.append(error)
            stop.set()
        except Exception:
            relay.state = RelayState.FAILING
            logger.exception("relay_failed")

    def readiness() -> Readiness:
        lag = watch.lag
        checks: dict[str, object] = {"state": relay.state.value, "lag": lag}
        if lag is not None:
            checks["lag"] = msgspec.structs.asdict(lag)
        is_well = relay.state in {RelayState.LEADING, RelayState.STANDING_BY}
        return Readiness(is_well and lag is not None, checks)

    watching = threading.Thread(target=watch.run, args=(stop,), name="relay-lag", daemon=True)
    watching.start()
    with probe_server(host=settings.host, port=settings.relay_port, readiness=readiness):
        lead(settings.app_conninfo, f"relay {topics.portfolios}", act, stop)
    watching.join()
    if incurable:
        raise OperatorError(f"The relay cannot go on. {incurable[0]}") from incurable[0]
