"""The 9,367 real executions in pieces, late, amended, busted: the tables are those of book order.

Two logs hold the same facts, a tenant for each cost basis: all of them by first in, first out, the
first 2,500 by the others. One was told them as they came: shuffled over windows of five days, with
busts before their trades and amends on either side of theirs, the sessions of a window closed at
its end, while half of their fills were on the way. The other was told what holds in the end, in
book order, each session closed behind its last fill. A real desk decides all of it, a real
projector folds it.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from commands.command import Issued, Status
from domain.lots import CostBasis
from eventstore.log import Log
from infra.database import Database
from infra.read_models import READ_MODELS
from projections.asking import Readable
from projections.building import Connection, connect
from projections.performance.bridging import bridge_of
from tests.commands.desks import desk_on
from tests.domain.executions import (
    EXECUTIONS,
    Arrival,
    arrivals,
    day_of,
    final_facts,
    read_executions,
)
from tests.domain.scenes import FUND
from tests.projections.conftest import clock
from tests.projections.current_tables import ONLY, current
from tests.projections.running import running, wait_for_position
from tests.whole.telling_executions import TOLD, Telling, closes_of, lots_named, tenant_of

SEED = 20_04
COMMANDS_PER_BATCH = 10_000
EVENTS_PER_BATCH = 5_000
DESK_SECONDS = 300

pytestmark = [pytest.mark.slow, pytest.mark.longest, pytest.mark.timeout(1800)]
"""Telling both logs takes a minute where nothing else runs, within the first test."""

TABLES = [
    f"{model.name}.{table}"
    for model in READ_MODELS
    for table in model.compared_tables
    if ONLY.get(f"{model.name}.{table}") != "false"
]
COUNT = "SELECT {counted} FROM {table} WHERE tenant = %s"
COUNTED_TRADES = {
    "told": "true",
    "late": "is_late",
    "amended": "status = 'amended'",
    "busted": "status = 'busted'",
}
COUNTED_DAYS = {
    "told": "true",
    "restated": "restated_reason IS NOT NULL",
    "moved": "nav <> struck_nav",
}


class Logs(NamedTuple):
    """The tables of what was told in disorder, and of the same facts in book order."""

    disorder: Connection
    order: Connection


def tell_and_fold(database: Database, told: Iterator[Issued]) -> None:
    """Let a desk decide everything, and a projector fold it into its tables."""
    with (
        Log(database.app_conninfo, clock=clock, build="test", pool_size=4) as log,
        desk_on(log) as desk,
        running(log, database, READ_MODELS, batch_events_max=EVENTS_PER_BATCH) as projector,
    ):
        issued = list(told)
        for start in range(0, len(issued), COMMANDS_PER_BATCH):
            batch = issued[start : start + COMMANDS_PER_BATCH]
            outcomes = desk.submit_batch(batch, is_atomic=False).result(DESK_SECONDS)
            for each, outcome in zip(batch, outcomes, strict=True):
                assert outcome.status is Status.ACCEPTED, (each.command, outcome)
            wait_for_position(projector, log.head().position, *READ_MODELS)


@pytest.fixture(scope="module")
def logs(shared_data: Path, new_log_database: Callable[[], Database]) -> Iterator[Logs]:
    """Tell both logs everything."""
    rows = read_executions(shared_data)
    random = Random(SEED)
    disorder = arrivals(rows, random)
    telling = Telling(closes_of(rows, shared_data), lots_named(disorder, random))
    order = [Arrival(day_of(facts), facts) for facts in final_facts(disorder)]
    as_it_went, in_order = new_log_database(), new_log_database()
    tell_and_fold(as_it_went, telling.commands(disorder))
    tell_and_fold(in_order, telling.commands(order))
    with (
        connect(as_it_went.app_conninfo, application_name="test") as one,
        connect(in_order.app_conninfo, application_name="test") as other,
    ):
        yield Logs(one, other)


def counts(
    connection: Connection, table: str, wanted: Mapping[str, str], basis: CostBasis
) -> dict[str, int]:
    """Count a tenant's rows of which something holds, by name."""
    counted = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in wanted.values())
    statement = COUNT.format(counted=counted, table=table)
    row = connection.execute(statement.encode(), (tenant_of(basis),)).fetchone()
    assert row is not None, "counting gives one row"
    return dict(zip(wanted, row, strict=True))


