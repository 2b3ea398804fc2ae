"""Handlers of corrections: amends and busts of trades, before their trade or after."""

from commands.command import AmendTrade, BustTrade, Issued
from commands.decision import AlreadyDecided, Decision
from commands.trades import accepted_trade, name_trade, surroundings_of, with_pinned_scope
from commands.view import View
from domain import correcting
from domain.correcting import Amend, followed
from domain.trade import TradeBustHeld


def amend_trade(issued: Issued, command: AmendTrade, view: View) -> Decision | AlreadyDecided:
    """Put a revision in force, record it as superseded, or hold it for its trade."""
    capture = command.capture
    scope = view.source(issued.tenant, capture.source).naming_scope
    name = name_trade(issued.tenant, capture, scope)
    trade = view.trade(name)
    amend = Amend(command.revision, capture, command.reason)
    told = correcting.earlier_amend(trade, amend)
    if told is not None:
        return AlreadyDecided(name, told.version)
    decided = correcting.amend_trade(
        trade,
        amend,
        trade_id=name,
        around=lambda content: surroundings_of(issued, name, content, view),
    )
    decided = followed(trade, decided, name)
    begins = trade.version == 0
    accepted = accepted_trade(issued, name, decided, view, begins_stream=begins)
    return accepted if scope is not None else with_pinned_scope(issued, capture.source, accepted)


def bust_trade(issued: Issued, command: BustTrade, view: View) -> Decision | AlreadyDecided:
    """Take a trade out for ever, or hold the bust for its trade."""
    scope = view.source(issued.tenant, command.source).naming_scope
    name = name_trade(issued.tenant, command, scope)
    trade = view.trade(name)
    if trade.bust is not None:
        return AlreadyDecided(name, trade.bust.version)
    decided = correcting.bust_trade(
        trade,
        TradeBustHeld(
            trade_id=name,
            portfolio=command.portfolio,
            source=command.source,
            external_id=command.external_id,
            reason=command.reason,
            received_at=issued.received_at,
        ),
        named=view.portfolio(issued.tenant, command.portfolio),
        around=lambda content: surroundings_of(issued, name, content, view),
    )
    decided = followed(trade, decided, name)
    begins = trade.version == 0
    accepted = accepted_trade(issued, name, decided, view, begins_stream=begins)
    return accepted if scope is not None else with_pinned_scope(issued, command.source, accepted)
