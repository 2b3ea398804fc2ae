"""What positions and sectors added to a return: laws over drawn histories, and small stories."""

import math
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.identity import MARKET_TENANT
from domain.instrument import SectorAssigned
from projections.asking import Readable
from projections.performance.contributions import (
    By,
    Contributions,
    contributions_of,
    sector_correlations,
)
from projections.performance.queries import daily_performance
from tests.projections.performance.acting import applied, declared, dividend, registered, split
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    Told,
    at,
    closed,
    day,
    fee,
    flow,
    interest,
    marked,
    opened,
    trade,
)

Connection = psycopg.Connection[Any]
OURS: dict[str, Any] = {"tenant": ACME, "portfolio": BOOK}


def added_up(connection: Connection, *story: Told, by: By = "position") -> Contributions:
    """Tell a story, and ask for the contributions of all of it."""
    Market(connection).tell(*story)
    row = contributions_of(Readable(connection), **OURS, by=by).row
    assert row is not None
    return row


def lines(found: Contributions) -> dict[str, float]:
    """Contributions by name, rounded."""
    return {each.name: round(each.contribution, 12) for each in found.lines}


def assigned(instrument: str, sector: str, on: int = 1) -> Told:
    """An instrument's sector from a day on."""
    event = SectorAssigned(instrument=instrument, sector=sector, from_date=day(on))
    return MARKET_TENANT, event


class TestPositions:
    """By position."""

    def test_what_was_gained_over_what_there_was(self, connection: Connection) -> None:
        """600 in A gain 60, 300 in B lose 30, 100 in cash earn 2: 3.2 % of 1,000."""
        found = added_up(
            connection,
            opened(), flow("1000", 1), trade("A", "60", "10", 1), trade("B", "30", "10", 1),
            closed(1, {"A": "10", "B": "10"}), interest("2", 2),
            closed(2, {"A": "11", "B": "9"}),
        )  # fmt: skip

        assert lines(found) == {"A": 0.06, "B": -0.03, "cash:USD": 0.002}
        assert found.range_return == pytest.approx(0.032)
        assert found.trading == pytest.approx(0.0, abs=1e-15)
        assert {each.name: each.result for each in found.lines} == pytest.approx(
            {"A": 60.0, "B": -30.0, "cash:USD": 2.0}
        )

    def test_days_compound(self, connection: Connection) -> None:
        """+10 % twice is 21 %: the second day counts 1.1 times."""
        found = added_up(
            connection,
            opened(), flow("1000", 1), trade("A", "100", "10", 1), closed(1, {"A": "10"}),
            closed(2, {"A": "11"}), closed(3, {"A": "12.1"}),
        )  # fmt: skip

        assert lines(found) == {"A": 0.21, "cash:USD": 0.0}
        assert found.days == 3

    def test_a_split_gains_nothing_and_a_dividend_does(self, connection: Connection) -> None:
        """Two for one at half the price; then 1 a unit of 5, due and not yet paid."""
        halves, paid = split(2, 1, 2, instrument="A"), dividend("1", 3, instrument="A")
        found = added_up(
            connection,
            registered("A"), opened(), flow("1000", 1), trade("A", "100", "10", 1),
            closed(1, {"A": "10"}), declared(halves), applied(halves, quantity="100"),
            closed(2, {"A": "5"}), declared(paid), applied(paid, gross="200"),
            closed(3, {"A": "5"}),
        )  # fmt: skip

        assert lines(found) == {"A": 0.2, "cash:USD": 0.0}
        assert found.range_return == pytest.approx(0.2)

    def test_foreign_names_and_foreign_cash(self, connection: Connection) -> None:
        """The euro gains a tenth: 500 in a share of euros and 500 in euros gain 100."""
        found = added_up(
            connection,
            opened(), marked(at(1, 20), {"EUR/USD": "1"}), flow("1000", 1, currency="EUR"),
            trade("SAP", "50", "10", 1, currency="EUR"), closed(1, {"SAP": "10"}),
            marked(at(2, 20), {"EUR/USD": "1.1"}), closed(2, {"SAP": "10"}),
        )  # fmt: skip

        assert lines(found) == {"SAP": 0.05, "cash:EUR": 0.05}

    def test_money_that_comes_within_a_day_is_trading(self, connection: Connection) -> None:
        """Sub-periods are of the flow's moment, which no close tells: lines and trading sum."""
        found = added_up(
            connection,
            opened(), flow("1000", 1), trade("A", "100", "10", 1), closed(1, {"A": "10"}),
            marked(at(2, 15), {"A": "11"}), flow("1100", moment=at(2, 16)),
            closed(2, {"A": "12"}),
        )  # fmt: skip

        total = sum(each.contribution for each in found.lines) + found.trading
        assert total == pytest.approx(found.range_return, rel=1e-12)
        assert abs(found.trading) > 0.01

    def test_nothing_yet_is_no_return(self, connection: Connection) -> None:
        """Nor is what another tenant has anything of ours."""
        found = added_up(connection, opened())

        assert (found.lines, found.range_return, found.days) == ([], None, 0)
        other = contributions_of(Readable(connection), tenant="x", portfolio=BOOK, by="position")
        assert other.row is None


