"""What handlers see: aggregates as of now, this append's earlier decisions included."""

import math
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import cast
from uuid import UUID

import msgspec

from commands.decision import Addressed
from commands.overlay import Overlay
from commands.world import EVENTS_PER_READ
from domain.book import Entry
from domain.event import Event
from domain.identity import controls_stream, portfolio_stream, source_stream, usage_stream
from domain.instrument import Instrument
from domain.limits.controls import Controls, Limit
from domain.limits.events import UsageEvent, UsageObserved
from domain.limits.terms import Binding
from domain.limits.usage import Usage
from domain.lots import Fill
from domain.marking import Market
from domain.money import ZERO
from domain.portfolio.basis_events import CostBasisApplied
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    LotsSpunOff,
)
from domain.portfolio.entries import Entries, follow_entries
from domain.portfolio.events import TradeBooked, TradeUnbooked
from domain.portfolio.overdue import Acting
from domain.portfolio.state import Portfolio
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut
from domain.refolding import LongHistory
from domain.source import Source
from domain.trade import TradeEvent
from domain.trade_state import Trade
from eventstore.envelope import RecordedEvent
from eventstore.log import Log
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode

_BOOKED, _UNBOOKED = EVENT_NAMES[TradeBooked], EVENT_NAMES[TradeUnbooked]
_OTHER_ENTRIES = {
    EVENT_NAMES[kind]
    for kind in (
        CorporateActionApplied,
        CorporateActionUnapplied,
        LotsSpunOff,
        CostBasisApplied,
        LotsTransferredOut,
        LotsTransferredIn,
    )
}


class _WithFill(msgspec.Struct, gc=False):
    """What folding history again needs of a booking; the rest is skipped, not made."""

    fill: Fill


_read_fill = msgspec.json.Decoder(_WithFill).decode


