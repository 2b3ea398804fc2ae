"""Handlers of trades: capture, and release of what was parked."""

from uuid import UUID

import msgspec

from commands.command import CaptureTrade, Issued, ReleaseTrade, TradeNamed
from commands.control_commands import TradeOverridden
from commands.decision import Addressed, AlreadyDecided, Decision
from commands.usage import UseOfLimits
from commands.view import View
from domain import capturing, correcting
from domain.capturing import Surroundings
from domain.correcting import Corrected, followed
from domain.identity import portfolio_stream, refusals_stream, source_stream, trade_id
from domain.instrument import differing_fields
from domain.portfolio.events import book_of
from domain.rejection import Conflict, Rejection
from domain.source import NamingScope, SourceRegistered
from domain.trade import (
    Capture,
    SettlementTold,
    TradeAmendHeld,
    TradeAmendSuperseded,
    TradeBustHeld,
    TradeCaptured,
    TradeParked,
    TradeReassigned,
    TradeRefused,
)
from domain.trade_state import Trade


def name_trade(
    tenant: str, named: Capture | TradeNamed | TradeOverridden, scope: NamingScope | None
) -> UUID:
    """Name a trade as its source does.

    Raises:
        Rejection: `trade_date_missing`, where the source's names are unique per trade date only.
    """
    if scope is not NamingScope.TRADE_DATE:
        return trade_id(tenant, named.source, named.external_id, None)
    if named.trade_date is None:
        message = f"Source {named.source} names trades per date: give `trade_date`."
        raise Rejection("trade_date_missing", message)
    return trade_id(tenant, named.source, named.external_id, named.trade_date)


def capture_trade(issued: Issued, command: CaptureTrade, view: View) -> Decision | AlreadyDecided:
    """Capture: booked or parked; refused with an event; or the same trade as before."""
    capture = command.capture
    scope = view.source(issued.tenant, capture.source).naming_scope
    try:
        name = name_trade(issued.tenant, capture, scope)
    except Rejection as rejection:
        unnamed = trade_id(issued.tenant, capture.source, capture.external_id, None)
        return _refused(issued, unnamed, capture, rejection, view.market.position)
    first = view.first_event(name)
    if isinstance(first, TradeCaptured | TradeParked):
        _require_same_content(first.capture, capture)
        return AlreadyDecided(name)
    trade = None if first is None else view.trade(name)  # It began with a correction.
    if trade is not None and trade.accepted is not None:
        _require_same_content(trade.accepted.capture, capture)
        return AlreadyDecided(name, trade.accepted.version)
    uses = UseOfLimits(issued.tenant, name, view, is_corrected=first is not None)
    try:
        decided = _captured(issued, capture, name, trade, view, uses)
    except Rejection as rejection:
        return _refused(issued, name, capture, rejection, view.market.position)
    if trade is not None:
        decided = followed(trade, decided, name)
    accepted = accepted_trade(issued, name, decided, view, begins_stream=first is None, uses=uses)
    return accepted if scope is not None else with_pinned_scope(issued, capture.source, accepted)


def _captured(
    issued: Issued,
    capture: Capture,
    name: UUID,
    trade: Trade | None,
    view: View,
    uses: UseOfLimits,
) -> Corrected:
    if trade is not None:
        return correcting.capture_corrected(
            trade,
            capture,
            trade_id=name,
            around=lambda content: surroundings_of(issued, name, content, view),
        )
    around = surroundings_of(issued, name, capture, view, uses=uses)
    booked = capturing.capture_trade(capture, trade_id=name, around=around)
    return Corrected((booked.trade,), booked.bookings, booked.breaches)


def with_pinned_scope(issued: Issued, source: str, accepted: Decision) -> Decision:
    """Register a source with its first trade: a later change of names would book it again."""
    registered = SourceRegistered(source=source, naming_scope=NamingScope.FOREVER)
    pinned = Addressed(source_stream(issued.tenant, source), issued.tenant, registered)
    return msgspec.structs.replace(accepted, events=(pinned, *accepted.events))


