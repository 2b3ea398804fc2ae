"""Ex-ante risk: the five-year file through the real fold, against a second way of counting.

Stories in few words then show what a figure is, or why there is none.
"""

import csv
import gzip
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from statistics import NormalDist, stdev
from typing import Any

import numpy as np
import psycopg
import pytest

from domain.identity import MARKET_TENANT
from domain.market import Close, SessionClosed
from domain.statistics.ex_ante import Convention
from domain.statistics.value_at_risk import Horizon
from projections.asking import Readable
from projections.performance.risk import Asked, Contributions, Risk, contributions_of, risk_of
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    Told,
    at,
    closed,
    day,
    flow,
    marked,
    opened,
    trade,
)

Connection = psycopg.Connection[Any]

NAMES = ("AAPL", "MSFT", "XOM", "JPM", "GE", "JNJ", "WMT", "DIS")
HELD = {"AAPL": 100, "MSFT": -250, "XOM": 300, "JPM": 50, "GE": -1_000, "WMT": 70}
CASH = 1_000_000


class File(dict[str, dict[date, Fraction]]):
    """Closes of the five-year file by name and session."""

    @property
    def sessions(self) -> list[date]:
        """All of them, in order."""
        return sorted(self["AAPL"])


@pytest.fixture(scope="module")
def file(shared_data: Path) -> File:
    """The closes of some names."""
    found = File({name: {} for name in NAMES})
    with gzip.open(shared_data / "sp500_5yr_ohlcv_2013_2018.csv.gz", "rt") as lines:
        for row in csv.DictReader(lines):
            if row["symbol"] in found:
                found[row["symbol"]][date.fromisoformat(row["date"])] = Fraction(row["close"])
    return found


def told(file: File) -> Iterator[Told]:
    """A portfolio that buys on the first day, and every session of the file."""
    yield opened()
    first = (file.sessions[0] - day(1)).days + 1
    yield flow(str(CASH), first)
    for name, quantity in HELD.items():
        yield trade(name, str(quantity), "10", first)
    for session in file.sessions:
        ends_at = datetime.combine(session, time(21), UTC)
        closes = tuple(
            Close(instrument=name, price=Decimal(str(float(file[name][session])))) for name in NAMES
        )
        yield MARKET_TENANT, SessionClosed(
            calendar="XNYS", session=session, starts_at=ends_at - timedelta(hours=6.5),
            ends_at=ends_at, closes=closes,
        )  # fmt: skip


@pytest.fixture(scope="module")
def real(connection: Connection, file: File) -> Connection:
    """The file, folded."""
    Market(connection).tell(*told(file))
    return connection


def risk(connection: Connection, asked: Asked | None = None) -> Risk:
    """Ask for the risk of the one portfolio."""
    found = risk_of(Readable(connection), tenant=ACME, portfolio=BOOK, asked=asked).row
    assert found is not None
    return found


def divided(connection: Connection, level: float) -> Contributions:
    """Ask for its contributions."""
    readable = Readable(connection)
    found = contributions_of(readable, tenant=ACME, portfolio=BOOK, asked=Asked(), level=level).row
    assert found is not None
    return found


def losses(file: File, until: date, window: int = 500, days: int = 1) -> list[Fraction]:
    """What today's holdings would have lost on each past day, exactly, in order of time."""
    sessions = [each for each in file.sessions if each <= until]
    last = sessions[-1]
    sessions = sessions[-window - 1 :]
    found = []
    for before, after in zip(sessions, sessions[days:], strict=False):
        lost = Fraction(0)
        for name, quantity in HELD.items():
            value = quantity * file[name][last]
            lost -= value * (file[name][after] / file[name][before] - 1)
        found.append(lost)
    return found


def tail(counted: list[Fraction], level: Fraction) -> tuple[float, float]:
    """The quantile by Hyndman and Fan's rule 7, and the mean of what is at least that."""
    ascending = sorted(counted)
    place = (len(ascending) - 1) * level
    below = math.floor(place)
    value = ascending[below] + (place - below) * (ascending[below + 1] - ascending[below])
    beyond = [each for each in ascending if each >= value]
    return float(value), float(sum(beyond) / len(beyond))


