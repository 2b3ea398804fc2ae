"""Commands about portfolios: their life, and cash and lots besides trades.

Of `value_date` and `at`, and of `trade_date` and `at`, at least one is needed. Reasons are codes.
"""

from typing import ClassVar, Literal
from uuid import UUID

from client.command import Command, Content, CostBasis, Day, Instant, Intent, Number

_PORTFOLIO = "/v1/portfolios/{portfolio}"


class Portfolio(Command, frozen=True):
    """A portfolio to open; without `calendar` its base currency's market values it."""

    address: ClassVar[str] = "/v1/portfolios"

    portfolio: str
    base_currency: str
    cost_basis: CostBasis = "FIFO"
    calendar: str | None = None
    allows_leverage: bool = False
    allows_short: bool = False
    settlement: Literal["contractual", "actual"] = "contractual"
    auto_exchange: bool = False


class Deposit(Command, frozen=True):
    """External cash that comes in."""

    address: ClassVar[str] = f"{_PORTFOLIO}/deposits"

    portfolio: str
    amount: Number
    currency: str
    value_date: Day | None = None
    at: Instant | None = None


class Withdrawal(Command, frozen=True):
    """Cash to be taken out; refused beyond what is there."""

    address: ClassVar[str] = f"{_PORTFOLIO}/withdrawals"

    portfolio: str
    amount: Number
    currency: str
    value_date: Day | None = None
    at: Instant | None = None


class Fee(Command, frozen=True):
    """A fee that the portfolio paid, above zero."""

    address: ClassVar[str] = f"{_PORTFOLIO}/fees"

    portfolio: str
    kind: Literal["management", "custody", "performance", "other"]
    amount: Number
    currency: str
    value_date: Day | None = None
    at: Instant | None = None


class Interest(Command, frozen=True):
    """Interest received, or paid where the amount is below zero."""

    address: ClassVar[str] = f"{_PORTFOLIO}/interest"

    portfolio: str
    amount: Number
    currency: str
    value_date: Day | None = None
    at: Instant | None = None


class Money(Content, frozen=True):
    """An amount of a currency."""

    amount: Number
    currency: str


class Exchange(Command, frozen=True):
    """Cash of one currency for another; `rate`: units of the bought one for one of the sold."""

    address: ClassVar[str] = f"{_PORTFOLIO}/exchanges"

    portfolio: str
    intent: Intent
    sold: Money
    bought: Money
    rate: Number | None = None
    fee: Money | None = None
    value_date: Day | None = None
    at: Instant | None = None


class NamedLot(Content, frozen=True):
    """How much of the lot that a trade opened."""

    trade_id: UUID
    quantity: Number


class Transfer(Command, frozen=True):
    """Lots that go to another portfolio: a `quantity` by the cost basis, or `lots` by name."""

    address: ClassVar[str] = f"{_PORTFOLIO}/transfers"

    portfolio: str
    transfer: str
    to_portfolio: str
    instrument: str
    quantity: Number | None = None
    lots: tuple[NamedLot, ...] = ()
    trade_date: Day | None = None
    at: Instant | None = None


class PortfolioTitle(Command, frozen=True):
    """What a portfolio is shown as."""

    address: ClassVar[str] = f"{_PORTFOLIO}/titles"

    portfolio: str
    title: str


class Owner(Command, frozen=True):
    """Who answers for a portfolio: an opaque subject id."""

    address: ClassVar[str] = f"{_PORTFOLIO}/owners"

    portfolio: str
    owner: str


class Benchmark(Command, frozen=True):
    """What a portfolio is compared with from a date on."""

    address: ClassVar[str] = f"{_PORTFOLIO}/benchmarks"

    portfolio: str
    benchmark: str
    from_date: Day


class CostBasisChange(Command, frozen=True):
    """The cost basis from a date on."""

    address: ClassVar[str] = f"{_PORTFOLIO}/cost-basis"

    portfolio: str
    cost_basis: CostBasis
    from_date: Day


class Freeze(Command, frozen=True):
    """From now on proposed trades, exchanges and withdrawals are refused."""

    address: ClassVar[str] = f"{_PORTFOLIO}/freezes"

    portfolio: str
    reason: str


class Unfreeze(Command, frozen=True):
    """The end of a freeze."""

    address: ClassVar[str] = f"{_PORTFOLIO}/unfreezes"

    portfolio: str
    reason: str


class PortfolioClosure(Command, frozen=True):
    """The end of an empty portfolio."""

    address: ClassVar[str] = f"{_PORTFOLIO}/closures"

    portfolio: str
    on_date: Day


class PeriodClosure(Command, frozen=True):
    """The books are closed up to and including a date."""

    address: ClassVar[str] = f"{_PORTFOLIO}/period-closures"

    portfolio: str
    until: Day


class PeriodReopening(Command, frozen=True):
    """The books are open again from a date on."""

    address: ClassVar[str] = f"{_PORTFOLIO}/period-reopenings"

    portfolio: str
    from_date: Day
    reason: str
