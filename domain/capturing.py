"""Deciding a capture: trade and portfolio together, in one step (convention 1)."""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.book import Book, History
from domain.calendars import local_date
from domain.currencies import require_currency
from domain.instrument import Instrument
from domain.lots import Fill, Side
from domain.money import within
from domain.portfolio.booking import Booking, book_fill, cash_change, consideration
from domain.portfolio.cash import require_open
from domain.portfolio.state import Portfolio
from domain.rejection import Breach, Rejection
from domain.rules import Proposal, breaches_of, moment_of
from domain.settlement_dates import value_date_of
from domain.trade import Capture, Intent, TradeCaptured, TradeParked, TradeReleased


class Surroundings(msgspec.Struct, frozen=True, gc=False):
    """What a capture is judged against.

    `history` is that of the instrument in the portfolio; it is asked only for a fill so late in
    book order that the book forgot. `rate_at` gives units of one currency for one of another at an
    instant.
    """

    portfolio: Portfolio | None
    instrument: Instrument | None
    market_position: int
    now: datetime
    history: History
    rate_at: Callable[[str, str, datetime], Decimal | None]


class Booked(msgspec.Struct, frozen=True, gc=False):
    """An accepted capture: the trade's event, and the portfolio's events, none if it is parked."""

    trade: TradeCaptured | TradeParked | TradeReleased
    bookings: tuple[Booking, ...] = ()
    breaches: tuple[Breach, ...] = ()


def capture_trade(capture: Capture, *, trade_id: UUID, around: Surroundings) -> Booked:
    """Decide a capture: booked, or parked if executed in an instrument not yet registered.

    Raises:
        Rejection: proposed: any breach; executed: only what cannot be understood, which is an
            unknown portfolio or currency, or a currency that is not the instrument's.
    """
    require_open(around.portfolio, capture.portfolio)
    require_currency(capture.currency)
    if around.instrument is None:
        if capture.intent is Intent.EXECUTED:
            parked = TradeParked(
                trade_id=trade_id,
                capture=capture,
                market_position=around.market_position,
                received_at=around.now,
            )
            return Booked(parked)
        message = f"Instrument {capture.instrument} is not registered."
        raise Rejection("instrument_unknown", message)
    bookings, breaches = book_capture(capture, trade_id, around)
    captured = TradeCaptured(
        trade_id=trade_id,
        capture=capture,
        market_position=around.market_position,
        breaches=breaches,
        received_at=around.now,
    )
    return Booked(captured, bookings, breaches)


def release_trade(parked: Capture, *, trade_id: UUID, around: Surroundings) -> Booked:
    """Decide the release of a parked trade whose instrument has appeared.

    Raises:
        Rejection: `instrument_unknown` still, or `currency_mismatch`: it stays parked.
    """
    if around.instrument is None:
        message = f"Instrument {parked.instrument} is not registered."
        raise Rejection("instrument_unknown", message)
    bookings, breaches = book_capture(parked, trade_id, around)
    released = TradeReleased(
        trade_id=trade_id,
        portfolio=parked.portfolio,
        instrument=parked.instrument,
        market_position=around.market_position,
        breaches=breaches,
    )
    return Booked(released, bookings, breaches)


def fill_of(capture: Capture, *, trade_id: UUID, calendar: str) -> Fill:
    """Resolve a capture to the fill it books: its trade date and consideration filled in."""
    trade_date = capture.trade_date
    if trade_date is None:
        assert capture.executed_at is not None, "a capture has a date or an instant"
        trade_date = local_date(calendar, capture.executed_at)
    amount = consideration(capture.quantity, capture.price, capture.consideration)
    return Fill(
        trade_id=trade_id,
        source=capture.source,
        external_id=capture.external_id,
        side=capture.side,
        quantity=capture.quantity,
        price=capture.price,
        consideration=within("consideration", amount),
        fee=capture.fee,
        trade_date=trade_date,
        executed_at=capture.executed_at,
        source_sequence=capture.source_sequence,
        value_date=value_date_of(calendar, capture.currency, trade_date),
        closes=capture.closes,
    )


def book_capture(
    capture: Capture, trade_id: UUID, around: Surroundings
) -> tuple[tuple[Booking, ...], tuple[Breach, ...]]:
    """Judge and book a capture whose instrument is known; give its bookings and breaches.

    Raises:
        Rejection: as `capture_trade` says.
    """
    portfolio, instrument = around.portfolio, around.instrument
    opened = require_open(portfolio, capture.portfolio)
    assert portfolio is not None, "an open portfolio is there"
    assert instrument is not None, "an unknown instrument was parked or refused before"
    require_same_currency(capture, instrument)
    fill = fill_of(capture, trade_id=trade_id, calendar=instrument.calendar)
    book = portfolio.book(capture.instrument)
    held = book.quantity
    signed = fill.quantity if fill.side is Side.BUY else -fill.quantity
    proposal = Proposal(
        capture,
        fill,
        opened,
        instrument,
        held,
        held + signed,
        portfolio.balance(capture.currency),
        cash_change(fill),
        around.now,
        portfolio.standing,
        _not_open(capture.closes, book) if capture.closes else (),
    )
    breaches = breaches_of(proposal)
    if breaches and capture.intent is Intent.PROPOSED:
        raise Rejection(breaches[0].rule, breaches[0].message, breaches=breaches)
    bookings = book_fill(
        portfolio,
        instrument=capture.instrument,
        currency=capture.currency,
        fill=fill,
        history=around.history,
        rate_to_base=around.rate_at(capture.currency, opened.base_currency, moment_of(fill)),
    )
    return tuple(bookings), breaches


def _not_open(named: Iterable[UUID], book: Book) -> tuple[UUID, ...]:
    is_open = {lot.trade_id for lot in book.lots}
    return tuple(trade_id for trade_id in named if trade_id not in is_open)


def require_same_currency(capture: Capture, instrument: Instrument) -> None:
    """Refuse another currency than the instrument's: its amounts cannot join the lots."""
    if capture.currency == instrument.currency:
        return
    breach = Breach(
        "currency_mismatch",
        f"{capture.instrument} trades in {instrument.currency}, not {capture.currency}.",
        limit=instrument.currency,
        actual=capture.currency,
    )
    raise Rejection("currency_mismatch", breach.message, breaches=(breach,))
