"""Usage of soft limits: bookings are counted behind the log, and told at most every so many ms.

A limit's usage is told a few times within the age it may have, and only when a booking changed it.
Where there is no soft limit, no booking leaves the database for it.
"""

import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import msgspec

from commands.command import Issued, Outcome
from commands.desk import Desk
from commands.observing import ObserveUsage, UsedOn
from commands.reactions.owing import UNDECIDED, keep_looking, reacting
from commands.usage import BOOKING_NAMES
from commands.world import EVENTS_PER_READ
from domain.identity import derive, usage_stream
from domain.instrument import Instrument, InstrumentEvent, InstrumentRegistered, SectorAssigned
from domain.limits.controls import Controls, Limit
from domain.limits.events import LimitApproved, UsageObserved
from domain.limits.scope import sector_of
from domain.limits.terms import Binding
from domain.limits.usage import amount_of, shared_limits
from domain.lots import Fill
from domain.market import MarketMarked
from domain.marking import Market
from domain.money import ZERO
from domain.portfolio.events import TradeBooked, TradeUnbooked
from domain.rules.proposal import moment_of
from eventstore.envelope import RecordedEvent
from eventstore.following import ReadChosen
from eventstore.log import Log
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode

ACTOR = "reaction:usage"
TOLD_WITHIN_AGE = 4
"""How many times usage is told within the age it may have."""
WAIT_SECONDS_MAX = 1.0
DATES_WAITING_MAX = 500
"""With so many dates changed, a limit's usage is told without waiting."""
TRADES_REMEMBERED = 100_000

_APPROVED = EVENT_NAMES[LimitApproved]
_BOOKED, _UNBOOKED = EVENT_NAMES[TradeBooked], EVENT_NAMES[TradeUnbooked]
_MARKED = EVENT_NAMES[MarketMarked]
_INSTRUMENTS = {EVENT_NAMES[kind] for kind in (InstrumentRegistered, SectorAssigned)}
_ALWAYS = frozenset({_APPROVED, _MARKED, *_INSTRUMENTS})
_COUNTING = _ALWAYS | {_BOOKED, _UNBOOKED}


class _Booking(msgspec.Struct, gc=False):
    """What counting needs of a booking, or of its undoing; the rest is skipped, not made."""

    portfolio: str
    instrument: str
    currency: str
    fill: Fill


_read_booking = msgspec.json.Decoder(_Booking).decode


class Name(NamedTuple):
    """A limit by tenant and name."""

    tenant: str
    limit: str


class Use(NamedTuple):
    """What a trade uses of a limit, on its date then."""

    limit: str
    trade_date: date
    amount: Decimal


class Counter:
    """A soft limit with what is used of it by date, bookings up to the position `since` included.

    It counts the trades booked behind `began`. `changed` are the dates not told yet.
    """

    def __init__(self, limit: Limit, began: int) -> None:
        self.limit = limit
        self.began = began
        self.since = began
        self.used: dict[date, Decimal] = {}
        self.changed: set[date] = set()
        self.asked: tuple[Future[Outcome], frozenset[date]] | None = None
        self.asked_at = float("-inf")

    @property
    def wait_seconds(self) -> float:
        """How long a change may wait to be told with others."""
        age = self.limit.terms.usage_age_ms_max
        if age is None:
            return WAIT_SECONDS_MAX
        return min(age / 1_000 / TOLD_WITHIN_AGE, WAIT_SECONDS_MAX)


