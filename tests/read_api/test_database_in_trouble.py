"""What a reader hears when the read models cannot be asked: 503, never a 500."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest

from infra.database import Database
from projections.asking import Readable
from projections.reading import Reading, ReadingUnavailable
from read_api.application import create_app
from tests.gateway.serving import assert_problem, client_of, serving, surroundings, token

PATHS = ("/v1/portfolios", "/v1/trades?min_position=1", "/v1/closes", "/v1/portfolios/x/cash")


@contextmanager
def reader(conninfo: str) -> Iterator[httpx.Client]:
    """Serve a database; give a client that may ask everything."""
    with (
        Reading(conninfo) as reading,
        serving(create_app(reading, surroundings())) as address,
        client_of(address, token("acme", "admin")) as client,
    ):
        yield client


class TestADatabase:
    """The read models are somebody else's: they may be missing or away."""

    @pytest.mark.parametrize("path", PATHS)
    def test_without_read_models_is_not_ready(self, log_database: Database, path: str) -> None:
        """No projector has begun yet."""
        with reader(log_database.app_conninfo) as client:
            answer = client.get(path, params=None)

        if "min_position" in path:
            assert_problem(answer, 409, "position_not_reached")
        else:
            assert_problem(answer, 503, "not_ready")
            assert answer.headers["retry-after"] == "1"

    def test_that_is_away_is_not_ready(self) -> None:
        """Nothing listens on port 1; the question ends, and says so."""
        with reader("host=127.0.0.1 port=1 dbname=none connect_timeout=1") as client:
            answer = client.get("/v1/portfolios")

        assert_problem(answer, 503, "not_ready")

    def test_is_only_ever_read(self, log_database: Database) -> None:
        """The connections cannot write, whatever a query might try."""
        with (
            Reading(log_database.app_conninfo) as reading,
            pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
        ):
            reading.answer(lambda readable: readable.connection.execute("CREATE TABLE x ()"))

    def test_does_not_let_a_question_run_for_ever(self, log_database: Database) -> None:
        """A statement has its time; then the question is refused as unavailable."""

        def sleep(readable: Readable) -> None:
            readable.connection.execute("SET statement_timeout = '50ms'")
            readable.connection.execute("SELECT pg_sleep(5)")

        with Reading(log_database.app_conninfo) as reading, pytest.raises(ReadingUnavailable):
            reading.answer(sleep)
