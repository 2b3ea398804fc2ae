"""What rules see of a trade: its content, whom it meets, and what limits it."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from domain.instrument import Instrument
from domain.limits.controls import NOTHING, Covering
from domain.limits.events import OverrideApproved
from domain.limits.usage import Usage
from domain.lots import Fill
from domain.marks import NO_MARKS, Marks
from domain.money import ONE, Money
from domain.portfolio.day_counts import DayCounts
from domain.portfolio.events import PortfolioOpened
from domain.portfolio.standing import Standing
from domain.portfolio.working import RateAt
from domain.trade import Capture

if TYPE_CHECKING:
    from domain.rules.exposure import Exposure

CLOCK_SKEW = timedelta(seconds=5)
NOTHING_COUNTED = DayCounts()


UsageOf = Callable[[str, date], Usage | None]
"""Gives what is used of a limit, by its name, on a trade date; None where that is not known."""


def no_usage(_limit: str, _trade_date: date) -> Usage | None:
    """Know of no usage."""
    return None


def no_rates(base: str, quote: str, _at: datetime) -> Decimal | None:
    """Know of no rate but that of a currency to itself."""
    return ONE if base == quote else None


class Proposal(msgspec.Struct, frozen=True, gc=False):
    """What rules judge: the capture, whom it meets, and what it would leave behind.

    `now` is when the system received it; `cash_change` is in the currency of `cash_before`, which
    is the trade's, or the base currency where its cash is exchanged. `lots_not_open` are the trades
    it names to close whose lots are not there. `covering` says what limits the trade, `override`
    what two persons let pass for it, `counts` what was traded before it on its date and others.
    """

    capture: Capture
    fill: Fill
    opened: PortfolioOpened
    instrument: Instrument
    quantity_before: Decimal
    quantity_after: Decimal
    cash_before: Money
    cash_change: Decimal
    now: datetime
    standing: Standing = Standing()
    lots_not_open: tuple[UUID, ...] = ()
    is_rate_missing: bool = False
    covering: Covering = NOTHING
    override: OverrideApproved | None = None
    marks: Marks = NO_MARKS
    rate_at: RateAt = no_rates
    usage_of: UsageOf = no_usage
    counts: DayCounts = NOTHING_COUNTED
    instrument_of: Callable[[str], Instrument | None] = lambda _: None
    exposure: "Callable[[Proposal], Exposure | None]" = lambda _: None

    @property
    def moment(self) -> datetime:
        """When the market is looked at: at the trade's time, never later than it was received."""
        return min(moment_of(self.fill), self.now)


def moment_of(fill: Fill) -> datetime:
    """Give a fill's instant; without a time of day, the end of its date."""
    if fill.executed_at is not None:
        return fill.executed_at
    return datetime.combine(fill.trade_date + timedelta(days=1), time.min, UTC)
