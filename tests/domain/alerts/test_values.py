"""Rules judged by what a portfolio is worth: by hand, and by a law on any path of prices."""

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.alerts.events import AlertCleared, AlertRaised, JudgedEvent
from domain.alerts.terms import AlertKind
from domain.held import BookTotals
from domain.identity import MARKET_TENANT
from domain.lots import Fill, Side
from domain.market import Mark, MarketMarked, Rate
from domain.money import ONE, ZERO, Money, share
from domain.portfolio.events import (
    CashDeposited,
    CashWithdrawn,
    Reason,
    TradeBooked,
    TradeUnbooked,
)
from tests.domain.alerts.story import NOON, Story, trade


def bought(name: str, quantity: int, price: str, *, cash_after: str = "0") -> TradeBooked:
    """A booked buy; the balance afterwards is told, as events do."""
    amount = Decimal(quantity) * Decimal(price)
    fill = Fill(
        trade_id=trade(1),
        source="oms",
        external_id=f"{name}-{quantity}",
        side=Side.BUY,
        quantity=Decimal(quantity),
        price=Decimal(price),
        consideration=amount,
        trade_date=NOON.date(),
    )
    return TradeBooked(
        portfolio="growth",
        instrument=name,
        currency="USD",
        fill=fill,
        totals=BookTotals(quantity=Decimal(quantity), cost=amount),
        cash_change=-amount,
        cash_after=Decimal(cash_after),
    )


def deposited(amount: str, balance: str) -> CashDeposited:
    """Cash that came in."""
    return CashDeposited(
        portfolio="growth",
        amount=Money(Decimal(amount), "USD"),
        balance=Decimal(balance),
        value_date=NOON.date(),
    )


def withdrawn(amount: str, balance: str) -> CashWithdrawn:
    """Cash that went out."""
    return CashWithdrawn(
        portfolio="growth",
        amount=Money(Decimal(amount), "USD"),
        balance=Decimal(balance),
        value_date=NOON.date(),
    )


def invested(told: Sequence[JudgedEvent] = ()) -> Story:
    """1,000 in cash became 100 units at 10."""
    story = Story(told)
    story.tell(deposited("1000", "1000"))
    story.tell(bought("AAPL", 100, "10"))
    return story


class TestAnExposure:
    """What is money says in which currency."""

    def test_is_in_the_base_currency(self) -> None:
        """When it is raised, and when it clears; a fraction that clears is in none."""
        story = invested()
        story.rule(AlertKind.EXPOSURE, "1050", "1000")
        story.rule(AlertKind.LOSS_ON_DAY, "0.05", "0.01")
        story.mark(0, AAPL="10")
        story.mark(60, AAPL="11")
        story.mark(120, AAPL="9")
        story.mark(180, AAPL="10")

        found = [(type(each), getattr(each, "currency", None)) for each in story.judged]
        assert found == [
            (AlertRaised, "USD"),
            (AlertCleared, "USD"),
            (AlertRaised, "USD"),
            (AlertCleared, None),
        ]
        assert [str(getattr(each, "actual", None)) for each in story.judged[:2]] == [
            "1100",
            "900",
        ], "in one form"