class TestTheFiveYearFile:
    """Six positions, two of them short, over the last 500 of 1,258 returns."""

    @pytest.mark.parametrize("until", [None, date(2016, 6, 30)])
    def test_historical_figures_are_those_of_exact_fractions(
        self, real: Connection, file: File, until: date | None
    ) -> None:
        """Now, and with what was held and known at a session's end."""
        found = risk(real, Asked(until))
        for level in (95, 99):
            value, beyond = tail(losses(file, until or date.max), Fraction(level, 100))
            for measure, expected in (("value_at_risk", value), ("expected_shortfall", beyond)):
                one_day = found.figures[f"{measure}_historical_1d_{level}"]
                ten_days = found.figures[f"{measure}_historical_10d_{level}"]
                assert one_day.value == pytest.approx(expected, rel=1e-9)
                assert ten_days.value == pytest.approx(expected * math.sqrt(10), rel=1e-9)
                assert one_day.n == found.valued.days == 500

    def test_ten_overlapping_days_and_other_windows_are_asked_for(
        self, real: Connection, file: File
    ) -> None:
        """Ten days compounded, over 250 returns."""
        convention = Convention(ten_days=Horizon.OVERLAPPING)
        found = risk(real, Asked(window=250, convention=convention))

        value, beyond = tail(losses(file, date.max, 250, days=10), Fraction(99, 100))
        assert found.figures["value_at_risk_historical_10d_99"].value == pytest.approx(
            value, rel=1e-9
        )
        assert found.figures["expected_shortfall_historical_10d_99"].value == pytest.approx(
            beyond, rel=1e-9
        )

    def test_parametric_figures_are_of_the_deviation_of_the_losses(
        self, real: Connection, file: File
    ) -> None:
        """The deviation of a sum is that which the covariance gives."""
        deviation = stdev(map(float, losses(file, date.max)))
        law = NormalDist(0, deviation)
        found = risk(real).figures

        assert found["value_at_risk_parametric_1d_99"].value == pytest.approx(
            law.inv_cdf(0.99), rel=1e-9
        )
        beyond = deviation * NormalDist().pdf(NormalDist().inv_cdf(0.95)) / 0.05
        assert found["expected_shortfall_parametric_10d_95"].value == pytest.approx(
            beyond * math.sqrt(10), rel=1e-9
        )
        nav = CASH + sum(q * (float(file[n][file.sessions[-1]]) - 10) for n, q in HELD.items())
        assert found["volatility"].value == pytest.approx(deviation * 252**0.5 / nav, rel=1e-9)

    def test_simulated_figures_lie_within_their_error(self, real: Connection) -> None:
        """Of 100,000 paths, five standard errors of a quantile; the same each time."""
        found = risk(real).figures
        for level in (0.95, 0.99):
            z, name = NormalDist().inv_cdf(level), f"1d_{level:.0%}".rstrip("%")
            truth = found[f"value_at_risk_parametric_{name}"].value
            simulated = found[f"value_at_risk_monte_carlo_{name}"].value
            assert truth is not None
            error = math.sqrt(level * (1 - level) / 100_000) / NormalDist().pdf(z) / z
            assert simulated == pytest.approx(truth, rel=5 * error)
        assert risk(real).figures == found

    def test_exposures_are_those_of_the_file(self, real: Connection, file: File) -> None:
        """Gross, net and NAV exactly; shares as floats."""
        prices = {name: Decimal(str(float(file[name][file.sessions[-1]]))) for name in HELD}
        values = {name: quantity * prices[name] for name, quantity in HELD.items()}
        gross = sum(map(abs, values.values()))
        found = risk(real)

        assert found.valued.gross == gross
        assert found.valued.net == sum(values.values())
        assert found.valued.nav == CASH - 10 * sum(HELD.values()) + sum(values.values())
        sizes = sorted((abs(value) / gross for value in values.values()), reverse=True)
        assert found.figures["top_5"].value == pytest.approx(float(sum(sizes[:5])), rel=1e-12)
        squares = float(sum(size * size for size in sizes))
        assert found.figures["herfindahl"].value == pytest.approx(squares, rel=1e-12)

    @pytest.mark.parametrize("level", [0.95, 0.99])
    def test_contributions_sum_to_the_figures(self, real: Connection, level: float) -> None:
        """Each column to its own."""
        found, figures = divided(real, level), risk(real).figures
        name = f"1d_{level:.0%}".rstrip("%")
        for column, figure in (
            ("parametric_value_at_risk", f"value_at_risk_parametric_{name}"),
            ("historical_value_at_risk", f"value_at_risk_historical_{name}"),
            ("historical_expected_shortfall", f"expected_shortfall_historical_{name}"),
        ):
            parts = [getattr(line, column) for line in found.lines]
            assert sum(parts) == pytest.approx(figures[figure].value, rel=1e-9)
            assert getattr(found.total, column) == pytest.approx(figures[figure].value, rel=1e-9)


