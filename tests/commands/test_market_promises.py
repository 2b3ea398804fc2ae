"""Closed sessions told again, and the rate a trade is booked at, through the desk."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from commands.command import CloseSession, MarkMarket, OpenPortfolio, Status
from commands.desk import Desk
from domain.identity import MARKET_TENANT
from domain.lots import CostBasis
from domain.market import Close, Rate
from domain.portfolio.events import TradeBooked
from domain.trade import Intent
from eventstore.log import Log
from schemas.codec import decode
from tests.commands.scenes import APPLE, MONDAY, TUESDAY, capture, done, open_alpha, register

TRADED_AT = datetime(2024, 1, 9, 15, tzinfo=UTC)
MIDNIGHT_AFTER = datetime(2024, 1, 10, tzinfo=UTC)
HOURS_OPEN = timedelta(hours=6)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def closing(day: date, price: int) -> CloseSession:
    """The session of a day in New York, AAPL closing at a price."""
    starts_at = datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC)
    return CloseSession(
        calendar="XNYS",
        session=day,
        starts_at=starts_at,
        ends_at=starts_at + HOURS_OPEN,
        closes=(Close(instrument=APPLE, price=Decimal(price)),),
    )


class TestClosingAnOlderSessionAgain:
    """Tuesday is closed; Monday is told again."""

    def test_tells_the_first_acceptance(self, desk: Desk, log: Log) -> None:
        """The same content, another key: Monday's own acceptance, nothing written."""
        done(desk, register(), tenant=MARKET_TENANT)
        monday = done(desk, closing(MONDAY, 10), tenant=MARKET_TENANT)
        tuesday = done(desk, closing(TUESDAY, 11), tenant=MARKET_TENANT)
        head = log.head()

        again = done(desk, closing(MONDAY, 10), tenant=MARKET_TENANT)

        assert again.replayed
        assert (again.status, again.position) == (Status.ACCEPTED, monday.position)
        assert again.position != tuesday.position
        assert log.head() == head

    def test_is_a_conflict_with_other_content_whenever_it_is_asked(self, desk: Desk) -> None:
        """The conflict met before Tuesday closed is told the same after."""
        done(desk, register(), tenant=MARKET_TENANT)
        done(desk, closing(MONDAY, 10), tenant=MARKET_TENANT)
        before = done(desk, closing(MONDAY, 12), tenant=MARKET_TENANT, key="again")
        done(desk, closing(TUESDAY, 11), tenant=MARKET_TENANT)

        after = done(desk, closing(MONDAY, 12), tenant=MARKET_TENANT, key="again")
        fresh = done(desk, closing(MONDAY, 12), tenant=MARKET_TENANT)

        for outcome in (before, after, fresh):
            assert outcome.status is Status.CONFLICT
            assert outcome.code == "session_already_closed"
            assert outcome.fields == ("closes",)


def book_in_euros(
    desk: Desk, log: Log, *rates: tuple[datetime, Rate], **when: object
) -> TradeBooked:
    """Book a dollar trade into a euro portfolio after these rates were marked."""
    open_alpha(desk)
    euro = OpenPortfolio(
        portfolio="euro", base_currency="EUR", cost_basis=CostBasis.FIFO, allows_leverage=True
    )
    done(desk, euro)
    for at, rate in rates:
        marked = done(desk, MarkMarket(source="ecb", at=at, rates=(rate,)), tenant=MARKET_TENANT)
        assert marked.status is Status.ACCEPTED
    done(desk, capture("o-1", portfolio="euro", intent=Intent.EXECUTED, **when))
    (booked,) = [
        event
        for each in log.read(0, 1_000)
        if isinstance(event := decode(each.event_type, each.data), TradeBooked)
    ]
    return booked


def dollars(rate: str) -> Rate:
    """Euros for one dollar."""
    return Rate("USD", "EUR", Decimal(rate))


class TestBookingWithARateToBase:
    """The rate in force at the trade's time is stored with it, or none is (convention 8)."""

    @pytest.mark.parametrize(
        ("marked_at", "stored"),
        [
            (TRADED_AT - DAY, Decimal("0.9")),
            (TRADED_AT, Decimal("0.9")),
            (TRADED_AT + SECOND, None),
            (TRADED_AT - 4 * DAY, Decimal("0.9")),
            (TRADED_AT - 4 * DAY - SECOND, None),
            (TRADED_AT - 5 * DAY, None),
        ],
    )
    def test_stores_what_is_in_force_then(
        self, desk: Desk, log: Log, marked_at: datetime, stored: Decimal | None
    ) -> None:
        """Not one of later, and none older than four days."""
        booked = book_in_euros(
            desk, log, (marked_at, dollars("0.9")), trade_date=TUESDAY, executed_at=TRADED_AT
        )

        assert booked.rate_to_base == stored

    def test_stores_the_inverse(self, desk: Desk, log: Log) -> None:
        """1.25 dollars for one euro are 0.8 euros for one dollar."""
        inverse = Rate("EUR", "USD", Decimal("1.25"))

        booked = book_in_euros(
            desk, log, (TRADED_AT - DAY, inverse), trade_date=TUESDAY, executed_at=TRADED_AT
        )

        assert booked.rate_to_base == Decimal("0.8")

    def test_stores_the_rate_of_its_own_day_when_told_late(self, desk: Desk, log: Log) -> None:
        """A trade told after another rate came into force: its own time's, never that one."""
        booked = book_in_euros(
            desk,
            log,
            (TRADED_AT - DAY, dollars("0.90")),
            (TRADED_AT + DAY, dollars("0.50")),
            trade_date=TUESDAY,
            executed_at=TRADED_AT,
        )

        assert booked.rate_to_base == Decimal("0.9")

    @pytest.mark.parametrize(
        ("marked_at", "stored"),
        [(MIDNIGHT_AFTER, Decimal("0.9")), (MIDNIGHT_AFTER + SECOND, None)],
    )
    def test_takes_the_end_of_the_day_where_there_is_no_time(
        self, desk: Desk, log: Log, marked_at: datetime, stored: Decimal | None
    ) -> None:
        """A date-only trade is judged at the end of its date."""
        booked = book_in_euros(desk, log, (marked_at, dollars("0.9")), trade_date=TUESDAY)

        assert booked.rate_to_base == stored
