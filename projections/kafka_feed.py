"""The Kafka feed: partitions shared among the projectors of a group, decoded from Avro."""

import time
from collections.abc import Collection, Iterable, Sequence

import structlog

from domain.event import Event
from domain.identity import MARKET_TENANT
from eventstore.kafka.reader import GroupReader, Record
from eventstore.partitions import Partition
from projections.batches import UNREADABLE, Batch, Undecodable
from projections.building import Connection
from projections.checkpoint import Checkpoint
from projections.read_model import Decoded
from schemas.avro_codec import AvroDecoder, MalformedValue
from schemas.catalogue import EVENT_NAMES, EVENT_TYPES
from schemas.registry import RegistryUnavailable, SchemaNotFound

ASK_AGAIN_SECONDS = 2.0
_UNREADABLE = (*UNREADABLE, SchemaNotFound, MalformedValue)


class KafkaFeed:
    """Reads the partitions that the group gives this projector, of `partition_count` in all."""

    is_log = False

    def __init__(self, reader: GroupReader, decoder: AvroDecoder, *, partition_count: int) -> None:
        self._reader = reader
        self._ask_at = 0.0
        self._decoder = decoder
        self._partition_count = partition_count
        self._logger = structlog.get_logger(__name__)

    def begin(self, connection: Connection) -> None:
        """Need no database."""

    @property
    def has_begun(self) -> bool:
        """Whether the group has let this projector in, with or without a share."""
        return self._reader.has_joined

    def partitions(self) -> Collection[Partition]:
        """Tell which partitions are this projector's now."""
        return [Partition(number, self._partition_count) for number in self._reader.partitions()]

    def read(
        self,
        partition: Partition,
        after: Checkpoint,
        *,
        limit: int,
        event_types: Iterable[type[Event]],
    ) -> Batch | None:
        """Read what follows a checkpoint."""
        records = self._reader.read(
            partition.number, after=after.position, recorded_at=after.recorded_at, limit=limit
        )
        if not records or time.monotonic() < self._ask_at:
            return None
        wanted = {EVENT_NAMES[kind] for kind in event_types}
        try:
            return self._batch(records, wanted)
        except RegistryUnavailable as error:
            self._logger.warning("kafka_feed_waits_for_registry", error=str(error))
            self._ask_at = time.monotonic() + ASK_AGAIN_SECONDS
            return None

    def wait(self, seconds: float) -> None:
        """Take what has arrived, or wait for it."""
        self._reader.wait(seconds)

    def close(self) -> None:
        """Leave the group."""
        self._reader.close()

    def _batch(self, records: Sequence[Record], wanted: Collection[str]) -> Batch:
        decoded: list[Decoded] = []
        undecodable = None
        size = len(records)
        for index, record in enumerate(records):
            name = record.event_type
            if name is None or (name not in wanted and name in EVENT_TYPES):
                continue
            try:
                event = self._decoder.decode(record.value)
                if type(event) is not EVENT_TYPES.get(name):
                    raise MalformedValue(f"its value is a {type(event).__name__}")
                assert record.command_id is not None, "only a watermark has none"
                decoded.append(
                    Decoded(
                        record.position,
                        record.tenant,
                        record.recorded_at,
                        event,
                        record.command_id,
                    )
                )
            except _UNREADABLE as error:
                undecodable = Undecodable(record.position, name, record.recorded_at, error)
                size = index
                break
        if not size:
            return Batch(decoded, 0, undecodable=undecodable)
        last = records[size - 1]
        return Batch(
            decoded,
            size,
            position=last.position,
            market_position=_last_market_position(records, size),
            recorded_at=last.recorded_at,
            oldest_at=records[0].recorded_at,
            undecodable=undecodable,
        )


def _last_market_position(records: Sequence[Record], size: int) -> int | None:
    for index in range(size - 1, -1, -1):
        if records[index].tenant == MARKET_TENANT:
            return records[index].position
    return None