class View:
    """Read access to the world through one layer of decisions.

    `first_events` holds the first events of the streams that the commands at hand may begin, as the
    log has them. Of a book's history at most `entries_max` are read for one decision.
    """

    def __init__(
        self,
        overlay: Overlay,
        log: Log,
        first_events: Mapping[UUID, RecordedEvent],
        *,
        entries_max: float = math.inf,
    ) -> None:
        self.entries_max = entries_max
        self.overlay = overlay
        self.log = log
        self._first_events = first_events

    def above(self) -> "View":
        """Give a view of its own layer on top of this one: what it admits is seen there only."""
        overlay = Overlay(self.overlay.world, self.overlay)
        return View(overlay, self.log, self._first_events, entries_max=self.entries_max)

    def admit(self, events: Iterable[Addressed], command_id: UUID) -> None:
        """Fold decided events into this view's layer, for what is decided next."""
        for addressed in events:
            self.overlay.admit(addressed, command_id, self.log)

    @property
    def market(self) -> Market:
        """The market as of now."""
        return self.overlay.current_market()

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """All instruments by name."""
        layers = [layer.instruments for layer in self.overlay.layers()]
        return ChainMap(*layers, self.overlay.world.instruments)

    def instrument(self, name: str) -> Instrument | None:
        """One instrument, None when it is not registered."""
        return self.overlay.current_instrument(name)

    def portfolio(self, tenant: str, name: str) -> Portfolio | None:
        """One portfolio, None when it is not open."""
        return self.overlay.current_portfolio(portfolio_stream(tenant, name), self.log)

    def source(self, tenant: str, name: str) -> Source:
        """One source, empty when it never registered."""
        return self.overlay.current_source(source_stream(tenant, name), self.log)

    def controls(self, tenant: str) -> Controls:
        """What limits a tenant's trades, empty where nothing ever did."""
        return self.overlay.current_controls(controls_stream(tenant), self.log)

    def usage(self, tenant: str, limit: Limit, trade_date: date) -> Usage:
        """What is used of a shared limit on a trade date, as far as it counts what counts now."""
        told = self.last_usage(tenant, limit, trade_date)
        used = ZERO if told is None else told.used
        if limit.terms.binding is Binding.HARD:
            return Usage(used)
        observed = told if isinstance(told, UsageObserved) else None
        stream, key = usage_stream(tenant, limit.name), trade_date.isoformat()
        behind = self.overlay.current_behind(stream, key)
        return Usage(used, None if behind is None else behind.since(observed))

    def last_usage(self, tenant: str, limit: Limit, trade_date: date) -> UsageEvent | None:
        """What was told last of a limit on a trade date; None where that counts no more."""
        stream, key = usage_stream(tenant, limit.name), trade_date.isoformat()
        told = self.overlay.current_usage(stream, key, self.log)
        return told if told is not None and told.counted_from == limit.counted_from else None

    def version(self, stream_id: UUID) -> int:
        """The last version of a stream."""
        return self.overlay.current_version(stream_id, self.log)

    def first_event(self, stream_id: UUID) -> Event | None:
        """The first event of a stream that a command at hand may begin, None when it is free."""
        for layer in self.overlay.layers():
            pending = layer.pending.get(stream_id)
            if pending and pending[0].version == 1:
                return pending[0].event
        recorded = self._first_events.get(stream_id)
        return None if recorded is None else decode(recorded.event_type, recorded.data)

    def first_position(self, stream_id: UUID) -> int | None:
        """Where the log has that event; None where it is not in the log."""
        recorded = self._first_events.get(stream_id)
        return None if recorded is None else recorded.position

    def trade(self, name: UUID) -> Trade:
        """One trade with everything told of it, empty when the name is free."""
        return Trade.after(cast("Iterator[TradeEvent]", self.events(name)))

    def rate_at(self, base: str, quote: str, at: datetime) -> Decimal | None:
        """Units of `quote` for one of `base` in force at an instant, None when not known."""
        return self.market.rate_at(base, quote, at)

    @property
    def acting(self) -> Acting:
        """What is known of corporate actions, and how far business time has come."""
        names, total = self.overlay.actions()
        market = self.market
        return Acting(self.instrument, names, (total, market.quarter), market.today)

    def entries(
        self, stream_id: UUID, instrument: str, from_version: int
    ) -> Iterable[tuple[int, Entry]]:
        """Entries told in one book of one portfolio at a version of its stream, or later.

        Each with its version; those taken out again are left out.

        Raises:
            LongHistory: there are more than a decision may wait for.
        """
        entries: Entries = {}
        for count, recorded in enumerate(
            self._recorded(stream_id, instrument, from_version - 1, 0)
        ):
            if count >= self.entries_max:
                raise LongHistory(stream_id, instrument)
            if recorded.event_type == _BOOKED:
                fill = _read_fill(recorded.data).fill
                entries[fill.trade_id] = (recorded.stream_version, fill)
            elif recorded.event_type == _UNBOOKED:
                entries.pop(_read_fill(recorded.data).fill.trade_id, None)
            elif recorded.event_type in _OTHER_ENTRIES:
                event = decode(recorded.event_type, recorded.data)
                follow_entries(entries, recorded.stream_version, event)
        for layer in reversed(self.overlay.layers()):
            for pending in layer.pending.get(stream_id, ()):
                if pending.version >= from_version and pending.key == instrument:
                    follow_entries(entries, pending.version, pending.event)
        return entries.values()

    def events(
        self, stream_id: UUID, *, key: str | None = None, after_version: int = 0, limit: int = 0
    ) -> Iterator[Event]:
        """Events of a stream behind a version, all or `limit`, pending ones last."""
        given = 0
        for recorded in self._recorded(stream_id, key, after_version, limit):
            yield decode(recorded.event_type, recorded.data)
            given += 1
            if given == limit:
                return
        for layer in reversed(self.overlay.layers()):
            for pending in layer.pending.get(stream_id, ()):
                if pending.version > after_version and (key is None or pending.key == key):
                    yield pending.event
                    given += 1
                    if given == limit:
                        return

    def recorded(self, stream_id: UUID) -> Iterator[RecordedEvent]:
        """Events of a stream as the log has them, up to where this view's world stands."""
        return self._recorded(stream_id, None, 0, 0)

    def _recorded(
        self, stream_id: UUID, key: str | None, after_version: int, limit: int
    ) -> Iterator[RecordedEvent]:
        page = limit or EVENTS_PER_READ
        while True:
            if key is None:
                recorded = self.log.read_stream(stream_id, after_version, page)
            else:
                recorded = self.log.read_key(stream_id, key, after_version, page)
            for each in recorded:
                if each.position > self.overlay.world.position:
                    return
                yield each
            if len(recorded) < page:
                return
            after_version = recorded[-1].stream_version
