"""What corporate actions do to NAVs and to the prices of before (conventions 5, 6 and 7)."""

from decimal import Decimal
from typing import Any

import psycopg

from projections.asking import Readable
from projections.performance.bridging import bridge_of
from projections.performance.risk import risk_of
from tests.projections.performance.acting import (
    applied,
    declared,
    dividend,
    registered,
    spin_off,
    split,
    spun_off,
    stock_dividend,
    taken_back,
    unapplied,
)
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    Folded,
    Told,
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
    unbooked,
    written_down,
)

Connection = psycopg.Connection[Any]

SEVEN = split(7, 1, 2)
TAKEN = applied(SEVEN, quantity="60")
BEFORE = (opened(), trade("AAPL", "10", "640", 1), flow("6400", 1), closed(1, {"AAPL": "645"}))
"""10 AAPL from day 1 on, closed at 645, all paid in."""

RESTATED = "session, nav, restated_position, restated_reason"


def navs(connection: Connection, *told: Told) -> list[Decimal]:
    """The NAVs of all days, in order: the same in one batch and event by event."""
    one = folded(connection, *told)
    other = Folded(connection, "performance_single")
    for event in decoded(told):
        other.restart()
        other.take([event])
    assert one.everything() == other.everything()
    return [nav for (nav,) in one.days("nav")]


