"""Breaches that nobody trades: when marks, rates, limits or holdings move, portfolios are reviewed.

Only those are reviewed that hold what moved, each at most once for a batch of the feed; a command
is issued only where a breach opens or closes. Without any standing limit nothing is read for it.
"""

import math
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import Future
from uuid import UUID

from commands.command import Issued, Outcome
from commands.desk import Desk
from commands.reactions.holding import HOLDING, fold_holding
from commands.reactions.owing import UNDECIDED, keep_looking, reacting
from commands.reviewing import ReviewLimits, reviewed
from commands.snapshots import Snapshots
from commands.world import EVENTS_PER_READ, World
from domain.event import Event
from domain.holding import Held
from domain.identity import derive, portfolio_stream
from domain.instrument import (
    CorporateActionDeclared,
    CorporateActionReversed,
    Instrument,
    InstrumentEvent,
    SectorAssigned,
    WrittenDown,
)
from domain.limits.controls import Controls
from domain.limits.events import LimitApproved
from domain.limits.standing import STANDING
from domain.market import CloseCorrected, MarketEvent, MarketMarked, SessionClosed
from domain.marking import Market
from domain.portfolio.events import PortfolioOpened
from domain.portfolio.overdue import Acting
from eventstore.envelope import RecordedEvent
from eventstore.following import ReadChosen
from eventstore.log import Log
from schemas.catalogue import EVENT_NAMES, EVENT_TYPES
from schemas.codec import decode

ACTOR = "reaction:breaches"
ASKED_MAX = 25
"""Reviews under way at a time: trades that wait beside them wait for so many at most."""

RESTS = 19.0
RESTS_SECONDS_MAX = 1.0
"""Beside trades in bulk, reviewing takes a twentieth of the interpreter, and waits for a second at
most."""

_APPROVED = EVENT_NAMES[LimitApproved]
_OPENED = EVENT_NAMES[PortfolioOpened]
_SHARED = frozenset(
    name for name, kind in EVENT_TYPES.items() if issubclass(kind, InstrumentEvent | MarketEvent)
)
_WATCHING = _SHARED | HOLDING | {_APPROVED, _OPENED}