class TestSectors:
    """By the sector of the day."""

    def test_is_that_in_force_on_each_day(self, connection: Connection) -> None:
        """A is Energy until day 2; what it gains on day 3 is Technology's."""
        found = added_up(
            connection,
            registered("A"), assigned("A", "Energy"), assigned("A", "Technology", 3),
            registered("B"), opened(), flow("1000", 1), trade("A", "50", "10", 1),
            trade("B", "40", "10", 1), closed(1, {"A": "10", "B": "10"}),
            closed(2, {"A": "11", "B": "10"}), closed(3, {"A": "12", "B": "9"}),
            by="sector",
        )  # fmt: skip

        told = lines(found)
        assert told == {
            "Energy": 0.05,
            "Technology": round(1.05 * 50 / 1050, 12),
            "Unclassified": round(-1.05 * 40 / 1050, 12),
            "Cash": 0.0,
        }

    def test_sums_to_what_positions_sum_to(self, connection: Connection) -> None:
        """Grouping loses nothing."""
        found = added_up(connection, *drawn_story(7, 12), by="sector")
        row = contributions_of(Readable(connection), **OURS, by="position").row
        assert row is not None

        by_sector = math.fsum(each.contribution for each in found.lines)
        assert by_sector == pytest.approx(math.fsum(each.contribution for each in row.lines))

    def test_correlations_are_of_sixty_days(self, connection: Connection) -> None:
        """Two sectors that move against each other; under 60 days there is none."""
        story = [
            opened(), flow("100000", 1), registered("A"), registered("B"),
            assigned("A", "Energy"), assigned("B", "Technology"),
            trade("A", "100", "100", 1), trade("B", "100", "100", 1),
            *(closed(n, {"A": str(100 + n % 7), "B": str(100 - n % 7)}) for n in range(1, 70)),
        ]  # fmt: skip
        Market(connection).tell(*story)

        found = sector_correlations(Readable(connection), **OURS).row
        short = sector_correlations(Readable(connection), **OURS, until=day(40)).row
        assert found is not None
        assert short is not None
        one, other = found.names.index("Energy"), found.names.index("Technology")

        assert found.found.coefficients[one, other] < -0.99
        assert found.found.days[one, other] >= 60
        assert np.isnan(short.found.coefficients[one, other])


def drawn_story(seed: int, days: int) -> list[Told]:
    """Trades in two currencies, dividends, fees and flows, drawn from a seed."""
    draw = np.random.default_rng(seed)
    story = [
        registered("A"), registered("B"), assigned("A", "Energy"), assigned("B", "Technology", 4),
        opened(), marked(at(1, 1), {"EUR/USD": "1.1"}), flow("10000", 1),
        flow("1000", 1, currency="EUR"),
    ]  # fmt: skip
    prices = {"A": 20.0, "B": 50.0, "E": 10.0}
    for number in range(1, days + 1):
        prices = {name: price * (1 + draw.normal(0, 0.03)) for name, price in prices.items()}
        for name, price in prices.items():
            if draw.random() < 0.5:
                quantity = int(draw.integers(-5, 20)) or 1
                told = f"{price:.2f}"
                currency = "EUR" if name == "E" else "USD"
                story.append(trade(name, str(quantity), told, number, currency=currency, fee="0.5"))
        if draw.random() < 0.3:
            story.append(flow(str(int(draw.integers(1, 900))), number))
        if draw.random() < 0.2:
            story.append(flow(str(-int(draw.integers(1, 300))), number))
        if draw.random() < 0.2:
            story.append(fee("3", number))
        if draw.random() < 0.2:
            paid = dividend("0.5", number, instrument="B", name=f"d{number}")
            story += [declared(paid), applied(paid, gross="5", withheld="1")]
        rate = Decimal(round(1.1 + draw.normal(0, 0.02), 4)).quantize(Decimal("0.0001"))
        story.append(marked(at(number, 20), {"EUR/USD": rate}))
        story.append(closed(number, {name: f"{price:.2f}" for name, price in prices.items()}))
    return story


class TestLaws:
    """Over drawn histories."""

    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        seed=st.integers(0, 10_000),
        days=st.integers(2, 12),
        by=st.sampled_from(["position", "sector"]),
    )
    def test_lines_sum_to_the_time_weighted_return_and_nothing_is_left(
        self, connection: Connection, seed: int, days: int, by: By
    ) -> None:
        """Flows without a time of day, trades before the close: `trading` is zero."""
        found = added_up(connection, *drawn_story(seed, days), by=by)
        rows = daily_performance(Readable(connection), **OURS).rows

        total = math.fsum(each.contribution for each in found.lines)
        assert total == pytest.approx(float(rows[-1].cumulative_return or 0), rel=1e-9, abs=1e-12)
        assert found.trading == pytest.approx(0.0, abs=1e-12)
        assert found.until == rows[-1].session

    @settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(seed=st.integers(0, 10_000))
    def test_results_sum_to_the_change_of_nav_less_flows(
        self, connection: Connection, seed: int
    ) -> None:
        """Over the last days of a range, whatever was held before."""
        Market(connection).tell(*drawn_story(seed, 10))
        since: date = day(6)
        found = contributions_of(Readable(connection), **OURS, by="position", since=since).row
        assert found is not None
        rows = daily_performance(Readable(connection), **OURS).rows

        navs = [float(row.current.nav or 0) for row in rows]
        flows = sum(float(row.current.flows or 0) for row in rows[5:])
        gained = math.fsum(each.result for each in found.lines)
        assert gained == pytest.approx(navs[-1] - navs[4] - flows, rel=1e-9, abs=1e-6)
