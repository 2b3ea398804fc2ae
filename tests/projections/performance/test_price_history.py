"""The closes of a calendar as arrays: units, total returns, and reading on instead of anew."""

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest

from projections.asking import Readable
from projections.performance.price_arrays import PriceHistory
from projections.performance.price_history import price_history
from tests.projections.performance.acting import (
    declared,
    dividend,
    spin_off,
    split,
    stock_dividend,
    taken_back,
)
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import (
    FRANKFURT,
    NEW_YORK,
    Told,
    at,
    closed,
    corrected,
    day,
    marked,
)

Connection = psycopg.Connection[Any]


def history(connection: Connection, calendar: str = NEW_YORK) -> PriceHistory:
    """Ask for it, in a transaction."""
    with connection.transaction():
        return price_history(Readable(connection), calendar)


def column(connection: Connection, *told: Told, of: str = "AAPL") -> PriceHistory:
    """Tell a market and give its history."""
    Market(connection).tell(*told)
    return history(connection)


def closes_of(found: PriceHistory, name: str) -> list[float | None]:
    """One name's closes, None where there is none."""
    place = found.column(name)
    assert place is not None
    return [None if np.isnan(each) else float(each) for each in found.closes[:, place]]


def returns_of(found: PriceHistory, name: str) -> list[float | None]:
    """One name's total returns, None where there is none."""
    place = found.column(name)
    assert place is not None
    return [None if np.isnan(each) else float(each) for each in found.total_returns()[:, place]]


class TestCloses:
    """One row for each session, one column for each name."""

    def test_are_there_by_session_and_name(self, connection: Connection) -> None:
        """A name without a close in a session has none there."""
        found = column(
            connection, closed(1, {"MSFT": "50", "AAPL": "10"}), closed(2, {"AAPL": "11"})
        )

        assert found.sessions == (day(1), day(2))
        assert found.names == ("AAPL", "MSFT")
        assert closes_of(found, "AAPL") == [10.0, 11.0]
        assert closes_of(found, "MSFT") == [50.0, None]
        assert found.column("TSLA") is None

    def test_are_corrected_and_cancelled(self, connection: Connection) -> None:
        """As known now."""
        story = (closed(1, {"AAPL": "10", "MSFT": "5"}), closed(2, {"AAPL": "11", "MSFT": "6"}))
        found = column(connection, *story, corrected(1, "AAPL", "9"), corrected(2, "MSFT", None))

        assert closes_of(found, "AAPL") == [9.0, 11.0]
        assert closes_of(found, "MSFT") == [5.0, None]

    def test_of_another_calendar_stand_on_their_date(self, connection: Connection) -> None:
        """What was closed on a day that is no session of the calendar asked for is left out."""
        story = (
            closed(1, {"AAPL": "10"}), closed(1, {"SAP": "100"}, calendar=FRANKFURT),
            closed(2, {"SAP": "101"}, calendar=FRANKFURT), closed(3, {"AAPL": "12"}),
            closed(3, {"SAP": "103"}, calendar=FRANKFURT),
        )  # fmt: skip
        found = column(connection, *story)

        assert closes_of(found, "SAP") == [100.0, 103.0]

    def test_a_rate_is_the_last_of_its_session(self, connection: Connection) -> None:
        """One of before the first session counts for it; a session without one has none."""
        found = column(
            connection,
            marked(at(1, 9), {"EUR/USD": "1.1"}), marked(at(1, 20), {"EUR/USD": "1.2"}),
            closed(1), closed(2), marked(at(3, 22), {"EUR/USD": "1.4"}), closed(3), closed(4),
        )  # fmt: skip

        assert closes_of(found, "EUR/USD") == [1.2, None, None, 1.4]

    def test_of_nothing_are_empty(self, connection: Connection) -> None:
        """No session yet."""
        Market(connection)
        found = history(connection)

        assert found.sessions == found.names == ()
        assert found.closes.shape == found.total_returns().shape == (0, 0)


