"""A desk without a log: trades, portfolios and instruments in memory, messages in any order."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from domain.book import History
from domain.capturing import Surroundings, capture_trade, release_trade
from domain.corporate_actions import Action, Terms
from domain.correcting import (
    Amend,
    Corrected,
    amend_trade,
    bust_trade,
    capture_corrected,
    earlier_amend,
    followed,
)
from domain.instrument import (
    CorporateActionDeclared,
    CorporateActionReversed,
    InstrumentChange,
)
from domain.instrument_changes import change_instrument
from domain.lots import CostBasis, Fill
from domain.portfolio.acting import catch_up
from domain.portfolio.entries import Entries, follow_entries
from domain.portfolio.events import PortfolioEvent, TradeBooked, TradeUnbooked, book_of
from domain.portfolio.life import CostBasisAssigned
from domain.portfolio.overdue import Acting
from domain.portfolio.rebasing import change_cost_basis
from domain.portfolio.settling import settle_due
from domain.portfolio.state import Portfolio
from domain.portfolio.transfer_events import ValuedAt
from domain.portfolio.transferring import Priced, transfer_lots
from domain.portfolio.working import Working
from domain.rejection import Rejection
from domain.trade import (
    Capture,
    SettlementWord,
    TradeBustHeld,
    TradeEvent,
    TradeSettled,
    TradeSettlementFailed,
    TradeSettlementResumed,
)
from domain.trade_settlement import earlier_word, take_word
from domain.trade_state import Trade
from domain.transfers import Transfer
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
TRANSFER_PRICE = Decimal(7)


class Bust(msgspec.Struct, frozen=True):
    """A bust of a trade, and the portfolio it names."""

    external_id: str
    reason: str = "cancelled_by_venue"
    portfolio: str = FUND


class Registration(msgspec.Struct, frozen=True):
    """The appearance of an instrument."""

    instrument: str = LATER


class Declaration(msgspec.Struct, frozen=True):
    """A corporate action of an instrument."""

    action: Action


class Reversal(msgspec.Struct, frozen=True):
    """The reversal of an action; before its declaration it is not understood, and does nothing."""

    action: Action
    reason: str = "declared_wrongly"


class Rebasing(msgspec.Struct, frozen=True):
    """A change of the cost basis of the portfolio that is told of, from a date."""

    cost_basis: CostBasis
    from_date: date


class Day(msgspec.Struct, frozen=True):
    """Business time comes to a date; what is effective by then is applied to all portfolios."""

    date: date


Message = (
    Capture
    | Amend
    | Bust
    | Registration
    | SettlementWord
    | Declaration
    | Reversal
    | Rebasing
    | Transfer
    | Day
)

Rate = Callable[[str, str, datetime], Decimal | None]


def no_rate(base: str, quote: str, _: datetime) -> Decimal | None:
    """No currency has a rate but to itself."""
    return Decimal(1) if base == quote else None


class Blotter:
    """Decides messages as they come and folds what was decided; every event goes through JSON.

    `commands` are the events decided so far, command by command. Two portfolios are open; AAPL is
    known from the beginning, LATER only once it is registered. How they are opened may be said.
    """

    def __init__(self, basis: CostBasis = FIFO, *, rate_at: Rate = no_rate, **how: Any) -> None:
        self.rate_at = rate_at
        self.portfolios: dict[str, Portfolio] = {}
        self.commands: list[tuple[TradeEvent | PortfolioEvent, ...]] = []
        for name in (FUND, OTHER_FUND):
            self.portfolios[name] = Portfolio()
            begun = opened(basis, portfolio=name, **how)
            funded = msgspec.structs.replace(deposited(CASH), portfolio=name)
            self.commands += [(begun,), (funded,)]
            self.portfolios[name].apply(begun)
            self.portfolios[name].apply(funded)
        self.instruments = {APPLE: instrument()}
        self.entries: dict[tuple[str, str], Entries] = {}
        self.today = MONDAY
        self.told: dict[str, list[PortfolioEvent]] = {}
        self.streams: dict[UUID, list[TradeEvent]] = {}

    def trade(self, external_id: str) -> Trade:
        """The state of a trade, folded from its stream."""
        return self.trade_of(name_of(external_id))

    def trade_of(self, name: UUID) -> Trade:
        """The state of the trade of an id."""
        return Trade.after(self.streams.get(name, []))

    def around(self, capture: Capture) -> Surroundings:
        """What surrounds a capture now."""
        return Surroundings(
            portfolio=self.portfolios.get(capture.portfolio),
            instrument=self.instruments.get(capture.instrument),
            market_position=7,
            now=FRIDAY_NOON,
            history_of=lambda name: self.history(capture.portfolio, name),
            rate_at=self.rate_at,
            acting=self.acting(),
        )

    def history(self, portfolio: str, name: str) -> History:
        """What stands in a book, as it was told from a version on."""
        entries = self.entries.get((portfolio, name), {})
        return lambda start: [each for each in entries.values() if each[0] >= start]

    def acting(self) -> Acting:
        """The corporate actions declared so far, as of today."""
        acting = {name for name, each in self.instruments.items() if each.actions}
        return Acting(self.instruments.get, acting, object(), lambda _: self.today)

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
                case TradeSettled() | TradeSettlementFailed() | TradeSettlementResumed():
                    told = self._say(message)
                case Registration():
                    told = self._register(message.instrument)
                case Declaration(action):
                    self._change(
                        CorporateActionDeclared(
                            instrument=action.instrument, terms=Terms.of(action)
                        )
                    )
                case Reversal(action, reason):
                    self._reverse(action, reason)
                case Rebasing(basis, from_date):
                    self._rebase(basis, from_date)
                case Transfer():
                    self._transfer(message)
                case Day(day):
                    self._reach(day)
        return told

    def _capture(self, capture: Capture) -> tuple[TradeEvent, ...]:
        name, trade = name_of(capture.external_id), self.trade(capture.external_id)
        if trade.accepted is not None:
            return ()
        if trade.version:
            decided = capture_corrected(trade, capture, trade_id=name, around=self.around)
            return self._take(name, followed(trade, decided, name))
        booked = capture_trade(capture, trade_id=name, around=self.around(capture))
        return self._take(name, Corrected((booked.trade,), booked.bookings, booked.breaches))

    def _amend(self, amend: Amend) -> tuple[TradeEvent, ...]:
        external_id = amend.capture.external_id
        name, trade = name_of(external_id), self.trade(external_id)
        if earlier_amend(trade, amend) is not None:
            return ()
        decided = amend_trade(trade, amend, trade_id=name, around=self.around)
        return self._take(name, followed(trade, decided, name))

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
        decided = bust_trade(trade, held, named=named, around=self.around)
        return self._take(name, followed(trade, decided, name))

    def _say(self, word: SettlementWord) -> tuple[TradeEvent, ...]:
        trade = self.trade_of(word.trade_id)
        if earlier_word(trade, word) is not None:
            return ()
        told, moved, breaches = take_word(trade, word)
        return self._take(word.trade_id, Corrected((told,), tuple(moved), breaches))

    def _register(self, name: str) -> tuple[TradeEvent, ...]:
        self.instruments[name] = instrument(name)
        released: tuple[TradeEvent, ...] = ()
        for trade_id, stream in self.streams.items():
            trade = Trade.after(stream)
            if trade.is_parked and trade.capture is not None and trade.capture.instrument == name:
                around = self.around(trade.capture)
                booked = release_trade(trade.capture, trade_id=trade_id, around=around)
                decided = Corrected((booked.trade,), booked.bookings)
                released = self._take(trade_id, followed(trade, decided, trade_id))
        return released

    def _change(self, change: InstrumentChange) -> None:
        instrument = self.instruments[change.instrument]
        decided = change_instrument(
            instrument, change, now=FRIDAY_NOON, instrument_of=self.instruments.get
        )
        if decided is not None:
            assert decode(event_name(decided), encode(decided)) == decided
            instrument.apply(decided)

    def _reverse(self, action: Action, reason: str) -> None:
        if action.action in self.instruments[action.instrument].actions:
            change = CorporateActionReversed(
                instrument=action.instrument, action=action.action, reason=reason
            )
            self._change(change)

    def _reach(self, day: date) -> None:
        self.today = max(self.today, day)
        for name in self.portfolios:
            self._catch_up(self._working(name))

    def _rebase(self, basis: CostBasis, from_date: date) -> None:
        """Change the basis, or do nothing where it is that one."""
        working = self._working(FUND)
        try:
            changed = change_cost_basis(
                working.portfolio, name=FUND, cost_basis=basis, from_date=from_date
            )
        except Rejection:
            return
        assert isinstance(changed, CostBasisAssigned)
        working.fold([changed])
        self._catch_up(working)

    def _transfer(self, transfer: Transfer) -> None:
        """Transfer lots, or do nothing where that is refused."""
        sender, receiver = self._working(transfer.portfolio), self._working(transfer.to_portfolio)
        try:
            transfer_lots(
                transfer,
                sender=sender,
                receiver=receiver,
                acting=self.acting(),
                close=Priced(TRANSFER_PRICE, transfer.trade_date, ValuedAt.CLOSE),
                now=FRIDAY_NOON,
            )
        except Rejection:
            return
        self._fold_all((*sender.events, *receiver.events))

    def _working(self, name: str) -> Working:
        return Working(
            self.portfolios[name],
            history_of=partial(self.history, name),
            instrument_of=self.instruments.get,
            rate_at=self.rate_at,
        )

    def _catch_up(self, working: Working) -> None:
        catch_up(working, self.acting())
        self._fold_all(tuple(working.events))

    def _fold_all(self, events: tuple[PortfolioEvent, ...]) -> None:
        self.commands.append(events)
        for event in events:
            assert decode(event_name(event), encode(event)) == event
            self.fold(event)

    def settle(self, until: date) -> None:
        """Settle what is due, and pay dividends."""
        for name, portfolio in self.portfolios.items():
            for event in settle_due(portfolio, name=name, until=until):
                self.fold(event)

    def _take(self, name: UUID, decided: Corrected) -> tuple[TradeEvent, ...]:
        self.commands.append((*decided.trade, *decided.bookings))
        for event in self.commands[-1]:
            assert decode(event_name(event), encode(event)) == event
        self.streams.setdefault(name, []).extend(decided.trade)
        for event in decided.bookings:
            self.fold(event)
        return decided.trade

    def fold(self, event: PortfolioEvent) -> None:
        """Fold an event of a portfolio, and what it says of entries."""
        portfolio = self.portfolios[event.portfolio]
        portfolio.apply(event)
        self.told.setdefault(event.portfolio, []).append(event)
        name = book_of(event)
        if name is None:
            return
        entries = self.entries.setdefault((event.portfolio, name), {})
        if isinstance(event, TradeBooked):
            assert event.fill.trade_id not in entries, "a trade is booked once"
        elif isinstance(event, TradeUnbooked):
            assert entries[event.fill.trade_id][1] == event.fill, "what was booked is taken out"
        follow_entries(entries, portfolio.version, event)


def booked_in_order(blotter: Blotter) -> dict[tuple[str, str], list[Fill]]:
    """Every fill that stands in the books, by portfolio and instrument, in book order."""
    found = {
        place: [each for _, each in entries.values() if isinstance(each, Fill)]
        for place, entries in blotter.entries.items()
    }
    return {
        place: sorted(fills, key=lambda fill: fill.key) for place, fills in found.items() if fills
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
