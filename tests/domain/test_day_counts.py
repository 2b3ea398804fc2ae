"""What is traded on a trade date: the counts equal a recount of what stands (convention 15)."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.limits.controls import Limit
from domain.limits.scope import Scope
from domain.limits.terms import LimitRule, LimitTerms
from domain.portfolio.day_counts import DAYS_COUNTED, Counted, DayCounts
from domain.rejection import Breach
from domain.rules.judging import LIMITED
from domain.trade import Capture
from tests.domain.blotter import Blotter, Bust
from tests.domain.scenes import (
    APPLE,
    FUND,
    MONDAY,
    NOON,
    SELL,
    TUESDAY,
    Number,
    bought,
    captured,
    instrument,
    told,
)
from tests.domain.test_rules import proposal

OTHER = "MSFT"


def recount(fills: list[tuple[str, date, int]]) -> dict[date, dict[str, Counted]]:
    """Add up from nothing: instrument, day, quantity at a price of 10."""
    found: defaultdict[date, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for name, day, quantity in fills:
        found[day][name] += quantity
    return {
        day: {name: Counted(Decimal(each), Decimal(each * 10), "USD") for name, each in by.items()}
        for day, by in found.items()
    }


class TestCounting:
    """Whatever is booked and taken out, in any order, on any date."""

    @given(st.data())
    def test_equals_a_recount_of_what_stands(self, data: st.DataObject) -> None:
        """On every date that is not forgotten; forks apart leave the counts they came from."""
        counts = DayCounts()
        standing: list[tuple[str, date, int]] = []
        for number in range(data.draw(st.integers(0, 40))):
            is_taking_back: bool = data.draw(st.booleans())
            if standing and is_taking_back:
                place = data.draw(st.integers(0, len(standing) - 1))
                name, day, quantity = standing.pop(place)
                fill = bought(f"t-{number}", quantity, 10, trade_date=day)
                before, counts = counts, counts.fork()
                known = recount([(name, day, quantity), *standing])
                counts.take_back(name, "USD", fill)
                assert all(before.days[each] == known[each] for each in before.days)
            else:
                name = data.draw(st.sampled_from([APPLE, OTHER]))
                day = MONDAY + timedelta(days=data.draw(st.integers(0, 14)))
                quantity = data.draw(st.integers(1, 9))
                counts.add(name, "USD", bought(f"t-{number}", quantity, 10, trade_date=day))
                standing.append((name, day, quantity))
            expected = recount(standing)
            for day in {day for _, day, _ in standing} | set(counts.days):
                on_day = counts.on(day)
                assert on_day is None or on_day == expected.get(day, {})
                total, sizes = (
                    counts.total_on(day),
                    [each.quantity for each in (on_day or {}).values()],
                )
                assert (total is None) == (on_day is None)
                assert total is None or total.quantity == sum(sizes)
                assert total is None or sum(total.worth.values()) == 10 * sum(sizes)
            assert len(counts.days) <= DAYS_COUNTED

    def test_remembers_so_many_dates_and_says_what_it_forgot(self) -> None:
        """With one date more the oldest is not known any more, and stays so."""
        counts = DayCounts()
        for number in range(DAYS_COUNTED):
            day = MONDAY + timedelta(days=number)
            counts.add(APPLE, "USD", bought(f"t-{number}", 1, 10, trade_date=day))
        assert counts.on(MONDAY) is not None

        later = MONDAY + timedelta(days=DAYS_COUNTED)
        counts.add(APPLE, "USD", bought("t-last", 1, 10, trade_date=later))
        counts.add(APPLE, "USD", bought("t-late", 1, 10, trade_date=MONDAY))

        assert counts.on(MONDAY) is None
        assert counts.on(TUESDAY) is not None

    def test_of_a_fork_stays_when_what_was_forked_goes_on(self) -> None:
        """Neither sees what the other counts, on a date that both have."""
        counts = DayCounts()
        counts.add(APPLE, "USD", bought("t-1", 1, 10))
        twin = counts.fork()

        counts.add(APPLE, "USD", bought("t-2", 2, 10))
        twin.add(OTHER, "USD", bought("t-3", 3, 10))

        assert counts.days == recount([(APPLE, MONDAY, 3)])
        assert twin.days == recount([(APPLE, MONDAY, 1), (OTHER, MONDAY, 3)])

    def test_follows_trades_through_corrections(self) -> None:
        """Amended: on its new date. Busted: gone. Late: on its own date."""
        story = Blotter()
        story.tell(told("t-1", trade_date=TUESDAY), told("t-2"), told("t-3", side=SELL))
        held = story.portfolios[FUND].counts
        assert held.on(MONDAY) == {APPLE: Counted(Decimal(200), Decimal(2_000), "USD")}

        story.tell(Bust("t-2"))

        held = story.portfolios[FUND].counts
        assert held.on(MONDAY) == {APPLE: Counted(Decimal(100), Decimal(1_000), "USD")}
        assert held.on(TUESDAY) == {APPLE: Counted(Decimal(100), Decimal(1_000), "USD")}


def judged(rule: LimitRule, maximum: Number, capture: Capture, **seen: Any) -> Breach | None:
    """What a limit of the portfolio's day finds after 100 AAPL and 50 MSFT at 10."""
    counts = DayCounts()
    counts.add(APPLE, "USD", bought("t-8", 100, 10))
    counts.add(OTHER, "USD", bought("t-9", 50, 10))
    scope = Scope(portfolio=FUND, **seen.pop("scope", {}))
    currency = seen.pop("currency", "USD")
    terms = LimitTerms(rule=rule, scope=scope, maximum=Decimal(maximum), currency=currency)
    known = {APPLE: instrument(sector="Tech"), OTHER: instrument(OTHER)}
    asked = replace(proposal(capture), counts=counts, instrument_of=known.get, **seen)
    return LIMITED[rule](asked, Limit("day", 1, terms))