class TestUnits:
    """Prices are in the units of the last session."""

    def test_a_close_before_a_split_is_divided_by_its_ratio(self, connection: Connection) -> None:
        """Seven for one: 644 is 92."""
        story = (closed(1, {"AAPL": "644"}), closed(2, {"AAPL": "93"}))
        found = column(connection, declared(split(7, 1, 2)), *story)

        assert closes_of(found, "AAPL") == [92.0, 93.0]
        assert returns_of(found, "AAPL") == [pytest.approx(93 / 92 - 1, rel=1e-12)]

    def test_a_split_to_come_divides_nothing(self, connection: Connection) -> None:
        """Its ex-date is behind the last session."""
        found = column(connection, declared(split(7, 1, 2)), closed(1, {"AAPL": "644"}))

        assert closes_of(found, "AAPL") == [644.0]

    def test_a_source_that_adjusts_is_not_divided_again(self, connection: Connection) -> None:
        """Nor is one where the split was reversed."""
        story = (closed(1, {"AAPL": "92", "MSFT": "10"}), closed(2, {"AAPL": "93", "MSFT": "11"}))
        adjusted = split(7, 1, 2, prices_adjusted=True)
        wrong = split(2, 1, 2, instrument="MSFT")
        found = column(connection, declared(adjusted), declared(wrong), *story, taken_back(wrong))

        assert closes_of(found, "AAPL") == [92.0, 93.0]
        assert closes_of(found, "MSFT") == [10.0, 11.0]

    def test_a_source_that_adjusts_for_what_is_to_come_is_multiplied(
        self, connection: Connection
    ) -> None:
        """Its prices are in units of behind the last session."""
        adjusted = split(7, 1, 2, prices_adjusted=True)
        found = column(connection, declared(adjusted), closed(1, {"AAPL": "92"}))

        assert closes_of(found, "AAPL") == [644.0]

    def test_a_stock_dividend_is_a_split(self, connection: Connection) -> None:
        """One for four held: 100 is 80."""
        story = (closed(1, {"AAPL": "100"}), closed(2, {"AAPL": "80"}))
        found = column(connection, declared(stock_dividend(1, 4, 2)), *story)

        assert returns_of(found, "AAPL") == [0.0]


class TestTotalReturns:
    """(close + paid) / close before - 1."""

    def test_reinvest_a_dividend_at_its_ex_date_gross(self, connection: Connection) -> None:
        """2 paid of which half is withheld: 98 after 100 is no loss."""
        story = (closed(1, {"AAPL": "100"}), closed(2, {"AAPL": "98"}), closed(3, {"AAPL": "98"}))
        found = column(connection, declared(dividend("2", 2, withheld="0.5")), *story)

        assert returns_of(found, "AAPL") == [0.0, 0.0]

    def test_a_dividend_before_a_split_is_in_its_own_units(self, connection: Connection) -> None:
        """7 of 700 and then seven for one: 1 of 100."""
        found = column(
            connection, declared(dividend("7", 2)), declared(split(7, 1, 3)),
            closed(1, {"AAPL": "700"}), closed(2, {"AAPL": "693"}), closed(3, {"AAPL": "99"}),
        )  # fmt: skip

        assert returns_of(found, "AAPL") == [pytest.approx(0, abs=1e-15)] * 2

    def test_a_child_counts_at_its_close(self, connection: Connection) -> None:
        """One MSFT of 40 for two AAPL: 80 after 100 is no loss."""
        story = (closed(1, {"AAPL": "100"}), closed(2, {"AAPL": "80", "MSFT": "40"}))
        found = column(connection, declared(spin_off(1, 2, 2)), *story)

        assert returns_of(found, "AAPL") == [0.0]
        assert returns_of(found, "MSFT") == [None]

    def test_go_over_a_gap_at_once(self, connection: Connection) -> None:
        """And what was paid in it is in the return at its end."""
        found = column(
            connection, declared(dividend("1", 2)),
            closed(1, {"AAPL": "10"}), closed(2), closed(3, {"AAPL": "12"}),
        )  # fmt: skip

        assert returns_of(found, "AAPL") == [None, pytest.approx(0.3, rel=1e-12)]

    def test_of_a_price_of_nothing_are_none(self, connection: Connection) -> None:
        """No price can be compared with 0."""
        story = (closed(1, {"AAPL": "0"}), closed(2, {"AAPL": "1"}), closed(3, {"AAPL": "2"}))

        assert returns_of(column(connection, *story), "AAPL") == [None, 1.0]


