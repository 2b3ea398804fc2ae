"""Settling cash: pending by value date, settled when due, and what may be withdrawn."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.lots import Fill
from domain.money import Money
from domain.portfolio.booking import unbook_fill
from domain.portfolio.cash import withdraw
from domain.portfolio.events import CashSettled, CashWithdrawn, Reason
from domain.portfolio.settling import lowest_balance, settle_due
from domain.portfolio.state import Portfolio
from domain.rejection import Breach, Rejection
from tests.domain.scenes import (
    APPLE,
    FUND,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    Desk,
    Number,
    bought,
    history_of,
    name_of,
    sold,
)

THURSDAY, FRIDAY = date(2024, 1, 11), date(2024, 1, 12)
DATES = (TUESDAY, WEDNESDAY, THURSDAY, FRIDAY)


def desk_with(cash: Number, *fills: Fill) -> Desk:
    """A portfolio with settled dollars, and fills booked on top."""
    desk = Desk(cash=cash)
    desk.take(*fills)
    return desk


def settled(desk: Desk, until: date) -> list[CashSettled]:
    """Settle what is due, and fold it."""
    events = settle_due(desk.portfolio, name=FUND, until=until)
    for event in events:
        desk.portfolio.apply(event)
    return [event for event in events if isinstance(event, CashSettled)]


def paid_out(held: Portfolio, amount: Number, value_date: date = MONDAY) -> CashWithdrawn:
    """Decide a withdrawal of dollars."""
    money = Money(Decimal(amount), "USD")
    return withdraw(held, name=FUND, amount=money, value_date=value_date, at=None)


def unbook(desk: Desk, external_id: str) -> None:
    """Take a booked fill out again."""
    events = unbook_fill(
        desk.portfolio,
        instrument=APPLE,
        currency="USD",
        trade_id=name_of(external_id),
        reason=Reason.BUSTED,
        history=history_of(lambda: desk.fills),
    )
    for event in events:
        desk.portfolio.apply(event)


class TestSettlingWhatIsDue:
    """When a session has closed, all that is pending up to it is settled, date by date."""

    def test_moves_what_is_pending_into_what_is_settled(self) -> None:
        """A purchase of Monday settles on Wednesday, a sale of Tuesday on Thursday."""
        desk = desk_with(
            2_000,
            bought("a", 100, 10, value_date=WEDNESDAY),
            sold("b", 50, 12, trade_date=TUESDAY, value_date=THURSDAY),
        )

        assert desk.portfolio.settled("USD") == 2_000
        assert settled(desk, TUESDAY) == []
        assert settled(desk, THURSDAY) == [
            CashSettled(
                portfolio=FUND,
                value_date=WEDNESDAY,
                currency="USD",
                amount=Decimal(-1_000),
                settled_after=Decimal(1_000),
            ),
            CashSettled(
                portfolio=FUND,
                value_date=THURSDAY,
                currency="USD",
                amount=Decimal(600),
                settled_after=Decimal(1_600),
            ),
        ]
        assert desk.portfolio.settled("USD") == desk.portfolio.balance("USD") == 1_600

    def test_settles_once(self) -> None:
        """The same session told again finds nothing due."""
        desk = desk_with(2_000, bought("a", 100, 10, value_date=WEDNESDAY))
        settled(desk, WEDNESDAY)

        assert settled(desk, FRIDAY) == []

    def test_counts_what_has_no_value_date_as_settled(self) -> None:
        """Bookings of old events."""
        desk = desk_with(2_000, bought("a", 100, 10))

        assert desk.portfolio.settled("USD") == 1_000
        assert settled(desk, FRIDAY) == []

    def test_takes_a_busted_trade_off_its_value_date(self) -> None:
        """What remains for the date is nothing, told once; after settlement it flows back."""
        early, late = (
            desk_with(2_000, bought("a", 100, 10, value_date=WEDNESDAY)) for _ in range(2)
        )
        unbook(early, "a")
        settled(late, WEDNESDAY)
        unbook(late, "a")

        assert [event.amount for event in settled(early, WEDNESDAY)] == [0]
        assert [event.amount for event in settled(late, THURSDAY)] == [1_000]
        assert early.portfolio.settled("USD") == late.portfolio.settled("USD") == 2_000


class TestWithdrawingBeforeSettlement:
    """At most the lowest balance projected from the value date on; trades use trade-date cash."""

    def test_keeps_what_a_purchase_will_take(self) -> None:
        """1,000 settled, 800 to pay on Wednesday: 200 are free, and Wednesday says so."""
        desk = desk_with(1_000, bought("a", 80, 10, value_date=WEDNESDAY))

        assert paid_out(desk.portfolio, 200).balance == 0
        with pytest.raises(Rejection) as refused:
            paid_out(desk.portfolio, 201)
        assert refused.value.breaches == (
            Breach("insufficient_cash", "201 USD asked, 200 held.", limit="200", actual="201"),
        )

    def test_does_not_pay_out_what_a_sale_will_bring(self) -> None:
        """Bought and sold for more: the proceeds come on Thursday."""
        desk = desk_with(
            1_000,
            bought("a", 80, 10, value_date=WEDNESDAY),
            sold("b", 80, 20, trade_date=TUESDAY, value_date=THURSDAY),
        )

        assert paid_out(desk.portfolio, 200).balance == 1_600
        with pytest.raises(Rejection) as refused:
            paid_out(desk.portfolio, 201)
        assert refused.value.breaches == (
            Breach(
                "insufficient_cash",
                "201 USD asked, 200 free on 2024-01-10.",
                limit="200",
                actual="201",
            ),
        )

    def test_names_the_first_date_that_binds(self) -> None:
        """As low on Wednesday as on Friday."""
        held = climbing(1_000, [(WEDNESDAY, -800), (THURSDAY, 20), (FRIDAY, -20)])

        assert lowest_balance(held, currency="USD", on=MONDAY) == (Decimal(200), WEDNESDAY)

    def test_pays_it_out_on_the_day_it_comes(self) -> None:
        """A withdrawal for Thursday counts what is due by then."""
        desk = desk_with(
            1_000,
            bought("a", 80, 10, value_date=WEDNESDAY),
            sold("b", 80, 20, trade_date=TUESDAY, value_date=THURSDAY),
        )

        assert paid_out(desk.portfolio, 1_800, THURSDAY).balance == 0
        with pytest.raises(Rejection):
            paid_out(desk.portfolio, 1_800, WEDNESDAY)


AMOUNTS = st.integers(-500, 500).filter(bool)
LADDERS = st.lists(st.tuples(st.sampled_from(DATES), AMOUNTS), max_size=8)


def climbing(cash: int, ladder: Sequence[tuple[date, int]]) -> Portfolio:
    """Fold purchases and sales at 1 that are pending for these dates."""
    fills = [
        (bought if amount < 0 else sold)(f"t-{number}", abs(amount), 1, value_date=day)
        for number, (day, amount) in enumerate(ladder)
    ]
    return desk_with(cash, *fills).portfolio


class TestAnyLadder:
    """Laws of cash by value date."""

    @given(cash=st.integers(1, 1_000), ladder=LADDERS, on=st.sampled_from(DATES))
    def test_projects_the_lowest_balance_from_a_date_on(
        self, cash: int, ladder: list[tuple[date, int]], on: date
    ) -> None:
        """As summing anew for every date gives it; the date named is the first so low."""
        held = climbing(cash, ladder)
        days = sorted({on, *(day for day, _ in ladder if day > on)})
        projected = {
            day: cash + sum(amount for due, amount in ladder if due <= day) for day in days
        }

        lowest, binding = lowest_balance(held, currency="USD", on=on)

        assert lowest == min(projected.values())
        assert binding == min(day for day in days if projected[day] == lowest)

    @given(cash=st.integers(1, 1_000), ladder=LADDERS, until=st.lists(st.sampled_from(DATES)))
    def test_conserves_cash_whenever_it_settles(
        self, cash: int, ladder: list[tuple[date, int]], until: list[date]
    ) -> None:
        """Settled and pending are the trade-date balance; after the last date all is settled."""
        desk = Desk()
        desk.portfolio = climbing(cash, ladder)
        for day in [*until, FRIDAY]:
            before = desk.portfolio.settled("USD")
            events = settled(desk, day)
            pending = sum(desk.portfolio.pending.get("USD", {}).values())

            assert desk.portfolio.settled("USD") == before + sum(each.amount for each in events)
            assert desk.portfolio.settled("USD") + pending == cash + sum(a for _, a in ladder)
            assert all(due > day for due in desk.portfolio.pending.get("USD", {}))

    def test_is_left_alone_by_what_a_fork_folds(self) -> None:
        """A decision that is not kept leaves nothing behind."""
        held = climbing(1_000, [(WEDNESDAY, -10)])

        twin = held.fork()
        for event in settle_due(twin, name=FUND, until=FRIDAY):
            twin.apply(event)

        assert held.pending == {"USD": {WEDNESDAY: Decimal(-10)}}
        assert twin.pending == {"USD": {}}
