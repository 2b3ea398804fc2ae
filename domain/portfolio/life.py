"""What happens to a portfolio besides trades and flows: named, charged, restricted, closed.

Reasons are short codes, never a sentence about a person; an owner is an opaque subject id.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from domain.event import Event
from domain.lots import CostBasis
from domain.money import Money


class PortfolioRenamed(Event, frozen=True):
    """The portfolio is shown under another title; its name, which identifies it, stays."""

    portfolio: str
    title: str


class OwnerAssigned(Event, frozen=True):
    """Somebody answers for the portfolio from now on."""

    portfolio: str
    owner: str


class BenchmarkAssigned(Event, frozen=True):
    """The portfolio is compared with a benchmark from a date on."""

    portfolio: str
    benchmark: str
    from_date: date


class CostBasisAssigned(Event, frozen=True):
    """Lots are taken by another cost basis from the start of a date on; what was realised stands.

    `CostBasisApplied` puts it into each book that has to do with it, once the date has come.
    """

    portfolio: str
    cost_basis: CostBasis
    from_date: date


class FeeKind(StrEnum):
    """What a fee that belongs to no trade is paid for."""

    MANAGEMENT = "management"
    CUSTODY = "custody"
    PERFORMANCE = "performance"
    OTHER = "other"


class FeeCharged(Event, frozen=True):
    """The portfolio paid a fee of its own; `amount` is positive, `balance` what is held then."""

    portfolio: str
    kind: FeeKind
    amount: Money
    balance: Decimal
    value_date: date
    at: datetime | None = None
    is_pending: bool = False


class InterestBooked(Event, frozen=True):
    """Interest came in, or went out where `amount` is negative; `balance` is what is held then."""

    portfolio: str
    amount: Money
    balance: Decimal
    value_date: date
    at: datetime | None = None
    is_pending: bool = False


class CashExchanged(Event, frozen=True):
    """Cash of one currency was exchanged for another; both amounts are positive.

    `rate` is units of the bought currency for one of the sold. `fee` is paid besides, in one of the
    two currencies; each balance is what is held in its currency after both amounts and the fee.
    Beside a trade it names the trade, and counts from the trade's date on; where the trade is taken
    out again, its exact opposite `is_undoing` it. What `is_pending` settles with the value date.
    """

    portfolio: str
    sold: Money
    bought: Money
    rate: Decimal
    balance_sold: Decimal
    balance_bought: Decimal
    value_date: date
    at: datetime | None = None
    fee: Money | None = None
    is_pending: bool = False
    trade_id: UUID | None = None
    trade_date: date | None = None
    is_undoing: bool = False

    @property
    def counts_from(self) -> date:
        """The date on which the portfolio holds what it bought."""
        return self.value_date if self.trade_date is None else self.trade_date


class PortfolioFrozen(Event, frozen=True):
    """No proposed trade, exchange or withdrawal is accepted any more; facts still book."""

    portfolio: str
    reason: str


class PortfolioUnfrozen(Event, frozen=True):
    """The freeze is lifted."""

    portfolio: str
    reason: str


class PortfolioClosed(Event, frozen=True):
    """The empty portfolio came to its end; only facts that were forgotten still book."""

    portfolio: str
    on_date: date


class PeriodClosed(Event, frozen=True):
    """The books are closed up to and including `until`: only facts still restate them."""

    portfolio: str
    until: date


class PeriodReopened(Event, frozen=True):
    """The books are open again from `from_date` on; what lies before it stays closed."""

    portfolio: str
    from_date: date
    reason: str


CashFact = FeeCharged | InterestBooked | CashExchanged
StandingEvent = (
    PortfolioRenamed
    | OwnerAssigned
    | BenchmarkAssigned
    | CostBasisAssigned
    | PortfolioFrozen
    | PortfolioUnfrozen
    | PortfolioClosed
    | PeriodClosed
    | PeriodReopened
)
