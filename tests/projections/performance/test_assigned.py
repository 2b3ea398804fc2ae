"""Benchmarks as they are assigned: each counts for the days it is in force (convention 13)."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import psycopg
import pytest
from msgspec.structs import replace

from domain.benchmark import BenchmarkDeclared, BenchmarkKind, Constituent
from domain.identity import MARKET_TENANT
from domain.portfolio.life import BenchmarkAssigned
from domain.statistics.measured import Reason
from projections.asking import Readable
from projections.performance.attribution import Explained, attribution_of
from projections.performance.ex_post import Asked, Fed, fed, statistics_of
from tests.projections.performance.acting import registered
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    GLOBEX,
    NEW_YORK,
    Told,
    at,
    day,
    marked,
)
from tests.projections.performance.test_asking import told
from tests.projections.performance.test_ex_post import INDEX, INVESTED, PRICES, market

Connection = psycopg.Connection[Any]
OURS: dict[str, Any] = {"tenant": ACME, "portfolio": BOOK}
STOCK = np.array(PRICES, dtype=float)
LEVEL = np.array(INDEX, dtype=float)


def declared(name: str, instrument: str) -> Told:
    """A benchmark that is one instrument, from day 1 on."""
    return MARKET_TENANT, BenchmarkDeclared(
        benchmark=name, version=1, from_date=day(1), currency="USD", calendar=NEW_YORK,
        kind=BenchmarkKind.FIXED_SHARES, constituents=(Constituent(instrument, Decimal(1)),),
    )  # fmt: skip


def assigned(name: str, number: int, tenant: str = ACME) -> Told:
    """The portfolio is compared with it from a day on."""
    return tenant, BenchmarkAssigned(portfolio=BOOK, benchmark=name, from_date=day(number))


def compared(connection: Connection, **asked: Any) -> Fed:
    """What the tracking error was fed with."""
    of = Asked(**asked)
    row = fed(Readable(connection), **OURS, asked=of, figure="tracking_error").row
    assert row is not None
    return row


def attributed(connection: Connection, **asked: Any) -> Explained:
    """What an attribution was made of."""
    row = attribution_of(Readable(connection), **OURS, **({"benchmark": None} | asked)).row
    assert row is not None
    return row


STORY = [
    *INVESTED, registered("AAPL"), declared("STOCK", "AAPL"), declared("INDEX", "SPX"),
    assigned("STOCK", 5), assigned("INDEX", 15), *market(1, 30),
]  # fmt: skip
EXPECTED = [
    *(STOCK[5:15] / STOCK[4:14] - 1),
    *(LEVEL[15:31] / LEVEL[14:30] - 1),
]
"""Of days 5 to 30: the stock's returns up to day 14, then the index's."""


class TestAnAssignmentThatChanges:
    """Statistics and attribution take the benchmark in force on each day."""

    def test_counts_from_its_date_on_in_statistics(self, connection: Connection) -> None:
        """Nothing is compared before the first; the last is named."""
        told(connection, *STORY)

        found = compared(connection)

        assert found.sessions == [day(number) for number in range(5, 31)]
        assert found.benchmark_returns == pytest.approx(EXPECTED, rel=1e-9)
        assert found.benchmark == "INDEX"

    def test_counts_from_its_date_on_in_attribution(self, connection: Connection) -> None:
        """Day by day the same returns; the range begins with the first."""
        told(connection, *STORY)

        found = attributed(connection)

        assert (found.attribution.since, found.attribution.benchmark) == (day(5), "INDEX")
        assert [each.session for each in found.daily] == [day(n) for n in range(5, 31)]
        assert [each.benchmark_return for each in found.daily] == pytest.approx(EXPECTED, rel=1e-9)

    def test_is_one_chain_for_both(self, connection: Connection) -> None:
        """Of the whole range and of a part across the change, the same benchmark return."""
        told(connection, *STORY)
        for since, until in ((None, None), (day(10), day(20)), (day(15), None), (None, day(14))):
            asked = Asked(since=since, until=until)
            row = statistics_of(Readable(connection), **OURS, asked=asked).row
            one = attributed(connection, since=since, until=until).attribution

            assert row is not None
            assert row.benchmark_return is not None
            assert one.benchmark_return == pytest.approx(row.benchmark_return.value, rel=1e-9)
            assert one.benchmark == row.benchmark

    def test_counts_for_all_days_where_it_is_named(self, connection: Connection) -> None:
        """Whatever is assigned."""
        told(connection, *STORY)

        assert len(compared(connection, benchmark="STOCK").sessions) == 29
        assert attributed(connection, benchmark="STOCK").attribution.since == day(2)

    def test_is_none_before_its_date(self, connection: Connection) -> None:
        """A range that ends before the first assignment; another tenant's is not ours."""
        told(connection, *STORY, assigned("INDEX", 1, tenant=GLOBEX))

        row = statistics_of(Readable(connection), **OURS, asked=Asked(until=day(4))).row

        assert row is not None
        assert (row.benchmark, row.figures["beta"].reason) == (None, Reason.NO_BENCHMARK)
        assert attributed(connection, until=day(4)).attribution.reason == "no_benchmark"

    def test_of_two_from_one_date_the_later_told_holds(self, connection: Connection) -> None:
        """And one told last may be of the past."""
        told(connection, *STORY, assigned("INDEX", 5), assigned("STOCK", 20))

        expected = [*(LEVEL[5:20] / LEVEL[4:19] - 1), *(STOCK[20:31] / STOCK[19:30] - 1)]
        assert compared(connection).benchmark_returns == pytest.approx(expected, rel=1e-9)

    def test_that_begins_later_than_it_is_in_force_begins_anew(
        self, connection: Connection
    ) -> None:
        """The index is told from day 18 on only: what it did before nobody knows."""
        story = [*STORY[:-30], *market(1, 30, without_index=frozenset(range(1, 18)))]
        told(connection, *story)

        assert compared(connection).sessions == [day(number) for number in range(19, 31)]
        assert attributed(connection).attribution.reason == "benchmark_incomplete"


