"""Deciding corrections: amends and busts of trades, in any order of arrival (convention 3).

A correction is a fact: it is refused only when it cannot be understood. The highest revision wins,
a bust is final; what comes before its trade is held until the trade is captured.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain import capturing
from domain.capturing import Surroundings, book_capture, require_same_currency
from domain.currencies import require_currency
from domain.instrument import differing_fields
from domain.portfolio.acting import book_events, catch_up
from domain.portfolio.booking import unbook_fill
from domain.portfolio.cash import require_open
from domain.portfolio.events import PortfolioEvent, Reason, TradeUnbooked
from domain.portfolio.exchanging import exchanged_event, opposite
from domain.portfolio.standing import listed
from domain.portfolio.state import Portfolio
from domain.portfolio.working import Working
from domain.rejection import Breach, Conflict, Rejection
from domain.trade import (
    Capture,
    Exchanged,
    Intent,
    TradeAmended,
    TradeAmendHeld,
    TradeAmendSuperseded,
    TradeBusted,
    TradeBustHeld,
    TradeCaptured,
    TradeEvent,
    TradeParked,
    TradeReassigned,
)
from domain.trade_settlement import follow_trade
from domain.trade_state import Told, Trade

Around = Callable[[Capture], Surroundings]
"""What surrounds a capture; asked for each content a trade has had, as portfolios may differ."""


class Amend(msgspec.Struct, frozen=True, gc=False):
    """A source's revision: the whole new content, told as executed; revisions count from 1."""

    revision: int
    capture: Capture
    reason: str | None = None


class Corrected(msgspec.Struct, frozen=True, gc=False):
    """The trade's own events, those of portfolios behind them, and the warnings to carry."""

    trade: tuple[TradeEvent, ...]
    bookings: tuple[PortfolioEvent, ...] = ()
    breaches: tuple[Breach, ...] = ()


def earlier_amend(trade: Trade, amend: Amend) -> Told | None:
    """Find the same revision told before; None when it is new.

    Raises:
        Conflict: `revision_conflict`, naming the fields in which its content differs.
    """
    told = trade.revisions.get(amend.revision)
    if told is None:
        return None
    fields = differing_fields(told.capture, replace(amend.capture, block=told.capture.block))
    if fields:
        message = (
            f"Revision {amend.revision} of trade {amend.capture.external_id} was told with other "
            f"{', '.join(fields)}: give a change the next revision."
        )
        raise Conflict("revision_conflict", message, fields=fields)
    return told


def amend_trade(trade: Trade, amend: Amend, *, trade_id: UUID, around: Around) -> Corrected:
    """Decide a revision that was not told before: in force, superseded, or held.

    Raises:
        Rejection: it cannot be understood: an unknown portfolio or currency, or a currency that is
            not the instrument's.
    """
    assert amend.capture.intent is Intent.EXECUTED, "an amend is told, not asked for"
    if trade.accepted is not None:
        amend = replace(amend, capture=_of_its_block(amend.capture, trade.accepted.capture))
    surroundings = around(amend.capture)
    _require_understood(amend.capture, surroundings)
    highest = trade.revision
    told = Told(amend.capture, 0, surroundings.now, amend.reason)
    if trade.bust is not None or (highest is not None and highest > amend.revision):
        superseded = TradeAmendSuperseded(
            trade_id=trade_id,
            revision=amend.revision,
            capture=amend.capture,
            by_revision=None if trade.bust is not None else highest,
            received_at=told.received_at,
            reason=told.reason,
        )
        return Corrected((superseded,))
    if trade.accepted is None:
        held = TradeAmendHeld(
            trade_id=trade_id,
            revision=amend.revision,
            capture=amend.capture,
            received_at=told.received_at,
            reason=told.reason,
        )
        return Corrected((held,))
    booked = trade.capture if trade.is_booked else None
    working, shut = _taken_out(booked, trade_id, around, Reason.AMENDED, trade.exchanged)
    gone = () if working is None else tuple(working.events)
    if working is not None and working.opened.portfolio == amend.capture.portfolio:
        surroundings = replace(surroundings, portfolio=working.portfolio, working=working)
    amended = _amended(amend.revision, told, trade_id, surroundings)
    bookings = amended.bookings
    if surroundings.working is None or not bookings:
        bookings = (*gone, *bookings)
    moved = _reassigned(trade.portfolios, amend.capture, trade_id)
    breaches = tuple(dict.fromkeys((*shut, *amended.breaches)))
    return Corrected((*amended.trade, *moved), bookings, breaches)


def bust_trade(
    trade: Trade, bust: TradeBustHeld, *, named: Portfolio | None, around: Around
) -> Corrected:
    """Decide a bust that was not told before: final, or held while the trade is unknown.

    `bust` is it as it would be held, `named` the portfolio it names: where it is then listed. A
    trade that is known is where it is.

    Raises:
        Rejection: `portfolio_unknown`.
    """
    require_open(named, bust.portfolio)
    if trade.accepted is None:
        return Corrected((bust,))
    capture = trade.capture
    assert capture is not None, "only a bust takes a trade's content away, and there was none"
    booked = capture if trade.is_booked else None
    working, shut = _taken_out(booked, bust.trade_id, around, Reason.BUSTED, trade.exchanged)
    busted = _busted(capture, bust.trade_id, bust.reason, bust.received_at)
    moved = _reassigned(trade.portfolios, capture, bust.trade_id)
    return Corrected((busted, *moved), () if working is None else tuple(working.events), shut)


