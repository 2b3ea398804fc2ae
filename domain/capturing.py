"""Deciding a capture: trade and portfolio together, in one step (convention 1)."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.book import Book, History
from domain.calendars import local_date
from domain.currencies import require_currency
from domain.instrument import Instrument
from domain.limits.controls import NOTHING, Controls, Covering
from domain.limits.events import OverrideApproved
from domain.limits.scope import sector_of
from domain.lots import Fill, Side
from domain.marks import NO_MARKS, Marks
from domain.money import Money, within
from domain.portfolio.acting import book_events, catch_up, catch_up_book
from domain.portfolio.booking import book_fill, cash_change, consideration
from domain.portfolio.cash import require_open
from domain.portfolio.events import PortfolioEvent, PortfolioOpened, TradeBooked
from domain.portfolio.exchanging import exchange_beside, exchanged_event
from domain.portfolio.life import CashExchanged
from domain.portfolio.overdue import Acting, needs_acting
from domain.portfolio.state import Portfolio
from domain.portfolio.working import HistoryOf, RateAt, Working
from domain.rejection import Breach, Rejection
from domain.rules.exposure import Exposures
from domain.rules.judging import breaches_of, refuses
from domain.rules.proposal import Proposal, UsageOf, moment_of, no_usage
from domain.settlement_dates import value_date_of
from domain.trade import Capture, Exchanged, Intent, TradeCaptured, TradeParked, TradeReleased

NO_ACTIONS = Acting(lambda _: None)


class Surroundings(msgspec.Struct, frozen=True, gc=False):
    """What a capture is judged against.

    `history_of` is asked only for a fill so late in book order that the book forgot. `rate_at`
    gives units of one currency for one of another at an instant. `working` is the portfolio as
    earlier parts of the same decision left it, if there were any. `controls` are those of the
    tenant, `usage_of` tells what several portfolios used of a limit they share.
    """

    portfolio: Portfolio | None
    instrument: Instrument | None
    market_position: int
    now: datetime
    history_of: HistoryOf
    rate_at: RateAt
    acting: Acting = NO_ACTIONS
    working: Working | None = None
    controls: Controls | None = None
    marks: Marks = NO_MARKS
    usage_of: UsageOf = no_usage

    def covering(self, capture: Capture, day: date) -> Covering:
        """Give what controls say of a trade of a date in an instrument that is known."""
        if self.controls is None:
            return NOTHING
        assert self.instrument is not None, "what is judged is known"
        return self.controls.covering(
            portfolio=capture.portfolio,
            instrument=capture.instrument,
            sector=sector_of(self.instrument, day),
        )

    def override(self, capture: Capture, trade_id: UUID) -> OverrideApproved | None:
        """Give what two persons let pass for a trade with just this content, and still do."""
        found = None if self.controls is None else self.controls.overrides.get(trade_id)
        if found is None or found.capture != capture or self.now >= found.expires_at:
            return None
        return found

    def begin(self) -> Working:
        """Give what stands between the parts of a decision: what was begun, or a new beginning."""
        if self.working is not None:
            return self.working
        assert self.portfolio is not None, "only an open portfolio is worked on"
        return Working(
            self.portfolio,
            history_of=self.history_of,
            instrument_of=self.acting.instrument_of,
            rate_at=self.rate_at,
        )


class Booked(msgspec.Struct, frozen=True, gc=False):
    """An accepted capture: the trade's event, and the portfolio's events, none if it is parked."""

    trade: TradeCaptured | TradeParked | TradeReleased
    bookings: tuple[PortfolioEvent, ...] = ()
    breaches: tuple[Breach, ...] = ()


def capture_trade(capture: Capture, *, trade_id: UUID, around: Surroundings) -> Booked:
    """Decide a capture: booked, or parked if executed in an instrument not yet registered.

    Raises:
        Rejection: proposed: any breach that blocks; executed: only what cannot be understood, which
            is an unknown portfolio or currency, or a currency that is not the instrument's.
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
        awaited_on=awaited_on(bookings),
        exchanged=exchanged_in(bookings),
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
        awaited_on=awaited_on(bookings),
        exchanged=exchanged_in(bookings),
    )
    return Booked(released, bookings, breaches)


def awaited_on(bookings: Iterable[PortfolioEvent]) -> date | None:
    """Give the date on which a custodian's word is awaited for what is booked; None without."""
    for event in bookings:
        if isinstance(event, TradeBooked) and event.is_awaited:
            return event.fill.value_date
    return None


def exchanged_in(bookings: Iterable[PortfolioEvent]) -> Exchanged | None:
    """Give what was exchanged beside what is booked; None without."""
    for event in bookings:
        if isinstance(event, CashExchanged) and not event.is_undoing:
            assert event.trade_date is not None, "it stands beside a trade"
            return Exchanged(
                sold=event.sold,
                bought=event.bought,
                rate=event.rate,
                value_date=event.value_date,
                trade_date=event.trade_date,
                is_pending=event.is_pending,
            )
    return None


def trade_date_of(capture: Capture, calendar: str) -> date:
    """Give the date a capture says, else that of its instant on a calendar."""
    if capture.trade_date is not None:
        return capture.trade_date
    assert capture.executed_at is not None, "a capture has a date or an instant"
    return local_date(calendar, capture.executed_at)


