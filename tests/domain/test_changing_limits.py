"""Limits change with four eyes; terms say all their rule needs, and nothing it does not know."""

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from domain.limits.changing import LIMITS_MAX, approve_limit, decline_limit, propose_limit
from domain.limits.checking import check_terms, require_known
from domain.limits.controls import Controls, Told
from domain.limits.events import LimitApproved, LimitDeclined, LimitProposed
from domain.limits.halting import assign_state
from domain.limits.scope import UNCLASSIFIED, Scope
from domain.limits.terms import Binding, LimitRule, LimitTerms, TradingState
from domain.rejection import Conflict, Level, Rejection

TERMS = LimitTerms(rule=LimitRule.LEVERAGE, scope=Scope(), maximum=Decimal(2))
LOOSER = msgspec.structs.replace(TERMS, maximum=Decimal(3))
SHARED = LimitTerms(
    rule=LimitRule.DAY_NOTIONAL,
    scope=Scope(),
    maximum=Decimal(1_000),
    currency="USD",
    binding=Binding.HARD,
)


def propose(
    controls: Controls, terms: LimitTerms | None = TERMS, by: str = "one", limit: str = "gearing"
) -> object:
    """Propose a limit, and fold it."""
    return folded(
        controls, propose_limit(controls, limit=limit, terms=terms, reason="policy", by=by)
    )


def approve(controls: Controls, version: int, by: str = "two") -> object:
    """Approve a version, and fold it."""
    return folded(controls, approve_limit(controls, limit="gearing", version=version, by=by))


def decline(controls: Controls, version: int, by: str = "two") -> object:
    """Decline a version, and fold it."""
    return folded(
        controls,
        decline_limit(controls, limit="gearing", version=version, reason="too_wide", by=by),
    )


def folded(controls: Controls, decided: object) -> object:
    """Fold what is an event; what was told before is none."""
    if not isinstance(decided, Told):
        controls.apply(decided)  # type: ignore[arg-type]
    return decided


def code_of(act: Callable[[], object]) -> str:
    """Give the code with which an act is refused."""
    with pytest.raises(Rejection) as refused:
        act()
    return refused.value.code


class TestProposing:
    """Each proposal is the next version of its limit; what is in force stays so."""

    def test_is_the_next_version(self) -> None:
        """Also behind one that was approved, and behind one that is open still."""
        controls = Controls()

        first = propose(controls)
        second = propose(controls, LOOSER)
        approve(controls, 2)
        third = propose(controls)

        assert first == LimitProposed(
            limit="gearing", version=1, proposed_by="one", terms=TERMS, reason="policy"
        )
        assert isinstance(second, LimitProposed)
        assert isinstance(third, LimitProposed)
        assert (second.version, third.version) == (2, 3)
        assert controls.limits["gearing"].terms == LOOSER

    def test_again_by_the_same_person_is_what_was_told(self) -> None:
        """By another it is theirs: they could not approve their own."""
        controls = Controls()
        first = propose(controls)

        again, others = propose(controls), propose(controls, by="two")

        assert again == Told(1, first)
        assert isinstance(others, LimitProposed)
        assert others.proposed_by == "two"
        assert code_of(lambda: approve(controls, 2, by="two")) == "same_person"

    def test_needs_something_to_end_or_to_change(self) -> None:
        """Nothing is ended that is not in force, and nothing is said twice."""
        controls = Controls()
        assert code_of(lambda: propose(controls, None)) == "limit_unknown"
        propose(controls)
        assert code_of(lambda: propose(controls, None)) == "limit_unknown"
        approve(controls, 1)

        assert code_of(lambda: propose(controls)) == "limit_unchanged"
        assert isinstance(propose(controls, None), LimitProposed)
        approve(controls, 2)
        assert controls.limits == {}

    def test_has_room_for_so_many_limits(self) -> None:
        """Those in force and those proposed; a limit that is there can always change."""
        controls = Controls()
        for number in range(LIMITS_MAX):
            propose(controls, limit=f"limit-{number}")

        assert code_of(lambda: propose(controls)) == "limits_too_many"
        assert isinstance(propose(controls, LOOSER, limit="limit-0"), LimitProposed)


