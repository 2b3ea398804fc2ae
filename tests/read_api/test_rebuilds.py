"""Rebuilds over HTTP: what an operator watches."""

from __future__ import annotations

import psycopg

from infra.database import Database
from projections.building import ignore_progress
from projections.rebuilds import Pacing
from tests.gateway.serving import client_of, new_tenant, token
from tests.read_api.conftest import Addresses

NAME = "told_over_http"


def test_a_rebuild_is_listed_while_it_runs_and_when_it_has_ended(
    addresses: Addresses, database: Database
) -> None:
    """How far, of how much, at which pace; without the builder's lock it counts as interrupted."""
    with (
        client_of(addresses.read, token(new_tenant(), "auditor")) as auditor,
        psycopg.connect(database.app_conninfo, autocommit=True) as connection,
        Pacing(connection, [NAME], ignore_progress, events_per_second_max=10_000) as pacing,
    ):
        pacing(3, 10)
        found = auditor.get("/v1/rebuilds").json()["items"]
        (own,) = (each for each in found if each["name"] == NAME)
        assert (own["state"], own["position"], own["target"]) == ("interrupted", 3, 10)
        assert own["events_per_second_max"] == 10_000
        pacing.end(10)
        found = auditor.get("/v1/rebuilds").json()["items"]
        (own,) = (each for each in found if each["name"] == NAME)
        assert (own["state"], own["position"], own["is_paused"]) == ("swapped", 10, False)
