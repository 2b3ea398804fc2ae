"""Commands of a tenant's controls, with the fingerprints they have for ever."""

from decimal import Decimal

from commands.command import Command
from commands.control_commands import (
    ApproveLimit,
    ApproveOverride,
    AssignTradingState,
    DeclineLimit,
    DeclineOverride,
    ProposeLimit,
    ProposeOverride,
)
from domain.limits.scope import Scope
from domain.limits.terms import Binding, LimitRule, LimitTerms, TradingState
from tests.commands.scenes import NOON, capture

TERMS = LimitTerms(
    rule=LimitRule.DAY_NOTIONAL,
    scope=Scope(sector="Technology"),
    maximum=Decimal(1_000_000),
    currency="USD",
    binding=Binding.HARD,
)

CONTROL_GOLDEN: dict[str, Command] = {
    "67e3edc86769a077b26f1ee98bd6f740b9b310004746e1f8bd7290b966710261": ProposeLimit(
        limit="firm-day", terms=TERMS, reason="policy_2024"
    ),
    "d9d4d0168ce3896502ee48da574baa06954da92c9c769e2c14b41abbe21268d4": ApproveLimit(
        limit="firm-day", version=1
    ),
    "a9bd1107d546c2efb1a6f74005d5102c46228c2f6fc90cb56f84cb6c8f1ff474": DeclineLimit(
        limit="firm-day", version=1, reason="too_wide"
    ),
    "807f6e2884b24733cf5cb09582feb33eb980f16ad0171f726f732b788d56f806": AssignTradingState(
        scope=Scope(), state=TradingState.HALTED, reason="runaway"
    ),
    "99f8cb530fa7694fc7fe1e216dd6f2f8264446486fee5a16dfdeba384120b4cc": ProposeOverride(
        capture=capture("t-1").capture,
        rules=("mark_stale",),
        expires_at=NOON,
        reason="known_event",
    ),
    "1f8da0482523eea96f5604fde1bd33ee8ec8f937cca1864437e94b53e4d40be0": ApproveOverride(
        source="desk-1", external_id="t-1", proposed_at=NOON
    ),
    "327acf06b6760777fedb8d359059d16fdadc6e7c14dc9f6704986507d66650fc": DeclineOverride(
        source="desk-1", external_id="t-1", reason="not_convinced"
    ),
}
