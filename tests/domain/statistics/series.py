"""Hypothesis strategies of returns, and what near enough is."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from domain.statistics.measured import Floats

NEAR = 1e-9
"""Relative, as the issue demands."""


def returns(fewest: int = 20, most: int = 300) -> st.SearchStrategy[Floats]:
    """Daily returns between -50 % and +50 %, some of them the same, some of them zero."""
    one = st.one_of(st.just(0.0), st.sampled_from([0.01, -0.01]), st.floats(-0.5, 0.5))
    lengths = st.integers(fewest, most)
    return lengths.flatmap(lambda n: arrays(np.float64, n, elements=one, fill=st.nothing()))


def pairs(fewest: int = 20, most: int = 200) -> st.SearchStrategy[tuple[Floats, Floats]]:
    """Returns and those of a benchmark, of the same days."""
    one = st.floats(-0.5, 0.5)
    return st.integers(fewest, most).flatmap(
        lambda n: st.tuples(*[arrays(np.float64, n, elements=one, fill=st.nothing())] * 2)
    )
