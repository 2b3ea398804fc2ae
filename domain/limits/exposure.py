"""What a portfolio is exposed to: its positions in its base currency, and its net asset value.

Positions are valued as a trade that is judged finds them, by the marks and rates in force. Where
any position has no price, or any currency no rate, nothing of the whole can be said.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import NamedTuple, TypeAlias

from domain.marks import Marks
from domain.money import ONE, ZERO
from domain.portfolio.overdue import Acting
from domain.portfolio.state import Portfolio
from domain.rules.valuing import Positions, Valuation, Valued, value_positions

RateAt: TypeAlias = Callable[[str, str, datetime], Decimal | None]
Balance: TypeAlias = tuple[str, Decimal]
"""A currency, and how much of it is held or due."""


class Valuing(NamedTuple):
    """By what it is valued: the instant, the marks and rates, and what is known of actions."""

    at: datetime
    marks: Marks
    rate_at: RateAt
    acting: Acting


class Exposure(NamedTuple):
    """Signed values of positions by instrument, in the base currency.

    `gross` adds them up without their signs; `net_asset_value` has the cash too.
    """

    values: Mapping[str, Decimal]
    gross: Decimal
    net_asset_value: Decimal


class Worth(NamedTuple):
    """The same sums, with the valuation that they are of and the rates that it needed.

    The values by instrument are left to whoever asks for them (`values_in`).
    """

    valuation: Valuation
    rates: Mapping[str, Decimal]
    gross: Decimal
    net_asset_value: Decimal


def balances_of(portfolio: Portfolio) -> Iterator[Balance]:
    """List the cash of the trade date, and what is outstanding of dividends."""
    due = ((each.currency, each.net) for _, _, each in portfolio.dues)
    return chain(portfolio.cash.items(), due)


def exposure_of(
    positions: Positions, balances: Iterable[Balance], *, base_currency: str, by: Valuing
) -> Exposure | None:
    """Value a portfolio; None where a price or a rate that it needs is not known."""
    worth = worth_of(positions, balances, base_currency=base_currency, by=by)
    if worth is None:
        return None
    values = values_in(base_currency, worth.valuation.values, worth.rates)
    return Exposure(values, worth.gross, worth.net_asset_value)


def values_in(
    base_currency: str, valued: Mapping[str, Valued], rates: Mapping[str, Decimal]
) -> dict[str, Decimal]:
    """Give what each position is worth in the base currency, but for those worth nothing."""
    return {
        name: each.value if each.currency == base_currency else each.value * rates[each.currency]
        for name, each in valued.items()
        if each.value
    }


def worth_of(
    positions: Positions, balances: Iterable[Balance], *, base_currency: str, by: Valuing
) -> Worth | None:
    """Add up what a portfolio is worth; None where a price or a rate is not known."""
    valuation = value_positions(positions, by.marks, by.at, by.acting)
    if valuation.unpriced:
        return None
    rates: dict[str, Decimal] = {base_currency: ONE}

    def is_rated(currency: str) -> bool:
        if currency not in rates:
            rate = by.rate_at(currency, base_currency, by.at)
            if rate is None:
                return False
            rates[currency] = rate
        return True

    gross = total = ZERO
    for currency, amount in valuation.gross.items():
        if amount:
            if not is_rated(currency):
                return None
            gross += amount * rates[currency]
            total += valuation.net[currency] * rates[currency]
    for currency, amount in balances:
        if amount:
            if not is_rated(currency):
                return None
            total += amount * rates[currency]
    return Worth(valuation, rates, gross, total)
