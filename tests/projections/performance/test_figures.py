"""Struck figures: what is due once a session has closed, and what the log tells of it."""

from decimal import Decimal
from typing import Any

import psycopg

from domain.figures import FiguresStruck
from domain.statistics.backtest import kupiec
from projections.asking import Readable
from projections.performance.figures import (
    HYPOTHETICAL,
    NAV,
    VALUES_AT_RISK,
    DueFigures,
    figures_due,
)
from projections.performance.risk import Asked, risk_of
from projections.performance.struck import (
    StruckSession,
    backtest_of,
    explained_session,
    struck_of,
)
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    FRANKFURT,
    GLOBEX,
    Told,
    closed,
    corrected,
    day,
    flow,
    opened,
    trade,
)

Connection = psycopg.Connection[Any]
PRICES = [20 + (7 * number % 11) / 4 for number in range(1, 80)]


def due(connection: Connection, behind: int = 0, limit: int = 1_000) -> list[DueFigures]:
    """What is due behind a position."""
    return figures_due(Readable(connection), behind=behind, limit=limit).due


def named(found: list[DueFigures]) -> list[tuple[str, str, int]]:
    """Whose figures, and of which day; the number of the closing's event with it."""
    return [(each.tenant, each.struck.portfolio, each.struck.closed_at) for each in found]


def values(struck: FiguresStruck) -> dict[str, Decimal | str | None]:
    """Each figure's value, or the reason why there is none."""
    return {each.name: each.reason if each.value is None else each.value for each in struck.figures}


def told(found: list[DueFigures]) -> list[Told]:
    """The same as events."""
    return [(each.tenant, each.struck) for each in found]


def struck(connection: Connection) -> list[StruckSession]:
    """What was told of the one portfolio."""
    return struck_of(Readable(connection), tenant=ACME, portfolio=BOOK).rows


class TestFiguresDue:
    """A day that was struck is due until the log tells its figures."""

    def test_are_due_once_for_each_portfolio_that_has_begun(self, connection: Connection) -> None:
        """Of the calendar that closed; told ones are due no longer, at whatever limit."""
        market = Market(connection)
        market.tell(
            opened(), opened("late"), opened(tenant=GLOBEX), opened("other", calendar=FRANKFURT),
            flow("100", 1), flow("7", 1, tenant=GLOBEX), flow("1", 1, portfolio="other"),
            closed(1), flow("5", 2, portfolio="late"), closed(2),
        )  # fmt: skip
        first = due(connection)
        assert named(first) == [
            (ACME, BOOK, 8), (GLOBEX, BOOK, 8), (ACME, BOOK, 10), (ACME, "late", 10),
            (GLOBEX, BOOK, 10),
        ]  # fmt: skip
        assert named(due(connection, limit=2)) == named(first)[:2]
        assert named(due(connection, behind=8)) == named(first)[2:]
        market.tell(*told(first[:3]))
        assert named(due(connection)) == named(first)[3:]
        market.tell(*told(first[3:]))
        assert due(connection) == []

    def test_are_due_of_the_others_where_one_fails(self, connection: Connection) -> None:
        """A row that no code of ours would write: that portfolio is named, and can be passed."""
        market = Market(connection)
        market.tell(
            opened(), opened("torn"), flow("100", 1), flow("9", 1, portfolio="torn"), closed(1)
        )
        torn = """{"cash": {}, "quantities": {"AAPL": "1"}, "instruments": {}, "currencies": []}"""
        connection.execute(
            "UPDATE performance.portfolios SET held = %s WHERE portfolio = 'torn'", (torn,)
        )
        found = figures_due(Readable(connection), behind=0, limit=10)
        assert named(found.due) == [(ACME, BOOK, 5)]
        assert [each[:3] for each in found.failed] == [(ACME, "torn", day(1))]
        assert "AAPL" in found.failed[0].error

        passed = {(ACME, "torn")}
        again = figures_due(Readable(connection), behind=0, limit=1, passed=passed)
        assert (named(again.due), again.failed) == ([(ACME, BOOK, 5)], [])

    def test_are_the_nav_as_struck_whatever_is_corrected_meanwhile(
        self, connection: Connection
    ) -> None:
        """The close is corrected before anybody looks: the NAV is that of the closing."""
        market = Market(connection)
        market.tell(
            opened(), flow("1000", 1), trade("AAPL", "10", "20", 1), closed(1, {"AAPL": "21"}),
            corrected(1, "AAPL", "25"),
        )  # fmt: skip
        (found,) = due(connection)
        nav = found.struck.figures[0]
        assert (nav.name, nav.value, nav.reason) == (NAV, Decimal(1010), None)
        assert (nav.position, nav.market_position) == (4, 4)
        assert found.struck.session == day(1)

    def test_have_a_reason_where_there_is_no_value(self, connection: Connection) -> None:
        """Cash of a currency without a rate: no NAV, and no risk."""
        market = Market(connection)
        market.tell(opened(), flow("1000", 1, currency="EUR"), closed(1))
        (found,) = due(connection)
        assert values(found.struck) == {
            NAV: "nav_incomplete",
            **{each.name: "nav_incomplete" for each in VALUES_AT_RISK},
            HYPOTHETICAL: "no_session",
        }

    def test_are_the_risk_that_is_answered_for_the_session(self, connection: Connection) -> None:
        """VaR by the figures that `risk` gives, at the position it gives."""
        market = Market(connection)
        market.tell(opened(), flow("1000", 1), trade("AAPL", "10", "20", 1))
        market.tell(*[closed(n, {"AAPL": f"{p}"}) for n, p in enumerate(PRICES, start=1)])
        found = due(connection)[-1].struck
        answer = risk_of(
            Readable(connection), tenant=ACME, portfolio=BOOK, asked=Asked(until=found.session)
        )
        assert answer.row is not None
        for figure in found.figures[1:3]:
            expected = answer.row.figures[figure.name].value
            assert expected is not None
            assert figure.value is not None
            assert expected > 0
            assert abs(float(figure.value) - expected) <= 1e-12 * expected + 1e-12
            assert (figure.position, figure.market_position) == (82, 82)
            assert figure.method == answer.row.figures[figure.name].method


