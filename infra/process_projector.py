"""The process that keeps the read models current."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from uuid import uuid4

from eventstore.kafka.reader import GroupReader
from eventstore.kafka.topics import Topics
from eventstore.log import Log
from infra.build_name import build_name
from infra.clock import now
from infra.probe_server import Readiness, probe_server
from infra.read_models import PATIENT_MODELS, chosen_models, partition_count
from infra.settings import Settings
from projections.feeds import LogFeed
from projections.kafka_feed import KafkaFeed
from projections.leaderboard.keeping import (
    ANSWER_SECONDS,
    PLANNED_ONCE,
    board_client,
    keep_board,
)
from projections.performance.model import PerformanceModel
from projections.projector import Projector
from projections.reading import Reading
from schemas.avro_codec import AvroDecoder
from schemas.registry import fetch_schema

BOARD_MODEL = PerformanceModel.name
"""What the leaderboard is made of: it is kept beside whoever folds this."""


def run(settings: Settings, stop: threading.Event) -> None:
    """Fold the chosen feed into every read model until `stop` is set."""
    models = chosen_models(settings)
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    with Log(settings.app_conninfo, clock=now, build=settings.build or build_name()) as log:
        projector = Projector(
            log,
            settings.app_conninfo,
            models,
            redis_url=redis_url,
            clock=now,
            feed=kafka_feed(settings, log) if settings.feed == "kafka" else LogFeed(log),
            patient=PATIENT_MODELS,
        )

        def readiness() -> Readiness:
            health = projector.health()
            return Readiness(bool(health["ready"]), health)

        with (
            probe_server(host=settings.host, port=settings.projector_port, readiness=readiness),
            _board(settings, redis_url if BOARD_MODEL in {it.name for it in models} else None),
        ):
            projector.run(stop)


@contextmanager
def _board(settings: Settings, redis_url: str | None) -> Iterator[None]:
    """Keep the leaderboard beside the projector, where there is a Redis to keep it in."""
    if redis_url is None:
        yield
        return
    stop, count = threading.Event(), partition_count(settings)
    with (
        Reading(
            settings.app_conninfo, partition_count=count, pool_size=1, options=PLANNED_ONCE
        ) as reading,
        closing(board_client(redis_url)) as client,
    ):
        keeping = threading.Thread(
            target=keep_board,
            args=(reading, client, stop),
            kwargs={"name": uuid4().hex},
            name="leaderboard",
            daemon=True,
        )
        keeping.start()
        try:
            yield
        finally:
            stop.set()
            keeping.join(2 * ANSWER_SECONDS)


def kafka_feed(settings: Settings, log: Log) -> KafkaFeed:
    """Join the projectors that share the topic's partitions, and fold the same read models."""
    topics = Topics(settings.kafka_prefix, settings.partitions, settings.kafka_generation)
    names = "".join(f".{model.name}" for model in chosen_models(settings))
    reader = GroupReader(
        bootstrap=settings.kafka_address,
        topic=topics.portfolios,
        group=f"{topics.portfolios}.projectors{names if settings.projector_models else ''}",
        log_id=log.log_id,
        partition_count=topics.partitions,
    )
    decoder = AvroDecoder(partial(fetch_schema, settings.registry_address), {})
    return KafkaFeed(reader, decoder, partition_count=topics.partitions)
