"""`pms import`: broken rows are told by line, nothing is half-done, nothing is imported twice."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from tests.whole.system import Ended, WholeSystem, pms, whole_system

HEADER = "date,symbol,amount,price"
ROWS = ("2024-01-02,ACME,10,20.5", "2024-01-03,ACME,-4,21", "2024-01-04,BOLT,7,3.25")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def system() -> Iterator[WholeSystem]:
    """A running PMS."""
    with whole_system() as system:
        yield system


@pytest.fixture
def tenant() -> str:
    """A tenant of the test's own."""
    return f"tenant-{uuid4().hex[:12]}"


@pytest.fixture
def executions(system: WholeSystem, tenant: str) -> Callable[..., Ended]:
    """Import executions into this test's portfolio."""

    def run(file: Path, *options: str) -> Ended:
        return system.pms(
            "import", "executions", str(file), "--portfolio", "growth", "--tenant", tenant,
            "--currency", "USD", "--open-portfolio", "--register-instruments", *options,
        )  # fmt: skip

    return run


def written(folder: Path, *rows: str, name: str = "fills.csv", header: str = HEADER) -> Path:
    """Write a CSV file."""
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def held(system: WholeSystem, tenant: str, position: int) -> dict[str, str]:
    """Ask for the quantities held."""
    found = system.reader(tenant).items("/v1/portfolios/growth/positions", min_position=position)
    return {each["instrument"]: each["quantity"] for each in found}


