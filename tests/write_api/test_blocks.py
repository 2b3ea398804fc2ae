"""POST /v1/blocks and …/busts, seen by a caller."""

from __future__ import annotations

from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from tests.gateway.serving import assert_problem
from tests.write_api.conftest import Client, key

AWKWARD = "block/1#a?b%2F+/busts"


def block(instrument: str, **changes: object) -> dict[str, object]:
    """Give a block as callers send it: 100 and 50 shares, for `growth` and `income` by weight."""
    return {
        "external_id": uuid4().hex,
        "intent": "executed",
        "instrument": instrument,
        "side": "buy",
        "currency": "USD",
        "fills": [
            {"quantity": "100", "price": "10", "fee": "1", "external_id": "fill-1"},
            {"quantity": "50", "price": "10.02", "external_id": "fill-2"},
        ],
        "allocations": [
            {"portfolio": "growth", "weight": "2"},
            {"portfolio": "income", "weight": "1"},
        ],
        "lot_size": "1",
        "trade_date": "2020-01-03",
    } | changes


@pytest.fixture
def income(client: Client, portfolio: str) -> str:
    """A second portfolio of this test's tenant, with nothing in it."""
    opening = {"portfolio": "income", "base_currency": "USD"}
    assert client().post("/v1/portfolios", json=opening, headers=key()).status_code == 201
    return "income"


@pytest.fixture
def execution(client: Client, income: str) -> httpx.Client:
    """A trading system."""
    return client("execution")


def of(portfolio: str, **content: object) -> dict[str, object]:
    """One allocation."""
    return {"portfolio": portfolio} | content


ONE_QUANTITY = [of("growth", quantity="150")]
WRONG: tuple[tuple[dict[str, object], str, str], ...] = (
    ({"external_id": "x" * 64}, "field_invalid", "external_id"),
    ({"external_id": "two words"}, "field_invalid", "external_id"),
    ({"external_id": ""}, "field_invalid", "external_id"),
    ({"portfolio": "growth"}, "field_invalid", "portfolio"),
    ({"fills": []}, "field_invalid", "fills"),
    ({"fills": [{"quantity": "1", "price": "1"}] * 101}, "field_invalid", "fills"),
    ({"fills": [{"quantity": "0", "price": "1"}]}, "out_of_range", "fills[0].quantity"),
    ({"fills": [{"quantity": "1", "price": "NaN"}]}, "not_a_number", "fills[0].price"),
    ({"fills": [{"quantity": "1", "price": "-1"}]}, "out_of_range", "fills[0].price"),
    ({"fills": [{"quantity": 1, "price": "1"}]}, "field_invalid", "fills[0].quantity"),
    (
        {"fills": [{"quantity": "1", "price": "1", "consideration": "-1"}]},
        "out_of_range",
        "fills[0].consideration",
    ),
    (
        {"fills": [{"quantity": "1", "price": "1", "external_id": "f"}] * 2},
        "field_invalid",
        "fills[1].external_id",
    ),
    ({"allocations": []}, "field_invalid", "allocations"),
    ({"allocations": [of("growth", weight="1")] * 501}, "field_invalid", "allocations"),
    ({"allocations": [of("growth")]}, "field_invalid", "allocations[0].quantity"),
    (
        {"allocations": [of("growth", weight="1", quantity="1")]},
        "field_invalid",
        "allocations[0].weight",
    ),
    (
        {"allocations": [of("growth", weight="1"), of("income", quantity="1")]},
        "field_invalid",
        "allocations[1].weight",
    ),
    ({"allocations": [of("growth", weight="0")]}, "out_of_range", "allocations[0].weight"),
    ({"allocations": [of("growth", weight="1e-13")]}, "over_precise", "allocations[0].weight"),
    ({"allocations": ONE_QUANTITY}, "field_invalid", "lot_size"),
    (
        {"allocations": ONE_QUANTITY, "lot_size": None, "remainder": "first"},
        "field_invalid",
        "remainder",
    ),
    ({"lot_size": "0"}, "out_of_range", "lot_size"),
    ({"remainder": "random"}, "field_invalid", "remainder"),
    ({"trade_date": "0001-01-01"}, "out_of_range", "trade_date"),
    ({"trade_date": None}, "date_missing", "trade_date"),
    ({"source_sequence": -1}, "field_invalid", "source_sequence"),
)