def fill_of(capture: Capture, *, trade_id: UUID, calendar: str) -> Fill:
    """Resolve a capture to the fill it books: its trade date and consideration filled in."""
    trade_date = trade_date_of(capture, calendar)
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
) -> tuple[tuple[PortfolioEvent, ...], tuple[Breach, ...]]:
    """Judge and book a capture whose instrument is known; give what is booked, and breaches.

    Corporate actions that its portfolio lacks come first, and those that it concerns behind it.

    Raises:
        Rejection: as `capture_trade` says.
    """
    portfolio, instrument = around.portfolio, around.instrument
    require_open(portfolio, capture.portfolio)
    assert portfolio is not None, "an open portfolio is there"
    assert instrument is not None, "an unknown instrument was parked or refused before"
    require_same_currency(capture, instrument)
    deal = _deal(capture, trade_id, instrument, portfolio, around)
    if around.working is None and not needs_acting(
        portfolio, around.acting, capture.instrument, deal.fill, now=around.now
    ):
        breaches = _judged(deal, portfolio, around)
        return tuple(_booked(deal, portfolio, around.history_of(capture.instrument))), breaches
    working, acting = around.begin(), around.acting
    until = acting.effective_until(instrument.calendar, dated=deal.fill.trade_date, now=around.now)
    catch_up(working, acting)
    catch_up_book(working, capture.instrument, until=until, upcoming=deal.fill.key)
    breaches = _judged(deal, working.portfolio, around)
    booked = _booked(deal, working.portfolio, working.history(capture.instrument))
    book_events(working, capture.instrument, booked)
    catch_up_book(working, capture.instrument, until=until)
    return tuple(working.events), breaches


class _Deal(NamedTuple):
    """A capture with all that was found for it; `exchanged` is the exchange of its cash."""

    capture: Capture
    fill: Fill
    opened: PortfolioOpened
    instrument: Instrument
    rate: Decimal | None
    exchanged: Exchanged | None
    is_rate_missing: bool


def _deal(
    capture: Capture,
    trade_id: UUID,
    instrument: Instrument,
    portfolio: Portfolio,
    around: Surroundings,
) -> _Deal:
    opened = require_open(portfolio, capture.portfolio)
    fill = fill_of(capture, trade_id=trade_id, calendar=instrument.calendar)
    rate = around.rate_at(capture.currency, opened.base_currency, moment_of(fill))
    exchanging = opened.auto_exchange and capture.currency != opened.base_currency
    exchanged = _exchange(fill, capture.currency, opened, rate) if exchanging else None
    is_rate_missing = exchanging and rate is None
    return _Deal(capture, fill, opened, instrument, rate, exchanged, is_rate_missing)


def _judged(deal: _Deal, portfolio: Portfolio, around: Surroundings) -> tuple[Breach, ...]:
    """Run the rules; a proposed trade is refused on any breach that blocks."""
    capture, fill = deal.capture, deal.fill
    book = portfolio.book(capture.instrument)
    held = book.quantity
    signed = fill.quantity if fill.side is Side.BUY else -fill.quantity
    proposal = Proposal(
        capture,
        fill,
        deal.opened,
        deal.instrument,
        held,
        held + signed,
        Money(portfolio.balance(capture.currency), capture.currency),
        cash_change(fill),
        around.now,
        portfolio.standing,
        _not_open(capture.closes, book) if capture.closes else (),
        is_rate_missing=deal.is_rate_missing,
        covering=around.covering(capture, fill.trade_date),
        override=around.override(capture, fill.trade_id),
        marks=around.marks,
        rate_at=around.rate_at,
        usage_of=around.usage_of,
        counts=portfolio.counts,
        instrument_of=around.acting.instrument_of,
        exposure=Exposures(portfolio, around.marks, around.rate_at, around.acting).of,
    )
    if deal.exchanged is not None:
        proposal = _paid_in_base(proposal, portfolio, deal.exchanged)
    breaches = breaches_of(proposal)
    if breaches and capture.intent is Intent.PROPOSED and refuses(breaches[0]):
        raise Rejection(breaches[0].rule, breaches[0].message, breaches=breaches)
    return breaches


def _booked(deal: _Deal, portfolio: Portfolio, history: History) -> list[PortfolioEvent]:
    bookings: list[PortfolioEvent] = list(
        book_fill(
            portfolio,
            instrument=deal.capture.instrument,
            currency=deal.capture.currency,
            fill=deal.fill,
            history=history,
            rate_to_base=deal.rate,
        )
    )
    if deal.exchanged is not None:
        booked = bookings[0]
        assert isinstance(booked, TradeBooked), "the booking comes first, then its pages"
        bookings.append(exchanged_event(portfolio, deal.exchanged, booked))
    return bookings


def _exchange(
    fill: Fill, currency: str, opened: PortfolioOpened, rate: Decimal | None
) -> Exchanged | None:
    if rate is None:
        return None
    return exchange_beside(
        fill,
        currency=currency,
        base=opened.base_currency,
        rate_to_base=rate,
        is_pending=fill.value_date is not None,
    )


def _paid_in_base(proposal: Proposal, portfolio: Portfolio, exchanged: Exchanged) -> Proposal:
    """Judge the cash of the base currency: that is what a trade with its exchange moves."""
    base = proposal.opened.base_currency
    is_sale = exchanged.bought.currency == base
    change = exchanged.bought.amount if is_sale else -exchanged.sold.amount
    return replace(proposal, cash_before=Money(portfolio.balance(base), base), cash_change=change)


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
