"""What each fill realised, gross and net, and in base by price and by currency (convention 8)."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import msgspec

from domain.bridge import RateMissing
from domain.corporate_actions import SpinOff
from domain.lots import ClosedLot, Matching
from domain.money import ZERO, canonical
from domain.pnl import Acted, LotsInBase, Realised, act, move
from projections.asking import PAGE_ROWS_MAX, Readable
from projections.paging import Answer, Page
from projections.performance.booked import Execution
from projections.performance.history import History, of_portfolio
from projections.performance.moves import MovedLots
from projections.performance.standing import Effect
from projections.sorting import Field, sort_of, sorted_in_memory

IN_BOOK_ORDER = "book_order"
SORTS: Mapping[str, Field] = {
    IN_BOOK_ORDER: Field(str),
    "trade_date": Field(date),
    "instrument": Field(str),
    "currency": Field(str),
    "closed": Field(Decimal),
    "realised_gross": Field(Decimal),
    "realised_net": Field(Decimal),
    "price_part": Field(Decimal, is_nullable=True),
    "fx_part": Field(Decimal, is_nullable=True),
    "base_gross": Field(Decimal, is_nullable=True),
    "base_fees": Field(Decimal, is_nullable=True),
    "base_net": Field(Decimal, is_nullable=True),
}
"""What realised results are sorted by: all are folded for any page, so in any order."""


class RealisedFill(msgspec.Struct, frozen=True):
    """What a fill that closed something realised, at its place in book order.

    `closed` is signed as the lots were; `realised_gross` and `realised_net` are in `currency`. The
    other amounts are in `base_currency`, null where a fill of the instrument so far has no rate:
    gross is the sum of `price_part` and `fx_part`, net is gross less `base_fees`. Where `action` is
    named, a corporate action closed it and `trade_id` is that of its entry in the books: a fraction
    paid for, or a position against which lots of a spin-off were delivered. `lots` are the parts of
    lots that were closed: their results add up to the gross one.
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
    action: str | None = None
    lots: tuple[ClosedLot, ...] = ()


def realised_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    since: date | None = None,
    until: date | None = None,
    instrument: str | None = None,
    sort: str = IN_BOOK_ORDER,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[RealisedFill]:
    """List the fills of some trade dates that closed something, of all instruments or of one.

    Raises:
        CursorInvalid: the cursor is not of this question.
        HistoryTooLong: the portfolio has more facts than are folded for one answer.
        SortUnknown: there is no such field.
    """
    order = sort_of(sort, SORTS, {IN_BOOK_ORDER: str})
    question = f"realised {tenant} {portfolio} {since} {until} {instrument}"
    first, last = since or date.min, until or date.max

    def found(history: History) -> list[RealisedFill]:
        history.read(last)
        return [
            each
            for each in _realised(history)
            if each.trade_date >= first and instrument in {None, each.instrument}
        ]

    rows, answered = of_portfolio(readable, tenant=tenant, portfolio=portfolio, answer=found)
    return sorted_in_memory(
        answered, rows or [], question=question, order=order, cursor=cursor, limit=limit
    )


def realised_by(
    readable: Readable, *, tenant: str, portfolio: str, trade_id: UUID
) -> Answer[list[RealisedFill]]:
    """Give what one fill realised, or one entry of an action; empty where it closed nothing.

    Raises:
        HistoryTooLong: the portfolio has more facts than are folded for one answer.
    """

    def found(history: History) -> list[RealisedFill]:
        history.read(date.max)
        return [each for each in _realised(history) if each.trade_id == trade_id]

    rows, answered = of_portfolio(readable, tenant=tenant, portfolio=portfolio, answer=found)
    return Answer(rows, answered.position, answered.market_position)


