"""What happens to a portfolio: opened, cash in and out, trades booked, lots restated."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeGuard, get_args
from uuid import UUID

import msgspec

from domain.event import Event
from domain.held import BookTotals
from domain.limits.events import BreachEvent
from domain.lots import ClosedLot, CostBasis, Fill, Lot
from domain.money import ZERO, Money
from domain.portfolio.basis_events import CostBasisApplied
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    CorporateEvent,
    LotsSpunOff,
)
from domain.portfolio.life import CashFact, StandingEvent
from domain.portfolio.transfer_events import (
    LotsTransferredIn,
    LotsTransferredOut,
    TransferEvent,
)

LOTS_PER_EVENT_MAX = 500
CHANGES_PER_EVENT_MAX = 800


class SettlementPolicy(StrEnum):
    """When the cash of a portfolio's trades is settled."""

    CONTRACTUAL = "contractual"
    """On its value date, whatever happened: when a session closes."""
    ACTUAL = "actual"
    """When a custodian confirms it, and only then."""


class PortfolioOpened(Event, frozen=True):
    """A portfolio began; `calendar` names the market whose close values it.

    `auto_exchange`: each trade in a foreign currency is accompanied by the exchange of its cash.
    """

    portfolio: str
    base_currency: str
    cost_basis: CostBasis
    calendar: str
    allows_leverage: bool
    allows_short: bool
    settlement: SettlementPolicy = SettlementPolicy.CONTRACTUAL
    auto_exchange: bool = False


class CashDeposited(Event, frozen=True):
    """External cash came in; `balance` is what is held in its currency afterwards.

    `at` is absent where the flow has no time of day: it then counts from the start of `value_date`.
    It `is_pending` until its value date is settled, where that was to come when it was told.
    """

    portfolio: str
    amount: Money
    balance: Decimal
    value_date: date
    at: datetime | None = None
    is_pending: bool = False


class CashWithdrawn(Event, frozen=True):
    """External cash went out; `amount` is positive, `balance` what is held afterwards.

    `at` is absent where the flow has no time of day: it then counts at the end of `value_date`.
    It `is_pending` until its value date is settled, where that was to come when it was told.
    """

    portfolio: str
    amount: Money
    balance: Decimal
    value_date: date
    at: datetime | None = None
    is_pending: bool = False


class CashSettled(Event, frozen=True):
    """What was pending for a value date was settled: its session had closed.

    `amount` is signed: minus what was paid; `settled_after` is all that is settled in `currency`.
    """

    portfolio: str
    value_date: date
    currency: str
    amount: Decimal
    settled_after: Decimal


class TradeCashMoved(Event, frozen=True):
    """Cash of a trade moved between awaited, failing and settled: a custodian told so.

    Under the policy `actual` only. All three are changes, signed as the portfolio sees the cash,
    and add up to zero. `is_payment` says that the trade pays: on which side of the value date it
    is awaited.
    """

    portfolio: str
    trade_id: UUID
    value_date: date
    currency: str
    is_payment: bool
    awaited: Decimal = ZERO
    failing: Decimal = ZERO
    settled: Decimal = ZERO


class TradeBooked(Event, frozen=True):
    """A trade met the portfolio's lots and cash.

    `cash_change` is what the trade did to the cash in `currency`, fee included; `cash_after` the
    balance then. `closed` holds at most 500 parts; `closed_pages` counts the `LotsClosed` that
    follow with the rest. A trade that arrived late in book order has `is_late`: its own realised
    parts are those of its place in book order, `closed` and `opened` are left out, and the
    `LotsRestated` after it hold the lots; `totals` are always those after everything.
    `rate_to_base` is units of the base currency for one of `currency`; absent when not known.
    Where its cash `is_awaited`, it settles by a custodian's word, not with the value date.
    """

    portfolio: str
    instrument: str
    currency: str
    fill: Fill
    totals: BookTotals
    cash_change: Decimal
    cash_after: Decimal
    realised_gross: Decimal = ZERO
    realised_net: Decimal = ZERO
    opened: Lot | None = None
    closed: tuple[ClosedLot, ...] = ()
    closed_pages: int = 0
    is_late: bool = False
    rate_to_base: Decimal | None = None
    is_awaited: bool = False


class Reason(StrEnum):
    """Why a booked trade was taken out again."""

    BUSTED = "busted"
    AMENDED = "amended"


class TradeUnbooked(Event, frozen=True):
    """A booked trade was taken out again: busted, or amended and booked anew behind this.

    `cash_change` is what taking it out does to the cash in `currency`, `cash_after` the balance
    then; the realised parts are changes, minus what the trade itself had realised. `totals` are
    those after everything; the `LotsRestated` after it hold the lots, and by date what other trades
    realise now. `last_fill` is the fill that is last in book order now; absent when there is none.
    """

    portfolio: str
    instrument: str
    currency: str
    fill: Fill
    reason: Reason
    totals: BookTotals
    cash_change: Decimal
    cash_after: Decimal
    realised_gross: Decimal = ZERO
    realised_net: Decimal = ZERO
    last_fill: Fill | None = None
    is_awaited: bool = False


class LotsClosed(Event, frozen=True):
    """Further lots that the trade booked just before closed: page `page` of `pages`, from 1."""

    portfolio: str
    instrument: str
    trade_id: UUID
    page: int
    pages: int
    closed: tuple[ClosedLot, ...]


class RealisedChange(msgspec.Struct, frozen=True, gc=False):
    """How much more was realised on a date than was known before, fees apart and included."""

    trade_date: date
    gross: Decimal
    net: Decimal


class LotsRestated(Event, frozen=True):
    """A fact late in book order changed what follows: page `page` of `pages`, from 1.

    `from_trade_id` is the late trade, or the one taken out, or the name of a corporate action's
    entry in the book; `from_date` the first date restated.
    Each page replaces, in the list of open lots, oldest first in book order, `removed` lots from
    `index` on by `lots`; after the last page the list is that after everything, as `totals` is on
    every page. `changes` are those of realised parts by date, the trade's own part left out.
    """

    portfolio: str
    instrument: str
    currency: str
    from_trade_id: UUID
    from_date: date
    page: int
    pages: int
    totals: BookTotals
    index: int
    removed: int
    lots: tuple[Lot, ...] = ()
    changes: tuple[RealisedChange, ...] = ()


PortfolioEvent = (
    PortfolioOpened
    | CashDeposited
    | CashWithdrawn
    | CashSettled
    | TradeCashMoved
    | TradeBooked
    | TradeUnbooked
    | LotsClosed
    | LotsRestated
    | CorporateEvent
    | CostBasisApplied
    | TransferEvent
    | CashFact
    | StandingEvent
    | BreachEvent
)

BookEvent = (
    TradeBooked
    | TradeUnbooked
    | LotsClosed
    | LotsRestated
    | CorporateActionApplied
    | CorporateActionUnapplied
    | LotsSpunOff
    | CostBasisApplied
    | LotsTransferredOut
    | LotsTransferredIn
)
"""What concerns the book of one instrument."""


def book_of(event: Event) -> str | None:
    """Name the instrument whose book an event concerns."""
    return event.instrument if isinstance(event, BookEvent) else None


_PORTFOLIO_EVENTS = frozenset(get_args(PortfolioEvent))


def is_portfolio_event(event: Event) -> TypeGuard[PortfolioEvent]:
    """Say whether an event belongs to a portfolio's stream; by its type, as this is asked often."""
    return type(event) in _PORTFOLIO_EVENTS
