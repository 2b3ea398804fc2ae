"""The settlement reaction: cash settles when its session closes, once, whatever is interrupted."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from commands.command import CloseSession, OpenPortfolio, Status, WithdrawCash
from commands.desk import Desk
from commands.reactions.settlement import run_settlements
from domain.identity import MARKET_TENANT
from domain.lots import CostBasis, Side
from domain.money import Money
from domain.portfolio.events import CashSettled
from eventstore.log import Log
from schemas.codec import decode
from tests.commands.desks import desk_on, wait_until
from tests.commands.scenes import MONDAY, TUESDAY, WAIT_SECONDS, capture, done, open_alpha

WEDNESDAY, THURSDAY = date(2024, 1, 10), date(2024, 1, 11)
SETTLED_MONDAY = CashSettled(
    portfolio="alpha",
    value_date=WEDNESDAY,
    currency="USD",
    amount=Decimal(-1_000),
    settled_after=Decimal(99_000),
)


@contextmanager
def settling(desk: Desk, log: Log) -> Iterator[None]:
    """The settlement reaction, running beside the desk."""
    stop = threading.Event()
    thread = threading.Thread(target=run_settlements, args=(desk, log, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()


def close(desk: Desk, session: date, calendar: str = "XNYS") -> None:
    """Close a session without closes."""
    starts_at = datetime(session.year, session.month, session.day, 14, 30, tzinfo=UTC)
    closing = CloseSession(
        calendar=calendar,
        session=session,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=6, minutes=30),
    )
    assert done(desk, closing, tenant=MARKET_TENANT).status is Status.ACCEPTED


def settlements(log: Log) -> list[CashSettled]:
    """What was settled so far."""
    events = [decode(each.event_type, each.data) for each in log.read(0, 1_000)]
    return [event for event in events if isinstance(event, CashSettled)]


class TestSettlingOnValueDate:
    """The portfolio's own calendar says when a date is over."""

    def test_settles_when_the_session_of_the_value_date_closes(self, desk: Desk, log: Log) -> None:
        """Traded on Monday, settled with Wednesday's close; Tuesday's trade a day later."""
        open_alpha(desk)
        done(desk, capture("t-1"))
        done(desk, capture("t-2", trade_date=TUESDAY))

        with settling(desk, log):
            close(desk, MONDAY)
            close(desk, TUESDAY)
            close(desk, WEDNESDAY, calendar="XLON")
            close(desk, WEDNESDAY)
            wait_until(lambda: bool(settlements(log)))
            assert settlements(log) == [SETTLED_MONDAY]
            close(desk, THURSDAY)
            wait_until(lambda: len(settlements(log)) == 2)

        last = settlements(log)[-1]
        assert (last.value_date, last.settled_after) == (THURSDAY, Decimal(98_000))

    def test_settles_what_was_due_before_it_started(self, desk: Desk, log: Log) -> None:
        """Sessions closed while nobody settled; starting twice settles once."""
        open_alpha(desk)
        done(desk, capture("t-1"))
        close(desk, WEDNESDAY)

        for _ in range(2):
            with settling(desk, log):
                wait_until(lambda: bool(settlements(log)))

        assert settlements(log) == [SETTLED_MONDAY]

    def test_asks_again_after_overload(self, log: Log) -> None:
        """More portfolios are due than the queue holds: each is settled, once."""
        names = [f"fund-{number}" for number in range(6)]
        with desk_on(log, queued_max=2) as desk:
            open_alpha(desk)
            for name in names:
                opened = OpenPortfolio(
                    portfolio=name,
                    base_currency="USD",
                    cost_basis=CostBasis.FIFO,
                    allows_leverage=True,
                )
                done(desk, opened)
                done(desk, capture(f"of-{name}", portfolio=name))
            close(desk, WEDNESDAY)

            with settling(desk, log):
                wait_until(lambda: len(settlements(log)) == len(names))

        assert sorted(each.portfolio for each in settlements(log)) == names

    def test_frees_what_was_sold_only_then(self, desk: Desk, log: Log) -> None:
        """Proceeds of Tuesday are paid out from Thursday on, with the date in the refusal."""
        open_alpha(desk, cash=1_000)
        done(desk, capture("t-1"))
        sale = capture("t-2", side=Side.SELL, price=Decimal(20), trade_date=TUESDAY)
        assert done(desk, sale).status is Status.ACCEPTED
        money = Money(Decimal(2_000), "USD")

        early = done(desk, WithdrawCash(portfolio="alpha", amount=money, value_date=WEDNESDAY))
        on_time = done(desk, WithdrawCash(portfolio="alpha", amount=money, value_date=THURSDAY))

        assert early.status is Status.REJECTED
        assert early.message == "2000 USD asked, 0 free on 2024-01-10."
        assert on_time.status is Status.ACCEPTED
