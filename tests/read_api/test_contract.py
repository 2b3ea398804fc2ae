"""The OpenAPI document of the query side holds what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.database import Database
from projections.reading import Reading
from read_api.application import create_app
from tests.gateway.contract import (
    Known,
    Operation,
    assert_documented,
    assert_kept,
    assert_snapshot,
    label,
    operations,
)
from tests.gateway.serving import surroundings, token
from tests.read_api.conftest import OWNER, Addresses, Teller

SNAPSHOT = Path(__file__).with_name("openapi.json")
KNOWN: Known = {
    "portfolio": ["growth", "income"],
    "instrument": ["AAPL", "BANK"],
    "currency": ["USD"],
    "since": ["2024-01-02"],
    "until": ["2024-01-03"],
    "valid_at": ["2024-01-03"],
    "known_at": [1, 10],
    "limit": [1, 2],
}


class TestTheDocument:
    """It is committed and complete."""

    def test_is_the_committed_one(self, database: Database) -> None:
        """A change of the interface is a change of this file."""
        assert_snapshot(create_app(Reading(database.app_conninfo), surroundings()), SNAPSHOT)

    def test_documents_every_error(self, database: Database) -> None:
        """400, 401, 403 and 500 at least, as problems."""
        assert_documented(create_app(Reading(database.app_conninfo), surroundings()))


class TestTheServer:
    """It keeps the document."""

    @pytest.mark.slow
    @pytest.mark.parametrize("operation", operations(SNAPSHOT), ids=label)
    def test_answers_as_documented(
        self, addresses: Addresses, story: Teller, operation: Operation
    ) -> None:
        """Generated requests, valid and not, meet documented answers only, and never a 500."""
        bearer = token(OWNER, "admin", source="generated")

        assert_kept(operation, addresses.read, bearer, examples_max=15, known=KNOWN)
