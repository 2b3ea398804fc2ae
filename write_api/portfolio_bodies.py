"""What callers send of a portfolio besides trades and flows, and the commands it becomes."""

from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec

from commands.portfolio_commands import (
    AssignBenchmark,
    AssignOwner,
    BookInterest,
    ChangeCostBasis,
    ChargeFee,
    ClosePeriod,
    ClosePortfolio,
    ExchangeCash,
    FreezePortfolio,
    RenamePortfolio,
    ReopenPeriod,
    TransferLots,
    UnfreezePortfolio,
)
from domain.lots import CostBasis
from domain.money import Money
from domain.portfolio.life import FeeKind
from domain.trade import LOTS_NAMED_MAX, Intent
from domain.transfers import NamedLot
from gateway.decoding import (
    BodyFault,
    BodyFaulty,
    CurrencyCode,
    Instant,
    Line,
    Name,
    Number,
    exact,
    not_negative,
    plausible_day,
    positive,
)
from write_api.bodies import Body, Reason, dated

Subject = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[!-?A-~]{1,128}\Z",
        description="An opaque subject id, never a name or an address of a person.",
        examples=["user-7"],
    ),
]


class PortfolioTitleBody(Body, frozen=True):
    """What a portfolio is shown as; the name in its address stays."""

    title: Line


class OwnerBody(Body, frozen=True):
    """Who answers for a portfolio."""

    owner: Subject


class BenchmarkBody(Body, frozen=True):
    """What a portfolio is compared with, from a date on."""

    benchmark: Name
    from_date: date


class CostBasisBody(Body, frozen=True):
    """The cost basis from the start of a date on; the date is behind that of any change before."""

    cost_basis: CostBasis
    from_date: date


class NamedLotBody(Body, frozen=True):
    """How much of the lot that a trade opened."""

    trade_id: UUID
    quantity: Number


class TransferBody(Body, frozen=True):
    """A transfer of lots: a `quantity` by the cost basis, or `lots` by name; `transfer` names it.

    At least one of `trade_date` and `at` is needed. Without `at` it stands behind all trades of its
    date. The same name with the same content again is the first acceptance.
    """

    transfer: Name
    to_portfolio: Name
    instrument: Name
    quantity: Number | None = None
    lots: Annotated[tuple[NamedLotBody, ...], msgspec.Meta(max_length=LOTS_NAMED_MAX)] = ()
    trade_date: date | None = None
    at: Instant | None = None


class FeeBody(Body, frozen=True):
    """A fee the portfolio paid, above zero; at least one of `value_date` and `at` is needed."""

    kind: FeeKind
    amount: Number
    currency: CurrencyCode
    value_date: date | None = None
    at: Instant | None = None


class InterestBody(Body, frozen=True):
    """Interest received, or paid where the amount is below zero; dated as a fee is."""

    amount: Number
    currency: CurrencyCode
    value_date: date | None = None
    at: Instant | None = None


class MoneyBody(Body, frozen=True):
    """An amount of a currency."""

    amount: Number
    currency: CurrencyCode


class ExchangeBody(Body, frozen=True):
    """An exchange of cash: `proposed` asks for permission, `executed` tells what was done.

    `rate` is units of the bought currency for one of the sold; left out, the amounts say it. The
    fee is paid besides, in one of the two currencies.
    """

    intent: Intent
    sold: MoneyBody
    bought: MoneyBody
    rate: Number | None = None
    fee: MoneyBody | None = None
    value_date: date | None = None
    at: Instant | None = None


class ReasonBody(Body, frozen=True):
    """Why, as a short code."""

    reason: Reason


class ClosureBody(Body, frozen=True):
    """The date on which a portfolio ends; it must be empty."""

    on_date: date


class PeriodClosureBody(Body, frozen=True):
    """The last date that is closed."""

    until: date


class PeriodReopeningBody(Body, frozen=True):
    """The first date that is open again, and why."""

    from_date: date
    reason: Reason


def title_command(body: PortfolioTitleBody, portfolio: str) -> RenamePortfolio:
    """Build a renaming."""
    return RenamePortfolio(portfolio, body.title)


def owner_command(body: OwnerBody, portfolio: str) -> AssignOwner:
    """Build the assignment of an owner."""
    return AssignOwner(portfolio, body.owner)


