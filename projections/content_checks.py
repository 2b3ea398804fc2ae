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
from domain.portfolio.basis_events import CostBasisApplied
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    DividendPaid,
    LotsSpunOff,
)
from domain.portfolio.events import (
    CashDeposited,
    CashWithdrawn,
    LotsClosed,
    LotsRestated,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.life import CashExchanged, FeeCharged, InterestBooked
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut
from domain.trade import TradeAmended, TradeBusted, TradeCaptured, TradeParked, TradeReleased
from eventstore.failures import LogDamaged
from eventstore.log import Log
from projections.action_checks import ActionsDone
from projections.batches import Undecodable, decode_batch
from projections.block_checks import BlockTrades
from projections.findings import Check, Watch
from projections.ladder_checks import PendingCash
from projections.read_model import Decoded
from projections.transfer_checks import TransfersPaired
from schemas.catalogue import EVENT_NAMES

BATCH_EVENTS_MAX = 10_000
LOG_CHECKS = 9
"""How many checks bookkeeping itself makes."""

Key: TypeAlias = tuple[str, str, str]
"""Tenant, portfolio and currency; or tenant, portfolio and instrument."""


ActionDone: TypeAlias = CorporateActionApplied | CorporateActionUnapplied | LotsSpunOff


class Holding(msgspec.Struct):
    """What the events say of one position: changes of quantity, open lots, pages expected.

    `told` is the quantity that the last event said, at `told_at`: that after all that follows from
    it, the actions that are told again included. `spun_pages` are those of lots spun off.
    """

    quantity: Decimal = ZERO
    told: Decimal = ZERO
    told_at: int = 0
    spun_pages: int = 0
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
        self._blocks = BlockTrades()
        self._transfers = TransfersPaired()
        self.acted = ActionsDone()
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
                self.take(decoded)
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
            missing = holding.pages + holding.spun_pages
            if missing:
                self._lots.fail(f"{_named(key)} ends with {missing} pages missing")
            self._sum_up(key, holding)
        checks = [self._readable, self._paired, self._cash, self._lots, self.pending.check]
        checks += [self._blocks.finish(), self._transfers.finish()]
        checks += [self.acted.applied, self.acted.paid]
        assert len(checks) == LOG_CHECKS, "all are counted"
        return checks

    def take(self, decoded: Decoded) -> None:
        """Fold one event."""
        self._take(decoded)
        self.pending.take(decoded, self.balances)
        self.acted.take(decoded)
        self._blocks.take(decoded)
        self._transfers.take(decoded)

    def _take(self, decoded: Decoded) -> None:
        position, tenant, _, event, _ = decoded
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
        elif isinstance(event, ActionDone):
            self._act(tenant, event, position)
        elif isinstance(event, CostBasisApplied | LotsTransferredOut | LotsTransferredIn):
            self._move_lots(tenant, event, position)
        elif isinstance(event, DividendPaid):
            key = (tenant, event.portfolio, event.currency)
            self._move(key, event.gross - event.withheld, event.cash_after, position)
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
        holding = self._begin(key, position)
        signed = fill.quantity if fill.side is Side.BUY else -fill.quantity
        holding.quantity += -signed if isinstance(booked, TradeUnbooked) else signed
        holding.told, holding.told_at = booked.totals.quantity, position
        if isinstance(booked, TradeUnbooked) or booked.is_late:
            holding.pages = 1
            return
        self._sum_up(key, holding)
        self._close(holding, booked, position)
        holding.pages = booked.closed_pages
        self._weigh(key, holding, position)

    def _act(self, tenant: str, event: ActionDone, position: int) -> None:
        """Take an action in: its cash, its change of quantity, and which pages are to follow."""
        cash: Key = (tenant, event.portfolio, event.currency)
        if event.cash_change or cash in self.balances:
            self._move(cash, event.cash_change, event.cash_after, position)
        key = (tenant, event.portfolio, event.instrument)
        if isinstance(event, LotsSpunOff) and event.page > 1:
            holding = self.holdings.setdefault(key, Holding())
            self._lots.must(
                holding.spun_pages == event.pages - event.page + 1,
                lambda: f"position {position}, {_named(key)}: a page nobody expects",
            )
        elif isinstance(event, CorporateActionApplied) and event.is_restated:
            holding = self.holdings.setdefault(key, Holding())
        else:
            holding = self._begin(key, position)
        holding.quantity += event.quantity_change
        holding.told, holding.told_at = event.totals.quantity, position
        if isinstance(event, LotsSpunOff):
            holding.spun_pages = event.pages - event.page
            holding.pages = 1
        elif isinstance(event, CorporateActionApplied) and event.is_restated:
            pass  # The pages before it hold its lots.
        elif event.terms.cash_dividend is None:
            holding.pages = 1
        self._weigh(key, holding, position)

    def _move_lots(
        self,
        tenant: str,
        event: CostBasisApplied | LotsTransferredOut | LotsTransferredIn,
        position: int,
    ) -> None:
        """Take in lots that left or came, or that stay under another basis; their pages follow."""
        key = (tenant, event.portfolio, event.instrument)
        is_again = isinstance(event, LotsTransferredOut) and event.is_restated
        holding = (
            self.holdings.setdefault(key, Holding()) if is_again else self._begin(key, position)
        )
        if not isinstance(event, CostBasisApplied):
            holding.quantity += event.quantity_change
        holding.told, holding.told_at = event.totals.quantity, position
        if not is_again:
            holding.pages = 1
        self._weigh(key, holding, position)

    def _begin(self, key: Key, position: int) -> Holding:
        """Give the holding of what is new to a book; all that followed from before is told."""
        holding = self.holdings.setdefault(key, Holding())
        self._lots.counted += 1
        self._lots.must(
            not holding.pages, lambda: f"position {position}, {_named(key)}: pages are missing"
        )
        self._sum_up(key, holding)
        return holding

    def _sum_up(self, key: Key, holding: Holding) -> None:
        self._lots.must(
            holding.quantity == holding.told,
            lambda: (
                f"position {holding.told_at}, {_named(key)}: changes sum to {holding.quantity}, "
                f"event says {holding.told}"
            ),
        )

    def _turn_page(self, tenant: str, page: LotsClosed | LotsRestated, position: int) -> None:
        key = (tenant, page.portfolio, page.instrument)
        holding = self.holdings.setdefault(key, Holding())
        self._lots.must(
            holding.pages and not holding.spun_pages,
            lambda: f"position {position}, {_named(key)}: a page nobody expects",
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
            holding.pages or holding.open_quantity == holding.told,
            lambda: (
                f"position {position}, {_named(key)}: lots sum to {holding.open_quantity}, "
                f"event says {holding.told}"
            ),
        )


def _named(key: Key) -> str:
    return " / ".join(key)


def _unreadable(undecodable: Undecodable) -> str:
    return f"position {undecodable.position}, {undecodable.event_type}: {undecodable}"
