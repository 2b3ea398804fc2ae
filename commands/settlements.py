"""Handlers of what custodians tell of trades: settled, failed, resumed."""

from collections.abc import Callable, Mapping
from typing import Any

from commands.command import Command, Issued, TradeNamed
from commands.decision import AlreadyDecided, Decision
from commands.settlement_commands import FailSettlement, ResumeSettlement, SettleTrade
from commands.trades import accepted_trade, name_trade, with_pinned_scope
from commands.view import View
from domain.correcting import Corrected
from domain.portfolio.cash import require_open
from domain.trade import (
    SettlementWord,
    TradeSettled,
    TradeSettlementFailed,
    TradeSettlementResumed,
)
from domain.trade_settlement import earlier_word, take_word

_WORDS: Mapping[type[Command], type[SettlementWord]] = {
    SettleTrade: TradeSettled,
    FailSettlement: TradeSettlementFailed,
    ResumeSettlement: TradeSettlementResumed,
}
_OF_THE_NAME = frozenset({"trade_date"})


def take_settlement(issued: Issued, command: TradeNamed, view: View) -> Decision | AlreadyDecided:
    """Take a custodian's word of a trade, or hold it for the trade."""
    scope = view.source(issued.tenant, command.source).naming_scope
    name = name_trade(issued.tenant, command, scope)
    trade = view.trade(name)
    said = {
        field: getattr(command, field)
        for field in command.__struct_fields__
        if field not in _OF_THE_NAME
    }
    word = _WORDS[type(command)](trade_id=name, received_at=issued.received_at, **said)
    earlier = earlier_word(trade, word)
    if earlier is not None:
        return AlreadyDecided(name, earlier.version)
    require_open(view.portfolio(issued.tenant, command.portfolio), command.portfolio)
    told, moved, breaches = take_word(trade, word)
    decided = Corrected((told,), tuple(moved), breaches)
    accepted = accepted_trade(issued, name, decided, view, begins_stream=trade.version == 0)
    return accepted if scope is not None else with_pinned_scope(issued, command.source, accepted)


HANDLERS: Mapping[type[Command], Callable[[Issued, Any, View], Decision | AlreadyDecided]] = (
    dict.fromkeys(_WORDS, take_settlement)
)
