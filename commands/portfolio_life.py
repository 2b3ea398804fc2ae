"""Handlers of what happens to a portfolio besides trades and flows."""

from collections.abc import Callable, Mapping
from typing import Any

from commands.command import Command, Issued
from commands.decision import Addressed, AlreadyDecided, Decision
from commands.portfolio_commands import (
    AssignBenchmark,
    AssignOwner,
    BookInterest,
    ChargeFee,
    ClosePeriod,
    ClosePortfolio,
    ExchangeCash,
    FreezePortfolio,
    RenamePortfolio,
    ReopenPeriod,
    UnfreezePortfolio,
)
from commands.view import View
from domain.event import Event
from domain.identity import portfolio_stream
from domain.portfolio import charging, describing, exchanging, periods, restricting
from domain.portfolio.standing import Said
from domain.rejection import Breach


def rename_portfolio(
    issued: Issued, command: RenamePortfolio, view: View
) -> Decision | AlreadyDecided:
    """Show it under another title."""
    held, name = view.portfolio(issued.tenant, command.portfolio), command.portfolio
    return _said(issued, name, describing.rename(held, name=name, title=command.title))


def assign_owner(issued: Issued, command: AssignOwner, view: View) -> Decision | AlreadyDecided:
    """Say who answers for it."""
    held, name = view.portfolio(issued.tenant, command.portfolio), command.portfolio
    return _said(issued, name, describing.assign_owner(held, name=name, owner=command.owner))


def assign_benchmark(
    issued: Issued, command: AssignBenchmark, view: View
) -> Decision | AlreadyDecided:
    """Say what it is compared with."""
    assigned = describing.assign_benchmark(
        view.portfolio(issued.tenant, command.portfolio),
        name=command.portfolio,
        benchmark=command.benchmark,
        from_date=command.from_date,
    )
    return _said(issued, command.portfolio, assigned)


def charge_fee(issued: Issued, command: ChargeFee, view: View) -> Decision:
    """Book a fee."""
    charged, breaches = charging.charge_fee(
        view.portfolio(issued.tenant, command.portfolio),
        name=command.portfolio,
        kind=command.kind,
        amount=command.amount,
        value_date=command.value_date,
        at=command.at,
        received_at=issued.received_at,
    )
    return _decided(issued, command.portfolio, charged, breaches)


def book_interest(issued: Issued, command: BookInterest, view: View) -> Decision:
    """Book interest."""
    booked, breaches = charging.book_interest(
        view.portfolio(issued.tenant, command.portfolio),
        name=command.portfolio,
        amount=command.amount,
        value_date=command.value_date,
        at=command.at,
        received_at=issued.received_at,
    )
    return _decided(issued, command.portfolio, booked, breaches)


def exchange_cash(issued: Issued, command: ExchangeCash, view: View) -> Decision:
    """Exchange cash."""
    exchanged, breaches = exchanging.exchange_cash(
        view.portfolio(issued.tenant, command.portfolio),
        name=command.portfolio,
        intent=command.intent,
        sold=command.sold,
        bought=command.bought,
        rate=command.rate,
        fee=command.fee,
        value_date=command.value_date,
        at=command.at,
        received_at=issued.received_at,
    )
    return _decided(issued, command.portfolio, exchanged, breaches)


def freeze_portfolio(
    issued: Issued, command: FreezePortfolio, view: View
) -> Decision | AlreadyDecided:
    """Freeze it."""
    held, name = view.portfolio(issued.tenant, command.portfolio), command.portfolio
    return _said(issued, name, restricting.freeze(held, name=name, reason=command.reason))


def unfreeze_portfolio(issued: Issued, command: UnfreezePortfolio, view: View) -> Decision:
    """Lift its freeze."""
    held, name = view.portfolio(issued.tenant, command.portfolio), command.portfolio
    return _decided(issued, name, restricting.unfreeze(held, name=name, reason=command.reason))


def close_portfolio(
    issued: Issued, command: ClosePortfolio, view: View
) -> Decision | AlreadyDecided:
    """End it."""
    held, name = view.portfolio(issued.tenant, command.portfolio), command.portfolio
    return _said(
        issued, name, restricting.close_portfolio(held, name=name, on_date=command.on_date)
    )


def close_period(issued: Issued, command: ClosePeriod, view: View) -> Decision | AlreadyDecided:
    """Close its books."""
    closed = periods.close_period(
        view.portfolio(issued.tenant, command.portfolio),
        name=command.portfolio,
        until=command.until,
        now=issued.received_at,
    )
    return _said(issued, command.portfolio, closed)


def reopen_period(issued: Issued, command: ReopenPeriod, view: View) -> Decision:
    """Open its books again."""
    reopened = periods.reopen_period(
        view.portfolio(issued.tenant, command.portfolio),
        name=command.portfolio,
        from_date=command.from_date,
        reason=command.reason,
    )
    return _decided(issued, command.portfolio, reopened)


HANDLERS: Mapping[type[Command], Callable[[Issued, Any, View], Decision | AlreadyDecided]] = {
    RenamePortfolio: rename_portfolio,
    AssignOwner: assign_owner,
    AssignBenchmark: assign_benchmark,
    ChargeFee: charge_fee,
    BookInterest: book_interest,
    ExchangeCash: exchange_cash,
    FreezePortfolio: freeze_portfolio,
    UnfreezePortfolio: unfreeze_portfolio,
    ClosePortfolio: close_portfolio,
    ClosePeriod: close_period,
    ReopenPeriod: reopen_period,
}


def _said(issued: Issued, portfolio: str, said: Event | Said) -> Decision | AlreadyDecided:
    """Decide what is said; what still stands was decided by the command that said it."""
    if isinstance(said, Said):
        return AlreadyDecided(portfolio_stream(issued.tenant, portfolio), said.version)
    return _decided(issued, portfolio, said)


def _decided(
    issued: Issued, portfolio: str, event: Event, breaches: tuple[Breach, ...] = ()
) -> Decision:
    stream = portfolio_stream(issued.tenant, portfolio)
    events = (Addressed(stream, issued.tenant, event),)
    return Decision(events=events, of_stream=stream, warnings=breaches)
