"""Lists over HTTP: found by parts of names, sorted as asked for."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pytest

from read_api.asking import PAGE_ITEMS_MAX
from tests.gateway.serving import assert_problem
from tests.read_api.conftest import Teller
from tests.read_api.test_delivery import ARROW, PARQUET


class TestTrades:
    """Every list of captures."""

    @pytest.mark.parametrize(
        "query", ["q=ank", "q=BAN&sort=-position", "instrument=BANK&source=desk-1&intent=executed"]
    )
    def test_are_found_by_a_part_of_a_name(self, story: Teller, query: str) -> None:
        """Of the symbol, the instrument, the source or the external id, whatever its case."""
        items = story.ask(f"/v1/trades?{query}")["items"]

        assert [item["side"] for item in items] == ["sell", "buy"]

    def test_are_sorted_as_asked_for(self, story: Teller) -> None:
        """By pages, what has no value last, in every list of captures."""
        path, asked = "/v1/portfolios/growth/trades", {"sort": "-trade_date", "limit": 3}
        first = story.ask(path, **asked)
        second = story.ask(path, cursor=first["next_cursor"], **asked)
        third = story.ask(path, cursor=second["next_cursor"], **asked)
        refusals = story.ask("/v1/refusals?sort=price&q=too-much&to_date=2024-01-03")["items"]

        items = first["items"] + second["items"] + third["items"]
        assert third["next_cursor"] is None
        assert [item["position"] for item in items] == [
            item["position"] for item in story.ask("/v1/portfolios/growth/trades")["items"]
        ]
        assert [item["external_id"] for item in refusals] == ["too-much"]

    def test_are_sorted_only_by_what_they_have(self, story: Teller) -> None:
        """The refusal names the fields there are."""
        answer = story.read.get("/v1/trades?sort=colour")

        told = assert_problem(answer, 400, "parameter_invalid")
        assert "trade_date" in told["detail"]

    def test_are_sorted_only_so_many_at_a_time(
        self, story: Teller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where no index gives the order; the refusal names the sorts that have no bound."""
        monkeypatch.setattr("projections.sorting.SORTED_ROWS_MAX", 2)

        answer = story.read.get("/v1/trades?sort=price")

        told = assert_problem(answer, 422, "sort_too_long")
        assert told["fields"] == ["sort"]
        assert "trade_date" in told["detail"]


class TestPositions:
    """A portfolio's positions, by what they are worth."""

    @pytest.mark.parametrize("sort", ["market_value", "-market_value", "-price", "symbol"])
    def test_are_sorted_page_by_page(self, story: Teller, sort: str) -> None:
        """What has no value comes last; ties by instrument, in the same direction."""
        path, asked = "/v1/portfolios/growth/positions", {"sort": sort, "include_closed": "true"}
        name, is_descending = sort.removeprefix("-"), sort.startswith("-")
        every = story.ask(path, include_closed="true")["items"]

        first = story.ask(path, limit=1, **asked)
        second = story.ask(path, limit=1, cursor=first["next_cursor"], **asked)

        def place(item: dict[str, Any]) -> tuple[object, str]:
            value = item[name]
            return (value if name == "symbol" else Decimal(value), item["instrument"])

        given = [item for item in every if item[name] is not None]
        expected = sorted(given, key=place, reverse=is_descending)
        expected += [item for item in every if item[name] is None]
        assert [first["items"][0], second["items"][0]] == expected
        assert second["next_cursor"] is None

    def test_of_another_time_have_one_order(self, story: Teller) -> None:
        """A sort is refused, not left out in silence; so is one that they do not have."""
        path = "/v1/portfolios/growth/positions"
        then = story.read.get(f"{path}?sort=-quantity&valid_at=2024-01-03")
        unknown = story.read.get(f"{path}?sort=colour")

        assert assert_problem(then, 400, "parameter_invalid")["fields"] == ["sort"]
        assert "market_value" in assert_problem(unknown, 400, "parameter_invalid")["detail"]


ONE_ORDER = {
    "/v1/alert-rules:try",
    "/v1/portfolios/{portfolio}/bridge/explain",
    "/v1/portfolios/{portfolio}/cash/explain",
    "/v1/portfolios/{portfolio}/positions/bases/explain",
    "/v1/portfolios/{portfolio}/positions/{instrument}/explain",
    "/v1/portfolios/{portfolio}/realised/explain",
}
"""What a rule would have raised, and the lines of an explanation: steps in the order they came."""

