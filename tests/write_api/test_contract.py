"""The OpenAPI document of the command side holds what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.desk import Desk
from domain.identity import MARKET_TENANT
from tests.gateway.contract import (
    Operation,
    assert_documented,
    assert_kept,
    assert_snapshot,
    label,
    operations,
)
from tests.gateway.serving import surroundings, token
from write_api.application import create_app

SNAPSHOT = Path(__file__).with_name("openapi.json")
SHARED = ("/v1/instruments", "/v1/marks", "/v1/sessions")


class TestTheDocument:
    """It is committed and complete."""

    def test_is_the_committed_one(self, desk: Desk) -> None:
        """A change of the interface is a change of this file."""
        assert_snapshot(create_app(desk, surroundings()), SNAPSHOT)

    def test_documents_every_error(self, desk: Desk) -> None:
        """400, 401, 403 and 500 at least, as problems."""
        assert_documented(create_app(desk, surroundings()))


class TestTheServer:
    """It keeps the document."""

    @pytest.mark.slow
    @pytest.mark.parametrize("operation", operations(SNAPSHOT), ids=label)
    def test_answers_as_documented(self, address: str, operation: Operation) -> None:
        """Generated requests, valid and not, meet documented answers only, and never a 500."""
        tenant = MARKET_TENANT if operation.path.startswith(SHARED) else "schemathesis"
        bearer = token(tenant, "admin", source="generated")

        assert_kept(operation, address, bearer, examples_max=20)