class TestDeciding:
    """Approved by another person, declined by anybody; just the version that was looked at."""

    def test_puts_the_terms_in_force_for_what_follows(self) -> None:
        """The event tells both persons."""
        controls = Controls()
        propose(controls)

        approved = approve(controls, 1)

        assert approved == LimitApproved(
            limit="gearing", version=1, proposed_by="one", approved_by="two", terms=TERMS
        )
        assert controls.limits["gearing"].terms == TERMS

    def test_is_refused_to_the_proposer(self) -> None:
        """Before and after somebody else approved; taking it back is not."""
        controls = Controls()
        propose(controls)
        assert code_of(lambda: approve(controls, 1, by="one")) == "same_person"
        approve(controls, 1)
        assert code_of(lambda: approve(controls, 1, by="one")) == "same_person"

        propose(controls, LOOSER)
        assert isinstance(decline(controls, 2, by="one"), LimitDeclined)

    def test_of_another_version_is_a_conflict(self) -> None:
        """The last proposed one is named."""
        controls = Controls()
        propose(controls)
        propose(controls, LOOSER)

        with pytest.raises(Conflict, match="Version 2") as stale:
            approve(controls, 1)

        assert (stale.value.code, stale.value.fields) == ("version_stale", ("version",))
        assert code_of(lambda: decline(controls, 3)) == "version_stale"

    def test_again_is_what_was_told(self) -> None:
        """Whoever asks, but the proposer."""
        controls = Controls()
        propose(controls)
        approved = approve(controls, 1)
        assert approve(controls, 1, by="three") == Told(2, approved)
        propose(controls, LOOSER)
        declined = decline(controls, 2)
        assert decline(controls, 2, by="one") == Told(4, declined)

        assert code_of(lambda: approve(controls, 2)) == "limit_declined"

    def test_needs_a_proposal(self) -> None:
        """None was made, or it was decided on the other way."""
        controls = Controls()
        assert code_of(lambda: approve(controls, 1)) == "limit_unknown"
        assert code_of(lambda: decline(controls, 1)) == "limit_unknown"
        propose(controls)
        approve(controls, 1)

        assert code_of(lambda: decline(controls, 1)) == "limit_approved"


GOOD: dict[str, LimitTerms] = {
    "leverage": TERMS,
    "shared": SHARED,
    "soft": msgspec.structs.replace(
        SHARED, binding=Binding.SOFT, usage_age_ms_max=500, level=Level.WARN
    ),
    "of a portfolio": msgspec.structs.replace(
        SHARED, binding=None, scope=Scope(portfolio="growth", instrument="AAPL")
    ),
    "all of it": LimitTerms(rule=LimitRule.PRICE_FAR_FROM_MARK, scope=Scope(), maximum=Decimal(1)),
    "watched": LimitTerms(
        rule=LimitRule.INSTRUMENT_RESTRICTED, scope=Scope(sector="Energy"), level=Level.WARN
    ),
    "currencies": LimitTerms(
        rule=LimitRule.CURRENCY_NOT_ALLOWED, scope=Scope(), currencies=("EUR", "USD")
    ),
    "sessions": LimitTerms(rule=LimitRule.OUTSIDE_SESSION, scope=Scope(instrument="AAPL")),
}
BAD: dict[str, tuple[LimitTerms, dict[str, object]]] = {
    "no maximum": (TERMS, {"maximum": None}),
    "zero": (TERMS, {"maximum": Decimal(0)}),
    "below zero": (TERMS, {"maximum": Decimal(-1)}),
    "a currency of leverage": (TERMS, {"currency": "USD"}),
    "currencies of leverage": (TERMS, {"currencies": ("USD",)}),
    "leverage of an instrument": (TERMS, {"scope": Scope(instrument="AAPL")}),
    "leverage of a sector": (TERMS, {"scope": Scope(sector="Energy")}),
    "leverage hard": (TERMS, {"binding": Binding.HARD}),
    "leverage aged": (TERMS, {"usage_age_ms_max": 1}),
    "no currency": (SHARED, {"currency": None}),
    "neither hard nor soft": (SHARED, {"binding": None}),
    "hard of a portfolio": (SHARED, {"scope": Scope(portfolio="growth")}),
    "hard and warning": (SHARED, {"level": Level.WARN}),
    "hard and aged": (SHARED, {"usage_age_ms_max": 500}),
    "soft and ageless": (SHARED, {"binding": Binding.SOFT}),
    "soft and too old": (SHARED, {"binding": Binding.SOFT, "usage_age_ms_max": 60_001}),
    "per cent": (GOOD["all of it"], {"maximum": Decimal("1.01")}),
    "restricted to nothing": (GOOD["watched"], {"scope": Scope(portfolio="growth")}),
    "restricted by so much": (GOOD["watched"], {"maximum": Decimal(1)}),
    "no currency allowed": (GOOD["currencies"], {"currencies": ()}),
    "a currency twice": (GOOD["currencies"], {"currencies": ("USD", "USD")}),
    "sectors by instrument": (
        TERMS,
        {
            "rule": LimitRule.SECTOR_CONCENTRATION,
            "maximum": Decimal("0.3"),
            "scope": Scope(instrument="AAPL"),
        },
    ),
}


