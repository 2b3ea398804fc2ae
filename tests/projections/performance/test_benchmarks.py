"""What benchmarks returned: weights that drift or are restored, and the five real years."""

import csv
import gzip
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import psycopg
import pytest

from domain.benchmark import BenchmarkDeclared, BenchmarkKind, Constituent, Rebalancing
from domain.corporate_actions import Split
from domain.identity import MARKET_TENANT
from domain.statistics.measured import Floats
from projections.asking import Readable
from projections.performance.benchmarks import Version, benchmark_returns, versions_of, weighted
from projections.performance.price_arrays import PriceHistory
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import NEW_YORK, closed, day

FIXED, RESTORED = BenchmarkKind.FIXED_SHARES, BenchmarkKind.REBALANCED
BOTH, HALVES = {"A": "1", "B": "1"}, {"A": "0.5", "B": "0.5"}


def history(*closes: list[float], names: tuple[str, ...] = ("A", "B")) -> PriceHistory:
    """Closes of consecutive days from day 1 on."""
    sessions = tuple(day(number) for number in range(1, len(closes) + 1))
    return PriceHistory(sessions, names, np.array(closes), {})


def version(
    kind: BenchmarkKind,
    amounts: dict[str, str],
    rebalancing: Rebalancing | None = None,
    *,
    from_date: date | None = None,
    number: int = 1,
) -> Version:
    """One version of a benchmark."""
    constituents = tuple(Constituent(name, Decimal(each)) for name, each in amounts.items())
    since = from_date or day(1)
    return Version("TECH", number, since, "USD", NEW_YORK, kind, rebalancing, constituents, number)


def whole(total: Floats) -> float:
    """The return of all sessions."""
    return float(np.prod(1 + total) - 1)


class TestWeights:
    """How much of each name on each day."""

    def test_of_fixed_shares_drift(self) -> None:
        """A doubles, then both stand still: half, then two thirds."""
        done = weighted([version(FIXED, BOTH)], history([10.0, 10.0], [20.0, 10.0], [20.0, 10.0]))

        assert done.weights.tolist() == [[0.5, 0.5], [20 / 30, 10 / 30]]
        assert done.total.tolist() == [0.5, 0.0]

    def test_are_restored_daily_or_by_month(self) -> None:
        """Days 31 and 32 are of the month after day 30's: March has ended there."""
        closes = [[10.0, 10.0]] * 29 + [[20.0, 10.0]] * 4
        daily = weighted([version(RESTORED, HALVES, Rebalancing.DAILY)], history(*closes))
        monthly = weighted([version(RESTORED, HALVES, Rebalancing.MONTHLY)], history(*closes))

        assert daily.weights.tolist() == [[0.5, 0.5]] * 32
        assert monthly.weights[28].tolist() == [0.5, 0.5]
        assert monthly.weights[29] == pytest.approx([2 / 3, 1 / 3])
        assert day(31).day == 31
        assert monthly.weights[30].tolist() == [0.5, 0.5]

    def test_a_name_without_a_price_leaves_its_weight_to_the_others(self) -> None:
        """B is not listed yet on day 1; there is no jump when it comes."""
        done = weighted(
            [version(FIXED, BOTH)],
            history([10.0, np.nan], [11.0, 50.0], [11.0, 55.0]),
        )

        assert done.total == pytest.approx([0.1, 5 / 61])

    def test_shares_are_worth_their_last_close_also_from_before_their_version(self) -> None:
        """B has no close on day 2, after which the same composition is declared again."""
        closes = history([10.0, 10.0], [10.0, np.nan], [10.0, 20.0], [10.0, 20.0])
        first, again = version(FIXED, BOTH), version(FIXED, BOTH, from_date=day(3), number=2)

        assert weighted([first], closes).total.tolist() == [0.0, 0.5, 0.0]
        assert weighted([first, again], closes).total.tolist() == [0.0, 0.5, 0.0]

    def test_a_version_holds_from_its_session_on_and_nothing_before_the_first(self) -> None:
        """From day 3 it is B alone; before day 2 it is nothing."""
        versions = [
            version(FIXED, {"A": "1"}, from_date=day(2)),
            version(FIXED, {"B": "1"}, from_date=day(3), number=2),
        ]
        done = weighted(versions, history([10.0, 10.0], [11.0, 10.0], [11.0, 12.0], [11.0, 12.0]))

        assert done.total == pytest.approx([0.1, 0.2, 0.0])
        late = weighted(versions[1:], history([10.0, 10.0], [11.0, 10.0], [11.0, 12.0]))
        assert np.isnan(late.total[0])
        assert late.total[1] == pytest.approx(0.2)

    def test_shares_multiply_with_a_split_behind_their_date(self) -> None:
        """Two for one on day 2: two shares of 5, not one."""
        split = Split(action="s", instrument="A", ex_date=day(2), new=2, old=1)
        told = np.array([[10.0, 10.0], [5.0, 10.0], [6.0, 10.0]])
        of_both = PriceHistory(tuple(map(day, (1, 2, 3))), ("A", "B"), told, {("A", "s"): split})

        done = weighted([version(FIXED, BOTH)], of_both)

        assert done.weights[1].tolist() == [0.5, 0.5]
        assert done.total == pytest.approx([0.0, 0.1])


