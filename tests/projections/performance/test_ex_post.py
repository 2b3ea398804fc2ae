"""Asking for what a portfolio's returns say: statistics, drawdowns, periods, money-weighting."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.benchmark import BenchmarkDeclared, BenchmarkKind, Constituent
from domain.identity import MARKET_TENANT
from domain.returns import ReturnReason
from domain.statistics import ratios, regression
from domain.statistics.measured import Measured, Reason
from projections.asking import Readable
from projections.performance import ex_post
from projections.performance.ex_post import FIGURES, Asked, drawdowns_of, fed, statistics_of
from projections.performance.queries import daily_performance
from projections.performance.series import Levels, Series, compared
from tests.projections.performance.acting import registered
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    GLOBEX,
    NEW_YORK,
    Told,
    at,
    closed,
    corrected,
    day,
    flow,
    marked,
    opened,
    trade,
    unbooked,
)
from tests.projections.performance.test_asking import STORY, told

Connection = psycopg.Connection[Any]
OURS: dict[str, Any] = {"tenant": ACME, "portfolio": BOOK}
PRICES = [100 + (number * 37) % 23 - number % 5 for number in range(60)]
INDEX = [1000 + (number * 53) % 41 for number in range(60)]


def market(first: int, last: int, *, without_index: frozenset[int] = frozenset()) -> list[Told]:
    """Sessions with a close of a stock and, but for some days, of an index."""
    return [
        closed(
            number,
            {"AAPL": str(PRICES[number])}
            | ({} if number in without_index else {"SPX": str(INDEX[number])}),
        )
        for number in range(first, last + 1)
    ]


INVESTED = (registered("SPX"), opened(), flow("1000", 1), trade("AAPL", "10", str(PRICES[1]), 1))


class TestStatistics:
    """Figures of the portfolio's own daily returns."""

    def test_are_of_the_daily_returns(self, connection: Connection) -> None:
        """The published functions on the returns of `days`, each of one position."""
        told(connection, *INVESTED, *market(1, 30))
        days = daily_performance(Readable(connection), **OURS).rows
        returns = np.array([float(row.current.daily_return or 0) for row in days])

        answer = statistics_of(Readable(connection), **OURS, asked=Asked(risk_free=0.02))

        row = answer.row
        assert row is not None
        assert answer.position == 34
        assert (row.chain_from, row.last_session, row.sessions) == (day(1), day(30), 30)
        assert row.figures["volatility"] == ratios.volatility(returns)
        assert row.figures["sharpe"] == ratios.sharpe(returns, risk_free=0.02)
        assert row.figures["beta"] == Measured(None, 0, Reason.NO_BENCHMARK)

    def test_compare_with_an_index_told_as_closes(self, connection: Connection) -> None:
        """From close to close; the first return began with the portfolio, so none compares."""
        told(connection, *INVESTED, *market(1, 30))
        days = daily_performance(Readable(connection), **OURS).rows
        returns = np.array([float(row.current.daily_return or 0) for row in days])[1:]
        index = np.array(INDEX[1:31], dtype=float)

        row = statistics_of(Readable(connection), **OURS, asked=Asked(benchmark="SPX")).row

        assert row is not None
        expected = regression.beta(returns, index[1:] / index[:-1] - 1).value
        assert row.figures["beta"].value == pytest.approx(expected, rel=1e-12)
        assert row.figures["beta"].n == 29
        assert row.benchmark_return is not None
        assert row.benchmark_return.value == pytest.approx(index[-1] / index[0] - 1)

    def test_from_a_later_session_compare_its_return_too(self, connection: Connection) -> None:
        """It starts at the end of the session before the range, and so does the benchmark's."""
        told(connection, *INVESTED, *market(1, 30))
        asked = Asked(since=day(3), benchmark="SPX")

        row = statistics_of(Readable(connection), **OURS, asked=asked).row

        assert row is not None
        assert row.figures["beta"].n == 28
        assert row.benchmark_return is not None
        assert row.benchmark_return.value == pytest.approx(INDEX[30] / INDEX[2] - 1)

    def test_compare_with_a_declared_benchmark(self, connection: Connection) -> None:
        """Two shares of the index and one of the stock, from day 4 on: levels begin on day 3."""
        shares = BenchmarkDeclared(
            benchmark="MIXED", version=1, from_date=day(4), currency="USD", calendar=NEW_YORK,
            kind=BenchmarkKind.FIXED_SHARES,
            constituents=(Constituent("AAPL", Decimal(1)), Constituent("SPX", Decimal(2))),
        )  # fmt: skip
        told(connection, *INVESTED, (MARKET_TENANT, shares), *market(1, 30))

        asked = Asked(benchmark="MIXED")
        row = fed(Readable(connection), **OURS, asked=asked, figure="tracking_error").row

        assert row is not None
        assert row.sessions == [day(number) for number in range(4, 31)]
        worth = [PRICES[number] + 2 * INDEX[number] for number in range(3, 31)]
        expected = [last / first - 1 for first, last in pairwise(worth)]
        assert row.benchmark_returns == pytest.approx(expected, rel=1e-9)
        assert row.benchmark == "MIXED"

    def test_compare_in_the_portfolios_own_currency(self, connection: Connection) -> None:
        """A benchmark in euros from the first rate on; what it lost in euros, the euro won back."""
        level = BenchmarkDeclared(
            benchmark="EURO", version=1, from_date=day(1), currency="EUR", calendar=NEW_YORK,
            kind=BenchmarkKind.INDEX_LEVEL, constituents=(Constituent("SPX", Decimal(1)),),
        )  # fmt: skip
        rates = [
            marked(at(number, 15), {"EUR/USD": str(Decimal(1100) / INDEX[number])})
            for number in range(3, 31)
        ]
        told(connection, *INVESTED, (MARKET_TENANT, level), *rates, *market(1, 30))

        asked = Asked(benchmark="EURO")
        row = fed(Readable(connection), **OURS, asked=asked, figure="tracking_error").row

        assert row is not None
        assert row.sessions == [day(number) for number in range(4, 31)]
        assert row.benchmark_returns == pytest.approx([0.0] * 27, abs=1e-12)

    def test_remember_no_level_that_was_told_anew(self, connection: Connection) -> None:
        """Asked again: behind a corrected close, and behind a further session."""
        log = Market(connection)
        log.tell(*INVESTED, *market(1, 25))
        asked = Asked(benchmark="SPX")
        before = fed(Readable(connection), **OURS, asked=asked, figure="beta").row

        log.tell(corrected(25, "SPX", "2000"), *market(26, 26))
        after = fed(Readable(connection), **OURS, asked=asked, figure="beta").row

        assert before is not None
        assert after is not None
        assert (len(before.sessions), len(after.sessions)) == (24, 25)
        assert after.benchmark_returns is not None
        expected = [2000 / INDEX[24] - 1, INDEX[26] / 2000 - 1]
        assert after.benchmark_returns[-2:] == pytest.approx(expected)
        assert after.benchmark_returns[:-2] == before.benchmark_returns[:-1]  # type: ignore[index]

    def test_chain_over_what_the_benchmark_lacks(self, connection: Connection) -> None:
        """Without a level on two days, both returns of the gap are one each."""
        told(connection, *INVESTED, *market(1, 30, without_index=frozenset({7, 8})))

        row = fed(Readable(connection), **OURS, asked=Asked(benchmark="SPX"), figure="beta").row

        assert row is not None
        assert day(7) not in row.sessions
        place = row.sessions.index(day(9))
        assert row.returns[place] == pytest.approx(
            (1000 - 10 * PRICES[1] + 10 * PRICES[9]) / (1000 - 10 * PRICES[1] + 10 * PRICES[6]) - 1
        )
        assert row.benchmark_returns is not None
        assert row.benchmark_returns[place] == pytest.approx(INDEX[9] / INDEX[6] - 1)

    def test_restart_behind_an_undefined_day(self, connection: Connection) -> None:
        """Borrowed to below zero on day 4, bailed out on day 6: what is behind counts alone."""
        told(
            connection, *INVESTED, closed(1, {"AAPL": "100"}),
            closed(2, {"AAPL": "10"}), trade("AAPL", "100", "10", 3), closed(3, {"AAPL": "1"}),
            closed(4, {"AAPL": "1"}), flow("5000", 5), closed(5, {"AAPL": "1"}),
            closed(6, {"AAPL": "2"}), closed(7, {"AAPL": "3"}),
        )  # fmt: skip
        days = daily_performance(Readable(connection), **OURS).rows
        reasons = [row.current.return_reason for row in days]
        assert ReturnReason.START_VALUE_NOT_POSITIVE in reasons
        last = max(n for n, reason in enumerate(reasons) if reason is not None)

        row = statistics_of(Readable(connection), **OURS, asked=Asked()).row

        assert row is not None
        assert row.chain_from == days[last + 1].session
        assert row.figures["cumulative_return"].n == len(days) - last - 1
        assert row.undefined_sessions == sum(reason is not None for reason in reasons)

    def test_count_a_gap_as_one_return(self, connection: Connection) -> None:
        """A flow without a rate leaves day 3 incomplete; four returns are left of five days."""
        told(connection, *STORY)

        row = statistics_of(Readable(connection), **OURS, asked=Asked()).row

        assert row is not None
        figure = row.figures["cumulative_return"]
        assert (figure.n, row.incomplete_sessions, row.undefined_sessions) == (4, 1, 0)
        assert figure.value == pytest.approx(0.301666666666666666, rel=1e-12)

    def test_leave_out_days_before_the_first_fact(self, connection: Connection) -> None:
        """A day struck of a busted trade alone is no return."""
        bought = trade("AAPL", "1", "10", 1)
        told(
            connection, opened(), bought, closed(1, {"AAPL": "11"}), flow("5", 2), closed(2),
            unbooked(bought),
        )  # fmt: skip

        row = statistics_of(Readable(connection), **OURS, asked=Asked()).row

        assert row is not None
        assert (row.chain_from, row.figures["cumulative_return"].n) == (day(2), 1)

    def test_of_nobody_and_of_nothing(self, connection: Connection) -> None:
        """A portfolio without a day, another tenant's, and a benchmark without closes."""
        told(connection, opened(), closed(1))
        nothing = statistics_of(Readable(connection), **OURS, asked=Asked(benchmark="SPX")).row
        theirs = statistics_of(Readable(connection), tenant=GLOBEX, portfolio=BOOK, asked=Asked())

        assert nothing is not None
        assert (nothing.chain_from, nothing.sessions) == (None, 0)
        assert {each.reason for each in nothing.figures.values()} <= {
            Reason.TOO_FEW_RETURNS, Reason.UNDER_A_YEAR, Reason.NO_BENCHMARK
        }  # fmt: skip
        assert theirs.row is None

    @pytest.mark.parametrize("figure", sorted(FIGURES))
    def test_each_is_what_its_inputs_give(self, connection: Connection, figure: str) -> None:
        """The listed inputs, fed to the published function, give the figure: all of it listed."""
        told(connection, *INVESTED, *market(1, 40, without_index=frozenset({9})))
        asked = Asked(benchmark="SPX", risk_free=0.01)
        told_of = statistics_of(Readable(connection), **OURS, asked=asked).row

        row = fed(Readable(connection), **OURS, asked=asked, figure=figure).row

        assert row is not None
        assert told_of is not None
        module, name = row.function.rsplit(".", 1)
        function = getattr(__import__(module, fromlist=[name]), name)
        inputs = [np.array(row.returns)]
        if row.benchmark_returns is not None:
            inputs.append(np.array(row.benchmark_returns))
        assert function(*inputs, **row.parameters) == row.value == told_of.figures[figure]
        assert len(row.sessions) == len(row.returns) == row.value.n


