"""Asking `performance`: days with cumulative returns, summaries and changes."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from projections.asking import Readable
from projections.checkpoint import Checkpoint, create_checkpoint
from projections.paging import CursorInvalid
from projections.performance.queries import (
    changed_performance,
    daily_performance,
    performance_summary,
)
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    GLOBEX,
    Folded,
    Told,
    at,
    closed,
    day,
    decoded,
    flow,
    marked,
    opened,
    trade,
    unbooked,
)

Connection = psycopg.Connection[Any]

STORY = (
    opened(),
    opened(tenant=GLOBEX),
    flow("1", 1, tenant=GLOBEX),
    flow("100", 1),
    trade("AAPL", "10", "10", 1),
    closed(1, {"AAPL": "10"}),
    closed(2, {"AAPL": "11"}),
    flow("1", 3, currency="EUR"),
    closed(3, {"AAPL": "11"}),
    marked(at(4), {"EUR/USD": "10"}),
    closed(4, {"AAPL": "13.2"}, suspect=["AAPL"]),
    flow("-12", 5),
    closed(5, {"AAPL": "13.2"}),
)


def told(connection: Connection, *story: Told) -> Folded:
    """Fold a story and set the checkpoint behind it, as the engine does."""
    tables = Folded(connection)
    tables.take(decoded(story))
    with connection.transaction(), connection.cursor() as cursor:
        # Each story is a log of its own: what was read of another is not remembered for it.
        checkpoint = Checkpoint(len(story), len(story) - 1, at(1), 1, uuid4())
        create_checkpoint(cursor, tables.schema, checkpoint)
    return tables


class TestDays:
    """A portfolio's rows in order."""

    def test_chain_returns_over_the_asked_range(self, connection: Connection) -> None:
        """A gap shows none and is carried by the day behind it; all of one position."""
        told(connection, *STORY)

        page = daily_performance(Readable(connection), tenant=ACME, portfolio=BOOK)

        found = [(row.current.daily_return, row.cumulative_return) for row in page.rows]
        assert found == [
            (Decimal(0), Decimal(0)),
            (Decimal("0.1"), Decimal("0.1")),
            (None, None),
            (Decimal("0.183333333333333333"), Decimal("0.301666666666666666")),
            (Decimal(0), Decimal("0.301666666666666666")),
        ]
        assert (page.position, page.market_position, page.next_cursor) == (13, 12, None)

    def test_start_the_chain_where_the_range_starts(self, connection: Connection) -> None:
        """Both ends of a range are inside it."""
        told(connection, *STORY)

        page = daily_performance(
            Readable(connection), tenant=ACME, portfolio=BOOK, since=day(2), until=day(4)
        )

        assert [row.session for row in page.rows] == [day(2), day(3), day(4)]
        assert page.rows[0].cumulative_return == Decimal("0.1")

    def test_come_in_pages_that_chain_on(self, connection: Connection) -> None:
        """Cut anywhere, the pages together are the whole answer."""
        told(connection, *STORY)
        whole = daily_performance(Readable(connection), tenant=ACME, portfolio=BOOK).rows

        rows, cursor = [], None
        for _ in range(3):
            page = daily_performance(
                Readable(connection), tenant=ACME, portfolio=BOOK, cursor=cursor, limit=2
            )
            rows += page.rows
            cursor = page.next_cursor

        assert rows == whole
        assert cursor is None

    def test_refuse_a_cursor_of_another_question(self, connection: Connection) -> None:
        """A cursor is bound to tenant, portfolio and range."""
        told(connection, *STORY)
        page = daily_performance(Readable(connection), tenant=ACME, portfolio=BOOK, limit=1)

        with pytest.raises(CursorInvalid):
            daily_performance(
                Readable(connection),
                tenant=GLOBEX,
                portfolio=BOOK,
                cursor=page.next_cursor,
                limit=1,
            )

    def test_show_struck_beside_current(self, connection: Connection) -> None:
        """What was never struck has none; what was keeps it."""
        told(connection, opened(), closed(1), flow("1", 1), closed(2), flow("1", 1))

        rows = daily_performance(Readable(connection), tenant=ACME, portfolio=BOOK).rows

        assert rows[0].struck is None
        assert rows[1].struck is not None
        assert (rows[1].struck.nav, rows[1].current.nav) == (Decimal(1), Decimal(2))
        assert (rows[1].restated_position, rows[1].restated_reason) == (5, "late_flow")

    def test_are_of_one_tenant_only(self, connection: Connection) -> None:
        """The same portfolio name of two tenants, and of one that has none."""
        told(connection, *STORY)

        theirs = daily_performance(Readable(connection), tenant=GLOBEX, portfolio=BOOK)
        nobodys = daily_performance(Readable(connection), tenant="initech", portfolio=BOOK)

        assert {row.current.nav for row in theirs.rows} == {Decimal(1)}
        assert nobodys.rows == []
        assert nobodys.position == 13