class TestWhatWasStruck:
    """What was told stands; what is known now stands beside it."""

    def test_and_restatements_are_what_is_known_now(self, connection: Connection) -> None:
        """A close corrected after the strike: told + difference = now, and the row says why."""
        market = Market(connection)
        market.tell(
            opened(), flow("1000", 1), trade("AAPL", "10", "20", 1), closed(1, {"AAPL": "21"})
        )
        market.tell(*told(due(connection)))
        (before,) = struck(connection)
        assert [before.nav, before.difference, before.restated_position] == [1010, 0, None]
        market.tell(corrected(1, "AAPL", "25"))
        (after,) = struck(connection)
        assert [after.nav, after.nav_now, after.difference] == [1010, 1050, 40]
        assert after.figures == before.figures
        assert (after.restated_position, after.restated_reason) == (6, "corrected_close")

        found = explained_session(
            Readable(connection), tenant=ACME, portfolio=BOOK, session=day(1)
        ).row
        assert found is not None
        nav = found.figures[0]
        assert [nav.struck.value, nav.again, nav.now, nav.difference] == [1010, 1010, 1050, 40]

    def test_is_one_tenants_and_of_a_range(self, connection: Connection) -> None:
        """Another tenant's portfolio of the name shows nothing; pages go on."""
        market = Market(connection)
        market.tell(opened(), opened(tenant=GLOBEX), flow("9", 1), *[closed(n) for n in (1, 2, 3)])
        market.tell(*told(due(connection)))
        readable = Readable(connection)
        assert struck_of(readable, tenant=GLOBEX, portfolio=BOOK).rows == []
        page = struck_of(readable, tenant=ACME, portfolio=BOOK, since=day(2), limit=1)
        assert [each.session for each in page.rows] == [day(2)]
        rest = struck_of(
            readable, tenant=ACME, portfolio=BOOK, since=day(2), cursor=page.next_cursor, limit=1
        )
        assert [each.session for each in rest.rows] == [day(3)]
        assert (
            explained_session(readable, tenant=GLOBEX, portfolio=BOOK, session=day(1)).row is None
        )


class TestBacktest:
    """Hypothetical P&L against the VaR told the session before."""

    def test_lists_what_lost_more(self, connection: Connection) -> None:
        """Holdings x change of price; a fall far beyond all before is the one exception."""
        market = Market(connection)
        market.tell(opened(), flow("1000", 1), trade("AAPL", "10", "20", 1))
        for number, price in enumerate([*PRICES, 12.0, 12.0], start=1):
            market.tell(closed(number, {"AAPL": f"{price}"}))
            market.tell(*told(due(connection)))
        answer = backtest_of(Readable(connection), tenant=ACME, portfolio=BOOK, level=0.99)
        found = answer.row
        assert found is not None
        (worst,) = found.exceptions
        assert worst.session == day(len(PRICES) + 1)
        assert worst.pnl == 10 * (Decimal(12) - Decimal(str(PRICES[-1])))
        assert -worst.pnl > worst.value_at_risk > 0
        assert found.days + found.left_out == len(PRICES) + 2
        assert found.days == len(PRICES) + 1 - 60
        assert found.test == kupiec(found.days, 1, 0.99)

    def test_leaves_out_the_day_s_own_trades(self, connection: Connection) -> None:
        """Bought and doubled on the second day: the holdings of its start had gained 10."""
        market = Market(connection)
        market.tell(
            opened(), flow("1000", 1), trade("AAPL", "10", "20", 1), closed(1, {"AAPL": "20"}),
            trade("AAPL", "50", "5", 2), closed(2, {"AAPL": "21"}),
        )  # fmt: skip
        last = due(connection)[-1].struck
        assert values(last)[HYPOTHETICAL] == Decimal(10)
        assert values(due(connection)[0].struck)[HYPOTHETICAL] == "no_session"

    def test_has_no_test_of_no_days(self, connection: Connection) -> None:
        """Nothing was told yet."""
        Market(connection).tell(opened(), flow("1", 1), closed(1))
        found = backtest_of(Readable(connection), tenant=ACME, portfolio=BOOK, level=0.95).row
        assert found is not None
        assert (found.days, found.exceptions, found.test) == (0, [], None)
