"""The process that keeps the read models current."""

from __future__ import annotations

import threading
from functools import partial

from eventstore.kafka.reader import GroupReader
from eventstore.kafka.topics import Topics
from eventstore.log import Log
from infra.build_name import build_name
from infra.clock import now
from infra.probe_server import Readiness, probe_server
from infra.read_models import READ_MODELS
from infra.settings import Settings
from projections.feeds import LogFeed
from projections.kafka_feed import KafkaFeed
from projections.projector import Projector
from schemas.avro_codec import AvroDecoder
from schemas.registry import fetch_schema


def run(settings: Settings, stop: threading.Event) -> None:
    """Fold the chosen feed into every read model until `stop` is set."""
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    with Log(settings.app_conninfo, clock=now, build=settings.build or build_name()) as log:
        projector = Projector(
            log,
            settings.app_conninfo,
            READ_MODELS,
            redis_url=redis_url,
            clock=now,
            feed=kafka_feed(settings, log) if settings.feed == "kafka" else LogFeed(log),
        )

        def readiness() -> Readiness:
            health = projector.health()
            return Readiness(bool(health["ready"]), health)

        with probe_server(host=settings.host, port=settings.projector_port, readiness=readiness):
            projector.run(stop)


def kafka_feed(settings: Settings, log: Log) -> KafkaFeed:
    """Join the projectors that share the topic's partitions."""
    topics = Topics(settings.kafka_prefix, settings.partitions, settings.kafka_generation)
    reader = GroupReader(
        bootstrap=settings.kafka_address,
        topic=topics.portfolios,
        group=f"{topics.portfolios}.projectors",
        log_id=log.log_id,
        partition_count=topics.partitions,
    )
    decoder = AvroDecoder(partial(fetch_schema, settings.registry_address), {})
    return KafkaFeed(reader, decoder, partition_count=topics.partitions)
