"""Marks in force at an instant: of what was told, the newest that is not later (convention 5)."""

from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domain.instrument import WrittenDown
from domain.marking import Market
from domain.marks import MARKS_REMEMBERED, Marks, Quote
from tests.domain.scenes import APPLE, NOON, minutes

Told = tuple[int, int | None, bool]
"""Minutes after noon, a price, and whether it is a close; a close without a price is cancelled."""

TOLD = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 60), st.integers(1, 99), st.just(value=False)),
        st.tuples(st.integers(0, 5).map(lambda n: n * 12), st.integers(1, 99), st.just(value=True)),
        st.tuples(st.integers(0, 5).map(lambda n: n * 12), st.none(), st.just(value=True)),
    ),
    max_size=90,
)


def remembered(told: list[Told]) -> Marks:
    """What is remembered of what was told, in this order."""
    marks = Marks()
    for position, (minute, price, is_close) in enumerate(told):
        if is_close:
            exact = None if price is None else Decimal(price)
            marks.take_close(APPLE, minutes(minute), exact, position)
        else:
            assert price is not None, "only closes are cancelled"
            marks.take(APPLE, Quote(minutes(minute), Decimal(price), position))
    return marks


def naive(told: list[Told], at: datetime) -> int | None:
    """The place of the mark in force, found by looking at everything."""
    closes = {minute: place for place, (minute, _, is_close) in enumerate(told) if is_close}
    standing = [
        (minute, place)
        for place, (minute, price, is_close) in enumerate(told)
        if price is not None
        and minutes(minute) <= at
        and not (is_close and closes[minute] != place)
    ]
    return max(standing)[1] if standing else None


class TestRemembering:
    """What is in force, or that it is not known any more."""

    @given(TOLD, st.integers(-1, 61))
    def test_gives_what_looking_at_everything_gives_or_says_it_forgot(
        self, told: list[Told], minute: int
    ) -> None:
        """Never a wrong mark: in any order, with closes corrected and cancelled."""
        marks, at = remembered(told), minutes(minute)

        found = marks.in_force(APPLE, at)

        if marks.is_forgotten(APPLE, at):
            assert found is None
        else:
            assert (None if found is None else found.position) == naive(told, at)

    @given(TOLD)
    def test_is_bounded(self, told: list[Told]) -> None:
        """However much is told."""
        known = remembered(told).of.get(APPLE)
        assert known is None or len(known.quotes) <= MARKS_REMEMBERED

    def test_forgets_only_the_oldest(self) -> None:
        """One more than is remembered: the first is gone, the second is there."""
        marks = remembered([(minute, 10, False) for minute in range(MARKS_REMEMBERED + 1)])

        assert marks.in_force(APPLE, minutes(1) - timedelta(microseconds=1)) is None
        assert marks.is_forgotten(APPLE, NOON)
        found = marks.in_force(APPLE, minutes(1))
        assert found is not None
        assert found.position == 1

    def test_of_a_fork_leaves_what_was_forked(self) -> None:
        """Neither sees what the other is told."""
        marks = remembered([(0, 10, False)])
        twin = marks.fork()
        twin.take(APPLE, Quote(minutes(1), Decimal(20), 9))

        assert marks.in_force(APPLE, minutes(2)) == Quote(NOON, Decimal(10), 0)
        assert twin.in_force(APPLE, minutes(2)) == Quote(minutes(1), Decimal(20), 9)

    def test_takes_a_write_down_as_a_mark(self) -> None:
        """From its time on, with the place at which the log tells it."""
        market = Market()
        market.position = 7
        down = WrittenDown(instrument=APPLE, price=Decimal(1), at=NOON, reason="bankrupt")

        market.write_down(down)

        assert market.marks.in_force(APPLE, NOON) == Quote(NOON, Decimal(1), 7)
