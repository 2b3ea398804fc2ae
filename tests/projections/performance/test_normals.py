"""The normals of a process: a figure does not depend on how many lines are kept."""

import numpy as np

from domain.statistics.value_at_risk import standard_normals
from projections.performance.normals import ROWS_MAX, _Normals, simulate


class TestSimulating:
    """Kept rows and rows drawn for one answer are the same."""

    def test_is_the_same_on_both_sides_of_what_is_kept(self) -> None:
        """One line more, which loads nothing, changes no path."""
        loadings = np.linspace(-1.0, 1.0, ROWS_MAX)

        kept = simulate(loadings)
        drawn = simulate(np.append(loadings, 0.0))

        np.testing.assert_allclose(drawn, kept, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(kept, loadings @ standard_normals(ROWS_MAX), atol=1e-12)

    def test_is_the_same_however_many_were_drawn_before(self) -> None:
        """Rows drawn a few at a time are those drawn at once."""
        normals = _Normals()
        for count in (3, 20, 41):
            assert np.array_equal(normals.rows(count), standard_normals(count))

    def test_of_several_portfolios_is_that_of_each(self) -> None:
        """A column a portfolio, a row of paths each, kept or drawn."""
        for count in (3, ROWS_MAX + 2):
            loadings = np.linspace(-1.0, 1.0, 2 * count).reshape(count, 2)

            both = simulate(loadings)

            for column in (0, 1):
                alone = simulate(loadings[:, column])
                np.testing.assert_allclose(both[column], alone, rtol=1e-12, atol=1e-12)
