"""Limits of a portfolio as it would stand after a trade: leverage, concentration (convention 12).

A trade that leaves the figure no worse than it was is not refused by the limit: it warns, so that
nobody is kept from reducing what is too large already.
"""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from functools import partial

import msgspec

from domain.instrument import Instrument
from domain.limits.controls import Limit
from domain.limits.scope import sector_of
from domain.marks import Marks
from domain.money import ONE, ZERO, ratio
from domain.portfolio.overdue import Acting
from domain.portfolio.state import Portfolio
from domain.portfolio.working import RateAt
from domain.rejection import Breach, Level
from domain.rules.breaching import exceeded, maximum_of, not_evaluable
from domain.rules.proposal import Proposal
from domain.rules.single import scale_since
from domain.rules.valuing import Valuation, value_positions


class Exposure(msgspec.Struct, frozen=True, gc=False):
    """A portfolio in its base currency before and after a trade; the position's values are signed.

    `others` is the gross value of all other positions, `sector` that of those among them that are
    in the traded instrument's sector; both are the same before and after.
    """

    own_before: Decimal
    own_after: Decimal
    others: Decimal
    sector: Callable[[], Decimal]
    nav_before: Decimal
    nav_after: Decimal
    mark_position: int | None

    @property
    def gross_before(self) -> Decimal:
        """Gross value before the trade."""
        return self.others + abs(self.own_before)

    @property
    def gross_after(self) -> Decimal:
        """Gross value after it."""
        return self.others + abs(self.own_after)


class Exposures:
    """Works out the exposure of one portfolio to one trade, at most once."""

    def __init__(self, portfolio: Portfolio, marks: Marks, rate_at: RateAt, acting: Acting) -> None:
        self._portfolio = portfolio
        self._marks = marks
        self._rate_at = rate_at
        self._acting = acting
        self._found: Exposure | None = None
        self._is_found = False

    def of(self, proposal: Proposal) -> Exposure | None:
        """Give the exposure; None where a price or a rate is missing."""
        if not self._is_found:
            self._found, self._is_found = self._worked_out(proposal), True
        return self._found

    def _worked_out(self, proposal: Proposal) -> Exposure | None:
        name, moment = proposal.capture.instrument, proposal.moment
        held = value_positions(self._portfolio, self._marks, moment, self._acting)
        if held.unpriced - {name}:
            return None
        rates = self._rates(proposal, held)
        if rates is None:
            return None
        own = held.values.get(name)
        listed = ZERO if own is None or own.value is None else own.value
        own_rate = rates[proposal.capture.currency]
        others = _total(held.gross, rates) - abs(listed) * own_rate
        net = _total(held.net, rates) - listed * own_rate
        price, position = _own_price(proposal)
        before = proposal.quantity_before * price * own_rate
        after = proposal.quantity_after * price * own_rate
        cash = self._cash(rates)
        changed = proposal.cash_change * rates[proposal.cash_before.currency]
        return Exposure(
            before,
            after,
            others,
            # Without the proposal and this: nobody would ever free a ring of them.
            partial(
                _sector_total,
                name,
                proposal.instrument,
                proposal.fill.trade_date,
                held,
                rates,
                self._acting.instrument_of,
            ),
            cash + net + before,
            cash + net + after + changed,
            position,
        )

    def _rates(self, proposal: Proposal, held: Valuation) -> dict[str, Decimal] | None:
        base = proposal.opened.base_currency
        currencies = {base, proposal.capture.currency, *held.gross}
        currencies.update(currency for currency, balance in self._portfolio.cash.items() if balance)
        currencies.update(due.currency for _, _, due in self._portfolio.dues.outstanding.values())
        rates: dict[str, Decimal] = {base: ONE}
        for currency in currencies - {base}:
            rate = self._rate_at(currency, base, proposal.moment)
            if rate is None:
                return None
            rates[currency] = rate
        return rates

    def _cash(self, rates: dict[str, Decimal]) -> Decimal:
        """Give cash, pending included, and dividends due."""
        cash = sum(
            (rates[each] * held for each, held in self._portfolio.cash.items() if held), ZERO
        )
        dues = self._portfolio.dues.outstanding.values()
        return cash + sum((due.net * rates[due.currency] for _, _, due in dues), ZERO)


