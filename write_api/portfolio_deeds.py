"""What is done to a portfolio besides trades and flows: one table of addresses and permissions."""

from collections.abc import Callable
from typing import Any, NamedTuple

from commands.command import Command
from commands.portfolio_commands import ExchangeCash
from domain.trade import Intent
from gateway.access import Action, require
from gateway.interface import Call
from write_api import portfolio_bodies as bodies
from write_api.bodies import Body

EXCHANGES = {
    Intent.PROPOSED: Action.EXCHANGE_PROPOSED,
    Intent.EXECUTED: Action.EXCHANGE_EXECUTED,
}
DATED = ("date_missing",)


class Deed(NamedTuple):
    """One address below a portfolio; `build` makes the command of a body and the portfolio."""

    path: str
    name: str
    summary: str
    actions: tuple[Action, ...]
    body: type[Body]
    build: Callable[[Any, str], Command]
    problems: tuple[str, ...] = ()

    def command(self, call: Call, body: Body, portfolio: str) -> Command:
        """Build the command; asking and telling have permissions of their own (convention 1).

        Raises:
            Problem: the token may not issue it with this intent.
        """
        command = self.build(body, portfolio)
        if isinstance(command, ExchangeCash):
            require(call.principal, EXCHANGES[command.intent])
        return command


DEEDS = (
    Deed(
        "titles",
        "rename_portfolio",
        "Show a portfolio under another title",
        (Action.MANAGE_PORTFOLIO,),
        bodies.PortfolioTitleBody,
        bodies.title_command,
    ),
    Deed(
        "owners",
        "assign_owner",
        "Say who answers for a portfolio",
        (Action.MANAGE_PORTFOLIO,),
        bodies.OwnerBody,
        bodies.owner_command,
    ),
    Deed(
        "benchmarks",
        "assign_benchmark",
        "Compare a portfolio with a benchmark from a date on",
        (Action.MANAGE_PORTFOLIO,),
        bodies.BenchmarkBody,
        bodies.benchmark_command,
    ),
    Deed(
        "cost-basis",
        "change_cost_basis",
        "Take lots by another cost basis from a date on; what was realised before it stands",
        (Action.CHANGE_COST_BASIS,),
        bodies.CostBasisBody,
        bodies.cost_basis_command,
    ),
    Deed(
        "transfers",
        "transfer_lots",
        "Transfer lots to another portfolio, at their cost and of their dates",
        (Action.TRANSFER_LOTS,),
        bodies.TransferBody,
        bodies.transfer_command,
        ("date_missing", "lots_missing"),
    ),
    Deed(
        "fees",
        "charge_fee",
        "Tell of a fee; it books whatever it leaves, and says so in `warnings`",
        (Action.BOOK_CHARGE,),
        bodies.FeeBody,
        bodies.fee_command,
        DATED,
    ),
    Deed(
        "interest",
        "book_interest",
        "Tell of interest; it books whatever it leaves, and says so in `warnings`",
        (Action.BOOK_CHARGE,),
        bodies.InterestBody,
        bodies.interest_command,
        DATED,
    ),
    Deed(
        "exchanges",
        "exchange_cash",
        "Exchange cash of one currency for another",
        tuple(EXCHANGES.values()),
        bodies.ExchangeBody,
        bodies.exchange_command,
        DATED,
    ),
    Deed(
        "freezes",
        "freeze_portfolio",
        "Refuse proposed trades and exchanges and all withdrawals",
        (Action.FREEZE_PORTFOLIO,),
        bodies.ReasonBody,
        bodies.freeze_command,
    ),
    Deed(
        "unfreezes",
        "unfreeze_portfolio",
        "Lift a freeze",
        (Action.FREEZE_PORTFOLIO,),
        bodies.ReasonBody,
        bodies.unfreeze_command,
    ),
    Deed(
        "closures",
        "close_portfolio",
        "End an empty portfolio",
        (Action.CLOSE_PORTFOLIO,),
        bodies.ClosureBody,
        bodies.closure_command,
    ),
    Deed(
        "period-closures",
        "close_period",
        "Close the books up to and including a date",
        (Action.CLOSE_PERIOD,),
        bodies.PeriodClosureBody,
        bodies.period_closure_command,
    ),
    Deed(
        "period-reopenings",
        "reopen_period",
        "Open the books again from a date on",
        (Action.REOPEN_PERIOD,),
        bodies.PeriodReopeningBody,
        bodies.period_reopening_command,
    ),
)
