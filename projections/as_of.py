"""Positions and cash as of another time: as known at a position, up to the end of a business date.

Folded when asked for, from the portfolio's own events: fills and corporate actions in book order by
the domain's book, cash by the legs of `cash`. An action counts from its ex-date, what it pays from
the value date. Nothing is valued: marks are not part of what is folded.
"""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

import msgspec

from domain.book import Entry
from domain.limits.events import LimitBreachClosed, LimitBreachOpened
from domain.lots import CostBasis
from domain.money import average, canonical
from domain.portfolio.basis_events import CostBasisApplied
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    DividendPaid,
    LotsSpunOff,
)
from domain.portfolio.entries import Entries, EntryTold, follow_entries
from domain.portfolio.events import (
    CashDeposited,
    CashSettled,
    CashWithdrawn,
    LotsClosed,
    LotsRestated,
    PortfolioEvent,
    PortfolioOpened,
    TradeBooked,
    TradeCashMoved,
    TradeUnbooked,
    is_portfolio_event,
)
from domain.portfolio.life import CashExchanged, FeeCharged, InterestBooked, StandingEvent
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut
from domain.refolding import refold
from projections.asking import PAGE_ROWS_MAX, Answered, Readable
from projections.audit import known_of
from projections.cash.legs import legs
from projections.cash.model import BalanceRow
from projections.paging import Page, page_of, read_cursor
from projections.read_model import Decoded

Time = int | datetime
"""A position of the log, or a moment."""


class PositionAsOf(msgspec.Struct, frozen=True, kw_only=True):
    """A position without a value; amounts in `currency`, signed, negative for shorts."""

    portfolio: str
    instrument: str
    cost_basis: CostBasis
    currency: str
    quantity: Decimal
    cost: Decimal
    average_cost: Decimal | None
    fees: Decimal
    realised_gross: Decimal
    realised_net: Decimal
    changed_position: int


class Books:
    """One portfolio's books and cash up to the end of a business date, from what was known."""

    def __init__(self, known: Iterable[Decoded], *, valid_at: date | None = None) -> None:
        self._until = valid_at or date.max
        self._entries: dict[str, Entries] = {}
        self._currencies: dict[str, str] = {}
        self._changed: dict[str, int] = {}
        self._balances: dict[str, BalanceRow] = {}
        self.opened: PortfolioOpened | None = None
        for decoded in known:
            assert is_portfolio_event(decoded.event), "a portfolio's stream holds its events"
            self._take(decoded, decoded.event)

    def _take(self, decoded: Decoded, event: PortfolioEvent) -> None:
        match event:
            case TradeBooked() | TradeUnbooked():
                self._take_entry(event, event.fill.trade_date, decoded.position)
                self._move(decoded)
            case CorporateActionApplied() | CorporateActionUnapplied() | LotsSpunOff():
                self._take_entry(event, event.terms.action.ex_date, decoded.position)
                self._move(decoded)
            case CostBasisApplied():
                self._take_entry(event, event.from_date, decoded.position)
            case LotsTransferredOut() | LotsTransferredIn():
                self._take_entry(event, event.transfer.trade_date, decoded.position)
            case CashDeposited() | CashWithdrawn() | FeeCharged() | InterestBooked():
                self._move(decoded)
            case CashExchanged() | DividendPaid():
                self._move(decoded)
            case LotsRestated():
                if event.from_date <= self._until:
                    self._changed[event.instrument] = decoded.position
            case LotsClosed():
                if event.trade_id in self._entries.get(event.instrument, ()):
                    self._changed[event.instrument] = decoded.position
            case PortfolioOpened():
                self.opened = event
            case CashSettled() | TradeCashMoved():
                pass  # Trade-date cash: what settles has been counted.
            case LimitBreachOpened() | LimitBreachClosed():
                pass  # They move nothing.
            case _:
                _require_standing(event)

    def _take_entry(self, event: EntryTold, on: date, position: int) -> None:
        if on > self._until:
            return
        self._changed[event.instrument] = position
        self._currencies[event.instrument] = event.currency
        follow_entries(self._entries.setdefault(event.instrument, {}), position, event)

    def _move(self, decoded: Decoded) -> None:
        for leg in legs(decoded):
            if leg.value_date <= self._until:
                key = (leg.tenant, leg.portfolio, leg.currency)
                self._balances.setdefault(leg.currency, BalanceRow(*key)).add([leg])

    def positions(self, *, include_closed: bool = False) -> list[PositionAsOf]:
        """List the positions by instrument, without a value."""
        assert self.opened is not None, "only an open portfolio has positions"
        views = [
            self._position(self.opened, instrument, [entry for _, entry in entries.values()])
            for instrument, entries in sorted(self._entries.items())
            if entries
        ]
        return [view for view in views if include_closed or view.quantity]

    def _position(
        self, opened: PortfolioOpened, instrument: str, entries: Iterable[Entry]
    ) -> PositionAsOf:
        book, _ = refold(entries, opened.cost_basis)
        quantity, cost = canonical(book.quantity), canonical(book.cost)
        return PositionAsOf(
            portfolio=opened.portfolio,
            instrument=instrument,
            cost_basis=book.basis,
            currency=self._currencies[instrument],
            quantity=quantity,
            cost=cost,
            average_cost=average(cost, quantity),
            fees=canonical(book.fees),
            realised_gross=canonical(book.realised_gross),
            realised_net=canonical(book.realised_net),
            changed_position=self._changed[instrument],
        )

    def balances(self) -> list[BalanceRow]:
        """List what is held in each currency; a balance is the sum of its legs."""
        rows = [self._balances[currency] for currency in sorted(self._balances)]
        for row in rows:
            row.balance = canonical(row.sum_of_kinds)
        return rows


def positions_as_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    known_at: Time | None = None,
    valid_at: date | None = None,
    include_closed: bool = False,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[PositionAsOf] | None:
    """List positions as of another time; further pages are of the first one's position.

    None where the portfolio was not known then.

    Raises:
        CursorInvalid: the cursor is not of this question.
        HistoryTooLong: as `known_of` says.
    """
    question = f"positions as of {tenant} {portfolio} {known_at} {valid_at} {include_closed}"
    after = ""
    if cursor is not None:
        known_at, after = read_cursor(question, cursor, tuple[int, str])
    known = known_of(readable, tenant=tenant, portfolio=portfolio, known_at=known_at)
    books = Books(known.events, valid_at=valid_at)
    if books.opened is None:
        return None
    views = books.positions(include_closed=include_closed)
    rows = [view for view in views if view.instrument > after][: limit + 1]
    answered = Answered(known.position, known.market_position, [])
    key = known.position
    return page_of(question, answered, rows, limit=limit, key=lambda row: (key, row.instrument))


def balances_as_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    known_at: Time | None = None,
    valid_at: date | None = None,
) -> Page[BalanceRow] | None:
    """List cash as of another time; None where the portfolio was not known then.

    Raises:
        HistoryTooLong: as `known_of` says.
    """
    known = known_of(readable, tenant=tenant, portfolio=portfolio, known_at=known_at)
    books = Books(known.events, valid_at=valid_at)
    if books.opened is None:
        return None
    return Page(books.balances(), known.position, known.market_position)


def _require_standing(_event: StandingEvent) -> None:
    """Take what changes no books; the type checker names an event that nobody has thought of."""