def release_trade(issued: Issued, command: ReleaseTrade, view: View) -> Decision | AlreadyDecided:
    """Release a parked trade: booked, or it stays parked."""
    name = command.trade_id
    trade = view.trade(name)
    if trade.is_parked and trade.capture is not None:
        around = surroundings_of(issued, name, trade.capture, view)
        booked = capturing.release_trade(trade.capture, trade_id=name, around=around)
        released = Corrected((booked.trade,), booked.bookings, booked.breaches)
        released = followed(trade, released, name)
        return accepted_trade(issued, name, released, view)
    if trade.released_version is None:
        raise Rejection("trade_not_parked", f"Trade {name} is not parked.")
    return AlreadyDecided(name, trade.released_version)


def surroundings_of(
    issued: Issued, name: UUID, capture: Capture, view: View, *, uses: UseOfLimits | None = None
) -> Surroundings:
    """Give what a trade's content is judged against and booked into.

    Without `uses`: something was told of the trade before, so it may use limits already.
    """
    if uses is None:
        uses = UseOfLimits(issued.tenant, name, view, is_corrected=True)
    stream = portfolio_stream(issued.tenant, capture.portfolio)
    return Surroundings(
        view.portfolio(issued.tenant, capture.portfolio),
        view.instrument(capture.instrument),
        view.market.position,
        issued.received_at,
        lambda instrument: lambda from_version: view.entries(stream, instrument, from_version),
        view.rate_at,
        view.acting,
        controls=uses.controls,
        marks=view.market.marks,
        usage_of=uses.usage_of,
    )


def accepted_trade(
    issued: Issued,
    name: UUID,
    decided: Corrected,
    view: View,
    *,
    begins_stream: bool = False,
    uses: UseOfLimits | None = None,
) -> Decision:
    """Address what was decided of a trade: its own events, and bookings to their portfolios.

    `uses` is what it was judged with, if that was asked at this same view of the world.
    """
    tenant = issued.tenant
    own = [Addressed(name, tenant, event) for event in decided.trade]
    if begins_stream:
        own[0] = Addressed(name, tenant, decided.trade[0], begins_stream=True)
    if uses is None:
        uses = UseOfLimits(tenant, name, view, is_corrected=not begins_stream)
    bookings = [
        Addressed(portfolio_stream(tenant, event.portfolio), tenant, event, book_of(event))
        for event in decided.bookings
    ]
    content = [event for event in decided.trade if not isinstance(event, TradeReassigned)][-1]
    return Decision(
        events=(*own, *uses.events(decided.bookings), *bookings),
        of_stream=name,
        trade_id=name,
        market_position=view.market.position,
        warnings=decided.breaches,
        is_parked=isinstance(content, TradeParked),
        is_held=isinstance(content, TradeAmendHeld | TradeBustHeld)
        or (isinstance(content, SettlementTold) and content.is_held),
        is_superseded=isinstance(content, TradeAmendSuperseded),
    )


def _require_same_content(first: Capture, capture: Capture) -> None:
    fields = differing_fields(first, capture)
    if fields:
        message = (
            f"{capture.source} already named a trade {capture.external_id} "
            f"with other {', '.join(fields)}."
        )
        raise Conflict("external_id_conflict", message, fields=fields)


def _refused(
    issued: Issued, name: UUID, capture: Capture, rejection: Rejection, market_position: int
) -> Decision:
    stream = refusals_stream(issued.tenant, capture.source)
    refused = TradeRefused(
        trade_id=name,
        capture=capture,
        market_position=market_position,
        breaches=rejection.breaches,
        received_at=issued.received_at,
    )
    return Decision(
        events=(Addressed(stream, issued.tenant, refused),),
        of_stream=stream,
        rejection=rejection,
        trade_id=name,
        market_position=market_position,
    )