def benchmark_command(body: BenchmarkBody, portfolio: str) -> AssignBenchmark:
    """Build the assignment of a benchmark.

    Raises:
        BodyFaulty: the date is out of range.
    """
    from_date = plausible_day("from_date", body.from_date)
    return AssignBenchmark(portfolio, body.benchmark, from_date)


def cost_basis_command(body: CostBasisBody, portfolio: str) -> ChangeCostBasis:
    """Build a change of cost basis.

    Raises:
        BodyFaulty: the date is out of range.
    """
    from_date = plausible_day("from_date", body.from_date)
    return ChangeCostBasis(portfolio=portfolio, cost_basis=body.cost_basis, from_date=from_date)


def transfer_command(body: TransferBody, portfolio: str) -> TransferLots:
    """Build a transfer.

    Raises:
        BodyFaulty: a value is out of range, there is no date, or not just one of `quantity` and
            `lots`, each lot once.
    """
    if (body.quantity is None) == (not body.lots):
        message = "Give either a quantity, or the lots that are meant."
        raise BodyFaulty(BodyFault("lots_missing", message, "quantity"))
    if len({each.trade_id for each in body.lots}) != len(body.lots):
        raise BodyFaulty(BodyFault("lots_missing", "Name each lot once.", "lots"))
    trade_date, at = dated(body.trade_date, body.at)
    lots = tuple(
        NamedLot(each.trade_id, positive(f"lots[{index}].quantity", each.quantity))
        for index, each in enumerate(body.lots)
    )
    return TransferLots(
        portfolio=portfolio,
        transfer=body.transfer,
        to_portfolio=body.to_portfolio,
        instrument=body.instrument,
        quantity=None if body.quantity is None else positive("quantity", body.quantity),
        lots=lots,
        trade_date=trade_date,
        at=at,
    )


def fee_command(body: FeeBody, portfolio: str) -> ChargeFee:
    """Build a fee.

    Raises:
        BodyFaulty: a value is out of range, or there is no date.
    """
    amount = Money(positive("amount", body.amount), body.currency)
    value_date, at = dated(body.value_date, body.at)
    return ChargeFee(
        portfolio=portfolio, kind=body.kind, amount=amount, value_date=value_date, at=at
    )


def interest_command(body: InterestBody, portfolio: str) -> BookInterest:
    """Build interest.

    Raises:
        BodyFaulty: a value is out of range, or there is no date.
    """
    amount = Money(exact("amount", body.amount), body.currency)
    value_date, at = dated(body.value_date, body.at)
    return BookInterest(portfolio=portfolio, amount=amount, value_date=value_date, at=at)


def exchange_command(body: ExchangeBody, portfolio: str) -> ExchangeCash:
    """Build an exchange.

    Raises:
        BodyFaulty: a value is out of range, or there is no date.
    """
    sold, bought, fee = body.sold, body.bought, body.fee
    value_date, at = dated(body.value_date, body.at)
    paid = None if fee is None else Money(not_negative("fee.amount", fee.amount), fee.currency)
    return ExchangeCash(
        portfolio=portfolio,
        intent=body.intent,
        sold=Money(positive("sold.amount", sold.amount), sold.currency),
        bought=Money(positive("bought.amount", bought.amount), bought.currency),
        rate=None if body.rate is None else positive("rate", body.rate),
        fee=paid if paid is not None and paid.amount else None,
        value_date=value_date,
        at=at,
    )


def freeze_command(body: ReasonBody, portfolio: str) -> FreezePortfolio:
    """Build a freeze."""
    return FreezePortfolio(portfolio, body.reason)


def unfreeze_command(body: ReasonBody, portfolio: str) -> UnfreezePortfolio:
    """Build the lifting of a freeze."""
    return UnfreezePortfolio(portfolio, body.reason)


def closure_command(body: ClosureBody, portfolio: str) -> ClosePortfolio:
    """Build the end of a portfolio.

    Raises:
        BodyFaulty: the date is out of range.
    """
    return ClosePortfolio(portfolio, plausible_day("on_date", body.on_date))


def period_closure_command(body: PeriodClosureBody, portfolio: str) -> ClosePeriod:
    """Build the closing of a period.

    Raises:
        BodyFaulty: the date is out of range.
    """
    return ClosePeriod(portfolio, plausible_day("until", body.until))


def period_reopening_command(body: PeriodReopeningBody, portfolio: str) -> ReopenPeriod:
    """Build the reopening of a period.

    Raises:
        BodyFaulty: the date is out of range.
    """
    return ReopenPeriod(portfolio, plausible_day("from_date", body.from_date), body.reason)