class TestAllocating:
    """An acceptance says what each portfolio got."""

    def test_names_the_trades(self, execution: httpx.Client, apple: str) -> None:
        """`income` has no cash: the acceptance warns of it, by name."""
        answer = execution.post("/v1/blocks", json=block(apple), headers=key())

        assert answer.status_code == 201, answer.text
        told = answer.json()
        assert [(each["portfolio"], each["quantity"]) for each in told["allotments"]] == [
            ("growth", "100"),
            ("income", "50"),
        ]
        assert all(each["trade_id"] for each in told["allotments"])
        assert [(each["rule"], each["portfolio"]) for each in told["warnings"]] == [
            ("insufficient_cash", "income")
        ]

    def test_is_told_again_with_its_allotments(self, execution: httpx.Client, apple: str) -> None:
        """Under the same key, under another one, and when its command is asked for."""
        sent, name = block(apple), key()
        first = execution.post("/v1/blocks", json=sent, headers=name).json()

        same = execution.post("/v1/blocks", json=sent, headers=name).json()
        other = execution.post("/v1/blocks", json=sent, headers=key()).json()
        asked = execution.get(f"/v1/commands/{first['command_id']}").json()

        for again in (same, other):
            assert again == first | {"replayed": True}
        assert asked["allotments"] == first["allotments"]

    def test_conflicts_with_other_content(self, execution: httpx.Client, apple: str) -> None:
        """409 names the fields."""
        sent = block(apple)
        execution.post("/v1/blocks", json=sent, headers=key())

        answer = execution.post("/v1/blocks", json=sent | {"lot_size": "10"}, headers=key())

        assert assert_problem(answer, 409, "external_id_conflict")["fields"] == ["lot_size"]

    def test_is_refused_with_every_breach(self, client: Client, income: str, apple: str) -> None:
        """A trader asks; what one portfolio breaches refuses all."""
        sent = block(apple, intent="proposed")

        answer = client("trader").post("/v1/blocks", json=sent, headers=key())

        (breach,) = assert_problem(answer, 422, "insufficient_cash")["breaches"]
        assert breach["portfolio"] == income

    def test_is_refused_where_it_is_not_the_whole(
        self, execution: httpx.Client, apple: str
    ) -> None:
        """Quantities that do not add up, a portfolio twice or unknown, a sum out of range."""
        large = [{"quantity": "9" * 26, "price": "0"}] * 2
        refusals: dict[str, dict[str, object]] = {
            "allocations_differ": {"allocations": [of("growth", quantity="149")], "lot_size": None},
            "portfolio_twice": {"allocations": [of("growth", weight="1")] * 2},
            "portfolio_unknown": {"allocations": [of("nobody", weight="1")]},
            "out_of_range": {"fills": large},
            "currency_unknown": {"currency": "ZZZ"},
            "currency_mismatch": {"currency": "EUR"},
        }
        for code, changes in refusals.items():
            answer = execution.post("/v1/blocks", json=block(apple, **changes), headers=key())

            assert_problem(answer, 422, code)

    @pytest.mark.parametrize(("changes", "code", "field"), WRONG)
    def test_names_the_field_that_is_wrong(
        self, execution: httpx.Client, changes: dict[str, object], code: str, field: str
    ) -> None:
        """400, never a 500."""
        answer = execution.post("/v1/blocks", json=block("AAPL") | changes, headers=key())

        assert assert_problem(answer, 400, code)["fields"] == [field]


class TestBusting:
    """A block is named by its path."""

    @pytest.mark.parametrize("external_id", ["B-1", AWKWARD])
    def test_takes_it_out(self, execution: httpx.Client, apple: str, external_id: str) -> None:
        """Once; then it is told again."""
        sent = block(apple, external_id=external_id)
        execution.post("/v1/blocks", json=sent, headers=key())
        path = f"/v1/blocks/desk-1/{quote(external_id, safe='')}/busts"

        first = execution.post(path, json={"reason": "cancelled"}, headers=key())
        again = execution.post(path, json={"reason": "cancelled"}, headers=key())

        assert (first.status_code, first.json()["stream_version"]) == (201, 2)
        assert again.json()["replayed"] is True

    def test_is_refused_where_it_is_not_understood(self, execution: httpx.Client) -> None:
        """An unknown block, another's source, no reason, a name no block has."""
        path, bust = "/v1/blocks/desk-1/unheard-of/busts", {"reason": "cancelled"}

        unknown = execution.post(path, json=bust, headers=key())
        stranger = execution.post("/v1/blocks/desk-2/B-1/busts", json=bust, headers=key())
        unreasoned = execution.post(path, json={}, headers=key())
        too_long = execution.post(f"/v1/blocks/desk-1/{'x' * 64}/busts", json=bust, headers=key())

        assert_problem(unknown, 422, "block_unknown")
        assert_problem(stranger, 403, "source_not_yours")
        assert_problem(unreasoned, 400, "field_invalid")
        assert too_long.status_code in {400, 404}
