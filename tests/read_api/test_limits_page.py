"""The example of `docs/limits.md` does what it says, run as a reader would run it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from domain.identity import MARKET_TENANT
from tests.gateway.serving import new_tenant, token
from tests.read_api.conftest import Addresses, NewTeller

PAGE = Path(__file__).parents[2] / "docs" / "limits.md"
SECONDS_MAX = 60


def example() -> str:
    """Give the marked block of the page, without its fences."""
    block = r"<!-- limits -->\n```sh\n(.*?)```\n<!-- /limits -->"
    found = re.search(block, PAGE.read_text(), re.DOTALL)
    assert found is not None, "the page has its example"
    return found.group(1)


@pytest.fixture
def environment(addresses: Addresses, teller: NewTeller) -> dict[str, str]:
    """Give a shell what the page says is there: addresses, tokens, a portfolio, an instrument."""
    tenant = new_tenant()
    market = teller("market_data", tenant=MARKET_TENANT)
    market.tell(
        "/v1/instruments",
        instrument="ACME.PAGE",
        symbol="AAPL",
        currency="USD",
        asset_class="equity",
        calendar="XNYS",
    )
    desk = teller(tenant=tenant)
    desk.tell("/v1/portfolios", portfolio="alpha", base_currency="USD")
    deposit = {"amount": "100000", "currency": "USD", "value_date": "2024-01-08"}
    last = desk.tell("/v1/portfolios/alpha/deposits", **deposit)
    desk.ask("/v1/portfolios/alpha", min_position=last["position"])
    return {
        "PATH": os.environ["PATH"],
        "WRITE": addresses.write,
        "READ": addresses.read,
        "ONE": token(tenant, "risk", subject="risk-1"),
        "TWO": token(tenant, "risk", subject="risk-2"),
        "DESK": token(tenant, "portfolio_manager", subject="desk-1", source="oms"),
    }


class TestTheExample:
    """Limits, an override and a halt, by two persons and a desk."""

    def test_is_accepted_but_for_the_trade_it_says(self, environment: dict[str, str]) -> None:
        """The instrument alone is another: AAPL has marks here."""
        script = example().replace('"AAPL"', '"ACME.PAGE"')
        ran = subprocess.run(
            ["bash", "-eu", "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )

        assert ran.returncode == 0, ran.stderr
        answers: list[dict[str, Any]] = [json.loads(line) for line in ran.stdout.splitlines()]
        outcomes = [answer.get("outcome", answer) for answer in answers]
        assert outcomes == [
            *["accepted"] * 4,
            "rejected",
            *["accepted"] * 5,
        ], ran.stdout
        assert answers[4]["breaches"][0]["is_not_evaluable"]
        assert answers[7]["warnings"][0]["is_overridden"]
