"""Folding events into the lines of their sources' drop copies.

A trade's events come before those of its bookings in the same append; what a partition does not
hold of them is told to another one.
"""

from typing import Self
from uuid import UUID

import msgspec

from domain.block import BlockAllocated, BlockBusted, BlockRefused
from domain.portfolio.events import LotsRestated, TradeBooked, TradeUnbooked
from domain.trade import (
    SettlementWord,
    TradeAmended,
    TradeAmendHeld,
    TradeAmendSuperseded,
    TradeBusted,
    TradeBustHeld,
    TradeCaptured,
    TradeParked,
    TradeReassigned,
    TradeRefused,
    TradeReleased,
    TradeSettled,
    TradeSettlementFailed,
    TradeSettlementResumed,
)
from projections.outcomes.figures import Figures
from projections.outcomes.lines import (
    BlockEvent,
    Kind,
    Outcome,
    block_line,
    bust_line,
    content_line,
    released_line,
    restated_line,
    unbooked_line,
    word_line,
)
from projections.outcomes.tables import CORRECTION, PARKED, WORD, OutcomeRow
from projections.read_model import Decoded

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Outcome).decode

Place = tuple[str, str, int]
"""A trade in a portfolio: tenant, portfolio, the number of its id."""


class Unfinished(msgspec.Struct, gc=False):
    """An acceptance whose booking comes next; a release learns its source from that only."""

    source: str
    line: Outcome

    @classmethod
    def read(cls, source: str, written: str) -> Self:
        """Read one back."""
        return cls(source, _decode(written))

    def written(self) -> str:
        """Write its line."""
        return _encode(self.line).decode()

    @property
    def position(self) -> int:
        """Where its line stands."""
        return self.line.position

    @property
    def trade_id(self) -> UUID:
        """The trade that is accepted."""
        assert self.line.trade_id is not None, "an acceptance is a trade's"
        return self.line.trade_id


class Restating(msgspec.Struct, gc=False):
    """A trade of a source whose booking, or whose end, restates the rest of its book."""

    trade_id: UUID
    source: str
    external_id: str


