"""Golden samples of limits, trading states, overrides and their breaches; see `golden_samples`."""

from datetime import timedelta
from decimal import Decimal

from domain.event import Event
from domain.limits.events import (
    LimitApproved,
    LimitBreachClosed,
    LimitBreachOpened,
    LimitDeclined,
    LimitProposed,
    LimitUsed,
    OverrideApproved,
    OverrideDeclined,
    OverrideProposed,
    TradingStateAssigned,
    UsageObserved,
)
from domain.limits.scope import Scope
from domain.limits.terms import Binding, LimitRule, LimitTerms, TradingState
from domain.rejection import Breach, Level
from tests.schemas.trade_samples import DAY, FULL_CAPTURE, LEAST_CAPTURE, RECEIVED, TRADE, TRADED_AT

FULL_TERMS = LimitTerms(
    rule=LimitRule.DAY_NOTIONAL,
    scope=Scope(portfolio="growth", instrument="AAPL", sector="Technology"),
    level=Level.WARN,
    maximum=Decimal("1000000.5"),
    currency="USD",
    currencies=("EUR", "USD"),
    binding=Binding.SOFT,
    usage_age_ms_max=500,
)
LEAST_TERMS = LimitTerms(rule=LimitRule.OUTSIDE_SESSION, scope=Scope())
LIMITED_BREACH = Breach(
    "price_far_from_mark",
    "11.5 is 0.15 from the mark of 10, at most 0.1 is allowed.",
    limit="0.1",
    actual="0.15",
    headroom="-0.05",
    level=Level.WARN,
    limited_by="fat-finger",
    limit_version=3,
    mark_position=11,
    is_not_evaluable=True,
    is_overridden=True,
)
LIMITED = {"breaches": (LIMITED_BREACH,)}
"""What events that list breaches got when tenants could give limits."""

LATER = RECEIVED + timedelta(hours=1)

LIMIT_SAMPLES: dict[str, tuple[Event, ...]] = {
    "control.limit_proposed.v1": (
        LimitProposed(
            limit="fat-finger",
            version=3,
            proposed_by="subject-1",
            terms=FULL_TERMS,
            reason="policy_2024",
        ),
        LimitProposed(limit="hours", version=1, proposed_by="subject-1"),
    ),
    "control.limit_approved.v1": (
        LimitApproved(
            limit="fat-finger",
            version=3,
            proposed_by="subject-1",
            approved_by="subject-2",
            terms=LEAST_TERMS,
        ),
        LimitApproved(limit="hours", version=2, proposed_by="subject-1", approved_by="subject-2"),
    ),
    "control.limit_declined.v1": (
        LimitDeclined(limit="hours", version=2, declined_by="subject-2", reason="too_wide"),
    ),
    "control.trading_state_assigned.v1": (
        TradingStateAssigned(
            scope=Scope(portfolio="growth"),
            state=TradingState.REDUCE_ONLY,
            assigned_by="subject-1",
            reason="margin_call",
        ),
        TradingStateAssigned(
            scope=Scope(), state=TradingState.HALTED, assigned_by="subject-1", reason="runaway"
        ),
    ),
    "control.override_proposed.v1": (
        OverrideProposed(
            trade_id=TRADE,
            capture=FULL_CAPTURE,
            rules=("price_far_from_mark", "insufficient_cash"),
            proposed_by="subject-1",
            proposed_at=RECEIVED,
            expires_at=LATER,
            reason="known_event",
        ),
    ),
    "control.override_approved.v1": (
        OverrideApproved(
            trade_id=TRADE,
            capture=LEAST_CAPTURE,
            rules=("price_far_from_mark",),
            proposed_by="subject-1",
            approved_by="subject-2",
            approved_at=RECEIVED,
            expires_at=LATER,
        ),
    ),
    "control.override_declined.v1": (
        OverrideDeclined(
            trade_id=TRADE, portfolio="growth", declined_by="subject-2", reason="not_convinced"
        ),
    ),
    "control.limit_used.v1": (
        LimitUsed(
            limit="firm-day",
            trade_date=DAY,
            portfolio="growth",
            instrument="AAPL",
            trade_id=TRADE,
            amount=Decimal("-17110.13"),
            used=Decimal("82889.87"),
        ),
        LimitUsed(
            limit="firm-day",
            trade_date=DAY,
            portfolio="growth",
            instrument="AAPL",
            trade_id=TRADE,
            amount=Decimal(100),
            used=Decimal(100),
            counted_from=3,
        ),
    ),
    "control.usage_observed.v1": (
        UsageObserved(
            limit="firm-day",
            trade_date=DAY,
            used=Decimal("82889.87"),
            as_of=1_234,
            observed_at=RECEIVED,
        ),
        UsageObserved(
            limit="firm-day",
            trade_date=DAY,
            used=Decimal(100),
            as_of=1_235,
            observed_at=RECEIVED,
            counted_from=3,
        ),
    ),
    "portfolio.limit_breach_opened.v1": (
        LimitBreachOpened(
            portfolio="growth",
            limit="one-name",
            version=2,
            rule=LimitRule.POSITION_CONCENTRATION,
            maximum=Decimal("0.1"),
            actual=Decimal("0.100000000001"),
            market_position=12,
            at=TRADED_AT,
            instrument="AAPL",
            sector="Technology",
        ),
        LimitBreachOpened(
            portfolio="growth",
            limit="gearing",
            version=1,
            rule=LimitRule.LEVERAGE,
            maximum=Decimal(2),
            actual=Decimal("2.5"),
            market_position=12,
            at=TRADED_AT,
        ),
    ),
    "portfolio.limit_breach_closed.v1": (
        LimitBreachClosed(
            portfolio="growth",
            limit="one-name",
            version=2,
            rule=LimitRule.POSITION_CONCENTRATION,
            market_position=13,
            at=TRADED_AT,
            actual=Decimal("0.1"),
            instrument="AAPL",
            sector="Technology",
        ),
        LimitBreachClosed(
            portfolio="growth",
            limit="gearing",
            version=1,
            rule=LimitRule.LEVERAGE,
            market_position=13,
            at=TRADED_AT,
        ),
    ),
}