NEVER_TOLD = {
    "trades.held_corrections",
    "positions.terms",
    "positions.actions",
    "positions.applied",
    "cash.receivables",
    "performance.acts",
    "performance.actions",
    "performance.entries",
    "performance.assigned",
    "performance.benchmarks",
    "performance.contests",
    "performance.contestants",
    "performance.strikes",
    "performance.ranks",
    "performance.figures",
    "controls.limits",
    "controls.trading_states",
    "controls.overrides",
    "controls.breaches",
    "controls.usage",
    "outcomes.unfinished",
    "outcomes.waiting",
    "alerts.rules",
    "alerts.alerts",
    "alerts.occurrences",
}
"""Tables of what waits, of corporate actions and transfers, of benchmarks, struck figures, alerts
and controls, of which these executions know nothing: their own laws are in `tests/projections`."""


class TestTheTables:
    """What is known now is what would be known had everything been told in book order."""

    @pytest.mark.parametrize("basis", CostBasis)
    @pytest.mark.parametrize("table", TABLES)
    def test_show_what_book_order_shows(self, logs: Logs, table: str, basis: CostBasis) -> None:
        """Row by row, each column but those that say how it was told."""
        shown, expected = (current(log, table, tenant_of(basis)) for log in logs)

        for one, other in zip(shown, expected, strict=False):
            assert one == other
        assert len(shown) == len(expected)

    @pytest.mark.parametrize("basis", CostBasis)
    def test_explain_the_nav_as_book_order_does(self, logs: Logs, basis: CostBasis) -> None:
        """The bridge from nothing to the last NAV, part by part, which adds up."""
        shown, expected = (
            bridge_of(Readable(log), tenant=tenant_of(basis), portfolio=FUND).row for log in logs
        )

        assert shown is not None
        assert shown == expected
        assert shown.bridge is not None
        assert shown.bridge.unexplained == 0
        assert shown.bridge.realised_price != 0

    @pytest.mark.parametrize("table", TABLES)
    def test_are_not_compared_empty(self, logs: Logs, table: str) -> None:
        """But those of what waits, or was never told."""
        rows = current(logs.disorder, table, tenant_of(CostBasis.SPECIFIC))

        assert bool(rows) == (table not in NEVER_TOLD)


class TestTheDisorder:
    """The two logs differ in nothing but how they were told: they do differ in that."""

    @pytest.mark.parametrize("basis", CostBasis)
    def test_is_great(self, logs: Logs, basis: CostBasis) -> None:
        """Most fills are late, some hundreds corrected, most days restated."""
        trades = counts(logs.disorder, "trades.trades", COUNTED_TRADES, basis)
        days = counts(logs.disorder, "performance.days", COUNTED_DAYS, basis)

        part = TOLD[basis] / EXECUTIONS
        assert trades["told"] > 2 * TOLD[basis]
        assert trades["late"] > trades["told"] / 2
        assert min(trades["amended"], trades["busted"]) > 350 * part
        assert days["restated"] > days["told"] * 0.8 * part
        assert days["moved"] > days["told"] / 4 * part

    @pytest.mark.parametrize("basis", CostBasis)
    def test_is_none_in_book_order(self, logs: Logs, basis: CostBasis) -> None:
        """Nothing late, corrected or restated: each day is what it was struck at."""
        trades = counts(logs.order, "trades.trades", COUNTED_TRADES, basis)
        days = counts(logs.order, "performance.days", COUNTED_DAYS, basis)

        assert (trades["late"], trades["amended"], trades["busted"]) == (0, 0, 0)
        assert (days["restated"], days["moved"]) == (0, 0)

    @pytest.mark.parametrize("basis", CostBasis)
    def test_ends_with_everything_settled(self, logs: Logs, basis: CostBasis) -> None:
        """So that the ladders of both can be compared value date by value date."""
        for log in logs:
            ladder = counts(log, "cash.ladder", {"open": "pending_in <> 0 OR pending_out <> 0"},
                            basis)  # fmt: skip
            assert ladder["open"] == 0
