"""Overrides: one trade, with just its content, may pass some rules until they expire."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.limits.controls import NOTHING, Controls, Covering, Limit, Told
from domain.limits.events import OverrideApproved, OverrideDeclined, OverrideProposed
from domain.limits.overriding import (
    OVERRIDES_MAX,
    approve_override,
    decline_override,
    propose_override,
)
from domain.limits.scope import Scope
from domain.limits.terms import Binding, LimitRule, LimitTerms
from domain.lots import Side
from domain.rejection import Rejection
from domain.trade import Capture, Intent

NOON = datetime(2024, 1, 8, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
TRADE = UUID(int=7)
CAPTURE = Capture(
    portfolio="growth",
    source="desk-1",
    external_id="t-1",
    intent=Intent.PROPOSED,
    instrument="AAPL",
    side=Side.BUY,
    quantity=Decimal(1),
    price=Decimal(1),
    currency="USD",
    executed_at=NOON,
)
DAY = LimitTerms(rule=LimitRule.DAY_QUANTITY, scope=Scope(), maximum=Decimal(1))


def propose(controls: Controls, **changes: Any) -> OverrideProposed | Told[Any]:
    """Propose an override of one trade, and fold it."""
    wanted: dict[str, Any] = {
        "trade_id": TRADE,
        "capture": CAPTURE,
        "rules": ("mark_stale",),
        "expires_at": LATER,
        "reason": "known_event",
        "is_captured": False,
        "covering": NOTHING,
        "by": "one",
        "now": NOON,
    }
    decided = propose_override(controls, **(wanted | changes))
    if not isinstance(decided, Told):
        controls.apply(decided)
    return decided


def approve(
    controls: Controls, proposed_at: datetime = NOON, by: str = "two", now: datetime = NOON
) -> OverrideApproved | Told[Any]:
    """Approve it, and fold it."""
    decided = approve_override(controls, trade_id=TRADE, proposed_at=proposed_at, by=by, now=now)
    if not isinstance(decided, Told):
        controls.apply(decided)
    return decided


def decline(
    controls: Controls, by: str = "two", *, only_own: bool = False, is_captured: bool = False
) -> OverrideDeclined | Told[Any]:
    """Decline it, and fold it."""
    decided = decline_override(
        controls,
        trade_id=TRADE,
        reason="mistaken",
        is_captured=is_captured,
        only_own=only_own,
        by=by,
    )
    if not isinstance(decided, Told):
        controls.apply(decided)
    return decided


def code_of(act: Callable[[], object]) -> str:
    """Give the code with which an act is refused."""
    with pytest.raises(Rejection) as refused:
        act()
    return refused.value.code


def covering(*bindings: Binding | None) -> Covering:
    """What covers the trade: counters of its date, bound so."""
    limits = (replace(DAY, binding=binding) for binding in bindings)
    return Covering(tuple(Limit("day", 1, terms) for terms in limits))


class TestProposing:
    """By anybody who trades, for one trade that is not accepted yet."""

    def test_tells_the_whole_content(self) -> None:
        """Just that trade may pass, and no other."""
        assert propose(Controls()) == OverrideProposed(
            trade_id=TRADE,
            capture=CAPTURE,
            rules=("mark_stale",),
            proposed_by="one",
            proposed_at=NOON,
            expires_at=LATER,
            reason="known_event",
        )

    def test_again_is_what_was_told(self) -> None:
        """Also once it was approved; other rules make a new proposal while it is open."""
        controls = Controls()
        first = propose(controls)
        assert propose(controls, now=LATER) == Told(1, first, LATER, NOON)
        other = propose(controls, rules=("mark_stale", "leverage_exceeded"), now=NOON)
        assert isinstance(other, OverrideProposed)
        approved = approve(controls)

        again = propose(controls, rules=("mark_stale", "leverage_exceeded"))

        assert again == Told(3, approved, LATER, NOON)
        assert code_of(lambda: propose(controls)) == "override_in_force"

    def test_waits_for_one_in_another_portfolio_to_be_declined(self) -> None:
        """Each portfolio's are told in its own partition."""
        controls = Controls()
        propose(controls)
        elsewhere = replace(CAPTURE, portfolio="income")

        assert code_of(lambda: propose(controls, capture=elsewhere)) == "override_proposed"
        decline(controls)
        assert isinstance(propose(controls, capture=elsewhere), OverrideProposed)

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"is_captured": True}, "trade_captured"),
            ({"rules": ()}, "rules_invalid"),
            ({"rules": ("mark_stale",) * 2}, "rules_invalid"),
            ({"rules": ("instrument_unknown",)}, "rule_not_overridable"),
            ({"rules": ("portfolio_frozen",)}, "rule_not_overridable"),
            ({"rules": ("instrument_inactive",)}, "rule_not_overridable"),
            ({"expires_at": NOON}, "expiry_invalid"),
            ({"expires_at": NOON + timedelta(hours=24, microseconds=1)}, "expiry_invalid"),
        ],
    )
    def test_is_refused_where_it_could_not_count(self, changes: dict[str, Any], code: str) -> None:
        """Each with its code; 24 hours ahead is not too much."""
        assert code_of(lambda: propose(Controls(), **changes)) == code
        propose(Controls(), expires_at=NOON + timedelta(hours=24))

    def test_never_lets_pass_what_others_count_on(self) -> None:
        """A hard limit alone; beside a soft one the same rule names that one."""
        rules = {"rules": ("day_quantity_exceeded",)}
        hard, both = covering(Binding.HARD), covering(Binding.HARD, Binding.SOFT)

        assert code_of(lambda: propose(Controls(), covering=hard, **rules)) == (
            "rule_not_overridable"
        )
        propose(Controls(), covering=both, **rules)
        propose(Controls(), covering=covering(None), **rules)

    def test_has_room_for_so_many_at_once(self) -> None:
        """What has expired does not count."""
        controls = Controls()
        for number in range(OVERRIDES_MAX):
            propose(controls, trade_id=UUID(int=number))

        assert code_of(lambda: propose(controls, trade_id=UUID(int=OVERRIDES_MAX))) == (
            "overrides_too_many"
        )
        after = LATER + timedelta(seconds=1)
        more = {"trade_id": UUID(int=OVERRIDES_MAX), "now": after}
        propose(controls, expires_at=after + timedelta(hours=1), **more)


