"""Blocks: one order executed for several portfolios of a tenant, and allocated to them at once.

A block is named by its source, as a trade is; its stream says how it was allocated and, perhaps,
that it was busted. What portfolios hold of it are ordinary trades, captured in the same append and
named `<the block's external id>/<portfolio>`: folds need the trades only.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

from domain.event import Event
from domain.lots import Side
from domain.money import ZERO
from domain.rejection import Breach
from domain.trade import Intent

ALLOCATIONS_MAX = 500
FILLS_MAX = 100
BLOCK_NAME_MAX = 63
"""Most characters of a block's external id: with a portfolio's name it makes that of a trade."""


class Remainder(StrEnum):
    """Who gets what rounding down to whole lots leaves.

    `largest_remainder`: a lot each for those who lost most by it, of equals the first listed.
    """

    LARGEST_REMAINDER = "largest_remainder"
    FIRST = "first"
    LAST = "last"


class BlockFill(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One execution of the block; a single one at the average price will do.

    `consideration` is the source's amount; absent, it is quantity x price. `external_id` tells it
    from others of the block and names no trade.
    """

    quantity: Decimal
    price: Decimal
    fee: Decimal = ZERO
    consideration: Decimal | None = None
    external_id: str | None = None


class Allocation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a portfolio is to have of a block: a quantity, or a share by weight; one of the two."""

    portfolio: str
    quantity: Decimal | None = None
    weight: Decimal | None = None


class Block(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A block as its source gave it: the whole intent, nothing filled in.

    At least one of `trade_date` and `executed_at` is there. All allocations have quantities, or all
    have weights; `lot_size` (absent: the smallest unit there is) and `remainder` (absent: largest
    remainder) belong to weights.
    """

    source: str
    external_id: str
    intent: Intent
    instrument: str
    side: Side
    currency: str
    fills: tuple[BlockFill, ...]
    allocations: tuple[Allocation, ...]
    trade_date: date | None = None
    executed_at: datetime | None = None
    source_sequence: int | None = None
    remainder: Remainder | None = None
    lot_size: Decimal | None = None


class Allotment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a portfolio got of a block; without a trade where it got nothing."""

    portfolio: str
    quantity: Decimal
    trade_id: UUID | None = None


class BlockAllocated(Event, frozen=True):
    """A block was allocated: in one append with the trades that its allotments name.

    Allotments are in the order of the block's allocations.
    """

    block_id: UUID
    block: Block
    allotments: tuple[Allotment, ...]
    received_at: datetime | None = None


class BlockRefused(Event, frozen=True):
    """A block was refused, whole; the name is not used up.

    `breaches` are those of the block itself; those of its portfolios are told by the `TradeRefused`
    of each of them, in the same append.
    """

    block_id: UUID
    block: Block
    market_position: int
    breaches: tuple[Breach, ...] = ()
    received_at: datetime | None = None


class BlockBusted(Event, frozen=True):
    """A block was cancelled by its source: in one append with the busts of `trade_ids`.

    Trades of it that had been busted before are not among them. `reason` is a short code.
    """

    block_id: UUID
    source: str
    external_id: str
    reason: str
    trade_ids: tuple[UUID, ...] = ()
    received_at: datetime | None = None
