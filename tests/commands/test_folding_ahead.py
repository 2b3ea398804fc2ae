"""What takes long is folded beside the desk: others go on, and the outcome is the same."""

from datetime import timedelta
from decimal import Decimal

import pytest

from commands import ahead
from commands.command import BustTrade, Status
from commands.desk import Desk
from commands.world import World
from domain.book import Book, History
from domain.identity import portfolio_stream, trade_id
from domain.lots import CostBasis, Fill, Side
from domain.portfolio.events import TradeBooked
from domain.portfolio.state import Portfolio
from domain.refolding import Change, Out, Prepared, prepare, refold
from domain.trade import Intent
from eventstore.log import Log
from schemas.codec import decode
from tests.commands.scenes import (
    ACME,
    APPLE,
    MONDAY,
    WAIT_SECONDS,
    capture,
    done,
    issue,
    open_alpha,
)

FILLS = 200


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[Change]:
    """Anything behind 20 fills takes long; what is prepared then."""
    found: list[Change] = []

    def noted(book: Book, change: Change, history: History, *, version: int) -> Prepared:
        found.append(change)
        return prepare(book, change, history, version=version)

    monkeypatch.setattr(ahead, "ENTRIES_AT_ONCE_MAX", 20)
    monkeypatch.setattr(ahead, "prepare", noted)
    return found


@pytest.fixture
def traded(desk: Desk) -> Desk:
    """A portfolio with a history, a day a fill, so that little of it is remembered."""
    open_alpha(desk, cash=10_000_000)
    fills = [
        issue(
            capture(
                f"t-{number}",
                trade_date=MONDAY - timedelta(days=FILLS - number),
                side=Side.SELL if number % 3 == 2 else Side.BUY,
                quantity=Decimal(1 + number % 7),
                intent=Intent.EXECUTED,
            )
        )
        for number in range(FILLS)
    ]
    desk.submit_batch(fills, is_atomic=False).result(WAIT_SECONDS)
    return desk


def alpha(log: Log) -> Portfolio:
    """The portfolio as the log gives it."""
    found = World.load(log).portfolio(portfolio_stream(ACME, "alpha"), log)
    if found is None:
        world = World.load(log)
        world.follow(log)
        found = world.portfolio(portfolio_stream(ACME, "alpha"), log)
    assert found is not None
    return found


def expected(log: Log, *, without: str | None = None) -> list[object]:
    """Lots and realised parts of all fills that were booked, folded in book order."""
    gone = None if without is None else trade_id(ACME, "desk-1", without, None)
    fills: list[Fill] = []
    for recorded in log.read(0, 10_000):
        event = decode(recorded.event_type, recorded.data)
        if isinstance(event, TradeBooked) and event.fill.trade_id != gone:
            fills.append(event.fill)
    book, _ = refold(fills, CostBasis.FIFO)
    return [list(book.lots), book.realised_gross, book.realised_net]


def found(log: Log) -> list[object]:
    """Lots and realised parts of the portfolio."""
    book = alpha(log).book(APPLE)
    return [list(book.lots), book.realised_gross, book.realised_net]


class TestAFillLateByAHistory:
    """Put aside, prepared, and decided on what was prepared."""

    def test_ends_in_the_books_of_book_order(
        self, traded: Desk, log: Log, prepared: list[Change]
    ) -> None:
        """Dated before everything."""
        late = capture("late", trade_date=MONDAY - timedelta(days=900), intent=Intent.EXECUTED)

        assert done(traded, late).status is Status.ACCEPTED

        assert found(log) == expected(log)
        assert len(prepared) == 1

    def test_is_overtaken_by_others(self, traded: Desk, log: Log) -> None:
        """What comes at the end of the same book meanwhile is folded too."""
        late = capture("late", trade_date=MONDAY - timedelta(days=900), intent=Intent.EXECUTED)
        asked = [traded.submit(issue(late))]
        asked += [traded.submit(issue(capture(f"on-time-{each}"))) for each in range(30)]

        outcomes = [each.result(WAIT_SECONDS) for each in asked]

        assert {each.status for each in outcomes} == {Status.ACCEPTED}
        assert found(log) == expected(log)

    def test_holds_back_what_is_behind_it_in_its_batch(self, traded: Desk, log: Log) -> None:
        """Items are decided in order: the sale behind it finds what it bought."""
        early = MONDAY - timedelta(days=900)
        batch = [
            issue(
                capture("late", quantity=Decimal(5_000), trade_date=early, intent=Intent.EXECUTED)
            ),
            *(
                issue(capture(f"b-{each}", side=Side.SELL, quantity=Decimal(1_000)))
                for each in range(5)
            ),
        ]

        outcomes = traded.submit_batch(batch, is_atomic=False).result(WAIT_SECONDS)

        assert [each.status for each in outcomes] == [Status.ACCEPTED] * 6
        positions = [each.position or 0 for each in outcomes]
        assert positions == sorted(positions)
        assert found(log) == expected(log)

    def test_is_all_or_none_in_an_atomic_batch(self, traded: Desk, log: Log) -> None:
        """The whole batch waits."""
        early = MONDAY - timedelta(days=900)
        batch = [
            issue(capture("first")),
            issue(capture("late", trade_date=early, intent=Intent.EXECUTED)),
        ]

        outcomes = traded.submit_batch(batch, is_atomic=True).result(WAIT_SECONDS)

        assert [each.status for each in outcomes] == [Status.ACCEPTED] * 2
        assert found(log) == expected(log)

    def test_is_decided_before_the_desk_ends(self, traded: Desk, log: Log) -> None:
        """What was accepted for deciding is answered, though the desk is stopping."""
        late = capture("late", trade_date=MONDAY - timedelta(days=900), intent=Intent.EXECUTED)
        asked = traded.submit(issue(late))

        traded.stop(WAIT_SECONDS)

        assert asked.result(0).status is Status.ACCEPTED

    def test_stands_behind_another_that_came_first(self, traded: Desk, log: Log) -> None:
        """Two late fills of one book: what was prepared for one is of no use to the other."""
        asked = [
            traded.submit(
                issue(
                    capture(
                        f"late-{each}",
                        trade_date=MONDAY - timedelta(days=900 + each),
                        intent=Intent.EXECUTED,
                    )
                )
            )
            for each in range(4)
        ]

        outcomes = [each.result(WAIT_SECONDS) for each in asked]

        assert {each.status for each in outcomes} == {Status.ACCEPTED}
        assert found(log) == expected(log)


class TestABustOfLongAgo:
    """Taken out of the middle of a long history."""

    def test_ends_in_the_books_without_it(
        self, traded: Desk, log: Log, prepared: list[Change]
    ) -> None:
        """Prepared as a late fill is."""
        bust = BustTrade(source="desk-1", external_id="t-1", portfolio="alpha", reason="typo")

        assert done(traded, bust).status is Status.ACCEPTED

        assert found(log) == expected(log, without="t-1")
        assert prepared == [Out(trade_id(ACME, "desk-1", "t-1", None))]
