"""The examples of `docs/queries.md` do what they say, run as a reader would run them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from client import Client
from tests.gateway.serving import new_tenant, token
from tests.read_api.conftest import Addresses, NewTeller

PAGE = Path(__file__).parents[2] / "docs" / "queries.md"
SECONDS_MAX = 60


class TestTheExample:
    """A file, a tag, and a format that is not there."""

    def test_prints_what_it_says(self, addresses: Addresses, teller: NewTeller) -> None:
        """With a portfolio that holds 100,000."""
        program, printed = example("queries", "sh")

        ran = subprocess.run(
            ["bash", "-eu", "-c", program],
            env={"PATH": os.environ["PATH"], "READ": addresses.read, "TOKEN": prepared(teller)},
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )

        assert ran.returncode == 0, ran.stderr
        assert ran.stdout == printed

    def test_of_the_client_prints_what_it_says(
        self,
        addresses: Addresses,
        teller: NewTeller,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """In Python, in a folder of its own."""
        monkeypatch.chdir(tmp_path)
        program, printed = example("client", "python")

        exec(program, {"Client": Client, "READ": addresses.read, "TOKEN": prepared(teller)})  # noqa: S102

        assert capsys.readouterr().out == printed


def prepared(teller: NewTeller) -> str:
    """Tell what the examples ask for, under a tenant of its own; give its token."""
    tenant = new_tenant()
    desk = teller(tenant=tenant)
    desk.tell("/v1/portfolios", portfolio="alpha", base_currency="USD")
    deposit = {"amount": "100000", "currency": "USD", "value_date": "2024-01-08"}
    last = desk.tell("/v1/portfolios/alpha/deposits", **deposit)
    desk.ask("/v1/portfolios/alpha/cash", min_position=last["position"], wait_seconds=20)
    return token(tenant, "admin", source="desk-1")


def example(name: str, language: str) -> tuple[str, str]:
    """Find an example of the page: its program, and what it prints."""
    block = rf"<!-- {name} -->\n```{language}\n(.*?)```\n```text\n(.*?)```\n"
    found = re.search(block, PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None, "the page has its example"
    return found[1], found[2]
