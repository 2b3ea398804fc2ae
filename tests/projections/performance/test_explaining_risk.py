"""Contributions and stress explained, of random holdings and random closes, gaps among them."""

import importlib
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.statistics.measured import Floats
from projections.performance.explaining_risk_contributions import (
    EXPLAINED,
    ExplainedContributions,
    explained_contributions,
)
from projections.performance.explaining_stress import StressCall, call_of
from projections.performance.exposed import Cash, Exposed, Position
from projections.performance.price_arrays import PriceHistory
from projections.performance.risk import Seen, divided
from projections.performance.scenarios import scenarios_of
from projections.performance.stress import Shocks, Stressed, repeated, shocked
from tests.projections.performance.telling import day

LAW = settings(max_examples=60, deadline=None)
NAMES = ("AAPL", "MSFT", "SAP", "XOM")
CURRENCIES = {"SAP": "EUR"}
PAIR = "EUR/USD"


class Past(NamedTuple):
    """What is held, and the closes that meet it."""

    seen: Seen
    closes: PriceHistory


@st.composite
def pasts(draw: st.DrawFn) -> Past:
    """Up to four positions and euros, long and short, over sixty to eighty sessions."""
    sessions = draw(st.integers(62, 80))
    numbers = np.random.default_rng(draw(st.integers(0, 2**32)))
    steps = 1 + draw(st.sampled_from([0.0, 0.001, 0.03])) * numbers.standard_normal(
        (sessions, len(NAMES) + 1)
    )
    told = np.asarray(50 * np.cumprod(np.maximum(steps, 0.5), axis=0), dtype=np.float64)
    told[numbers.random(told.shape) < draw(st.sampled_from([0.0, 0.02]))] = np.nan
    told[-1] = np.nan_to_num(told[-1], nan=50.0)
    told[: draw(st.sampled_from([0, 1, 12])), 0] = np.nan
    names = (*NAMES, PAIR)
    order = sorted(names)
    closes = PriceHistory(
        tuple(day(number) for number in range(1, sessions + 1)),
        tuple(order),
        told[:, [names.index(each) for each in order]],
        {},
    )
    values = st.decimals("-5000", "5000", places=4)
    positions = [
        Position(name, CURRENCIES.get(name, "USD"), Decimal(1), value, None, value)
        for name in NAMES
        if (value := draw(st.none() | values))
    ]
    cash = [Cash("EUR", Decimal(1), draw(values)), Cash("USD", Decimal(1), 6 * draw(values))]
    valued = [*(each.value for each in positions), *(each.value for each in cash)]
    nav = sum((each or Decimal(0) for each in valued), Decimal(0))
    exposed = Exposed(
        portfolio="book", currency="USD", calendar="XNYS", session=day(sessions),
        at=datetime(2024, 3, 3, 21, tzinfo=UTC), on=day(sessions), nav=nav, lack=None,
        positions=positions, cash=cash, unpriced=[], stale=[],
    )  # fmt: skip
    return Past(Seen(exposed, scenarios_of(exposed, closes)), closes)


def called(told: ExplainedContributions | StressCall) -> Floats:
    """Call what an explanation says, with what it lists."""
    assert told.function is not None
    assert told.call is not None
    module = importlib.import_module(told.function.rpartition(".")[0])
    parameters = {} if isinstance(told, StressCall) else told.parameters
    known = vars(module) | parameters
    known |= {name: np.array(each) for name, each in told.inputs.items()}
    return np.asarray(eval(told.call, known))  # noqa: S307 - our own answer


