"""What callers send to allocate or bust a block, and the commands it becomes."""

from datetime import date
from typing import Annotated

import msgspec

from commands.command import AllocateBlock, BustBlock
from domain.block import (
    ALLOCATIONS_MAX,
    BLOCK_NAME_MAX,
    FILLS_MAX,
    Allocation,
    Block,
    BlockFill,
    Remainder,
)
from domain.lots import Side
from domain.trade import Intent
from gateway.decoding import (
    BodyFault,
    BodyFaulty,
    CurrencyCode,
    ExternalId,
    Instant,
    Name,
    Number,
    exact,
    not_negative,
    plausible_day,
    positive,
)
from write_api.bodies import Body, Reason, Sequence, optional_day, optional_instant

BlockName = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^[!-~]{{1,{BLOCK_NAME_MAX}}}\Z",
        description="The source's id of the block. A portfolio's trade of it is named "
        "`<this>/<portfolio>`.",
        examples=["BLOCK-1"],
    ),
]


class BlockFillBody(Body, frozen=True):
    """One execution; `external_id` tells it from others of the block and names no trade."""

    quantity: Number
    price: Number
    fee: Number = "0"
    consideration: Number | None = None
    external_id: ExternalId | None = None


class AllocationBody(Body, frozen=True):
    """What a portfolio is to have: exactly one of `quantity` and `weight`."""

    portfolio: Name
    quantity: Number | None = None
    weight: Number | None = None


class BlockBody(Body, frozen=True, kw_only=True):
    """A block to allocate: `proposed` asks for permission, `executed` tells what was filled.

    `fills` are the block's executions, or one of its whole quantity at its average price. All
    allocations give quantities, which add up to what was filled, or all give weights, whose shares
    are rounded down to whole lots of `lot_size` (default: the smallest unit, 0.000000000001); what
    that leaves goes by `remainder` (default: `largest_remainder`).
    """

    external_id: BlockName
    intent: Intent
    instrument: Name
    side: Side
    currency: CurrencyCode
    fills: Annotated[tuple[BlockFillBody, ...], msgspec.Meta(min_length=1, max_length=FILLS_MAX)]
    allocations: Annotated[
        tuple[AllocationBody, ...], msgspec.Meta(min_length=1, max_length=ALLOCATIONS_MAX)
    ]
    trade_date: date | None = None
    executed_at: Instant | None = None
    source_sequence: Sequence | None = None
    remainder: Remainder | None = None
    lot_size: Number | None = None
    source: Name | None = None


class BlockBustBody(Body, frozen=True):
    """A block cancelled by its source; `trade_date` where that names its trades per date."""

    reason: Reason
    trade_date: date | None = None


def block_command(body: BlockBody, source: str) -> AllocateBlock:
    """Build an allocation in the name of a source.

    Raises:
        BodyFaulty: a value is out of range, one fill is there twice, allocations are not all of
            one kind, or there is no date.
    """
    if body.trade_date is None and body.executed_at is None:
        raise BodyFaulty(
            BodyFault("date_missing", "Give trade_date, executed_at, or both.", "trade_date")
        )
    block = Block(
        source=source,
        external_id=body.external_id,
        intent=body.intent,
        instrument=body.instrument,
        side=body.side,
        currency=body.currency,
        fills=_fills(body),
        allocations=_allocations(body),
        trade_date=optional_day("trade_date", body.trade_date),
        executed_at=optional_instant("executed_at", body.executed_at),
        source_sequence=body.source_sequence,
        remainder=body.remainder,
        lot_size=None if body.lot_size is None else positive("lot_size", body.lot_size),
    )
    return AllocateBlock(block)


def bust_block_command(body: BlockBustBody, source: str, external_id: str) -> BustBlock:
    """Build a bust in the name of a source.

    Raises:
        BodyFaulty: the date is out of range.
    """
    day = body.trade_date
    return BustBlock(
        source=source,
        external_id=external_id,
        reason=body.reason,
        trade_date=None if day is None else plausible_day("trade_date", day),
    )


def _fills(body: BlockBody) -> tuple[BlockFill, ...]:
    places: dict[str, int] = {}
    fills: list[BlockFill] = []
    for index, each in enumerate(body.fills):
        place, given = f"fills[{index}].", each.consideration
        if each.external_id is not None:
            first = places.setdefault(each.external_id, index)
            if first != index:
                detail = f"This is the id of fills[{first}] too: give each fill once."
                raise _faulty(f"{place}external_id", detail)
        fills.append(
            BlockFill(
                quantity=positive(f"{place}quantity", each.quantity),
                price=not_negative(f"{place}price", each.price),
                fee=exact(f"{place}fee", each.fee),
                consideration=(
                    None if given is None else not_negative(f"{place}consideration", given)
                ),
                external_id=each.external_id,
            )
        )
    return tuple(fills)


def _allocations(body: BlockBody) -> tuple[Allocation, ...]:
    by_weight = body.allocations[0].weight is not None
    allocations: list[Allocation] = []
    for index, each in enumerate(body.allocations):
        place = f"allocations[{index}]."
        given = each.weight if by_weight else each.quantity
        if given is None or None not in (each.weight, each.quantity):
            kind = "weight" if by_weight else "quantity"
            detail = "Give all allocations a quantity and no weight, or all a weight only."
            raise _faulty(place + kind, detail)
        if by_weight:
            weight = positive(f"{place}weight", given)
            allocations.append(Allocation(portfolio=each.portfolio, weight=weight))
        else:
            quantity = positive(f"{place}quantity", given)
            allocations.append(Allocation(portfolio=each.portfolio, quantity=quantity))
    if not by_weight and (body.lot_size is not None or body.remainder is not None):
        field = "remainder" if body.lot_size is None else "lot_size"
        raise _faulty(field, "This belongs to weights; quantities are taken as given.")
    return tuple(allocations)


def _faulty(field: str, detail: str) -> BodyFaulty:
    return BodyFaulty(BodyFault("field_invalid", detail, field))
