"""Risk: every figure of 1,000 portfolios from the closes, and one portfolio's after a trade.

Closes are those of the five-year file where it is given, else drawn from a seed. Beside it, in the
same run, the same tails as a textbook has them: numpy's covariance, multivariate normals and
quantiles, portfolio by portfolio. The refresh is asked of PostgreSQL, after each trade anew.
"""

import csv
import gzip
import os
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.risk_refresh import refreshes
from domain.statistics import compounding, drawdowns, exposures, ratios, regression, stress
from domain.statistics.correlations import correlations
from domain.statistics.ex_ante import LEVELS, Convention, tails
from domain.statistics.measured import Floats
from domain.statistics.risk_contributions import (
    component_deviations,
    component_shortfalls,
    component_values_at_risk,
)
from domain.statistics.value_at_risk import PATHS, WINDOW, deviations, factor_of
from projections.performance.normals import simulate

SEED = 20_260_104
NAMES, SESSIONS = 470, 1_259
NAV = 1_000_000.0
TEXTBOOK_PORTFOLIOS = 10
TOGETHER = 20
"""Portfolios simulated by one product of matrices."""
MILLISECONDS = 1e3

Progress = Callable[[int, int], None]


class Market(NamedTuple):
    """Closes, sessions x names, and where they are from."""

    sessions: list[date]
    names: list[str]
    closes: Floats
    source: str


class Book(NamedTuple):
    """A portfolio: the columns it holds, values in them, and its own daily returns."""

    columns: NDArray[np.int64]
    values: Floats
    returns: Floats


def run(
    conninfo: str,
    *,
    prices: Path | None,
    portfolios: int,
    positions: int,
    trades: int,
    progress: Progress,
) -> dict[str, object]:
    """Measure both; `prices` is the five-year file."""
    market = _read(prices) if prices is not None else _drawn()
    total = market.closes[1:] / market.closes[:-1] - 1.0
    books = _books(market, total, portfolios, positions)
    progress(0, portfolios)
    simulate(np.ones(positions))  # draws the normals, once in a process
    started, used = perf_counter(), process_time()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found: list[list[float]] = []
        for figures in threads.map(partial(_measured, total), _together(books)):
            found += figures
            progress(len(found), portfolios)
    universe = correlations(total[-WINDOW:])
    seconds, processor_seconds = perf_counter() - started, process_time() - used
    again = _measured(total, books[:TOGETHER])
    textbook = _textbook(total, books[:TEXTBOOK_PORTFOLIOS])
    own = _alone(total, books[:TEXTBOOK_PORTFOLIOS])
    refreshed = refreshes(conninfo, market.sessions, market.names, market.closes, positions, trades)
    return {
        "seconds_1000_portfolios": round(seconds * 1_000 / portfolios, 3),
        "processor_seconds": round(processor_seconds, 3),
        "ms_a_portfolio": round(own * MILLISECONDS, 3),
        "figures_a_portfolio": len(found[0]),
        "textbook_tails_ms_a_portfolio": round(textbook * MILLISECONDS, 3),
        "textbook_over_all_figures": round(textbook / own, 2),
        "refresh_ms": refreshed["p95_ms"],
        "refresh": refreshed,
        "same_bits_again": _digest(found[: len(again)]) == _digest(again),
        "correlations": int(np.isfinite(universe.coefficients).sum()),
        "parameters": {
            "portfolios": portfolios, "positions": positions, "names": len(market.names),
            "returns": len(total), "window": WINDOW, "paths": PATHS, "closes": market.source,
        },
        "machine": {
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.platform(),
            "numpy": np.__version__,
            "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS"),
            "load": os.getloadavg()[0],
        },
    }  # fmt: skip


def _read(prices: Path) -> Market:
    """Read the names of the five-year file that have every session."""
    by_name: dict[str, dict[str, float]] = {}
    with gzip.open(prices, "rt", encoding="ascii") as lines:
        for row in csv.DictReader(lines):
            by_name.setdefault(row["symbol"], {})[row["date"]] = float(row["close"])
    sessions = sorted({day for closes in by_name.values() for day in closes})
    names = sorted(name for name, closes in by_name.items() if len(closes) == len(sessions))
    closes = np.array([[by_name[name][day] for name in names] for day in sessions])
    return Market([date.fromisoformat(day) for day in sessions], names, closes, prices.name)


def _drawn() -> Market:
    """Draw closes that move together, of the file's shape."""
    draw = np.random.default_rng(SEED)
    together = draw.standard_normal((SESSIONS, 1)) * 0.007
    moved = together + draw.standard_normal((SESSIONS, NAMES)) * 0.012
    closes = np.round(50.0 * np.exp(np.cumsum(moved, axis=0)), 4) + 0.01
    first = date(2013, 2, 8)
    sessions = [first + timedelta(days=number) for number in range(SESSIONS)]
    return Market(sessions, [f"N{number:03}" for number in range(NAMES)], closes, "drawn")