class TestImportingExecutions:
    """Every row is one trade, whatever its neighbours are."""

    def test_tells_broken_rows_by_line_and_imports_the_others(
        self, system: WholeSystem, tenant: str, executions: Callable[..., Ended], tmp_path: Path
    ) -> None:
        """Each kind of broken row has its line; the status is 1."""
        broken = (
            "2024-01-02,ACME,ten,20.5",
            "the second,ACME,10,20.5",
            "2024-01-02,ACME,10",
            "2024-01-02,ACME,0,20.5",
            "2024-01-02,ACME,10,NaN",
            "2024-01-02,ACME,10,1.1234567890123",
            "2024-01-02,ACME,1e999999,1",
            '2024-01-02,"ACME"X,10,20.5',
        )
        file = written(tmp_path, *ROWS, *broken)
        report = tmp_path / "report.jsonl"

        ended = executions(file, "--report", str(report))

        assert ended.status == 1
        assert ended.result["accepted"] == len(ROWS)
        assert ended.result["malformed"] == len(broken)
        faults = [json.loads(line) for line in report.read_text().splitlines()]
        assert [fault["line"] for fault in faults] == list(range(5, 13))
        assert faults[5]["code"] == "over_precise"
        assert "line 5: row_malformed" in ended.said
        assert "Traceback" not in ended.said
        quantities = held(system, tenant, ended.result["position"])
        assert quantities == {"ACME": "6", "BOLT": "7"}

    def test_adds_what_was_mended_and_nothing_else(
        self, system: WholeSystem, tenant: str, executions: Callable[..., Ended], tmp_path: Path
    ) -> None:
        """The rows that were good are found there; the one that was broken comes in."""
        first = executions(written(tmp_path, ROWS[0], "2024-01-03,ACME,four,21", ROWS[2]))
        second = executions(written(tmp_path, *ROWS))
        third = executions(written(tmp_path, *ROWS), "--batch", "2")

        assert (first.status, second.status, third.status) == (1, 0, 0), third.said
        assert second.result["accepted"] == 1
        assert second.result["imported_before"] == 2
        assert third.result["imported_before"] == 3
        quantities = held(system, tenant, second.result["position"])
        assert quantities == {"ACME": "6", "BOLT": "7"}

    def test_tells_a_row_that_changed_as_a_conflict(
        self, executions: Callable[..., Ended], tmp_path: Path
    ) -> None:
        """A trade that is known by its file and line is not booked again with other content."""
        executions(written(tmp_path, *ROWS))
        changed = executions(written(tmp_path, ROWS[0].replace("20.5", "20.6"), *ROWS[1:]))

        assert changed.status == 1
        assert changed.result["refused"] == 1
        assert "line 2: external_id_conflict" in changed.said
        assert "price" in changed.said

    def test_reads_other_columns_by_option(
        self, system: WholeSystem, tenant: str, executions: Callable[..., Ended], tmp_path: Path
    ) -> None:
        """By header or number, side and quantity instead of a signed amount, compressed."""
        rows = ("x1;Sold;2;5;ACME;2024-01-05T15:00:00Z", "x2;BOT;3;5;ACME;2024-01-05T14:00:00Z")
        lines = ["ref,kind,units,price,paper,when", *(row.replace(";", ",") for row in rows)]
        file = tmp_path / "fills.csv.gz"
        file.write_bytes(gzip.compress("\n".join(lines).encode()))

        ended = executions(
            file, "--with-time", "--column", "external_id=ref", "--column", "side=kind",
            "--column", "quantity=#3", "--column", "instrument=paper", "--column", "date=when",
        )  # fmt: skip

        assert ended.status == 0, ended.said
        assert ended.result["accepted"] == 2
        assert held(system, tenant, ended.result["position"]) == {"ACME": "1"}

    @pytest.mark.parametrize(
        ("header", "options", "sentence"),
        [
            ("day,symbol,amount,price", (), "no column for the date"),
            (HEADER, ("--column", "date=when"), "has no column 'when'"),
            (HEADER, ("--column", "colour=red"), "give FIELD=NAME"),
            (HEADER, ("--opening-cash", "lots"), "is not a number"),
            (HEADER, ("--token", "nonsense"), "token_invalid"),
        ],
    )
    def test_refuses_wrong_options_in_one_sentence(
        self,
        executions: Callable[..., Ended],
        tmp_path: Path,
        header: str,
        options: tuple[str, ...],
        sentence: str,
    ) -> None:
        """No traceback, and nothing is sent."""
        ended = executions(written(tmp_path, *ROWS, header=header), *options)

        assert ended.status == 1
        assert sentence in " ".join(ended.said.split())
        assert "Traceback" not in ended.said

    def test_refuses_a_damaged_archive_before_it_begins(
        self, executions: Callable[..., Ended], tmp_path: Path
    ) -> None:
        """Half of a file is not imported."""
        file = tmp_path / "fills.csv.gz"
        whole = gzip.compress("\n".join([HEADER, *ROWS * 1_000]).encode())
        file.write_bytes(whole[: len(whole) // 2])

        ended = executions(file)

        assert ended.status == 1
        assert "is damaged" in ended.said

    def test_says_so_when_nobody_is_there(self, tmp_path: Path) -> None:
        """Without a token and a directory to sign one with."""
        ended = pms(
            "import", "executions", str(written(tmp_path, *ROWS)), "--portfolio", "growth",
            "--currency", "USD", "--data", str(tmp_path / "nothing"),
        )  # fmt: skip

        assert ended.status == 1
        assert "Who is importing?" in ended.said


class TestImportingPrices:
    """Rows of one date are one session."""

    HEADER = "date,open,high,low,close,volume,symbol"

    def test_does_not_begin_with_a_file_that_has_a_broken_row(
        self, system: WholeSystem, tmp_path: Path
    ) -> None:
        """A session closed without a close could only be corrected later."""
        rows = (
            "2024-03-04,1,2,1,1.5,100,COLT",
            "2024-03-05,1,2,1,abc,100,COLT",
            "2024-03-05,1,2,1,1.6,100,COLT",
            "2024-03-05,1,2,1,1.7,100,COLT",
        )
        file = written(tmp_path, *rows, header=self.HEADER)
        options = ("--register-instruments", "--calendar", "XLON")

        refused = system.pms("import", "prices", str(file), *options)
        skipped = system.pms("import", "prices", str(file), *options, "--skip-malformed")
        again = system.pms("import", "prices", str(file), *options, "--skip-malformed")

        assert refused.status == 1
        assert refused.result["accepted"] == 0
        assert "line 3: row_malformed" in refused.said
        assert "line 5: row_repeated" in refused.said
        assert skipped.status == 1
        assert skipped.result["accepted"] == 2
        assert again.result["accepted"] == 0
        assert again.result["imported_before"] == 2

    def test_keeps_a_suspect_close(self, system: WholeSystem, tmp_path: Path) -> None:
        """A fall by half is a finding, not an error; sessions end at the local closing time."""
        rows = ("2024-07-01,50,51,49,50,10,DART", "2024-07-02,25,26,24,25,10,DART")
        file = written(tmp_path, *rows, header=self.HEADER)

        ended = system.pms(
            "import", "prices", str(file), "--register-instruments", "--calendar", "XTKS",
            "--closes-at", "15:30",
        )  # fmt: skip

        assert ended.status == 0, ended.said
        reader = system.reader("anybody")
        asked = {"instrument": "DART", "min_position": ended.result["position"]}
        (close,) = reader.items("/v1/closes", **asked)
        assert close["findings"] == ["far_from_previous"]
        assert close["ends_at"] == "2024-07-02T06:30:00Z"

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            (("--calendar", "XMAR"), "No calendar XMAR"),
            (("--closes-at", "tea"), "is not a time of day"),
        ],
    )
    def test_refuses_wrong_options_in_one_sentence(
        self, system: WholeSystem, tmp_path: Path, options: tuple[str, ...], sentence: str
    ) -> None:
        """No traceback, and nothing is sent."""
        file = written(tmp_path, "2024-03-04,1,2,1,1.5,100,COLT", header=self.HEADER)

        ended = system.pms("import", "prices", str(file), *options)

        assert ended.status == 1
        assert sentence in " ".join(ended.said.split())


