"""Ranking: a total order, whatever came in which order; and each rule with an example."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.contests.events import Rank
from domain.contests.ranking import Day, Track, Unranked, score, standing
from domain.contests.terms import Metric
from domain.statistics.contest_figures import ranked_by
from tests.domain.contests.fields import SESSIONS, day, fields, terms_of, track

LAST = SESSIONS[3]
rules = st.builds(
    terms_of, st.sampled_from([Metric.RETURN, Metric.DRAWDOWN, Metric.PNL]),
    st.integers(1, 2), st.integers(0, 1),
)  # fmt: skip


def ranks_of(
    *entrants: Track, metric: Metric = Metric.RETURN, at: int = 0, **how: int
) -> list[str]:
    """Who is ranked at the end of a session by its number, in order, as `rank participant`."""
    found = standing(terms_of(metric, **how), entrants, SESSIONS[at])
    return [f"{each.rank} {each.participant}" for each in found if each.rank is not None]


def reason_of(
    entrant: Track, metric: Metric = Metric.RETURN, at: int = 0, **how: int
) -> str | None:
    """Why an entrant has no rank of its own."""
    (found,) = standing(terms_of(metric, **how), [entrant], SESSIONS[at])
    assert found.rank is None
    return found.reason


class TestTheOrder:
    """Laws of every field of entrants."""

    @settings(max_examples=30)
    @given(rules, fields())
    def test_is_total_and_without_gaps(self, terms: object, entrants: list[Track]) -> None:
        """Those ranked of the session itself are 1 to n; everybody is listed once."""
        found = standing(terms, entrants, LAST)  # type: ignore[arg-type]
        own = [each.rank for each in found if each.rank is not None and each.held_since is None]

        assert own == list(range(1, len(own) + 1))
        assert sorted(each.participant for each in found) == sorted(
            each.participant for each in entrants
        )

    @settings(max_examples=30)
    @given(rules, fields(), st.randoms())
    def test_does_not_depend_on_the_order_of_arrival(
        self, terms: object, entrants: list[Track], chance: object
    ) -> None:
        """Any permutation gives the same list."""
        others = entrants.copy()
        chance.shuffle(others)  # type: ignore[attr-defined]

        assert standing(terms, entrants, LAST) == standing(terms, others, LAST)  # type: ignore[arg-type]

    @settings(max_examples=30)
    @given(rules, fields(least=2))
    def test_is_of_pairs(self, terms: object, entrants: list[Track]) -> None:
        """Of two ranked of the session, the one with the better value, then the tie-breakers."""
        found = standing(terms, entrants, LAST)  # type: ignore[arg-type]
        ranked = [each for each in found if each.rank is not None and each.held_since is None]
        for better, worse in pairwise(ranked):
            assert better.value is not None
            assert worse.value is not None
            assert _ties(better) > _ties(worse)

    @settings(max_examples=30)
    @given(rules, fields(least=1))
    def test_whoever_leaves_moves_others_up_only(
        self, terms: object, entrants: list[Track]
    ) -> None:
        """Nobody's rank gets worse, and the order of the rest stays."""
        gone, *rest = entrants
        before = {each.participant: each for each in standing(terms, entrants, LAST)}  # type: ignore[arg-type]
        out = gone._replace(out=Unranked.DISQUALIFIED)
        for each in standing(terms, [out, *rest], LAST):  # type: ignore[arg-type]
            known = before[each.participant].rank
            if each.participant == gone.participant:
                assert (each.rank, each.reason) == (None, "disqualified")
            elif known is not None:
                assert each.rank in {known, known - 1}

    @settings(max_examples=30)
    @given(rules, fields(least=1))
    def test_a_held_rank_is_the_one_of_then(self, terms: object, entrants: list[Track]) -> None:
        """Of the last session with marks for everything."""
        for each in standing(terms, entrants, LAST):  # type: ignore[arg-type]
            if each.held_since is not None:
                then = standing(terms, entrants, each.held_since)  # type: ignore[arg-type]
                (known,) = (old for old in then if old.participant == each.participant)
                assert (known.rank, known.value) == (each.rank, each.value)
                assert known.held_since is None


