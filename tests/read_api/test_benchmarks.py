"""Benchmarks over HTTP, from command to query."""

from __future__ import annotations

from typing import Any

import pytest

from domain.identity import MARKET_TENANT
from tests.read_api.conftest import NewTeller, Teller

NAME = "HTTP.TECH"
TERMS = {
    "benchmark": NAME, "from_date": "2019-07-01", "currency": "JPY", "calendar": "XTKS",
    "kind": "fixed_shares",
}  # fmt: skip


@pytest.fixture(scope="module")
def market(teller: NewTeller) -> Teller:
    """Two instruments and two sessions of this module's own."""
    market = teller("market_data", tenant=MARKET_TENANT)
    for name in ("BENCH.A", "BENCH.B"):
        market.tell(
            "/v1/instruments", instrument=name, symbol=name, currency="JPY",
            asset_class="equity", calendar="XTKS",
        )  # fmt: skip
    for on, price in (("2019-07-01", "100"), ("2019-07-02", "110")):
        closes = [
            {"instrument": "BENCH.A", "price": price},
            {"instrument": "BENCH.B", "price": "50"},
        ]
        market.tell(
            "/v1/sessions", calendar="XTKS", session=on, starts_at=f"{on}T00:00:00Z",
            ends_at=f"{on}T06:00:00Z", closes=closes,
        )  # fmt: skip
    return market


def names(**amounts: str) -> list[dict[str, str]]:
    """Names with amounts."""
    return [{"instrument": f"BENCH.{name}", "amount": each} for name, each in amounts.items()]


class TestABenchmark:
    """Declared by who writes shared facts, read by everybody."""

    def test_is_listed_in_versions_and_returns(self, market: Teller, teller: NewTeller) -> None:
        """Its weights drift: 100 of 150 gain a tenth."""
        first = market.tell("/v1/benchmarks", **TERMS, constituents=names(B="1", A="1"))
        again = market.tell("/v1/benchmarks", **TERMS, constituents=names(A="1", B="1"))
        reader = teller()

        asked: dict[str, Any] = {"min_position": first["position"], "wait_seconds": 20}
        (version,) = reader.ask("/v1/benchmarks", benchmark=NAME, **asked)["items"]
        (returned,) = reader.ask(f"/v1/benchmarks/{NAME}/returns", **asked)["items"]

        assert (first["stream_version"], again["stream_version"]) == (1, 1)
        assert (version["version"], version["kind"]) == (1, "fixed_shares")
        assert version["constituents"] == names(A="1", B="1")
        assert returned["session"] == "2019-07-02"
        assert returned["daily_return"] == pytest.approx(10 / 150)

    def test_is_refused_where_it_means_nothing(self, market: Teller) -> None:
        """Weights that do not sum to one."""
        wrong = TERMS | {"benchmark": "HTTP.WRONG", "kind": "rebalanced", "rebalancing": "daily"}
        refused = market.send("/v1/benchmarks", 422, wrong | {"constituents": names(A="0.5")})

        assert refused["breaches"][0]["rule"] == "benchmark_invalid"
