"""What is held and what it is worth: at a session's end as its day says, and now."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
from hypothesis import given, settings

from domain.calendars import local_date
from projections.asking import Readable
from projections.performance.exposed import Exposed, Lack, exposed_of
from projections.performance.history import of_portfolio
from tests.projections.performance.acting import (
    applied,
    declared,
    dividend,
    registered,
    split,
    taken_back,
)
from tests.projections.performance.followed import Market
from tests.projections.performance.stories import BOOKS, stories
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    Told,
    at,
    closed,
    day,
    flow,
    marked,
    opened,
    trade,
)

Connection = psycopg.Connection[Any]

SEVEN = split(7, 1, 3)
STORY = (
    opened(), flow("10000", 1), trade("AAPL", "10", "100", 1), closed(1, {"AAPL": "101"}),
    closed(2, {"AAPL": "105"}),
)  # fmt: skip


def exposed(
    connection: Connection, until: date | None = None, owner: tuple[str, str] = (ACME, BOOK)
) -> Exposed:
    """Ask in a snapshot."""
    readable = Readable(connection)
    found, _ = of_portfolio(
        readable,
        tenant=owner[0],
        portfolio=owner[1],
        answer=lambda history: exposed_of(history, until)[0],
    )
    assert found is not None
    return found


def now(connection: Connection, *told: Told) -> Exposed:
    """Tell a story and ask what is held now."""
    Market(connection).tell(*told)
    return exposed(connection)


class TestNow:
    """Everything booked, at the last marks."""

    def test_counts_trades_and_cash_since_the_last_close(self, connection: Connection) -> None:
        """10 at 105 are held, 5 more were bought at 110, 300 were paid in; then a mark of 120."""
        market = Market(connection)
        market.tell(*STORY, trade("AAPL", "5", "110", 3), flow("300", moment=at(3, 15)))
        before = exposed(connection)
        market.tell(marked(at(3, 16), {"AAPL": "120"}))
        after = exposed(connection)

        assert [each.quantity for each in before.positions] == [15]
        assert before.nav == 10_000 - 1_000 - 550 + 300 + 15 * 105
        assert after.nav == 10_000 - 1_000 - 550 + 300 + 15 * 120
        assert after.at == at(3, 16)

    def test_counts_a_split_that_no_price_has_followed_yet(self, connection: Connection) -> None:
        """Convention 7: 10 at 645 are 70 on the ex-date, worth 6,450 at the price of before."""
        found = now(
            connection, registered("AAPL"), opened(), flow("10000", 1),
            trade("AAPL", "10", "645", 1), closed(1, {"AAPL": "645"}), closed(2, {"AAPL": "645"}),
            declared(SEVEN), applied(SEVEN, quantity="60"),
        )  # fmt: skip

        assert found.nav == 10_000
        assert [each.quantity for each in found.positions] == [70]
        assert [each.value for each in found.positions] == [6_450]

    def test_dates_a_price_where_its_instrument_is_traded(self, connection: Connection) -> None:
        """In Sydney the ex-date has begun while it is the day before in UTC."""
        in_sydney = datetime(2024, 3, 3, 23, 30, tzinfo=UTC)
        ex_date = split(7, 1, 4, instrument="BHP")
        story = (
            registered("BHP", "XASX"), opened(), flow("10000", 1), trade("BHP", "10", "700", 1),
            closed(1, {"BHP": "700"}), closed(2, {"BHP": "700"}), declared(ex_date),
        )  # fmt: skip
        assert local_date("XASX", in_sydney) == ex_date.ex_date
        mark = marked(in_sydney, {"BHP": "100"})
        assert now(connection, *story, applied(ex_date, quantity="60"), mark).nav == 10_000
        assert now(connection, *story, mark).lack is Lack.BEING_RESTATED

    def test_takes_the_own_last_price_without_a_mark(self, connection: Connection) -> None:
        """Of two executions the later."""
        found = now(connection, *STORY, trade("TSLA", "1", "50", 3), trade("TSLA", "1", "60", 4))

        assert found.positions[1].value == 120
        assert found.nav == 10_000 - 1_000 - 110 + 1_050 + 120

    def test_converts_cash_and_positions(self, connection: Connection) -> None:
        """One euro is 1.2 dollars."""
        found = now(
            connection, *STORY, marked(at(3), {"EUR/USD": "1.2", "SAP": "10"}),
            flow("100", 3, currency="EUR"), trade("SAP", "2", "10", 3, currency="EUR"),
        )  # fmt: skip

        assert {each.currency: each.value for each in found.cash} == {"EUR": 96, "USD": 9_000}
        assert found.positions[1].value == 24
        assert found.nav == 9_000 + 1_050 + 96 + 24

    def test_lacks_what_has_no_rate(self, connection: Connection) -> None:
        """No NAV, and what is missing has a name."""
        found = now(connection, *STORY, flow("100", 3, currency="EUR"))

        assert (found.nav, found.lack, found.unpriced) == (None, "nav_incomplete", ["FX:EUR/USD"])

    def test_of_nothing_is_nothing(self, connection: Connection) -> None:
        """A portfolio that was only opened."""
        found = now(connection, opened())

        assert found.nav == 0
        assert not found.positions
        assert not found.cash
        assert found.lack is None

    def test_has_what_is_due_of_a_dividend(self, connection: Connection) -> None:
        """2 a unit from day 3 on."""
        paid = dividend("2", 3)
        found = now(connection, *STORY, declared(paid), applied(paid, gross="20"))

        assert found.nav == 9_000 + 20 + 1_050

    def test_is_lacking_while_a_split_is_to_be_told_of_the_holder(
        self, connection: Connection
    ) -> None:
        """From its ex-date on until the books hold it, and after it is reversed until they do not.

        Who sold before and bought again has nothing to be told.
        """
        market = Market(connection)
        market.tell(*STORY, declared(SEVEN))
        to_come = exposed(connection)
        market.tell(closed(3, {"AAPL": "15"}))
        between = exposed(connection)
        market.tell(applied(SEVEN, quantity="60"))
        after = exposed(connection)
        market.tell(taken_back(SEVEN))
        reversed_since = exposed(connection)

        assert to_come.nav == 9_000 + 1_050
        assert (between.nav, between.lack) == (None, "being_restated")
        assert after.nav == 9_000 + 1_050
        assert reversed_since.lack == "being_restated"

    def test_who_bought_again_since_is_behind_nothing(self, connection: Connection) -> None:
        """Sold on day 2, the split on day 3, bought on day 4."""
        sold = (trade("AAPL", "-10", "105", 2), trade("AAPL", "1", "15", 4))
        found = now(
            connection, *STORY, sold[0], declared(SEVEN), closed(3, {"AAPL": "15"}), sold[1]
        )

        assert found.nav == 9_000 + 1_050


class TestAtASession:
    """As the day says."""

    def test_there_is_none_before_the_first(self, connection: Connection) -> None:
        """Nothing was valued."""
        Market(connection).tell(*STORY)

        assert exposed(connection, date(2020, 1, 1)).lack == "no_session"

    def test_a_split_since_is_taken_back(self, connection: Connection) -> None:
        """10 at 105 on day 2, 70 at 15 on day 3."""
        Market(connection).tell(
            *STORY, declared(SEVEN), applied(SEVEN, quantity="60"), closed(3, {"AAPL": "15"})
        )

        assert exposed(connection, day(2)).positions[0].quantity == 10
        assert exposed(connection, day(3)).positions[0].quantity == 70
        assert exposed(connection, day(2)).nav == exposed(connection, day(3)).nav == 10_050

    def test_cash_that_moves_as_it_ends_is_of_the_next(self, connection: Connection) -> None:
        """500 at 21:00 of day 1, and 7 at 21:00 of day 2."""
        Market(connection).tell(
            *STORY[:-1], flow("500", moment=at(1, 21)), STORY[-1], flow("7", moment=at(2, 21))
        )

        assert exposed(connection, day(1)).nav == 10_010
        assert exposed(connection, day(2)).nav == 10_050 + 500
        assert exposed(connection).nav == 10_050 + 507

    @given(story=stories())
    @settings(max_examples=60)
    def test_the_nav_is_that_of_the_day(self, connection: Connection, story: list[Told]) -> None:
        """Whatever was told late, taken out, marked or paid: for every row of `days`."""
        Market(connection).tell(*story)
        days = connection.execute(
            "SELECT tenant, portfolio, session, nav, unpriced, stale FROM performance.days"
        ).fetchall()

        for tenant, portfolio, session, nav, unpriced, stale in days:
            found = exposed(connection, session, (tenant, portfolio))
            assert found.unpriced == unpriced
            assert found.stale == stale
            assert found.nav == (None if nav is None else Decimal(nav))
        assert {row[:2] for row in days} <= set(BOOKS)
