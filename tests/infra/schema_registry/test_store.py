"""The registry while PostgreSQL comes and goes."""

from __future__ import annotations

import shutil

import httpx

from infra.data_directory import DataDirectory
from infra.embedded_postgres import EmbeddedPostgres
from tests.conftest import reachable_directory
from tests.gateway.serving import client_of
from tests.infra.schema_registry.serving import QUANTITY, record, serving_registry
from tests.infra.up import wait_until


def is_away(answer: httpx.Response) -> bool:
    """Check that an answer tells of the store, in the interface's form."""
    return answer.status_code == 503 and answer.json()["error_code"] == 50001


def test_it_says_so_while_postgresql_is_away_and_goes_on_by_itself() -> None:
    """Away already at the start, and again later: the same process serves in between and after."""
    directory = reachable_directory()
    server = EmbeddedPostgres(DataDirectory(directory), durable=False)
    try:
        server.start()
        conninfo = server.database.app_conninfo
        server.stop()
        body = {"schema": record(QUANTITY)}
        with serving_registry(conninfo) as url, client_of(url) as http:
            assert is_away(http.get("/subjects"))
            assert is_away(http.post("/subjects/s/versions", json=body))
            assert http.get("/health/ready").status_code == 503
            assert http.get("/health/live").status_code == 200

            server.start()
            wait_until(lambda: http.get("/health/ready").status_code == 200)
            assert http.post("/subjects/s/versions", json=body).json()["id"] == 1

            server.stop()
            assert is_away(http.get("/subjects"))
            server.start()
            wait_until(lambda: http.get("/subjects").status_code == 200)
            assert http.get("/subjects").json() == ["s"]
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