def leverage_is_within(proposal: Proposal, limit: Limit) -> Breach | None:
    """Gross value after a trade is at most so many times the net asset value."""
    seen = proposal.exposure(proposal)
    if seen is None:
        return _unknown(limit)
    maximum, gross, nav = maximum_of(limit), seen.gross_after, seen.nav_after
    if not gross or (nav > 0 and gross <= maximum * nav):
        return None
    was_positive = seen.nav_before > 0
    if nav > 0:
        no_worse = not was_positive or gross * seen.nav_before <= seen.gross_before * nav
        no_worse = no_worse and bool(seen.gross_before)
    else:
        no_worse = not was_positive and gross <= seen.gross_before
    before = ratio(seen.gross_before, seen.nav_before) if was_positive else None
    return exceeded(
        limit,
        f"Positions of {gross:f} on a net asset value of {nav:f}, at most {maximum:f} times it.",
        actual=ratio(gross, nav) if nav > 0 else None,
        headroom=None if before is None else maximum - before,
        mark_position=seen.mark_position,
        level=Level.WARN if no_worse else None,
    )


def position_is_not_concentrated(proposal: Proposal, limit: Limit) -> Breach | None:
    """The position traded is at most such a fraction of the portfolio's gross value."""
    seen = proposal.exposure(proposal)
    if seen is None:
        return _unknown(limit)
    parts = (abs(seen.own_before), abs(seen.own_after))
    return _concentrated(proposal.capture.instrument, parts, seen, limit)


def sector_is_not_concentrated(proposal: Proposal, limit: Limit) -> Breach | None:
    """The positions in the sector traded are at most such a fraction of the gross value."""
    seen = proposal.exposure(proposal)
    if seen is None:
        return _unknown(limit)
    sector = seen.sector()
    parts = (sector + abs(seen.own_before), sector + abs(seen.own_after))
    name = sector_of(proposal.instrument, proposal.fill.trade_date)
    return _concentrated(name, parts, seen, limit)


def _concentrated(
    name: str, parts: tuple[Decimal, Decimal], seen: Exposure, limit: Limit
) -> Breach | None:
    (before, after), maximum = parts, maximum_of(limit)
    if after <= maximum * seen.gross_after:
        return None
    was = ratio(before, seen.gross_before) if seen.gross_before else ZERO
    no_worse = before * seen.gross_after >= after * seen.gross_before and bool(before)
    actual = ratio(after, seen.gross_after)
    return exceeded(
        limit,
        f"{name} would be {actual:f} of the gross value, at most {maximum:f}.",
        actual=actual,
        headroom=maximum - was,
        mark_position=seen.mark_position,
        level=Level.WARN if no_worse else None,
    )


def _sector_total(
    traded: str,
    instrument: Instrument,
    day: date,
    held: Valuation,
    rates: dict[str, Decimal],
    instrument_of: Callable[[str], Instrument | None],
) -> Decimal:
    """Give the gross value of the positions in an instrument's sector on a day, without its own."""
    wanted, total = sector_of(instrument, day), ZERO
    if day == held.day:
        for currency, rate in rates.items():
            total += held.sectors.get((wanted, currency), ZERO) * rate
        own = held.values.get(traded)
        if own is not None and own.value is not None:
            total -= abs(own.value) * rates[own.currency]
        return total
    for name, valued in held.values.items():
        if name == traded or valued.value is None:
            continue
        other = instrument_of(name)
        assert other is not None, "what is held is registered"
        if sector_of(other, day) == wanted:
            total += abs(valued.value) * rates[valued.currency]
    return total


def _unknown(limit: Limit) -> Breach:
    return not_evaluable(limit, "A price or a rate of what the portfolio holds is not known.")


def _own_price(proposal: Proposal) -> tuple[Decimal, int | None]:
    """Give the price of the position traded: its mark, else what it is traded at now."""
    mark = proposal.marks.in_force(proposal.capture.instrument, proposal.moment)
    if mark is None:
        return proposal.fill.price, None
    scale = scale_since(proposal.instrument, mark, proposal)
    if scale.new == scale.old:
        return mark.price, mark.position
    return mark.price * scale.old / scale.new, mark.position


def _total(by_currency: dict[str, Decimal], rates: dict[str, Decimal]) -> Decimal:
    amounts: Iterable[tuple[str, Decimal]] = by_currency.items()
    return sum((amount * rates[currency] for currency, amount in amounts), ZERO)