DAYS = 70
RISING = tuple(
    closed(number, {"AAPL": str(100 + number % 7), "MSFT": str(50 + number % 5)})
    for number in range(1, DAYS + 1)
)
OWNED = (opened(), flow("10000", 1), trade("AAPL", "10", "100", 1))


def measured(connection: Connection, *story: Told, asked: Asked | None = None) -> Risk:
    """Tell a story and measure it."""
    Market(connection).tell(*story)
    return risk(connection, asked)


def reasons(found: Risk) -> set[str | None]:
    """Why tails have no value."""
    names = [name for name in found.figures if name.startswith("value_at_risk")]
    assert len(names) == 12
    return {found.figures[name].reason for name in names}


class TestToday:
    """Today's holdings at the last marks."""

    def test_a_mark_is_in_the_next_answer(self, connection: Connection) -> None:
        """Twice the price is twice the risk, and so is twice the quantity."""
        market = Market(connection)
        market.tell(*OWNED, *RISING)
        name = "value_at_risk_historical_1d_99"
        before = risk(connection).figures[name].value
        market.tell(marked(at(DAYS + 1), {"AAPL": "200"}))
        doubled = risk(connection).figures[name].value
        market.tell(trade("AAPL", "10", "200", DAYS + 1))
        quadrupled = risk(connection).figures[name].value

        assert before is not None
        assert doubled == pytest.approx(before * 2, rel=1e-12)
        assert quadrupled == pytest.approx(before * 4, rel=1e-12)

    def test_cash_of_another_currency_is_at_risk(self, connection: Connection) -> None:
        """1,000 euros at 1.2 lose a tenth of 1,200 on the one bad day in 69."""
        rates = [
            marked(at(number, 20), {"EUR/USD": "1.08" if number == 30 else "1.2"})
            for number in range(1, DAYS + 1)
        ]
        sessions = [told for pair in zip(rates, RISING, strict=True) for told in pair]
        found = measured(connection, opened(), flow("1000", 1, currency="EUR"), *sessions)
        (value, shortfall) = (
            found.figures[f"{measure}_historical_1d_99"].value
            for measure in ("value_at_risk", "expected_shortfall")
        )

        assert found.valued.gross == 0
        assert shortfall == pytest.approx(120, rel=1e-9)
        assert value == pytest.approx(0.32 * 120, rel=1e-9)

    def test_a_foreign_position_takes_both_risks(self, connection: Connection) -> None:
        """(1 - 10 %) x (1 - 10 %) - 1 is -19 %, of 100 x 1.2."""
        rates = [
            marked(at(number, 20), {"EUR/USD": "1.08" if number == 30 else "1.2"})
            for number in range(1, DAYS + 1)
        ]
        sessions = [
            told
            for number, rate in enumerate(rates, start=1)
            for told in (rate, closed(number, {"SAP": "90" if number == 30 else "100"}))
        ]
        bought = trade("SAP", "1", "100", 1, currency="EUR")
        paid = flow("100", 1, currency="EUR")
        found = measured(connection, opened(), paid, bought, *sessions)

        shortfall = found.figures["expected_shortfall_historical_1d_99"].value
        assert shortfall == pytest.approx(0.19 * 120, rel=1e-9)

    def test_nothing_held_is_no_risk_and_has_no_concentration(self, connection: Connection) -> None:
        """Zero, not unknown."""
        found = measured(connection, opened(), flow("100", 1), *RISING)

        assert found.figures["value_at_risk_monte_carlo_10d_99"].value == 0
        assert found.figures["herfindahl"].reason == "nothing_held"
        assert found.figures["leverage"].value == 0