class TestASummary:
    """A portfolio over a range in one row."""

    def test_adds_up(self, connection: Connection) -> None:
        """NAV end - NAV start - flows is the result."""
        told(connection, *STORY)

        answer = performance_summary(
            Readable(connection), tenant=ACME, portfolio=BOOK, since=day(2)
        )

        row = answer.row
        assert row is not None
        assert (row.first_session, row.last_session, row.sessions) == (day(2), day(5), 4)
        assert (row.nav_start, row.nav_end, row.flows) == (Decimal(100), Decimal(130), None)
        assert (row.incomplete_sessions, row.undefined_sessions) == (1, 0)
        assert row.cumulative_return == Decimal("0.301666666666666666")

    def test_has_a_result_where_every_flow_has_a_value(self, connection: Connection) -> None:
        """Over the last session: 130 - 142 + 12."""
        told(connection, *STORY)

        row = performance_summary(
            Readable(connection), tenant=ACME, portfolio=BOOK, since=day(5), until=day(9)
        ).row

        assert row is not None
        assert (row.nav_start, row.nav_end, row.flows, row.result) == (
            Decimal(142),
            Decimal(130),
            Decimal(-12),
            Decimal(0),
        )

    def test_begins_with_the_first_fact_that_holds(self, connection: Connection) -> None:
        """Days struck while a busted trade was all there was are shown, and not summed up."""
        bought = trade("AAPL", "1", "10", 1)
        told(
            connection, opened(), bought, closed(1, {"AAPL": "11"}), flow("5", 2), closed(2),
            unbooked(bought),
        )  # fmt: skip

        row = performance_summary(Readable(connection), tenant=ACME, portfolio=BOOK).row
        first, _ = daily_performance(Readable(connection), tenant=ACME, portfolio=BOOK).rows

        assert row is not None
        assert (row.first_session, row.sessions, row.result) == (day(2), 1, Decimal(0))
        assert first.struck is not None
        assert (first.struck.nav, first.current.nav) == (Decimal(1), Decimal(0))
        assert first.restated_reason == "busted_trade"

    def test_of_no_sessions_says_so(self, connection: Connection) -> None:
        """A known portfolio without a day, and a portfolio that is not there."""
        told(connection, opened())

        known = performance_summary(Readable(connection), tenant=ACME, portfolio=BOOK).row
        unknown = performance_summary(Readable(connection), tenant=GLOBEX, portfolio=BOOK).row

        assert known is not None
        assert (known.sessions, known.nav_end, known.cumulative_return) == (0, None, None)
        assert unknown is None


class TestChanges:
    """What changed behind a log position."""

    def test_are_listed_once_with_their_last_change(self, connection: Connection) -> None:
        """A late flow changes every day behind it, of its tenant."""
        told(connection, *STORY, flow("1", 4))

        page = changed_performance(Readable(connection), tenant=ACME, after=11)

        assert [(row.session, row.changed_position) for row in page.rows] == [
            (day(4), 14),
            (day(5), 14),
        ]
        assert changed_performance(Readable(connection), tenant=GLOBEX, after=13).rows == []