class TestAnInstrument:
    """Its total return, in the portfolio's base currency (convention 8)."""

    def euro(self, *rates: Told) -> list[Told]:
        """An index of euros."""
        tenant, event = registered("SPX")
        return [*INVESTED[1:], (tenant, replace(event, currency="EUR")), *rates, *market(1, 30)]

    def test_is_converted_by_the_rates_of_each_day(self, connection: Connection) -> None:
        """From the first rate on; what it lost in euros, the euro won back."""
        rates = [
            marked(at(number, 15), {"EUR/USD": str(Decimal(1100) / INDEX[number])})
            for number in range(3, 31)
        ]
        told(connection, *self.euro(*rates))

        found = compared(connection, benchmark="SPX")

        assert found.sessions == [day(number) for number in range(4, 31)]
        assert found.benchmark_returns == pytest.approx([0.0] * 27, abs=1e-12)

    def test_without_a_rate_is_no_benchmark(self, connection: Connection) -> None:
        """Euros are never taken for dollars; nor is a name that was never registered."""
        told(connection, *self.euro())
        unrated = compared(connection, benchmark="SPX")
        told(connection, *INVESTED[1:], *market(1, 30))
        unknown = compared(connection, benchmark="SPX")

        for found in (unrated, unknown):
            assert found.benchmark_returns is None
            assert found.value.reason is Reason.NO_BENCHMARK

    def test_in_the_base_currency_is_as_it_is_told(self, connection: Connection) -> None:
        """From close to close."""
        told(connection, *INVESTED, *market(1, 30))

        expected = [last / first - 1 for first, last in pairwise(INDEX[1:31])]
        found = compared(connection, benchmark="SPX").benchmark_returns
        assert found == pytest.approx(expected, rel=1e-12)