class TestApproving:
    """By another person, while it counts, and just what was looked at."""

    def test_tells_both_persons(self) -> None:
        """It has the content of the proposal."""
        controls = Controls()
        propose(controls)

        approved = approve(controls)

        assert approved == OverrideApproved(
            trade_id=TRADE,
            capture=CAPTURE,
            rules=("mark_stale",),
            proposed_by="one",
            approved_by="two",
            approved_at=NOON,
            expires_at=LATER,
        )
        assert approve(controls, by="three") == Told(2, approved, LATER, NOON)

    def test_is_refused_to_the_proposer_and_when_it_is_too_late(self) -> None:
        """At its very end it still counts."""
        controls = Controls()
        assert code_of(lambda: approve(controls)) == "override_unknown"
        propose(controls)

        assert code_of(lambda: approve(controls, by="one")) == "same_person"
        assert code_of(lambda: approve(controls, LATER)) == "proposal_stale"
        late = LATER + timedelta(microseconds=1)
        assert code_of(lambda: approve(controls, now=late)) == "override_expired"
        assert isinstance(approve(controls, now=LATER), OverrideApproved)


class TestDeclining:
    """Before or after its approval, by whoever may, or by the proposer."""

    def test_ends_it(self) -> None:
        """Again it is what was told, and it can be proposed anew."""
        controls = Controls()
        assert code_of(lambda: decline(controls)) == "override_unknown"
        propose(controls)
        approve(controls)

        declined = decline(controls)

        assert declined == OverrideDeclined(
            trade_id=TRADE, portfolio="growth", declined_by="two", reason="mistaken"
        )
        assert (controls.overrides, controls.proposed_overrides) == ({}, {})
        assert decline(controls, by="one") == Told(3, declined, LATER, NOON)
        assert code_of(lambda: approve(controls)) == "override_declined"
        assert isinstance(propose(controls), OverrideProposed)

    def test_comes_too_late_for_one_that_let_its_trade_pass(self) -> None:
        """One that was never approved let nothing pass."""
        controls = Controls()
        propose(controls)
        approve(controls)
        assert code_of(lambda: decline(controls, is_captured=True)) == "trade_captured"

        others = Controls()
        propose(others)
        assert isinstance(decline(others, is_captured=True), OverrideDeclined)

    def test_of_what_others_proposed_is_not_for_everybody(self) -> None:
        """Who may not approve takes back their own only."""
        controls = Controls()
        propose(controls)

        assert code_of(lambda: decline(controls, only_own=True)) == "not_your_proposal"
        assert isinstance(decline(controls, by="one", only_own=True), OverrideDeclined)
