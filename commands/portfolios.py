"""Handlers of portfolios and sources: open, cash in and out, how a source names its trades."""

from commands.command import (
    DepositCash,
    Issued,
    OpenPortfolio,
    RegisterSource,
    SettleCash,
    WithdrawCash,
)
from commands.decision import Addressed, AlreadyDecided, Decision
from commands.view import View
from domain.event import Event
from domain.identity import portfolio_stream, source_stream
from domain.portfolio import cash, settling
from domain.source import SourceRegistered
from domain.source import register_source as decide_source


def open_portfolio(issued: Issued, command: OpenPortfolio, view: View) -> Decision | AlreadyDecided:
    """Open a portfolio."""
    opened = cash.open_portfolio(
        view.portfolio(issued.tenant, command.portfolio),
        portfolio=command.portfolio,
        base_currency=command.base_currency,
        cost_basis=command.cost_basis,
        calendar=command.calendar,
        allows_leverage=command.allows_leverage,
        allows_short=command.allows_short,
    )
    if opened is None:
        return AlreadyDecided(portfolio_stream(issued.tenant, command.portfolio))
    return _on_portfolio(issued, command.portfolio, opened)


def deposit_cash(issued: Issued, command: DepositCash, view: View) -> Decision:
    """Bring cash in."""
    deposited = cash.deposit(
        view.portfolio(issued.tenant, command.portfolio),
        name=command.portfolio,
        amount=command.amount,
        value_date=command.value_date,
        at=command.at,
    )
    return _on_portfolio(issued, command.portfolio, deposited)


def withdraw_cash(issued: Issued, command: WithdrawCash, view: View) -> Decision:
    """Take cash out."""
    withdrawn = cash.withdraw(
        view.portfolio(issued.tenant, command.portfolio),
        name=command.portfolio,
        amount=command.amount,
        value_date=command.value_date,
        at=command.at,
    )
    return _on_portfolio(issued, command.portfolio, withdrawn)


def settle_cash(issued: Issued, command: SettleCash, view: View) -> Decision:
    """Settle what is due; nothing is, as often as not."""
    name = command.portfolio
    portfolio = view.portfolio(issued.tenant, name)
    cash.require_open(portfolio, name)
    assert portfolio is not None, "an open portfolio is there"
    stream = portfolio_stream(issued.tenant, name)
    settled = settling.settle_due(portfolio, name=name, until=command.until)
    events = tuple(Addressed(stream, issued.tenant, event) for event in settled)
    return Decision(events=events, of_stream=stream)


def register_source(
    issued: Issued, command: RegisterSource, view: View
) -> Decision | AlreadyDecided:
    """Say how a source names its trades."""
    wanted = SourceRegistered(source=command.source, naming_scope=command.naming_scope)
    stream = source_stream(issued.tenant, command.source)
    registered = decide_source(view.source(issued.tenant, command.source), wanted=wanted)
    if registered is None:
        return AlreadyDecided(stream)
    return Decision(events=(Addressed(stream, issued.tenant, registered),), of_stream=stream)


def _on_portfolio(issued: Issued, portfolio: str, event: Event) -> Decision:
    stream = portfolio_stream(issued.tenant, portfolio)
    return Decision(events=(Addressed(stream, issued.tenant, event),), of_stream=stream)
