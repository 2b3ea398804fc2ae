"""How a portfolio stands: what it is called, who answers for it, what it may still do."""

from datetime import date, timedelta
from typing import TypeVar, assert_never

import msgspec
from msgspec.structs import replace

from domain.basis_change import BasisChange
from domain.event import Event
from domain.lots import CostBasis
from domain.portfolio.life import (
    BenchmarkAssigned,
    CostBasisAssigned,
    OwnerAssigned,
    PeriodClosed,
    PeriodReopened,
    PortfolioClosed,
    PortfolioFrozen,
    PortfolioRenamed,
    PortfolioUnfrozen,
    StandingEvent,
)
from domain.rejection import Breach, Rejection


class Said(msgspec.Struct, frozen=True):
    """An event that still stands, and its version in the portfolio's stream."""

    version: int
    event: Event


class Standing(msgspec.Struct, frozen=True):
    """What still stands of what was said; dates up to and including `closed_until` are closed.

    `basis` is the last of the `basis_changes`, which are listed by date. `owners` are all who ever
    answered for it, each once.
    """

    title: Said | None = None
    owner: Said | None = None
    owners: tuple[str, ...] = ()
    benchmark: Said | None = None
    frozen: Said | None = None
    closed: Said | None = None
    period: Said | None = None
    closed_until: date | None = None
    basis: Said | None = None
    basis_changes: tuple[BasisChange, ...] = ()

    def after(self, event: StandingEvent, version: int) -> "Standing":
        """Give how it stands once an event is folded."""
        said = Said(version, event)
        match event:
            case PortfolioRenamed():
                return replace(self, title=said)
            case OwnerAssigned():
                owners = dict.fromkeys((*self.owners, event.owner))
                return replace(self, owner=said, owners=tuple(owners))
            case BenchmarkAssigned():
                return replace(self, benchmark=said)
            case CostBasisAssigned():
                change = BasisChange(event.from_date, event.cost_basis)
                return replace(self, basis=said, basis_changes=(*self.basis_changes, change))
            case PortfolioFrozen():
                return replace(self, frozen=said)
            case PortfolioUnfrozen():
                return replace(self, frozen=None)
            case PortfolioClosed():
                return replace(self, closed=said)
            case PeriodClosed():
                return replace(self, period=said, closed_until=event.until)
            case PeriodReopened():
                until = event.from_date - timedelta(days=1)
                return replace(self, period=None, closed_until=until)
            case _:
                assert_never(event)

    def basis_on(self, day: date, *, opened_as: CostBasis) -> CostBasis:
        """Give the cost basis by which lots are taken on a date."""
        changes = (
            each.cost_basis for each in reversed(self.basis_changes) if each.from_date <= day
        )
        return next(changes, opened_as)

    def frozen_breach(self) -> Breach | None:
        """Say that the portfolio is frozen, if it is."""
        if self.frozen is None:
            return None
        return Breach("portfolio_frozen", "The portfolio is frozen; it must be unfrozen first.")

    def closed_breach(self) -> Breach | None:
        """Say that the portfolio is closed, if it is."""
        if self.closed is None:
            return None
        return Breach("portfolio_closed", "The portfolio is closed; use another one.")

    def period_breach(self, dated: date) -> Breach | None:
        """Say that a date lies in a closed period, if it does."""
        if self.closed_until is None or dated > self.closed_until:
            return None
        until = self.closed_until.isoformat()
        return Breach(
            "period_closed",
            f"{dated.isoformat()} lies in a period closed until {until}; reopen it first.",
            limit=until,
            actual=dated.isoformat(),
        )


EventT = TypeVar("EventT", bound=Event)


def unless_it_stands(wanted: EventT, said: Said | None) -> EventT | Said:
    """Give what is wanted; where just that was said and still stands, give where."""
    return said if said is not None and said.event == wanted else wanted


def listed(*found: Breach | None) -> tuple[Breach, ...]:
    """List the breaches among what was found."""
    return tuple(breach for breach in found if breach is not None)


def refuse(breaches: tuple[Breach, ...]) -> None:
    """Let pass what breaches nothing.

    Raises:
        Rejection: under the code of the first breach, with all of them.
    """
    if breaches:
        raise Rejection(breaches[0].rule, breaches[0].message, breaches=breaches)
