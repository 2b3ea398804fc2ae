"""`performance` as the engine runs it, from a real log; and on real executions."""

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.figures import FiguresStruck, StruckFigure
from domain.identity import figures_stream
from eventstore.log import Log
from infra.database import Database
from projections.asking import Readable
from projections.building import connect
from projections.performance.queries import daily_performance, performance_summary
from projections.performance.struck import struck_of
from projections.rebuild import rebuild
from tests.projections.folding import difference, fold_by_hand
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    MODEL,
    Folded,
    Told,
    closed,
    day,
    decoded,
    flow,
    opened,
    trade,
)
from tests.projections.running import described, running, wait_until
from tests.projections.story import DAY_ONE, Story, closing, opening

Connection = psycopg.Connection[Any]
OPENING_CASH = Decimal(100_000)


@pytest.fixture
def own_connection(log_database: Database) -> Iterator[Connection]:
    """A connection to the database of this test's log, as the engine opens it."""
    with connect(log_database.app_conninfo, application_name="test") as made:
        yield made


def tell(story: Story, number: int) -> None:
    """One day of trading with something late in it."""
    today = DAY_ONE + timedelta(days=number)
    story.trade("growth", "AAPL", "10", str(100 + number), day=today, executed_at=opening(today))
    story.mark(opening(today), AAPL=str(101 + number))
    story.close(today, AAPL=str(102 + number), MSFT="50")
    story.trade("growth", "MSFT", "-1", "49", day=today - timedelta(days=1))
    story.mark(closing(today - timedelta(days=1)), MSFT="51")
    story.correct(today, "AAPL", str(103 + number))
    nav = StruckFigure(
        name="nav", value=Decimal(number), method="any", calculation="any",
        position=number, market_position=number,
    )  # fmt: skip
    struck = FiguresStruck("growth", today, number, "USD", (nav,))
    story.tell((ACME, figures_stream(ACME, "growth"), struck))


class TestTheEngine:
    """Live, rebuilt and folded by hand are one."""

    def test_keeps_the_tables_that_a_rebuild_makes(
        self, log: Log, log_database: Database, own_connection: Connection, story: Story
    ) -> None:
        """Followed live in small batches, rebuilt beside it, and followed on behind the swap."""
        story.register("AAPL", "MSFT")
        story.open("growth")
        story.deposit("growth", "10000")
        story.append_to(log)
        with running(log, log_database, [MODEL], batch_events_max=3) as projector:
            for number in range(4):
                tell(story, number)
                head = story.append_to(log)
            wait_until(lambda: described(projector, MODEL.name)["position"] == head, "live")
            rebuilt = rebuild(MODEL, log, log_database.app_conninfo)
            tell(story, 4)
            head = story.append_to(log)
            wait_until(lambda: described(projector, MODEL.name)["position"] == head, "again")

        fold_by_hand(own_connection, MODEL, "performance_check", [log.read(0, 10_000)])

        assert rebuilt.position < head
        assert (
            difference(own_connection, MODEL, live=MODEL.name, rebuilt="performance_check") is None
        )
        page = daily_performance(Readable(own_connection), tenant=ACME, portfolio="growth")
        assert (len(page.rows), page.position) == (5, head)
        struck = struck_of(Readable(own_connection), tenant=ACME, portfolio="growth").rows
        assert [each.nav for each in struck] == [0, 1, 2, 3, 4]


class TestRealExecutions:
    """9,367 executions of seven instruments, each day closed at its last execution price."""

    @pytest.fixture
    def executions(self, shared_data: Path) -> list[tuple[date, str, Decimal, Decimal]]:
        """Date, symbol, signed quantity and price of each."""
        with gzip.open(shared_data / "pyfolio_txn.csv.gz", "rt") as file:
            return [
                (date.fromisoformat(row[""][:10]), row["symbol"],
                 Decimal(row["amount"]), Decimal(row["price"]))
                for row in csv.DictReader(file)
            ]  # fmt: skip

    def test_are_worth_what_plain_arithmetic_says(
        self, connection: Connection, executions: list[tuple[date, str, Decimal, Decimal]]
    ) -> None:
        """On time day by day, and all of them late: the same rows, the same last NAV."""
        prices: dict[date, dict[str, str | Decimal]] = defaultdict(dict)
        trades: dict[date, list[Told]] = defaultdict(list)
        cash, held = OPENING_CASH, defaultdict[str, Decimal](Decimal)
        for index, (on, symbol, quantity, price) in enumerate(executions):
            prices[on][symbol] = price
            number = (on - day(1)).days + 1
            trades[on].append(trade(symbol, quantity, price, number, name=f"{index:05}"))
            cash -= quantity * price
            held[symbol] += quantity
        last = {
            symbol: Decimal(price) for on in sorted(prices) for symbol, price in prices[on].items()
        }
        first = (min(prices) - day(1)).days + 1
        begin = [opened(), flow(OPENING_CASH, first)]
        sessions = {on: closed((on - day(1)).days + 1, prices[on]) for on in sorted(prices)}
        in_order = [each for on in sorted(prices) for each in (*trades[on], sessions[on])]
        all_late = [*sessions.values(), *(each for on in sorted(trades) for each in trades[on])]

        on_time, late = Folded(connection), Folded(connection, "performance_late")
        for tables, told in ((on_time, begin + in_order), (late, begin + all_late)):
            events = decoded(told)
            for start in range(0, len(events), 1_000):
                tables.take(events[start : start + 1_000])

        columns = "session, nav, nav_status, daily_return, return_reason, stale, is_emptied"
        rows = on_time.days(columns)
        assert len(executions) == 9_367
        assert rows[-1][1] == cash + sum(held[symbol] * last[symbol] for symbol in held)
        assert rows == late.days(columns)
        assert {row[2] for row in rows} == {"complete"}
        assert on_time.days("struck_nav") == on_time.days("nav")


def test_summary_of_an_unknown_portfolio_is_none(log: Log, log_database: Database) -> None:
    """The engine's own tables and checkpoint answer too."""
    with running(log, log_database, [MODEL]) as projector:
        wait_until(lambda: described(projector, MODEL.name)["state"] == "live", "live")
    with connect(log_database.app_conninfo, application_name="test") as connection:
        answer = performance_summary(Readable(connection), tenant=ACME, portfolio=BOOK)

    assert (answer.row, answer.position) == (None, 0)