class TestReadingOn:
    """What is read on is what would be read anew."""

    def test_an_unchanged_market_is_the_same_history(self, connection: Connection) -> None:
        """Also behind marks and rates of later than the last close."""
        market = Market(connection)
        market.tell(closed(1, {"AAPL": "10"}), closed(2, {"AAPL": "11"}))
        first = history(connection)
        market.tell(marked(at(3), {"AAPL": "12"}))

        assert history(connection) is first

    def test_a_snapshot_of_before_gets_what_was_then(self, connection: Connection) -> None:
        """Whoever began to read before a close must not be told of it."""
        market = Market(connection)
        market.tell(closed(1, {"AAPL": "10"}))
        info = connection.info
        with (
            psycopg.connect(info.dsn, password=info.password, autocommit=True) as other,
            other.transaction(),
        ):
            other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            first = price_history(Readable(other), NEW_YORK)
            market.tell(closed(2, {"AAPL": "11"}))
            then = history(connection)

            assert len(then.sessions) == 2
            assert price_history(Readable(other), NEW_YORK).sessions == first.sessions
        assert history(connection) is then

    def test_a_snapshot_between_two_closes_gets_the_first(self, connection: Connection) -> None:
        """Others had read before the one, and then behind the other: neither of theirs is right."""
        market = Market(connection)
        market.tell(closed(1, {"AAPL": "10"}))
        history(connection)
        market.tell(closed(2, {"AAPL": "11"}))
        info = connection.info
        with (
            psycopg.connect(info.dsn, password=info.password, autocommit=True) as other,
            other.transaction(),
        ):
            other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            other.execute("SELECT position FROM performance.checkpoint")
            market.tell(closed(3, {"AAPL": "12"}))
            assert len(history(connection).sessions) == 3

            assert price_history(Readable(other), NEW_YORK).sessions == (day(1), day(2))

    def test_another_edition_is_read_anew(self, connection: Connection) -> None:
        """A rebuild was swapped in: nothing of before counts."""
        log_id = uuid4()
        Market(connection, log_id).tell(closed(1, {"AAPL": "10"}), closed(2, {"AAPL": "1"}))
        history(connection)
        Market(connection, log_id).tell(closed(1, {"AAPL": "11"}))
        connection.execute("UPDATE performance.checkpoint SET edition = 1, market_position = 2")

        assert closes_of(history(connection), "AAPL") == [11.0]

    @pytest.mark.parametrize("seed", range(8))
    def test_batches_of_any_size_end_in_what_is_read_at_once(
        self, connection: Connection, seed: int
    ) -> None:
        """Closes, corrections, late rates and actions in any order, looked at in between."""
        story = _story(random.Random(seed))
        looked_at = random.Random(seed + 100)
        market = Market(connection)
        for told in story:
            market.tell(told)
            if looked_at.random() < 0.4:
                history(connection)
        read_on = history(connection)
        Market(connection).tell(*story)
        at_once = history(connection)

        assert (read_on.sessions, read_on.names) == (at_once.sessions, at_once.names)
        assert read_on.closes.tobytes() == at_once.closes.tobytes()
        assert read_on.total_returns().tobytes() == at_once.total_returns().tobytes()
        assert read_on.moves.tobytes() == at_once.moves.tobytes()


def _story(chance: random.Random) -> Sequence[Told]:
    names = ["AAPL", "MSFT", "TSLA", "SAP"]
    told: list[Told] = [declared(dividend("0.5", 3)), declared(split(2, 1, 5, instrument="MSFT"))]
    for number in range(1, 9):
        count = chance.randint(0, len(names))
        prices = {name: Decimal(chance.randint(10, 99)) for name in chance.sample(names, count)}
        told.append(closed(number, prices))
        if chance.random() < 0.5:
            moment = at(max(1, number - chance.randint(0, 3)), chance.randint(0, 23))
            told.append(marked(moment, {"EUR/USD": Decimal(chance.randint(1, 9))}))
        if chance.random() < 0.5 and prices:
            price = chance.choice([None, Decimal(chance.randint(1, 9))])
            told.append(corrected(number, chance.choice([*prices]), price))
        if chance.random() < 0.3:
            told.append(closed(number, {"SAP": Decimal(7)}, calendar=FRANKFURT))
        if number == 6:
            told.append(taken_back(split(2, 1, 5, instrument="MSFT")))
    return told
