"""`market`: what is in force and how old it is, what was told, closes by status."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

import psycopg
import pytest

from domain.event import Event
from domain.identity import marks_stream, sessions_stream
from domain.instrument import (
    InstrumentDelisted,
    InstrumentResumed,
    InstrumentSuspended,
    WrittenDown,
)
from domain.market import (
    Close,
    CloseCorrected,
    Finding,
    FollowingClose,
    MarketMarked,
    Rate,
    SessionClosed,
)
from projections.asking import Readable
from projections.market.closes import judged_closes
from projections.market.model import Market
from projections.market.queries import LastMark, last_marks, told_marks
from projections.market.tables import CloseStatus, MarkKind
from projections.paging import CursorInvalid
from projections.read_model import ReadModel
from read_api.live.destinations import Topic
from read_api.live.known import known_instrument
from read_api.live.shared_destinations import market
from tests.projections.story import DAY_ONE, MARKET, NEW_YORK, Story, closing, opening

APPLE, TESLA, EURO = "AAPL", "TSLA", "EUR/USD"
DAY_TWO, DAY_THREE = DAY_ONE + timedelta(days=1), DAY_ONE + timedelta(days=2)
HOUR = timedelta(hours=1)

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]


@pytest.fixture(autouse=True)
def begun(story: Story) -> None:
    """Every story here knows two instruments."""
    story.register(APPLE, TESLA)


def tell(story: Story, event: Event) -> None:
    """Tell an event of the sessions of New York."""
    story.tell((MARKET, sessions_stream(NEW_YORK), event))


def rated(story: Story, at: datetime, rate: str) -> None:
    """Tell what a euro is in dollars."""
    event = MarketMarked(source="bank", at=at, rates=(Rate("EUR", "USD", Decimal(rate)),))
    story.tell((MARKET, marks_stream("bank"), event))


def last(connection: Connection, name: str = APPLE) -> LastMark:
    """The last mark of one name."""
    (row,) = last_marks(Readable(connection), names=[name]).rows
    return row


class TestTheLastMark:
    """In force is the greatest business time; of two the later told (convention 5)."""

    def test_is_the_newest_by_business_time(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """A mark told late, of a time before, is in no force."""
        story.mark(opening(DAY_ONE), AAPL="10")
        story.mark(opening(DAY_ONE) + HOUR, AAPL="11")
        story.mark(opening(DAY_ONE), AAPL="9")
        fold(Market())

        row = last(connection)

        assert (row.price, row.at) == (Decimal(11), opening(DAY_ONE) + HOUR)
        assert (row.kind, row.source, row.status) == (MarkKind.MARK, "feed", None)
        assert [each.price for each in told_marks(Readable(connection), name=APPLE).rows] == [
            11, 9, 10,
        ]  # fmt: skip

    def test_is_told_twice_for_one_time(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """The later told counts."""
        story.mark(opening(DAY_ONE), AAPL="10")
        story.mark(opening(DAY_ONE), AAPL="12")
        fold(Market())

        assert last(connection).price == Decimal(12)

    def test_is_the_one_before_where_a_close_is_cancelled(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """It keeps its row, without a price; corrected again it is in force again."""
        story.mark(opening(DAY_ONE), AAPL="10")
        story.close(DAY_ONE, AAPL="17.87", TESLA="5")
        story.correct(DAY_ONE, APPLE, None)
        fold(Market())
        assert last(connection).price == Decimal(10)

        story.correct(DAY_ONE, APPLE, "35")
        fold(Market())
        row = last(connection)
        close, mark = told_marks(Readable(connection), name=APPLE).rows

        assert (row.price, row.kind, row.status) == (Decimal(35), "close", "corrected")
        assert (row.calendar, row.session) == (NEW_YORK, DAY_ONE)
        assert (close.replaces, close.reason) == (Decimal(1), "wrong print")
        assert close.corrected_position == close.told == row.told
        assert mark.price == Decimal(10)

    def test_comes_by_name_in_pages(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Instruments and pairs; what was never priced is not among them."""
        story.register("NEVER")
        rated(story, opening(DAY_ONE), "1.1")
        story.close(DAY_ONE, AAPL="10", TSLA="20")
        fold(Market())
        readable = Readable(connection)

        one = last_marks(readable, limit=2)
        two = last_marks(readable, limit=2, cursor=one.next_cursor)

        assert [row.name for row in one.rows + two.rows] == [APPLE, EURO, TESLA]
        assert {row.name: row.currency for row in one.rows} == {APPLE: "USD", EURO: "USD"}
        with pytest.raises(CursorInvalid):
            last_marks(readable, is_stale=True, cursor=one.next_cursor)


