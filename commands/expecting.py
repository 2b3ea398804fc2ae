"""The version that a command expects of what it acts on, and whether it still has that.

A trade that is captured acts on its portfolio; what is told of a trade or block, on its stream.
"""

from uuid import UUID

from commands import command as commands
from commands.blocks import name_block
from commands.command import Issued, Outcome, Status, TradeNamed
from commands.trades import name_trade
from commands.view import View
from domain.identity import instrument_stream
from domain.trade import Capture

VERSION_MISMATCH = "version_mismatch"


def mismatch_of(issued: Issued, view: View) -> Outcome | None:
    """Give what to tell of a command that expects another version than there is; None if not.

    Nothing of it is recorded, so that the same key may name it again with another expectation.

    Raises:
        Rejection: a trade or block cannot be named without its date.
    """
    expected = issued.expected_version
    if expected is None:
        return None
    actual = _version(issued, view)
    if actual == expected:
        return None
    return Outcome(
        status=Status.NOT_ATTEMPTED,
        command_id=issued.command_id,
        code=VERSION_MISMATCH,
        message=f"Its version is {actual}, not {expected}: look at what changed and try again.",
        stream_version=actual,
    )


def _version(issued: Issued, view: View) -> int:
    tenant, command = issued.tenant, issued.command
    match command:
        case commands.CaptureTrade():
            return _portfolio_version(tenant, command.capture.portfolio, view)
        case commands.AmendTrade():
            return view.version(_trade(tenant, command.capture, view))
        case TradeNamed():
            return view.version(_trade(tenant, command, view))
        case commands.BustBlock():
            scope = view.source(tenant, command.source).naming_scope
            return view.version(name_block(tenant, command, scope))
        case commands.ChangeInstrument():
            return view.version(instrument_stream(command.change.instrument))
        case _:
            portfolio = getattr(command, "portfolio", None)
            assert isinstance(portfolio, str), "no other command's version is asked about"
            return _portfolio_version(tenant, portfolio, view)


def _portfolio_version(tenant: str, name: str, view: View) -> int:
    portfolio = view.portfolio(tenant, name)
    return 0 if portfolio is None else portfolio.version


def _trade(tenant: str, named: Capture | TradeNamed, view: View) -> UUID:
    scope = view.source(tenant, named.source).naming_scope
    return name_trade(tenant, named, scope)
