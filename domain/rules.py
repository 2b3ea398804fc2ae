"""Pre-trade rules: each one small function that names the breach it finds, or finds none.

A proposed trade is refused on any breach; an executed one books and carries them as warnings,
unless it cannot be understood (convention 1).
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.calendars import local_date
from domain.instrument import Instrument
from domain.lots import CostBasis, Fill
from domain.money import product
from domain.portfolio.events import PortfolioOpened
from domain.portfolio.standing import Standing
from domain.rejection import Breach
from domain.trade import Capture, Intent

CLOCK_SKEW = timedelta(seconds=5)
CONSIDERATION_ROUNDING = Decimal("0.01")


class Proposal(msgspec.Struct, frozen=True, gc=False):
    """What rules judge: the capture, whom it meets, and what it would leave behind.

    `now` is when the system received it; amounts are in the trade's currency. `lots_not_open` are
    the trades it names to close whose lots are not there.
    """

    capture: Capture
    fill: Fill
    opened: PortfolioOpened
    instrument: Instrument
    quantity_before: Decimal
    quantity_after: Decimal
    cash_before: Decimal
    cash_change: Decimal
    now: datetime
    standing: Standing = Standing()
    lots_not_open: tuple[UUID, ...] = ()


def instrument_is_active(proposal: Proposal) -> Breach | None:
    """What is suspended or delisted is not traded; both are judged at the trade's own time.

    A trade without a time of day is judged at the end of its date.
    """
    instrument, fill = proposal.instrument, proposal.fill
    if instrument.delisted is None and not instrument.trading:
        return None
    name = proposal.capture.instrument
    if instrument.delisted is not None and instrument.is_delisted_on(fill.trade_date):
        return Breach(
            "instrument_inactive",
            f"{name} is delisted.",
            limit=instrument.delisted.on_date.isoformat(),
            actual=fill.trade_date.isoformat(),
        )
    at = moment_of(fill)
    if instrument.is_suspended_at(at):
        message = f"{name} is suspended."
        return Breach("instrument_inactive", message, actual=at.isoformat())
    return None


def moment_of(fill: Fill) -> datetime:
    """Give a fill's instant; without a time of day, the end of its date."""
    if fill.executed_at is not None:
        return fill.executed_at
    return datetime.combine(fill.trade_date + timedelta(days=1), time.min, UTC)


def cash_is_sufficient(proposal: Proposal) -> Breach | None:
    """A trade that takes cash leaves a balance of at least zero, unless leverage is allowed."""
    after = proposal.cash_before + proposal.cash_change
    if after >= 0 or proposal.cash_change >= 0 or proposal.opened.allows_leverage:
        return None
    needed, held = -proposal.cash_change, proposal.cash_before
    currency = proposal.capture.currency
    return Breach(
        "insufficient_cash",
        f"{needed:f} {currency} needed, {held:f} held.",
        limit=f"{held:f}",
        actual=f"{needed:f}",
    )


def short_is_allowed(proposal: Proposal) -> Breach | None:
    """A sale sells what is held, unless short sales are allowed."""
    if proposal.opened.allows_short or proposal.quantity_after >= 0:
        return None
    if proposal.quantity_after >= proposal.quantity_before:
        return None
    held = max(proposal.quantity_before, Decimal(0))
    sold = proposal.fill.quantity
    return Breach(
        "short_not_allowed",
        f"{sold:f} sold, {held:f} held.",
        limit=f"{held:f}",
        actual=f"{sold:f}",
    )


def asks_for_what_it_costs(proposal: Proposal) -> Breach | None:
    """A proposal costs quantity x price, to the cent, and no fee is paid to it.

    What an executed trade says of its consideration and of a rebate is its source's fact.
    """
    if proposal.capture.intent is Intent.EXECUTED:
        return None
    fill = proposal.fill
    if fill.fee < 0:
        message = "A proposed trade may not expect a fee to be paid to it."
        return Breach("fee_negative", message, limit="0", actual=f"{fill.fee:f}")
    exact = product(fill.quantity, fill.price)
    if abs(fill.consideration - exact) <= CONSIDERATION_ROUNDING:
        return None
    return Breach(
        "consideration_mismatch",
        f"{fill.quantity:f} x {fill.price:f} is {exact:f}, not {fill.consideration:f}.",
        limit=f"{exact:f}",
        actual=f"{fill.consideration:f}",
    )


def trade_is_not_from_the_future(proposal: Proposal) -> Breach | None:
    """No trade is executed after it was received (5 s of clock skew forgiven), nor dated so."""
    latest = proposal.now + CLOCK_SKEW
    executed_at = proposal.fill.executed_at
    if executed_at is not None and executed_at > latest:
        return _from_the_future(executed_at, proposal.now)
    trade_date = proposal.fill.trade_date
    if trade_date < latest.date():
        return None  # No market's day is behind the UTC day by more than one.
    today = local_date(proposal.instrument.calendar, latest)
    return None if trade_date <= today else _from_the_future(trade_date, today)


def portfolio_is_not_frozen(proposal: Proposal) -> Breach | None:
    """A frozen portfolio asks for no trades."""
    return proposal.standing.frozen_breach()


def portfolio_is_not_closed(proposal: Proposal) -> Breach | None:
    """A closed portfolio asks for no trades."""
    return proposal.standing.closed_breach()


def period_is_open(proposal: Proposal) -> Breach | None:
    """No trade is asked for that is dated in a closed period."""
    return proposal.standing.period_breach(proposal.fill.trade_date)


def settlement_date_is_known(proposal: Proposal) -> Breach | None:
    """A trade settles on a known date: beyond the calendars kept, none is guessed."""
    fill = proposal.fill
    if fill.value_date is not None:
        return None
    calendar, currency = proposal.instrument.calendar, proposal.capture.currency
    return Breach(
        "settlement_date_unknown",
        f"When a trade of {fill.trade_date} on {calendar} in {currency} settles is not known.",
        actual=fill.trade_date.isoformat(),
    )


def _from_the_future(actual: date, limit: date) -> Breach:
    return Breach(
        "trade_from_the_future",
        f"The trade is of {actual.isoformat()}, after {limit.isoformat()}.",
        limit=limit.isoformat(),
        actual=actual.isoformat(),
    )


def named_lots_are_open(proposal: Proposal) -> Breach | None:
    """A trade closes lots by name only where the cost basis is SPECIFIC, and only open ones.

    An executed one closes those that are open, and then the oldest.
    """
    if not proposal.capture.closes:
        return None
    basis = proposal.opened.cost_basis
    if basis is not CostBasis.SPECIFIC:
        return Breach(
            "lots_not_chosen",
            f"Lots are closed by name under SPECIFIC only; this portfolio's cost basis is {basis}.",
            limit=CostBasis.SPECIFIC,
            actual=basis,
        )
    if not proposal.lots_not_open:
        return None
    named = ", ".join(map(str, proposal.lots_not_open))
    return Breach("lot_not_open", f"No open lot of {named}.", actual=named)


RULES: tuple[Callable[[Proposal], Breach | None], ...] = (
    instrument_is_active,
    cash_is_sufficient,
    short_is_allowed,
    asks_for_what_it_costs,
    trade_is_not_from_the_future,
    portfolio_is_not_frozen,
    portfolio_is_not_closed,
    period_is_open,
    settlement_date_is_known,
    named_lots_are_open,
)


def breaches_of(proposal: Proposal) -> tuple[Breach, ...]:
    """Run every rule and list every breach, in the order of the rules."""
    found = [breach for rule in RULES if (breach := rule(proposal)) is not None]
    return tuple(found)