class TestImportingRates:
    """A row is a day's rates of one currency for many others, as ECB publishes them."""

    HEADER = "Date,USD,CYP,GBP,"

    def test_tells_each_day_once(
        self, system: WholeSystem, tmp_path: Path, shared_data: Path
    ) -> None:
        """Of the real file, newest first, a month of two currencies; then the same again."""
        file = str(shared_data / "eurofxref-hist.csv.gz")
        chosen = ("--currency", "USD", "--currency", "GBP")
        month = ("--since", "2018-01-01", "--until", "2018-01-31")

        first = system.pms("import", "rates", file, *month, *chosen)
        again = system.pms("import", "rates", file, *month, *chosen)

        assert (first.status, again.status) == (0, 0), first.said + again.said
        assert (first.result["accepted"], first.result["imported_before"]) == (22, 0)
        assert (again.result["accepted"], again.result["imported_before"]) == (0, 22)
        assert "CYP, EEK" in " ".join(first.said.split())
        asked = {"name": "EUR/GBP", "min_position": first.result["position"]}
        history = list(system.reader("anybody").items("/v1/market/history", **asked))
        with gzip.open(file, "rt") as lines:
            rows = {row["Date"]: row["GBP"] for row in csv.DictReader(lines)}
        wanted = {day: rate for day, rate in rows.items() if day.startswith("2018-01-")}
        assert {each["at"]: each["price"] for each in history} == {
            f"{day}T15:00:00Z": f"{Decimal(rate).normalize():f}" for day, rate in wanted.items()
        }

    def test_tells_broken_rows_by_line_and_imports_the_others(
        self, system: WholeSystem, tmp_path: Path
    ) -> None:
        """An empty cell and N/A are no rate; a corrected day is told again in its place."""
        rows = (
            "2019-03-05,1.13,N/A,,",
            "2019-03-05,1.14,N/A,0.86,",
            "2019-03-04,zero,0.58,0.85,",
            "2019-03-03,0,0.58,0.85,",
            "the day before,1.1,0.58,0.85,",
            "2999-01-01,1.1,0.58,0.85,",
            "2019-03-01,1.12,0.58,0.86,",
            "2019-02-28,N/A,0.58,N/A,",
        )
        file = written(tmp_path, *rows, header=self.HEADER)
        mended = [row.replace("zero", "1.125") for row in rows[2:3]]

        ended = system.pms("import", "rates", str(file), "--at", "14:15")
        other = system.pms(
            "import", "rates", str(written(tmp_path, *mended, header=self.HEADER)), "--at", "14:15"
        )

        assert ended.status == 1
        assert (ended.result["accepted"], ended.result["malformed"]) == (2, 5)
        for line in ("3: row_repeated", "4: row_malformed", "7: mark_from_the_future"):
            assert f"line {line}" in ended.said
        assert "The rate of USD 'zero' is not a number above zero." in " ".join(ended.said.split())
        assert (other.status, other.result["accepted"]) == (0, 1), other.said
        asked = {
            "name": "EUR/USD",
            "min_position": other.result["position"],
            "since": "2019-01-01T00:00:00Z",
        }
        history = list(system.reader("anybody").items("/v1/market/history", **asked))
        assert [each["price"] for each in history] == ["1.13", "1.125", "1.12"]
        assert history[-1]["at"] == "2019-03-01T13:15:00Z"

    @pytest.mark.parametrize(
        ("header", "options", "sentence"),
        [
            ("Date,price", (), "no column is named by a currency"),
            (HEADER, ("--base", "XXX"), "is not a currency"),
            (HEADER, ("--at", "tea"), "is not a time of day"),
            (HEADER, ("--zone", "Mars"), "is not a time zone"),
            (HEADER, ("--currency", "JPY"), "has no rates of JPY"),
        ],
    )
    def test_refuses_wrong_options_in_one_sentence(
        self,
        system: WholeSystem,
        tmp_path: Path,
        header: str,
        options: tuple[str, ...],
        sentence: str,
    ) -> None:
        """No traceback, and nothing is sent."""
        row = ",".join(["2024-03-04", *["1"] * header.count(",")])
        file = written(tmp_path, row, header=header)

        ended = system.pms("import", "rates", str(file), *options)

        assert ended.status == 1
        assert sentence in " ".join(ended.said.split())
        assert "Traceback" not in ended.said
