"""Handlers of portfolios and sources: open, cash in and out, how a source names its trades."""

from collections.abc import Sequence

from commands.command import (
    ApplyCorporateActions,
    DepositCash,
    Issued,
    OpenPortfolio,
    RegisterSource,
    SettleCash,
    WithdrawCash,
)
from commands.decision import Addressed, AlreadyDecided, Decision
from commands.portfolio_commands import ChangeCostBasis
from commands.view import View
from domain.event import Event
from domain.identity import portfolio_stream, source_stream
from domain.portfolio import acting, cash, overdue, rebasing, settling
from domain.portfolio.events import PortfolioEvent, book_of
from domain.portfolio.standing import Said
from domain.portfolio.working import Working
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
        settlement=command.settlement,
        auto_exchange=command.auto_exchange,
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
        received_at=issued.received_at,
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
        received_at=issued.received_at,
    )
    return _on_portfolio(issued, command.portfolio, withdrawn)


def settle_cash(issued: Issued, command: SettleCash, view: View) -> Decision:
    """Settle what is due, and pay dividends; nothing is due, as often as not."""
    working = _caught_up(issued, command.portfolio, view)
    settled = settling.settle_due(working.portfolio, name=command.portfolio, until=command.until)
    return _on_books(issued, command.portfolio, [*working.events, *settled])


def apply_corporate_actions(issued: Issued, command: ApplyCorporateActions, view: View) -> Decision:
    """Apply what is effective; commands before may have done it."""
    working = _caught_up(issued, command.portfolio, view)
    return _on_books(issued, command.portfolio, working.events)


def change_cost_basis(
    issued: Issued, command: ChangeCostBasis, view: View
) -> Decision | AlreadyDecided:
    """Change the basis, and put the change into the books that have come to its date."""
    name = command.portfolio
    working = _caught_up(issued, name, view)
    changed = rebasing.change_cost_basis(
        working.portfolio, name=name, cost_basis=command.cost_basis, from_date=command.from_date
    )
    if isinstance(changed, Said):
        return AlreadyDecided(portfolio_stream(issued.tenant, name), changed.version)
    working.fold([changed])
    acting.catch_up(working, view.acting)
    return _on_books(issued, name, working.events)


def working_on(issued: Issued, name: str, view: View) -> Working:
    """Begin a decision on a portfolio that is there."""
    stream = portfolio_stream(issued.tenant, name)
    return Working(
        cash.require_portfolio(view.portfolio(issued.tenant, name), name),
        history_of=lambda instrument: lambda start: view.entries(stream, instrument, start),
        instrument_of=view.instrument,
        rate_at=view.rate_at,
    )


def _caught_up(issued: Issued, name: str, view: View) -> Working:
    """Begin a decision on a portfolio with what its books lack."""
    working = working_on(issued, name, view)
    if overdue.is_behind(working.portfolio, view.acting):
        acting.catch_up(working, view.acting)
    return working


def _on_books(issued: Issued, name: str, events: Sequence[PortfolioEvent]) -> Decision:
    stream = portfolio_stream(issued.tenant, name)
    addressed = tuple(Addressed(stream, issued.tenant, event, book_of(event)) for event in events)
    return Decision(events=addressed, of_stream=stream)


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
