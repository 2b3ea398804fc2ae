"""Corporate actions over HTTP: each kind is declared at its own address, and taken back."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from domain.identity import MARKET_TENANT
from tests.gateway.serving import assert_problem, client_of, token
from tests.write_api.conftest import key

EX_DATE, PAY_DATE = "2024-03-05", "2024-03-14"
DECLARED: dict[str, dict[str, Any]] = {
    "splits": {"action": "split-1", "ex_date": EX_DATE, "new": 7, "old": 1},
    "stock-dividends": {
        "action": "stock-1", "ex_date": EX_DATE, "new": 1, "held": 20, "fraction_price": "171.5",
    },
    "dividends": {
        "action": "dividend-1", "ex_date": EX_DATE, "pay_date": PAY_DATE, "per_unit": "0.24",
        "currency": "USD", "withholding_rate": "0.15",
    },
    "spin-offs": {
        "action": "spin-1", "ex_date": EX_DATE, "child": "CORE", "new": 1, "old": 3,
        "cost_share": "0.2",
    },
}  # fmt: skip
WRONG = [
    ("splits", {"new": 0}, "field_invalid"),
    ("splits", {"old": 1_000_001}, "field_invalid"),
    ("splits", {"fraction_price": "-1"}, "out_of_range"),
    ("splits", {"ex_date": "1066-10-14"}, "out_of_range"),
    ("dividends", {"per_unit": "0"}, "out_of_range"),
    ("dividends", {"withholding_rate": "1.5"}, "rate_invalid"),
    ("dividends", {"currency": "XXX"}, "currency_unknown"),
    ("dividends", {"pay_date": "2024-03-04"}, "pay_date_too_early"),
    ("spin-offs", {"cost_share": "1.01"}, "rate_invalid"),
    ("spin-offs", {"child": "NOBODY"}, "instrument_unknown"),
    ("spin-offs", {"child": "PARENT"}, "spin_off_of_itself"),
]


def post(address: str, path: str, body: dict[str, Any]) -> httpx.Response:
    """Post as the feed of market data."""
    with client_of(address, token(MARKET_TENANT, "market_data")) as client:
        return client.post(path, json=body, headers=key())


@pytest.fixture
def parent(address: str) -> str:
    """Two instruments; the parent's name."""
    for name in ("PARENT", "CORE"):
        body = {
            "instrument": name, "symbol": name, "currency": "USD", "asset_class": "equity",
            "calendar": "XNYS",
        }  # fmt: skip
        assert post(address, "/v1/instruments", body).status_code == 201
    return "/v1/instruments/PARENT"


class TestDeclaring:
    """Each kind at its own address, with a name of its own."""

    @pytest.mark.parametrize("kind", DECLARED)
    def test_is_accepted_once(self, address: str, parent: str, kind: str) -> None:
        """The same again under another key is the first acceptance; another one a conflict."""
        path, body = f"{parent}/{kind}", DECLARED[kind] | {"action": f"once-{kind}"}
        first = post(address, path, body)

        again = post(address, path, body)
        other = post(address, path, body | {"ex_date": "2024-03-06"})

        assert first.status_code == 201
        assert again.json()["position"] == first.json()["position"]
        assert_problem(other, 409, "action_already_declared")
        assert other.json()["fields"] == ["ex_date"]

    @pytest.mark.parametrize(("kind", "change", "code"), WRONG)
    def test_refuses_what_means_nothing(
        self, address: str, parent: str, kind: str, change: dict[str, Any], code: str
    ) -> None:
        """With a code that says what to do; nothing is written."""
        body = DECLARED[kind] | {"action": "wrong-1"} | change

        answer = post(address, f"{parent}/{kind}", body)

        assert answer.status_code in {400, 422}
        assert answer.json()["code"] == code

    def test_is_reversed_for_a_reason(self, address: str, parent: str) -> None:
        """Once, whatever it did meanwhile; another reason is a conflict."""
        post(address, f"{parent}/splits", DECLARED["splits"] | {"action": "back-1"})
        reversal = {"action": "back-1", "reason": "wrong_ratio"}

        done = post(address, f"{parent}/reversals", reversal)
        again = post(address, f"{parent}/reversals", reversal)
        other = post(address, f"{parent}/reversals", reversal | {"reason": "other"})

        assert done.status_code == 201
        assert again.json()["position"] == done.json()["position"]
        assert_problem(other, 409, "action_already_reversed")

    def test_needs_an_action_to_reverse(self, address: str, parent: str) -> None:
        """One that was never declared is not understood."""
        answer = post(address, f"{parent}/reversals", {"action": "none", "reason": "typo"})

        assert_problem(answer, 422, "action_unknown")


class TestTime:
    """Business time over HTTP."""

    def test_goes_on_and_never_back(self, address: str) -> None:
        """What was reached is accepted again, and changes nothing."""
        first = post(address, "/v1/time", {"at": "2024-03-05T05:00:00Z"})
        again = post(address, "/v1/time", {"at": "2024-03-04T05:00:00Z"})

        assert first.status_code == 201
        assert again.status_code == 201

    def test_does_not_come_early(self, address: str) -> None:
        """An instant to come is refused."""
        answer = post(address, "/v1/time", {"at": "2190-03-05T05:00:00Z"})

        assert_problem(answer, 422, "time_from_the_future")
