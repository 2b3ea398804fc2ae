"""What a story tells of controls; each function is one command, decided as the domain does."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from msgspec.structs import replace

from domain.event import Event
from domain.identity import controls_stream, portfolio_stream, trade_id, usage_stream
from domain.limits.changing import approve_limit, decline_limit, propose_limit
from domain.limits.controls import NOTHING, Controls, Told
from domain.limits.events import (
    ControlEvent,
    LimitBreachClosed,
    LimitBreachOpened,
    LimitUsed,
    UsageObserved,
)
from domain.limits.halting import assign_state
from domain.limits.overriding import approve_override, decline_override, propose_override
from domain.limits.scope import Scope
from domain.limits.terms import LimitRule, LimitTerms, TradingState
from domain.lots import Side
from domain.rejection import Breach, Rejection
from domain.trade import Capture, Intent, TradeCaptured
from tests.projections.story import ACME, DAY_ONE, Story, closing

NOON = closing(DAY_ONE) - timedelta(hours=9)
LEVERAGE = LimitTerms(rule=LimitRule.LEVERAGE, scope=Scope(), maximum=Decimal(2))


class ControlStory:
    """Tells of one tenant's controls in a story; what the domain refuses is not told."""

    def __init__(self, story: Story, tenant: str = ACME) -> None:
        self.story = story
        self.tenant = tenant
        self.controls = Controls()
        self.open_breaches: set[tuple[str, str]] = set()
        self.now = NOON

    def propose(self, limit: str, terms: LimitTerms | None = LEVERAGE, by: str = "one") -> None:
        """Propose a limit."""
        self._tell(
            lambda: propose_limit(self.controls, limit=limit, terms=terms, reason="policy", by=by)
        )

    def approve(self, limit: str, by: str = "two") -> None:
        """Approve what was proposed last."""
        version = self.controls.versions.get(limit, 0)
        self._tell(lambda: approve_limit(self.controls, limit=limit, version=version, by=by))

    def decline(self, limit: str, by: str = "two") -> None:
        """Decline what was proposed last."""
        version = self.controls.versions.get(limit, 0)
        self._tell(
            lambda: decline_limit(
                self.controls, limit=limit, version=version, reason="too_wide", by=by
            )
        )

    def assign(self, state: TradingState, scope: Scope = Scope()) -> None:  # noqa: B008 - frozen
        """Assign a trading state."""
        self._tell(
            lambda: assign_state(self.controls, scope=scope, state=state, reason="drill", by="one")
        )

    def propose_override(self, portfolio: str, name: str, rule: str = "mark_stale") -> UUID:
        """Propose an override of a trade, for an hour."""
        capture, trade = self._capture(portfolio, name)
        self._tell(
            lambda: propose_override(
                self.controls,
                trade_id=trade,
                capture=capture,
                rules=(rule,),
                expires_at=self.now + timedelta(hours=1),
                reason="known_event",
                is_captured=False,
                covering=NOTHING,
                by="one",
                now=self.now,
            )
        )
        return trade

    def approve_override(self, trade: UUID) -> None:
        """Approve the override of a trade, if one is proposed."""
        proposal = self.controls.proposed_overrides.get(trade)
        proposed_at = self.now if proposal is None else proposal.proposed_at
        self._tell(
            lambda: approve_override(
                self.controls, trade_id=trade, proposed_at=proposed_at, by="two", now=self.now
            )
        )

    def decline_override(self, trade: UUID) -> None:
        """Decline the override of a trade."""
        self._tell(
            lambda: decline_override(
                self.controls,
                trade_id=trade,
                reason="mistaken",
                is_captured=False,
                only_own=False,
                by="two",
            )
        )

    def capture(self, portfolio: str, name: str) -> None:
        """Capture a trade; what an override lets pass rides on it."""
        capture, trade = self._capture(portfolio, name)
        override = self.controls.overrides.get(trade)
        rules = () if override is None else override.rules
        captured = TradeCaptured(
            trade_id=trade,
            capture=capture,
            market_position=0,
            breaches=tuple(Breach(rule, "so it is", is_overridden=True) for rule in rules),
            received_at=self.now,
        )
        self.story.tell((self.tenant, trade, captured))

    def turn_breach(self, portfolio: str, limit: str) -> None:
        """Open a breach of a limit in a portfolio, or close the one that is open."""
        place = portfolio, limit
        event: Event
        if place in self.open_breaches:
            self.open_breaches.remove(place)
            event = LimitBreachClosed(
                portfolio=portfolio,
                limit=limit,
                version=1,
                rule=LimitRule.LEVERAGE,
                market_position=2,
                at=self.now,
                actual=Decimal("1.9"),
            )
        else:
            self.open_breaches.add(place)
            event = LimitBreachOpened(
                portfolio=portfolio,
                limit=limit,
                version=1,
                rule=LimitRule.LEVERAGE,
                maximum=Decimal(2),
                actual=Decimal("2.5"),
                market_position=1,
                at=self.now,
            )
        self.story.tell((self.tenant, portfolio_stream(self.tenant, portfolio), event))

    def use(self, portfolio: str, limit: str, used: int, day: date = DAY_ONE) -> None:
        """Tell that a trade of a portfolio brought what is used of a hard limit to so much."""
        event = LimitUsed(
            limit=limit,
            trade_date=day,
            portfolio=portfolio,
            instrument="AAPL",
            trade_id=UUID(int=used),
            amount=Decimal(1),
            used=Decimal(used),
        )
        self.story.tell((self.tenant, usage_stream(self.tenant, limit), event))

    def observe(self, limit: str, used: int, as_of: int, day: date = DAY_ONE) -> None:
        """Tell what is used of a soft limit, as observed."""
        event = UsageObserved(
            limit=limit, trade_date=day, used=Decimal(used), as_of=as_of, observed_at=self.now
        )
        self.story.tell((self.tenant, usage_stream(self.tenant, limit), event))

    def wait(self, hours: float) -> datetime:
        """Let time go by."""
        self.now += timedelta(hours=hours)
        return self.now

    def _capture(self, portfolio: str, name: str) -> tuple[Capture, UUID]:
        capture = Capture(
            portfolio=portfolio,
            source="desk-1",
            external_id=name,
            intent=Intent.PROPOSED,
            instrument="AAPL",
            side=Side.BUY,
            quantity=Decimal(1),
            price=Decimal("10.5"),
            currency="USD",
            trade_date=DAY_ONE,
        )
        return capture, trade_id(self.tenant, "desk-1", name, None)

    def _tell(self, decide: Callable[[], ControlEvent | Told[ControlEvent]]) -> None:
        try:
            decided = decide()
        except Rejection:
            return
        if not isinstance(decided, Told):
            self.controls.apply(decided)
            self.story.tell((self.tenant, controls_stream(self.tenant), decided))


def tell_everywhere(told: ControlStory, funds: tuple[str, ...]) -> None:
    """A limit and a halt; of each portfolio overrides, breaches, and what it used on five dates."""
    told.propose("gearing")
    told.approve("gearing")
    told.assign(TradingState.HALTED, Scope(portfolio=funds[0]))
    for number, fund in enumerate(funds * 2):
        told.approve_override(told.propose_override(fund, f"override-{number}"))
        told.turn_breach(fund, f"limit-{number % 5}")
        told.use(fund, "firm-day", number, day=DAY_ONE + timedelta(days=number % 9 // 2))


def with_maximum(maximum: int) -> LimitTerms:
    """Give terms of leverage with another maximum."""
    return replace(LEVERAGE, maximum=Decimal(maximum))