class TestContributions:
    """Each column."""

    @LAW
    @given(past=pasts(), level=st.sampled_from([0.5, 0.95, 0.99, 0.9999]))
    @pytest.mark.parametrize("figure", EXPLAINED)
    def test_are_what_the_call_gives(self, figure: str, past: Past, level: float) -> None:
        """Line by line, and its sum; or both say why there are none."""
        whole = divided(past.seen, level)
        told = explained_contributions(past.seen, level, figure)

        assert told.valued == whole.valued
        if told.reason is not None or not whole.lines:
            assert (told.lines, told.call, told.inputs) == ([], None, {})
            is_volatility = figure == "volatility" and told.reason == "nav_not_positive"
            assert is_volatility or told.reason == whole.reason
            return
        assert [(line.name, line.contribution) for line in told.lines] == [
            (line.name, getattr(line, figure)) for line in whole.lines
        ]
        scale = max(abs(line.contribution) for line in told.lines) or 1.0
        parts = [line.contribution for line in told.lines]
        np.testing.assert_allclose(called(told), parts, rtol=1e-12, atol=1e-12 * scale)
        assert told.total == getattr(whole.total, figure)
        if told.total is not None:
            assert sum(parts) == pytest.approx(told.total, rel=1e-12, abs=1e-12 * scale)


FALLS = st.sampled_from([-1.0, -0.3, -0.1, 0.07, 1.5])


def assert_explained(stressed: Stressed) -> None:
    """The call gives the gain of each line, bit for bit, and their sum is that of the whole."""
    told = call_of(stressed)
    assert (told is None) == (stressed.reason is not None)
    if told is None:
        assert stressed.lines == []
        return
    gains = called(told)
    assert gains.tolist() == [line.gain for line in stressed.lines]
    assert float(gains.sum()) == stressed.gain
    for line in stressed.lines:
        assert line.value * line.shock == line.gain


class TestStress:
    """Shocks and windows."""

    @LAW
    @given(
        past=pasts(),
        sectors=st.fixed_dictionaries(
            {name: st.sampled_from(["Energy", "None"]) for name in NAMES}
        ),
        every=st.none() | FALLS,
        instruments=st.dictionaries(st.sampled_from(NAMES), FALLS),
        of_sectors=st.dictionaries(st.sampled_from(["Energy", "None"]), FALLS),
        currencies=st.dictionaries(st.sampled_from(["EUR", "USD"]), FALLS),
    )
    def test_of_shocks_is_what_the_call_gives(
        self,
        past: Past,
        sectors: dict[str, str],
        every: float | None,
        instruments: dict[str, float],
        of_sectors: dict[str, float],
        currencies: dict[str, float],
    ) -> None:
        """Each line is shocked by those it met, and by no other."""
        shocks = Shocks(every, instruments, of_sectors, currencies)
        stressed = shocked(past.seen, sectors, shocks)

        assert_explained(stressed)
        for line in stressed.lines:
            expected = {f"sector:{line.sector}": of_sectors.get(line.sector or "")}
            if not line.name.startswith("cash:"):
                expected |= {"market": every, f"instrument:{line.name}": instruments.get(line.name)}
            if line.currency == "EUR":
                expected["currency:EUR"] = currencies.get("EUR")
            assert line.met == {name: fall for name, fall in expected.items() if fall is not None}
            factor = math.prod(1 + fall for fall in line.met.values())
            assert line.shock == pytest.approx(factor - 1, rel=1e-12, abs=1e-15)

    @LAW
    @given(past=pasts(), since=st.integers(0, 40), length=st.integers(1, 50))
    def test_of_a_window_is_what_the_call_gives(self, past: Past, since: int, length: int) -> None:
        """Of the returns of each of its days; what is uncovered has no history."""
        stressed = repeated(past.seen, past.closes, day(since), day(since + length))

        assert_explained(stressed)
        if stressed.reason is None:
            assert stressed.sessions == tuple(
                each for each in past.closes.sessions if day(since) < each <= day(since + length)
            )
            assert stressed.returns is not None
            assert stressed.returns.shape == (len(stressed.sessions), len(stressed.lines))
        for line in stressed.lines:
            is_covered = line.name not in stressed.uncovered
            assert line.met == ({"history": line.shock} if is_covered else {})