def _books(market: Market, total: Floats, portfolios: int, positions: int) -> list[Book]:
    """Draw portfolios of so many names, a fifth of them short; weights are constant."""
    draw = np.random.default_rng(SEED)
    books = []
    for _ in range(portfolios):
        columns = np.sort(draw.choice(len(market.names), positions, replace=False))
        signs = np.where(draw.random(positions) < 0.2, -1.0, 1.0)
        values = NAV * signs * draw.dirichlet(np.ones(positions))
        books.append(Book(columns, values, total[:, columns] @ (values / NAV)))
    return books


def _together(books: list[Book]) -> Iterator[list[Book]]:
    for start in range(0, len(books), TOGETHER):
        yield books[start : start + TOGETHER]


def _measured(total: Floats, books: list[Book]) -> list[list[float]]:
    """Give every figure of some portfolios; their paths are one product of matrices."""
    returns = [np.ascontiguousarray(total[-WINDOW:, book.columns]) for book in books]
    factors = [factor_of(each) for each in returns]
    loadings = [factor @ book.values for factor, book in zip(factors, books, strict=True)]
    paths = simulate(np.array(loadings).T)
    benchmark = total.mean(axis=1)
    return [
        [*_ex_ante(*each), *_ex_post(each[0].returns, benchmark)]
        for each in zip(books, returns, factors, paths, strict=True)
    ]


def _ex_ante(book: Book, returns: Floats, factor: Floats, paths: Floats) -> Iterator[float]:
    """Give tails, exposures, contributions, stress and correlations."""
    values, convention = book.values, Convention()
    yield from tails(
        returns, values, factor=factor, simulate=lambda _: paths, convention=convention
    ).values()
    yield float(deviations(factor, values[np.newaxis])[0])
    yield from map(float, (exposures.gross(values), exposures.net(values)))
    yield float(exposures.leverage(values[np.newaxis], np.array([NAV]))[0])
    yield from map(float, (exposures.herfindahl(values), exposures.top(values)))
    yield from component_deviations(factor, values).tolist()
    for level in LEVELS:
        parts = component_values_at_risk(returns, values, level)
        yield from parts.tolist()
        yield from component_shortfalls(returns, values, float(parts.sum())).tolist()
    shocks = np.full(len(values), stress.combined([-0.2, -0.1]))
    yield from stress.stressed_pnl(values, shocks).tolist()
    yield from stress.stressed_pnl(values, stress.compounded(returns[-10:])).tolist()
    yield from correlations(returns).coefficients.ravel().tolist()


def _ex_post(returns: Floats, benchmark: Floats) -> Iterator[float]:
    """Give ratios, regressions and drawdowns."""
    for figure in _EX_POST:
        yield figure(returns).value or 0.0
    for against in _AGAINST:
        yield against(returns, benchmark).value or 0.0
    yield from (each.depth for each in drawdowns.deepest(drawdowns.drawdowns(returns), 10))


_EX_POST = (
    compounding.cumulative_return,
    compounding.annualised_return,
    ratios.volatility,
    ratios.downside_deviation,
    ratios.sharpe,
    ratios.sortino,
    ratios.calmar,
    drawdowns.maximum_drawdown,
)
_AGAINST = (regression.beta, regression.alpha, ratios.tracking_error, ratios.information_ratio)


def _alone(total: Floats, books: list[Book]) -> float:
    """Give the seconds that one portfolio's figures take alone: the median."""
    return median(_seconds(partial(_measured, total, [book])) for book in books)


def _textbook(total: Floats, books: list[Book]) -> float:
    """Give the seconds of the three methods' tails alone, as a textbook has them: the median."""
    draw = np.random.default_rng(SEED)

    def tails_of(book: Book) -> None:
        returns = total[-WINDOW:, book.columns]
        covariance = np.cov(returns, rowvar=False)
        np.sqrt(book.values @ covariance @ book.values)
        simulated = draw.multivariate_normal(np.zeros(len(book.values)), covariance, PATHS)
        for pnl in (returns @ book.values, simulated @ book.values):
            for level in LEVELS:
                value = np.quantile(-pnl, level)
                (-pnl)[-pnl >= value].mean()

    return median(_seconds(partial(tails_of, book)) for book in books)


def _seconds(act: Callable[[], object]) -> float:
    started = perf_counter()
    act()
    return perf_counter() - started


def _digest(found: list[list[float]]) -> str:
    return sha256(msgspec.json.encode(found)).hexdigest()
