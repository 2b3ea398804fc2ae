"""Attribution of a portfolio against a declared benchmark, through the tables."""

import math
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.benchmark import BenchmarkDeclared, BenchmarkKind, Constituent
from domain.identity import MARKET_TENANT
from domain.statistics.attribution import Segments, daily_effects
from projections.asking import Readable
from projections.performance.attribution import Explained, attribution_of
from tests.projections.performance.acting import registered
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    NEW_YORK,
    Told,
    at,
    closed,
    day,
    flow,
    marked,
    opened,
    trade,
)
from tests.projections.performance.test_contributions import assigned, drawn_story

Connection = psycopg.Connection[Any]
OURS: dict[str, Any] = {"tenant": ACME, "portfolio": BOOK}


def benchmark(currency: str = "USD", **shares: str) -> Told:
    """A benchmark of fixed shares from day 1 on."""
    return MARKET_TENANT, BenchmarkDeclared(
        benchmark="TECH", version=1, from_date=day(1), currency=currency, calendar=NEW_YORK,
        kind=BenchmarkKind.FIXED_SHARES,
        constituents=tuple(Constituent(name, Decimal(each)) for name, each in shares.items()),
    )  # fmt: skip


def attributed(connection: Connection, *story: Told, name: str | None = "TECH") -> Explained:
    """Tell a story and attribute all of it."""
    Market(connection).tell(*story)
    row = attribution_of(Readable(connection), **OURS, benchmark=name).row
    assert row is not None
    return row


def numbers(told: list[float] | msgspec.Raw) -> list[float]:
    """What a reader is told by sector of a day, NaN where there is nothing."""
    read = msgspec.json.decode(msgspec.json.encode(told), type=list[float | None])
    return [math.nan if each is None else each for each in read]