class TestComparing:
    """Two series on the sessions that both know."""

    @given(st.sets(st.integers(0, 30)), st.booleans())
    def test_chains_to_the_same_whole(self, known: set[int], begins: bool) -> None:  # noqa: FBT001
        """From the first common session to the last, whatever lies between."""
        rng = np.random.default_rng(len(known))
        returns = rng.normal(0, 0.01, 30)
        series = Series(None if begins else 0, np.arange(1, 31), returns, 30, 0, 0)
        days = np.array(sorted(known), dtype=np.int64)
        levels = Levels(days, 100.0 + rng.random(len(days)))

        both = compared(series, levels)

        common = sorted(known - {0}) if begins else sorted(known)
        assert both.sessions.tolist() == common[1:]
        if len(common) > 1:
            whole = np.prod(1 + returns[common[0] : common[-1]])
            assert np.prod(1 + both.returns) == pytest.approx(whole, rel=1e-12)
            level = dict(zip(days.tolist(), levels.values.tolist(), strict=True))
            grown = level[common[-1]] / level[common[0]]
            assert np.prod(1 + both.benchmark) == pytest.approx(grown, rel=1e-12)


class TestDrawdowns:
    """By session."""

    def test_have_their_dates(self, connection: Connection) -> None:
        """100, 120, 90, 60, 130, 65: the deepest first, and one that lasts."""
        prices = (100, 120, 90, 60, 130, 65)
        told(
            connection, opened(), flow("1000", 1), trade("AAPL", "10", "100", 1),
            *(closed(n, {"AAPL": str(price)}) for n, price in enumerate(prices, start=1)),
        )  # fmt: skip

        row = drawdowns_of(Readable(connection), **OURS, asked=Asked(), count=5).row

        assert row is not None
        first, second = row.drawdowns
        assert (first.peak, first.trough, first.recovery) == (day(2), day(4), day(5))
        assert (first.depth, second.depth) == pytest.approx((-0.5, -0.5))
        assert first.days == 3
        assert (first.sessions_to_trough, first.sessions_to_recovery) == (2, 1)
        assert (second.peak, second.trough, second.recovery) == (day(5), day(6), None)
        assert (second.days, row.count) == (1, 2)
        assert row.maximum_drawdown.value == pytest.approx(-0.5)

    def test_may_begin_with_the_portfolio(self, connection: Connection) -> None:
        """Bought at 100, closed at 90: no session is the peak."""
        told(
            connection, opened(), flow("1000", 1), trade("AAPL", "10", "100", 1),
            closed(1, {"AAPL": "90"}),
        )  # fmt: skip

        row = drawdowns_of(Readable(connection), **OURS, asked=Asked(), count=5).row

        assert row is not None
        (only,) = row.drawdowns
        assert (only.peak, only.trough, only.days) == (None, day(1), None)
        assert only.depth == pytest.approx(-0.1)


def test_calculation_is_named() -> None:
    """What figures say of themselves is no empty text."""
    name, version = ex_post.CALCULATION.split()
    assert name == "performance"
    assert int(version) >= 1
