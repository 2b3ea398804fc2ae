"""The endpoints that open a position, and the cash of a currency: the lines that they add up to."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from starlette.responses import Response

from domain.lots import ClosedLot as Closed
from domain.money import canonical
from gateway.access import Action
from gateway.decoding import CurrencyCode
from gateway.interface import Call, Endpoint, not_found
from projections import position_lines
from projections.asking import Readable
from projections.cash import explaining
from projections.positions.queries import PositionView
from read_api.asking import Asking, PageAsked, require_portfolio
from read_api.declaring import query
from read_api.parameters import INSTRUMENT, PORTFOLIO
from read_api.realised_lots import ClosedLot
from read_api.shaping import Amount, Quotient, Shaped, ShapedPage, plain, shaped


class PositionFigures(Shaped, frozen=True):
    """The additive figures of a position; `fees` are the opening fees that open lots carry."""

    quantity: Amount
    cost: Amount
    fees: Amount
    realised_gross: Amount
    realised_net: Amount


class BookLine(Shaped, frozen=True):
    """One entry of a book, in book order.

    `event` is the log position of what told it, in its last revision; `name` the source's id of a
    trade, else that of the action or transfer; `fee` the whole one of a trade. `closed` are the
    parts of lots that it closed.
    """

    event: int
    kind: str
    entry_id: UUID
    name: str
    on_date: date
    at: datetime | None
    fee: Amount
    closed: tuple[ClosedLot, ...]


class PositionLine(BookLine, frozen=True):
    """What one entry of the book changed, and the figures behind it."""

    change: PositionFigures
    after: PositionFigures


class ExplainedValue(Shaped, frozen=True):
    """`market_value` = `quantity` x `told_price` x `units_old` / `units_new`, divided last.

    `event` is that of the mark, the write-down, or the last execution that told the price; since
    then splits have made `units_new` of `units_old`.
    """

    market_value: Amount | None
    unrealised_gross: Amount | None
    quantity: Amount
    told_price: Amount | None
    units_new: int
    units_old: int
    price: Quotient | None
    price_source: str
    price_at: datetime | None
    price_date: date | None
    is_stale: bool
    event: int | None


class PositionLines(ShapedPage, frozen=True):
    """A page of lines; the changes of all of them add up to `total`, the row of `/positions`.

    Further pages are of the first one's position, which alone has a `value`.
    """

    instrument: str
    currency: str
    total: PositionFigures
    value: ExplainedValue | None
    items: tuple[PositionLine, ...]


class CashLinesAsked(PageAsked, kw_only=True):
    """Of which currency; of one value date: what pends, or pended, for it."""

    currency: CurrencyCode
    value_date: Annotated[
        date | None, msgspec.Meta(description="Only what pends, or pended, for this value date.")
    ] = None


class CashFigures(Shaped, frozen=True):
    """Cash as the ladder shows it: `balance` is the sum of the four others."""

    balance: Amount
    settled: Amount
    pending_in: Amount
    pending_out: Amount
    failing: Amount


class CashLeg(Shaped, frozen=True):
    """A part of what a fact moved, and why, as `/cash/movements` says it."""

    kind: str
    amount: Amount


class CashLine(Shaped, frozen=True):
    """What one fact changed, and the sums up to it, in the order in which facts became known.

    `kind` is that of its first leg, `settlement` of a value date, or `custodian` for a word of one.
    It counts from `on_date`; `value_date` is that for which it pends, or pended.
    """

    event: int
    kind: str
    on_date: date
    value_date: date | None
    trade_id: UUID | None
    instrument: str | None
    legs: tuple[CashLeg, ...]
    change: CashFigures
    after: CashFigures


class CashLines(ShapedPage, frozen=True):
    """A page of lines; the changes of all of them add up to `total`, the figures of the ladder.

    Further pages are of the first one's position.
    """

    currency: str
    total: CashFigures
    items: tuple[CashLine, ...]


def explained_line_endpoints(asking: Asking) -> Sequence[Endpoint]:
    """Give the addresses."""
    own = "/v1/portfolios/{portfolio}"

    async def position(call: Call) -> Response:
        def ask(readable: Readable) -> PositionLines:
            return _position(readable, call)

        home = asking.home_of(call.principal.tenant, call.named(PORTFOLIO))
        return await asking.answer(call, "positions", ask, home)

    async def cash(call: Call) -> Response:
        def ask(readable: Readable) -> CashLines:
            return _cash(readable, call)

        home = asking.home_of(call.principal.tenant, call.named(PORTFOLIO))
        return await asking.answer(call, "cash", ask, home)

    return (
        query(
            f"{own}/positions/{{instrument}}/explain",
            "explain_position",
            "What a position is made of: the lines that each figure is the sum of",
            Action.READ_POSITIONS,
            PageAsked,
            PositionLines,
            position,
            PORTFOLIO,
            INSTRUMENT,
            problems=("history_too_long",),
        ),
        query(
            f"{own}/cash/explain",
            "explain_cash",
            "What the cash of a currency is made of: the facts that each figure is the sum of",
            Action.READ_CASH,
            CashLinesAsked,
            CashLines,
            cash,
            PORTFOLIO,
            problems=("history_too_long",),
        ),
    )


def _position(readable: Readable, call: Call) -> PositionLines:
    tenant, portfolio = call.principal.tenant, call.named(PORTFOLIO)
    require_portfolio(readable, tenant=tenant, portfolio=portfolio)
    found, page = position_lines.explained_position(
        readable,
        tenant=tenant,
        portfolio=portfolio,
        instrument=call.named(INSTRUMENT),
        cursor=call.parameters.cursor,
        limit=call.parameters.limit,
    )
    if found is None:
        raise not_found()
    return shaped(
        PositionLines,
        page,
        instrument=found.instrument,
        currency=found.currency,
        total=shaped(PositionFigures, found.total),
        value=None if found.row is None else value_shaped(found.row, found.price_event),
        items=tuple(map(_line, page.rows)),
    )


def value_shaped(row: PositionView, event: int | None) -> ExplainedValue:
    """Tell what a position is worth, and the event that told its price."""
    return shaped(
        ExplainedValue, row, units_new=row.scale.new, units_old=row.scale.old, event=event
    )


def _line(line: position_lines.PositionLine[position_lines.PositionFigures]) -> PositionLine:
    return shaped(
        PositionLine,
        line,
        change=shaped(PositionFigures, line.change),
        after=shaped(PositionFigures, line.after),
        closed=closed_shaped(line.closed),
    )


def closed_shaped(closed: Iterable[Closed]) -> tuple[ClosedLot, ...]:
    """Tell the parts of lots that were closed."""
    return tuple(
        shaped(ClosedLot, lot, proceeds=plain(canonical(lot.cost + lot.realised_gross)))
        for lot in closed
    )


def _cash(readable: Readable, call: Call) -> CashLines:
    tenant, portfolio = call.principal.tenant, call.named(PORTFOLIO)
    asked: CashLinesAsked = call.parameters
    require_portfolio(readable, tenant=tenant, portfolio=portfolio)
    total, page = explaining.explained_cash(
        readable,
        tenant=tenant,
        portfolio=portfolio,
        currency=asked.currency,
        value_date=asked.value_date,
        cursor=asked.cursor,
        limit=asked.limit,
    )
    return shaped(
        CashLines,
        page,
        currency=asked.currency,
        total=shaped(CashFigures, total),
        items=tuple(
            shaped(
                CashLine,
                line,
                legs=tuple(shaped(CashLeg, leg) for leg in line.legs),
                change=shaped(CashFigures, line.change),
                after=shaped(CashFigures, line.after),
            )
            for line in page.rows
        ),
    )
