"""What an alert rule says: which figure it watches, where, from which level on, and who hears.

A figure is beyond where it is above `raise_above`, and is so until it is at or below `clear_at`.
Durations are of business time, in seconds.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

STEPS_MAX = 5
CHANNELS_MAX = 8


class AlertKind(StrEnum):
    """The figure that a rule watches, with its unit and whose it is."""

    DRAWDOWN = "drawdown"
    """Fraction by which a portfolio's value, flows apart, is below its highest; see `highs`."""
    LOSS_ON_DAY = "loss_on_day"
    """Fraction by which it is below its value at the start of the business day, flows apart."""
    VALUE_AT_RISK = "value_at_risk"
    """Historical one-day VaR as struck when a session closed, as a fraction of its NAV then."""
    EXPOSURE = "exposure"
    """Gross value of a portfolio's positions, in its base currency."""
    CONCENTRATION = "concentration"
    """|Value| of a portfolio's largest position, or of the one named, / gross value."""
    LEVERAGE = "leverage"
    """Gross value of a portfolio's positions / its net asset value."""
    PRICE_STALE = "price_stale"
    """Seconds since the mark of an instrument that anybody in the scope holds."""
    TRADE_BURST = "trade_burst"
    """Trades of a portfolio, or of the source named, in `window_seconds`."""
    REFUSALS = "refusals"
    """Refused trades of a source in `window_seconds`."""
    SETTLEMENT_FAILS = "settlement_fails"
    """Trades of a portfolio whose settlement fails."""
    WAITING_AMENDS = "waiting_amends"
    """Amends and busts of a portfolio that wait for their trade."""


class AlertLevel(StrEnum):
    """How grave an alert is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class AlertScope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A part of a tenant; with nothing named all of it, each portfolio or source by itself."""

    portfolio: str | None = None
    instrument: str | None = None
    source: str | None = None


class AlertStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A level of an alert, and the channels that are told of it.

    The first is that of the raise. Each later one comes `after_seconds` behind the one before it,
    unless somebody acknowledged the alert, or it ended.
    """

    level: AlertLevel
    channels: tuple[str, ...] = ()
    after_seconds: int = 0


class AlertTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The content of one version of a rule.

    It raises once the figure was beyond for `lasting_seconds`. `window_seconds` and `confidence`
    are there for the kinds that need them.
    """

    kind: AlertKind
    scope: AlertScope
    raise_above: Decimal
    clear_at: Decimal
    steps: tuple[AlertStep, ...]
    lasting_seconds: int = 0
    window_seconds: int | None = None
    confidence: Decimal | None = None
