"""Explaining a day: lines that add up to its NAV, sub-periods of its return, what changed."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.money import ONE, ZERO, canonical, ratio
from domain.returns import daily_return
from projections.asking import Readable
from projections.performance.explaining import Explained, Line, explained_day
from projections.performance.queries import PerformanceDay, daily_performance
from tests.domain.blotter import Day, Declaration
from tests.domain.scenes import APPLE, FUND, MONDAY
from tests.projections.performance.stories import BOOKS, stories
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    GLOBEX,
    Told,
    at,
    closed,
    day,
    flow,
    marked,
    opened,
    trade,
    written_down,
)
from tests.projections.performance.test_acting_asking import PAYING, REVERSE, tell
from tests.projections.performance.test_acting_laws import Scene, scenes
from tests.projections.performance.test_asking import told

Connection = psycopg.Connection[Any]


def explained(connection: Connection, number: int, **changes: str) -> Explained:
    """A day of a book."""
    owner = {"tenant": ACME, "portfolio": BOOK} | changes
    row = explained_day(
        Readable(connection),
        tenant=owner["tenant"],
        portfolio=owner["portfolio"],
        session=day(number),
    ).row
    assert row is not None
    return row


def assert_explains(row: Explained, known: PerformanceDay) -> None:
    """Lines add up to the NAV, sub-periods make the return, struck and restated give current."""
    values = [line.value for line in row.lines if line.value is not None]
    assert sum(values, ZERO) == known.current.priced
    assert row.current.nav == known.current.nav
    assert row.difference in {ZERO, None}
    for line in row.lines:
        if line.value is not None and line.rate is not None and line.amount is not None:
            assert line.value == line.amount * line.rate
        if line.kind == "position" and line.new_units == line.old_units:
            assert line.amount is None or line.amount == (line.quantity or 0) * (line.price or 0)
        assert line.events == sorted(line.events)
    fed = row.inputs
    returned, _ = daily_return(
        fed.chain, session=row.session, end=fed.end, inflow=fed.inflow, outflow=fed.outflow,
        timed=fed.timed, has_unvalued_flow=fed.has_unvalued_flow,
    )  # fmt: skip
    assert returned.value == known.current.daily_return
    if returned.value is not None:
        factor = ONE
        for part in fed.sub_periods:
            factor *= ONE if part.is_empty else max(part.end, ZERO) / part.start
        assert canonical(ratio(factor, ONE) - ONE) == returned.value
    for told_of in (row.nav, row.daily_return):
        if told_of.restated is not None and told_of.struck is not None:
            assert told_of.struck + told_of.restated == told_of.current


class TestAnyDay:
    """Whatever happened in whatever order."""

    @settings(max_examples=30)
    @given(story=stories(size=18))
    def test_is_explained(self, connection: Connection, story: list[Told]) -> None:
        """Every day of every book."""
        told(connection, *story)

        for tenant, portfolio in BOOKS:
            days = daily_performance(Readable(connection), tenant=tenant, portfolio=portfolio).rows
            for known in days:
                answer = explained_day(
                    Readable(connection), tenant=tenant, portfolio=portfolio, session=known.session
                )
                if answer.row is not None:
                    assert_explains(answer.row, known)
                    assert answer.position == len(story)

    @settings(max_examples=40)
    @given(scene=scenes(transfers=True), untold=st.integers(0, 6))
    def test_is_explained_with_actions(
        self, connection: Connection, scene: Scene, untold: int
    ) -> None:
        """Splits, dividends, spin-offs and transfers, also while the last events are untold."""
        story = scene.told()
        told(connection, *story[: len(story) - untold])

        days = daily_performance(Readable(connection), tenant=ACME, portfolio=FUND).rows
        for known in days:
            row = explained_day(
                Readable(connection), tenant=ACME, portfolio=FUND, session=known.session
            ).row
            if row is not None:
                assert_explains(row, known)


class TestLines:
    """What a NAV is made of."""

    def test_say_price_source_and_events(self, connection: Connection) -> None:
        """A mark, an own execution, a write-down, cash of two currencies, each with its events."""
        told(
            connection, opened(), flow("1000", 1), trade("AAPL", "10", "10", 1),
            trade("MSFT", "2", "20", 1), trade("SAP", "1", "50", 1, currency="EUR"),
            marked(at(1, 10), {"EUR/USD": "1.25"}), closed(1, {"AAPL": "11"}),
            written_down("SAP", "40", at(2, 10)), closed(2),
        )  # fmt: skip

        row = explained(connection, 2)

        assert row.lines == [
            Line("position", "AAPL", "USD", Decimal(10), Decimal(11), "mark", at(1, 21), 7,
                 is_stale=True, amount=Decimal(110), rate=ONE, rate_at=at(2, 21),
                 value=Decimal(110), events=[3]),
            Line("position", "MSFT", "USD", Decimal(2), Decimal(20), "trade", at(1, 14, 30), 4,
                 is_stale=True, amount=Decimal(40), rate=ONE, rate_at=at(2, 21),
                 value=Decimal(40), events=[4]),
            Line("position", "SAP", "EUR", Decimal(1), Decimal(40), "write_down", at(2, 10), 8,
                 amount=Decimal(40), rate=Decimal("1.25"), rate_at=at(1, 10),
                 value=Decimal(50), events=[5]),
            Line("cash", "EUR", "EUR", amount=Decimal(-50), rate=Decimal("1.25"),
                 rate_at=at(1, 10), value=Decimal("-62.5"), events=[5]),
            Line("cash", "USD", "USD", amount=Decimal(860), rate=ONE, rate_at=at(2, 21),
                 value=Decimal(860), events=[2, 3, 4]),
        ]  # fmt: skip
        assert row.current.nav == Decimal("997.5")

    def test_of_what_has_no_price_have_no_value(self, connection: Connection) -> None:
        """A currency without a rate: the NAV is incomplete, the line is there."""
        told(connection, opened(), flow("5", 1), flow("7", 1, currency="EUR"), closed(1))

        row = explained(connection, 1)

        assert [(line.name, line.amount, line.value) for line in row.lines] == [
            ("EUR", Decimal(7), None), ("USD", Decimal(5), Decimal(5))
        ]  # fmt: skip
        assert (row.current.nav, row.difference) == (None, None)

    def test_tell_a_dividend_apart_until_it_is_paid(self, connection: Connection) -> None:
        """25 at 1 less 15 %: due on the ex-date, cash from the pay date on."""
        later = type(PAYING)(
            action="d", instrument=APPLE, ex_date=PAYING.ex_date, per_unit=Decimal(1),
            currency="USD", withholding_rate=Decimal("0.15"),
            pay_date=PAYING.ex_date + timedelta(days=1),
        )  # fmt: skip
        tell(connection, Declaration(later), Day(PAYING.ex_date), close={APPLE: "2"})

        row = explained_day(Readable(connection), tenant=ACME, portfolio=FUND).row

        assert row is not None
        (due,) = (line for line in row.lines if line.kind == "receivable")
        assert (due.name, due.value) == (f"{APPLE}/d", Decimal("21.25"))
        assert sum((line.value or ZERO for line in row.lines), ZERO) == row.current.nav
        assert row.session == later.ex_date

        tell(connection, Declaration(PAYING), Day(PAYING.ex_date), close={APPLE: "2"})
        paid = explained_day(Readable(connection), tenant=ACME, portfolio=FUND).row
        assert paid is not None
        assert {line.kind for line in paid.lines} == {"position", "cash"}
        assert paid.current.nav == row.current.nav

    def test_tell_by_how_much_units_have_multiplied(self, connection: Connection) -> None:
        """A price of before a split of 1 for 10: ten times it, of a tenth of the shares."""
        tell(connection, Declaration(REVERSE), Day(MONDAY + timedelta(days=1)))

        row = explained_day(Readable(connection), tenant=ACME, portfolio=FUND).row

        assert row is not None
        line = row.lines[0]
        assert (line.quantity, line.price, line.amount) == (Decimal(2), Decimal(3), Decimal(60))
        assert (line.new_units, line.old_units) == (1, 10)


class TestReturns:
    """What a return is made of."""

    def test_list_their_sub_periods(self, connection: Connection) -> None:
        """100 grows to 110, 40 come in, 150 fall to 135."""
        told(
            connection, opened(), flow("100", 1), trade("AAPL", "10", "10", 1),
            closed(1, {"AAPL": "10"}), marked(at(2, 15), {"AAPL": "11"}),
            flow("40", moment=at(2, 16)), trade("MSFT", "1", "40", 2, moment=at(2, 17)),
            closed(2, {"AAPL": "10", "MSFT": "35"}),
        )  # fmt: skip

        fed = explained(connection, 2).inputs

        assert [(part.start, part.end, part.flow) for part in fed.sub_periods] == [
            (Decimal(100), Decimal(110), Decimal(40)), (Decimal(150), Decimal(135), ZERO)
        ]  # fmt: skip
        (timed,) = fed.timed
        assert (timed.at, timed.amount, timed.before.value) == (
            at(2, 16),
            Decimal(40),
            Decimal(110),
        )


class TestWhatChanged:
    """Struck, restated, current."""

    def test_is_told_with_the_events_between(self, connection: Connection) -> None:
        """A trade of day 1, captured on day 2."""
        told(
            connection, opened(), flow("100", 1), closed(1, {"AAPL": "11"}), closed(2),
            trade("AAPL", "10", "10", 1),
        )  # fmt: skip

        row = explained(connection, 1)

        assert [row.nav.struck, row.nav.restated, row.nav.current] == [100, 10, 110]
        assert (row.nav.position, row.nav.restated_position) == (3, 5)
        assert row.nav.restated_reason == "late_trade"
        assert [(each.position, each.kind) for each in row.nav.late] == [(5, "trade")]
        assert row.daily_return.restated == Decimal("0.1")


class TestNothing:
    """Where there is nothing to explain."""

    def test_is_no_row(self, connection: Connection) -> None:
        """No such session, none yet, none of this portfolio, no such portfolio."""
        told(connection, opened(), closed(1), flow("1", 2), closed(2))
        read = Readable(connection)

        for session in (day(1), day(3), day(9)):
            none = explained_day(read, tenant=ACME, portfolio=BOOK, session=session)
            assert (none.row, none.position) == (None, 4)
        assert explained_day(read, tenant=GLOBEX, portfolio=BOOK).row is None
        last = explained_day(read, tenant=ACME, portfolio=BOOK).row
        assert last is not None
        assert last.session == day(2)
