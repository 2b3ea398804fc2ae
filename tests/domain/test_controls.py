"""The state of a tenant's controls: what covers a trade, and which overrides are remembered."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.limits.controls import NOTHING, Controls
from domain.limits.events import (
    LimitApproved,
    LimitProposed,
    OverrideApproved,
    OverrideProposed,
    TradingStateAssigned,
)
from domain.limits.scope import Scope
from domain.limits.terms import LimitRule, LimitTerms, TradingState
from domain.lots import Side
from domain.trade import Capture, Intent

NOON = datetime(2024, 1, 8, 12, tzinfo=UTC)
names = st.sampled_from(["a", "b"])
scopes = st.builds(
    Scope,
    portfolio=st.none() | names,
    instrument=st.none() | names,
    sector=st.none() | names,
)
CAPTURE = Capture(
    portfolio="a",
    source="desk-1",
    external_id="t-1",
    intent=Intent.PROPOSED,
    instrument="b",
    side=Side.BUY,
    quantity=Decimal(1),
    price=Decimal(1),
    currency="USD",
    executed_at=NOON,
)


def approved(limit: str, scope: Scope, version: int = 1) -> LimitApproved:
    """A limit of sessions, approved for a scope."""
    terms = LimitTerms(rule=LimitRule.OUTSIDE_SESSION, scope=scope)
    return LimitApproved(
        limit=limit, version=version, proposed_by="one", approved_by="two", terms=terms
    )


def assigned(scope: Scope, state: TradingState) -> TradingStateAssigned:
    """A trading state of a scope."""
    return TradingStateAssigned(scope=scope, state=state, assigned_by="one", reason="drill")


class TestCovering:
    """What holds for the trades of a portfolio in an instrument of a sector."""

    @given(st.lists(scopes, unique=True), names, names, names)
    def test_is_by_every_limit_whose_scope_names_nothing_else(
        self, given_scopes: list[Scope], portfolio: str, instrument: str, sector: str
    ) -> None:
        """Asked again after each event, so that nothing kept is stale."""
        controls = Controls()
        expected = []
        for number, scope in enumerate(given_scopes):
            controls.apply(approved(f"limit-{number:03}", scope))
            agree = zip(
                (scope.portfolio, scope.instrument, scope.sector),
                (portfolio, instrument, sector),
                strict=True,
            )
            if all(wanted is None or wanted == actual for wanted, actual in agree):
                expected.append(f"limit-{number:03}")

            found = controls.covering(portfolio=portfolio, instrument=instrument, sector=sector)

            assert [limit.name for limit in found.limits] == expected

    @given(st.lists(st.tuples(scopes, st.sampled_from(TradingState))), names, names, names)
    def test_has_the_strictest_state_of_all_that_cover_it(
        self, told: list[tuple[Scope, TradingState]], portfolio: str, instrument: str, sector: str
    ) -> None:
        """The last word of a scope counts, and a scope that is active again has none."""
        controls = Controls()
        last: dict[Scope, TradingState] = {}
        for scope, state in told:
            controls.apply(assigned(scope, state))
            last[scope] = state
        order = list(TradingState)
        named = {"portfolio": portfolio, "instrument": instrument, "sector": sector}
        states = [state for scope, state in last.items() if scope.covers(**named)]

        found = controls.covering(**named)

        assert found.state is max(states, key=order.index, default=TradingState.ACTIVE)

    def test_is_nothing_where_a_limit_was_ended(self) -> None:
        """Its version is remembered, so that a name never has one version twice."""
        controls = Controls()
        controls.apply(approved("hours", Scope()))
        controls.apply(LimitProposed(limit="hours", version=2, proposed_by="one"))
        controls.apply(
            LimitApproved(limit="hours", version=2, proposed_by="one", approved_by="two")
        )

        assert controls.covering(portfolio="a", instrument="b", sector="c") is NOTHING
        assert (controls.versions, controls.proposals) == ({"hours": 2}, {})

    def test_of_a_fork_is_its_own(self) -> None:
        """What is decided on a fork is not seen by whom it was forked from."""
        controls = Controls()
        controls.apply(approved("hours", Scope()))
        twin = controls.fork()

        twin.apply(assigned(Scope(), TradingState.HALTED))

        assert controls.covering(portfolio="a", instrument="b", sector="c").state_of is None
        assert twin.covering(portfolio="a", instrument="b", sector="c").state_of == Scope()


class TestOverrides:
    """They do not pile up for ever."""

    def test_are_forgotten_once_they_have_expired(self) -> None:
        """At the next proposal, by its own time: folding knows no clock."""
        controls = Controls()
        first, second = UUID(int=1), UUID(int=2)
        controls.apply(proposed(first, NOON))
        controls.apply(
            OverrideApproved(
                trade_id=first,
                capture=CAPTURE,
                rules=("mark_stale",),
                proposed_by="one",
                approved_by="two",
                approved_at=NOON,
                expires_at=NOON + timedelta(hours=1),
            )
        )
        assert (list(controls.overrides), controls.proposed_overrides) == ([first], {})

        controls.apply(proposed(second, NOON + timedelta(hours=2)))

        assert (controls.overrides, list(controls.proposed_overrides)) == ({}, [second])


def proposed(trade_id: UUID, at: datetime) -> OverrideProposed:
    """An override for one hour."""
    return OverrideProposed(
        trade_id=trade_id,
        capture=CAPTURE,
        rules=("mark_stale",),
        proposed_by="one",
        proposed_at=at,
        expires_at=at + timedelta(hours=1),
        reason="known_event",
    )
