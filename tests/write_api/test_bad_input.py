"""Bad input: each kind gives a clear problem naming the field, never a 500, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.gateway.serving import assert_problem
from tests.write_api.conftest import BODY_BYTES_MAX, Client, key, trade

JSON = {"Content-Type": "application/json"}
MALFORMED = (
    b"",
    b"{",
    b"nope",
    b'{"portfolio": "growth",}',
    b'{"quantity": NaN}',
    b'{"portfolio": "\xff"}',
    b'{"portfolio": "\\ud800"}',
    b'{"portfolio": "growth"} {}',
    b"\xef\xbb\xbf{}",
    b"[" * 100_000,
)
WRONG_FIELDS: tuple[tuple[str, object, str], ...] = (
    ("quantity", "NaN", "not_a_number"),
    ("quantity", "-Infinity", "not_a_number"),
    ("quantity", "sNaN", "not_a_number"),
    ("quantity", 10, "field_invalid"),
    ("quantity", 10.5, "field_invalid"),
    ("quantity", "ten", "field_invalid"),
    ("quantity", "", "field_invalid"),
    ("quantity", " 10", "field_invalid"),
    ("quantity", "10\n", "field_invalid"),
    ("quantity", "\u0661\u0660", "field_invalid"),
    ("quantity", None, "field_invalid"),
    ("quantity", "0", "out_of_range"),
    ("quantity", "-1", "out_of_range"),
    ("quantity", "1" + "0" * 26, "out_of_range"),
    ("quantity", "1e26", "out_of_range"),
    ("quantity", "1e999", "out_of_range"),
    ("quantity", "1e999999999", "out_of_range"),
    ("quantity", "0." + "0" * 12 + "1", "over_precise"),
    ("quantity", "1." + "0" * 104 + "1", "over_precise"),
    ("quantity", "1e-13", "over_precise"),
    ("quantity", "1e-999", "over_precise"),
    ("quantity", "9" * 4_000, "out_of_range"),
    ("price", "-0.01", "out_of_range"),
    ("price", "0.0000000000001", "over_precise"),
    ("fee", "NaN", "not_a_number"),
    ("consideration", "-1", "out_of_range"),
    ("portfolio", "", "field_invalid"),
    ("portfolio", "growth\n", "field_invalid"),
    ("portfolio", "gr\u0000wth", "field_invalid"),
    ("portfolio", "x" * 65, "field_invalid"),
    ("portfolio", 7, "field_invalid"),
    ("external_id", "two words", "field_invalid"),
    ("external_id", "x" * 129, "field_invalid"),
    ("currency", "usd", "field_invalid"),
    ("currency", "USDT", "field_invalid"),
    ("side", "hold", "field_invalid"),
    ("intent", "wished", "field_invalid"),
    ("trade_date", "2020-02-30", "field_invalid"),
    ("trade_date", "0001-01-01", "out_of_range"),
    ("trade_date", 20200103, "field_invalid"),
    ("executed_at", "2020-01-03T15:00:00", "field_invalid"),
    ("executed_at", "0001-01-01T00:00:00+14:00", "out_of_range"),
    ("executed_at", "9999-12-31T23:59:59-12:00", "out_of_range"),
    ("executed_at", 1578063600, "field_invalid"),
    ("source_sequence", -1, "field_invalid"),
    ("source_sequence", 2**63, "field_invalid"),
    ("source_sequence", 1.5, "field_invalid"),
    ("colour", "red", "field_invalid"),
)


@pytest.fixture
def trader(client: Client, portfolio: str) -> httpx.Client:
    """A client that may propose trades, with a portfolio to trade in."""
    return client("trader")


class TestABody:
    """What is not JSON at all."""

    @pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
    def test_that_is_malformed_is_a_400(self, trader: httpx.Client, body: bytes) -> None:
        """The problem says where the JSON breaks."""
        answer = trader.post("/v1/trades", content=body, headers=key() | JSON)

        assert answer.status_code == 400, answer.text
        assert answer.json()["code"] in {"body_malformed", "field_invalid"}

    @pytest.mark.parametrize("body", [b"[]", b"null", b"7", b'"x"', b"{}"])
    def test_of_another_shape_is_a_400(self, trader: httpx.Client, body: bytes) -> None:
        """JSON, but not a trade."""
        answer = trader.post("/v1/trades", content=body, headers=key() | JSON)

        assert_problem(answer, 400, "field_invalid")

    def test_over_the_limit_is_a_413(self, trader: httpx.Client) -> None:
        """An announced size is refused before anything is read."""
        body = b" " * (BODY_BYTES_MAX + 1)

        answer = trader.post("/v1/trades", content=body, headers=key() | JSON)

        assert_problem(answer, 413, "body_too_large")

    def test_over_the_limit_without_an_announced_size_is_a_413(self, trader: httpx.Client) -> None:
        """A chunked body is counted while it arrives."""

        def chunks() -> Iterator[bytes]:
            for _ in range(BODY_BYTES_MAX // 65_536 + 2):
                yield b" " * 65_536

        answer = trader.post("/v1/trades", content=chunks(), headers=key() | JSON)

        assert_problem(answer, 413, "body_too_large")

    def test_just_inside_the_limit_is_read(self, trader: httpx.Client) -> None:
        """The edge's other side: it is judged by its content."""
        body = b"{" + b" " * (BODY_BYTES_MAX - 2) + b"}"

        answer = trader.post("/v1/trades", content=body, headers=key() | JSON)

        assert_problem(answer, 400, "field_invalid")

    @pytest.mark.parametrize(
        "headers",
        [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}],
    )
    def test_of_another_media_type_is_a_415(
        self, trader: httpx.Client, headers: dict[str, str]
    ) -> None:
        """What curl sends by default is refused with the header to set."""
        answer = trader.post("/v1/trades", content=b"{}", headers=key() | headers)

        assert "application/json" in assert_problem(answer, 415, "media_type_unsupported")["detail"]

    def test_that_is_compressed_is_a_415(self, trader: httpx.Client) -> None:
        """Its size would be known only after unpacking."""
        headers = key() | JSON | {"Content-Encoding": "gzip"}

        answer = trader.post("/v1/trades", content=b"\x1f\x8b", headers=headers)

        assert_problem(answer, 415, "content_encoding_unsupported")