class BreachesByPrices:
    """Folds what portfolios under standing limits hold, and asks the desk for reviews.

    After reviewing it `rests` so many times as long as that took: portfolios that move meanwhile
    are reviewed once, however often they move.
    """

    def __init__(self, desk: Desk, log: Log, *, rests: float = 0.0) -> None:
        self._desk = desk
        self._rests = rests
        self._review_at = -math.inf
        self._log = log
        self._position = 0
        self._last: RecordedEvent | None = None
        self._controls: defaultdict[str, Controls] = defaultdict(Controls)
        self._tenants: set[str] = set()
        self._portfolios: defaultdict[str, dict[UUID, PortfolioOpened]] = defaultdict(dict)
        self._market = Market()
        self._instruments: dict[str, Instrument] = {}
        self._held: dict[UUID, Held] = {}
        self._holders: defaultdict[str, set[UUID]] = defaultdict(set)
        self._acting_as_of = object()
        self._due: set[UUID] = set()
        self._asked: dict[UUID, tuple[Issued, Future[Outcome]]] = {}
        self.reads = ReadChosen({_APPROVED}, heeded={_APPROVED})

    def load(self) -> int:
        """Fold the past and give the position reached; what is due is reviewed by `take`."""
        head = self._log.head().position
        after = 0
        while recorded := self._log.read_limited(after, EVENTS_PER_READ, head):
            for each in recorded:
                self._approve(each)
            after = recorded[-1].position
        self._position = head
        if self._tenants:
            self._last = self._log.read(head - 1, 1)[-1]
            self._watch(self._tenants)
        return head

    def take(self, recorded: list[RecordedEvent]) -> None:
        """Fold new events, if any, and review what they concern."""
        for each in recorded:
            self._fold(each)
            self._position = each.position
        self._position = max(self._position, self.reads.reached)
        self._forget_decided()
        started = time.monotonic()
        if self._due and started >= self._review_at:
            self._review()
            ended = time.monotonic()
            self._review_at = ended + min(self._rests * (ended - started), RESTS_SECONDS_MAX)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is due and no review is under way."""
        return not self._due and not self._asked

    def held(self, tenant: str, portfolio: str) -> Held:
        """A portfolio that is watched, as folded so far."""
        return self._held[portfolio_stream(tenant, portfolio)]

    def _watch(self, tenants: Iterable[str]) -> None:
        """Begin to watch tenants, as of the position reached."""
        if self.reads.heeded:
            self.reads.event_types, self.reads.heeded = _WATCHING, ()
            folds = (
                (self._log.read_opened, self._register),
                (self._log.read_shared, self._fold_shared),
            )
            for read, fold in folds:
                after = 0
                while recorded := read(after, EVENTS_PER_READ, self._position):
                    for each in recorded:
                        fold(each)
                    after = recorded[-1].position
        snapshots = Snapshots(self._log)
        world = World(snapshots)
        world.position = self._position
        for tenant in tenants:
            for stream in self._portfolios[tenant]:
                portfolio = world.portfolio(stream, self._log)
                assert portfolio is not None, "it was opened"
                self._keep(stream, Held.of(tenant, portfolio))
        snapshots.close()

    def _keep(self, stream: UUID, held: Held) -> None:
        self._held[stream] = held
        self._due.add(stream)
        for name in held.books:
            self._holders[name].add(stream)
            held.meet(self._instruments[name].currency)

    def _fold(self, recorded: RecordedEvent) -> None:
        if recorded.event_type == _APPROVED:
            is_new = recorded.tenant not in self._tenants
            self._approve(recorded)
            if is_new and recorded.tenant in self._tenants:
                self._position = recorded.position
                self._watch([recorded.tenant])
            self._due.update(self._portfolios[recorded.tenant].keys() & self._held.keys())
        elif recorded.event_type in HOLDING:
            held = self._held.get(recorded.stream_id)
            if held is None:
                return
            concerned = fold_holding(held, recorded.event_type, recorded.data)
            if concerned is not None:
                self._holders[concerned].add(recorded.stream_id)
            self._due.add(recorded.stream_id)
        elif recorded.event_type == _OPENED:
            self._register(recorded)
            if recorded.tenant in self._tenants:
                opened = self._portfolios[recorded.tenant][recorded.stream_id]
                self._keep(recorded.stream_id, Held(recorded.tenant, opened))
        elif recorded.event_type in _SHARED:
            self._fold_shared(recorded)
        self._last = recorded

    def _approve(self, recorded: RecordedEvent) -> None:
        event = decode(recorded.event_type, recorded.data)
        assert isinstance(event, LimitApproved), "an event is of its type"
        self._controls[recorded.tenant].apply(event)
        if event.terms is not None and event.terms.rule in STANDING:
            self._tenants.add(recorded.tenant)  # For good: what is open is still to be closed.

    def _register(self, recorded: RecordedEvent) -> None:
        event = decode(recorded.event_type, recorded.data)
        assert isinstance(event, PortfolioOpened), "an event is of its type"
        self._portfolios[recorded.tenant][recorded.stream_id] = event

    def _fold_shared(self, recorded: RecordedEvent) -> None:
        event = decode(recorded.event_type, recorded.data)
        reached = self._market.reached
        self._market.position = recorded.position
        if isinstance(event, InstrumentEvent):
            instrument = self._instruments.setdefault(event.instrument, Instrument())
            instrument.apply(event)
            if isinstance(event, WrittenDown):
                self._market.write_down(event)
        else:
            assert isinstance(event, MarketEvent), "nothing else is shared"
            self._market.apply(event)
        self._concern(event)
        now = self._market.reached
        if now is not None and (reached is None or reached.date() != now.date()):
            self._acting_as_of = object()
            self._due.update(self._held)  # Sectors, actions and the age of rates go by the date.

    def _concern(self, event: Event) -> None:
        """Note whom an event of all portfolios concerns."""
        if isinstance(event, MarketMarked):
            for mark in event.marks:
                self._due.update(self._holders.get(mark.instrument, ()))
            if event.rates:
                foreign = (stream for stream, held in self._held.items() if held.is_foreign)
                self._due.update(foreign)
        elif isinstance(event, SessionClosed):
            for close in event.closes:
                self._due.update(self._holders.get(close.instrument, ()))
        elif isinstance(event, CorporateActionDeclared | CorporateActionReversed):
            self._acting_as_of = object()
            self._due.update(self._holders.get(event.instrument, ()))
        elif isinstance(event, CloseCorrected | WrittenDown | SectorAssigned):
            self._due.update(self._holders.get(event.instrument, ()))

    def _forget_decided(self) -> None:
        """Ask again for what was not decided; review again once what was decided is folded."""
        for stream, (issued, asked) in list(self._asked.items()):
            if not asked.done():
                continue
            outcome = asked.result()
            if outcome.status in UNDECIDED:
                self._asked[stream] = issued, self._desk.submit(issued)
            elif outcome.position is None or outcome.position <= self._position:
                del self._asked[stream]

    def _review(self) -> None:
        """Review what is due, but for what is being reviewed; ask for what changes."""
        acting = Acting(self._instruments.get, as_of=self._acting_as_of, today=self._market.today)
        for stream in list(self._due):
            if stream in self._asked:
                continue
            if len(self._asked) >= ASKED_MAX:
                return
            self._due.discard(stream)
            held = self._held[stream]
            changes = reviewed(
                held.opened,
                held,
                held.balances,
                held.breaches,
                controls=self._controls[held.tenant],
                market=self._market,
                acting=acting,
            )
            if changes:
                assert self._last is not None, "something was folded that it is due for"
                issued = reviewing(held, self._last)
                self._asked[stream] = issued, self._desk.submit(issued)


def reviewing(held: Held, cause: RecordedEvent) -> Issued:
    """Issue the review of a portfolio; its name follows from the cause and the target."""
    name = held.opened.portfolio
    return reacting(
        ReviewLimits(name),
        cause,
        command_id=derive("reaction", "breaches", str(cause.position), held.tenant, name),
        tenant=held.tenant,
        actor=ACTOR,
    )


def run_breaches(desk: Desk, log: Log, stop: threading.Event) -> None:
    """Review portfolios until `stop`: the past first, then as the log goes on."""
    reaction = BreachesByPrices(desk, log, rests=RESTS)
    keep_looking(reaction, log, reaction.load(), reaction.reads, stop)
