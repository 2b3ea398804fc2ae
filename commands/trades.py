"""Handlers of trades: capture, and release of what was parked."""

from uuid import UUID

import msgspec

from commands.command import CaptureTrade, Issued, ReleaseTrade
from commands.decision import Addressed, AlreadyDecided, Decision
from commands.view import View
from domain import capturing
from domain.capturing import Booked, Surroundings
from domain.identity import portfolio_stream, refusals_stream, source_stream, trade_id
from domain.instrument import differing_fields
from domain.rejection import Conflict, Rejection
from domain.source import NamingScope, SourceRegistered
from domain.trade import Capture, TradeCaptured, TradeParked, TradeRefused


def name_trade(issued: Issued, capture: Capture, scope: NamingScope | None) -> UUID:
    """Name a capture's trade as its source does.

    Raises:
        Rejection: `trade_date_missing`, where the source's names are unique per trade date only.
    """
    if scope is not NamingScope.TRADE_DATE:
        return trade_id(issued.tenant, capture.source, capture.external_id, None)
    if capture.trade_date is None:
        message = f"Source {capture.source} names trades per date: give `trade_date`."
        raise Rejection("trade_date_missing", message)
    return trade_id(issued.tenant, capture.source, capture.external_id, capture.trade_date)


def capture_trade(issued: Issued, command: CaptureTrade, view: View) -> Decision | AlreadyDecided:
    """Capture: booked or parked; refused with an event; or the same trade as before."""
    capture = command.capture
    scope = view.source(issued.tenant, capture.source).naming_scope
    try:
        name = name_trade(issued, capture, scope)
    except Rejection as rejection:
        unnamed = trade_id(issued.tenant, capture.source, capture.external_id, None)
        return _refused(issued, unnamed, capture, rejection, view.market.position)
    first = view.first_event(name)
    if first is not None:
        _require_same_content(first, capture)
        return AlreadyDecided(name)
    try:
        booked = capturing.capture_trade(
            capture, trade_id=name, around=_surroundings(issued, capture, view)
        )
    except Rejection as rejection:
        return _refused(issued, name, capture, rejection, view.market.position)
    accepted = _accepted(issued, name, capture, booked, view.market.position)
    return accepted if scope is not None else _with_pinned_scope(issued, capture, accepted)


def _with_pinned_scope(issued: Issued, capture: Capture, accepted: Decision) -> Decision:
    """Register a source with its first trade: a later change of names would book it again."""
    registered = SourceRegistered(source=capture.source, naming_scope=NamingScope.FOREVER)
    stream = source_stream(issued.tenant, capture.source)
    pinned = Addressed(stream, issued.tenant, registered)
    return msgspec.structs.replace(accepted, events=(pinned, *accepted.events))


def release_trade(issued: Issued, command: ReleaseTrade, view: View) -> Decision | AlreadyDecided:
    """Release a parked trade: booked, or it stays parked."""
    parked = view.first_event(command.trade_id)
    if not isinstance(parked, TradeParked):
        raise Rejection("trade_not_parked", f"Trade {command.trade_id} is not parked.")
    if view.version(command.trade_id) > 1:
        return AlreadyDecided(command.trade_id, version=2)
    around = _surroundings(issued, parked.capture, view)
    booked = capturing.release_trade(parked.capture, trade_id=parked.trade_id, around=around)
    return _accepted(issued, command.trade_id, parked.capture, booked, view.market.position)


def _surroundings(issued: Issued, capture: Capture, view: View) -> Surroundings:
    stream = portfolio_stream(issued.tenant, capture.portfolio)
    return Surroundings(
        view.portfolio(issued.tenant, capture.portfolio),
        view.instrument(capture.instrument),
        view.market.position,
        issued.received_at,
        lambda: view.fills(stream, capture.instrument),
        view.rate_at,
    )


def _require_same_content(first: object, capture: Capture) -> None:
    assert isinstance(first, TradeCaptured | TradeParked), "a trade begins captured or parked"
    fields = differing_fields(first.capture, capture)
    if fields:
        message = (
            f"{capture.source} already named a trade {capture.external_id} "
            f"with other {', '.join(fields)}."
        )
        raise Conflict("external_id_conflict", message, fields=fields)


def _accepted(
    issued: Issued, name: UUID, capture: Capture, booked: Booked, market_position: int
) -> Decision:
    stream = portfolio_stream(issued.tenant, capture.portfolio)
    bookings = [
        Addressed(stream, issued.tenant, event, event.instrument) for event in booked.bookings
    ]
    return Decision(
        events=(Addressed(name, issued.tenant, booked.trade), *bookings),
        of_stream=name,
        trade_id=name,
        market_position=market_position,
        warnings=booked.breaches,
        is_parked=isinstance(booked.trade, TradeParked),
    )


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
