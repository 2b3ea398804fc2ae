"""Settlement dates: the n-th day that is both a session and a day of payments (convention 10)."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.business_days import PAYMENTS, SESSIONS, business_days
from domain.calendars import BASE_MARKETS, TIME_ZONES
from domain.rejection import Rejection
from domain.settlement_dates import CYCLES, settlement_date

MARKETS = sorted((market, currency) for currency, market in BASE_MARKETS.items())
EVERY_PAIR = [(market, currency) for market in sorted(CYCLES) for currency in sorted(PAYMENTS)]
DAYS = st.dates(date(2003, 4, 1), date(2026, 12, 1))


def settles(calendar: str, currency: str, traded: str) -> str:
    """Give a settlement date, all dates as text."""
    day = date.fromisoformat(traded)
    found = settlement_date(calendar=calendar, currency=currency, trade_date=day)
    return found.isoformat()


class TestSettlingATrade:
    """Days that really happened."""

    @pytest.mark.parametrize(
        ("calendar", "currency", "traded", "settled"),
        [
            ("XNYS", "USD", "2024-05-24", "2024-05-29"),  # Friday, T+2 over Memorial Day
            ("XNYS", "USD", "2024-05-28", "2024-05-29"),  # Tuesday, the first T+1
            ("XNYS", "USD", "2024-10-11", "2024-10-15"),  # Columbus Day: open, but no payments
            ("XNYS", "USD", "2024-10-14", "2024-10-15"),
            ("XNAS", "USD", "2017-09-01", "2017-09-07"),  # the last T+3, over Labor Day
            ("XNAS", "USD", "2017-09-05", "2017-09-07"),  # the first T+2
            ("XTSE", "CAD", "2024-05-24", "2024-05-28"),
            ("XTSE", "CAD", "2024-05-27", "2024-05-28"),
            ("XLON", "GBP", "2014-10-03", "2014-10-08"),
            ("XLON", "GBP", "2014-10-06", "2014-10-08"),
            ("XETR", "EUR", "2014-10-02", "2014-10-07"),  # T+2 before the others; 3 October closed
            ("XMAD", "EUR", "2016-09-28", "2016-10-03"),
            ("XMAD", "EUR", "2016-09-29", "2016-10-03"),
            ("XPAR", "EUR", "2027-10-08", "2027-10-12"),
            ("XPAR", "EUR", "2027-10-11", "2027-10-12"),
            ("XTKS", "JPY", "2019-07-12", "2019-07-18"),  # over Marine Day
            ("XTKS", "JPY", "2019-07-16", "2019-07-18"),
            ("XSES", "SGD", "2018-12-07", "2018-12-12"),
            ("XSES", "SGD", "2018-12-10", "2018-12-12"),
            ("XASX", "AUD", "2016-03-04", "2016-03-09"),
            ("XASX", "AUD", "2016-03-07", "2016-03-09"),
            ("XBOM", "INR", "2023-01-25", "2023-01-30"),  # over Republic Day
            ("XBOM", "INR", "2023-01-27", "2023-01-30"),
            (
                "XSWX",
                "CHF",
                "2013-12-30",
                "2014-01-07",
            ),  # T+3; closed on 31 December, 1 and 2 January
            ("XSTO", "SEK", "2024-06-19", "2024-06-24"),  # over Midsummer Eve
        ],
    )
    def test_takes_the_cycle_of_its_trade_date(
        self, calendar: str, currency: str, traded: str, settled: str
    ) -> None:
        """Cycles change on a trade date; two days then settle together."""
        assert settles(calendar, currency, traded) == settled

    def test_waits_for_payments_in_its_own_currency(self) -> None:
        """The same Friday in Toronto: in US dollars, Memorial Day comes between."""
        assert settles("XTSE", "CAD", "2024-05-24") == "2024-05-28"
        assert settles("XTSE", "USD", "2024-05-24") == "2024-05-29"
        assert settles("XTSE", "USD", "2024-05-27") == "2024-05-28"

    def test_settles_at_once_where_the_market_never_closes(self) -> None:
        """As soon as its money can be paid: a Saturday's trade on Monday."""
        assert settles("24/7", "USD", "2024-06-03") == "2024-06-03"
        assert settles("24/7", "USD", "2024-06-01") == "2024-06-03"

    @pytest.mark.parametrize(
        ("calendar", "currency", "traded"),
        [
            ("XNYS", "USD", "1998-12-31"),  # before payments are known
            ("XBOM", "INR", "2003-03-31"),  # before the cycle is known
            ("XNYS", "USD", "2030-12-31"),  # settles beyond the end
            ("XNYS", "USD", "2031-01-02"),
            ("24/7", "USD", "1990-01-02"),
            ("XLON", "PLN", "2024-05-24"),  # a currency without a payment calendar
        ],
    )
    def test_is_refused_where_nothing_is_known(
        self, calendar: str, currency: str, traded: str
    ) -> None:
        """Loudly: no date is guessed."""
        with pytest.raises(Rejection) as refused:
            settles(calendar, currency, traded)

        assert refused.value.code == "settlement_date_unknown"

    def test_is_known_to_the_last_day_of_the_tables(self) -> None:
        """The last trade that settles within them."""
        assert settles("XNYS", "USD", "2030-12-30") == "2030-12-31"


class TestAnySettlementDate:
    """Laws of every market and currency."""

    @given(pair=st.sampled_from(EVERY_PAIR), traded=DAYS)
    def test_is_a_session_and_a_day_of_payments_not_before_the_trade(
        self, pair: tuple[str, str], traded: date
    ) -> None:
        """And the days between them are as many as the cycle says."""
        calendar, currency = pair
        days = business_days(calendar, currency)
        assert days is not None

        settled = settlement_date(calendar=calendar, currency=currency, trade_date=traded)

        between = [day for day in days.ordinals if traded.toordinal() < day <= settled.toordinal()]
        cycle = [after for start, after in CYCLES[calendar] if start <= traded][-1]
        assert settled >= traded
        assert settled.toordinal() in days.ordinals
        assert len(between) == cycle or (cycle == 0 and len(between) <= 1)

    @given(pair=st.sampled_from(MARKETS), traded=DAYS, later=st.integers(1, 30))
    def test_never_runs_backwards(self, pair: tuple[str, str], traded: date, later: int) -> None:
        """In a market's own currency over any change of cycle.

        In another one, money at rest on the day of change can put the last trade of the longer
        cycle behind the first of the shorter one, as it did (Toronto in dollars, 2024-05-24).
        """
        calendar, currency = pair

        first = settlement_date(calendar=calendar, currency=currency, trade_date=traded)
        second = settlement_date(
            calendar=calendar,
            currency=currency,
            trade_date=min(traded + timedelta(days=later), date(2026, 12, 1)),
        )

        assert second >= first


class TestKeepingCalendars:
    """Every calendar has what settling needs."""

    def test_knows_sessions_and_cycles_of_every_calendar(self) -> None:
        """And of no other."""
        assert set(CYCLES) == set(TIME_ZONES)
        assert set(SESSIONS) == set(TIME_ZONES) - {"24/7"}

    def test_knows_payments_of_every_currency_with_a_market(self) -> None:
        """So each base market settles in its own currency."""
        assert set(PAYMENTS) == set(BASE_MARKETS)
