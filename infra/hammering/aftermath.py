"""After the faults: wait for quiet, clear up every doubt, then hold everything against its word."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import psycopg

from client import Accepted, CallFailed, Client, Conflict, Malformed, Rejected, Terms
from eventstore.failures import LogDamaged
from eventstore.log import Log
from infra.clock import now
from infra.hammering.clients import Load, send_for_good
from infra.hammering.ledger import Ledger, Promise, Request
from infra.hammering.log_checks import (
    Follower,
    Resolution,
    check_nothing_unasked,
    check_once,
    check_promises,
    check_resolutions,
    read_evidence,
    read_truths,
)
from infra.hammering.partition_checks import PartitionChecks
from infra.hammering.system import HammeredSystem
from infra.hammering.topic_follower import TopicFollower
from infra.read_models import READ_MODELS, live_schemas, partition_count
from projections.checkpoint import read_checkpoint
from projections.findings import Check
from projections.verification import verify

READY_SECONDS_MAX = 120.0
LEVEL_SECONDS_MAX = 300.0
RESOLVE_SECONDS_MAX = 300.0
LOOK_SECONDS = 0.1
REST_SECONDS = 2.0
"""For how long nothing may be appended until the log is at rest: reactions write on their own."""

ASKERS = 8
TOLD = {
    Accepted: "accepted",
    Rejected: "rejected",
    Conflict: "conflict",
    Malformed: "malformed",
}

Say = Callable[[str], None]


class Rest:
    """Tells whether a log has ended at the same position for a while."""

    def __init__(self, log: Log) -> None:
        self.position = -1
        self._log = log
        self._since = 0.0

    def hindrance(self) -> str | None:
        """Say what was written lately; None when nothing was."""
        position = self._log.head().position
        if position != self.position:
            self.position, self._since = position, time.monotonic()
        is_resting = time.monotonic() - self._since >= REST_SECONDS
        return None if is_resting else f"it ends at {position} since a moment"


class Followers(NamedTuple):
    """The readers that followed all the while; none of a topic without a Kafka."""

    of_log: Follower
    of_topic: TopicFollower | None


class Aftermath:
    """What can be asked of a system once nobody hurts it any more."""

    def __init__(
        self, system: HammeredSystem, load: Load, ledger: Ledger, followers: Followers, say: Say
    ) -> None:
        self.events = 0
        self.resolved = 0
        self.kafka: dict[str, int] = {}
        self._system = system
        self._load = load
        self._ledger = ledger
        self._follower = followers.of_log
        self._topic_follower = followers.of_topic
        self._say = say
        self._schemas = live_schemas(system.running.settings)

    def checks(self) -> Iterator[Check]:
        """Make every check; the first that fails to come to rest ends them."""
        self._say("all faults are lifted; waiting for quiet")
        ready = _waited("every process is ready again", self._unready, READY_SECONDS_MAX)
        yield ready
        if not ready.ok:
            return
        yield self._resolve()
        with Log(self._system.database.app_conninfo, clock=now, build="hammer") as log:
            rest = Rest(log)
            yield _waited("the log comes to rest", rest.hindrance, LEVEL_SECONDS_MAX)
            head = rest.position
            level = _waited(
                "every read model reaches the head of the log",
                lambda: self._behind(head),
                LEVEL_SECONDS_MAX,
            )
            level.counted = len(self._schemas)
            yield level
            yield self._followed(head)
            yield from self._check_log(log)
            yield from self._check_kafka(log)
            self._say("rebuilding every read model beside the live one")
            if level.ok:
                counts = [partition_count(self._system.running.settings)]
                conninfo = self._system.database.app_conninfo
                yield from verify(log, conninfo, READ_MODELS, partition_counts=counts).checks

    def _unready(self) -> str | None:
        unready = self._system.running.supervisor.unready() | self._system.servers.unready()
        return "; ".join(f"{name}: {words}" for name, words in unready.items()) or None

    def _behind(self, head: int) -> str | None:
        """Name the read models that stand before `head`."""
        behind: list[str] = []
        with psycopg.connect(self._system.database.app_conninfo) as connection:
            for schema in self._schemas:
                with connection.cursor() as cursor:
                    checkpoint = read_checkpoint(cursor, schema)
                position = 0 if checkpoint is None else checkpoint.position
                if position < head:
                    behind.append(f"{schema} at {position} of {head}")
        return ", ".join(behind) or None

    def _followed(self, head: int) -> Check:
        _waited("", lambda: None if self._follower.position >= head else "late", LEVEL_SECONDS_MAX)
        self._follower.end()
        check = self._follower.check
        check.must(
            self._follower.position == head,
            lambda: f"it stands at {self._follower.position}, the log ends at {head}",
        )
        return check

    def _resolve(self) -> Check:
        """Ask for every outcome nobody told, then send it again, and compare both with the log."""
        open_promises = self._ledger.unresolved()
        self._say(f"asking for {len(open_promises):,} outcomes that nobody told")
        held = read_truths(self._system.database.app_conninfo)
        deadline = time.monotonic() + RESOLVE_SECONDS_MAX
        ask = partial(self._ask, deadline=deadline)
        with ThreadPoolExecutor(ASKERS) as askers:
            answered = list(askers.map(ask, open_promises))
        for request in _requests(open_promises):
            client = self._load.client_of(request)
            send_for_good(client, request, self._ledger, deadline=deadline)
        self.resolved = len(open_promises)
        return check_resolutions(
            [
                Resolution(promise, held.get(promise.command_id), told)
                for promise, told in zip(open_promises, answered, strict=True)
            ],
            read_truths(self._system.database.app_conninfo),
        )

    def _ask(self, promise: Promise, *, deadline: float) -> str:
        """Ask what became of a command; "nothing" where no answer comes in time."""
        assert promise.request is not None, "what is open can be sent again"
        patience = Terms(patience_seconds=max(0.0, deadline - time.monotonic()))
        client = Client(self._load.client_of(promise.request), terms=patience)
        try:
            answer = client.outcome(promise.command_id)
        except CallFailed:
            return "nothing"
        return "never_seen" if answer is None else TOLD[type(answer)]

    def _check_log(self, log: Log) -> Iterator[Check]:
        self._say("reading the log")
        try:
            evidence = read_evidence(log)
        except LogDamaged as error:
            yield Check("the log can be read from its first position", difference=str(error))
            return
        self.events = evidence.events
        truths = read_truths(self._system.database.app_conninfo)
        promises = self._ledger.promises
        yield check_promises(promises, truths, evidence)
        yield check_once(evidence)
        yield check_nothing_unasked(evidence, truths, promises)
        misused = Check("other content under a key that is taken is refused")
        misused.counted = self._ledger.counts["key_reused"]
        for misuse in self._ledger.misuses:
            misused.fail(misuse)
        yield misused

    def _check_kafka(self, log: Log) -> Iterator[Check]:
        """Read every topic with a consumer that goes straight to the broker."""
        settings = self._system.running.settings
        if self._system.kafka_bootstrap is None or self._topic_follower is None:
            return
        self._say("reading every partition")
        topics = self._system.topics
        checks = PartitionChecks(
            log,
            topics,
            bootstrap=self._system.kafka_bootstrap,
            registry_url=settings.registry_address,
        )
        yield from checks.checks()
        yield self._topic_follower.ended_at(checks.last)
        self.kafka = {
            "partitions": topics.partitions,
            "records": checks.records,
            "repeats": checks.repeats,
            "watermarks": checks.watermarks,
        }


def _requests(promises: Sequence[Promise]) -> list[Request]:
    """Give the requests of some commands, each once."""
    found = {id(each.request): each.request for each in promises if each.request is not None}
    return list(found.values())


def _waited(name: str, hindrance: Callable[[], str | None], seconds_max: float) -> Check:
    """Wait until nothing stands in the way any more; fails with what still does."""
    check = Check(name, counted=1)
    deadline = time.monotonic() + seconds_max
    while (found := hindrance()) is not None:
        if time.monotonic() > deadline:
            check.fail(f"after {seconds_max:.0f} s still: {found}")
            break
        time.sleep(LOOK_SECONDS)
    return check