class TestARetraction:
    """A trade that is taken out again."""

    def unbook(self, slip: TradeBooked) -> TradeUnbooked:
        """Take a buy out."""
        return TradeUnbooked(
            portfolio="growth",
            instrument=slip.instrument,
            currency="USD",
            fill=slip.fill,
            reason=Reason.BUSTED,
            totals=BookTotals(quantity=Decimal(100), cost=Decimal(1_000)),
            cash_change=-slip.cash_change,
            cash_after=ZERO,
        )

    def slipped(self) -> tuple[Story, TradeBooked]:
        """Of 150 units that are held 50 are a slip."""
        story = invested()
        story.mark(0, AAPL="10")
        slip = bought("AAPL", 50, "10", cash_after="-500")
        fill = replace(slip.fill, trade_id=trade(2))
        slip = replace(
            slip, fill=fill, totals=BookTotals(quantity=Decimal(150), cost=Decimal(1_500))
        )
        story.tell(slip)
        return story, slip

    def test_is_of_every_alert_without_a_cause(self) -> None:
        """Also of one that has ended, where another came behind it."""
        story, slip = self.slipped()
        story.rule(AlertKind.EXPOSURE, "1050", "800")
        story.mark(1, AAPL="5")
        story.mark(2, AAPL="10")
        assert story.words == ["raised", "cleared", "raised"]

        story.tell(self.unbook(slip))

        assert story.words[3:] == ["retracted", "retracted"]
        assert {each.alert for each in story.judged[3:]} == {
            each.alert for each in story.judged[:3]
        }

    def test_of_a_foreign_trade_goes_on_from_the_one_before(self) -> None:
        """10 euros are 20 dollars: of 1,400 two buys of 200 are taken out one after the other."""
        story = invested()
        story.register("SAP", "EUR")
        slips = [replace(bought("SAP", 10, "10"), currency="EUR") for _ in range(2)]
        for number, slip in enumerate(slips):
            fill = replace(slip.fill, trade_id=trade(2 + number))
            totals = BookTotals(quantity=Decimal(10 * (number + 1)), cost=ZERO)
            slips[number] = replace(slip, fill=fill, totals=totals)
            story.tell(slips[number])
        marks = (Mark("AAPL", Decimal(10)), Mark("SAP", Decimal(10)))
        rates = (Rate("EUR", "USD", Decimal(2)),)
        marked = MarketMarked(source="feed", at=NOON, marks=marks, rates=rates)
        story.tell(marked, tenant=MARKET_TENANT)
        story.rule(AlertKind.EXPOSURE, "1100", "800")
        for left, slip in ((10, slips[0]), (0, slips[1])):
            assert story.words == ["raised"]
            totals = BookTotals(quantity=Decimal(left), cost=ZERO)
            story.tell(replace(self.unbook(slip), currency="EUR", totals=totals))

        assert story.words == ["raised", "retracted"]
        assert [str(getattr(each, "actual", None)) for each in story.judged] == ["1400", "1000"]

    def test_goes_by_the_level_that_it_was_raised_at(self) -> None:
        """A later version of the rule asks for more: what was beyond its own level had a cause."""
        story, slip = self.slipped()
        story.rule(AlertKind.EXPOSURE, "900", "800")
        story.rule(AlertKind.EXPOSURE, "1200", "1100")
        assert story.words == ["raised"]

        story.tell(self.unbook(slip))

        assert story.words == ["raised", "cleared"]


class TestLossOnTheDay:
    """Held against the value when the business day began."""

    def test_begins_anew_with_the_day(self) -> None:
        """Down 2 % a day on two days is never 3 % on one."""
        story = invested()
        story.rule(AlertKind.LOSS_ON_DAY, "0.03", "0.01")
        story.mark(0, AAPL="10")
        story.mark(60, AAPL="9.8")
        story.mark(86_400, AAPL="9.6")
        assert story.words == []

        story.mark(86_460, AAPL="9.4")

        (raised,) = story.judged
        assert isinstance(raised, AlertRaised)
        assert raised.actual == ONE - share(ONE, Decimal("9.4"), Decimal("9.8"))


class TestLeverage:
    """Gross value / NAV."""

    def test_without_any_nav_above_zero_is_nothing_to_be_said(self) -> None:
        """It neither raises nor clears."""
        story = invested()
        story.rule(AlertKind.LEVERAGE, "1.5", "1")
        story.tell(withdrawn("500", "-500"))
        assert story.words == ["raised"]

        story.mark(1, AAPL="1")

        assert story.words == ["raised"]


steps = st.lists(
    st.tuples(st.integers(1, 400), st.sampled_from([0, 0, 0, 500, -200])), min_size=1, max_size=30
)


class TestTheLaw:
    """A drawdown is that of the time-weighted value, whatever comes in and goes out."""

    @given(path=steps)
    def test_is_the_fall_of_an_index_that_flows_do_not_move(
        self, path: list[tuple[int, int]]
    ) -> None:
        """Against a naive index: each return is chained, flows between two returns."""
        story = invested()
        story.rule(AlertKind.DRAWDOWN, "0.25", "0.05")
        cash, index, highest, nav = ZERO, ONE, ONE, Decimal(1_000)
        is_raised = False
        expected: list[str] = []
        for second, (price, flow) in enumerate(path, start=1):
            story.mark(second, AAPL=f"{Decimal(price) / 10}")
            after = cash + Decimal(price) * 10
            index, nav = index * after / nav, after
            highest = max(highest, index)
            fall = ONE - share(ONE, index, highest)
            if fall > Decimal("0.25") and not is_raised:
                is_raised = True
                expected.append("raised")
            elif fall <= Decimal("0.05") and is_raised:
                is_raised = False
                expected.append("cleared")
            if flow and cash + flow >= 0:
                cash += flow
                nav += flow
                told = deposited if flow > 0 else withdrawn
                story.tell(told(str(abs(flow)), str(cash)))

        assert story.words == expected
