"""The state of one trade: what its next correction meets, folded from the trade's own stream.

A stream may begin with corrections that came before the capture; until then nothing is in force.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import assert_never

import msgspec

from domain.trade import (
    Capture,
    Exchanged,
    SettlementTold,
    TradeAmended,
    TradeAmendHeld,
    TradeAmendSuperseded,
    TradeBusted,
    TradeBustHeld,
    TradeCaptured,
    TradeEvent,
    TradeParked,
    TradeReassigned,
    TradeRefused,
    TradeReleased,
    TradeSettled,
    TradeSettlementFailed,
    TradeSettlementResumed,
)


class Told(msgspec.Struct, frozen=True, gc=False):
    """Content a source told of a trade, and the stream version that first recorded it."""

    capture: Capture
    version: int
    received_at: datetime | None = None
    reason: str | None = None


class ToldBust(msgspec.Struct, frozen=True, gc=False):
    """A bust a source told, and the stream version that first recorded it."""

    reason: str
    version: int
    received_at: datetime | None = None


class Word(msgspec.Struct, frozen=True, gc=False):
    """What a custodian told of a trade, and the stream version that recorded it."""

    event: SettlementTold
    version: int


class Trade:
    """A trade as its stream tells it.

    `accepted` is the capture's own content, `capture` what is in force: None before the capture and
    after a bust. `revisions` are all amends ever told, those that changed nothing among them.
    `portfolios` are those in which something of the trade is shown.

    `content` is what was in force last. `awaited_on` is where its cash is awaited; of a busted
    trade it is where that of its first content was, as what was settled outlives a bust: which
    revision a bust met depends on the order of arrival, the first content does not. Custodians'
    words are kept by kind and name.
    """

    __slots__ = (
        "accepted",
        "awaited_on",
        "bust",
        "capture",
        "content",
        "exchanged",
        "failures",
        "first_awaited_on",
        "is_parked",
        "portfolios",
        "released_version",
        "resumptions",
        "revisions",
        "settlements",
        "version",
    )

    def __init__(self) -> None:
        self.version = 0
        self.accepted: Told | None = None
        self.capture: Capture | None = None
        self.is_parked = False
        self.released_version: int | None = None
        self.revisions: dict[int, Told] = {}
        self.bust: ToldBust | None = None
        self.portfolios: set[str] = set()
        self.content: Capture | None = None
        self.first_awaited_on: date | None = None
        self.awaited_on: date | None = None
        self.exchanged: Exchanged | None = None
        self.settlements: dict[str, Word] = {}
        self.failures: dict[str, Word] = {}
        self.resumptions: dict[str, Word] = {}

    def fork(self) -> "Trade":
        """Give a twin that can be folded further."""
        twin = Trade()
        for name in Trade.__slots__:
            value = getattr(self, name)
            setattr(twin, name, value.copy() if isinstance(value, dict | set) else value)
        return twin

    @classmethod
    def after(cls, events: Iterable[TradeEvent]) -> "Trade":
        """Fold a stream from its beginning."""
        trade = cls()
        for event in events:
            trade.apply(event)
        return trade

    @property
    def is_booked(self) -> bool:
        """Whether its content stands in its portfolio's books."""
        return self.capture is not None and not self.is_parked

    @property
    def settling(self) -> tuple[Capture, date | None]:
        """The content whose settlement is told, and the date on which its cash is awaited."""
        assert self.accepted is not None, "the trade was captured"
        assert self.content is not None, "what was captured has content"
        if self.bust is not None:
            return self.accepted.capture, self.first_awaited_on
        return self.content, self.awaited_on

    @property
    def revision(self) -> int | None:
        """The highest revision told; None when it was never amended."""
        return max(self.revisions, default=None)

    def apply(self, event: TradeEvent) -> None:
        """Fold one event; results are taken, nothing is decided again."""
        self.version += 1
        match event:
            case TradeCaptured() | TradeParked():
                self._take_capture(event)
            case TradeReleased():
                self.is_parked = False
                self.released_version = self.version
                self._place(event)
            case TradeAmended():
                self._take_revision(event)
                self._put_in_force(event.capture)
                self._place(event)
            case TradeAmendHeld():
                self._take_revision(event)
                self.portfolios.add(event.capture.portfolio)
            case TradeAmendSuperseded():
                self._take_revision(event)
            case TradeBusted() | TradeBustHeld():
                self._take_bust(event)
            case TradeReassigned():
                self.portfolios.discard(event.portfolio)
            case TradeRefused():
                pass  # Told in the source's own stream of refusals; the name is not used up.
            case TradeSettled():
                self._list_held(event)
                self.settlements.setdefault(event.settlement_id, Word(event, self.version))
            case TradeSettlementFailed():
                self._list_held(event)
                self.failures.setdefault(event.failure_id, Word(event, self.version))
            case TradeSettlementResumed():
                self._list_held(event)
                self.resumptions.setdefault(event.failure_id, Word(event, self.version))
            case _:
                assert_never(event)

    def _take_capture(self, event: TradeCaptured | TradeParked) -> None:
        if self.accepted is None:
            self.accepted = Told(event.capture, self.version, event.received_at)
        self._put_in_force(event.capture)
        self.is_parked = isinstance(event, TradeParked)
        if isinstance(event, TradeCaptured):
            self._place(event)
        else:
            self.awaited_on = self.exchanged = None

    def _place(self, event: TradeCaptured | TradeReleased | TradeAmended) -> None:
        self.awaited_on, self.exchanged = event.awaited_on, event.exchanged
        assert self.accepted is not None, "what is booked was captured"
        if self.capture is self.accepted.capture:
            self.first_awaited_on = event.awaited_on

    def _put_in_force(self, capture: Capture) -> None:
        self.capture = self.content = capture
        self.is_parked = False
        self.portfolios.add(capture.portfolio)

    def _list_held(self, event: SettlementTold) -> None:
        if event.is_held:
            self.portfolios.add(event.portfolio)

    def _take_revision(self, event: TradeAmended | TradeAmendHeld | TradeAmendSuperseded) -> None:
        """Keep who told a revision first: applied later, it is still that one's acceptance."""
        told = Told(event.capture, self.version, event.received_at, event.reason)
        self.revisions.setdefault(event.revision, told)

    def _take_bust(self, event: TradeBusted | TradeBustHeld) -> None:
        if self.bust is None:
            self.bust = ToldBust(event.reason, self.version, event.received_at)
        self.portfolios.add(event.portfolio)
        if isinstance(event, TradeBusted):
            self.capture = None
            self.is_parked = False