class TestAField:
    """What is JSON but not understood."""

    @pytest.mark.parametrize(("field", "value", "code"), WRONG_FIELDS)
    def test_that_is_wrong_is_named(
        self, trader: httpx.Client, field: str, value: object, code: str
    ) -> None:
        """400 with the field's name and a code of its own."""
        sent = trade("AAPL") | {field: value}

        answer = trader.post("/v1/trades", json=sent, headers=key())

        assert assert_problem(answer, 400, code)["fields"] == [field]

    @pytest.mark.parametrize("field", ["portfolio", "quantity", "side", "intent", "external_id"])
    def test_that_is_missing_is_named(self, trader: httpx.Client, field: str) -> None:
        """400 says which one."""
        sent = trade("AAPL")
        del sent[field]

        answer = trader.post("/v1/trades", json=sent, headers=key())

        assert assert_problem(answer, 400, "field_invalid")["fields"] == [field]

    def test_is_needed_that_dates_the_trade(self, trader: httpx.Client) -> None:
        """Neither a date nor an instant: there is no place in book order."""
        sent = trade("AAPL")
        del sent["trade_date"]

        answer = trader.post("/v1/trades", json=sent, headers=key())

        assert_problem(answer, 400, "date_missing")

    def test_at_its_limit_is_understood(self, trader: httpx.Client, apple: str) -> None:
        """26 digits and 12 decimals are carried: the world refuses this, not the reader."""
        sent = trade(apple, quantity="9" * 26 + "." + "9" * 12, price="0.000000000001")

        answer = trader.post("/v1/trades", json=sent, headers=key())

        assert_problem(answer, 422, "insufficient_cash")

    def test_whose_product_leaves_the_range_is_rejected(
        self, trader: httpx.Client, apple: str
    ) -> None:
        """Each number is fine alone; their product is not, and it is no 500."""
        sent = trade(apple, quantity="9" * 26, price="9" * 26)

        answer = trader.post("/v1/trades", json=sent, headers=key())

        assert_problem(answer, 422, "out_of_range")

    def test_of_an_unknown_currency_is_rejected(self, trader: httpx.Client, apple: str) -> None:
        """Well-formed, but no such currency."""
        answer = trader.post("/v1/trades", json=trade(apple, currency="ZZZ"), headers=key())

        assert_problem(answer, 422, "currency_unknown")

    def test_deep_inside_is_named_by_its_path(self, market: httpx.Client, apple: str) -> None:
        """A list tells which element."""
        marks = [{"instrument": apple, "price": "1"}, {"instrument": apple, "price": "NaN"}]
        sent = {"at": "2020-01-02T15:00:00Z", "marks": marks}

        answer = market.post("/v1/marks", json=sent, headers=key())

        assert assert_problem(answer, 400, "not_a_number")["fields"] == ["marks[1].price"]