class TestASplit:
    """Seven for one on day 2, of 10 AAPL at 645: 6,450 before and after, not 45,150."""

    def test_leaves_the_nav_with_the_price_of_before(self, connection: Connection) -> None:
        """No new close on the ex-date: 70 at a seventh of 645; it is as stale as it was."""
        tables = folded(connection, *BEFORE, declared(SEVEN), TAKEN, closed(2))

        assert tables.days("nav, stale, daily_return") == [
            (6450, [], Decimal("0.0078125")), (6450, ["AAPL"], 0),
        ]  # fmt: skip

    def test_values_at_the_close_of_after(self, connection: Connection) -> None:
        """70 at 93."""
        assert navs(connection, *BEFORE, declared(SEVEN), TAKEN, closed(2, {"AAPL": "93"})) == [
            6450, 6510,
        ]  # fmt: skip

    def test_is_in_the_value_though_no_holder_has_it_yet(self, connection: Connection) -> None:
        """The ex-date's session closes before the reaction: struck in the units of its close."""
        story = (*BEFORE, declared(SEVEN), closed(2, {"AAPL": "93"}), closed(3), TAKEN, closed(4))
        tables = folded(connection, *story)

        assert navs(connection, *story) == [6450, 6510, 6510, 6510]
        assert tables.days("struck_nav") == [(6450,), (6510,), (6510,), (6510,)]
        assert tables.days(RESTATED)[1:] == [
            (day(2), 6510, 8, "corporate_action"), (day(3), 6510, 8, "corporate_action"),
            (day(4), 6510, None, None),
        ]  # fmt: skip

    def test_multiplies_what_was_held_before_and_nothing_else(self, connection: Connection) -> None:
        """7 bought at 93 on the ex-date are in new units already: 77 of them, applied or not."""
        bought = (trade("AAPL", "7", "93", 2), flow("651", 2))
        close = closed(2, {"AAPL": "93"})

        assert navs(connection, *BEFORE, declared(SEVEN), *bought, close) == [6450, 7161]
        assert navs(connection, *BEFORE, *bought, close, declared(SEVEN), TAKEN) == [6450, 7161]

    def test_declared_after_the_fact_restates(self, connection: Connection) -> None:
        """Day 2 was struck with 10 at 93: at once 70 of them, before any holder's event."""
        story = (*BEFORE, closed(2, {"AAPL": "93"}), closed(3), declared(SEVEN))
        tables = folded(connection, *story)

        assert tables.days("struck_nav") == [(6450,), (930,), (930,)]
        assert tables.days(RESTATED) == [
            (day(1), 6450, None, None), (day(2), 6510, 7, "corporate_action"),
            (day(3), 6510, 7, "corporate_action"),
        ]  # fmt: skip
        assert navs(connection, *story, TAKEN) == [6450, 6510, 6510]

    def test_reversed_is_as_if_it_had_never_been(self, connection: Connection) -> None:
        """Between the reversal and the holder's event as behind it."""
        story = (*BEFORE, declared(SEVEN), TAKEN, closed(2), closed(3, {"AAPL": "650"}))
        assert navs(connection, *story) == [6450, 6450, 45500]

        assert navs(connection, *story, taken_back(SEVEN)) == [6450, 6450, 6500]
        tables = folded(connection, *story, taken_back(SEVEN))
        assert tables.days(RESTATED)[1:] == [
            (day(2), 6450, None, None), (day(3), 6500, 9, "reversed_action"),
        ]  # fmt: skip
        gone = (*story, taken_back(SEVEN), unapplied(TAKEN))
        assert navs(connection, *gone, closed(4)) == [6450, 6450, 6500, 6500]
        assert {row[3] for row in folded(connection, *gone).days(RESTATED)[1:]} == {
            "reversed_action"
        }

    def test_of_a_source_that_adjusts_its_own_past(self, connection: Connection) -> None:
        """It says 92 for day 1, in units of after: 10 of before are 70 of its, on both days."""
        adjusted = split(7, 1, 2, prices_adjusted=True)
        story = (opened(), trade("AAPL", "10", "640", 1), closed(1, {"AAPL": "92"}), closed(2))
        paid = flow("6400", 1)

        assert navs(connection, *story, paid, declared(adjusted)) == [6440, 6440]
        taken = applied(adjusted, quantity="60")
        assert navs(connection, *story, paid, declared(adjusted), taken) == [6440, 6440]

    def test_divides_the_own_last_executed_price_of_before(self, connection: Connection) -> None:
        """Without a mark: 70 at a seventh of 640, whatever sources of marks adjust."""
        for adjusted in (False, True):
            seven = split(7, 1, 2, prices_adjusted=adjusted)
            taken = applied(seven, quantity="60")
            story = (opened(), trade("AAPL", "10", "640", 1), flow("6400", 1), closed(1))

            assert navs(connection, *story, declared(seven), taken, closed(2)) == [6400, 6400]
            assert navs(connection, *story, declared(seven), closed(2)) == [6400, 6400]

    def test_scales_the_price_of_before_for_who_bought_behind_it(
        self, connection: Connection
    ) -> None:
        """7 bought on day 3, last marked on day 1 at 645: a seventh of it."""
        story = (opened(), trade("AAPL", "7", "93", 3), flow("651", 3))
        market = (closed(1, {"AAPL": "645"}), closed(2), declared(SEVEN))

        assert navs(connection, *market, *story, closed(3)) == [645]

    def test_counts_before_a_flow_of_its_session(self, connection: Connection) -> None:
        """At noon of the ex-date it is 70 at a seventh: the flow breaks no return."""
        story = (
            *BEFORE, declared(SEVEN), TAKEN, flow("1000", moment=at(2, 16)),
            closed(2, {"AAPL": "93"}),
        )  # fmt: skip

        ((_, first), (nav, second)) = folded(connection, *story).days("nav, daily_return")
        assert (nav, first) == (7510, Decimal("0.0078125"))
        assert second == round(Decimal(7510) / Decimal(7450) - 1, 18)

    def test_is_dated_by_the_calendar_of_the_instrument(self, connection: Connection) -> None:
        """A mark of Sydney's morning of day 2, day 1 in UTC, is in new units; unlisted: old."""
        mark = marked(at(1, 23, 30), {"AAPL": "93"})

        assert navs(
            connection, registered("AAPL", "XASX"), *BEFORE, declared(SEVEN), TAKEN, mark, closed(2)
        ) == [6450, 6510]
        assert navs(connection, *BEFORE, declared(SEVEN), TAKEN, mark, closed(2)) == [6450, 930]

    def test_takes_corrections_and_late_marks_in_their_units(self, connection: Connection) -> None:
        """Day 1 corrected to 644 reaches day 2 by a seventh; a mark of day 2 does not divide."""
        story = (*BEFORE, declared(SEVEN), TAKEN, closed(2), corrected(1, "AAPL", "644"))

        assert navs(connection, *story) == [6440, 6440]
        assert navs(connection, *story, marked(at(2, 16), {"AAPL": "93"})) == [6440, 6510]
        assert navs(connection, *story, written_down("AAPL", "1", at(2, 16))) == [6440, 70]

    def test_needs_no_walk_where_nothing_is_held(self, connection: Connection) -> None:
        """Sold before it for good: no event ever comes, and nothing is multiplied."""
        story = (*BEFORE, trade("AAPL", "-10", "650", 1), declared(SEVEN), closed(2), closed(3))

        assert navs(connection, *story) == [6500, 6500, 6500]

    def test_of_a_stock_dividend_and_with_cash_in_lieu(self, connection: Connection) -> None:
        """3 for 2 held is 5 for 2; a third paid for is cash."""
        stock = stock_dividend(3, 2, 2)
        taken = applied(stock, quantity="15")
        assert navs(connection, *BEFORE, declared(stock), taken, closed(2)) == [6450, 6450]

        third = split(1, 3, 2, paid="1935")
        taken = applied(third, quantity="-7", cash="645")
        assert navs(connection, *BEFORE, declared(third), taken, closed(2)) == [6450, 6450]


