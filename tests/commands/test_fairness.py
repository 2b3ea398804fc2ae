"""Fairness between tenants: a flood by one delays the others little, and shuts out nobody."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.fairness import KEPT_FOR_NEWCOMERS, has_room
from commands.intake import KEPT_FOR_BATCHES, TURN_COMMANDS_MAX, DeskOverloaded, Group, Intake
from tests.commands.scenes import ACME, RIVAL, capture, issue

LIMIT = 500
FLOOD = 2_000
THIRD = "third"


def single_of(tenant: str, name: str) -> Group:
    """A group of one capture."""
    return Group([issue(capture(name), tenant=tenant)], is_atomic=False)


def batch_of(tenant: str, name: str, count: int) -> Group:
    """A batch of so many captures."""
    items = [issue(capture(f"{name}-{number}"), tenant=tenant) for number in range(count)]
    return Group(items, is_atomic=False)


def tenants_of(intake: Intake, limit: int = LIMIT) -> list[str]:
    """Whose commands are taken in the next turn, in order."""
    return [each.issued.tenant for each in intake.take(limit, with_atomic=True)]


class TestTakingSingles:
    """One of each tenant in turn, however many each has sent."""

    def test_of_a_tenant_behind_a_flood_takes_them_at_once(self) -> None:
        """Three of a rival behind two thousand of acme are among the first six."""
        intake = Intake()
        for number in range(FLOOD):
            intake.put(single_of(ACME, f"a{number}"))
        for number in range(3):
            intake.put(single_of(RIVAL, f"r{number}"))

        assert tenants_of(intake, 6) == [ACME, RIVAL] * 3

    def test_leaves_room_for_batches(self) -> None:
        """Whatever singles wait, a fifth of a turn is for batches."""
        intake = Intake()
        for number in range(FLOOD):
            intake.put(single_of(ACME, f"a{number}"))
        intake.put(batch_of(RIVAL, "r", LIMIT))

        taken = Counter(tenants_of(intake))

        assert taken[RIVAL] == int(LIMIT * KEPT_FOR_BATCHES)
        assert taken.total() == LIMIT


class TestTakingBatches:
    """So many commands of each tenant in turn, in batches of any size."""

    def test_of_a_flood_of_big_ones_passes_on_to_others(self) -> None:
        """Twenty batches of acme do not delay the rival's one behind a hundred commands."""
        intake = Intake()
        for number in range(20):
            intake.put(batch_of(ACME, f"a{number}", 400))
        intake.put(batch_of(RIVAL, "r", 50))

        taken = tenants_of(intake)

        assert taken[TURN_COMMANDS_MAX : TURN_COMMANDS_MAX + 50] == [RIVAL] * 50

    @given(
        sizes=st.lists(st.integers(2, 3 * TURN_COMMANDS_MAX), min_size=1, max_size=12),
        limit=st.integers(TURN_COMMANDS_MAX, LIMIT),
    )
    def test_gives_tenants_with_enough_equal_parts(self, sizes: list[int], limit: int) -> None:
        """One tenant's batches are of any sizes, the other's big: neither gets more of a turn."""
        intake = Intake()
        for number, size in enumerate(sizes):
            intake.put(batch_of(ACME, f"a{number}", size))
        intake.put(batch_of(RIVAL, "r", 2 * LIMIT))

        taken = Counter(tenants_of(intake, limit))

        assert taken[ACME] >= min(sum(sizes), limit // 2 - TURN_COMMANDS_MAX // 2)
        assert taken[RIVAL] >= limit // 2 - TURN_COMMANDS_MAX // 2


class TestKeepingRoom:
    """A bounded queue is never one tenant's alone."""

    def test_lets_one_who_has_nothing_in_it_in_beside_a_flood(self) -> None:
        """Acme fills what it may; the rival still gets in."""
        intake = Intake(queued_max=100)
        most = int(100 * (1 - KEPT_FOR_NEWCOMERS))
        for number in range(most):
            intake.put(single_of(ACME, f"a{number}"))
        with pytest.raises(DeskOverloaded):
            intake.put(single_of(ACME, "one more"))

        intake.put(single_of(RIVAL, "r1"))

        assert intake.queued == most + 1

    def test_takes_no_more_of_a_flood_than_its_part_once_others_wait(self) -> None:
        """With the rival inside, acme is let in again only below half of the room."""
        intake = Intake(queued_max=100)
        for number in range(80):
            intake.put(single_of(ACME, f"a{number}"))
        intake.put(single_of(RIVAL, "r1"))
        for number in range(19):
            intake.put(single_of(RIVAL, f"r2{number}"))

        intake.take(60, with_atomic=True)  # 20 of the rival, 40 of acme
        intake.put(single_of(RIVAL, "r3"))

        with pytest.raises(DeskOverloaded):
            intake.put(single_of(ACME, "more"))

    @given(
        limit=st.integers(1, 1_000),
        others=st.lists(st.integers(1, 500), max_size=8),
        own=st.integers(0, 500),
    )
    def test_is_never_more_than_the_limit_nor_more_than_a_part(
        self, limit: int, others: list[int], own: int
    ) -> None:
        """Who has nothing gets in while there is any room; who has his part does not."""
        held = sum(others) + own
        tenants = len(others) + 1

        is_let_in = has_room(limit, held=held, own=own, tenants=tenants)

        if held >= limit:
            assert not is_let_in
        elif own == 0:
            assert is_let_in
        else:
            assert is_let_in == (own < limit * 0.8 / tenants)
