"""The rules that always hold, whatever limits a tenant has: their breaches block."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from domain.calendars import local_date
from domain.lots import CostBasis
from domain.money import product
from domain.rejection import Breach
from domain.rules.proposal import CLOCK_SKEW, Proposal, moment_of
from domain.trade import Intent

CONSIDERATION_ROUNDING = Decimal("0.01")


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


def cash_is_sufficient(proposal: Proposal) -> Breach | None:
    """A trade that takes cash leaves a balance of at least zero, unless leverage is allowed."""
    after = proposal.cash_before.amount + proposal.cash_change
    if after >= 0 or proposal.cash_change >= 0 or proposal.opened.allows_leverage:
        return None
    needed, held = -proposal.cash_change, proposal.cash_before.amount
    currency = proposal.cash_before.currency
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
    return consideration_breach(fill.quantity, fill.price, fill.consideration)


def consideration_breach(quantity: Decimal, price: Decimal, amount: Decimal) -> Breach | None:
    """Compare an amount with quantity x price, to the cent."""
    exact = product(quantity, price)
    if abs(amount - exact) <= CONSIDERATION_ROUNDING:
        return None
    return Breach(
        "consideration_mismatch",
        f"{quantity:f} x {price:f} is {exact:f}, not {amount:f}.",
        limit=f"{exact:f}",
        actual=f"{amount:f}",
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
    opened_as, day = proposal.opened.cost_basis, proposal.fill.trade_date
    basis = proposal.standing.basis_on(day, opened_as=opened_as)
    if basis is not CostBasis.SPECIFIC:
        return Breach(
            "lots_not_chosen",
            f"Lots are closed by name under SPECIFIC only; the portfolio's cost basis is {basis}.",
            limit=CostBasis.SPECIFIC,
            actual=basis,
        )
    if not proposal.lots_not_open:
        return None
    named = ", ".join(map(str, proposal.lots_not_open))
    return Breach("lot_not_open", f"No open lot of {named}.", actual=named)


def rate_is_known(proposal: Proposal) -> Breach | None:
    """What is to be exchanged beside a trade needs a rate; without one nothing is."""
    if not proposal.is_rate_missing:
        return None
    currency, base = proposal.capture.currency, proposal.opened.base_currency
    return Breach("rate_unknown", f"No rate from {currency} to {base} is known; none exchanged.")


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
    rate_is_known,
)
