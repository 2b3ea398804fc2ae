"""Restating closed sessions: late facts, late marks and corrected closes (convention 6)."""

from decimal import Decimal
from typing import Any

import psycopg
import pytest

from domain.market import Finding, FollowingClose
from tests.projections.performance.telling import (
    FRANKFURT,
    Folded,
    at,
    closed,
    corrected,
    day,
    decoded,
    flow,
    folded,
    marked,
    opened,
    trade,
)

Connection = psycopg.Connection[Any]

RESTATED = "session, nav, struck_nav, restated_position, restated_reason"


class TestALateTrade:
    """A trade whose session is struck already."""

    def test_earns_from_its_own_day_on(self, connection: Connection) -> None:
        """Convention 6: 1,000 @ 10 on day 3, captured on day 10: +1,000 and +1,000, not +2,000."""
        closes = dict.fromkeys(range(3, 10), "11") | {10: "12"}
        tables = folded(
            connection,
            opened(),
            flow("20000", 1),
            *(closed(number, {"AAPL": closes.get(number, "10")}) for number in range(1, 10)),
            trade("AAPL", "1000", "10", 3),
            closed(10, {"AAPL": closes[10]}),
        )

        navs = dict(tables.days("session, nav"))
        assert navs[day(3)] - navs[day(2)] == 1000
        assert navs[day(10)] - navs[day(3)] == 1000
        assert tables.days(RESTATED)[1:4] == [
            (day(2), Decimal(20000), Decimal(20000), None, None),
            (day(3), Decimal(21000), Decimal(20000), 12, "late_trade"),
            (day(4), Decimal(21000), Decimal(20000), 12, "late_trade"),
        ]
        assert tables.days(RESTATED)[9] == (day(10), Decimal(22000), Decimal(22000), None, None)

    def test_makes_rows_that_were_never_struck(self, connection: Connection) -> None:
        """A portfolio whose first fact comes late has days without a struck valuation."""
        tables = folded(
            connection,
            opened(),
            closed(1),
            closed(2),
            flow("5", 1),
            flow("5", 2),
            closed(3),
        )

        assert tables.days(RESTATED) == [
            (day(1), Decimal(5), None, 4, "late_flow"),
            (day(2), Decimal(10), None, 5, "late_flow"),
            (day(3), Decimal(10), Decimal(10), None, None),
        ]

    def test_names_the_latest_cause_that_reaches_a_row(self, connection: Connection) -> None:
        """An earlier day is restated by its own late fact, a later one by the last that counts."""
        tables = folded(
            connection,
            opened(),
            flow("10", 1),
            closed(1),
            closed(2),
            flow("1", 1),
            flow("1", 2),
            flow("1", 1),
            flow("1", 2),
        )

        assert tables.days("restated_position, nav") == [(7, Decimal(12)), (8, Decimal(14))]

    def test_keeps_the_last_executed_price_in_book_order(self, connection: Connection) -> None:
        """Unmarked: a fill that arrives late but was made earlier does not set the price."""
        tables = folded(
            connection,
            opened(),
            trade("AAPL", "1", "12", 2, moment=at(2, 16)),
            closed(2),
            closed(3),
            trade("AAPL", "1", "11", 2, moment=at(2, 15)),
        )

        assert tables.days("nav, priced_by_trade") == [(Decimal(1), ["AAPL"])] * 2

    def test_values_before_a_flow_by_the_last_price_in_book_order(
        self, connection: Connection
    ) -> None:
        """Within a day too, whatever the order of arrival."""
        story = (
            opened(),
            flow("100", 1),
            closed(1),
            flow("100", moment=at(2, 18)),
            flow("-1", 2),
        )
        fills = (
            trade("AAPL", "1", "20", 2, moment=at(2, 16), name="b"),
            trade("AAPL", "1", "10", 2, moment=at(2, 15), name="a"),
        )

        one = folded(connection, *story, *fills, closed(2)).days("daily_return")
        other = folded(connection, *story, *reversed(fills), closed(2)).days("daily_return")

        assert one == other


