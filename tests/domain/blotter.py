"""A desk without a log: trades, portfolios and instruments in memory, messages in any order."""

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.capturing import Surroundings, capture_trade, release_trade
from domain.correcting import (
    Amend,
    Corrected,
    amend_trade,
    bust_trade,
    capture_corrected,
    earlier_amend,
)
from domain.lots import CostBasis, Fill
from domain.portfolio.events import PortfolioEvent, TradeBooked, TradeUnbooked
from domain.portfolio.state import Portfolio
from domain.trade import Capture, TradeBustHeld, TradeEvent
from domain.trade_state import Trade
from schemas.codec import decode, encode, event_name
from tests.domain.scenes import (
    APPLE,
    DESK,
    FIFO,
    FRIDAY_NOON,
    FUND,
    MONDAY,
    deposited,
    instrument,
    name_of,
    opened,
)

OTHER_FUND = "income"
LATER = "LATER"
CASH = Decimal(10_000)


class Bust(msgspec.Struct, frozen=True):
    """A bust of a trade, and the portfolio it names."""

    external_id: str
    reason: str = "cancelled_by_venue"
    portfolio: str = FUND


class Registration(msgspec.Struct, frozen=True):
    """The appearance of an instrument."""

    instrument: str = LATER


Message = Capture | Amend | Bust | Registration


class Blotter:
    """Decides messages as they come and folds what was decided; every event goes through JSON.

    `commands` are the events decided so far, command by command. Two portfolios are open; AAPL is
    known from the beginning, LATER only once it is registered.
    """

    def __init__(self, basis: CostBasis = FIFO) -> None:
        self.portfolios: dict[str, Portfolio] = {}
        self.commands: list[tuple[TradeEvent | PortfolioEvent, ...]] = []
        for name in (FUND, OTHER_FUND):
            self.portfolios[name] = Portfolio()
            begun = opened(basis, portfolio=name)
            funded = msgspec.structs.replace(deposited(CASH), portfolio=name)
            self.commands += [(begun,), (funded,)]
            self.portfolios[name].apply(begun)
            self.portfolios[name].apply(funded)
        self.instruments = {APPLE: instrument()}
        self.fills: dict[tuple[str, str], dict[UUID, Fill]] = {}
        self.versions: dict[UUID, int] = {}
        self.streams: dict[UUID, list[TradeEvent]] = {}

    def trade(self, external_id: str) -> Trade:
        """The state of a trade, folded from its stream."""
        return self.trade_of(name_of(external_id))

    def trade_of(self, name: UUID) -> Trade:
        """The state of the trade of an id."""
        return Trade.after(self.streams.get(name, []))

    def around(self, capture: Capture) -> Surroundings:
        """What surrounds a capture now."""
        booked = self.fills.get((capture.portfolio, capture.instrument), {})
        return Surroundings(
            portfolio=self.portfolios.get(capture.portfolio),
            instrument=self.instruments.get(capture.instrument),
            market_position=7,
            now=FRIDAY_NOON,
            history=lambda from_version: [
                (version, each)
                for each in booked.values()
                if (version := self.versions[each.trade_id]) >= from_version
            ],
            rate_at=lambda base, quote, _: Decimal(1) if base == quote else None,
        )

    def tell(self, *messages: Message) -> tuple[TradeEvent, ...]:
        """Decide and fold messages in this order; give the last one's events of the trade."""
        told: tuple[TradeEvent, ...] = ()
        for message in messages:
            match message:
                case Capture():
                    told = self._capture(message)
                case Amend():
                    told = self._amend(message)
                case Bust():
                    told = self._bust(message)
                case Registration():
                    told = self._register(message.instrument)
        return told

    def _capture(self, capture: Capture) -> tuple[TradeEvent, ...]:
        name, trade = name_of(capture.external_id), self.trade(capture.external_id)
        if trade.accepted is not None:
            return ()
        if trade.version:
            decided = capture_corrected(trade, capture, trade_id=name, around=self.around)
            return self._take(name, decided)
        booked = capture_trade(capture, trade_id=name, around=self.around(capture))
        return self._take(name, Corrected((booked.trade,), booked.bookings, booked.breaches))

    def _amend(self, amend: Amend) -> tuple[TradeEvent, ...]:
        external_id = amend.capture.external_id
        name, trade = name_of(external_id), self.trade(external_id)
        if earlier_amend(trade, amend) is not None:
            return ()
        return self._take(name, amend_trade(trade, amend, trade_id=name, around=self.around))

    def _bust(self, bust: Bust) -> tuple[TradeEvent, ...]:
        name, trade = name_of(bust.external_id), self.trade(bust.external_id)
        if trade.bust is not None:
            return ()
        held = TradeBustHeld(
            trade_id=name,
            portfolio=bust.portfolio,
            source=DESK,
            external_id=bust.external_id,
            reason=bust.reason,
            received_at=FRIDAY_NOON,
        )
        named = self.portfolios.get(bust.portfolio)
        return self._take(name, bust_trade(trade, held, named=named, around=self.around))

    def _register(self, name: str) -> tuple[TradeEvent, ...]:
        self.instruments[name] = instrument(name)
        released: tuple[TradeEvent, ...] = ()
        for trade_id, stream in self.streams.items():
            trade = Trade.after(stream)
            if trade.is_parked and trade.capture is not None and trade.capture.instrument == name:
                around = self.around(trade.capture)
                booked = release_trade(trade.capture, trade_id=trade_id, around=around)
                released = self._take(trade_id, Corrected((booked.trade,), booked.bookings))
        return released

    def _take(self, name: UUID, decided: Corrected) -> tuple[TradeEvent, ...]:
        self.commands.append((*decided.trade, *decided.bookings))
        for event in self.commands[-1]:
            assert decode(event_name(event), encode(event)) == event
        self.streams.setdefault(name, []).extend(decided.trade)
        for event in decided.bookings:
            self.portfolios[event.portfolio].apply(event)
            booked = self.fills.setdefault((event.portfolio, event.instrument), {})
            if isinstance(event, TradeBooked):
                assert event.fill.trade_id not in booked, "a trade is booked once"
                booked[event.fill.trade_id] = event.fill
                self.versions[event.fill.trade_id] = self.portfolios[event.portfolio].version
            elif isinstance(event, TradeUnbooked):
                assert booked.pop(event.fill.trade_id) == event.fill, "what was booked is taken out"
        return decided.trade


def booked_in_order(blotter: Blotter) -> dict[tuple[str, str], list[Fill]]:
    """Every fill that stands in the books, by portfolio and instrument, in book order."""
    return {
        place: sorted(fills.values(), key=lambda fill: fill.key)
        for place, fills in blotter.fills.items()
        if fills
    }


def tell_in_book_order(captures: Iterable[Capture], basis: CostBasis) -> Blotter:
    """A blotter that was told only what holds in the end, all of it in time."""
    blotter = Blotter(basis)
    blotter.tell(Registration())
    blotter.tell(*sorted(captures, key=_place))
    return blotter


def _place(capture: Capture) -> tuple[object, bool, str]:
    """Book order, for captures of one source without times and sequences."""
    return capture.trade_date or MONDAY, capture.side == "sell", capture.external_id
