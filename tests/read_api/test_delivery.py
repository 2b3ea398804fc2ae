"""Delivery over HTTP: files of whole tables, chosen fields, tags of what was answered before."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.gateway.serving import assert_problem
from tests.read_api.conftest import NewTeller, Teller

LISTS = (
    "/v1/portfolios",
    "/v1/portfolios/growth/positions?include_closed=true",
    "/v1/portfolios/growth/lots",
    "/v1/portfolios/growth/cash",
    "/v1/portfolios/growth/cash/ladder",
    "/v1/portfolios/growth/cash/movements",
    "/v1/portfolios/growth/trades",
    "/v1/portfolios/growth/performance",
    "/v1/portfolios/growth/realised",
    "/v1/trades",
    "/v1/trades/held",
    "/v1/refusals",
    "/v1/exceptions",
    "/v1/closes",
    "/v1/instruments",
)
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"


class TestFiles:
    """Every list as a file of the whole table."""

    @pytest.mark.parametrize("path", LISTS)
    def test_hold_what_is_answered_as_json(self, story: Teller, path: str) -> None:
        """The same rows at a position that the headers tell, in all three formats."""
        told = story.ask(path)
        joint = "&" if "?" in path else "?"

        as_csv = story.read.get(f"{path}{joint}format=csv")
        arrow = story.read.get(path, headers={"Accept": ARROW})
        filed_as = story.read.get(path, headers={"Accept": PARQUET})

        for answer in (as_csv, arrow, filed_as):
            assert answer.status_code == 200, answer.text
            assert int(answer.headers["PMS-Position"]) >= told["position"]
            assert int(answer.headers["PMS-Market-Position"]) >= told["market_position"]
        lines = list(csv.DictReader(io.StringIO(as_csv.text, newline="")))
        streamed = pa.ipc.open_stream(arrow.content).read_all().to_pylist()
        filed = parquet.read_table(io.BytesIO(filed_as.content)).to_pylist()
        assert len(lines) == len(streamed) == len(told["items"])
        assert filed == streamed
        for line, row, item in zip(lines, streamed, told["items"], strict=True):
            assert set(line) == set(row)
            for name in item.keys() & row.keys():
                _assert_same(item[name], line[name], row[name])

    def test_are_of_the_whole_table(
        self, teller: NewTeller, story: Teller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However many pages that are, all of one snapshot."""
        assert story is not None
        monkeypatch.setattr("read_api.asking.PAGE_ITEMS_MAX", 2)

        answer = story.read.get("/v1/portfolios/growth/cash/movements?format=arrow")

        table = pa.ipc.open_stream(answer.content).read_all()
        items = story.ask("/v1/portfolios/growth/cash/movements")["items"]
        assert len(items) > 4
        assert table.column("position").to_pylist() == [item["position"] for item in items]

    @pytest.mark.parametrize("name", ["cursor", "limit"])
    def test_have_no_pages(self, story: Teller, name: str) -> None:
        """A page of a file is refused by name."""
        answer = story.read.get(f"/v1/trades?format=csv&{name}=1")

        assert assert_problem(answer, 400, "parameter_invalid")["fields"] == [name]

    def test_are_refused_when_too_long(
        self, story: Teller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Before anything is sent."""
        monkeypatch.setattr("read_api.delivery.EXPORT_ROWS_MAX", 1)

        answer = story.read.get("/v1/trades?format=csv")

        assert_problem(answer, 422, "export_too_long")

    def test_are_refused_when_too_many(
        self, story: Teller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The rest of the connections stay free for questions."""
        monkeypatch.setattr("read_api.delivery.EXPORTS_MAX", 0)

        answer = story.read.get("/v1/trades?format=csv")

        assert_problem(answer, 429, "too_many_requests")

    def test_are_refused_in_other_formats(self, story: Teller) -> None:
        """406 by Accept, 400 by name."""
        wanted = story.read.get("/v1/trades", headers={"Accept": "image/png"})
        named = story.read.get("/v1/trades?format=xlsx")

        assert_problem(wanted, 406, "not_acceptable")
        assert_problem(named, 400, "parameter_invalid")

    def test_of_what_is_not_there_are_not_found(self, story: Teller) -> None:
        """A problem, never an empty file."""
        answer = story.read.get("/v1/portfolios/nobodys/trades?format=parquet")

        assert_problem(answer, 404, "not_found")


class TestFields:
    """Only what is asked for."""

    def test_are_those_asked_for(self, story: Teller) -> None:
        """In JSON and in a file, in the order asked for."""
        told = story.ask("/v1/trades?fields=side,quantity&limit=2")
        whole = story.ask("/v1/trades?limit=2")
        lines = story.read.get("/v1/trades?fields=side,quantity&format=csv").text.splitlines()

        assert told["items"] == [
            {"side": item["side"], "quantity": item["quantity"]} for item in whole["items"]
        ]
        assert told["next_cursor"] == whole["next_cursor"]
        assert lines[0] == "side,quantity"

    def test_are_also_those_of_one_item(self, story: Teller) -> None:
        """Of a document that holds a single one, with a tag of their own."""
        path = "/v1/portfolios/growth/positions/AAPL"
        answer = story.read.get(f"{path}?fields=price,instrument")
        again = story.read.get(
            f"{path}?fields=price,instrument", headers={"If-None-Match": answer.headers["ETag"]}
        )
        other = story.read.get(
            f"{path}?fields=price", headers={"If-None-Match": answer.headers["ETag"]}
        )
        wrong = story.read.get(f"{path}?fields=colour")

        assert answer.json()["item"] == {"price": "20", "instrument": "AAPL"}
        assert answer.json().keys() == story.ask(path).keys()
        assert (again.status_code, other.status_code) == (304, 200)
        assert "no colour" in assert_problem(wrong, 400, "parameter_invalid")["detail"]

    def test_are_also_those_within_others(self, story: Teller) -> None:
        """Named with a dot, as the columns of a file are; what holds nothing stays null."""
        path = "/v1/portfolios/growth/performance"
        whole = story.ask(path)["items"]

        items = story.ask(f"{path}?fields=struck.nav,session,struck.flows")["items"]
        first = story.ask(f"{path}?fields=struck.nav,struck")["items"][0]
        lines = story.read.get(f"{path}?fields=struck.nav,session&format=csv").text.splitlines()
        wrong = story.read.get(f"{path}?fields=struck.colour")

        assert items == [
            {
                "struck": {name: item["struck"][name] for name in ("nav", "flows")},
                "session": item["session"],
            }
            for item in whole
        ]
        assert first == {"struck": whole[0]["struck"]}
        assert lines[0] == "struck.nav,session"
        assert_problem(wrong, 400, "parameter_invalid")

    def test_that_are_not_there_are_named(self, story: Teller) -> None:
        """With those that are."""
        answer = story.read.get("/v1/trades?fields=side,colour")

        told = assert_problem(answer, 400, "parameter_invalid")
        assert "no colour" in told["detail"]
        assert "quantity" in told["detail"]


class TestTags:
    """What was answered before is not sent again."""

    @pytest.mark.parametrize("path", [*LISTS, "/v1/portfolios/growth/bridge"])
    def test_say_that_nothing_changed(self, story: Teller, path: str) -> None:
        """304 without content, with the tag."""
        first = story.read.get(path)

        again = story.read.get(path, headers={"If-None-Match": first.headers["ETag"]})

        assert first.status_code == 200
        assert again.status_code == 304
        assert again.content == b""
        assert int(again.headers["PMS-Position"]) >= int(first.headers["PMS-Position"])

    def test_say_that_something_changed(self, teller: NewTeller) -> None:
        """A write that shows is sent; one that does not is not, at its position or beyond."""
        owner = teller()
        opened = owner.tell("/v1/portfolios", portfolio="one", base_currency="USD")
        path = f"/v1/portfolios?min_position={opened['position']}&wait_seconds=20"
        first = owner.read.get(path)
        second = owner.tell("/v1/portfolios", portfolio="two", base_currency="USD")
        owner.ask("/v1/portfolios", min_position=second["position"], wait_seconds=20)

        changed = owner.read.get(path, headers={"If-None-Match": first.headers["ETag"]})
        cash = {"amount": "5", "currency": "USD", "value_date": "2024-01-02"}
        moved = owner.tell("/v1/portfolios/one/deposits", **cash)
        owner.ask("/v1/portfolios", min_position=moved["position"], wait_seconds=20)
        same = owner.read.get(path, headers={"If-None-Match": changed.headers["ETag"]})

        assert changed.status_code == 200
        assert [item["portfolio"] for item in changed.json()["items"]] == ["one", "two"]
        assert same.status_code == 304
        assert int(same.headers["PMS-Position"]) >= moved["position"]
        assert same.headers["ETag"] != changed.headers["ETag"]

    def test_of_another_question_are_not_believed(self, story: Teller, teller: NewTeller) -> None:
        """Another address, other parameters, another tenant, or invented."""
        tag = story.read.get("/v1/trades").headers["ETag"]
        stranger = teller()
        known = {"If-None-Match": tag}

        answers = [
            story.read.get("/v1/refusals", headers=known),
            story.read.get("/v1/trades?limit=5", headers=known),
            stranger.read.get("/v1/trades", headers=known),
            story.read.get("/v1/trades", headers={"If-None-Match": 'W/"x:1:0~0~0", "y", z'}),
        ]

        assert [answer.status_code for answer in answers] == [200] * 4

    def test_of_what_was_read_need_no_question(
        self, story: Teller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As long as the tables stand, their checkpoints alone answer."""
        tag = story.read.get("/v1/trades").headers["ETag"]
        file = story.read.get("/v1/trades?format=csv").headers["ETag"]

        def fail(*_: object) -> None:
            raise AssertionError

        monkeypatch.setattr("read_api.resources.blotter", fail)
        known: httpx.Response = story.read.get("/v1/trades", headers={"If-None-Match": tag})
        written = story.read.get("/v1/trades?format=csv", headers={"If-None-Match": file})

        assert known.status_code == written.status_code == 304


def _assert_same(item: Any, line: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Compare a value of JSON with the same of CSV and of Arrow."""
    if item is None:
        assert line == ""
        assert value is None
    elif isinstance(value, Decimal):
        assert line == item
        assert value == Decimal(item)
    elif isinstance(value, datetime | date):
        assert line == item
        assert value == (
            datetime.fromisoformat(item)
            if isinstance(value, datetime)
            else date.fromisoformat(item)
        )
    elif isinstance(item, list | dict):
        assert msgspec.json.decode(line) == item
        assert (value if isinstance(value, list) else msgspec.json.decode(value)) == item
    else:
        assert line.removeprefix("'") == (str(item).lower() if item in {True, False} else str(item))
        assert value == item
