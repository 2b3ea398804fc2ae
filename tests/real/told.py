"""A story told to a real desk and folded by a real projector, and the query side that serves it."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx

from commands.command import Issued, Outcome, Status
from commands.desk import Desk
from eventstore.log import Log
from infra.database import Database
from projections.performance.model import PerformanceModel
from projections.positions.model import Positions
from projections.projector import Projector
from projections.reading import Reading
from read_api.application import create_app
from tests.commands.desks import desk_on
from tests.gateway.serving import client_of, serving, surroundings, token
from tests.projections.running import running, wait_for_position

MODELS = (PerformanceModel(), Positions())
"""Those that are asked; the queries about a portfolio look for it in `positions`."""

COMMANDS_PER_BATCH = 200
EVENTS_PER_BATCH = 2_000
DESK_SECONDS = 300
NOT_READY, PATIENCE_SECONDS = 503, 120
"""The first question reads five years of closes: on a busy machine it is told to try again."""


class Told(NamedTuple):
    """What is running: the desk and the projector behind it, and a client of the queries."""

    desk: Desk
    projector: Projector
    client: httpx.Client
    log: Log

    def tell(self, *issued: Issued) -> list[Outcome]:
        """Tell more and wait until all of it is folded; everything is accepted."""
        return tell(self.desk, self.log, self.projector, issued)

    def wait(self) -> None:
        """Wait until all that the log has is folded."""
        wait_for_position(self.projector, self.log.head().position, *MODELS)

    def ask(self, path: str, **parameters: object) -> dict[str, Any]:
        """Ask a query; give its answer."""
        given = {name: str(each) for name, each in parameters.items()} or None
        deadline = time.monotonic() + PATIENCE_SECONDS
        answer = self.client.get(path, params=given)
        while answer.status_code == NOT_READY and time.monotonic() < deadline:
            time.sleep(0.5)
            answer = self.client.get(path, params=given)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def items(self, path: str, **parameters: object) -> list[dict[str, Any]]:
        """Ask for all pages of a list."""
        page = self.ask(path, limit=1_000, **parameters)
        found: list[dict[str, Any]] = page["items"]
        while page["next_cursor"] is not None:
            page = self.ask(path, limit=1_000, cursor=page["next_cursor"], **parameters)
            found += page["items"]
        return found


@contextmanager
def telling(database: Database, issued: Iterable[Issued], tenant: str) -> Iterator[Told]:
    """Tell a story from its beginning, and serve the queries of a tenant."""
    conninfo = database.app_conninfo
    with (
        Log(conninfo, clock=lambda: datetime.now(UTC), build="test", pool_size=4) as log,
        desk_on(log) as desk,
        running(log, database, MODELS, batch_events_max=EVENTS_PER_BATCH) as projector,
        Reading(conninfo) as reading,
        serving(create_app(reading, surroundings())) as address,
        client_of(address, token(tenant, "admin")) as client,
    ):
        tell(desk, log, projector, list(issued))
        yield Told(desk, projector, client, log)


def tell(desk: Desk, log: Log, projector: Projector, issued: Iterable[Issued]) -> list[Outcome]:
    """Have a desk decide commands in order; wait until the read models know of it."""
    told, outcomes = list(issued), []
    for start in range(0, len(told), COMMANDS_PER_BATCH):
        batch = told[start : start + COMMANDS_PER_BATCH]
        before = log.head().position
        outcomes += desk.submit_batch(batch, is_atomic=False).result(DESK_SECONDS)
        # At most two batches behind: the desk is faster, and nobody's patience is endless.
        wait_for_position(projector, before, *MODELS)
    for each, outcome in zip(told, outcomes, strict=True):
        assert outcome.status is Status.ACCEPTED, (each.command, outcome)
    wait_for_position(projector, log.head().position, *MODELS)
    return outcomes


NewDatabase = Callable[[], Database]
