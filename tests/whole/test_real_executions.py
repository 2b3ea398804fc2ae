"""9,367 real executions, imported as from outside, against figures computed here from the file.

`pyfolio_txn.csv.gz`: seven instruments, 2004-01-09 to 2009-12-31, opening cash 100,000, each day
closed at that day's last execution price; the strategy ends short MMM. Everything goes the way of
any import: `pms import …` over HTTP into a running PMS, read back through the query API.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict, deque
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import empyrical
import numpy as np
import pytest
import pyxirr

from tests.whole.system import Ended, WholeSystem, whole_system

OPENING_CASH = Decimal(100_000)
EXECUTIONS = 9_367
ROUNDING = Decimal("0.000000000001")
TENANT = "pyfolio"
INDEX = "SP500"
NEAR = 1e-9
RISK_FREE = 0.02
IMPORT = (
    "import", "executions",
)  # fmt: skip
TERMS = (
    "--portfolio", "strategy", "--currency", "USD", "--tenant", TENANT, "--source", "backtest",
    "--open-portfolio", "--opening-cash", "100000", "--register-instruments",
)  # fmt: skip

pytestmark = pytest.mark.slow


class Execution(NamedTuple):
    """One row of the file; amount and cash are signed."""

    day: str
    symbol: str
    amount: Decimal
    price: Decimal
    cash: Decimal


class Computed(NamedTuple):
    """What this test computes from the rows alone."""

    quantities: dict[str, Decimal]
    cash: Decimal
    realised: dict[str, Fraction]
    navs: dict[str, Decimal]


class Imported(NamedTuple):
    """The system after the import, and how the imports ended."""

    system: WholeSystem
    first: Ended
    again: Ended
    prices: Ended
    position: int


@pytest.fixture(scope="module")
def file(shared_data: Path) -> Path:
    """The file of executions."""
    return shared_data / "pyfolio_txn.csv.gz"


@pytest.fixture(scope="module")
def executions(file: Path) -> list[Execution]:
    """Its rows."""
    with gzip.open(file, "rt") as lines:
        return [
            Execution(
                row[""][:10],
                row["symbol"],
                Decimal(row["amount"]),
                Decimal(row["price"]),
                Decimal(row["txn_dollars"]),
            )
            for row in csv.DictReader(lines)
        ]


@pytest.fixture(scope="module")
def index(shared_data: Path, executions: list[Execution]) -> dict[str, str]:
    """The S&P 500's level on the days of the file."""
    days = {each.day for each in executions}
    with gzip.open(shared_data / "skfolio_sp500_index.csv.gz", "rt") as lines:
        return {row["Date"]: row["SP500"] for row in csv.DictReader(lines) if row["Date"] in days}


@pytest.fixture(scope="module")
def computed(executions: list[Execution]) -> Computed:
    """The figures, computed naively."""
    quantities: dict[str, Decimal] = defaultdict(Decimal)
    prices: dict[str, Decimal] = {}
    cash = OPENING_CASH
    navs: dict[str, Decimal] = {}
    for each in executions:
        quantities[each.symbol] += each.amount
        cash += each.cash
        prices[each.symbol] = each.price
        navs[each.day] = cash + sum(
            (held * prices[symbol] for symbol, held in quantities.items()), Decimal(0)
        )
    return Computed(dict(quantities), cash, realised_first_in_first_out(executions), navs)


def realised_first_in_first_out(executions: list[Execution]) -> dict[str, Fraction]:
    """Match units first in, first out, in fractions; nothing is shared with the domain's lots."""
    queues: dict[str, deque[list[Fraction]]] = defaultdict(deque)
    realised: dict[str, Fraction] = defaultdict(Fraction)
    for each in executions:
        left, unit = Fraction(each.amount), -Fraction(each.cash) / Fraction(each.amount)
        queue = queues[each.symbol]
        while left and queue and (queue[0][0] > 0) != (left > 0):
            closed = min(abs(left), abs(queue[0][0]))
            sign = 1 if queue[0][0] > 0 else -1
            realised[each.symbol] += sign * closed * (unit - queue[0][1])
            queue[0][0] -= sign * closed
            left += sign * closed
            if not queue[0][0]:
                queue.popleft()
        if left:
            queue.append([left, unit])
    return dict(realised)


