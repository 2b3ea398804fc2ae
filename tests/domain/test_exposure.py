"""Leverage and concentration after a trade equal what a naive model gives (convention 12)."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.capturing import Booked, Surroundings, capture_trade
from domain.corporate_actions import Split, Terms
from domain.instrument import CorporateActionDeclared, Instrument
from domain.limits.controls import Controls, Limit
from domain.limits.scope import Scope
from domain.limits.terms import LimitRule, LimitTerms
from domain.lots import Fill
from domain.marks import Marks, Quote
from domain.money import ratio
from domain.portfolio.events import TradeBooked
from domain.portfolio.overdue import Acting
from domain.portfolio.state import Portfolio
from domain.rejection import Breach, Level
from domain.trade import Capture
from tests.domain.scenes import (
    APPLE,
    BUY,
    FIFO,
    FRIDAY_NOON,
    MONDAY,
    SELL,
    TUESDAY,
    Number,
    history_of,
    instrument,
    minutes,
    name_of,
    portfolio,
    told,
)

EURO = Decimal("1.1")
KNOWN = {
    "A": instrument("A", sector="Tech"),
    "B": instrument("B", currency="EUR", sector="Tech"),
    "C": instrument("C", sector="Oil"),
}
RULES = (
    LimitRule.LEVERAGE,
    LimitRule.POSITION_CONCENTRATION,
    LimitRule.SECTOR_CONCENTRATION,
)


def rate_at(base: str, quote: str, _at: datetime) -> Decimal | None:
    """Euros are 1.1 dollars."""
    return {("EUR", "USD"): EURO, ("USD", "USD"): Decimal(1), ("EUR", "EUR"): Decimal(1)}[
        base, quote
    ]


def limited(maximum: Number, *rules: LimitRule) -> Controls:
    """Controls under which the rules hold, with one maximum."""
    controls = Controls()
    for rule in rules:
        terms = LimitTerms(rule=rule, scope=Scope(), maximum=Decimal(maximum))
        controls.limits[rule] = Limit(rule, 1, terms)
    return controls


class Trader:
    """A portfolio that books trades by decisions, and the market they are judged by."""

    def __init__(
        self, controls: Controls, known: dict[str, Instrument] = KNOWN, cash: Number = 1_000
    ) -> None:
        self.controls = controls
        self.known = known
        self.marks = Marks()
        self.fills: list[tuple[str, Fill]] = []
        self.portfolio: Portfolio = portfolio(
            FIFO, cash=cash, allows_leverage=True, allows_short=True
        )
        self.as_of: object = None

    def mark(self, name: str, price: Number, at: datetime) -> None:
        """Tell a mark, on a fork as the desk does."""
        self.marks = self.marks.fork()
        self.marks.take(name, Quote(at, Decimal(price), 1))

    def decide(self, capture: Capture) -> Booked:
        """Decide a trade without booking it."""
        around = Surroundings(
            portfolio=self.portfolio,
            instrument=self.known[capture.instrument],
            market_position=7,
            now=FRIDAY_NOON,
            history_of=lambda name: history_of(
                lambda: [fill for traded, fill in self.fills if traded == name]
            ),
            rate_at=rate_at,
            acting=Acting(self.known.get, frozenset(), self.as_of, lambda _: MONDAY),
            controls=self.controls,
            marks=self.marks,
        )
        return capture_trade(capture, trade_id=name_of(capture.external_id), around=around)

    def trade(self, capture: Capture) -> dict[str, Breach]:
        """Decide and book a trade; give its breaches by rule."""
        decided = self.decide(capture)
        self.portfolio = self.portfolio.fork()
        for event in decided.bookings:
            self.portfolio.apply(event)
            if isinstance(event, TradeBooked):
                self.fills.append((event.instrument, event.fill))
        return {each.rule: each for each in decided.breaches}


class Figures(NamedTuple):
    """What the naive model says of one moment: values in dollars."""

    own: Decimal
    sector: Decimal
    gross: Decimal
    nav: Decimal


def naive(
    trader: Trader, told_marks: list[tuple[str, int, int]], capture: Capture, *, after: bool
) -> Figures:
    """Look at everything told: at the marks in force, else at own last prices."""
    fills = trader.fills if after else trader.fills[:-1]
    at, own, cash = capture.executed_at, trader.fills[-1], Decimal(1_000)
    assert at is not None, "trades here have a time"
    worth: dict[str, Decimal] = {}
    for name in KNOWN:
        mine = [fill for traded, fill in fills if traded == name]
        quantity = sum(each.quantity if each.side is BUY else -each.quantity for each in mine)
        marked = [each for each in told_marks if each[0] == name and minutes(each[2]) <= at]
        if marked:
            price = Decimal(max(enumerate(marked), key=lambda each: (each[1][2], each[0]))[1][1])
        elif name == capture.instrument:
            price = own[1].price
        elif mine:
            price = max(mine, key=lambda fill: fill.key).price
        else:
            price = Decimal(0)
        rate = EURO if name == "B" else Decimal(1)
        worth[name] = Decimal(quantity) * price * rate
        for each in mine:
            paid = each.consideration if each.side is BUY else -each.consideration
            cash -= paid * rate
    sector = "AB" if capture.instrument in "AB" else "C"
    return Figures(
        worth[capture.instrument],
        sum((abs(worth[name]) for name in sector), Decimal(0)),
        sum(map(abs, worth.values()), Decimal(0)),
        cash + sum(worth.values(), Decimal(0)),
    )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("mark"), st.sampled_from("AB"), st.integers(1, 9), st.integers(0, 9)),
        st.tuples(
            st.sampled_from([BUY, SELL]),
            st.sampled_from("ABC"),
            st.integers(1, 9),
            st.integers(0, 9),
        ),
    ),
    max_size=20,
)


class TestTheLaw:
    """Whatever was marked and traded before, and in whatever order of times."""

    @settings(deadline=None)
    @given(STEPS)
    def test_figures_equal_those_of_a_naive_model(
        self, steps: list[tuple[str, str, int, int]]
    ) -> None:
        """With limits of zero every figure is told; what makes it no worse warns."""
        trader = Trader(limited(0, *RULES))
        marks: list[tuple[str, int, int]] = []
        for number, (kind, name, amount, minute) in enumerate(steps):
            if kind == "mark":
                marks.append((name, amount, minute))
                trader.mark(name, amount, minutes(minute))
                continue
            currency = "EUR" if name == "B" else "USD"
            changes = {"side": kind, "quantity": Decimal(amount), "price": Decimal(5)}
            capture = told(
                f"t-{number}",
                instrument=name,
                currency=currency,
                executed_at=minutes(minute),
                **changes,
            )

            found = trader.trade(capture)

            before = naive(trader, marks, capture, after=False)
            after = naive(trader, marks, capture, after=True)
            self.compare(found.get(RULES[1]), abs(before.own), abs(after.own), before, after)
            self.compare(found.get(RULES[2]), before.sector, after.sector, before, after)
            levered = found.get(RULES[0])
            assert (levered is not None) == bool(after.gross)
            if levered is not None and after.nav > 0:
                assert Decimal(levered.actual or "x") == ratio(after.gross, after.nav)

    def compare(
        self, found: Breach | None, part: Decimal, now: Decimal, before: Figures, after: Figures
    ) -> None:
        """Compare one fraction, and whether it is worse than it was."""
        assert (found is not None) == bool(now)
        if found is not None:
            assert Decimal(found.actual or "x") == ratio(now, after.gross)
            was = Decimal(0) if not before.gross else part / before.gross
            is_no_worse = bool(part) and now / after.gross <= was
            assert (found.level is Level.WARN) == is_no_worse


class TestConcentrating:
    """A position, or a sector, is at most such a fraction of the gross value."""

    @pytest.mark.parametrize(("maximum", "found"), [("0.75", 0), ("0.7499", 1)])
    @pytest.mark.parametrize("rule", RULES[1:])
    def test_is_bounded(self, rule: LimitRule, maximum: str, found: int) -> None:
        """300 of A beside 100 of C are three quarters."""
        trader = Trader(limited(maximum, rule), cash=10_000)
        trader.trade(told("t-1", instrument="C", quantity=Decimal(10)))

        breaches = trader.trade(told("t-2", instrument="A", quantity=Decimal(30)))

        assert len(breaches) == found

    def test_counts_short_positions_by_their_size(self) -> None:
        """Short 300 of A beside 100 of C are three quarters as well."""
        trader = Trader(limited("0.7", RULES[1]), cash=10_000)
        trader.trade(told("t-1", instrument="C", quantity=Decimal(10)))
        sale = told("t-2", instrument="A", side=SELL, quantity=Decimal(30))
        assert trader.trade(sale)[RULES[1]].actual == "0.75"


class TestLevering:
    """Gross value is at most so many times the net asset value."""

    @pytest.mark.parametrize(("maximum", "found"), [("2", 0), ("1.9999", 1)])
    def test_is_bounded(self, maximum: str, found: int) -> None:
        """2,000 of A on 1,000 of net asset value."""
        trader = Trader(limited(maximum, RULES[0]))
        breaches = trader.trade(told("t-1", instrument="A", quantity=Decimal(200)))
        assert len(breaches) == found

    def test_lets_a_trade_pass_that_makes_it_no_worse(self) -> None:
        """Selling some of what is too much warns; buying more refuses."""
        trader = Trader(limited(1, RULES[0]))
        trader.trade(told("t-1", instrument="A", quantity=Decimal(200)))

        sold = trader.trade(told("t-2", instrument="A", side=SELL, quantity=Decimal(10)))
        more = trader.trade(told("t-3", instrument="A", quantity=Decimal(5)))

        assert (sold[RULES[0]].level, sold[RULES[0]].headroom) == (Level.WARN, "-1")
        assert more[RULES[0]].level is Level.BLOCK

    def test_has_no_figure_without_net_assets(self) -> None:
        """Marked down to nothing: any position is too much."""
        trader = Trader(limited(1_000, RULES[0]))
        trader.trade(told("t-1", instrument="A", quantity=Decimal(200), executed_at=minutes(0)))
        trader.mark("A", 1, minutes(1))

        more = trader.trade(told("t-2", instrument="A", executed_at=minutes(2)))

        assert more[RULES[0]].actual is None
        assert more[RULES[0]].level is Level.BLOCK


class TestWhatIsNotKnown:
    """Without a price or a rate nothing can be judged, at the limit's own level."""

    def test_is_not_evaluable_where_a_mark_is_forgotten(self) -> None:
        """Executed before all that is remembered of another position."""
        trader = Trader(limited(1_000, *RULES))
        trader.trade(told("t-1", instrument="A", executed_at=minutes(0)))
        for minute in range(1, 40):
            trader.mark("A", 10, minutes(minute))

        found = trader.trade(told("t-2", instrument="C", executed_at=minutes(1)))

        assert [each.is_not_evaluable for each in found.values()] == [True] * 3

    def test_reads_marks_from_before_a_split_in_units_of_now(self) -> None:
        """70 at 645 before 7 for 1 are 6,450: as much as before, not 45,150."""
        split = Split(action="7:1", instrument=APPLE, ex_date=TUESDAY, new=7, old=1)
        apple = instrument(sector="Tech")
        trader = Trader(limited(1, RULES[1]), {**KNOWN, APPLE: apple}, cash=100_000)
        trader.mark(APPLE, 645, minutes(0))
        trader.trade(told("t-1", quantity=Decimal(10), price=Decimal(645)))
        apple.apply(CorporateActionDeclared(instrument=APPLE, terms=Terms.of(split)))
        trader.as_of = "declared"
        trader.controls = limited(0, RULES[1])
        capture = told("t-2", instrument="C", quantity=Decimal(645), trade_date=TUESDAY)
        acting = Acting(trader.known.get, frozenset({APPLE}), 1, lambda _: TUESDAY)
        around = Surroundings(
            portfolio=trader.portfolio,
            instrument=KNOWN["C"],
            market_position=7,
            now=FRIDAY_NOON,
            history_of=lambda name: history_of(
                lambda: [fill for traded, fill in trader.fills if traded == name]
            ),
            rate_at=rate_at,
            acting=acting,
            controls=trader.controls,
            marks=trader.marks,
        )

        decided = capture_trade(
            replace(capture), trade_id=name_of(capture.external_id), around=around
        )

        assert [each.actual for each in decided.breaches] == ["0.5"]
