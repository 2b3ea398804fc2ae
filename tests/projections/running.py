"""Running a projector in a thread, waiting for what it does; a read model that can break."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg

from domain.event import Event
from domain.portfolio.events import CashDeposited
from eventstore.log import Log
from infra.database import Database
from projections.projector import Projector
from projections.read_model import Decoded, Fold, ReadModel
from projections.rows import Tables
from tests.projections.conftest import clock

WAIT_SECONDS = 60.0


def wait_until(is_so: Callable[[], object], what: str) -> None:
    """Poll until something is so.

    Raises:
        AssertionError: it was not so in time.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.005)


@contextmanager
def running(
    log: Log,
    database: Database,
    models: Sequence[ReadModel],
    *,
    redis_url: str | None = None,
    batch_events_max: int = 50,
    patient: Sequence[str] = (),
) -> Iterator[Projector]:
    """Run a projector for the length of a block; its failure is raised at the end."""
    projector = Projector(
        log,
        database.app_conninfo,
        models,
        redis_url=redis_url,
        clock=clock,
        batch_events_max=batch_events_max,
        patient=patient,
    )
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            projector.run(stop)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield projector
    finally:
        stop.set()
        thread.join(timeout=WAIT_SECONDS)
        assert not thread.is_alive(), "the projector stops within one batch"
        if failures:
            raise failures[0]


def described(projector: Projector, model: str) -> dict[str, Any]:
    """What health says of one model."""
    models = projector.health()["models"]
    assert isinstance(models, dict)
    found: dict[str, Any] = models[model]
    return found


def stands_at(projector: Projector, position: int, *models: ReadModel) -> bool:
    """Tell whether the models have folded everything up to a position."""
    return all(described(projector, model.name)["position"] >= position for model in models)


def wait_for_position(projector: Projector, position: int, *models: ReadModel) -> None:
    """Wait until the models have folded everything up to a position."""
    wait_until(lambda: stands_at(projector, position, *models), f"position {position}")


class DepositRow(msgspec.Struct, frozen=True):
    """A deposit the brittle model has seen, with the calculation that saw it."""

    position: int
    amount: str
    calculation_version: int


class Brittle:
    """Lists deposits; breaks at deposits of the amounts it was told to break at."""

    name = "brittle"
    event_types: frozenset[type[Event]] = frozenset({CashDeposited})
    compared_tables = ("deposits",)

    def __init__(self, *breaks_at: str, calculation_version: int = 1) -> None:
        self.breaks_at = frozenset(breaks_at)
        self.calculation_version = calculation_version

    def ddl(self, schema: str) -> str:
        """Give the statement that makes the table."""
        return (
            f"CREATE TABLE {schema}.deposits (position bigint PRIMARY KEY, amount text NOT NULL,"
            " calculation_version integer NOT NULL)"
        )

    def new_fold(self, schema: str) -> Fold:
        """Make a fold."""
        return BrittleFold(self, schema)


class BrittleFold:
    """Inserts one row per deposit; a deposit folded twice violates the primary key."""

    def __init__(self, model: Brittle, schema: str) -> None:
        self._model = model
        self._tables = Tables(schema)

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Fold a batch, or break at it."""
        rows = []
        for decoded in batch:
            assert isinstance(decoded.event, CashDeposited)
            amount = str(decoded.event.amount.amount)
            if amount in self._model.breaks_at:
                raise ValueError(f"cannot fold {amount}")
            rows.append(DepositRow(decoded.position, amount, self._model.calculation_version))
        self._tables.insert(cursor, "deposits", rows)


def deposits(connection: psycopg.Connection[Any], schema: str = "brittle") -> list[DepositRow]:
    """What the brittle model has listed."""
    with connection.cursor() as cursor:
        found = Tables(schema).select(cursor, "SELECT * FROM {schema}.deposits ORDER BY position")
    return [DepositRow(*values) for values in found]
