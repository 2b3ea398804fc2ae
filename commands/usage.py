"""What a trade uses of hard limits that portfolios share: told in one append with its booking.

Usage is a stream of its own for each limit, keyed by trade date (convention 15). Who appends has
folded the log up to its head, so no two writers count from the same usage.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from commands.decision import Addressed
from commands.view import View
from domain.identity import usage_stream
from domain.limits.controls import Limit
from domain.limits.events import LimitUsed
from domain.limits.scope import sector_of
from domain.limits.terms import Binding
from domain.limits.usage import Usage, amount_of, shared_limits
from domain.money import ZERO, within
from domain.portfolio.events import PortfolioEvent, TradeBooked, TradeUnbooked
from domain.rules.proposal import moment_of
from domain.trade import TradeAmended, TradeCaptured, TradeReleased
from eventstore.envelope import RecordedEvent
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode

_BOOKING = (TradeCaptured, TradeReleased, TradeAmended)
BOOKING_NAMES = {EVENT_NAMES[kind] for kind in _BOOKING}
_LIMIT_USED = EVENT_NAMES[LimitUsed]
_EVENTS_READ = 100


class Counted(NamedTuple):
    """A limit by name, and the trade date that it is counted on."""

    limit: str
    trade_date: date


class UseOfLimits:
    """What one trade of a tenant uses of its shared limits; asked while it is decided.

    `is_corrected`: something was told of the trade before, so it may be using them already.
    """

    def __init__(self, tenant: str, name: UUID, view: View, *, is_corrected: bool = False) -> None:
        self._tenant = tenant
        self._name = name
        self._view = view
        self.controls = view.controls(tenant)
        self._told: dict[Counted, Usage] = {}
        self._is_corrected = is_corrected
        self._earlier: Mapping[Counted, LimitUsed] | None = None

    def usage_of(self, limit: str, trade_date: date) -> Usage | None:
        """Give the usage of a shared limit by all other trades; None where the limit is none."""
        found = self.controls.limits.get(limit)
        if found is None or found.terms.binding is None:
            return None
        usage = self._usage(found, trade_date)
        if not self._is_corrected:
            return usage
        own = self.earlier.get(Counted(limit, trade_date))
        if own is None or own.counted_from != found.counted_from:
            return usage
        return Usage(usage.used - own.amount, usage.behind_since)

    def _usage(self, limit: Limit, trade_date: date) -> Usage:
        """Ask once for what is used on a date: nothing else is decided meanwhile."""
        counted = Counted(limit.name, trade_date)
        usage = self._told.get(counted)
        if usage is None:
            usage = self._told[counted] = self._view.usage(self._tenant, limit, trade_date)
        return usage

    @property
    def earlier(self) -> Mapping[Counted, LimitUsed]:
        """What the trade uses as it is booked now, told in the append that booked it."""
        if self._earlier is None:
            is_asked = self._is_corrected and self.controls.has_shared(Binding.HARD)
            told = _told_with_booking(self._name, self._view) if is_asked else ()
            self._earlier = {Counted(each.limit, each.trade_date): each for each in told}
        return self._earlier

    def events(self, bookings: Iterable[PortfolioEvent]) -> list[Addressed]:
        """Tell what taking the trade out gives back, and what booking it uses."""
        if not self.controls.has_shared(Binding.HARD):
            return []
        told: list[LimitUsed] = []
        totals: dict[Counted, Decimal] = {}
        for event in bookings:
            if isinstance(event, TradeUnbooked):
                for each in self.earlier.values():
                    limit = self.controls.limits.get(each.limit)
                    if limit is not None and limit.counted_from == each.counted_from:
                        told.append(self._used(limit, each, -each.amount, totals))
            elif isinstance(event, TradeBooked):
                told += self._booked(event, totals)
        return [
            Addressed(
                usage_stream(self._tenant, each.limit),
                self._tenant,
                each,
                each.trade_date.isoformat(),
            )
            for each in told
        ]

    def _booked(self, event: TradeBooked, totals: dict[Counted, Decimal]) -> Iterable[LimitUsed]:
        fill = event.fill
        instrument = self._view.instrument(event.instrument)
        assert instrument is not None, "what is booked is registered"
        for limit in shared_limits(
            self.controls,
            Binding.HARD,
            portfolio=event.portfolio,
            instrument=event.instrument,
            sector=sector_of(instrument, fill.trade_date),
        ):
            amount = amount_of(
                limit.terms,
                fill,
                currency=event.currency,
                at=moment_of(fill),
                rate_at=self._view.rate_at,
            )
            if amount:
                yield self._used(limit, event, amount, totals)

    def _used(
        self,
        limit: Limit,
        of: TradeBooked | LimitUsed,
        amount: Decimal,
        totals: dict[Counted, Decimal],
    ) -> LimitUsed:
        day = of.trade_date if isinstance(of, LimitUsed) else of.fill.trade_date
        counted = Counted(limit.name, day)
        before = totals.get(counted)
        if before is None:
            before = self._usage(limit, day).used
        totals[counted] = used = within("used", before + amount) or ZERO
        return LimitUsed(
            limit=limit.name,
            trade_date=day,
            portfolio=of.portfolio,
            instrument=of.instrument,
            trade_id=self._name,
            amount=amount,
            used=used,
            counted_from=limit.counted_from,
        )


def _told_with_booking(name: UUID, view: View) -> list[LimitUsed]:
    """Find what a trade was told to use when it was booked last.

    It stands behind the trade's own events of that append, so a few events are read, however long
    the limit's own stream is.
    """
    pending = _pending_booking(name, view)
    if pending is not None:
        return pending
    booked: RecordedEvent | None = None
    for recorded in view.recorded(name):
        if recorded.event_type in BOOKING_NAMES:
            booked = recorded
    if booked is None:
        return []
    told: list[LimitUsed] = []
    for each in _behind(booked, view):
        if each.stream_id == name:
            continue
        if each.event_type != _LIMIT_USED:
            break
        event = decode(each.event_type, each.data)
        assert isinstance(event, LimitUsed), "an event is of its type"
        if event.trade_id == name and event.amount > 0:
            told.append(event)
    return told


def _behind(booked: RecordedEvent, view: View) -> Iterable[RecordedEvent]:
    """Give the events behind one that the same command wrote."""
    after = booked.position
    while recorded := view.log.read(after, _EVENTS_READ, view.overlay.world.position):
        for each in recorded:
            if each.command_id != booked.command_id:
                return
            yield each
        after = recorded[-1].position


def _pending_booking(name: UUID, view: View) -> list[LimitUsed] | None:
    """Find it where the trade was booked by what is not in the log yet; None where it was not."""
    for layer in view.overlay.layers():
        booked = [each for each in layer.pending.get(name, ()) if isinstance(each.event, _BOOKING)]
        if not booked:
            continue
        command_id = booked[-1].command_id
        return [
            each.event
            for stream_id in layer.usage_streams
            for each in layer.pending[stream_id]
            if isinstance(each.event, LimitUsed)
            and each.command_id == command_id
            and each.event.trade_id == name
            and each.event.amount > 0
        ]
    return None
