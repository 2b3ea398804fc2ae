"""Alerts: what the log tells is judged by its tenants' rules, and what they lead to is told.

What is judged follows from the log alone (`domain.alerts.watching`), so a leader that begins folds
the past, leaves out what the log tells already, and goes on; where another evaluation judged, what
it told stands (`domain.alerts.following`). Until somewhere a rule is declared nothing is read but
rules. An alert's events are told one by one, those of several at once.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias, get_args
from uuid import UUID

import structlog

from commands.alerts import TellAlert
from commands.command import Issued, Outcome, Status
from commands.desk import Desk
from commands.metrics import ALERTS_EVALUATED, ALERTS_LAG, ALERTS_TOLD
from commands.reactions.alert_snapshots import AlertSnapshots, Kept
from commands.reactions.owing import LOOK_SECONDS, UNDECIDED, keep_looking, reacting
from commands.reactions.time import reaching
from domain.alerts import watch
from domain.alerts.events import AlertEscalated, JudgedEvent
from domain.alerts.following import Floors
from domain.alerts.market import told_time
from domain.alerts.watching import RULE_EVENTS, WATCHED_EVENTS, Judged, Told, Watching
from domain.identity import MARKET_TENANT, derive
from domain.instrument import InstrumentEvent
from domain.market import MarketEvent
from eventstore.envelope import RecordedEvent
from eventstore.following import ReadChosen
from eventstore.log import Log
from schemas.catalogue import EVENT_NAMES, EVENT_TYPES
from schemas.codec import decode

_log = structlog.get_logger("commands.alerts")
ACTOR = "reaction:alerts"
ASKED_MAX = 50
"""Alerts told at a time: trades beside them wait for so many at most."""

WATCHING_REST_SECONDS = 0.01

LIVE_WITHIN = timedelta(hours=1)
"""Business time is told by the clock only where the market told it so soon: a history that is being
read in tells its own."""

POSITIONS_PER_READ = 50_000
Owed: TypeAlias = dict[UUID, tuple[Judged, RecordedEvent]]
"""What is to be told of a tenant, oldest first, by the name of its command; with its cause."""

_RULES = frozenset(EVENT_NAMES[kind] for kind in RULE_EVENTS)
_JUDGED = frozenset(EVENT_NAMES[kind] for kind in get_args(JudgedEvent))
_SHARED = frozenset(
    name for name, kind in EVENT_TYPES.items() if issubclass(kind, InstrumentEvent | MarketEvent)
)
WATCHING = _SHARED | _JUDGED | {EVENT_NAMES[kind] for kind in WATCHED_EVENTS}


class Asked(NamedTuple):
    """What the desk is asked to tell of an alert."""

    event: JudgedEvent
    issued: Issued
    future: Future[Outcome]


class AlertsByRules:
    """Folds what the rules of tenants watch, and has the desk tell what they lead to."""

    def __init__(self, desk: Desk, log: Log, clock: Callable[[], datetime]) -> None:
        self._desk = desk
        self._log = log
        self._clock = clock
        self._tenants: set[str] = set()
        self._floors = Floors(watch.CALCULATION)
        self._watching = Watching()
        self._cause: RecordedEvent | None = None
        self._position = 0
        self._owed: defaultdict[str, Owed] = defaultdict(dict)
        self._asked: dict[UUID, Asked] = {}
        self._asked_time: Future[Outcome] | None = None
        self._is_live = False
        self._evaluations = 0
        self._snapshots = AlertSnapshots(log)
        self.reads = ReadChosen(_RULES, heeded=_RULES)

    def load(self) -> int:
        """Fold the past and give the position reached; what is owed is told by `take`."""
        head = self._log.head().position
        kept = self._snapshots.load(head)
        if kept is not None:
            self._tenants, self._floors = kept.tenants, kept.floors
        after = 0 if kept is None else kept.position
        changing = [
            each
            for each in self._read(_RULES | _JUDGED, head, after=after)
            if self._is_of_the_past(each)
        ]
        if kept is not None and not changing:
            self._go_on(kept, head)
        elif self._tenants:
            self._begin(head)
            self._owe(self._watching.judge())
        self._position = head
        return head

    def take(self, recorded: list[RecordedEvent]) -> None:
        """Fold new events, if any, and have told what they lead to."""
        until = max((each.position for each in recorded if self._is_of_the_past(each)), default=0)
        if until:
            self._begin(until)
        for each in recorded:
            if each.position > until:
                self._fold(each)
        self._position = max(self._position, self.reads.reached)
        if self.reads.is_level:
            self._owe(self._watching.judge())
        self._ask()
        self._tell_time()
        self._count()
        if self._tenants and self.reads.is_level and self.is_idle:
            self._keep()

    @property
    def rest_seconds(self) -> float:
        """How long to rest between two looks: a breach is to find its person in 100 ms."""
        return WATCHING_REST_SECONDS if self._tenants else LOOK_SECONDS / 2

    @property
    def is_idle(self) -> bool:
        """Whether nothing is owed."""
        return not self._asked and not any(self._owed.values())

    def _is_of_the_past(self, recorded: RecordedEvent) -> bool:
        """Say whether it changes what is to be folded of the past.

        That is the first rule of a tenant, and what a leader with another evaluation still told.
        """
        if recorded.event_type in _RULES and recorded.tenant not in self._tenants:
            self._tenants.add(recorded.tenant)
            return True
        if recorded.event_type not in _JUDGED or recorded.command_id in self._owed[recorded.tenant]:
            return False
        return self._floors.see(recorded.tenant, _judged(recorded))

    def _begin(self, until: int) -> None:
        """Fold the past of all tenants with rules anew."""
        self._watching, self._cause = Watching(self._told_by_others(until)), None
        self._owed.clear()
        self._evaluations = 0
        self.reads.event_types = WATCHING
        for each in self._read(WATCHING, until):
            self._fold(each)

    def _go_on(self, kept: Kept, until: int) -> None:
        """Go on from what was folded before, with what came behind it."""
        self._watching, self._is_live = kept.watching, kept.is_live
        self._cause = kept.cause
        self._evaluations = kept.watching.evaluations
        self.reads.event_types = WATCHING
        for each in self._read(WATCHING, until, after=kept.position):
            self._fold(each)
        self._owe(self._watching.judge())

    def _keep(self) -> None:
        """Keep what was folded, now and then: nothing is owed, so the log tells the rest."""
        if self._cause is not None and self._snapshots.is_due(self._position):
            self._snapshots.keep(
                Kept(
                    self._position,
                    self._tenants,
                    self._floors,
                    self._watching,
                    self._cause,
                    self._is_live,
                )
            )

    def _told_by_others(self, until: int) -> dict[str, list[JudgedEvent]]:
        """Read, by tenant, what is told of alerts up to where another evaluation judged."""
        told: defaultdict[str, list[JudgedEvent]] = defaultdict(list)
        if self._floors.of:
            for each in self._read(_JUDGED, until):
                event = _judged(each)
                if event.as_of <= self._floors.of.get(each.tenant, 0):
                    told[each.tenant].append(event)
        return told

    def _read(
        self, event_types: frozenset[str], until: int, *, after: int = 0
    ) -> Iterator[RecordedEvent]:
        for start in range(after, until, POSITIONS_PER_READ):
            ALERTS_LAG.set(until - start)
            reached = min(start + POSITIONS_PER_READ, until)
            yield from self._log.read_of_types(event_types, start, reached)

    def _fold(self, recorded: RecordedEvent) -> None:
        if recorded.tenant != MARKET_TENANT and recorded.tenant not in self._tenants:
            return
        if recorded.event_type in _JUDGED:
            self._owe(self._watching.judge())  # It is of another command than what was folded.
            self._owed[recorded.tenant].pop(recorded.command_id, None)
            return
        event = decode(recorded.event_type, recorded.data)
        told = Told(recorded.position, recorded.tenant, recorded.command_id, event)
        self._owe(self._watching.fold(told))
        self._cause = recorded
        at = told_time(event)
        if at is not None:
            self._is_live = recorded.recorded_at - at <= LIVE_WITHIN

    def _owe(self, judged: list[Judged]) -> None:
        for each in judged:
            assert self._cause is not None, "it follows from something"
            self._owed[each.tenant][command_id_of(each)] = each, self._cause

    def _ask(self) -> None:
        """Have told what is owed, in its order: of each alert one event at a time."""
        for command_id, asked in list(self._asked.items()):
            if not asked.future.done():
                continue
            outcome = asked.future.result()
            if outcome.status in UNDECIDED:
                again = self._desk.submit(asked.issued)
                self._asked[command_id] = asked._replace(future=again)
            elif outcome.status is not Status.ACCEPTED:
                _log.error("alert.not_told", code=outcome.code, command=str(command_id))
                self._owed[asked.issued.tenant].pop(command_id, None)
                del self._asked[command_id]
            elif outcome.position is None or outcome.position <= self._position:
                if not outcome.replayed:
                    ALERTS_TOLD.labels(EVENT_NAMES[type(asked.event)]).inc()
                del self._asked[command_id]
        under_way = {each.event.alert for each in self._asked.values()}
        for owed in self._owed.values():
            for command_id, (judged, cause) in owed.items():
                if command_id in self._asked:
                    continue
                alert = judged.event.alert
                if alert in under_way or len(self._asked) >= ASKED_MAX:
                    break
                issued = telling(judged, cause)
                self._asked[command_id] = Asked(judged.event, issued, self._desk.submit(issued))
                under_way.add(alert)

    def _count(self) -> None:
        """Let operators see how far this is, and how much it judges."""
        ALERTS_LAG.set(self.reads.lag)
        evaluations = self._watching.evaluations
        ALERTS_EVALUATED.inc(evaluations - self._evaluations)
        self._evaluations = evaluations

    def _tell_time(self) -> None:
        """Let business time come to what is due by the clock, where nothing else tells it."""
        due, reached = self._watching.due, self._watching.reached
        is_asked = self._asked_time is not None and not self._asked_time.done()
        if due is None or not self._is_live or is_asked or (reached is not None and reached >= due):
            return
        now = self._clock()
        if due <= now:
            self._asked_time = self._desk.submit(reaching(due, now))


def _judged(recorded: RecordedEvent) -> JudgedEvent:
    event = decode(recorded.event_type, recorded.data)
    assert isinstance(event, JudgedEvent), "it is of such a type"
    return event


def command_id_of(judged: Judged) -> UUID:
    """Name the command that tells it: by the position it follows from, and the alert."""
    event = judged.event
    step = str(event.step) if isinstance(event, AlertEscalated) else ""
    parts = (str(event.as_of), judged.tenant, str(event.alert), type(event).__name__, step)
    return derive("reaction", "alerts", *parts)


def telling(judged: Judged, cause: RecordedEvent) -> Issued:
    """Issue the telling of what a rule led to."""
    return reacting(
        TellAlert(judged.event),
        cause,
        command_id=command_id_of(judged),
        tenant=judged.tenant,
        actor=ACTOR,
    )


def run_alerts(
    desk: Desk, log: Log, stop: threading.Event, *, clock: Callable[[], datetime]
) -> None:
    """Have alerts told until `stop`: the past first, then as the log goes on."""
    reaction = AlertsByRules(desk, log, clock)
    keep_looking(
        reaction,
        log,
        reaction.load(),
        reaction.reads,
        stop,
        rest_seconds=lambda: reaction.rest_seconds,
    )