class Telling:
    """Lines to insert, and what is unfinished between events."""

    def __init__(self, figures: Figures) -> None:
        self.figures = figures
        self.rows: list[OutcomeRow] = []
        self.unfinished: dict[Place, Unfinished] = {}
        self.restating: dict[Place, Restating] = {}

    def take(self, decoded: Decoded) -> None:
        """Fold one event."""
        event = decoded.event
        match event:
            case TradeBooked():
                self._book(decoded, event)
            case TradeCaptured() | TradeAmended():
                self._accept(decoded, event)
            case TradeParked():
                self._park(decoded, event)
            case TradeReleased():
                self.figures.end(decoded.tenant, event.portfolio, event.trade_id, PARKED)
                place = (decoded.tenant, event.portfolio, event.trade_id.int)
                self.unfinished[place] = Unfinished("", released_line(decoded, event))
            case TradeRefused() | TradeAmendSuperseded() | TradeAmendHeld():
                self._tell_content(decoded, event)
            case TradeBustHeld() | TradeBusted() | TradeReassigned():
                self._end(decoded, event)
            case TradeUnbooked():
                self._unbook(decoded, event)
            case LotsRestated():
                self._restate(decoded, event)
            case TradeSettled() | TradeSettlementFailed() | TradeSettlementResumed():
                self._settle(decoded, event)
            case BlockAllocated() | BlockRefused() | BlockBusted():
                self._tell_block(decoded, event)
            case _:
                raise AssertionError(f"{type(event).__name__} is not one of the model's own")

    def _book(self, decoded: Decoded, event: TradeBooked) -> None:
        fill = event.fill
        place = (decoded.tenant, event.portfolio, fill.trade_id.int)
        line = self.unfinished.pop(place).line
        line.book(event)
        self._tell(decoded.tenant, fill.source, line)
        self.figures.book(decoded.tenant, fill, event.currency, 1)
        if event.is_late:
            self.restating[place] = Restating(fill.trade_id, fill.source, fill.external_id)

    def _accept(self, decoded: Decoded, event: TradeCaptured | TradeAmended) -> None:
        """Begin a line that its booking finishes; or what holds instead, if that came before."""
        tenant, capture = decoded.tenant, event.capture
        place = (tenant, capture.portfolio, event.trade_id.int)
        if isinstance(event, TradeAmended):
            self._finish(place)
            self.figures.end(tenant, capture.portfolio, event.trade_id, PARKED, CORRECTION, WORD)
        else:
            self.figures.end(tenant, capture.portfolio, event.trade_id, CORRECTION, WORD)
        self.figures.arrive(tenant, capture.source, capture.source_sequence)
        self.unfinished[place] = Unfinished(capture.source, content_line(decoded, event))

    def _park(self, decoded: Decoded, event: TradeParked) -> None:
        """Tell that a trade is parked; of an amend its own line does."""
        tenant, capture = decoded.tenant, event.capture
        place = (tenant, capture.portfolio, event.trade_id.int)
        amended = self.unfinished.get(place)
        if amended is not None and amended.line.kind is Kind.AMENDED:
            amended.line.is_parked = True
            self._finish(place)
        else:
            self._finish(place)
            self.figures.end(tenant, capture.portfolio, event.trade_id, CORRECTION, WORD)
            self._tell_content(decoded, event)
        self.figures.hold(
            tenant, capture.portfolio, event.trade_id, PARKED, capture.source, capture
        )

    def _tell_content(
        self,
        decoded: Decoded,
        event: TradeParked | TradeRefused | TradeAmendSuperseded | TradeAmendHeld,
    ) -> None:
        tenant, capture = decoded.tenant, event.capture
        self.figures.arrive(tenant, capture.source, capture.source_sequence)
        if isinstance(event, TradeRefused):
            self.figures.refuse(tenant, capture)
        elif isinstance(event, TradeAmendHeld):
            self.figures.hold(
                tenant, capture.portfolio, event.trade_id, CORRECTION, capture.source, capture
            )
        self._tell(tenant, capture.source, content_line(decoded, event))

    def _end(self, decoded: Decoded, event: TradeBusted | TradeBustHeld | TradeReassigned) -> None:
        """Tell of a bust; whatever waited of the trade in this portfolio waits no longer."""
        tenant, portfolio, trade_id = decoded.tenant, event.portfolio, event.trade_id
        if isinstance(event, TradeBustHeld):
            self.figures.hold(tenant, portfolio, trade_id, CORRECTION, event.source)
        else:
            self._finish((tenant, portfolio, trade_id.int))
            self.figures.end(tenant, portfolio, trade_id, PARKED, CORRECTION, WORD)
        if not isinstance(event, TradeReassigned):
            self._tell(tenant, event.source, bust_line(decoded, event))

    def _unbook(self, decoded: Decoded, event: TradeUnbooked) -> None:
        tenant, fill = decoded.tenant, event.fill
        self._tell(tenant, fill.source, unbooked_line(decoded, event))
        self.figures.book(tenant, fill, event.currency, -1)
        place = (tenant, event.portfolio, fill.trade_id.int)
        self.restating[place] = Restating(fill.trade_id, fill.source, fill.external_id)

    def _restate(self, decoded: Decoded, event: LotsRestated) -> None:
        """Tell a source what its trade restated; what a corporate action does is nobody's."""
        place = (decoded.tenant, event.portfolio, event.from_trade_id.int)
        cause = self.restating.get(place)
        if cause is None:
            return
        if event.page == event.pages:
            del self.restating[place]
        self._tell(decoded.tenant, cause.source, restated_line(decoded, event, cause.external_id))

    def _settle(self, decoded: Decoded, event: SettlementWord) -> None:
        if event.is_held:
            self.figures.hold(decoded.tenant, event.portfolio, event.trade_id, WORD, event.source)
        self._tell(decoded.tenant, event.source, word_line(decoded, event))

    def _tell_block(self, decoded: Decoded, event: BlockEvent) -> None:
        source = event.source if isinstance(event, BlockBusted) else event.block.source
        if not isinstance(event, BlockBusted):
            self.figures.arrive(decoded.tenant, source, event.block.source_sequence)
        self._tell(decoded.tenant, source, block_line(decoded, event))

    def _finish(self, place: Place) -> None:
        """Tell of an acceptance that nothing is booked for: what follows holds in its place."""
        waits = self.unfinished.pop(place, None)
        if waits is not None:
            self._tell(place[0], waits.source, waits.line)

    def _tell(self, tenant: str, source: str, line: Outcome) -> None:
        self.rows.append(OutcomeRow(tenant, source, line.position, _encode(line).decode()))
        self.figures.count(tenant, source, line.kind, line.position)
