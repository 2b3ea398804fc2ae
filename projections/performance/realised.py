"""What each fill realised, gross and net, and in base by price and by currency (convention 8)."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.bridge import RateMissing
from domain.lots import Matching
from domain.money import ZERO, canonical
from domain.pnl import LotsInBase, Realised
from projections.asking import PAGE_ROWS_MAX, Readable
from projections.paging import Page, page_of, read_cursor
from projections.performance.history import Execution, History, of_portfolio


class RealisedFill(msgspec.Struct, frozen=True):
    """What a fill that closed something realised, at its place in book order.

    `closed` is signed as the lots were; `realised_gross` and `realised_net` are in `currency`. The
    other amounts are in `base_currency`, null where a fill of the instrument so far has no rate:
    gross is the sum of `price_part` and `fx_part`, net is gross less `base_fees`.
    """

    trade_id: UUID
    trade_date: date
    executed_at: datetime | None
    instrument: str
    closed: Decimal
    currency: str
    realised_gross: Decimal
    realised_net: Decimal
    base_currency: str
    rate_to_base: Decimal | None
    price_part: Decimal | None
    fx_part: Decimal | None
    base_gross: Decimal | None
    base_fees: Decimal | None
    base_net: Decimal | None
    book_order: str


def realised_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    since: date | None = None,
    until: date | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[RealisedFill]:
    """List the fills of some trade dates that closed something, in book order.

    Raises:
        CursorInvalid: the cursor is not of this question.
        HistoryTooLong: the portfolio has more facts than are folded for one answer.
    """
    question = f"realised {tenant} {portfolio} {since} {until}"
    after = "" if cursor is None else read_cursor(question, cursor, str)
    first, last = since or date.min, until or date.max

    def found(history: History) -> list[RealisedFill]:
        history.read(last)
        rows = (each for each in _realised(history) if each.trade_date >= first)
        return [each for each in rows if each.book_order > after]

    rows, answered = of_portfolio(readable, tenant=tenant, portfolio=portfolio, answer=found)
    return page_of(question, answered, rows or [], limit=limit, key=lambda row: row.book_order)


def _realised(history: History) -> Iterator[RealisedFill]:
    lots: dict[str, LotsInBase] = {}
    unrated: set[str] = set()
    for fill, matching in history.matched():
        instrument = lots.setdefault(fill.instrument, LotsInBase(history.basis))
        rate = None
        realised: Realised | None = None
        try:
            rate = history.rate_of(fill)
        except RateMissing:
            unrated.add(fill.instrument)
        # Behind a fill without a rate nobody knows what the lots cost in base.
        if rate is not None and fill.instrument not in unrated:
            realised = instrument.take(matching, fee=fill.fee, rate=rate)
        if matching.closed:
            yield _row(history.base_currency, fill, matching, rate, realised)


def _row(
    base: str, fill: Execution, matching: Matching, rate: Decimal | None, realised: Realised | None
) -> RealisedFill:
    closed = sum((part.quantity for part in matching.closed), ZERO)
    known = realised is not None
    parts = realised or Realised()
    return RealisedFill(
        trade_id=fill.trade_id,
        trade_date=fill.on_date,
        executed_at=fill.at,
        instrument=fill.instrument,
        closed=canonical(closed),
        currency=fill.currency,
        realised_gross=canonical(matching.realised_gross),
        realised_net=canonical(matching.realised_net),
        base_currency=base,
        rate_to_base=rate,
        price_part=canonical(parts.price) if known else None,
        fx_part=canonical(parts.currency) if known else None,
        base_gross=canonical(parts.gross) if known else None,
        base_fees=canonical(parts.fees) if known else None,
        base_net=canonical(parts.net) if known else None,
        book_order=fill.book_order,
    )
