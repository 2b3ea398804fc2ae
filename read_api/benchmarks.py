"""The endpoints of benchmarks: their versions, and what they returned."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

import msgspec
from starlette.responses import Response

from domain.benchmark import BenchmarkKind, Rebalancing
from gateway.access import Action
from gateway.decoding import Name
from gateway.interface import Call, Endpoint, not_found
from gateway.openapi import PathParameter
from projections.asking import Readable
from projections.performance.benchmarks import benchmark_returns, benchmarks_of
from read_api.asking import Asking, PageAsked
from read_api.declaring import query
from read_api.parameters import NAME, PerformanceAsked
from read_api.shaping import Amount, Shaped, ShapedPage, page_shaped, shaped

BENCHMARK = PathParameter("benchmark", NAME, "The benchmark's name.")
CALCULATION = "benchmarks 1"
Return = Annotated[float, msgspec.Meta(description="A fraction, 0.01 for 1 %.")]


class BenchmarksAsked(PageAsked, kw_only=True):
    """Which benchmarks."""

    benchmark: Name | None = None


class Constituent(Shaped, frozen=True):
    """A name with its shares or its weight."""

    instrument: str
    amount: Amount


class Version(Shaped, frozen=True):
    """One version: in force from a date until that of the next one."""

    benchmark: str
    version: int
    from_date: date
    currency: str
    calendar: str
    kind: BenchmarkKind
    rebalancing: Rebalancing | None
    constituents: tuple[Constituent, ...]
    position: int


class Versions(ShapedPage, frozen=True):
    """A page of versions, by benchmark and number."""

    items: tuple[Version, ...]


class SessionReturn(Shaped, frozen=True):
    """A session: the return since the one before, and since the first of the range."""

    session: date
    daily_return: Return | None
    cumulative_return: Return | None


class SessionReturns(ShapedPage, frozen=True):
    """A page of sessions, oldest first."""

    items: tuple[SessionReturn, ...]
    calculation: str


def benchmark_endpoints(asking: Asking) -> Sequence[Endpoint]:
    """Give the addresses of benchmarks."""
    queries = BenchmarkQueries(asking)
    return (
        query(
            "/v1/benchmarks",
            "list_benchmarks",
            "What benchmarks consist of, in versions, for every tenant",
            Action.READ_BENCHMARKS,
            BenchmarksAsked,
            Versions,
            queries.versions,
        ),
        query(
            "/v1/benchmarks/{benchmark}/returns",
            "list_benchmark_returns",
            "A benchmark's total return by session",
            Action.READ_BENCHMARKS,
            PerformanceAsked,
            SessionReturns,
            queries.returns,
            BENCHMARK,
        ),
    )


class BenchmarkQueries:
    """The endpoints' coroutines, over one way to ask."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def versions(self, call: Call) -> Response:
        """List versions."""
        asked: BenchmarksAsked = call.parameters

        def ask(readable: Readable) -> Versions:
            page = benchmarks_of(
                readable, benchmark=asked.benchmark, cursor=asked.cursor, limit=asked.limit
            )
            items = [
                shaped(
                    Version,
                    row,
                    constituents=tuple(shaped(Constituent, each) for each in row.constituents),
                )
                for row in page.rows
            ]
            return page_shaped(Versions, page, items)

        one = self._asking.any_partition
        return await self._asking.answer(call, "performance", ask, one)

    async def returns(self, call: Call) -> Response:
        """List returns by session."""
        asked: PerformanceAsked = call.parameters
        benchmark = call.named(BENCHMARK)

        def ask(readable: Readable) -> SessionReturns:
            page = benchmark_returns(
                readable,
                benchmark=benchmark,
                since=asked.since,
                until=asked.until,
                cursor=asked.cursor,
                limit=asked.limit,
            )
            if page is None:
                raise not_found()
            items = tuple(shaped(SessionReturn, row) for row in page.rows)
            return shaped(SessionReturns, page, items=items, calculation=CALCULATION)

        one = self._asking.any_partition
        return await self._asking.answer(call, "performance", ask, one)