ONE_PAGE = {
    "/v1/alert-rules:try",
    "/v1/alerts/counts",
    "/v1/portfolios/{portfolio}/cash",
    "/v1/portfolios/{portfolio}/cash/ladder",
    "/v1/portfolios/{portfolio}/realised/explain",
}
"""As many items as there are currencies, kinds of alerts or closings of one fill."""

NO_TABLE = {
    "/v1/contests/{contest}/ranks",
    "/v1/rebuilds",
    "/v1/sources/{source}/control-totals",
    "/v1/blocks/{block_id}/history",
    "/v1/instruments/{instrument}/history",
    "/v1/portfolios/{portfolio}/history",
    "/v1/trades/{trade_id}/history",
}
"""Ranks as they stand in Valkey, progress, one source's receipt, and histories in the log's order:
not tables of a read model."""

SORTED = (
    "/v1/portfolios",
    "/v1/instruments",
    "/v1/market",
    "/v1/market/history?name=AAPL",
    "/v1/closes?status=accepted",
    "/v1/trades/held",
    "/v1/portfolios/growth/lots",
    "/v1/portfolios/growth/cash",
    "/v1/portfolios/growth/cash/ladder",
    "/v1/portfolios/growth/cash/movements",
    "/v1/portfolios/growth/performance",
    "/v1/portfolios/growth/performance/periods?by=day",
    "/v1/portfolios/growth/positions/bases",
    "/v1/portfolios/growth/realised",
    "/v1/portfolios/growth/struck",
)


