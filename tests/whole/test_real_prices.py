"""Five years of the S&P 500, imported as from outside: every session, sector and wart of the file.

`sp500_5yr_ohlcv_2013_2018.csv.gz` goes through `pms import prices` over HTTP into a running PMS.
The warts of the file are not repaired: they are kept, used and listed as suspect, until somebody
corrects one by a command.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from client.market import CloseCorrection
from client.portfolios import Portfolio
from client.trades import Trade
from domain.identity import MARKET_TENANT
from gateway.access import Role
from tests.whole.system import Ended, WholeSystem, whole_system

SESSIONS = 1_259
INSTRUMENTS = 505
WITHOUT_SECTOR = {"CBG", "CHK", "HCN", "PCLN", "PDCO", "SIG", "SNI"}
WARTS = {
    "far_from_previous": 7,
    "high_below_low": 1,
    "no_open": 11,
    "no_range": 8,
    "no_volume": 4,
    "outside_range": 8,
}
FAR_FROM_PREVIOUS = {
    ("2014-08-07", "DISCA"),
    ("2014-08-07", "DISCK"),
    ("2015-07-01", "BAX"),
    ("2015-07-02", "NI"),
    ("2015-07-20", "EBAY"),
    ("2016-05-19", "LNT"),
    ("2016-05-20", "LNT"),
}
TENANT = "quant"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


class Imported(NamedTuple):
    """The system after the import, how it ended, and the suspect closes then."""

    system: WholeSystem
    ended: Ended
    suspects: list[dict[str, Any]]


@pytest.fixture(scope="module")
def imported(shared_data: Path) -> Iterator[Imported]:
    """A running PMS with the whole file in it."""
    with whole_system() as system:
        ended = system.pms(
            "import",
            "prices",
            str(shared_data / "sp500_5yr_ohlcv_2013_2018.csv.gz"),
            "--register-instruments",
            "--sectors",
            str(shared_data / "sp500_constituents_2018-04.csv"),
        )
        assert ended.status == 0, ended.said
        position = ended.result["position"]
        yield Imported(system, ended, closes(system, "suspect", position))


def closes(system: WholeSystem, status: str, position: int) -> list[dict[str, Any]]:
    """Ask for the closes of one status."""
    reader = system.reader(TENANT)
    asked = {"status": status, "min_position": position, "wait_seconds": 30}
    return list(reader.items("/v1/closes", **asked))


def found(listed: list[dict[str, Any]]) -> Counter[str]:
    """Count the findings of closes by kind."""
    return Counter(finding for each in listed for finding in each["findings"])


class TestImportingFiveYears:
    """The file becomes sessions, whole and in order."""

    def test_closes_every_session(self, imported: Imported) -> None:
        """One for each of the 1,259 dates, none refused."""
        assert imported.ended.result["accepted"] == SESSIONS
        assert imported.ended.result["refused"] == imported.ended.result["malformed"] == 0

    def test_registers_every_instrument(self, imported: Imported) -> None:
        """505 names, of which the constituents of 2018-04 lack seven."""
        said = " ".join(imported.ended.said.split())

        assert f"{INSTRUMENTS} registered" in said
        assert f"{len(WITHOUT_SECTOR)} without a sector" in said

    def test_instruments_have_their_sectors(self, imported: Imported) -> None:
        """A buyer of one of each sees its sector; the seven have none."""
        writer = imported.system.writer(
            TENANT, Role.EXECUTION, Role.PORTFOLIO_MANAGER, source="desk"
        )
        writer.send(Portfolio(portfolio="sectors", base_currency="USD"), key="open").require()
        names = sorted(WITHOUT_SECTOR | {"AAPL", "MMM", "XOM", "BRK.B"})
        trades = [
            Trade(
                portfolio="sectors", external_id=name, intent="executed",
                instrument=name, side="buy", quantity="1", price="1",
                currency="USD", trade_date="2018-02-07",
            )
            for name in names
        ]  # fmt: skip

        position = max(each.require().position for each in writer.stream(trades, key="each"))
        held = imported.system.reader(TENANT).items(
            "/v1/portfolios/sectors/positions", min_position=position
        )
        sectors = {each["instrument"]: each["sector"] for each in held}

        assert {name for name, sector in sectors.items() if sector is None} == WITHOUT_SECTOR
        assert sectors["AAPL"] == "Information Technology"
        assert sectors["MMM"] == "Industrials"
        assert sectors["XOM"] == "Energy"
        assert sectors["BRK.B"] == "Financials"


class TestWartsOfTheFile:
    """They are kept as findings, and corrected by events only."""

    def test_are_listed_by_kind(self, imported: Imported) -> None:
        """As many of each as the file holds; the closes are used all the same."""
        assert found(imported.suspects) == WARTS

    def test_are_those_of_a_second_reading(self, imported: Imported, shared_data: Path) -> None:
        """Which closes are far from the one before, found again from the file alone."""
        far = set()
        before: dict[str, Decimal] = {}
        with gzip.open(shared_data / "sp500_5yr_ohlcv_2013_2018.csv.gz", "rt") as lines:
            for row in csv.DictReader(lines):
                close = Decimal(row["close"])
                previous = before.get(row["symbol"], close)
                if close * 10 < previous * 6 or close * 6 > previous * 10:
                    far.add((row["date"], row["symbol"]))
                before[row["symbol"]] = close

        listed = {
            (each["session"], each["instrument"])
            for each in imported.suspects
            if "far_from_previous" in each["findings"]
        }

        assert far == listed == FAR_FROM_PREVIOUS

    def test_a_corrected_close_clears_both_days(self, imported: Imported) -> None:
        """LNT fell from 35.35 to 17.87 and was back the day after: neither day is suspect then."""
        exchange = imported.system.writer(MARKET_TENANT, Role.MARKET_DATA)
        correction = CloseCorrection(
            calendar="XNYS", session="2016-05-19", instrument="LNT",
            price="35.74", reason="split_misdated",
        )  # fmt: skip

        position = exchange.send(correction, key="lnt").require().position
        suspects = closes(imported.system, "suspect", position)
        (corrected,) = closes(imported.system, "corrected", position)

        before = {(each["session"], each["instrument"]) for each in imported.suspects}
        after = {(each["session"], each["instrument"]) for each in suspects}
        assert before - after == {("2016-05-19", "LNT"), ("2016-05-20", "LNT")}
        assert after < before
        assert found(suspects)["far_from_previous"] == WARTS["far_from_previous"] - 2
        assert (corrected["price"], corrected["replaces"]) == ("35.74", "17.87")
        assert corrected["reason"] == "split_misdated"
