"""The highest value, where some of what was seen proves false: a close, or a trade."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.alerts.events import AlertRaised
from domain.alerts.highs import RECORDS_MAX, Highs
from domain.alerts.seen import Seen
from domain.alerts.terms import AlertKind
from domain.held import BookTotals
from domain.identity import MARKET_TENANT
from domain.market import Close, CloseCorrected, SessionClosed
from domain.money import ONE, ZERO, share
from domain.portfolio.events import Reason, TradeBooked, TradeUnbooked
from tests.domain.alerts.story import NOON, Story, trade
from tests.domain.alerts.test_values import bought, invested

HOUR = 3_600
EVENING = NOON + timedelta(hours=9)


def watched() -> Story:
    """100 units at 10, of which a fall by a tenth is told."""
    story = invested()
    story.rule(AlertKind.DRAWDOWN, "0.1", "0.05")
    story.mark(0, AAPL="10")
    return story


def close(story: Story, price: str) -> None:
    """Close the session of the day."""
    closed = SessionClosed(
        calendar="XNYS",
        session=NOON.date(),
        starts_at=NOON,
        ends_at=EVENING,
        closes=(Close(instrument="AAPL", price=Decimal(price)),),
    )
    story.tell(closed, tenant=MARKET_TENANT)


def correct(story: Story, price: str) -> None:
    """Correct that close."""
    corrected = CloseCorrected(
        calendar="XNYS",
        session=NOON.date(),
        ends_at=EVENING,
        instrument="AAPL",
        price=Decimal(price),
        replaces=Decimal(15),
        reason="typo",
    )
    story.tell(corrected, tenant=MARKET_TENANT)


def assert_held_against(story: Story, high: str) -> None:
    """The last mark raised by the fall from this price."""
    last = story.judged[-1]
    assert isinstance(last, AlertRaised)
    now = story.watching.market.prices.marks.in_force("AAPL", last.at)
    assert now is not None
    assert last.actual == ONE - share(ONE, now.price, Decimal(high)).quantize(Decimal("1e-12"))


class TestAFalseClose:
    """Far too high, and corrected when the next session is under way."""

    def test_hides_no_high_that_was_seen_behind_it(self) -> None:
        """The true one is what the fall is held against."""
        story = watched()
        close(story, "15")
        for minute, price in enumerate(("10", "11", "10.4"), start=1):
            story.mark(20 * HOUR + 60 * minute, AAPL=price)
        assert story.words == ["raised"]

        correct(story, "10.2")
        story.mark(21 * HOUR, AAPL="9.95")
        assert story.words == ["raised", "retracted"]
        story.mark(22 * HOUR, AAPL="9.89")

        assert_held_against(story, "11")

    def test_hides_none_that_was_seen_before_it(self) -> None:
        """Nor on the same day."""
        story = watched()
        story.mark(HOUR, AAPL="11")
        story.mark(2 * HOUR, AAPL="10.5")
        close(story, "15")
        story.mark(20 * HOUR, AAPL="10")
        correct(story, "10.2")
        story.mark(21 * HOUR, AAPL="9.89")

        assert_held_against(story, "11")


class TestASlip:
    """A trade that is taken out, when its instrument has risen and risen."""

    def test_hides_no_high_of_before(self) -> None:
        """However many highs it made."""
        story = watched()
        story.mark(1, AAPL="11")
        story.mark(2, AAPL="10", MSFT="10")
        slip = bought("MSFT", 100, "10", cash_after="-1000")
        slip = replace(slip, fill=replace(slip.fill, trade_id=trade(2)))
        story.tell(slip)
        for second in range(3, 40):
            story.mark(second, MSFT=str(10 + second))
        story.tell(taken_out(slip))
        assert story.words == []

        story.mark(60, AAPL="9.89")

        assert_held_against(story, "11")


def taken_out(slip: TradeBooked) -> TradeUnbooked:
    """A bust of it."""
    return TradeUnbooked(
        portfolio="growth",
        instrument=slip.instrument,
        currency="USD",
        fill=slip.fill,
        reason=Reason.BUSTED,
        totals=BookTotals(quantity=ZERO, cost=ZERO),
        cash_change=-slip.cash_change,
        cash_after=ZERO,
    )


navs = st.lists(st.integers(1_000, 1_100), min_size=1, max_size=30)


class TestTheBound:
    """So many records at most."""

    @settings(max_examples=50)
    @given(before=navs, within=navs, behind=navs)
    def test_holds_and_what_is_false_hides_nothing(
        self, before: list[int], within: list[int], behind: list[int]
    ) -> None:
        """Of many stretches, some half as high again: the highest as seen, and as it truly was."""
        highs = Highs()
        path = [*before, *(each * 3 // 2 for each in within), *behind]
        for facts, nav in enumerate(path):
            seen = Seen(NOON, ZERO, Decimal(nav), "USD", {}, {}, facts)
            highs.follow(seen, is_flow=False)
        assert len(highs.records) <= RECORDS_MAX + 1
        assert highs.base is not None
        assert highs.base.value == max(path)

        def true(seen: Seen) -> Seen:
            is_false = len(before) <= seen.facts < len(before) + len(within)
            nav = Decimal(within[seen.facts - len(before)]) if is_false else seen.nav
            return replace(seen, nav=nav)

        highs.restate(true)

        assert highs.base.value == max(*before, *within, *behind)