class TestEveryList:
    """What all lists have in common, by the document; and their orders, by the story."""

    def test_is_delivered_in_every_way(self) -> None:
        """Sorted, by pages, with chosen fields, as files, with tags; but for what is named."""
        tables = {path: get for path, get in _queries() if _has_items(get)}
        lacking: dict[str, list[str]] = {}

        for path, get in tables.items():
            names = {each.get("name") for each in get["parameters"]}
            wanted = {"sort", "cursor", "limit", "fields", "format"}
            wanted -= {"sort"} if path in ONE_ORDER else set()
            wanted -= {"cursor", "limit"} if path in ONE_PAGE else set()
            kinds = {"text/csv", PARQUET, ARROW, "application/json"}
            answer = get["responses"]["200"]
            missing = [*(wanted - names), *(kinds - answer["content"].keys())]
            missing += [each for each in ("ETag",) if each not in answer["headers"]]
            missing += [each for each in ("304",) if each not in get["responses"]]
            if missing:
                lacking[path] = missing

        assert lacking.keys() == NO_TABLE
        assert len(tables) > 40

    @pytest.mark.parametrize("path", SORTED)
    def test_is_sorted_by_any_field(self, story: Teller, path: str) -> None:
        """Page by page and whole; numbers as numbers, nulls last, ties in one direction."""
        address = path.split("?", maxsplit=1)[0].replace("growth", "{portfolio}")
        get = dict(_queries())[address]
        (sorts,) = [each["schema"] for each in get["parameters"] if each.get("name") == "sort"]
        pages = _whole if address in ONE_PAGE else _pages
        every = pages(story, path, PAGE_ITEMS_MAX)

        for sort in _enum(sorts):
            name = sort.removeprefix("-")
            if name != "book_order":
                told = pages(story, _with(path, f"sort={sort}"), len(every) // 3 + 1)
                _assert_sorted(told, every, name, is_descending=sort != name)

    def test_is_a_file_in_the_order_asked_for(self, story: Teller) -> None:
        """The same as its pages."""
        path = "/v1/portfolios/growth/cash/movements?sort=-amount"

        answer = story.read.get(f"{path}&format=csv&fields=amount")

        amounts = [each["amount"] for each in story.ask(path)["items"]]
        assert len(amounts) > 4
        assert answer.text.split() == ["amount", *amounts]

    def test_of_many_pages_is_gathered_from_one_snapshot(
        self, story: Teller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However many pages its own order has."""
        path = "/v1/portfolios/growth/cash/movements?sort=-amount"
        whole = story.ask(path)["items"]
        monkeypatch.setattr("read_api.asking.PAGE_ITEMS_MAX", 2)

        assert story.ask(path)["items"] == whole

    def test_is_sorted_only_by_what_it_has(self, story: Teller) -> None:
        """And a cursor belongs to its sort and its filters."""
        path = "/v1/portfolios/growth/cash/movements"
        unknown = story.read.get(f"{path}?sort=colour")
        cursor = story.ask(f"{path}?sort=amount&limit=1")["next_cursor"]
        others = [
            story.read.get(f"{path}?sort=-amount&cursor={cursor}"),
            story.read.get(f"{path}?sort=amount&currency=USD&cursor={cursor}"),
            story.read.get(f"{path}?cursor={cursor}"),
            story.read.get(f"/v1/portfolios/income/cash/movements?sort=amount&cursor={cursor}"),
        ]

        assert "amount" in assert_problem(unknown, 400, "parameter_invalid")["detail"]
        for other in others:
            assert assert_problem(other, 400, "cursor_invalid")["fields"] == ["cursor"]

    def test_is_sorted_only_so_many_rows_at_a_time(
        self, story: Teller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """More are refused by a code of their own."""
        monkeypatch.setattr("read_api.ordering.SORTED_ROWS_MAX", 2)
        monkeypatch.setattr("read_api.asking.PAGE_ITEMS_MAX", 2)

        answer = story.read.get("/v1/portfolios/growth/cash/movements?sort=amount")

        assert assert_problem(answer, 422, "sort_too_long")["fields"] == ["sort"]


class TestPortfoliosAndInstruments:
    """Narrowed by what they are."""

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("base_currency=USD&state=open", ["growth", "income"]),
            ("base_currency=EUR", []),
            ("state=frozen", []),
            ("owner=nobody", []),
        ],
    )
    def test_are_found(self, story: Teller, query: str, found: list[str]) -> None:
        """By how they stand, in what they are valued, whose they are."""
        items = story.ask(f"/v1/portfolios?{query}")["items"]

        assert [item["portfolio"] for item in items] == found

    def test_are_found_by_what_is_in_force(self, story: Teller) -> None:
        """Of instruments: asset class, currency, sector."""
        some = story.ask("/v1/instruments?asset_class=equity&currency=USD")["items"]
        none = story.ask("/v1/instruments?sector=Nothing")["items"]

        assert {"AAPL", "BANK"} <= {item["instrument"] for item in some}
        assert none == []

    def test_realised_results_are_found_by_instrument(self, story: Teller) -> None:
        """All others are left out."""
        items = story.ask("/v1/portfolios/growth/realised?instrument=BANK")["items"]

        assert [item["instrument"] for item in items] == ["BANK"]


def _queries() -> list[tuple[str, dict[str, Any]]]:
    document = json.loads(Path(__file__).with_name("openapi.json").read_text())
    return [(path, told["get"]) for path, told in document["paths"].items() if "get" in told]


def _has_items(get: dict[str, Any]) -> bool:
    """Say whether an answer is a list of structs."""
    document = json.loads(Path(__file__).with_name("openapi.json").read_text())
    answer = get["responses"]["200"].get("content", {}).get("application/json", {})
    kinds = answer.get("schema", {})
    names = [each.get("$ref", "") for each in (kinds, *kinds.get("anyOf", ()))]
    found = [document["components"]["schemas"].get(name.split("/")[-1], {}) for name in names]
    return any("items" in each.get("properties", {}) for each in found)


def _enum(schema: dict[str, Any]) -> list[str]:
    for each in (schema, *schema.get("anyOf", ())):
        if "enum" in each:
            return list(each["enum"])
    raise AssertionError(schema)


def _with(path: str, asked: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}{asked}"


def _pages(story: Teller, path: str, limit: int) -> list[Any]:
    items: list[Any] = []
    path = _with(path, f"limit={limit}")
    cursor = ""
    while True:
        page = story.ask(path + cursor)
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = f"&cursor={page['next_cursor']}"


def _whole(story: Teller, path: str, _: int) -> list[Any]:
    items: list[Any] = story.ask(path)["items"]
    return items


def _assert_sorted(items: list[Any], every: list[Any], name: str, *, is_descending: bool) -> None:
    """Assert that these are the same rows, in order, nulls last."""

    def value(item: Any) -> Any:  # noqa: ANN401 - any JSON value
        for part in name.split("."):
            item = None if item is None else item[part]
        try:
            return Decimal(item) if isinstance(item, str) else item
        except InvalidOperation:
            return item

    values = [value(item) for item in items]
    given = [each for each in values if each is not None]
    assert sorted(map(json.dumps, items)) == sorted(map(json.dumps, every))
    assert given == sorted(given, reverse=is_descending), name
    assert values == given + [None] * (len(values) - len(given)), name