class TestTerms:
    """What their rule needs is there, and nothing else."""

    @pytest.mark.parametrize("terms", GOOD.values(), ids=GOOD)
    def test_that_say_enough_pass(self, terms: LimitTerms) -> None:
        """One of each kind."""
        check_terms(terms)

    @pytest.mark.parametrize(("terms", "changes"), BAD.values(), ids=BAD)
    def test_that_are_wrong_are_refused(
        self, terms: LimitTerms, changes: dict[str, object]
    ) -> None:
        """Before anybody is asked to approve them."""
        wrong = msgspec.structs.replace(terms, **changes)

        assert code_of(lambda: check_terms(wrong)) == "terms_invalid"

    def test_name_currencies_that_there_are(self) -> None:
        """Both of a notional and of those allowed."""
        for terms in (
            msgspec.structs.replace(SHARED, currency="XXQ"),
            msgspec.structs.replace(GOOD["currencies"], currencies=("XXQ",)),
        ):
            assert code_of(lambda terms=terms: check_terms(terms)) == "currency_unknown"  # type: ignore[misc]


class TestAScope:
    """It names only what is there: a slip of the pen would protect nothing."""

    @pytest.mark.parametrize(
        ("scope", "code"),
        [
            (Scope(portfolio="growht"), "portfolio_unknown"),
            (Scope(instrument="APPL"), "instrument_unknown"),
            (Scope(sector="Tecnology"), "sector_unknown"),
        ],
    )
    def test_is_refused_by_what_it_names_wrongly(self, scope: Scope, code: str) -> None:
        """The whole tenant and the unclassified are always there."""

        def known(wanted: Scope) -> None:
            require_known(
                wanted, is_portfolio_open=False, is_registered=False, sectors={"Technology"}
            )

        assert code_of(lambda: known(scope)) == code
        known(Scope())
        known(Scope(sector=UNCLASSIFIED))
        known(Scope(sector="Technology"))


class TestHalting:
    """One person suffices, and a second alarm is no error."""

    def test_again_is_what_was_told_whatever_the_reason(self) -> None:
        """The scope is halted: nothing more can be said."""
        controls = Controls()
        first = assign(controls, TradingState.HALTED, "runaway")

        again = assign(controls, TradingState.HALTED, "news")

        assert again == Told(1, first)

    def test_is_ended_by_another_state_of_the_same_scope(self) -> None:
        """And what was never restricted is not made active."""
        controls = Controls()
        assert code_of(lambda: assign(controls, TradingState.ACTIVE)) == "trading_not_restricted"
        assign(controls, TradingState.HALTED)
        assign(controls, TradingState.REDUCE_ONLY)

        active = assign(controls, TradingState.ACTIVE)

        assert controls.assigned == {}
        assert assign(controls, TradingState.ACTIVE) == Told(3, active)


def assign(controls: Controls, state: TradingState, reason: str = "drill") -> object:
    """Assign a state to the whole tenant, and fold it."""
    return folded(
        controls, assign_state(controls, scope=Scope(), state=state, reason=reason, by="one")
    )