def _ties(rank: Rank) -> tuple[object, ...]:
    """The higher, the better; participants and dates turned round."""
    assert rank.qualified_on is not None
    letters = tuple(-ord(letter) for letter in rank.participant)
    return rank.value, rank.drawdown, -rank.trades, -rank.qualified_on.toordinal(), letters


class TestTies:
    """Each of the tie-breakers, with everything before it equal."""

    def test_the_lower_drawdown_first(self) -> None:
        """-10 %, then +20 %, and the other way round with a fall at the end: both +8 %."""
        fell, rose = track("a", "0.2", "-0.1"), track("b", "0", "0.08")

        assert ranks_of(fell, rose, at=1) == ["1 b", "2 a"]

    def test_then_fewer_trades(self) -> None:
        """Two against one."""
        busy = track("a", "0.01", trades=[SESSIONS[0]] * 2)
        calm = track("b", "0.01", trades=[SESSIONS[0]])

        assert ranks_of(busy, calm) == ["1 b", "2 a"]

    def test_then_the_earlier_qualification(self) -> None:
        """One trade each, a day apart."""
        late = track("a", "0", "0.01", trades=[SESSIONS[1]])
        early = track("b", "0", "0.01", trades=[SESSIONS[0]])

        assert ranks_of(late, early, at=1, trades=1) == ["1 b", "2 a"]

    def test_then_the_id(self) -> None:
        """Nothing is left to chance."""
        assert ranks_of(track("b", "0.01"), track("a", "0.01")) == ["1 a", "2 b"]

    def test_values_tie_as_they_are_told(self) -> None:
        """A 13th decimal decides nothing: fewer trades do."""
        more = track("a", "0.0100000000001", trades=[SESSIONS[0]])

        assert ranks_of(more, track("b", "0.01")) == ["1 b", "2 a"]


class TestWithoutARank:
    """Why somebody is not ranked."""

    def test_needs_days_and_trades(self) -> None:
        """The minimum is enough."""
        one = track("a", "0.01", "0.01", trades=[SESSIONS[1]])

        assert reason_of(one, at=0, days=2) == "too_few_days"
        assert reason_of(one, at=1, trades=2) == "too_few_trades"
        assert ranks_of(one, at=1, days=2, trades=1) == ["1 a"]

    def test_needs_a_valuation(self) -> None:
        """Whoever never had any, and whose start is in a gap that began before the window."""
        assert reason_of(track("a")) == "no_valuation"
        gap = day(1)._replace(since=SESSIONS[0])
        early = Track("a", "p", [gap], before=SESSIONS[0])
        assert reason_of(early._replace(before=SESSIONS[1]), at=1) == "start_incomplete"
        assert ranks_of(early, at=1) == ["1 a"]

    def test_needs_a_start_that_marks_price(self) -> None:
        """An own trade, or nothing, priced what it held as the window began."""
        assert reason_of(track("a", "0.01", nav_before=None)) == "start_incomplete"
        assert ranks_of(track("a", "0.01", nav_before=Decimal(100))) == ["1 a"]

    def test_needs_defined_returns(self) -> None:
        """A start value at or below zero leaves nothing to chain."""
        broken = Track("a", "p", [day(0), day(1, None), day(2)])

        assert reason_of(broken, at=2) == "return_undefined"

    def test_must_trade_within_the_universe(self) -> None:
        """From the session of the trade on."""
        cheat = track("a", "0.01", "0.01", outside_on=SESSIONS[1])

        assert ranks_of(cheat, at=0) == ["1 a"]
        assert reason_of(cheat, at=1) == "outside_universe"

    def test_hides_nothing_behind_a_missing_price(self) -> None:
        """What is outside has no mark: neither the rank of before is kept, nor another reason."""
        unpriced = day(1, "0.01", Unranked.PRICED_BY_TRADE)
        cheat = Track("a", "p", [day(0), unpriced], outside_on=SESSIONS[1])

        assert reason_of(cheat, at=1) == "outside_universe"
        assert reason_of(cheat._replace(days=[unpriced]), at=1) == "outside_universe"

    def test_ratios_need_twenty_returns_and_a_deviation(self) -> None:
        """Nineteen are too few; equal ones deviate from nothing, rising ones fall nowhere."""
        few = track("a", *["0.01", "-0.01"] * 9, "0.01")
        flat, rising = track("a", *["0.01"] * 20), track("a", *["0.01", "0.02"] * 10)

        assert reason_of(few, Metric.SHARPE, at=18) == "too_few_returns"
        assert reason_of(flat, Metric.SHARPE, at=19) == "zero_deviation"
        assert reason_of(rising, Metric.SORTINO, at=19) == "zero_deviation"
        assert reason_of(rising, Metric.CALMAR, at=19) == "no_drawdown"
        assert ranks_of(rising, metric=Metric.SHARPE, at=19) == ["1 a"]

    @pytest.mark.parametrize(
        ("days", "reason"),
        [
            ([day(0)._replace(flows=Decimal(99))], "capital_unequal"),
            ([day(0), day(1)._replace(flows=Decimal(1))], "capital_moved"),
            ([day(0), day(1)._replace(flows=Decimal(-1))], "capital_moved"),
        ],
    )
    def test_profit_needs_equal_capital_and_no_flow(self, days: list[Day], reason: str) -> None:
        """A hundred in the first session, or before it, and nothing after."""
        assert reason_of(Track("a", "p", days), Metric.PNL, at=len(days) - 1) == reason
        before = day(0)._replace(flows=Decimal(0))
        funded = Track("a", "p", [before], nav_before=Decimal(100))
        assert ranks_of(funded, metric=Metric.PNL) == ["1 a"]