@pytest.fixture(scope="module")
def imported(
    file: Path,
    executions: list[Execution],
    index: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Imported]:
    """A running PMS with the executions and the closes in it."""
    last: dict[tuple[str, str], Decimal] = {}
    for each in executions:
        last[each.day, each.symbol] = each.price
    closes = tmp_path_factory.mktemp("closes") / "closes.csv"
    rows = [f"{day},{symbol},{price}" for (day, symbol), price in last.items()]
    rows += [f"{day},{INDEX},{level}" for day, level in index.items()]
    closes.write_text("\n".join(["date,symbol,close", *rows]) + "\n")
    with whole_system() as system:
        first = system.pms(*IMPORT, str(file), *TERMS)
        again = system.pms(*IMPORT, str(file), *TERMS)
        prices = system.pms("import", "prices", str(closes), "--register-instruments")
        yield Imported(system, first, again, prices, int(prices.result["position"]))


@pytest.fixture(scope="module")
def days(imported: Imported) -> list[dict[str, Any]]:
    """The daily rows of performance."""
    reader = imported.system.reader(TENANT)
    path = "/v1/portfolios/strategy/performance"
    return list(reader.items(path, min_position=imported.position))


class TestImportingExecutions:
    """Every row becomes one trade, once."""

    def test_accepts_every_row(self, imported: Imported) -> None:
        """Nothing is refused or malformed."""
        assert imported.first.status == 0, imported.first.said
        assert imported.first.result["accepted"] == EXECUTIONS
        assert imported.first.result["refused"] == imported.first.result["malformed"] == 0

    def test_imports_nothing_twice(self, imported: Imported) -> None:
        """The same import again finds everything there."""
        assert imported.again.status == 0, imported.again.said
        assert imported.again.result["accepted"] == 0
        assert imported.again.result["imported_before"] == EXECUTIONS
        assert imported.again.result["position"] == imported.first.result["position"]

    def test_closes_every_session(self, imported: Imported, computed: Computed) -> None:
        """One session for each day of the file."""
        assert imported.prices.status == 0, imported.prices.said
        assert imported.prices.result["accepted"] == len(computed.navs)


class TestFiguresOfRealExecutions:
    """What is served is what the file says."""

    def test_positions_are_the_sums_of_amounts(
        self, imported: Imported, computed: Computed
    ) -> None:
        """Seven instruments; the strategy ends short MMM."""
        served = self.positions(imported)

        quantities = {name: Decimal(each["quantity"]) for name, each in served.items()}
        assert quantities == computed.quantities
        assert len(quantities) == 7
        assert quantities["MMM"] < 0

    def test_cash_is_exact(self, imported: Imported, computed: Computed) -> None:
        """Opening cash and every signed amount, to the last digit."""
        reader = imported.system.reader(TENANT)
        path = "/v1/portfolios/strategy/cash"

        (balance,) = reader.items(path, min_position=imported.position)

        assert balance["currency"] == "USD"
        assert Decimal(balance["balance"]) == computed.cash

    def test_realised_is_first_in_first_out(self, imported: Imported, computed: Computed) -> None:
        """Against exact fractions; each close rounds a part of a lot once, to 12 decimals."""
        for name, each in self.positions(imported).items():
            served = Fraction(each["realised_gross"])
            assert abs(served - computed.realised[name]) < EXECUTIONS * Fraction(ROUNDING), name
            assert each["realised_gross"] == each["realised_net"]

    def test_every_session_has_its_nav(
        self, days: list[dict[str, Any]], computed: Computed
    ) -> None:
        """Cash and positions at last execution prices, exactly; struck and current alike."""
        current = {each["session"]: Decimal(each["current"]["nav"]) for each in days}
        struck = {each["session"]: Decimal(each["struck"]["nav"]) for each in days}

        assert current == computed.navs
        assert struck == current

    def test_return_is_time_weighted(self, days: list[dict[str, Any]], computed: Computed) -> None:
        """With one deposit at the start, the growth from opening cash to the last NAV."""
        last_nav = computed.navs[max(computed.navs)]
        growth = Fraction(last_nav) / Fraction(OPENING_CASH) - 1

        served = Fraction(days[-1]["cumulative_return"])

        assert abs(served - growth) < abs(growth) / 10**12

    def test_everything_verifies(self, imported: Imported) -> None:
        """The log, the books and all read models agree."""
        ended = imported.system.pms("verify")

        assert ended.status == 0, ended.output + ended.said
        assert "performance equals a rebuild" in ended.output

    @staticmethod
    def positions(imported: Imported) -> dict[str, dict[str, Any]]:
        """Ask for all positions, closed ones too."""
        found = imported.system.reader(TENANT).items(
            "/v1/portfolios/strategy/positions",
            include_closed="true",
            min_position=imported.position,
        )
        return {each["instrument"]: each for each in found}


@pytest.fixture(scope="module")
def returns(computed: Computed) -> dict[str, float]:
    """Daily returns by day, the first from the opening cash."""
    navs = [OPENING_CASH, *computed.navs.values()]
    values = [float(after / before - 1) for before, after in pairwise(navs)]
    return dict(zip(computed.navs, values, strict=True))


