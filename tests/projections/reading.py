"""Reading a feed of partitions to its end, and what the log says it should give."""

import time
from collections.abc import Sequence

from eventstore.log import Log
from eventstore.partitions import Partition
from projections.batches import Batch
from projections.checkpoint import Checkpoint
from projections.feeds import Feed
from schemas.catalogue import EVENT_TYPES
from schemas.codec import decode
from tests.projections.running import WAIT_SECONDS
from tests.projections.story import Story
from tests.projections.topic import belongs

COUNT = 3
EVERY_TYPE = frozenset(EVENT_TYPES.values())


def wait_for_partitions(feed: Feed) -> None:
    """Wait until a feed has all of them."""
    deadline = time.monotonic() + WAIT_SECONDS
    while len(feed.partitions()) < COUNT:
        assert time.monotonic() < deadline, "waited in vain for partitions"
        feed.wait(0.05)


def next_batch(
    feed: Feed,
    partition: Partition,
    after: Checkpoint,
    *,
    limit: int = 5_000,
    seconds: float = WAIT_SECONDS,
) -> Batch | None:
    """Read what follows; wait for it for a moment, because Kafka hands over when it can."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        batch = feed.read(partition, after, limit=limit, event_types=EVERY_TYPE)
        if batch is not None:
            return batch
        feed.wait(0.05)
    return None


def read_all(
    feed: Feed,
    log: Log,
    partition: Partition,
    after: Checkpoint,
    head: int,
    *,
    limit: int = 5_000,
) -> list[Batch]:
    """Read a partition from a checkpoint on to its last event up to `head`, and what follows."""
    own_end = max(
        (event.position for event in log.read(0, 100_000, head) if belongs(event, partition)),
        default=0,
    )
    batches = []
    while after.position < head:
        is_missing = after.position < own_end
        batch = next_batch(
            feed, partition, after, limit=limit, seconds=WAIT_SECONDS if is_missing else 0.3
        )
        if batch is None:
            assert not is_missing, f"waited in vain for what follows {after.position}"
            break
        batches.append(batch)
        after = batch.moved(after)
    return batches


def tell(story: Story, count: int) -> None:
    """Portfolios of several partitions trade, are marked and paid into."""
    story.register("AAPL", "TSLA")
    for number in range(8):
        story.open(f"fund-{number}")
    for number in range(count):
        fund = f"fund-{number % 8}"
        story.deposit(fund, "100")
        story.trade(fund, "AAPL", "3" if number % 3 else "-4", str(10 + number % 7))
        if number % 5 == 0:
            story.register(f"I{number}")


def contents(batches: Sequence[Batch]) -> list[tuple[int, str, object]]:
    """What the batches hold."""
    return [(each.position, each.tenant, each.event) for batch in batches for each in batch.decoded]


def expected(
    log: Log, partition: Partition, after: int = 0, until: int | None = None
) -> list[tuple[int, str, object]]:
    """What the log holds for a partition."""
    return [
        (event.position, event.tenant, decode(event.event_type, event.data))
        for event in log.read(after, 100_000, until)
        if partition.holds(event)
    ]