class TestHeldBack:
    """Only what marks price is ranked; who lacks it keeps the last rank."""

    @pytest.mark.parametrize("lack", ["nav_incomplete", "price_stale", "priced_by_trade"])
    def test_keeps_the_last_rank(self, lack: str) -> None:
        """The other is first now; the first of yesterday is still shown so, behind."""
        held = Track("a", "p", [day(0, "0.05"), day(1, "0.05", Unranked(lack))])
        other = track("b", "0.01", "0.01")

        second, first = standing(terms_of(), [held, other], SESSIONS[1])[::-1]

        assert (first.participant, first.rank, first.held_since) == ("b", 1, None)
        assert (second.participant, second.rank, second.held_since) == ("a", 1, SESSIONS[0])
        assert (second.value, second.reason) == (Decimal("0.05"), lack)

    def test_without_any_rank_before_there_is_none(self) -> None:
        """Its reason says what is missing."""
        never = Track("a", "p", [day(0, "0.05", Unranked.PRICE_STALE)])

        assert reason_of(never) == "price_stale"

    def test_the_next_complete_session_counts_all(self) -> None:
        """One return over the gap."""
        gap = Track("a", "p", [day(0), day(1, "0", Unranked.NAV_INCOMPLETE), day(2, "0.1")])

        assert score(terms_of(), gap, SESSIONS[2]).value == Decimal("0.111")

    def test_an_own_price_makes_no_path(self) -> None:
        """A fall of a half that only an own trade told is none, and no day of its own."""
        own = day(1, "-0.5", Unranked.PRICED_BY_TRADE)
        entrant = Track("a", "p", [day(0, "0"), own, day(2, "1.2")], trades=[SESSIONS[1]])
        found = score(terms_of(Metric.DRAWDOWN, days=2, trades=1), entrant, SESSIONS[2])

        assert (found.value, found.days) == (Decimal(0), 2)
        assert found.qualified_on == SESSIONS[2]
        assert score(terms_of(), entrant, SESSIONS[2]).value == Decimal("0.1")

    def test_a_stale_price_is_a_mark_all_the_same(self) -> None:
        """The other names moved that day: a session behind it counts it."""
        stale = day(1, "-0.5", Unranked.PRICE_STALE)
        found = score(terms_of(), Track("a", "p", [day(0), stale, day(2)]), SESSIONS[2])

        assert (found.drawdown, found.days) == (Decimal("-0.5"), 3)


class TestAMetric:
    """What is ranked by."""

    def test_return_is_exact(self) -> None:
        """Three thirds do not make 0.9999."""
        assert ranked_by(Metric.RETURN, [Decimal("0.1")] * 2) == (Decimal("0.21"), None)

    def test_no_drawdown_is_the_best_one(self) -> None:
        """Zero before a fall of one percent."""
        assert ranks_of(track("a", "-0.01"), track("b", "0.5"), metric=Metric.DRAWDOWN) == [
            "1 b",
            "2 a",
        ]
