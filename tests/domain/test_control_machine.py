"""The four-eyes life of limits and overrides, against a model that a clerk could keep on paper."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from domain.limits.changing import approve_limit, decline_limit, propose_limit
from domain.limits.controls import NOTHING, Controls, Told
from domain.limits.events import (
    ControlEvent,
    LimitApproved,
    OverrideApproved,
)
from domain.limits.overriding import approve_override, decline_override, propose_override
from domain.limits.scope import Scope
from domain.limits.terms import LimitRule, LimitTerms
from domain.rejection import Rejection
from tests.domain.test_overriding import CAPTURE

NOON = datetime(2024, 1, 8, 12, tzinfo=UTC)
persons = st.sampled_from(["one", "two", "three"])
limits = st.sampled_from(["gearing", "hours"])
trades = st.sampled_from([UUID(int=1), UUID(int=2)])
maxima = st.none() | st.integers(1, 3)
minutes = st.integers(1, 90)


@dataclass
class Paper:
    """One sheet: a limit, or the override of a trade."""

    proposals: list[tuple[str, object]] = field(default_factory=list)
    """Who proposed what, one entry for each version."""
    last: str = "nothing"
    in_force: object = None
    ends_at: datetime = NOON
    proposed_at: datetime = NOON


class FourEyes(RuleBasedStateMachine):
    """Persons propose, approve and decline; the clerk writes down what should come of it."""

    def __init__(self) -> None:
        super().__init__()
        self.controls = Controls()
        self.events: list[ControlEvent] = []
        self.now = NOON
        self.limits: dict[str, Paper] = {}
        self.overrides: dict[UUID, Paper] = {}

    def told(self, decide: Callable[[], ControlEvent | Told[ControlEvent]]) -> str:
        """Decide, and fold what is decided; give `event`, `again`, or the code of a refusal."""
        try:
            decided = decide()
        except Rejection as refused:
            return refused.code
        if isinstance(decided, Told):
            assert self.events[decided.version - 1] == decided.event
            return "again"
        before = self.controls
        self.controls = before.fork()
        self.controls.apply(decided)
        self.events.append(decided)
        assert before.version == self.controls.version - 1
        return "event"

    @rule(seconds=st.integers(1, 5_400))
    def wait(self, seconds: int) -> None:
        """Time goes by."""
        self.now += timedelta(seconds=seconds)

    @rule(by=persons, limit=limits, maximum=maxima)
    def propose(self, by: str, limit: str, maximum: int | None) -> None:
        """Propose a limit, a change or an end."""
        terms = None if maximum is None else terms_of(maximum)
        paper = self.limits.setdefault(limit, Paper())
        is_repeat = paper.last == "proposed" and paper.proposals[-1] == (by, maximum)
        if is_repeat:
            expected = "again"
        elif maximum is None and paper.in_force is None:
            expected = "limit_unknown"
        elif maximum == paper.in_force and maximum is not None:
            expected = "limit_unchanged"
        else:
            expected = "event"
            paper.proposals.append((by, maximum))
            paper.last = "proposed"

        assert expected == self.told(
            lambda: propose_limit(self.controls, limit=limit, terms=terms, reason=None, by=by)
        )

    @rule(by=persons, limit=limits, behind=st.integers(0, 1))
    def approve(self, by: str, limit: str, behind: int) -> None:
        """Approve the last proposal, or the one before it."""
        paper = self.limits.get(limit, Paper())
        expected = self.expected_of(paper, behind)
        if expected == "decide":
            proposer, maximum = paper.proposals[-1]
            if paper.last == "declined":
                expected = "limit_declined"
            elif proposer == by:
                expected = "same_person"
            elif paper.last == "approved":
                expected = "again"
            else:
                expected = "event"
                paper.last, paper.in_force = "approved", maximum
        version = len(paper.proposals) - behind

        assert expected == self.told(
            lambda: approve_limit(self.controls, limit=limit, version=version, by=by)
        )

    @rule(by=persons, limit=limits, behind=st.integers(0, 1))
    def decline(self, by: str, limit: str, behind: int) -> None:
        """Decline the last proposal, or the one before it."""
        paper = self.limits.get(limit, Paper())
        expected = self.expected_of(paper, behind)
        if expected == "decide":
            expected = {"declined": "again", "approved": "limit_approved"}.get(paper.last, "event")
            paper.last = "declined" if expected == "event" else paper.last
        version = len(paper.proposals) - behind

        assert expected == self.told(
            lambda: decline_limit(self.controls, limit=limit, version=version, reason="no", by=by)
        )

    @staticmethod
    def expected_of(paper: Paper, behind: int) -> str:
        """Say what any decision on a version meets first."""
        if not paper.proposals:
            return "limit_unknown"
        return "version_stale" if behind else "decide"

    @rule(by=persons, trade=trades, lasts=minutes, strict=st.booleans())
    def propose_override(self, by: str, trade: UUID, lasts: int, *, strict: bool) -> None:
        """Propose that a trade may pass one rule or another."""
        rules = ("mark_stale",) if strict else ("leverage_exceeded",)
        ends_at = self.now + timedelta(minutes=lasts)
        paper = self.overrides.setdefault(trade, Paper())
        if paper.last == "approved" and self.now <= paper.ends_at:
            expected = "override_in_force"
        else:
            expected = "event"
            self.forget()
            paper.proposals.append((by, rules))
            paper.last, paper.ends_at, paper.proposed_at = "proposed", ends_at, self.now
            paper.in_force = None
        # At the same moment, to the same end, it is a repeat; the clerk sees that by the event.
        self.wait(1)
        now = self.now - timedelta(seconds=1)

        assert expected == self.told(
            lambda: propose_override(
                self.controls,
                trade_id=trade,
                capture=CAPTURE,
                rules=rules,
                expires_at=ends_at,
                reason="known",
                is_captured=False,
                covering=NOTHING,
                by=by,
                now=now,
            )
        )

    @rule(by=persons, trade=trades, is_stale=st.booleans())
    def approve_override(self, by: str, trade: UUID, *, is_stale: bool) -> None:
        """Approve what was looked at, or an earlier proposal."""
        paper = self.overrides.get(trade, Paper())
        looked_at = paper.proposed_at - timedelta(microseconds=is_stale)
        if paper.last == "nothing":
            expected = "override_unknown"
        elif paper.last == "declined":
            expected = "override_declined"
        elif self.now > paper.ends_at:
            expected = "override_expired"
        elif paper.proposals[-1][0] == by:
            expected = "same_person"
        elif is_stale:
            expected = "proposal_stale"
        elif paper.last == "approved":
            expected = "again"
        else:
            expected = "event"
            paper.last, paper.in_force = "approved", paper.proposals[-1][1]

        assert expected == self.told(
            lambda: approve_override(
                self.controls, trade_id=trade, proposed_at=looked_at, by=by, now=self.now
            )
        )

    @rule(by=persons, trade=trades, only_own=st.booleans())
    def decline_override(self, by: str, trade: UUID, *, only_own: bool) -> None:
        """Decline an override, or take it back."""
        paper = self.overrides.get(trade, Paper())
        if paper.last == "nothing":
            expected = "override_unknown"
        elif paper.last == "declined":
            expected = "again"
        elif only_own and paper.proposals[-1][0] != by:
            expected = "not_your_proposal"
        else:
            expected = "event"
            paper.last, paper.in_force = "declined", None

        assert expected == self.told(
            lambda: decline_override(
                self.controls,
                trade_id=trade,
                reason="no",
                is_captured=False,
                only_own=only_own,
                by=by,
            )
        )

    def forget(self) -> None:
        """Throw sheets away that count no more, as each new proposal of an override does."""
        for paper in self.overrides.values():
            if paper.last != "nothing" and paper.ends_at < self.now:
                paper.last, paper.in_force = "nothing", None

    @invariant()
    def holds_what_the_clerk_wrote(self) -> None:
        """Limits in force by their terms, overrides in force by their rules."""
        expected = {
            name: terms_of(paper.in_force)
            for name, paper in self.limits.items()
            if isinstance(paper.in_force, int)
        }
        assert expected == {name: each.terms for name, each in self.controls.limits.items()}
        assert {
            trade: paper.in_force
            for trade, paper in self.overrides.items()
            if paper.in_force is not None and paper.ends_at >= self.now
        } == {
            trade: each.rules
            for trade, each in self.controls.overrides.items()
            if each.expires_at >= self.now
        }

    @invariant()
    def nobody_approves_their_own(self) -> None:
        """Nothing was ever approved by whoever proposed it."""
        for event in self.events:
            if isinstance(event, LimitApproved | OverrideApproved):
                assert event.proposed_by != event.approved_by

    def teardown(self) -> None:
        """Fold the whole story anew: the state is that of its events."""
        again = Controls()
        for event in self.events:
            again.apply(event)
        for name, value in vars(again).items():
            if not name.startswith("_"):
                assert value == getattr(self.controls, name), name


def terms_of(maximum: int) -> LimitTerms:
    """Give terms that are told apart by their maximum."""
    return LimitTerms(rule=LimitRule.LEVERAGE, scope=Scope(), maximum=Decimal(maximum))


TestFourEyes = FourEyes.TestCase
TestFourEyes.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