@pytest.fixture(scope="module")
def item(imported: Imported) -> dict[str, Any]:
    """The statistics served."""
    return performance(imported, "statistics", benchmark=INDEX, risk_free=RISK_FREE)


def performance(imported: Imported, what: str, **parameters: object) -> dict[str, Any]:
    """Ask for one document about performance."""
    path = f"/v1/portfolios/strategy/performance/{what}"
    reader = imported.system.reader(TENANT)
    document = reader.document(path, min_position=imported.position, **parameters)
    item: dict[str, Any] = document["item"]
    return item


class TestStatisticsOfRealReturns:
    """What is served of the daily returns, against empyrical and pyxirr on the file's own NAVs."""

    def test_of_returns(self, item: dict[str, Any], returns: dict[str, float]) -> None:
        """Each at its convention: downside deviation has ddof 0 there."""
        values, n = np.array(list(returns.values())), len(returns)
        free = (1 + RISK_FREE) ** (1 / 252) - 1
        downside = np.sqrt(n / (n - 1))
        expected = {
            "cumulative_return": empyrical.cum_returns_final(values),
            "annualised_return": empyrical.annual_return(values),
            "volatility": empyrical.annual_volatility(values),
            "downside_deviation": empyrical.downside_risk(values, free) * downside,
            "sharpe": empyrical.sharpe_ratio(values, risk_free=free),
            "sortino": empyrical.sortino_ratio(values, required_return=free) / downside,
            "calmar": empyrical.calmar_ratio(values),
            "maximum_drawdown": empyrical.max_drawdown(values),
        }

        served = {name: item["figures"][name]["value"] for name in expected}

        assert served == pytest.approx(expected, rel=NEAR)
        assert {item["figures"][name]["n"] for name in expected} == {n}

    def test_against_the_index(
        self, item: dict[str, Any], returns: dict[str, float], index: dict[str, str]
    ) -> None:
        """From the first session's end on; alpha is compounded there, and mean x 252 here."""
        wealth = dict(zip(returns, np.cumprod(1 + np.array(list(returns.values()))), strict=True))
        ours = np.array([wealth[b] / wealth[a] - 1 for a, b in pairwise(index)])
        theirs = np.array([float(index[b]) / float(index[a]) - 1 for a, b in pairwise(index)])
        free = (1 + RISK_FREE) ** (1 / 252) - 1
        compounded = empyrical.alpha_aligned(ours, theirs, risk_free=free)
        expected = {
            "beta": empyrical.beta_aligned(ours, theirs),
            "alpha": ((1 + compounded) ** (1 / 252) - 1) * 252,
            "tracking_error": empyrical.annual_volatility(ours - theirs),
            "information_ratio": empyrical.excess_sharpe(ours, theirs) * np.sqrt(252),
        }

        served = {name: item["figures"][name]["value"] for name in expected}

        assert served == pytest.approx(expected, rel=NEAR)
        assert item["figures"]["beta"]["n"] == len(ours) > 1_400

    def test_drawdowns_are_those_of_the_wealth(
        self, imported: Imported, computed: Computed
    ) -> None:
        """The deepest from its peak to its trough, in the file's own NAVs."""
        (deepest, *_) = performance(imported, "drawdowns")["drawdowns"]

        peak, trough = (float(computed.navs[deepest[at]]) for at in ("peak", "trough"))
        assert deepest["depth"] == pytest.approx(trough / peak - 1, rel=NEAR)
        before = [nav for day, nav in computed.navs.items() if day <= deepest["trough"]]
        assert peak == float(max(before))

    def test_money_weighted_is_that_of_pyxirr(self, imported: Imported, computed: Computed) -> None:
        """100,000 in on the first day, the last NAV out on the last."""
        item = performance(imported, "money-weighted")
        first, last = min(computed.navs), max(computed.navs)
        dates = [date.fromisoformat(each) for each in (first, last)]
        oracle = pyxirr.xirr(dates, [-float(OPENING_CASH), float(computed.navs[last])])

        assert item["annual_rate"]["value"] == pytest.approx(oracle, rel=NEAR)

    @pytest.mark.parametrize("which", [0, 700, -1])
    def test_a_nav_is_its_lines(self, imported: Imported, computed: Computed, which: int) -> None:
        """Seven positions and cash, each with the events behind it, to the last digit."""
        session = list(computed.navs)[which]
        item = performance(imported, "explain", figure="nav", session=session)

        total = sum((Decimal(line["value"]) for line in item["lines"]), Decimal(0))
        assert total == computed.navs[session] == Decimal(item["nav"])
        cash = next(line for line in item["lines"] if line["kind"] == "cash")
        if which == -1:
            assert len(cash["events"]) == EXECUTIONS + 1