class TestCoverage:
    """Fewer than sixty returns of a line's own."""

    def test_a_small_uncovered_line_is_left_out_and_listed(self, connection: Connection) -> None:
        """TSLA has no past; 50 of 1,050 is less than a twentieth."""
        bought = trade("TSLA", "1", "50", DAYS)
        found = measured(connection, *OWNED, bought, *RISING)

        assert reasons(found) == {None}
        assert found.valued.uncovered == ["TSLA"]
        assert found.valued.uncovered_share == pytest.approx(50 / 1_050, rel=1e-12)

    def test_more_than_a_twentieth_leaves_no_figure(self, connection: Connection) -> None:
        """60 of 1,060."""
        found = measured(connection, *OWNED, trade("TSLA", "1", "60", DAYS), *RISING)

        assert reasons(found) == {"coverage_incomplete"}
        assert found.figures["leverage"].value is not None
        assert divided(connection, 0.99).reason == "coverage_incomplete"

    def test_sixty_returns_are_enough(self, connection: Connection) -> None:
        """61 sessions cover, 60 do not."""
        assert reasons(measured(connection, *OWNED, *RISING[:60])) == {"coverage_incomplete"}
        assert reasons(measured(connection, *OWNED, *RISING[:61])) == {None}

    def test_the_window_begins_with_the_last_to_begin(self, connection: Connection) -> None:
        """AAPL has 69 returns, SAP 62: no day counts SAP as still."""
        late = [
            *RISING[:7],
            *(
                closed(number, {"AAPL": str(100 + number % 7), "SAP": str(20 + number % 3)})
                for number in range(8, DAYS + 1)
            ),
        ]
        found = measured(connection, *OWNED, trade("SAP", "5", "20", 1), *late)

        assert (found.valued.days, found.valued.window_from) == (62, day(9))
        assert reasons(found) == {None}
        assert found.figures == risk(connection, Asked(window=62)).figures

    def test_what_is_worth_nothing_shortens_no_window(self, connection: Connection) -> None:
        """SAP came late, and was written off."""
        late = [*RISING[:7], *(closed(n, {"AAPL": "100", "SAP": "0"}) for n in range(8, DAYS + 1))]
        found = measured(connection, *OWNED, trade("SAP", "5", "20", 1), *late)

        assert (found.valued.days, found.valued.uncovered) == (DAYS - 1, [])

    def test_an_incomplete_nav_leaves_no_figure(self, connection: Connection) -> None:
        """Euros without a rate."""
        found = measured(connection, *OWNED, flow("1", 2, currency="EUR"), *RISING)

        assert reasons(found) == {"nav_incomplete"}
        assert {each.value for each in found.figures.values()} == {None}
        assert found.valued.gross is None

    def test_a_nav_of_nothing_has_no_leverage(self, connection: Connection) -> None:
        """Bought on credit: 1,000 owed."""
        found = measured(connection, opened(), trade("AAPL", "1", "5000", 1), *RISING)

        assert found.figures["leverage"].reason == "nav_not_positive"
        assert found.figures["volatility"].reason == "nav_not_positive"
        assert found.figures["value_at_risk_historical_1d_95"].value is not None


def test_no_figure_is_infinite(connection: Connection) -> None:
    """Prices over 38 decimals compound to what no float holds over ten days."""
    wild = [
        closed(number, {"AAPL": "1e25" if number % 2 else "1e-12"}) for number in range(1, DAYS + 1)
    ]
    convention = Convention(ten_days=Horizon.OVERLAPPING)
    with np.errstate(all="ignore"):
        found = measured(connection, *OWNED, *wild, asked=Asked(convention=convention))

    assert all((each.value is None) != (each.reason is None) for each in found.figures.values())
    assert all(math.isfinite(each.value or 0) for each in found.figures.values())
