"""The plan of faults follows from the seed, covers everything, and keeps inside its time."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from infra.hammering.plan import Fault, Targets, Wound, draw_plan

TARGETS = Targets(
    processes=("write", "projector-1", "projector-2"),
    members=("projector-1", "projector-2"),
    servers=("postgresql", "valkey"),
    lines=("database", "api"),
)
PAIRS = 3 + 2 + 3 + 2 + 2 + 3 + 2 + 2 * 5

seeds = st.integers(0, 2**31)
lengths = st.floats(1, 1_200)


class TestAPlan:
    """What holds of any plan."""

    @given(seeds, lengths)
    def test_is_the_same_for_the_same_seed(self, seed: int, seconds: float) -> None:
        """A seed names a torment."""
        first = draw_plan(seed, seconds=seconds, targets=TARGETS)

        assert draw_plan(seed, seconds=seconds, targets=TARGETS) == first

    def test_differs_between_seeds(self) -> None:
        """Else the seed would mean nothing."""
        plans = [draw_plan(seed, seconds=60, targets=TARGETS) for seed in (1, 2)]

        assert plans[0] != plans[1]

    @given(seeds, lengths)
    def test_ends_before_its_time_is_over(self, seed: int, seconds: float) -> None:
        """Every fault is over when the load is; faults come in order."""
        plan = draw_plan(seed, seconds=seconds, targets=TARGETS)

        assert all(fault.at_seconds + fault.for_seconds <= seconds + 0.002 for fault in plan)
        assert all(one.at_seconds <= other.at_seconds for one, other in pairwise(plan))

    @given(seeds)
    def test_hurts_a_target_in_one_way_at_a_time(self, seed: int) -> None:
        """The end of one fault never ends another."""
        last: dict[str, Fault] = {}

        for fault in draw_plan(seed, seconds=600, targets=TARGETS):
            before = last.get(fault.target)
            assert before is None or before.at_seconds + before.for_seconds <= (
                fault.at_seconds + 0.002
            )
            last[fault.target] = fault

    @given(seeds)
    def test_draws_every_pair_before_one_comes_again(self, seed: int) -> None:
        """Ten minutes leave nothing out."""
        plan = draw_plan(seed, seconds=600, targets=TARGETS)
        pairs = [(fault.wound, fault.target) for fault in plan]

        assert len(set(pairs[:PAIRS])) == PAIRS

    @given(seeds)
    def test_hurts_only_where_a_wound_makes_sense(self, seed: int) -> None:
        """Lines are not killed, and only what has a stand-in becomes a zombie."""
        allowed = {
            Wound.CUT: TARGETS.lines,
            Wound.ZOMBIE: TARGETS.members,
            Wound.CRASH: TARGETS.servers,
            Wound.FREEZE: TARGETS.processes,
        }

        for fault in draw_plan(seed, seconds=300, targets=TARGETS):
            assert fault.target in allowed.get(fault.wound, [fault.target])
