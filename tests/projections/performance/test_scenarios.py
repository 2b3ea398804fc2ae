"""Rates by their paths, and stretches of the past, on closes written by hand."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from domain.statistics.measured import Floats
from projections.performance import scenarios
from projections.performance.exposed import Cash, Exposed, Position
from projections.performance.price_arrays import PriceHistory
from projections.performance.risk import Seen
from projections.performance.scenarios import Past, rates_to_base, scenarios_of
from projections.performance.stress import repeated
from tests.projections.performance.telling import day

NONE = float("nan")


def history(**closes: list[float]) -> PriceHistory:
    """Closes by name; `EUR_USD` is a pair."""
    names = sorted(closes)
    told = np.array([closes[name] for name in names]).T
    sessions = tuple(day(number) for number in range(1, len(told) + 1))
    return PriceHistory(sessions, tuple(name.replace("_", "/") for name in names), told, {})


def rates(currency: str, base: str, closes: PriceHistory) -> list[float]:
    """The rates of all sessions."""
    return [float(each) for each in rates_to_base(currency, base, closes)]


def test_a_line_of_nothing_in_the_common_days_is_left_out() -> None:
    """It would lie still in all of them, and count as covered."""
    returns = np.full((500, 3), NONE)
    returns[:100, 0] = returns[400:, 1] = returns[:, 2] = 0.01
    past = Past(returns)

    assert past.is_covered.tolist() == [False, True, True]
    assert past.returns.shape == (100, 2)


class TestRates:
    """To base, at the end of each session."""

    def test_are_those_in_force(self) -> None:
        """A session without one keeps that of before; before any there is none."""
        found = rates("EUR", "USD", history(EUR_USD=[NONE, 1.1, NONE, 1.2]))

        assert found == pytest.approx([NONE, 1.1, 1.1, 1.2], nan_ok=True)

    def test_are_inverted_where_the_pair_is_marked_the_other_way(self) -> None:
        """One over it."""
        assert rates("USD", "EUR", history(EUR_USD=[1.25, 1.6])) == pytest.approx([0.8, 0.625])

    def test_go_through_a_pivot(self) -> None:
        """Dollars to pounds by way of the euro: 0.9 over 1.2."""
        closes = history(EUR_USD=[1.2, 1.2], EUR_GBP=[0.9, 0.6])

        assert rates("USD", "GBP", closes) == pytest.approx([0.75, 0.5])

    def test_take_the_pair_itself_before_a_cross(self) -> None:
        """Unless the cross is known for longer."""
        known = {"EUR_USD": [1.2, 1.2], "EUR_GBP": [0.9, 0.6]}

        assert rates("USD", "GBP", history(USD_GBP=[0.7, 0.7], **known)) == [0.7, 0.7]
        assert rates("USD", "GBP", history(USD_GBP=[NONE, 0.7], **known)) == pytest.approx(
            [0.75, 0.5]
        )

    def test_of_a_currency_to_itself_are_one(self) -> None:
        """And without any pair there is none."""
        closes = history(AAPL=[1.0, 2.0])

        assert rates("USD", "USD", closes) == [1, 1]
        assert np.isnan(rates_to_base("EUR", "USD", closes)).all()


def held(**values: str) -> Exposed:
    """Positions in dollars, euros as `EUR`, and nothing else."""
    positions = [
        Position(name, "USD", Decimal(1), Decimal(value), None, Decimal(value))
        for name, value in values.items()
        if name != "EUR"
    ]
    cash = [Cash("EUR", Decimal(1), Decimal(values["EUR"]))] if "EUR" in values else []
    nav = sum((Decimal(value) for value in values.values()), Decimal(0))
    return Exposed(
        portfolio="book", currency="USD", calendar="XNYS", session=day(3),
        at=datetime(2024, 3, 3, 21, tzinfo=UTC), on=day(3), nav=nav, lack=None,
        positions=positions, cash=cash, unpriced=[], stale=[],
    )  # fmt: skip


def seen(exposed: Exposed, closes: PriceHistory) -> Seen:
    """What a question sees."""
    return Seen(exposed, scenarios_of(exposed, closes))


class TestAStretchOfThePast:
    """From the close of one session to that of another."""

    CLOSES = history(
        AAPL=[100.0, 80.0, 60.0], TSLA=[NONE, 10.0, 20.0], EUR_USD=[1.0, NONE, 1.1],
        MSFT=[50.0, NONE, 45.0],
    )  # fmt: skip

    def shocks(self, exposed: Exposed, since: int = 1, until: int = 3) -> dict[str, float]:
        """The shocks by line."""
        found = repeated(seen(exposed, self.CLOSES), self.CLOSES, day(since), day(until))
        assert found.gain == pytest.approx(sum(line.gain for line in found.lines))
        return {line.name: line.shock for line in found.lines}

    def test_compounds_closes_and_rates(self) -> None:
        """Over a day without a close too."""
        found: Floats | dict[str, float] = self.shocks(held(AAPL="100", MSFT="10", EUR="5"))

        assert found == pytest.approx({"AAPL": -0.4, "MSFT": -0.1, "cash:EUR": 0.1})

    def test_begins_at_the_close_before(self) -> None:
        """From day 2 to day 3."""
        assert self.shocks(held(AAPL="100"), since=2) == pytest.approx({"AAPL": -0.25})

    def test_leaves_out_what_had_no_price_when_it_began(self) -> None:
        """4 of 104 are listed and stay as they are; 6 of 106 are too much."""
        few, many = held(AAPL="100", TSLA="4"), held(AAPL="100", TSLA="6")

        found = repeated(seen(few, self.CLOSES), self.CLOSES, day(1), day(3))
        assert found.uncovered == ["TSLA"]
        assert found.gain == pytest.approx(-40)
        assert [sorted(line.met) for line in found.lines] == [["history"], []]
        found = repeated(seen(many, self.CLOSES), self.CLOSES, day(1), day(3))
        assert (found.gain, found.reason, found.lines) == (None, "coverage_incomplete", [])

    def test_needs_closes_at_both_ends(self) -> None:
        """Before the first and behind the last there is no history."""
        for since, until in ((-1, 2), (1, 9)):
            exposed = held(AAPL="100")
            found = repeated(seen(exposed, self.CLOSES), self.CLOSES, day(since), day(until))
            assert (found.gain, found.reason) == (None, "no_history")


def flat() -> PriceHistory:
    """Three closes each of two instruments, made anew."""
    return history(AAPL=[1.0, 2.0, 3.0], MSFT=[1.0, 1.5, 2.0])


class TestPastDays:
    """Kept for the next question about the same lines."""

    def test_are_the_same_whatever_lines_are_worth(self) -> None:
        """Values are those of the question."""
        closes = flat()

        first = scenarios_of(held(AAPL="1", MSFT="2"), closes)
        second = scenarios_of(held(AAPL="3", MSFT="-1"), closes)

        assert second.past is first.past
        assert not second.past.returns.flags.writeable
        assert not second.past.factor.flags.writeable

    def test_are_others_of_other_lines_windows_and_closes(self) -> None:
        """Each is what makes them."""
        closes, both = flat(), held(AAPL="1", MSFT="2")
        known = [
            scenarios_of(both, closes),
            scenarios_of(held(AAPL="1"), closes),
            scenarios_of(both, closes, 1),
            scenarios_of(both, flat()),
            scenarios_of(msgspec.structs.replace(both, currency="EUR"), closes),
        ]

        assert len({id(each.past) for each in known}) == len(known)

    def test_asked_for_longest_ago_give_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """There is room for two of them."""
        closes = flat()
        apple, microsoft, both = held(AAPL="1"), held(MSFT="1"), held(AAPL="1", MSFT="1")
        room = sum(scenarios_of(each, closes).past.numbers for each in (apple, both))
        monkeypatch.setattr(scenarios._KEPT, "room", room)

        known = [scenarios_of(each, closes).past for each in (apple, microsoft, apple, both)]

        assert scenarios_of(apple, closes).past is known[0] is known[2]
        assert scenarios_of(both, closes).past is known[3]
        assert scenarios_of(microsoft, closes).past is not known[1]
