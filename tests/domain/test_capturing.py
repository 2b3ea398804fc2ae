"""Capturing: given portfolio and instrument, a trade is told or asked for (conventions 1 to 3)."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from domain.capturing import Booked, Surroundings, capture_trade, fill_of, release_trade
from domain.instrument import Instrument
from domain.lots import Fill, Lot
from domain.portfolio.events import LotsRestated, TradeBooked
from domain.portfolio.state import Portfolio
from domain.rejection import Breach, Rejection
from domain.trade import Capture, Intent, TradeCaptured, TradeParked, TradeReleased
from tests.domain.scenes import (
    FIFO,
    FRIDAY_NOON,
    FUND,
    MONDAY,
    SELL,
    TUESDAY,
    WEDNESDAY,
    after,
    booked,
    bought,
    captured,
    exact,
    history_of,
    instrument,
    instrument_after,
    name_of,
    portfolio,
    sold,
    suspended,
    totals,
)

NAME = name_of("t-1")
TOLD = Intent.EXECUTED
NO_CASH = Breach("insufficient_cash", "1000 USD needed, 0 held.", limit="0", actual="1000")


def around(
    held: Portfolio | None = None, known: Instrument | None = None, **changes: Any
) -> Surroundings:
    """What a capture meets: no history and no rates unless named."""
    plain = Surroundings(
        portfolio=held,
        instrument=known,
        market_position=7,
        now=FRIDAY_NOON,
        history_of=lambda _: _never_asked,
        rate_at=lambda base, quote, _: Decimal(1) if base == quote else None,
    )
    return replace(plain, **changes)


def _never_asked(_from_version: int) -> Iterable[tuple[int, Fill]]:
    pytest.fail("history is read for a late fill only")


def capturing(capture: Capture, surroundings: Surroundings) -> Booked:
    """Decide a capture under its name."""
    return capture_trade(capture, trade_id=NAME, around=surroundings)


def code_of(capture: Capture, surroundings: Surroundings) -> str:
    """The code of a refusal."""
    with pytest.raises(Rejection) as refused:
        capturing(capture, surroundings)
    return refused.value.code


class TestAsking:
    """Proposed: every rule applies, a breach refuses."""

    def test_books_trade_and_portfolio_together(self) -> None:
        """The intent as it was given, and the results beside it."""
        asked = captured()

        done = capturing(asked, around(portfolio(cash=5_000), instrument()))

        assert done.trade == TradeCaptured(
            trade_id=NAME, capture=asked, market_position=7, received_at=FRIDAY_NOON
        )
        assert done.breaches == ()
        assert done.bookings == (
            booked(
                bought("t-1", 100, 10, value_date=WEDNESDAY),
                totals=totals(100, 1_000),
                cash_after=Decimal(4_000),
                opened=Lot(NAME, MONDAY, *exact(100, 1_000, 0)),
                rate_to_base=Decimal(1),
            ),
        )

    def test_is_refused_with_every_breach(self) -> None:
        """The first names the refusal, all are listed."""
        asked = captured(trade_date=FRIDAY_NOON.date() + timedelta(days=1))

        with pytest.raises(Rejection) as refused:
            capturing(asked, around(portfolio(), instrument()))

        assert refused.value.code == "insufficient_cash"
        assert refused.value.breaches[0] == NO_CASH
        assert [each.rule for each in refused.value.breaches] == [
            "insufficient_cash",
            "trade_from_the_future",
        ]

    def test_is_refused_in_an_unknown_instrument(self) -> None:
        """What is not known cannot be judged."""
        assert code_of(captured(), around(portfolio(cash=5_000))) == "instrument_unknown"


class TestTelling:
    """Executed: refused only when it cannot be understood."""

    def test_books_in_spite_of_breaches_and_carries_them(self) -> None:
        """No cash, and an instrument that is suspended."""
        halted = instrument_after(suspended())

        done = capturing(captured(intent=TOLD), around(portfolio(), halted))

        assert isinstance(done.trade, TradeCaptured)
        assert [each.rule for each in done.trade.breaches] == [
            "instrument_inactive",
            "insufficient_cash",
        ]
        assert done.breaches == done.trade.breaches
        assert len(done.bookings) == 1

    def test_parks_what_its_instrument_is_not_known_for(self) -> None:
        """Nothing is booked, and the whole intent is kept."""
        told = captured(intent=TOLD, currency="EUR")

        done = capturing(told, around(portfolio()))

        assert done == Booked(
            TradeParked(trade_id=NAME, capture=told, market_position=7, received_at=FRIDAY_NOON)
        )


class TestNotUnderstanding:
    """Neither asking nor telling helps where a name means nothing."""

    @pytest.mark.parametrize("intent", Intent)
    @pytest.mark.parametrize(
        ("code", "changes", "surroundings"),
        [
            ("portfolio_unknown", {}, around(None, instrument())),
            ("portfolio_unknown", {}, around(Portfolio(), instrument())),
            ("portfolio_unknown", {}, around(None, None)),
            ("currency_unknown", {"currency": "XXX"}, around(portfolio(cash=5_000), instrument())),
            ("currency_unknown", {"currency": "XXX"}, around(portfolio(cash=5_000), None)),
            ("currency_mismatch", {"currency": "EUR"}, around(portfolio(), instrument())),
            (
                "out_of_range",
                {"quantity": Decimal(10) ** 20, "price": Decimal(10) ** 6},
                around(portfolio(allows_leverage=True), instrument()),
            ),
        ],
    )
    def test_refuses(
        self, intent: Intent, code: str, changes: dict[str, Any], surroundings: Surroundings
    ) -> None:
        """By name, in either intent; also before it would be parked."""
        assert code_of(captured(intent=intent, **changes), surroundings) == code

    def test_names_both_currencies(self) -> None:
        """Decision 0006: its amounts cannot join the lots."""
        with pytest.raises(Rejection) as refused:
            capturing(captured(currency="EUR"), around(portfolio(), instrument()))

        (breach,) = refused.value.breaches
        assert (breach.rule, breach.limit, breach.actual) == ("currency_mismatch", "USD", "EUR")


class TestReleasing:
    """A parked trade is booked when its instrument appears: an executed fact, never refused."""

    PARKED = captured(intent=TOLD, trade_date=MONDAY)

    def test_books_it_as_if_told_now(self) -> None:
        """With the breaches and the market state of now."""
        done = release_trade(self.PARKED, trade_id=NAME, around=around(portfolio(), instrument()))

        assert done.trade == TradeReleased(
            trade_id=NAME,
            portfolio=FUND,
            instrument="AAPL",
            market_position=7,
            breaches=(NO_CASH,),
        )
        (booking,) = done.bookings
        assert isinstance(booking, TradeBooked)
        assert booking.fill == bought("t-1", 100, 10, value_date=WEDNESDAY)

    def test_goes_to_its_place_in_book_order(self) -> None:
        """Waiting does not make it newer: a sale booked meanwhile is restated."""
        meanwhile = after(
            FIFO,
            [
                bought("b", 100, 20, trade_date=TUESDAY),
                sold("c", 100, 30, trade_date=TUESDAY),
            ],
        )

        done = release_trade(
            self.PARKED,
            trade_id=NAME,
            around=around(
                meanwhile.portfolio,
                instrument(),
                history_of=lambda _: history_of(lambda: meanwhile.fills),
            ),
        )

        first, page = done.bookings
        assert isinstance(first, TradeBooked)
        assert first.is_late
        assert isinstance(page, LotsRestated)
        assert [change.gross for change in page.changes] == [1_000]

    @pytest.mark.parametrize(
        ("code", "known"),
        [("instrument_unknown", None), ("currency_mismatch", instrument(currency="EUR"))],
    )
    def test_leaves_it_parked(self, code: str, known: Instrument | None) -> None:
        """Still unknown, or known in another currency."""
        with pytest.raises(Rejection) as refused:
            release_trade(self.PARKED, trade_id=NAME, around=around(portfolio(), known))

        assert refused.value.code == code


class TestResolvingAFill:
    """What the source left out is filled in from the instrument and from the numbers."""

    @pytest.mark.parametrize(
        ("calendar", "at", "day"),
        [
            ("XNYS", datetime(2024, 3, 9, 4, 59, 59, tzinfo=UTC), date(2024, 3, 8)),
            ("XNYS", datetime(2024, 3, 9, 5, 0, tzinfo=UTC), date(2024, 3, 9)),
            ("XTKS", datetime(2024, 3, 8, 15, 0, tzinfo=UTC), date(2024, 3, 9)),
        ],
    )
    def test_dates_it_by_the_market_s_calendar(
        self, calendar: str, at: datetime, day: date
    ) -> None:
        """The local date of its instant, where the source gave no date."""
        told = captured(trade_date=None, executed_at=at)

        assert fill_of(told, trade_id=NAME, calendar=calendar).trade_date == day

    def test_keeps_the_date_its_source_gave(self) -> None:
        """Whatever the calendar would say of the instant."""
        told = captured(trade_date=TUESDAY, executed_at=FRIDAY_NOON)

        fill = fill_of(told, trade_id=NAME, calendar="XNYS")

        assert (fill.trade_date, fill.executed_at) == (TUESDAY, FRIDAY_NOON)

    def test_does_not_invent_a_time_of_day(self) -> None:
        """A date-only import has none."""
        assert fill_of(captured(), trade_id=NAME, calendar="XNYS").executed_at is None

    def test_carries_all_the_rest_over(self) -> None:
        """Every field of the capture that a fill has is in it."""
        told = captured(
            side=SELL,
            fee=Decimal(3),
            consideration=Decimal("999.99"),
            source="venue",
            source_sequence=4,
        )

        assert fill_of(told, trade_id=NAME, calendar="XNYS") == replace(
            sold("t-1", 100, 10, source="venue", fee=3, consideration="999.99", source_sequence=4),
            trade_id=NAME,
            value_date=WEDNESDAY,
        )

    def test_settles_where_and_in_what_it_trades(self) -> None:
        """Two days on in New York, at once where the market never closes; unknown, no date."""
        known = {
            calendar: fill_of(captured(), trade_id=NAME, calendar=calendar).value_date
            for calendar in ("XNYS", "24/7")
        }
        zloty = fill_of(captured(currency="PLN"), trade_id=NAME, calendar="XNYS")

        assert known == {"XNYS": WEDNESDAY, "24/7": MONDAY}
        assert zloty.value_date is None


class TestConvertingToBase:
    """The rate to base is part of the trade's event (convention 8)."""

    @pytest.mark.parametrize(
        ("currency", "rate"), [("USD", Decimal(1)), ("EUR", Decimal("1.1")), ("GBP", None)]
    )
    def test_is_asked_from_the_trade_s_currency_to_the_portfolio_s(
        self, currency: str, rate: Decimal | None
    ) -> None:
        """One for the base itself, the market's rate, or absent: never guessed."""
        rates = {("USD", "USD"): Decimal(1), ("EUR", "USD"): Decimal("1.1")}
        surroundings = around(
            portfolio(allows_leverage=True),
            instrument(currency=currency),
            rate_at=lambda base, quote, _: rates.get((base, quote)),
        )

        done = capturing(captured(currency=currency), surroundings)

        (booking,) = done.bookings
        assert isinstance(booking, TradeBooked)
        assert booking.rate_to_base == rate
