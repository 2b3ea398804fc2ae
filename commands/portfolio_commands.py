"""What a sender may want of a portfolio besides trades and flows.

Reasons are short codes; an owner is an opaque subject id. Where a command has `value_date` and
`at`, at least one of the two is there.
"""

from datetime import date, datetime
from decimal import Decimal

from commands.command import Command
from domain.lots import CostBasis
from domain.money import Money
from domain.portfolio.life import FeeKind
from domain.trade import Intent
from domain.transfers import NamedLot


class RenamePortfolio(Command, frozen=True, tag="rename_portfolio"):
    """Show a portfolio under another title."""

    portfolio: str
    title: str


class AssignOwner(Command, frozen=True, tag="assign_owner"):
    """Say who answers for a portfolio."""

    portfolio: str
    owner: str


class AssignBenchmark(Command, frozen=True, tag="assign_benchmark"):
    """Compare a portfolio with a benchmark from a date on."""

    portfolio: str
    benchmark: str
    from_date: date


class ChangeCostBasis(Command, frozen=True, kw_only=True, tag="change_cost_basis"):
    """Take lots by another cost basis from the start of a date on."""

    portfolio: str
    cost_basis: CostBasis
    from_date: date


class TransferLots(Command, frozen=True, kw_only=True, tag="transfer_lots"):
    """Transfer lots of one instrument to another portfolio; `transfer` names it for ever.

    A quantity of lots by the cost basis, or the lots that are named: just one of the two is there.
    At least one of `trade_date` and `at` is there.
    """

    portfolio: str
    transfer: str
    to_portfolio: str
    instrument: str
    quantity: Decimal | None = None
    lots: tuple[NamedLot, ...] = ()
    trade_date: date | None = None
    at: datetime | None = None


class ChargeFee(Command, frozen=True, kw_only=True, tag="charge_fee"):
    """Tell of a fee of the portfolio itself; `amount` is positive."""

    portfolio: str
    kind: FeeKind
    amount: Money
    value_date: date | None = None
    at: datetime | None = None


class BookInterest(Command, frozen=True, kw_only=True, tag="book_interest"):
    """Tell of interest: received, or paid where `amount` is below zero."""

    portfolio: str
    amount: Money
    value_date: date | None = None
    at: datetime | None = None


class ExchangeCash(Command, frozen=True, kw_only=True, tag="exchange_cash"):
    """Exchange cash of one currency for another, proposed or executed.

    `rate` is units of the bought currency for one of the sold; absent, the amounts say it.
    """

    portfolio: str
    intent: Intent
    sold: Money
    bought: Money
    rate: Decimal | None = None
    fee: Money | None = None
    value_date: date | None = None
    at: datetime | None = None


class FreezePortfolio(Command, frozen=True, tag="freeze_portfolio"):
    """Let nothing be asked that takes from a portfolio."""

    portfolio: str
    reason: str


class UnfreezePortfolio(Command, frozen=True, tag="unfreeze_portfolio"):
    """Lift a freeze."""

    portfolio: str
    reason: str


class ClosePortfolio(Command, frozen=True, tag="close_portfolio"):
    """End an empty portfolio."""

    portfolio: str
    on_date: date


class ClosePeriod(Command, frozen=True, tag="close_period"):
    """Close the books of a portfolio up to and including a date."""

    portfolio: str
    until: date


class ReopenPeriod(Command, frozen=True, tag="reopen_period"):
    """Open the books of a portfolio again from a date on."""

    portfolio: str
    from_date: date
    reason: str
