"""What trades use of limits that several portfolios share: amounts, and how far they are known.

An amount is in the limit's unit and never negative: what is bought and what is sold both use. It is
counted on the trade's date, from the approval of what the limit counts on.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal

import msgspec

from domain.limits.controls import Controls, Limit
from domain.limits.events import UsageObserved
from domain.limits.terms import Binding, LimitRule, LimitTerms
from domain.lots import Fill
from domain.money import ZERO, product, within

RateAt = Callable[[str, str, datetime], Decimal | None]


class Usage(msgspec.Struct, frozen=True, gc=False):
    """What is used of a limit on a trade date.

    `behind_since` is when the first booking was received that `used` does not count yet; absent
    where none is known, however long ago it was counted. A hard limit's usage never is behind.
    """

    used: Decimal = ZERO
    behind_since: datetime | None = None

    def age_ms(self, now: datetime) -> int:
        """Give for how many whole milliseconds it has been behind."""
        if self.behind_since is None or now <= self.behind_since:
            return 0
        return int((now - self.behind_since).total_seconds() * 1_000)


class Behind(msgspec.Struct, frozen=True, gc=False):
    """Bookings that a soft limit counts on a trade date: the first and the last one known of.

    `first_at` is when the first was received; positions are those of the log.
    """

    first_position: int
    first_at: datetime
    last_position: int

    def since(self, observed: UsageObserved | None) -> datetime | None:
        """Say since when usage has been behind; None where what was observed has all of them.

        Behind an observation that has only the first ones, it counts from that observation.
        """
        as_of = 0 if observed is None else observed.as_of
        if self.last_position <= as_of:
            return None
        if observed is None or as_of < self.first_position:
            return self.first_at
        return observed.observed_at

    def after(self, observed: UsageObserved | None, *, position: int, at: datetime) -> "Behind":
        """Add a booking."""
        since = self.since(observed)
        if since is None:
            return Behind(position, at, position)
        first = self.first_position
        if observed is not None:
            first = max(first, observed.as_of + 1)
        return Behind(first, since, position)


def amount_of(
    terms: LimitTerms, fill: Fill, *, currency: str, at: datetime, rate_at: RateAt
) -> Decimal | None:
    """Say what a fill in a currency uses of a counter; None without a rate of its own time, `at`.

    A notional in another currency than the limit's is converted by the rate in force then, and
    rounded half-even to 12 decimals.
    """
    if terms.rule is LimitRule.DAY_QUANTITY:
        return fill.quantity
    assert terms.currency is not None, "a notional is limited in a currency"
    if currency == terms.currency:
        return fill.consideration
    rate = rate_at(currency, terms.currency, at)
    return None if rate is None else within("amount", product(fill.consideration, rate))


def shared_limits(
    controls: Controls, binding: Binding, *, portfolio: str, instrument: str, sector: str
) -> Iterator[Limit]:
    """Give the limits shared by portfolios that count a portfolio's trades in an instrument."""
    if not controls.has_shared(binding):
        return
    covering = controls.covering(portfolio=portfolio, instrument=instrument, sector=sector)
    for limit in covering.limits:
        if limit.terms.binding is binding:
            yield limit