class TestAHeader:
    """Idempotency keys and correlation ids."""

    def test_without_an_idempotency_key_says_what_to_send(self, trader: httpx.Client) -> None:
        """Every write is named."""
        answer = trader.post("/v1/trades", json=trade("AAPL"))

        told = assert_problem(answer, 400, "idempotency_key_missing")
        assert "Idempotency-Key" in told["detail"]

    @pytest.mark.parametrize("name", ["", "two words", "x" * 256, "caf\u00e9"])
    def test_with_an_unusable_key_is_a_400(self, trader: httpx.Client, name: str) -> None:
        """1 to 255 visible characters."""
        headers = {b"Idempotency-Key": name.encode("latin-1")}

        answer = trader.post("/v1/trades", json=trade("AAPL"), headers=headers)

        assert_problem(answer, 400, "idempotency_key_malformed")

    def test_with_two_keys_is_a_400(self, trader: httpx.Client) -> None:
        """Which one would name it?"""
        headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

        answer = trader.post("/v1/trades", json=trade("AAPL"), headers=headers)

        assert_problem(answer, 400, "idempotency_key_malformed")

    def test_with_a_key_of_full_length_is_used(self, trader: httpx.Client, apple: str) -> None:
        """The edge's other side."""
        answer = trader.post("/v1/trades", json=trade(apple), headers=key("x" * 255))

        assert answer.status_code == 201, answer.text


class TestNothing:
    """What was not understood left no trace."""

    def test_is_decided_of_a_request_that_was_refused(
        self, trader: httpx.Client, apple: str
    ) -> None:
        """The key of a malformed command is unused: the corrected command takes it."""
        wrong = trader.post("/v1/trades", json=trade(apple, quantity="x"), headers=key("order-1"))
        right = trader.post("/v1/trades", json=trade(apple), headers=key("order-1"))

        assert wrong.status_code == 400
        assert right.status_code == 201
        assert right.json()["replayed"] is False

    def test_of_a_parameter_that_is_unknown_is_ignored(self, trader: httpx.Client) -> None:
        """A misspelt parameter is refused, not overlooked."""
        answer = trader.post("/v1/trades:batch?atomc=true", json=[], headers=key())

        assert assert_problem(answer, 400, "parameter_invalid")["fields"] == ["atomc"]

    def test_lies_behind_an_unknown_address(self, trader: httpx.Client) -> None:
        """404 and 405 are problems too."""
        assert_problem(trader.get("/v1/nothing"), 404, "route_not_found")
        refused = trader.delete("/v1/trades")
        assert_problem(refused, 405, "method_not_allowed")
        assert refused.headers["allow"] == "POST"