class TestStaleness:
    """How old a mark is where business time stands."""

    def test_begins_with_the_close_of_a_session_without_it(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Tesla has no close on the second day."""
        story.close(DAY_ONE, AAPL="10", TSLA="20")
        story.close(DAY_TWO, AAPL="11")
        fold(Market())
        readable = Readable(connection)

        assert [row.name for row in last_marks(readable, is_stale=True).rows] == [TESLA]
        assert [row.name for row in last_marks(readable, is_stale=False).rows] == [APPLE]

    @pytest.mark.parametrize(("seconds", "is_stale"), [(0, False), (1, True)])
    def test_of_a_rate_begins_behind_four_days(
        self,
        story: Story,
        fold: FoldAll,
        connection: Connection,
        seconds: int,
        *,
        is_stale: bool,
    ) -> None:
        """Calendar days, to the newest business time of anything."""
        at = opening(DAY_ONE)
        rated(story, at, "1.1")
        story.mark(at + timedelta(days=4, seconds=seconds), AAPL="10")
        fold(Market())

        assert last(connection, EURO).is_stale is is_stale

    def test_is_that_of_what_does_not_trade(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Suspended or delisted, until it is written down or trades again."""
        story.close(DAY_ONE, AAPL="10", TSLA="20")
        halt = InstrumentSuspended(instrument=APPLE, from_at=closing(DAY_ONE), reason="halted")
        story.change(halt, InstrumentDelisted(instrument=TESLA, on_date=DAY_ONE))
        fold(Market())
        readable = Readable(connection)
        assert all(row.is_stale for row in last_marks(readable).rows)

        down = WrittenDown(
            instrument=TESLA, price=Decimal(0), at=closing(DAY_ONE) + HOUR, reason="lost"
        )
        story.change(InstrumentResumed(instrument=APPLE, from_at=closing(DAY_ONE)), down)
        fold(Market())

        assert last_marks(readable, is_stale=True).rows == []
        assert last(connection, TESLA).kind == MarkKind.WRITE_DOWN


class TestTheHistory:
    """What was told of one name."""

    def test_comes_newest_first_in_pages_between_two_times(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """From the first time on, to before the last."""
        times = [opening(DAY_ONE) + number * HOUR for number in range(6)]
        for number, at in enumerate(times):
            story.mark(at, AAPL=str(number), TSLA="1")
        fold(Market())
        asked: dict[str, Any] = {"name": APPLE, "since": times[1], "until": times[5], "limit": 3}

        one = told_marks(Readable(connection), **asked)
        two = told_marks(Readable(connection), **asked, cursor=one.next_cursor)

        assert [row.price for row in one.rows] == [4, 3, 2]
        assert [row.price for row in two.rows] == [1]
        assert two.next_cursor is None


class TestJudgedCloses:
    """Data quality: what is thought of each close."""

    def test_are_listed_by_status(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Each in its list; a correction judges the close behind it anew."""
        for day, findings in ((DAY_ONE, ()), (DAY_TWO, (Finding.FAR_FROM_PREVIOUS,))):
            _close(story, day, findings)
        story.close(DAY_THREE, AAPL="12", TSLA="1")
        fold(Market())
        before = _by_status(connection)
        story.correct(DAY_THREE, TESLA, None)
        tell(story, _corrected_first_day())
        fold(Market())

        assert before == {
            CloseStatus.ACCEPTED: [(APPLE, DAY_ONE), (APPLE, DAY_THREE), (TESLA, DAY_THREE)],
            CloseStatus.SUSPECT: [(APPLE, DAY_TWO)],
        }
        assert _by_status(connection) == {
            CloseStatus.ACCEPTED: [(APPLE, DAY_TWO), (APPLE, DAY_THREE)],
            CloseStatus.CORRECTED: [(APPLE, DAY_ONE)],
            CloseStatus.CANCELLED: [(TESLA, DAY_THREE)],
        }

    def test_come_in_pages_by_instrument(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """One instrument's closes, cut in pages."""
        for number in range(4):
            story.close(DAY_ONE + timedelta(days=number), AAPL="10")
        fold(Market())
        asked: dict[str, Any] = {"status": CloseStatus.ACCEPTED, "instrument": APPLE, "limit": 3}

        one = judged_closes(Readable(connection), **asked)
        two = judged_closes(Readable(connection), **asked, cursor=one.next_cursor)
        asked["instrument"] = TESLA

        assert [row.session.day for row in one.rows + two.rows] == [4, 5, 6, 7]
        assert two.next_cursor is None
        assert judged_closes(Readable(connection), **asked).rows == []


def _by_status(connection: Connection) -> dict[CloseStatus, list[tuple[str, date]]]:
    found = {
        status: judged_closes(Readable(connection), status=status).rows for status in CloseStatus
    }
    return {
        status: [(row.instrument, row.session) for row in rows]
        for status, rows in found.items()
        if rows
    }


def _close(story: Story, day: date, findings: tuple[Finding, ...]) -> None:
    event = SessionClosed(
        calendar=NEW_YORK,
        session=day,
        starts_at=opening(day),
        ends_at=closing(day),
        closes=(Close(instrument=APPLE, price=Decimal(10), findings=findings),),
    )
    tell(story, event)


def _corrected_first_day() -> CloseCorrected:
    return CloseCorrected(
        calendar=NEW_YORK,
        session=DAY_ONE,
        ends_at=closing(DAY_ONE),
        instrument=APPLE,
        price=Decimal(11),
        replaces=Decimal(10),
        reason="wrong print",
        following=FollowingClose(DAY_TWO, ()),
    )


class Counted(psycopg.Cursor[Any]):
    """A cursor that counts what is asked on it."""

    asked = 0

    def execute(self, *given: Any, **how: Any) -> Self:
        """Ask, and count it."""
        Counted.asked += 1
        super().execute(*given, **how)
        return self


class TestWhoeverWatches:
    """Live asks for everybody at once."""

    def test_is_told_of_his_instruments_by_one_question(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Two tenants, two instruments of three; and the whole market for both."""
        story.register("NEVER", "IBM")
        story.close(DAY_ONE, AAPL="10", TSLA="20", IBM="5")
        fold(Market())
        one, two = (Topic(tenant, (APPLE,)) for tenant in ("acme", "globex"))
        unpriced, other = Topic("acme", ("NEVER",)), Topic("acme", (TESLA,))
        connection.cursor_factory, Counted.asked = Counted, 0

        told = market(Readable(connection), [one, unpriced, other, two])
        assert Counted.asked == 1
        assert {(row.topic, row.key) for row in told.rows} == {
            (one, APPLE), (two, APPLE), (other, TESLA),
        }  # fmt: skip
        everything = [Topic("acme"), Topic("globex")]
        told = market(Readable(connection), everything)
        assert Counted.asked == 2
        assert [(row.topic, row.key) for row in told.rows] == [
            (topic, name) for name in (APPLE, "IBM", TESLA) for topic in everything
        ]

    def test_may_wait_for_a_first_price(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """What is registered is known; what is not, is not."""
        story.register("NEVER")
        fold(Market())
        readable = Readable(connection)
        assert known_instrument(readable, Topic("acme", ("NEVER",)))
        assert not known_instrument(readable, Topic("acme", ("NOSUCH",)))