def capture_corrected(
    trade: Trade, capture: Capture, *, trade_id: UUID, around: Around
) -> Corrected:
    """Decide a capture that something came before; only what then holds is booked.

    Raises:
        Rejection: as for any capture; its corrections stay held.
    """
    assert trade.accepted is None, "a trade is captured once"
    booked = capturing.capture_trade(capture, trade_id=trade_id, around=around(capture))
    captured: TradeEvent = booked.trade
    portfolios = trade.portfolios | {capture.portfolio}
    if trade.bust is None and trade.revision is None:
        moved = _reassigned(portfolios, capture, trade_id)
        return Corrected((captured, *moved), booked.bookings, booked.breaches)
    if isinstance(captured, TradeCaptured):  # Nothing is booked of it, so nothing exchanged.
        captured = replace(captured, exchanged=None)
    if trade.bust is not None:
        busted = _busted(capture, trade_id, trade.bust.reason, trade.bust.received_at)
        return Corrected((captured, busted, *_reassigned(portfolios, capture, trade_id)))
    revision = trade.revision
    assert revision is not None, "a trade that is not busted was amended"
    told = trade.revisions[revision]
    told = replace(told, capture=_of_its_block(told.capture, capture))
    surroundings = around(told.capture)
    try:
        amended = _amended(revision, told, trade_id, surroundings)
    except Rejection:  # Its instrument appeared meanwhile, in another currency than it tells.
        amended = _amended(revision, told, trade_id, replace(surroundings, instrument=None))
    moved = _reassigned(portfolios, told.capture, trade_id)
    return Corrected((captured, *amended.trade, *moved), amended.bookings, amended.breaches)


def _of_its_block(content: Capture, accepted: Capture) -> Capture:
    """Keep a revision in the block of its trade, which its source does not tell again."""
    return content if accepted.block is None else replace(content, block=accepted.block)


def followed(trade: Trade, decided: Corrected, trade_id: UUID) -> Corrected:
    """Let the settlement of a trade follow what was decided of it."""
    events, moved = follow_trade(trade, decided.trade, trade_id)
    return replace(decided, trade=events, bookings=(*decided.bookings, *moved))


def _require_understood(capture: Capture, around: Surroundings) -> None:
    require_open(around.portfolio, capture.portfolio)
    require_currency(capture.currency)
    if around.instrument is not None:
        require_same_currency(capture, around.instrument)


def _taken_out(
    booked: Capture | None,
    trade_id: UUID,
    around: Around,
    reason: Reason,
    exchanged: Exchanged | None,
) -> tuple[Working | None, tuple[Breach, ...]]:
    """Take a trade out of the books; give them without it, and what of them is closed."""
    if booked is None:
        return None, ()
    surroundings = around(booked)
    working = surroundings.begin()
    catch_up(working, surroundings.acting)
    unbookings = unbook_fill(
        working.portfolio,
        instrument=booked.instrument,
        currency=booked.currency,
        trade_id=trade_id,
        reason=reason,
        history=working.history(booked.instrument),
    )
    gone, standing = unbookings[0], working.portfolio.standing
    assert isinstance(gone, TradeUnbooked), "the trade comes first, then what it restates"
    undone: list[PortfolioEvent] = list(unbookings)
    if exchanged is not None:
        undone.append(exchanged_event(working.portfolio, opposite(exchanged), gone))
    book_events(working, booked.instrument, undone)
    catch_up(working, surroundings.acting)
    period = standing.period_breach(gone.fill.trade_date)
    return working, listed(standing.closed_breach(), period)


def _amended(revision: int, told: Told, trade_id: UUID, around: Surroundings) -> Corrected:
    """Put a revision in force on books without the trade: booked, or parked."""
    bookings: tuple[PortfolioEvent, ...] = ()
    breaches: tuple[Breach, ...] = ()
    parked: tuple[TradeParked, ...] = ()
    if around.instrument is None:
        parked = (
            TradeParked(
                trade_id=trade_id,
                capture=told.capture,
                market_position=around.market_position,
                received_at=told.received_at,
            ),
        )
    else:
        bookings, breaches = book_capture(told.capture, trade_id, around)
    amended = TradeAmended(
        trade_id=trade_id,
        revision=revision,
        capture=told.capture,
        market_position=around.market_position,
        breaches=breaches,
        received_at=told.received_at,
        reason=told.reason,
        awaited_on=capturing.awaited_on(bookings),
        exchanged=capturing.exchanged_in(bookings),
    )
    return Corrected((amended, *parked), bookings, breaches)


def _busted(
    capture: Capture, trade_id: UUID, reason: str, received_at: datetime | None
) -> TradeBusted:
    return TradeBusted(
        trade_id=trade_id,
        portfolio=capture.portfolio,
        source=capture.source,
        external_id=capture.external_id,
        reason=reason,
        received_at=received_at,
    )


def _reassigned(
    portfolios: set[str], capture: Capture, trade_id: UUID
) -> tuple[TradeReassigned, ...]:
    """End what is shown of a trade in every portfolio that it is not in."""
    return tuple(
        TradeReassigned(trade_id=trade_id, portfolio=each, to_portfolio=capture.portfolio)
        for each in sorted(portfolios - {capture.portfolio})
    )
