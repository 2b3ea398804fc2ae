"""Allocating a block: whole quantities, and consideration and fee that add up to the block's.

Weights are split in whole numbers of the smallest unit, so nothing is rounded but downwards to
lots; what that leaves goes by a named rule. Consideration and fee follow quantity.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from domain.block import Allocation, Block, BlockFill, Remainder
from domain.money import PLACES, SMALLEST, ZERO, canonical, share, within
from domain.portfolio.booking import consideration
from domain.rejection import Rejection
from domain.rules.always import consideration_breach
from domain.trade import Capture, Intent


class Total(NamedTuple):
    """What all fills of a block add up to."""

    quantity: Decimal
    consideration: Decimal
    fee: Decimal


class Part(NamedTuple):
    """What one portfolio gets of a block."""

    portfolio: str
    quantity: Decimal
    consideration: Decimal
    fee: Decimal


def allocate(block: Block) -> list[Part]:
    """Split a block over its portfolios, in the order listed; some may get nothing.

    Quantities, considerations and fees add up to those of the fills. Consideration and fee are
    cumulated in the order of the portfolios' names, each sum rounded half-even to 12 decimals.

    Raises:
        Rejection: `allocations_differ` from what was filled; `portfolio_twice`; `out_of_range`;
            proposed: `consideration_mismatch` of a fill.
    """
    _require_distinct(block.allocations)
    if block.intent is Intent.PROPOSED:
        _require_what_it_costs(block.fills)
    total = total_of(block.fills)
    quantities = _quantities(block, total.quantity)
    split: dict[str, Part] = {}
    done = Total(ZERO, ZERO, ZERO)
    for portfolio, quantity in sorted(quantities.items()):
        until = done.quantity + quantity
        sums = Total(
            until,
            share(total.consideration, until, total.quantity),
            share(total.fee, until, total.quantity),
        )
        parts = (canonical(now - before) for now, before in zip(sums, done, strict=True))
        split[portfolio] = Part(portfolio, *parts)
        done = sums
    return [split[portfolio] for portfolio in quantities]


def total_of(fills: Iterable[BlockFill]) -> Total:
    """Add fills up.

    Raises:
        Rejection: `out_of_range`.
    """
    quantity = amount = fee = ZERO
    for each in fills:
        quantity += each.quantity
        amount += consideration(each.quantity, each.price, each.consideration)
        fee += each.fee
    return Total(within("quantity", quantity), within("consideration", amount), within("fee", fee))


def captures_of(block: Block, parts: Sequence[Part]) -> list[Capture]:
    """Give the capture of each part that is one, at the block's average price.

    The price is rounded half-even to 12 decimals; what counts is the consideration.

    Raises:
        Rejection: `out_of_range`.
    """
    total = total_of(block.fills)
    price = within("price", share(total.consideration, Decimal(1), total.quantity))
    return [
        Capture(
            portfolio=part.portfolio,
            source=block.source,
            external_id=allotted_name(block.external_id, part.portfolio),
            intent=block.intent,
            instrument=block.instrument,
            side=block.side,
            quantity=part.quantity,
            price=price,
            currency=block.currency,
            fee=part.fee,
            trade_date=block.trade_date,
            executed_at=block.executed_at,
            source_sequence=block.source_sequence,
            consideration=part.consideration,
            block=block.external_id,
        )
        for part in parts
        if part.quantity
    ]


def allotted_name(block: str, portfolio: str) -> str:
    """Name a portfolio's trade of a block; no portfolio's name holds a slash."""
    return f"{block}/{portfolio}"


def _require_distinct(allocations: Sequence[Allocation]) -> None:
    seen: set[str] = set()
    for each in allocations:
        if each.portfolio in seen:
            raise Rejection("portfolio_twice", f"{each.portfolio} is listed more than once.")
        seen.add(each.portfolio)


def _require_what_it_costs(fills: Iterable[BlockFill]) -> None:
    for each in fills:
        amount = consideration(each.quantity, each.price, each.consideration)
        breach = consideration_breach(each.quantity, each.price, amount)
        if breach is not None:
            raise Rejection(breach.rule, breach.message, breaches=(breach,))


def _quantities(block: Block, total: Decimal) -> dict[str, Decimal]:
    """Give what each portfolio gets, in the order listed."""
    given = {each.portfolio: each.quantity for each in block.allocations if each.quantity}
    if not given:
        return _by_weight(block, total)
    assert len(given) == len(block.allocations), "all have quantities, or all have weights"
    allocated = sum(given.values(), ZERO)
    if allocated == total:
        return given
    message = f"{allocated:f} allocated, {total:f} filled."
    raise Rejection("allocations_differ", message)


def _by_weight(block: Block, total: Decimal) -> dict[str, Decimal]:
    """Give each whole lots, rounded down, and what is left by the block's rule.

    All numbers are counted in smallest units: there is nothing to round.
    """
    weights = [_units(each.weight) for each in block.allocations]
    lot = _units(SMALLEST if block.lot_size is None else block.lot_size)
    whole, left = sum(weights) * lot, _units(total)
    counted: list[int] = []
    lost: list[int] = []
    for weight in weights:
        lots, remainder = divmod(_units(total) * weight, whole)
        counted.append(lots * lot)
        lost.append(remainder)
        left -= lots * lot
    match block.remainder or Remainder.LARGEST_REMAINDER:
        case Remainder.FIRST:
            counted[0] += left
        case Remainder.LAST:
            counted[-1] += left
        case Remainder.LARGEST_REMAINDER:
            for index in sorted(range(len(lost)), key=lambda index: -lost[index]):
                more = min(lot, left)
                counted[index] += more
                left -= more
            assert left == 0, "fewer lots are left than there are portfolios"
    quantities = (canonical(Decimal(units).scaleb(-PLACES)) for units in counted)
    return dict(zip((each.portfolio for each in block.allocations), quantities, strict=True))


def _units(number: Decimal | None) -> int:
    assert number is not None, "all have quantities, or all have weights"
    return int(number.scaleb(PLACES))