class _InBase:
    """The lots of a portfolio in base; behind what has no rate nobody knows what lots cost."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._lots: dict[str, LotsInBase] = {}
        self._unrated: set[str] = set()

    def lots_of(self, name: str) -> LotsInBase:
        return self._lots.setdefault(name, LotsInBase(self._history.basis))

    def trade(self, fill: Execution, matching: Matching) -> tuple[Decimal | None, Realised | None]:
        """Fold a fill; give its rate and what it realised."""
        try:
            rate = self._history.rate_of(fill)
        except RateMissing:
            self._unrated.add(fill.instrument)
            return None, None
        if fill.instrument in self._unrated:
            return rate, None
        return rate, self.lots_of(fill.instrument).take(matching, fee=fill.fee, rate=rate)

    def move(self, moved: MovedLots) -> tuple[Decimal | None, Realised | None]:
        """Fold lots that moved; give their rate and what they closed."""
        name = moved.stood.instrument
        try:
            rate = self._history.rate_of_move(moved.stood)
        except RateMissing:
            self._unrated.add(name)
            return None, None
        if name in self._unrated:
            return rate, None
        return rate, move(self.lots_of(name), moved.stood.entry, moved.applied, rate=rate)

    def act(self, effect: Effect) -> tuple[Decimal | None, Acted | None]:
        """Fold an action; give its rate and what it realised."""
        action = effect.standing.action
        names = {action.instrument, effect.standing.instrument_paid}
        rate = None
        try:
            rate = self._history.rate_of_effect(effect)
        except RateMissing:
            self._unrated |= names
        if names & self._unrated:
            self._unrated |= names - {action.instrument}
            return rate, None
        child = self.lots_of(action.child) if isinstance(action, SpinOff) else None
        assert rate is not None, "what has none is unrated"
        lots = self.lots_of(action.instrument)
        return rate, act(lots, child, action, effect.applied, effect.delivered, rate=rate)


def _realised(history: History) -> Iterator[RealisedFill]:
    in_base = _InBase(history)
    for outcome in history.outcomes():
        if isinstance(outcome, Effect):
            yield from _rows_of_action(history.base_currency, outcome, *in_base.act(outcome))
            continue
        if isinstance(outcome, MovedLots):
            yield from _rows_of_move(history.base_currency, outcome, *in_base.move(outcome))
            continue
        fill, matching = outcome
        rate, realised = in_base.trade(fill, matching)
        if matching.closed:
            closer = _Closer(
                fill.trade_id, fill.on_date, fill.at, fill.instrument, fill.currency, None,
                fill.book_order,
            )  # fmt: skip
            yield _row(history.base_currency, closer, [matching], rate, realised)


def _rows_of_move(
    base: str, moved: MovedLots, rate: Decimal | None, realised: Realised | None
) -> Iterator[RealisedFill]:
    """Give what lots that came have closed of an opposite position."""
    stood, matchings = moved.stood, list(moved.applied.crossed)
    if matchings:
        closer = _Closer(
            stood.entry.entry_id, stood.on_date, None, stood.instrument, stood.currency, None,
            stood.book_order,
        )  # fmt: skip
        yield _row(base, closer, matchings, rate, realised)


class _Closer(NamedTuple):
    """What closed lots: a fill, or a corporate action."""

    trade_id: UUID
    trade_date: date
    executed_at: datetime | None
    instrument: str
    currency: str
    action: str | None
    book_order: str


def _rows_of_action(
    base: str, effect: Effect, rate: Decimal | None, acted: Acted | None
) -> Iterator[RealisedFill]:
    """Give what an action realised: of the fraction it paid for, then of what its lots closed."""
    standing = effect.standing
    paid = [] if effect.applied.in_lieu is None else [effect.applied.in_lieu]
    crossed = () if effect.delivered is None else effect.delivered.crossed
    found = (("1", paid, acted and acted.paid), ("2", list(crossed), acted and acted.crossed))
    for suffix, matchings, realised in found:
        if matchings:
            closer = _Closer(
                standing.action.entry_id, standing.on_date, None, standing.instrument_paid,
                standing.currency, standing.action.action, f"{standing.book_order} {suffix}",
            )  # fmt: skip
            yield _row(base, closer, matchings, rate, realised)


def _row(
    base: str,
    closer: _Closer,
    matchings: list[Matching],
    rate: Decimal | None,
    realised: Realised | None,
) -> RealisedFill:
    closed = sum((part.quantity for each in matchings for part in each.closed), ZERO)
    known = realised is not None
    parts = realised or Realised()
    return RealisedFill(
        trade_id=closer.trade_id,
        trade_date=closer.trade_date,
        executed_at=closer.executed_at,
        instrument=closer.instrument,
        closed=canonical(closed),
        currency=closer.currency,
        realised_gross=canonical(sum((each.realised_gross for each in matchings), ZERO)),
        realised_net=canonical(sum((each.realised_net for each in matchings), ZERO)),
        base_currency=base,
        rate_to_base=rate,
        price_part=canonical(parts.price) if known else None,
        fx_part=canonical(parts.currency) if known else None,
        base_gross=canonical(parts.gross) if known else None,
        base_fees=canonical(parts.fees) if known else None,
        base_net=canonical(parts.net) if known else None,
        book_order=closer.book_order,
        action=closer.action,
        lots=tuple(part for each in matchings for part in each.closed),
    )