class UsageOfSoftLimits:
    """Folds approved limits and the bookings they count, and tells the desk what is used."""

    def __init__(
        self, desk: Desk, log: Log, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._desk = desk
        self._log = log
        self._monotonic = monotonic
        self._loaded = 0
        self._controls: defaultdict[str, Controls] = defaultdict(Controls)
        self._counters: dict[Name, Counter] = {}
        self._instruments: defaultdict[str, Instrument] = defaultdict(Instrument)
        self._market = Market()
        self._uses: OrderedDict[UUID, tuple[Use, ...]] = OrderedDict()
        self._last: RecordedEvent | None = None
        self.reads = ReadChosen(_ALWAYS)
        self._choose()

    def load(self) -> int:
        """Fold the past, and give the position behind which bookings are to be counted."""
        head = self._loaded = self._log.head().position
        for read in (self._log.read_shared, self._log.read_limited):
            after = 0
            while recorded := read(after, EVENTS_PER_READ, head):
                for each in recorded:
                    self._fold_shared(each)
                after = recorded[-1].position
        for name, counter in self._counters.items():
            counter.since = max(counter.since, self._observed_up_to(name, counter.limit))
        self._choose()
        return min([head, *(each.since for each in self._counters.values())])

    def take(self, recorded: list[RecordedEvent]) -> None:
        """Fold new events, if any, and tell what has changed and waited long enough."""
        for each in recorded:
            if each.event_type in {_BOOKED, _UNBOOKED}:
                self._fold_booking(each)
            elif each.position > self._loaded:
                self._fold_shared(each)
        self._choose()
        self._tell()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be told, and nothing that was told waits for its outcome."""
        return all(not each.changed and each.asked is None for each in self._counters.values())

    def _choose(self) -> None:
        """Read bookings only where there is a limit to count them by."""
        self.reads.event_types = _COUNTING if self._counters else _ALWAYS
        self.reads.heeded = () if self._counters else (_APPROVED,)

    def _observed_up_to(self, name: Name, limit: Limit) -> int:
        """Give the position up to which the last observation of a limit counted."""
        stream = usage_stream(*name)
        version = self._log.stream_versions([stream]).get(stream, 0)
        for each in self._log.read_stream(stream, version - 1, 1) if version else ():
            event = decode(each.event_type, each.data)
            if isinstance(event, UsageObserved) and event.counted_from == limit.counted_from:
                return event.as_of
        return 0

    def _fold_shared(self, recorded: RecordedEvent) -> None:
        if recorded.event_type == _APPROVED:
            event = decode(recorded.event_type, recorded.data)
            assert isinstance(event, LimitApproved), "an event is of its type"
            self._approve(recorded, event)
        elif recorded.event_type in _INSTRUMENTS:
            told = decode(recorded.event_type, recorded.data)
            assert isinstance(told, InstrumentEvent), "an event is of its type"
            self._instruments[told.instrument].apply(told)
        elif recorded.event_type == _MARKED and b'"rates"' in recorded.data:
            marked = decode(recorded.event_type, recorded.data)
            assert isinstance(marked, MarketMarked), "an event is of its type"
            self._market.apply(marked)

    def _approve(self, recorded: RecordedEvent, event: LimitApproved) -> None:
        controls = self._controls[recorded.tenant]
        controls.apply(event)
        name = Name(recorded.tenant, event.limit)
        limit, counter = controls.limits.get(event.limit), self._counters.get(name)
        if limit is None or limit.terms.binding is not Binding.SOFT:
            self._counters.pop(name, None)
        elif counter is not None and counter.limit.counted_from == limit.counted_from:
            counter.limit = limit
        else:
            self._counters[name] = Counter(limit, recorded.position)

    def _fold_booking(self, recorded: RecordedEvent) -> None:
        controls = self._controls.get(recorded.tenant)
        if controls is None or not controls.has_shared(Binding.SOFT):
            return
        self._last = recorded
        booking = _read_booking(recorded.data)
        if recorded.event_type == _BOOKED:
            uses = self._uses_of(recorded, booking, controls)
            self._remember(booking.fill.trade_id, uses)
            sign = 1
        else:
            uses, sign = self._given_back(recorded, booking, controls), -1
        for use in uses:
            name = Name(recorded.tenant, use.limit)
            counter = self._counters.get(name)
            if counter is not None and recorded.position > counter.since:
                day = use.trade_date
                before = self._used(name, counter, day)
                counter.used[day] = before + sign * use.amount
                counter.changed.add(day)

    def _uses_of(
        self, recorded: RecordedEvent, booking: _Booking, controls: Controls
    ) -> tuple[Use, ...]:
        fill = booking.fill
        uses: list[Use] = []
        for limit in shared_limits(
            controls,
            Binding.SOFT,
            portfolio=booking.portfolio,
            instrument=booking.instrument,
            sector=sector_of(self._instruments[booking.instrument], fill.trade_date),
        ):
            if recorded.position <= self._counters[Name(recorded.tenant, limit.name)].began:
                continue
            amount = amount_of(
                limit.terms,
                fill,
                currency=booking.currency,
                at=moment_of(fill),
                rate_at=self._market.rate_at,
            )
            if amount:
                uses.append(Use(limit.name, fill.trade_date, amount))
        return tuple(uses)

    def _given_back(
        self, recorded: RecordedEvent, booking: _Booking, controls: Controls
    ) -> tuple[Use, ...]:
        """Give what a trade that is taken out was counted with.

        Of one that is not remembered, that is worked out again by the rates known now.
        """
        trade_id = booking.fill.trade_id
        uses = self._uses.pop(trade_id, None)
        if uses is None:
            uses = self._uses_of(recorded, booking, controls)
        if not uses:
            return ()
        booked = self._booked_at(trade_id, recorded)
        return tuple(
            use
            for use in uses
            if (counter := self._counters.get(Name(recorded.tenant, use.limit))) is not None
            and counter.began < booked
        )

    def _booked_at(self, trade_id: UUID, taken_out: RecordedEvent) -> int:
        """Give the position of the trade's event that booked what is taken out now."""
        return max(
            each.position
            for each in self._log.read_stream(trade_id)
            if each.event_type in BOOKING_NAMES
            and each.position < taken_out.position
            and each.command_id != taken_out.command_id
        )

    def _remember(self, trade_id: UUID, uses: tuple[Use, ...]) -> None:
        self._uses[trade_id] = uses
        self._uses.move_to_end(trade_id)
        if len(self._uses) > TRADES_REMEMBERED:
            self._uses.popitem(last=False)

    def _used(self, name: Name, counter: Counter, day: date) -> Decimal:
        """Give what is used on a date: as counted here, or as told before this reaction began."""
        used = counter.used.get(day)
        if used is not None:
            return used
        recorded = self._log.last_of_key(usage_stream(*name), day.isoformat(), self._loaded)
        if recorded is None:
            return ZERO
        event = decode(recorded.event_type, recorded.data)
        if not isinstance(event, UsageObserved):
            return ZERO
        return event.used if event.counted_from == counter.limit.counted_from else ZERO

    def _tell(self) -> None:
        now = self._monotonic()
        for name, counter in self._counters.items():
            if counter.asked is not None:
                future, dates = counter.asked
                if not future.done():
                    continue
                counter.asked = None
                if future.result().status in UNDECIDED:
                    counter.changed |= dates  # Told again, with what has come since.
            has_waited = now - counter.asked_at >= counter.wait_seconds
            if counter.changed and (has_waited or len(counter.changed) > DATES_WAITING_MAX):
                assert self._last is not None, "a booking changed it"
                dates = frozenset(counter.changed)
                counter.changed.clear()
                counter.asked_at = now
                issued = observation(name, counter, dates, self._last)
                counter.asked = self._desk.submit(issued), dates


def observation(
    name: Name, counter: Counter, dates: frozenset[date], last: RecordedEvent
) -> Issued:
    """Issue an observation; its name follows from the last booking counted and the limit."""
    command = ObserveUsage(
        limit=name.limit,
        counted_from=counter.limit.counted_from,
        used=tuple(UsedOn(day, counter.used[day]) for day in sorted(dates)),
        as_of=last.position,
        observed_at=last.recorded_at,
    )
    return reacting(
        command,
        last,
        command_id=derive("reaction", "usage", str(last.position), *name),
        tenant=name.tenant,
        actor=ACTOR,
    )


def run_usage(desk: Desk, log: Log, stop: threading.Event) -> None:
    """Tell what is used of soft limits until `stop`: the past first, then as the log goes on."""
    reaction = UsageOfSoftLimits(desk, log)
    keep_looking(reaction, log, reaction.load(), reaction.reads, stop)
