"""Closing and reopening the books: only facts restate what is closed."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from domain.capturing import Surroundings, capture_trade
from domain.money import Money
from domain.portfolio.cash import deposit, withdraw
from domain.portfolio.charging import book_interest, charge_fee
from domain.portfolio.life import FeeKind, PeriodClosed, PeriodReopened
from domain.portfolio.periods import close_period, reopen_period
from domain.portfolio.standing import Said
from domain.portfolio.state import Portfolio
from domain.rejection import Breach, Rejection
from domain.trade import Intent
from tests.domain.scenes import (
    FRIDAY_NOON,
    FUND,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    captured,
    history_of,
    instrument,
    name_of,
    portfolio,
)

CLOSED = PeriodClosed(portfolio=FUND, until=TUESDAY)
REOPENED = PeriodReopened(portfolio=FUND, from_date=TUESDAY, reason="late_report")
TEN = Money(Decimal(10), "USD")
FRIDAY = FRIDAY_NOON.date()


def having(*events: PeriodClosed | PeriodReopened) -> Portfolio:
    """An open portfolio with 5,000 dollars, and what happened to its books."""
    held = portfolio(cash=5_000)
    for event in events:
        held.apply(event)
    return held


def code_of(held: Portfolio | None, until: date, now: datetime = FRIDAY_NOON) -> str:
    """The code that refuses to close a period."""
    with pytest.raises(Rejection) as refused:
        close_period(held, name=FUND, until=until, now=now)
    return refused.value.code


class TestClosingAPeriod:
    """The books close up to and including a date that has come."""

    def test_says_until_when(self) -> None:
        """Today is the last date that closes."""
        for until in (TUESDAY, FRIDAY):
            event = close_period(having(), name=FUND, until=until, now=FRIDAY_NOON)
            assert event == PeriodClosed(portfolio=FUND, until=until)

    def test_waits_for_the_date_in_the_portfolio_s_market(self) -> None:
        """Saturday in UTC is still Friday in New York."""
        night = datetime(2024, 1, 13, 3, tzinfo=UTC)

        assert code_of(having(), date(2024, 1, 13), night) == "period_not_over"
        event = close_period(having(), name=FUND, until=FRIDAY, now=night)
        assert event == PeriodClosed(portfolio=FUND, until=FRIDAY)

    def test_goes_further_and_never_back(self) -> None:
        """A day more closes; the same again is the first; a day less is closed already."""
        held = having(CLOSED)

        further = close_period(held, name=FUND, until=WEDNESDAY, now=FRIDAY_NOON)
        again = close_period(held, name=FUND, until=TUESDAY, now=FRIDAY_NOON)

        assert further == PeriodClosed(portfolio=FUND, until=WEDNESDAY)
        assert again == Said(3, CLOSED)
        assert code_of(held, MONDAY) == "period_already_closed"

    def test_needs_an_open_portfolio(self) -> None:
        """Never opened is unknown."""
        assert code_of(None, TUESDAY) == "portfolio_unknown"


class TestReopeningAPeriod:
    """What was closed opens again from a date on, for a reason."""

    def test_says_from_when_and_why(self) -> None:
        """From the last closed date on, or from any before."""
        for from_date in (TUESDAY, MONDAY):
            event = reopen_period(
                having(CLOSED), name=FUND, from_date=from_date, reason="late_report"
            )
            assert event == PeriodReopened(
                portfolio=FUND, from_date=from_date, reason="late_report"
            )

    @pytest.mark.parametrize(
        ("events", "from_date"),
        [((), MONDAY), ((CLOSED,), WEDNESDAY), ((CLOSED, REOPENED), TUESDAY)],
        ids=["never", "behind", "reopened"],
    )
    def test_needs_something_closed_there(
        self, events: tuple[PeriodClosed, ...], from_date: date
    ) -> None:
        """Open books are not opened."""
        with pytest.raises(Rejection) as refused:
            reopen_period(having(*events), name=FUND, from_date=from_date, reason="x")

        assert refused.value.code == "period_not_closed"

    def test_leaves_closed_what_lies_before(self) -> None:
        """Tuesday is open again, Monday is not, and Tuesday may close once more."""
        held = having(CLOSED, REOPENED)

        assert held.standing.period_breach(TUESDAY) is None
        assert held.standing.period_breach(MONDAY) is not None
        assert close_period(held, name=FUND, until=TUESDAY, now=FRIDAY_NOON) == CLOSED


class TestAClosedPeriod:
    """Nothing asked for is dated in it; facts are, with the breach."""

    @pytest.mark.parametrize(("dated", "is_closed"), [(TUESDAY, True), (WEDNESDAY, False)])
    def test_refuses_flows_dated_in_it(self, dated: date, is_closed: bool) -> None:  # noqa: FBT001
        """Its last date is in it, the next is not."""
        for move in (deposit, withdraw):
            if not is_closed:
                event = move(having(CLOSED), name=FUND, amount=TEN, value_date=dated, at=None)
                assert event.value_date == dated
                continue
            with pytest.raises(Rejection) as refused:
                move(having(CLOSED), name=FUND, amount=TEN, value_date=dated, at=None)
            assert refused.value.breaches == (
                Breach(
                    "period_closed",
                    "2024-01-09 lies in a period closed until 2024-01-09; reopen it first.",
                    limit="2024-01-09",
                    actual="2024-01-09",
                ),
            )

    @pytest.mark.parametrize(("dated", "is_closed"), [(TUESDAY, True), (WEDNESDAY, False)])
    def test_judges_trades_by_their_date(self, dated: date, is_closed: bool) -> None:  # noqa: FBT001
        """Proposed ones are refused, executed ones book with the breach."""
        around = Surroundings(
            portfolio=having(CLOSED),
            instrument=instrument(),
            market_position=0,
            now=FRIDAY_NOON,
            history_of=lambda _: history_of(tuple),
            rate_at=lambda *_: Decimal(1),
        )
        asked, told = (captured(intent=intent, trade_date=dated) for intent in Intent)

        done = capture_trade(told, trade_id=name_of("t-1"), around=around)

        assert [each.rule for each in done.breaches] == ["period_closed"] * is_closed
        if is_closed:
            with pytest.raises(Rejection) as refused:
                capture_trade(asked, trade_id=name_of("t-1"), around=around)
            assert refused.value.code == "period_closed"
        else:
            assert capture_trade(asked, trade_id=name_of("t-1"), around=around).bookings

    @pytest.mark.parametrize(("dated", "is_closed"), [(TUESDAY, True), (WEDNESDAY, False)])
    def test_lets_facts_in_with_the_breach(self, dated: date, is_closed: bool) -> None:  # noqa: FBT001
        """A fee or interest that the custodian reports late is booked where it belongs."""
        held = having(CLOSED)
        how = {"name": FUND, "amount": TEN, "value_date": dated, "at": None}

        fee, fee_breaches = charge_fee(held, kind=FeeKind.CUSTODY, **how)  # type: ignore[arg-type]
        interest, breaches = book_interest(held, **how)  # type: ignore[arg-type]

        assert (fee.value_date, interest.value_date) == (dated, dated)
        for found in (fee_breaches, breaches):
            assert [each.rule for each in found] == ["period_closed"] * is_closed
