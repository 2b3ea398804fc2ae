"""Nothing that runs beside a test moves the generator that Hypothesis watches."""

import random

from psycopg_pool.base import BasePool


class TestAPoolOfConnections:
    """Its threads open connections whenever they like: while an example is drawn, too."""

    def test_takes_its_jitter_from_a_generator_of_its_own(self) -> None:
        """Else Hypothesis warns of `random` in a strategy, wherever that happens to meet."""
        before = random.getstate()

        assert 0.9 <= BasePool._jitter(1.0, -0.1, 0.1) <= 1.1

        assert random.getstate() == before