class TestADividend:
    """0.47 a unit of 100, 15 % withheld, from day 2 on."""

    def test_is_in_the_nav_from_its_ex_date_on(self, connection: Connection) -> None:
        """39.95 receivable, no external flow: a total return of 39.95 / 1,000."""
        paying = dividend("0.47", 2, withheld="0.15")
        tables = folded(
            connection, opened(), flow("1000", 1), trade("AAPL", "100", "10", 1),
            closed(1, {"AAPL": "10"}), declared(paying),
            applied(paying, gross="47", withheld="7.05"), closed(2, {"AAPL": "10"}),
        )  # fmt: skip

        assert tables.days("nav, flows, daily_return") == [
            (1000, 1000, 0), (Decimal("1039.95"), 0, Decimal("0.03995")),
        ]  # fmt: skip

    def test_in_euros_is_revalued(self, connection: Connection) -> None:
        """And incomplete without a rate, which names it."""
        paying = dividend("0.47", 2, currency="EUR")
        story = (*BEFORE, declared(paying), applied(paying, gross="10"), closed(2))
        tables = folded(connection, *story)
        assert tables.days("nav, unpriced")[1] == (None, ["FX:EUR/USD"])

        rated = marked(at(1), {"EUR/USD": "1.2"})
        assert navs(connection, *story, rated, closed(3)) == [6450, 6462, 6462]


