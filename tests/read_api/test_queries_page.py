"""The example of `docs/queries.md` does what it says, run as a reader would run it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.gateway.serving import new_tenant, token
from tests.read_api.conftest import Addresses, NewTeller

PAGE = Path(__file__).parents[2] / "docs" / "queries.md"
SECONDS_MAX = 60


class TestTheExample:
    """A file, a tag, and a format that is not there."""

    def test_prints_what_it_says(self, addresses: Addresses, teller: NewTeller) -> None:
        """With a portfolio that holds 100,000."""
        tenant = new_tenant()
        desk = teller(tenant=tenant)
        desk.tell("/v1/portfolios", portfolio="alpha", base_currency="USD")
        deposit = {"amount": "100000", "currency": "USD", "value_date": "2024-01-08"}
        last = desk.tell("/v1/portfolios/alpha/deposits", **deposit)
        desk.ask("/v1/portfolios/alpha/cash", min_position=last["position"], wait_seconds=20)
        block = r"<!-- queries -->\n```sh\n(.*?)```\n```text\n(.*?)```\n"
        found = re.search(block, PAGE.read_text(encoding="utf-8"), re.DOTALL)
        assert found is not None, "the page has its example"

        ran = subprocess.run(
            ["bash", "-eu", "-c", found[1]],
            env={
                "PATH": os.environ["PATH"],
                "READ": addresses.read,
                "TOKEN": token(tenant, "admin", source="desk-1"),
            },
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )

        assert ran.returncode == 0, ran.stderr
        assert ran.stdout == found[2]