class TestALateMark:
    """A mark with business time within a closed session."""

    def test_restates_the_sessions_it_values_and_no_others(self, connection: Connection) -> None:
        """The next mark takes over again: day 2's NAV, and the returns of days 2 and 3."""
        tables = folded(
            connection,
            opened(),
            flow("10", 1),
            trade("AAPL", "1", "10", 1),
            closed(1, {"AAPL": "10"}),
            closed(2),
            closed(3, {"AAPL": "12"}),
            closed(4, {"AAPL": "12"}),
            marked(at(2, 20), {"AAPL": "11"}),
        )

        assert tables.days(f"{RESTATED}, stale") == [
            (day(1), Decimal(10), Decimal(10), None, None, []),
            (day(2), Decimal(11), Decimal(10), 8, "late_mark", []),
            (day(3), Decimal(12), Decimal(12), 8, "late_mark", []),
            (day(4), Decimal(12), Decimal(12), None, None, []),
        ]

    def test_superseded_before_the_close_restates_nothing(self, connection: Connection) -> None:
        """A tick from before the close that comes after it changes no valuation."""
        tables = folded(
            connection,
            opened(),
            trade("AAPL", "1", "10", 1),
            closed(1, {"AAPL": "10"}),
            marked(at(1, 20), {"AAPL": "99"}),
        )

        assert tables.days(RESTATED) == [(day(1), Decimal(0), Decimal(0), None, None)]

    def test_in_force_when_cash_flowed_restates_the_return(self, connection: Connection) -> None:
        """NAV stays; the sub-periods around the flow do not, though a later mark took over."""
        tables = folded(
            connection,
            opened(),
            flow("100", 1),
            trade("AAPL", "10", "10", 1),
            closed(1, {"AAPL": "10"}),
            flow("100", moment=at(2, 12)),
            closed(2, {"AAPL": "10"}),
            marked(at(2, 11), {"AAPL": "20"}),
        )

        assert tables.days("nav, struck_return, restated_position, daily_return")[1] == (
            Decimal(200),
            Decimal(0),
            7,
            Decimal("0.333333333333333333"),
        )

    def test_in_force_only_until_the_flow_is_looked_at_too(self, connection: Connection) -> None:
        """Taken over before the close, but not before the flow; the pair: before the flow."""
        story = (
            opened(),
            flow("100", 1),
            trade("AAPL", "10", "10", 1),
            closed(1, {"AAPL": "10"}),
            flow("100", moment=at(2, 12)),
            marked(at(2, 11, 30), {"AAPL": "10"}),
            marked(at(2, 13), {"AAPL": "10"}),
            closed(2),
        )

        before = folded(connection, *story, marked(at(2, 11, 45), {"AAPL": "20"}))
        found = before.days("restated_position, daily_return")[1]
        superseded = folded(connection, *story, marked(at(2, 11), {"AAPL": "20"}))
        same = superseded.days("restated_position, daily_return")[1]

        assert found == (9, Decimal("0.333333333333333333"))
        assert same == (None, Decimal(0))

    def test_of_another_market_restates_too(self, connection: Connection) -> None:
        """Frankfurt closes with New York, but is told of later."""
        tables = folded(
            connection,
            opened(),
            trade("SAP", "1", "10", 1),
            closed(1),
            closed(1, {"SAP": "11"}, calendar=FRANKFURT),
        )

        assert tables.days(RESTATED) == [(day(1), Decimal(1), Decimal(0), 4, "late_mark")]

    def test_of_a_rate_restates_who_holds_the_currency(self, connection: Connection) -> None:
        """Direct or inverse, a late rate completes the NAV, and the day behind it."""
        tables = folded(
            connection,
            opened(),
            flow("1", 1, currency="EUR"),
            closed(1),
            closed(2),
            marked(at(1, 20), {"USD/EUR": "0.5"}),
        )

        assert tables.days(f"{RESTATED}, daily_return") == [
            (day(1), Decimal(2), None, 5, "late_mark", Decimal(0)),
            (day(2), Decimal(2), None, 5, "late_mark", Decimal(0)),
        ]

    def test_walks_on_as_long_as_a_gap_reaches(self, connection: Connection) -> None:
        """A gap of many days carries its flows; a rate before them restates every one."""
        story = [opened(), flow("1", 1, currency="EUR"), flow("1", 1, currency="CHF"), closed(1)]
        story += [closed(number) for number in range(2, 80)]
        story += [marked(at(80), {"EUR/USD": "1", "CHF/USD": "1"}), closed(80)]
        tables = folded(connection, *story, marked(at(1), {"EUR/USD": "4"}))

        days = tables.days("priced, restated_position, return_from, daily_return")
        assert days[0] == (Decimal(4), len(story) + 1, None, None)
        assert days[78] == (Decimal(4), len(story) + 1, None, None)
        assert days[79] == (Decimal(2), len(story) + 1, None, Decimal("-0.6"))


