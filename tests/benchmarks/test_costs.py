"""The table of where a trade's microseconds go."""

from __future__ import annotations

from benchmarks.pipeline.costs import microseconds_per_trade


class TestMicrosecondsPerTrade:
    """What was used between two readings, shared out over trades."""

    def test_are_the_difference_by_process_the_dearest_first(self) -> None:
        """Half a second over 1,000 trades is 500 µs each."""
        before = {"read": 1.0, "write": 10.0}
        after = {"read": 1.002, "write": 10.5}

        costs = microseconds_per_trade(before, after, trades=1_000)

        assert list(costs.items()) == [("write", 500.0), ("read", 2.0)]

    def test_count_a_new_process_from_its_beginning(self) -> None:
        """One that was started again meanwhile cost what it used; one that ended tells nothing."""
        costs = microseconds_per_trade({"gone": 3.0}, {"new": 0.25}, trades=1_000)

        assert costs == {"new": 250.0}

    def test_need_trades(self) -> None:
        """Without any there is nothing to share out."""
        assert microseconds_per_trade({}, {"write": 1.0}, trades=0) == {}