class TestFiveRealYears:
    """The S&P 500 by the market caps of 2018-02-08 (convention 13)."""

    def test_fixed_shares_follow_the_index_and_constant_weights_do_not(
        self, shared_data: Path
    ) -> None:
        """+78.7 % beside the index's +76.7 %; as constant weights +127.9 %, which is wrong.

        Of the 470 names that have all sessions.
        """
        prices = _real(shared_data)
        caps = _caps(shared_data)
        whole_time = ~np.isnan(prices.closes).any(axis=0)
        names = [name for name in np.array(prices.names)[whole_time] if name in caps]
        assert len(names) == 470
        last = prices.closes[-1]
        shares = {name: str(Decimal(caps[name] / last[prices.names.index(name)])) for name in names}
        total = sum(caps[name] for name in names)
        weights = {name: str(Decimal(caps[name] / total)) for name in names}
        since = prices.sessions[0]

        drifting = weighted([version(FIXED, shares, from_date=since)], prices)
        constant = weighted(
            [version(RESTORED, weights, Rebalancing.DAILY, from_date=since)], prices
        )

        assert whole(drifting.total) == pytest.approx(0.787, abs=0.0005)
        assert whole(constant.total) == pytest.approx(1.279, abs=0.0005)


def _real(folder: Path) -> PriceHistory:
    """The names that have all 1,259 sessions, and those that have some."""
    closes: dict[str, dict[date, float]] = {}
    with gzip.open(folder / "sp500_5yr_ohlcv_2013_2018.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            closes.setdefault(row["symbol"], {})[date.fromisoformat(row["date"])] = float(
                row["close"]
            )
    sessions = tuple(sorted({day for each in closes.values() for day in each}))
    names = tuple(sorted(closes))
    told = np.array([[closes[name].get(session, np.nan) for name in names] for session in sessions])
    return PriceHistory(sessions, names, told, {})


def _caps(folder: Path) -> dict[str, float]:
    with (folder / "sp500_financials_2018-02.csv").open() as file:
        return {
            row["Symbol"]: float(row["Market Cap"])
            for row in csv.DictReader(file)
            if row["Market Cap"]
        }


class TestAsking:
    """Through the fold and its tables."""

    def test_versions_and_returns_are_those_told(
        self, connection: psycopg.Connection[tuple[object, ...]]
    ) -> None:
        """Two pages of returns chain to the whole."""
        market = Market(connection)
        market.tell(
            (
                MARKET_TENANT,
                BenchmarkDeclared(
                    benchmark="TECH", version=1, from_date=day(1), currency="USD",
                    calendar=NEW_YORK, kind=FIXED,
                    constituents=(Constituent("A", Decimal(2)), Constituent("B", Decimal(1))),
                ),
            ),
            closed(1, {"A": "10", "B": "20"}),
            closed(2, {"A": "11", "B": "20"}),
            closed(3, {"A": "11", "B": "21"}),
        )  # fmt: skip
        readable = Readable(connection)

        (told,) = versions_of(readable, "TECH")
        first = benchmark_returns(readable, benchmark="TECH", limit=1)
        assert first is not None
        second = benchmark_returns(readable, benchmark="TECH", cursor=first.next_cursor, limit=1)
        assert second is not None

        assert (told.version, told.position, len(told.constituents)) == (1, 1, 2)
        assert [row.session for row in (*first.rows, *second.rows)] == [day(2), day(3)]
        assert first.rows[0].daily_return == pytest.approx(2 / 40)
        assert second.rows[0].cumulative_return == pytest.approx(43 / 40 - 1)
        assert second.next_cursor is None
        assert benchmark_returns(readable, benchmark="NONE") is None