class TestTwoSplitsOfOneDate:
    """The first pays the whole position in cash, so that nobody is there for the second to meet."""

    def test_the_second_multiplies_what_the_first_left(self, connection: Connection) -> None:
        """1 becomes half a unit, paid with 3; five for two of nothing is nothing, told or not."""
        first, second = split(1, 2, 2, name="a", paid="6"), split(5, 2, 2, name="b")
        taken = applied(first, quantity="-1", cash="3")
        story = (opened(), trade("AAPL", "1", "10", 1), flow("10", 1), closed(1, {"AAPL": "7"}))
        both = (declared(first), declared(second))
        close = closed(2, {"AAPL": "9"})

        assert navs(connection, *story, *both, taken, close, closed(3)) == [7, 3, 3]
        assert navs(connection, *story, *both, close, taken, closed(3)) == [7, 3, 3]
        again = (trade("AAPL", "1", "9", 3), closed(3, {"AAPL": "10"}))
        assert navs(connection, *story, *both, taken, close, *again) == [7, 3, 4]

    def test_the_bridge_and_the_risk_are_of_nothing_that_is_lacked(
        self, connection: Connection
    ) -> None:
        """Both stood still at being restated, or failed, where a position was bought again."""
        first, second = split(1, 2, 2, name="a", paid="6"), split(5, 2, 2, name="b")
        taken = applied(first, quantity="-1", cash="3")
        Market(connection).tell(
            opened(), trade("AAPL", "1", "10", 1), flow("10", 1), closed(1, {"AAPL": "7"}),
            declared(first), declared(second), taken, closed(2, {"AAPL": "9"}),
            trade("AAPL", "1", "9", 3), closed(3, {"AAPL": "10"}),
        )  # fmt: skip
        readable = Readable(connection)
        bridged = bridge_of(readable, tenant=ACME, portfolio=BOOK).row
        measured = risk_of(readable, tenant=ACME, portfolio=BOOK).row

        assert bridged is not None
        assert bridged.bridge is not None, bridged.reason
        assert bridged.bridge.nav_end == 4
        assert measured is not None
        assert (measured.valued.lack, measured.valued.nav) == (None, Decimal(4))


class TestASpinOff:
    """1 MSFT for 2 AAPL on day 2."""

    def test_gives_the_child_to_the_nav(self, connection: Connection) -> None:
        """5 at 100, and cash for what is paid; told late it restates; page 2 changes nothing."""
        spin = spin_off(1, 2, 2, paid="100")
        told = (
            declared(spin), applied(spin), spun_off(spin, quantity="5", cash="3", pages=2),
            spun_off(spin, quantity="0", page=2, pages=2),
        )  # fmt: skip
        close = closed(2, {"AAPL": "590", "MSFT": "100"})

        assert navs(connection, *BEFORE, *told, close) == [6450, 6403]
        assert navs(connection, *BEFORE, close, *told) == [6450, 6403]

    def test_reversed_goes_as_one(self, connection: Connection) -> None:
        """Both events of it are a reversed action."""
        spin = spin_off(1, 2, 2)
        taken = applied(spin)
        tables = folded(
            connection, *BEFORE, declared(spin), taken, spun_off(spin, quantity="5"),
            closed(2, {"AAPL": "590", "MSFT": "100"}), taken_back(spin), unapplied(taken),
            spun_off(spin, quantity="-5"),
        )  # fmt: skip

        assert tables.days(RESTATED)[1] == (day(2), 5900, 11, "reversed_action")


class TestALateTradeBeforeAnExDate:
    """Its own event says late trade; what the action made of it says corporate action."""

    def test_is_restated_through_the_action(self, connection: Connection) -> None:
        """From its day on, and from the ex-date on."""
        late = trade("AAPL", "1", "640", 1, name="late")
        told = [
            *BEFORE, declared(SEVEN), TAKEN, closed(2, {"AAPL": "93"}), flow("640", 1), late,
            applied(SEVEN, quantity="6", is_restated=True),
        ]  # fmt: skip
        rows = folded(connection, *told).days(RESTATED)
        assert rows == [
            (day(1), 7095, 9, "late_trade"), (day(2), 7161, 10, "corporate_action"),
        ]  # fmt: skip
        assert navs(connection, *told) == [7095, 7161]

    def test_that_is_all_there_was_leaves_nothing(self, connection: Connection) -> None:
        """A busted only trade, and the action that met it: no first fact is left."""
        only = trade("AAPL", "10", "640", 1)
        told = [
            opened(), only, closed(1, {"AAPL": "645"}), declared(SEVEN), TAKEN, closed(2),
            unbooked(only), applied(SEVEN, quantity="-60", is_restated=True), closed(3),
        ]  # fmt: skip

        assert navs(connection, *told) == [0, 0]
