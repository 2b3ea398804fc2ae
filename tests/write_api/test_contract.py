"""The OpenAPI document of the command side holds what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands.desk import Desk
from domain.identity import MARKET_TENANT
from tests.gateway.contract import (
    Known,
    Operation,
    assert_documented,
    assert_kept,
    assert_snapshot,
    label,
    operations,
)
from tests.gateway.serving import client_of, surroundings, token
from tests.write_api.conftest import instrument, key, trade
from write_api.application import create_app

SNAPSHOT = Path(__file__).with_name("openapi.json")
SHARED = ("/v1/instruments", "/v1/marks", "/v1/sessions", "/v1/time")
TENANT, SOURCE, INSTRUMENT = "schemathesis", "generated", "GENERATED"
KNOWN: Known = {
    "portfolio": ["growth", "income"],
    "to_portfolio": ["growth", "income"],
    "source": [SOURCE],
    "external_id": ["fill-1", "block-1"],
    "instrument": [INSTRUMENT],
    "child": [INSTRUMENT],
    "currency": ["USD"],
    "base_currency": ["USD"],
    "calendar": ["XNYS"],
    "quantity": ["1", "2.5"],
    "price": ["10", "0.01"],
    "amount": ["100", "0.01"],
    "trade_date": ["2024-01-03", "2024-01-04"],
    "from_date": ["2024-01-05"],
    "value_date": ["2024-01-03"],
    "executed_at": ["2024-01-03T15:00:00Z"],
    "at": ["2024-01-03T15:00:00Z"],
}


class TestTheDocument:
    """It is committed and complete."""

    def test_is_the_committed_one(self, desk: Desk) -> None:
        """A change of the interface is a change of this file."""
        assert_snapshot(create_app(desk, surroundings()), SNAPSHOT)

    def test_documents_every_error(self, desk: Desk) -> None:
        """400, 401, 403 and 500 at least, as problems."""
        assert_documented(create_app(desk, surroundings()))


@pytest.fixture(scope="module")
def world(address: str) -> str:
    """The address of an interface with two portfolios, an instrument and a trade behind it."""
    market = token(MARKET_TENANT, "admin", source=SOURCE)
    owner = token(TENANT, "admin", source=SOURCE)
    with client_of(address, market) as exchange, client_of(address, owner) as desk:
        for client, path, body in (
            (exchange, "/v1/instruments", instrument(INSTRUMENT)),
            (desk, "/v1/portfolios", {"portfolio": "growth", "base_currency": "USD"}),
            (desk, "/v1/portfolios", {"portfolio": "income", "base_currency": "USD"}),
            (desk, "/v1/trades", trade(INSTRUMENT, external_id="fill-1", intent="executed")),
        ):
            answer = client.post(path, json=body, headers=key())
            assert answer.status_code == 201, answer.text
    return address


class TestTheServer:
    """It keeps the document."""

    @pytest.mark.slow
    @pytest.mark.parametrize("operation", operations(SNAPSHOT), ids=label)
    def test_answers_as_documented(self, world: str, operation: Operation) -> None:
        """Generated requests, valid and not, meet documented answers only, and never a 500."""
        tenant = MARKET_TENANT if operation.path.startswith(SHARED) else TENANT
        bearer = token(tenant, "admin", source=SOURCE)

        assert_kept(operation, world, bearer, examples_max=20, known=KNOWN)

    def test_is_asked_at_every_address(self) -> None:
        """Each operation of the document is one of those tried."""
        document = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
        named = sum(len(operations) for operations in document["paths"].values())

        assert len(operations(SNAPSHOT)) == named > 50
