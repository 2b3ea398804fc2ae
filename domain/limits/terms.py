"""What a limit says: the rule it bounds, where it holds, and how far one may go (convention 15).

Every limit is inclusive: just at its maximum nothing is breached.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from domain.limits.scope import Scope
from domain.rejection import Level

CURRENCIES_MAX = 200
RULES_MAX = 50
"""Most rules one override may name."""


class LimitRule(StrEnum):
    """What may be bounded, under the code of its breach; with the unit of `maximum`."""

    PRICE_FAR_FROM_MARK = "price_far_from_mark"
    """Fraction of the mark in force by which a price may differ from it, either way."""
    MARK_STALE = "mark_stale"
    """Seconds that the mark in force may be old when the trade is executed."""
    TRADE_QUANTITY = "trade_quantity_exceeded"
    """Units of the instrument in one trade."""
    TRADE_NOTIONAL = "trade_notional_exceeded"
    """Consideration of one trade, in the limit's currency."""
    DAY_QUANTITY = "day_quantity_exceeded"
    """Units bought and sold, added up, on one trade date in all that the scope covers."""
    DAY_NOTIONAL = "day_notional_exceeded"
    """Consideration bought and sold, added up, on one trade date; in the limit's currency."""
    LEVERAGE = "leverage_exceeded"
    """Gross value of a portfolio's positions / its net asset value, after the trade."""
    POSITION_CONCENTRATION = "position_concentration_exceeded"
    """|Value of the instrument's position| / gross value of the portfolio, after the trade."""
    SECTOR_CONCENTRATION = "sector_concentration_exceeded"
    """|Values of the sector's positions|, added up, / gross value, after the trade."""
    INSTRUMENT_RESTRICTED = "instrument_restricted"
    """The scope is on a restricted list (level block) or on a watch list (level warn)."""
    CURRENCY_NOT_ALLOWED = "currency_not_allowed"
    """Only the `currencies` listed may be traded in."""
    OUTSIDE_SESSION = "outside_session"
    """Only in sessions of the calendar of the instrument; without a time of day, on their days."""


class Binding(StrEnum):
    """How a counter of several portfolios binds."""

    HARD = "hard"
    """Counted in the transaction that books: never exceeded, whoever writes."""
    SOFT = "soft"
    """Counted behind the bookings: usage is known as of a moment ago."""


class LimitTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The content of one version of a limit.

    `maximum` and `currency` as the rule needs them. `binding` is there for counters of a trade date
    wider than a portfolio; `usage_age_ms_max` with a soft one: older usage is `not_evaluable`.
    """

    rule: LimitRule
    scope: Scope
    level: Level = Level.BLOCK
    maximum: Decimal | None = None
    currency: str | None = None
    currencies: tuple[str, ...] = ()
    binding: Binding | None = None
    usage_age_ms_max: int | None = None

    @property
    def counted(self) -> tuple[LimitRule, Scope, str | None, Binding | None]:
        """What a counter counts, in which unit, and how: with other terms it begins anew."""
        return self.rule, self.scope, self.currency, self.binding


class TradingState(StrEnum):
    """What proposed trades may do: all, only bring positions nearer to zero, or nothing."""

    ACTIVE = "active"
    REDUCE_ONLY = "reduce_only"
    HALTED = "halted"