class TestAttribution:
    """Small stories."""

    def test_of_one_day(self, connection: Connection) -> None:
        """Half in cash, half in Energy, which gains 10 %; the benchmark is half Energy, half Tech.

        Benchmark 0.5 x 10 % + 0.5 x 2 % = 6 %, portfolio 5 %. Allocation: cash 0.5 x (0 - 6 %),
        Technology -0.5 x (2 % - 6 %), Energy nothing.
        """
        found = attributed(
            connection,
            registered("A"), assigned("A", "Energy"), registered("B"), assigned("B", "Technology"),
            benchmark(A="1", B="1"), opened(), flow("1000", 1), trade("A", "50", "10", 1),
            closed(1, {"A": "10", "B": "10"}), closed(2, {"A": "11", "B": "10.2"}),
        ).attribution  # fmt: skip

        effects = {each.sector: each for each in found.sectors}
        assert found.benchmark_return == pytest.approx(0.06)
        assert found.active_return == pytest.approx(-0.01)
        assert effects["Cash"].allocation == pytest.approx(-0.03)
        assert effects["Technology"].allocation == pytest.approx(0.02)
        assert effects["Energy"].allocation == pytest.approx(0.0, abs=1e-12)
        assert effects["Energy"].selection == pytest.approx(0.0, abs=1e-12)
        assert found.trading == pytest.approx(0.0, abs=1e-12)

    def test_what_was_traded_within_the_day_is_trading(self, connection: Connection) -> None:
        """Bought at 10 and closed at 11: start-of-day holdings, all cash, explain nothing of it."""
        found = attributed(
            connection,
            registered("A"), benchmark(A="1"), opened(), flow("1000", 1), closed(1, {"A": "10"}),
            trade("A", "50", "10", 2), closed(2, {"A": "11"}),
        ).attribution  # fmt: skip

        assert found.trading == pytest.approx(0.05)
        assert found.portfolio_return == pytest.approx(0.05)

    def test_longs_and_shorts_that_cancel_weigh_nothing(self, connection: Connection) -> None:
        """3 at 1.1 and -1 at 3.3 are nothing, of which no return can be told."""
        found = attributed(
            connection, registered("A"), registered("B"), registered("C"),
            assigned("A", "Energy"), assigned("B", "Energy"), assigned("C", "Tech"),
            benchmark(A="1", C="1"), opened(), flow("1000", 1), trade("A", "3", "1.1", 1),
            trade("B", "-1", "3.3", 1), closed(1, {"A": "1.1", "B": "3.3", "C": "2"}),
            closed(2, {"A": "1.2", "B": "3.2", "C": "2.1"}),
        ).attribution  # fmt: skip

        effects = [
            effect
            for each in found.sectors
            for effect in (each.allocation, each.selection, each.interaction)
        ]
        assert max(map(abs, effects)) < 1
        assert found.trading is not None
        assert sum(effects) + found.trading == pytest.approx(found.active_return, rel=1e-9)

    def test_what_was_sold_is_not_held(self, connection: Connection) -> None:
        """0.1 and 0.2 less 0.3 is nothing, whatever becomes of its price."""
        prices = ("10", "10", "10", "20", "40")
        found = attributed(
            connection, registered("A"), registered("B"), registered("D"), assigned("A", "Energy"),
            assigned("D", "Energy"), assigned("B", "Tech"), benchmark(D="1", B="1"), opened(),
            flow("1000", 1), trade("A", "0.1", "10", 1), trade("A", "0.2", "10", 2),
            trade("A", "-0.3", "10", 3),
            *(closed(on, {"A": price, "B": "10", "D": "10"}) for on, price in enumerate(prices, 1)),
        ).attribution  # fmt: skip

        energy = next(each for each in found.sectors if each.sector == "Energy")
        assert (energy.selection, energy.interaction) == (0.0, 0.0)

    def test_over_a_gap_a_benchmark_has_one_return(self, connection: Connection) -> None:
        """A NAV without a rate between: what two sessions returned is chained, and not kept."""
        found = attributed(
            connection, registered("A"), assigned("A", "Energy"), benchmark(A="1"), opened(),
            flow("1000", 1), trade("A", "50", "10", 1), closed(1, {"A": "10"}),
            closed(2, {"A": "11"}), flow("1", 3, currency="EUR"), closed(3, {"A": "12"}),
            marked(at(4), {"EUR/USD": "1"}), closed(4, {"A": "15"}),
        )  # fmt: skip

        place = found.sectors.index("Energy")
        assert [each.session for each in found.daily] == [day(2), day(4)]
        returns = [numbers(each.benchmark_returns)[place] for each in found.daily]
        assert returns == pytest.approx([11 / 10 - 1, 15 / 11 - 1])

    def test_says_why_there_is_none(self, connection: Connection) -> None:
        """No benchmark, none of that name, no return, or a benchmark that begins later."""
        story = [
            registered("A"), registered("B"), opened(), flow("1000", 1), closed(1, {"A": "10"}),
        ]  # fmt: skip

        assert attributed(connection, *story, name=None).attribution.reason == "no_benchmark"
        assert attributed(connection, *story).attribution.reason == "no_benchmark"
        story.append(benchmark(B="1"))
        assert attributed(connection, *story).attribution.reason == "no_returns"
        story.append(closed(2, {"A": "10"}))
        assert attributed(connection, *story).attribution.reason == "benchmark_incomplete"

    def test_needs_the_rate_of_a_benchmark_in_another_currency(
        self, connection: Connection
    ) -> None:
        """Without it a euro is no dollar; with it, +10 % in euros that lose a tenth are -1 %."""
        told = [
            registered("A"), benchmark(currency="EUR", A="1"), opened(), flow("1000", 1),
            closed(1, {"A": "10"}), closed(2, {"A": "11"}),
        ]  # fmt: skip
        rates = [
            marked(at(number, 12), {"EUR/USD": rate}) for number, rate in ((1, "1.2"), (2, "1.08"))
        ]

        assert attributed(connection, *told).attribution.reason == "benchmark_incomplete"
        later = attributed(connection, *told[:4], rates[1], *told[4:]).attribution
        assert later.reason == "benchmark_incomplete"
        found = attributed(connection, *told[:4], *rates, *told[4:]).attribution
        assert found.benchmark_return == pytest.approx(-0.01)


class TestLaws:
    """Over drawn histories in two currencies."""

    @settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(seed=st.integers(0, 10_000), days=st.integers(3, 12))
    def test_effects_sum_to_the_active_return_and_follow_from_the_listed_inputs(
        self, connection: Connection, seed: int, days: int
    ) -> None:
        """Linked over the range; and each day's effects are what the published function gives."""
        found = attributed(connection, benchmark(A="3", B="1"), *drawn_story(seed, days))
        told = found.attribution

        total = math.fsum(
            each.allocation + each.selection + each.interaction for each in told.sectors
        )
        assert told.trading is not None
        assert total + told.trading == pytest.approx(told.active_return, rel=1e-7, abs=1e-12)
        for one in found.daily:
            sides = [
                Segments(np.array([numbers(weights)]), np.array([numbers(returns)]))
                for weights, returns in (
                    (one.portfolio_weights, one.portfolio_returns),
                    (one.benchmark_weights, one.benchmark_returns),
                )
            ]
            own, other = sides
            effects = daily_effects(own, other, np.array([one.portfolio_return]))
            assert other.total()[0] == pytest.approx(one.benchmark_return, rel=1e-12, abs=1e-15)
            assert effects.allocation[0].tolist() == one.allocation
            assert effects.selection[0].tolist() == one.selection
            assert effects.trading[0] == one.trading
