"""Checks of what the events say: cash, lots and bookings add up, judged from the log alone.

Nothing here shares code with the folds it controls, except how a close takes the oldest lots.
"""

from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

import msgspec

from domain.lots import Fill, Lot, Side
from domain.money import ZERO
from domain.open_lots import follow_lots
from domain.portfolio.events import (
    CashDeposited,
    CashWithdrawn,
    LotsClosed,
    LotsRestated,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.life import CashExchanged, FeeCharged, InterestBooked
from domain.trade import TradeAmended, TradeBusted, TradeCaptured, TradeParked, TradeReleased
from eventstore.failures import LogDamaged
from eventstore.log import Log
from projections.batches import Undecodable, decode_batch
from projections.findings import Check, Watch
from projections.ladder_checks import PendingCash
from projections.read_model import Decoded
from schemas.catalogue import EVENT_NAMES

BATCH_EVENTS_MAX = 10_000
LOG_CHECKS = 5
"""How many checks bookkeeping itself makes."""

Key: TypeAlias = tuple[str, str, str]
"""Tenant, portfolio and currency; or tenant, portfolio and instrument."""


class Holding(msgspec.Struct):
    """What the events say of one position: signed quantity traded, open lots, pages expected."""

    quantity: Decimal = ZERO
    open_quantity: Decimal = ZERO
    lots: dict[int, Lot] = msgspec.field(default_factory=dict)
    pages: int = 0


class Bookkeeping:
    """Folds the log once, in order, and keeps the first difference of every check."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.position = 0
        self.balances: dict[Key, Decimal] = {}
        self.holdings: dict[Key, Holding] = {}
        self.pending = PendingCash()
        self._awaited: dict[UUID, int] = {}
        self._readable = Check("every event can be read")
        self._paired = Check("every captured, released or amended trade is booked once")
        self._cash = Check("cash legs add up to the balance in every event")
        self._lots = Check("lots add up to the position in every event")

    def advance(self, until: int, watch: Watch) -> None:
        """Fold the events up to `until`; stops at one that cannot be read."""
        while self.position < until and self._readable.ok:
            try:
                events = self._log.read(self.position, BATCH_EVENTS_MAX, until)
            except LogDamaged as error:
                self._readable.fail(str(error))
                return
            batch = decode_batch(events, EVENT_NAMES)
            for decoded in batch.decoded:
                self._take(decoded)
                self.pending.take(decoded, self.balances)
            self._readable.counted += batch.size
            self.position = batch.position if batch.size else self.position
            if batch.undecodable is not None:
                self._readable.fail(_unreadable(batch.undecodable))
            watch("bookkeeping", self.position, until)

    def finish(self) -> list[Check]:
        """Give the checks, with what is still open at the end."""
        for trade_id, position in self._awaited.items():
            self._paired.fail(f"trade {trade_id} of position {position} is not booked")
        for key, holding in self.holdings.items():
            if holding.pages:
                self._lots.fail(f"{_named(key)} ends with {holding.pages} pages missing")
        checks = [self._readable, self._paired, self._cash, self._lots, self.pending.check]
        assert len(checks) == LOG_CHECKS, "all are counted"
        return checks

    def _take(self, decoded: Decoded) -> None:
        position, tenant, _, event = decoded
        if isinstance(event, TradeCaptured | TradeReleased | TradeAmended):
            self._awaited[event.trade_id] = position
        elif isinstance(event, TradeParked | TradeBusted):
            self._awaited.pop(event.trade_id, None)
        elif isinstance(event, TradeBooked):
            self._pair(event.fill, position)
            self._book_cash(tenant, event, position)
            self._book_lots(tenant, event, position)
        elif isinstance(event, TradeUnbooked):
            self._book_cash(tenant, event, position)
            self._book_lots(tenant, event, position)
        elif isinstance(event, LotsClosed | LotsRestated):
            self._turn_page(tenant, event, position)
        elif isinstance(event, CashExchanged):
            self._exchange_cash(tenant, event, position)
        elif isinstance(event, CashDeposited | CashWithdrawn | FeeCharged | InterestBooked):
            amount = event.amount.amount
            change = -amount if isinstance(event, CashWithdrawn | FeeCharged) else amount
            key = (tenant, event.portfolio, event.amount.currency)
            self._move(key, change, event.balance, position)

    def _pair(self, fill: Fill, position: int) -> None:
        self._paired.counted += 1
        known = self._awaited.pop(fill.trade_id, None)
        self._paired.must(
            known is not None,
            lambda: f"trade {fill.trade_id} is booked at position {position}, never captured",
        )

    def _book_cash(self, tenant: str, booked: TradeBooked | TradeUnbooked, position: int) -> None:
        fill = booked.fill
        principal = fill.consideration if fill.side is Side.SELL else -fill.consideration
        change = principal - fill.fee
        if isinstance(booked, TradeUnbooked):
            change = -change
        self._cash.must(
            booked.cash_change == change,
            lambda: (
                f"position {position}: cash_change {booked.cash_change}, "
                f"principal {principal} less fee {fill.fee}"
                + (" taken out" if isinstance(booked, TradeUnbooked) else "")
            ),
        )
        key = (tenant, booked.portfolio, booked.currency)
        self._move(key, change, booked.cash_after, position)

    def _exchange_cash(self, tenant: str, event: CashExchanged, position: int) -> None:
        for money, sign, balance in (
            (event.sold, -1, event.balance_sold),
            (event.bought, 1, event.balance_bought),
        ):
            change = sign * money.amount
            if event.fee is not None and event.fee.currency == money.currency:
                change -= event.fee.amount
            key = (tenant, event.portfolio, money.currency)
            self._move(key, change, balance, position)

    def _move(self, key: Key, change: Decimal, balance: Decimal, position: int) -> None:
        self._cash.counted += 1
        held = self.balances.get(key, ZERO) + change
        self.balances[key] = held
        self._cash.must(
            held == balance,
            lambda: f"position {position}, {_named(key)}: legs sum to {held}, event says {balance}",
        )

    def _book_lots(self, tenant: str, booked: TradeBooked | TradeUnbooked, position: int) -> None:
        fill = booked.fill
        key = (tenant, booked.portfolio, booked.instrument)
        holding = self.holdings.setdefault(key, Holding())
        self._lots.counted += 1
        self._lots.must(
            not holding.pages, lambda: f"position {position}, {_named(key)}: pages are missing"
        )
        signed = fill.quantity if fill.side is Side.BUY else -fill.quantity
        holding.quantity += -signed if isinstance(booked, TradeUnbooked) else signed
        self._lots.must(
            holding.quantity == booked.totals.quantity,
            lambda: (
                f"position {position}, {_named(key)}: trades sum to {holding.quantity}, "
                f"event says {booked.totals.quantity}"
            ),
        )
        if isinstance(booked, TradeUnbooked) or booked.is_late:
            holding.pages = 1
            return
        self._close(holding, booked, position)
        holding.pages = booked.closed_pages
        self._weigh(key, holding, position)

    def _turn_page(self, tenant: str, page: LotsClosed | LotsRestated, position: int) -> None:
        key = (tenant, page.portfolio, page.instrument)
        holding = self.holdings.setdefault(key, Holding())
        self._lots.must(
            holding.pages, lambda: f"position {position}, {_named(key)}: a page nobody expects"
        )
        if isinstance(page, LotsClosed):
            self._close(holding, page, position)
        else:
            lots = list(holding.lots.values())
            replaced = lots[page.index : page.index + page.removed]
            lots[page.index : page.index + page.removed] = page.lots
            holding.lots = {lot.trade_id.int: lot for lot in lots}
            holding.open_quantity += sum((lot.quantity for lot in page.lots), ZERO)
            holding.open_quantity -= sum((lot.quantity for lot in replaced), ZERO)
        holding.pages = page.pages - page.page
        self._weigh(key, holding, position)

    def _close(self, holding: Holding, event: TradeBooked | LotsClosed, position: int) -> None:
        opened = event.opened if isinstance(event, TradeBooked) else None
        for part in event.closed:
            holding.open_quantity -= part.quantity
        if opened is not None:
            holding.open_quantity += opened.quantity
        try:
            follow_lots(holding.lots, event.closed, opened)
        except KeyError:
            self._lots.fail(f"position {position}: closes a lot that is not open")

    def _weigh(self, key: Key, holding: Holding, position: int) -> None:
        self._lots.must(
            holding.pages or holding.open_quantity == holding.quantity,
            lambda: (
                f"position {position}, {_named(key)}: lots sum to {holding.open_quantity}, "
                f"trades to {holding.quantity}"
            ),
        )


def _named(key: Key) -> str:
    return " / ".join(key)


def _unreadable(undecodable: Undecodable) -> str:
    return f"position {undecodable.position}, {undecodable.event_type}: {undecodable}"
