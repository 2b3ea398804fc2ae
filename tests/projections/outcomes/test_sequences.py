"""Which numbers have arrived: any numbers, in any order, however often, in any partitions."""

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from projections.outcomes.sequences import (
    CHUNK_NUMBERS,
    Arrived,
    Gap,
    arrived,
    chunk_of,
    together,
    write_bits,
)

ALL = 10_000


def chunks(numbers: Iterable[int]) -> list[tuple[int, bytes]]:
    """The chunks of numbers, as their table holds them."""
    found: dict[int, int] = {}
    for number in numbers:
        chunk, bit = chunk_of(number)
        found[chunk] = found.get(chunk, 0) | bit
    return [(chunk, write_bits(bits)) for chunk, bits in found.items()]


def survey(numbers: Iterable[int], *, gaps_max: int = ALL) -> Arrived | None:
    """What has arrived of numbers in one partition."""
    return arrived(together(chunks(numbers)), gaps_max=gaps_max)


def naive(numbers: set[int]) -> Arrived:
    """The same, counted one by one."""
    inside = sorted(numbers)
    gaps = [Gap(a + 1, b - 1) for a, b in pairwise(inside) if b > a + 1]
    return Arrived(
        inside[0],
        gaps[0].first - 1 if gaps else inside[-1],
        inside[-1],
        len(gaps),
        sum(gap.last - gap.first + 1 for gap in gaps),
        tuple(gaps),
    )


near = st.integers(0, 3 * CHUNK_NUMBERS)
edges = st.builds(
    lambda chunk, off: max(0, chunk * CHUNK_NUMBERS + off), st.integers(0, 4), st.integers(-2, 2)
)
numbers = st.one_of(st.integers(0, 40), edges, near, st.integers(0, 2**63 - 1))
runs = st.builds(lambda first, size: set(range(first, first + size)), near, st.integers(1, 5_000))


class TestArriving:
    """Gaps are what lies between numbers that arrived."""

    @given(given=st.lists(numbers, min_size=1, max_size=40))
    def test_tells_what_counting_one_by_one_tells(self, given: list[int]) -> None:
        """Whatever the order and the repeats."""
        assert survey(given) == naive(set(given))

    @given(given=st.lists(runs, min_size=1, max_size=3))
    def test_of_long_runs_too(self, given: list[set[int]]) -> None:
        """Over the edges of chunks."""
        together_ = set().union(*given)
        assert survey(together_) == naive(together_)

    @given(given=st.lists(st.tuples(numbers, st.integers(0, 3)), min_size=1, max_size=40))
    def test_of_several_partitions(self, given: list[tuple[int, int]]) -> None:
        """A number may have arrived in more than one."""
        parts = [[number for number, part in given if part == each] for each in range(4)]
        found = together(chunk for part in parts for chunk in chunks(part))
        assert arrived(found, gaps_max=ALL) == naive({number for number, _ in given})

    @given(given=st.sets(numbers, min_size=1, max_size=40), most=st.integers(1, 3))
    def test_lists_the_first_gaps_and_counts_all(self, given: set[int], most: int) -> None:
        """The list is bounded, what it says of the rest is not."""
        found, whole = survey(given, gaps_max=most), naive(given)
        assert found == whole._replace(gaps=whole.gaps[:most])

    def test_nothing_has_arrived(self) -> None:
        """Then there is nothing to tell."""
        assert survey([]) is None
