"""What a caller hears when the desk cannot decide: nothing attempted, or not known yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from commands.admission import SINGLES, Room
from commands.desk import Desk
from domain.identity import command_id
from eventstore.log import Log
from infra.database import Database
from tests.gateway.serving import assert_problem, client_of, now, serving, surroundings, token
from tests.write_api.conftest import key
from write_api.application import create_app

OPENING = {"portfolio": "growth", "base_currency": "USD"}


@pytest.fixture
def log(new_log_database: Callable[[], Database]) -> Iterator[Log]:
    """A fresh log."""
    with Log(new_log_database().app_conninfo, clock=now, build="test") as log:
        yield log


@contextmanager
def caller(desk: Desk, *, decision_seconds_max: float = 30) -> Iterator[httpx.Client]:
    """Serve a desk; give a client that may do everything."""
    application = create_app(desk, surroundings(), decision_seconds_max=decision_seconds_max)
    with (
        serving(application) as address,
        client_of(address, token("acme", "admin", source="desk-1")) as client,
    ):
        yield client


class TestADesk:
    """The outcomes that are nobody's fault."""

    def test_that_is_full_attempts_nothing(self, log: Log) -> None:
        """429: the key is unused, try again shortly."""
        with caller(Desk(log, queued_max=0)) as client:
            answer = client.post("/v1/portfolios", json=OPENING, headers=key())

        told = assert_problem(answer, 429, "too_many_requests")
        assert told["outcome"] == "not_attempted"
        assert answer.headers["retry-after"] == "1"

    def test_that_is_full_leaves_the_key_unused(self, log: Log) -> None:
        """The same key is a first attempt once there is room."""
        desk = Desk(log)
        desk.start()
        desk.admission._rooms[False] = Room(SINGLES._replace(seconds=0, least=0))
        with caller(desk) as client:
            refused = client.post("/v1/portfolios", json=OPENING, headers=key("open-1"))
            desk.admission._rooms[False] = Room(SINGLES)
            accepted = client.post("/v1/portfolios", json=OPENING, headers=key("open-1"))
        desk.stop(timeout=30)

        told = assert_problem(refused, 429, "too_many_requests")
        assert told["outcome"] == "not_attempted"
        assert told["command_id"] == str(command_id("acme", "open-1"))
        assert int(refused.headers["retry-after"]) >= 1
        assert accepted.status_code == 201, accepted.text
        assert accepted.json()["replayed"] is False

    def test_that_is_full_still_asks_for_a_token_and_tells_outcomes(self, log: Log) -> None:
        """Who may not ask is told so, and questions are no commands."""
        desk = Desk(log)
        desk.admission._rooms[False] = Room(SINGLES._replace(seconds=0, least=0))
        with caller(desk) as client:
            nobody = client.post(
                "/v1/portfolios", json=OPENING, headers={**key(), "Authorization": "Bearer none"}
            )
            outcome = client.get(f"/v1/commands/{command_id('acme', 'x')}")

        assert nobody.status_code == 401
        assert outcome.status_code == 200

    def test_that_stops_attempts_nothing(self, log: Log) -> None:
        """503, for single commands and for batches, unread."""
        desk = Desk(log)
        desk.start()
        desk.stop(timeout=30)
        sale = {"intent": "proposed", "portfolio": "growth", "side": "sell", "currency": "USD"}
        sale |= {"instrument": "AAPL", "quantity": "1", "price": "1", "trade_date": "2020-01-03"}

        with caller(desk) as client:
            single = client.post("/v1/portfolios", json=OPENING, headers=key())
            items = [sale | {"external_id": name} for name in ("one", "two")]
            batch = client.post("/v1/trades:batch", json=items, headers=key())

        for answer in (single, batch):
            assert assert_problem(answer, 503, "shutting_down")["outcome"] == "not_attempted"
            assert answer.headers["retry-after"] == "1"

    def test_that_stops_behind_the_door_says_so_of_each_item(self, log: Log) -> None:
        """A batch that was let in just before is answered item by item."""
        desk = Desk(log)
        desk._intake.close()
        sale = {"intent": "proposed", "portfolio": "growth", "side": "sell", "currency": "USD"}
        sale |= {"instrument": "AAPL", "quantity": "1", "price": "1", "trade_date": "2020-01-03"}

        with caller(desk) as client:
            items = [sale | {"external_id": name} for name in ("one", "two")]
            batch = client.post("/v1/trades:batch", json=items, headers=key())

        results = assert_problem(batch, 503, "shutting_down")["results"]
        assert [result["outcome"] for result in results] == ["not_attempted"] * 2
        assert batch.headers["retry-after"] == "1"

    def test_that_is_slow_leaves_the_outcome_unknown_until_it_is_told(self, log: Log) -> None:
        """503 with Location; there the command is in flight, and later accepted."""
        desk = Desk(log)
        with caller(desk, decision_seconds_max=0.2) as client:
            answer = client.post("/v1/portfolios", json=OPENING, headers=key("order-1"))
            told = assert_problem(answer, 503, "outcome_unknown")
            waiting = client.get(answer.headers["location"]).json()
            desk.start()
            again = client.post("/v1/portfolios", json=OPENING, headers=key("order-1"))
            while again.status_code == 503:  # the answer may take longer than it has here
                again = client.post("/v1/portfolios", json=OPENING, headers=key("order-1"))
            decided = client.get(answer.headers["location"]).json()
            desk.stop(timeout=30)

        assert answer.headers["location"] == f"/v1/commands/{command_id('acme', 'order-1')}"
        assert told["outcome"] == "unknown"
        assert waiting["outcome"] == "in_flight"
        assert again.status_code == 201
        assert decided["outcome"] == "accepted"
        assert decided["position"] == again.json()["position"]