class TestTradingInADay:
    """All that the scope covers, this trade included."""

    @pytest.mark.parametrize(("maximum", "found"), [(250, 0), (249, 1)])
    def test_adds_up_units_of_the_portfolio(self, maximum: int, found: int) -> None:
        """100, 50 and 100 more, bought or sold."""
        for side in (SELL, captured().side):
            breach = judged(LimitRule.DAY_QUANTITY, maximum, captured(side=side))
            assert (breach is not None) == bool(found)
        if breach is not None:
            assert (breach.actual, breach.headroom) == ("250", "99")

    @pytest.mark.parametrize("scope", [{"instrument": APPLE}, {"sector": "Tech"}])
    @pytest.mark.parametrize(("maximum", "found"), [(200, 0), (199, 1)])
    def test_leaves_out_what_the_scope_does(
        self, scope: dict[str, str], maximum: int, found: int
    ) -> None:
        """AAPL alone, by its name or its sector."""
        breach = judged(LimitRule.DAY_QUANTITY, maximum, captured(), scope=scope)
        assert (breach is not None) == bool(found)

    @pytest.mark.parametrize(("maximum", "found"), [(1_250, 0), ("1249.99", 1)])
    def test_adds_up_worth_in_the_currency_of_the_limit(self, maximum: Number, found: int) -> None:
        """2,500 dollars at a half."""
        half = {"currency": "EUR", "rate_at": lambda *_: Decimal("0.5")}
        breach = judged(LimitRule.DAY_NOTIONAL, maximum, captured(), **half)
        assert (breach is not None) == bool(found)

    def test_starts_anew_on_another_date(self) -> None:
        """Nothing was traded on Tuesday."""
        assert judged(LimitRule.DAY_QUANTITY, 100, captured(trade_date=TUESDAY)) is None

    def test_cannot_be_judged_without_a_rate_or_of_a_date_forgotten(self) -> None:
        """It then stands as if it were exceeded."""
        without = {"currency": "EUR", "rate_at": lambda *_: None}
        forgotten = {"counts": DayCounts(forgotten=MONDAY)}
        rateless = judged(LimitRule.DAY_NOTIONAL, 9_999, captured(executed_at=NOON), **without)
        counts = proposal(captured())
        terms = LimitTerms(
            rule=LimitRule.DAY_QUANTITY, scope=Scope(portfolio=FUND), maximum=Decimal(9_999)
        )
        late = LIMITED[LimitRule.DAY_QUANTITY](replace(counts, **forgotten), Limit("day", 1, terms))
        for breach in (rateless, late):
            assert breach is not None
            assert breach.is_not_evaluable


class TestRememberingTheLastTrade:
    """The last fill in book order, whatever the order of arrival."""

    def test_is_the_last_in_book_order(self) -> None:
        """A late one is not; where the last is busted, the one before it is."""
        story = Blotter()
        story.tell(told("t-1", trade_date=TUESDAY, price=Decimal(12)), told("t-2"))
        assert story.portfolios[FUND].traded[APPLE].price == Decimal(12)

        story.tell(Bust("t-1"))
        assert story.portfolios[FUND].traded[APPLE].price == Decimal(10)

        story.tell(Bust("t-2"))
        assert story.portfolios[FUND].traded == {}
