"""What figures and arrays look like to readers."""

import numpy as np

from domain.statistics.measured import listed


class TestListing:
    """Arrays as lists."""

    def test_leaves_out_what_is_not_a_number(self) -> None:
        """In any shape."""
        values = np.array([[0.1, np.nan], [np.nan, -2.0]])

        assert listed(values) == [[0.1, None], [None, -2.0]]
        assert np.isnan(values).sum() == 2

    def test_gives_floats_as_they_are(self) -> None:
        """To the last bit."""
        assert listed(np.array([0.1, 1e-300])) == [0.1, 1e-300]
