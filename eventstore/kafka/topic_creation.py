"""Making the topics of a log, and refusing those that are not as the log needs them."""

import time

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic

from eventstore.kafka.topics import Topics

ASK_SECONDS = 10.0
LOOK_SECONDS = 0.05
# Events are kept for ever, and every record as it was.
_KEPT = {
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
    # Readers find their place by the moment an event was recorded, not by the broker's clock.
    "message.timestamp.type": "CreateTime",
}
_OTHERS = {
    "message.timestamp.after.max.ms": str(2**63 - 1),
    "unclean.leader.election.enable": "false",
}


class TopicUnsuitable(Exception):
    """A topic of that name is there, but not as asked; the message says what to do."""


def create_topics(bootstrap: str, topics: Topics, *, replication_factor: int = -1) -> None:
    """Make the topics that are missing; a factor of -1 is the cluster's own default.

    Raises:
        TopicUnsuitable: one is there with another number of partitions, or does not keep records.
        KafkaException: Kafka did not answer, or may not make topics.
    """
    client = AdminClient({"bootstrap.servers": bootstrap, "reconnect.backoff.max.ms": 1_000})
    wanted = {topics.portfolios: topics.partitions, topics.market: 1}
    made = client.create_topics(
        [
            NewTopic(name, partitions, replication_factor, config=_KEPT | _OTHERS)
            for name, partitions in wanted.items()
        ],
        request_timeout=ASK_SECONDS,
    )
    for future in made.values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    for name, partitions in wanted.items():
        _require_partitions(client, name, partitions)
        _require_kept(client, name)


def _require_partitions(client: AdminClient, name: str, partitions: int) -> None:
    deadline = time.monotonic() + ASK_SECONDS
    topic = client.list_topics(name, timeout=ASK_SECONDS).topics[name]
    while topic.error is not None:
        # A topic just made is known to every broker a moment later.
        if time.monotonic() > deadline:
            raise KafkaException(topic.error)
        time.sleep(LOOK_SECONDS)
        topic = client.list_topics(name, timeout=ASK_SECONDS).topics[name]
    found = len(topic.partitions)
    if found != partitions:
        raise TopicUnsuitable(
            f"The topic {name} has {found} partitions, {partitions} are asked for. Portfolios "
            "cannot move between partitions: give the old number (PMS_PARTITIONS), or begin "
            "another generation (PMS_KAFKA_GENERATION), which is written anew beside the old one."
        )


def _require_kept(client: AdminClient, name: str) -> None:
    (asked,) = client.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, name)]).values()
    found = asked.result(ASK_SECONDS)
    wrong = {key: found[key].value for key, value in _KEPT.items() if found[key].value != value}
    if wrong:
        told = ", ".join(f"{key}={value}" for key, value in wrong.items())
        wanted = ", ".join(f"{key}={_KEPT[key]}" for key in wrong)
        raise TopicUnsuitable(f"The topic {name} has {told}: set {wanted}, or its events get lost.")
