"""One run of the hammer: start, load, torment, quiet, checks, report."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec

from eventstore.log import Log
from infra.clock import now
from infra.errors import OperatorError
from infra.hammering.aftermath import Aftermath, Followers
from infra.hammering.clients import Api, Load, send_for_good
from infra.hammering.inflicting import Torment
from infra.hammering.ledger import Answer, Ledger
from infra.hammering.log_checks import Follower
from infra.hammering.plan import draw_plan
from infra.hammering.system import HammeredSystem, hammered_system
from infra.hammering.topic_follower import TopicFollower
from projections.findings import Check

OPENING_SECONDS_MAX = 60.0
PROGRESS_SECONDS = 10.0

Say = Callable[[str], None]


class Torture(NamedTuple):
    """What a run is to be: its seed, how long the load lasts, and what feeds the projectors."""

    seed: int
    seconds: float
    feed: str


def hammer(
    torture: Torture, directory: Path, *, say: Say, stop: threading.Event
) -> dict[str, object]:
    """Run the hammer once and report; when `stop` is set the load ends early, the checks do not.

    Raises:
        OperatorError: the system cannot start, or the hammer itself failed.
        StopRequested: `stop` was set before everything was up.
    """
    with ExitStack() as opened:
        system = opened.enter_context(
            hammered_system(directory, feed=torture.feed, say=say, stop=stop)
        )
        api = opened.enter_context(Api(system.running.data, system.lines["api"].port))
        ledger = Ledger()
        load = Load(api, ledger, torture.seed)
        _open(load, ledger)
        log = opened.enter_context(
            Log(system.running.database.app_conninfo, clock=now, build="hammer", pool_size=1)
        )
        followers = _following(opened, system, log)
        plan = draw_plan(torture.seed, seconds=torture.seconds, targets=system.targets)
        say(f"seed {torture.seed}: {len(plan)} faults in {torture.seconds:.0f} s")
        torment = Torment(system, say)
        began = time.monotonic()
        with load, _Progress(ledger, say):
            torment.run(plan, stop)
            stop.wait(max(0.0, began + torture.seconds - time.monotonic()))
        seconds = time.monotonic() - began
        _require_sound(load, torment)
        aftermath = Aftermath(system, load, ledger, followers, say)
        checks = [_told(check, say) for check in aftermath.checks()]
        return {
            "seed": torture.seed,
            "minutes": round(torture.seconds / 60, 3),
            "feed": torture.feed,
            "seconds": round(seconds, 1),
            "interrupted": stop.is_set(),
            "faults": dict(sorted(torment.counts.items())),
            "faults_total": torment.counts.total(),
            **_counts(system, ledger),
            "unknown_resolved": aftermath.resolved,
            "events": aftermath.events,
            **aftermath.kafka,
            "checks": [_described(check) for check in checks],
            "passed": all(check.ok for check in checks),
        }


def _following(opened: ExitStack, system: HammeredSystem, log: Log) -> Followers:
    """Start the readers; both read as everybody does, through the lines that are cut."""
    of_log = Follower(log)
    opened.callback(of_log.end)
    of_topic = None
    if system.kafka_bootstrap is not None:
        bootstrap = system.running.settings.kafka_address
        of_topic = TopicFollower(system.topics, bootstrap=bootstrap)
        opened.callback(of_topic.end)
    return Followers(of_log, of_topic)


def _open(load: Load, ledger: Ledger) -> None:
    """Register and open what the load needs, before anything is hurt."""
    deadline = time.monotonic() + OPENING_SECONDS_MAX
    for request in load.openings():
        answers = send_for_good(load.client_of(request), request, ledger, deadline=deadline)
        if any(each.answer is not Answer.ACCEPTED for each in answers):
            raise OperatorError(f"The load cannot be opened: {request.path} was {answers[0]}.")


def _require_sound(load: Load, torment: Torment) -> None:
    """Tell a defect of the hammer itself from one of the system."""
    for failure in (*load.failures, *torment.failures):
        raise OperatorError(f"The hammer itself failed: {failure!r}") from failure


def _counts(system: HammeredSystem, ledger: Ledger) -> dict[str, object]:
    return {
        "restarts": system.restarts,
        "connections_broken": sum(line.connections_broken for line in system.lines.values()),
        "commands": len(ledger.promises),
        "requests": dict(sorted(ledger.counts.items())),
    }


def _told(check: Check, say: Say) -> Check:
    say(f"{'ok' if check.ok else 'FAILED'}: {check.name} ({check.counted:,})")
    if check.difference is not None:
        say(f"    {check.difference}")
    return check


def _described(check: Check) -> dict[str, object]:
    return msgspec.structs.asdict(check) | {"ok": check.ok}


class _Progress:
    """Says now and then what was answered so far, while it is entered."""

    def __init__(self, ledger: Ledger, say: Say) -> None:
        self._ledger = ledger
        self._say = say
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="progress", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(PROGRESS_SECONDS):
            counts = dict(self._ledger.counts)
            told = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
            self._say(f"answers: {told}")
