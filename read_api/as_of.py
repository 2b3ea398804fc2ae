"""Positions and cash as of another time, as readers are told of them."""

from gateway.interface import Call, not_found
from gateway.problem import Problem
from projections.as_of import balances_as_of, positions_as_of
from projections.asking import Readable
from projections.positions.queries import POSITIONS_SORT, PriceSource
from read_api import shaping
from read_api.parameters import PositionsAsked, TimeAsked
from read_api.shaping import page_shaped, shaped

_NOT_VALUED = dict.fromkeys(
    (
        "symbol",
        "sector",
        "asset_class",
        "price",
        "price_at",
        "price_date",
        "is_stale",
        "is_suspended",
        "is_delisted",
        "market_value",
        "unrealised_gross",
    )
)


def is_of_another_time(asked: TimeAsked | PositionsAsked) -> bool:
    """Tell whether another time than now is asked for.

    Raises:
        Problem: `parameter_invalid` where nothing can be as of `known_at` and of `min_position`.
    """
    if isinstance(asked.known_at, int) and asked.known_at < asked.min_position:
        raise _too_early()
    is_then = asked.known_at is not None or asked.valid_at is not None
    if is_then and isinstance(asked, PositionsAsked) and asked.sort != POSITIONS_SORT:
        detail = f"As of another time they come by {POSITIONS_SORT}: leave sort out."
        raise Problem("parameter_invalid", detail, fields=("sort",))
    return is_then


def positions_then(readable: Readable, call: Call, portfolio: str) -> shaping.Positions:
    """List positions as of another time; what only a valuation or the present knows is null."""
    page = positions_as_of(
        readable,
        tenant=call.principal.tenant,
        portfolio=portfolio,
        known_at=call.parameters.known_at,
        valid_at=call.parameters.valid_at,
        include_closed=call.parameters.include_closed,
        cursor=call.parameters.cursor,
        limit=call.parameters.limit,
    )
    if page is None:
        raise not_found()
    _require_known(page.position, call)
    items = [
        shaped(shaping.Position, row, price_source=PriceSource.NONE, **_NOT_VALUED)
        for row in page.rows
    ]
    return page_shaped(shaping.Positions, page, items)


def balances_then(readable: Readable, call: Call, portfolio: str) -> shaping.Balances:
    """List cash as of another time."""
    page = balances_as_of(
        readable,
        tenant=call.principal.tenant,
        portfolio=portfolio,
        known_at=call.parameters.known_at,
        valid_at=call.parameters.valid_at,
    )
    if page is None:
        raise not_found()
    _require_known(page.position, call)
    items = [shaped(shaping.Balance, row) for row in page.rows]
    return page_shaped(shaping.Balances, page, items)


def _require_known(position: int, call: Call) -> None:
    """Refuse what was known before `min_position`: a moment, or the page that a cursor goes on."""
    if position < call.parameters.min_position:
        raise _too_early()


def _too_early() -> Problem:
    return Problem(
        "parameter_invalid",
        "Give `known_at` at or behind `min_position`, or only one of them.",
        fields=("known_at", "min_position"),
    )