class TestACorrectedClose:
    """A close replaced, added or cancelled."""

    def story(self, connection: Connection) -> Folded:
        """LNT closed at half its price for a day (convention 5)."""
        return folded(
            connection,
            opened(),
            opened("bystander"),
            flow("3535", 1),
            flow("1", 1, portfolio="bystander"),
            trade("LNT", "100", "35.35", 1),
            closed(1, {"LNT": "35.35"}),
            closed(2, {"LNT": "17.87"}, suspect=["LNT"]),
            closed(3, {"LNT": "35.91"}, suspect=["LNT"]),
            closed(4, {"LNT": "36"}),
        )

    def correct(self, tables: Folded, price: str | None) -> None:
        """Correct day 2 at position 10."""
        event = corrected(2, "LNT", price, following=FollowingClose(day(3), ()))
        tables.take([each._replace(position=10) for each in decoded([event])])

    def test_restates_its_day_and_the_return_behind_it(self, connection: Connection) -> None:
        """Day 2 and the return of day 3; days 1 and 4 and the bystander stand."""
        tables = self.story(connection)

        self.correct(tables, "35.6")

        assert tables.days(RESTATED) == [
            (day(1), Decimal(3535), Decimal(3535), None, None),
            (day(2), Decimal(3560), Decimal(1787), 10, "corrected_close"),
            (day(3), Decimal(3591), Decimal(3591), 10, "corrected_close"),
            (day(4), Decimal(3600), Decimal(3600), None, None),
        ]
        assert {row[0] for row in tables.days("restated_position", "bystander")} == {None}

    def test_cancelled_puts_the_previous_mark_in_force(self, connection: Connection) -> None:
        """Without the close, day 2 is valued at day 1's, and says that it is stale."""
        tables = self.story(connection)

        self.correct(tables, None)

        assert tables.days("nav, stale")[1] == (Decimal(3535), ["LNT"])

    def test_clears_the_findings_of_both_days(self, connection: Connection) -> None:
        """The corrected close is no longer suspect, nor the next one, judged anew."""
        tables = self.story(connection)

        self.correct(tables, "35.6")

        rows = tables.rows("marks")
        known = {row["session"]: (row["status"], row["findings"]) for row in rows}
        assert known[day(2).isoformat()] == ("corrected", [])
        assert known[day(3).isoformat()] == ("accepted", [])

    def test_can_be_suspect_itself(self, connection: Connection) -> None:
        """A correction that looks as wrong as what it replaces stays listed."""
        tables = self.story(connection)
        event = corrected(2, "LNT", "18", findings=(Finding.FAR_FROM_PREVIOUS,))

        tables.take([each._replace(position=10) for each in decoded([event])])

        rows = {row["session"]: row["status"] for row in tables.rows("marks")}
        assert rows[day(2).isoformat()] == "suspect"

    def test_added_where_there_was_none(self, connection: Connection) -> None:
        """A session without a close of the instrument gets one."""
        tables = self.story(connection)
        event = corrected(4, "SAP", "7")

        tables.take([each._replace(position=10) for each in decoded([event])])

        assert [row["price"] for row in tables.rows("marks") if row["name"] == "SAP"] == [7]


class TestARestart:
    """A fold that knows nothing yet goes on where the tables stand."""

    STORY = (
        opened(),
        flow("100", 1),
        trade("AAPL", "10", "10", 1),
        closed(1, {"AAPL": "10"}),
        flow("50", moment=at(2, 12)),
        flow("25", moment=at(3, 12)),
        flow("5", 3),
        flow("1", 2, currency="EUR"),
        closed(2),
        trade("AAPL", "1", "11", 3, moment=at(3, 11)),
        trade("AAPL", "1", "12", 3),
        closed(3, {"AAPL": "11"}),
        marked(at(2, 11), {"AAPL": "12"}),
        marked(at(3, 10), {"AAPL": "13"}),
        flow("-7", 1),
        marked(at(3, 20), {"EUR/USD": "2"}),
        closed(4, {"AAPL": "14"}),
    )

    @pytest.mark.parametrize("place", range(1, len(STORY)))
    def test_changes_nothing(self, connection: Connection, place: int) -> None:
        """At any place in the story."""
        events = decoded(self.STORY)
        whole = Folded(connection, "performance_whole")
        whole.take(events)
        tables = Folded(connection)
        tables.take(events[:place])

        tables.restart()
        tables.take(events[place:])

        assert tables.everything() == whole.everything()
