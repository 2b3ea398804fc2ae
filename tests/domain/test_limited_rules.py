"""Rules that a tenant's limits bound, each with its edges in pairs; limits are inclusive."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from domain.corporate_actions import Split, Terms
from domain.instrument import CorporateActionDeclared
from domain.limits.controls import Covering, Limit
from domain.limits.events import OverrideApproved
from domain.limits.scope import Scope
from domain.limits.terms import Binding, LimitRule, LimitTerms, TradingState
from domain.limits.usage import Usage
from domain.marks import Marks, Quote
from domain.rejection import BREACHES_MAX, Breach, Level
from domain.rules.judging import LIMITED, breaches_of, refuses
from domain.rules.proposal import Proposal
from domain.trade import Capture
from tests.domain.scenes import APPLE, FRIDAY_NOON, MONDAY, NOON, SELL, Number, captured, name_of
from tests.domain.test_rules import proposal

A_MILLISECOND = timedelta(milliseconds=1)
A_MOMENT = timedelta(microseconds=1)
HARD, SOFT = Binding.HARD, Binding.SOFT


def limit_of(rule: LimitRule, maximum: Number | None = None, **terms: Any) -> Limit:
    """A blocking limit of the whole tenant, in its third version."""
    most = None if maximum is None else Decimal(maximum)
    wanted = {"scope": Scope(), "maximum": most, **terms}
    return Limit("desk-limit", 3, LimitTerms(rule=rule, **wanted))


def marks_of(*prices: tuple[datetime, Number]) -> Marks:
    """Marks of AAPL, told at positions 1, 2 and so on."""
    made = Marks()
    for position, (at, price) in enumerate(prices, start=1):
        made.take(APPLE, Quote(at, Decimal(price), position))
    return made


def judged(limit: Limit, capture: Capture, **seen: Any) -> Breach | None:
    """What the limit's rule finds in a capture."""
    asked = proposal(capture, cash=10_000_000, held=seen.pop("held", 0))
    return LIMITED[limit.terms.rule](replace(asked, **seen), limit)


class TestOneTradesSize:
    """One trade is of so many units, and worth so much."""

    @pytest.mark.parametrize(("quantity", "fine"), [("100", True), ("100.000000000001", False)])
    def test_is_bounded_in_units(self, *, quantity: str, fine: bool) -> None:
        """Whatever its side."""
        limit = limit_of(LimitRule.TRADE_QUANTITY, 100)
        for side in (SELL, captured().side):
            found = judged(limit, captured(side=side, quantity=Decimal(quantity)))
            assert (found is None) == fine

    def test_says_by_how_much_and_what_limited_it(self) -> None:
        """The name and version of the limit, what it allows, and what was left of it."""
        found = judged(limit_of(LimitRule.TRADE_QUANTITY, 99), captured())

        assert found == Breach(
            "trade_quantity_exceeded",
            "100 in one trade, at most 99.",
            limit="99",
            actual="100",
            headroom="99",
            limited_by="desk-limit",
            limit_version=3,
        )

    @pytest.mark.parametrize(("price", "fine"), [("10", True), ("10.0001", False)])
    def test_is_bounded_in_worth(self, *, price: str, fine: bool) -> None:
        """100 at 10 are 1,000."""
        limit = limit_of(LimitRule.TRADE_NOTIONAL, 1_000, currency="USD")
        assert (judged(limit, captured(price=Decimal(price))) is None) == fine

    @pytest.mark.parametrize(("rate", "fine"), [("0.8", True), ("0.80001", False)])
    def test_is_worth_what_the_rate_of_its_time_makes_it(self, *, rate: str, fine: bool) -> None:
        """1,000 dollars at 0.8 are 800 euros."""
        limit = limit_of(LimitRule.TRADE_NOTIONAL, 800, currency="EUR")
        found = judged(limit, captured(), rate_at=lambda *_: Decimal(rate))
        assert (found is None) == fine

    def test_cannot_be_judged_without_a_rate(self) -> None:
        """At the limit's own level."""
        for level in Level:
            limit = limit_of(LimitRule.TRADE_NOTIONAL, 800, currency="EUR", level=level)
            found = judged(limit, captured(), rate_at=lambda *_: None)
            assert found is not None
            assert (found.is_not_evaluable, found.level) == (True, level)


class TestTradingFarFromTheMark:
    """A price differs from the mark in force by at most a fraction of it."""

    LIMIT = limit_of(LimitRule.PRICE_FAR_FROM_MARK, "0.05")

    @pytest.mark.parametrize(
        ("price", "fine"),
        [("9.5", True), ("10.5", True), ("9.4999", False), ("10.5001", False)],
    )
    def test_is_bounded_either_way(self, *, price: str, fine: bool) -> None:
        """5 % of a mark of 10 is from 9.50 to 10.50."""
        found = judged(self.LIMIT, captured(price=Decimal(price)), marks=marks_of((NOON, 10)))
        assert (found is None) == fine

    @pytest.mark.parametrize(("behind", "position"), [(timedelta(0), 2), (A_MOMENT, 1)])
    def test_is_judged_by_the_mark_in_force_when_executed(
        self, behind: timedelta, position: int
    ) -> None:
        """The second mark counts from its very instant on."""
        marks = marks_of((NOON - timedelta(hours=1), 20), (NOON, 30))
        found = judged(self.LIMIT, captured(executed_at=NOON - behind), marks=marks)
        assert found is not None
        assert found.mark_position == position

    def test_without_a_time_of_day_takes_the_end_of_the_date(self) -> None:
        """The mark of Monday evening, not that of Tuesday."""
        marks = marks_of((NOON + timedelta(hours=9), 10), (NOON + timedelta(hours=12), 20))
        assert judged(self.LIMIT, captured(), marks=marks) is not None
        late = marks_of((NOON + timedelta(hours=9), 10), (NOON + timedelta(hours=12, seconds=1), 9))
        assert judged(self.LIMIT, captured(), marks=late) is None

    def test_cannot_be_judged_without_a_mark(self) -> None:
        """Neither where there is none, nor where there is only a later one."""
        for marks in (Marks(), marks_of((NOON + A_MOMENT, 10))):
            found = judged(self.LIMIT, captured(executed_at=NOON), marks=marks)
            assert found is not None
            assert found.is_not_evaluable

    @pytest.mark.parametrize(("price", "fine"), [("92.2", True), ("645", False)])
    def test_reads_a_mark_from_before_a_split_in_units_of_the_trade(
        self, *, price: str, fine: bool
    ) -> None:
        """645 before a split of 7 for 1 is 92.14 after it."""
        split = Split(action="7:1", instrument=APPLE, ex_date=MONDAY, new=7, old=1)
        declared = CorporateActionDeclared(instrument=APPLE, terms=Terms.of(split))
        asked = proposal(captured(price=Decimal(price)), cash=1_000_000, life=(declared,))
        marks = marks_of((NOON - timedelta(days=1), 645))
        found = LIMITED[LimitRule.PRICE_FAR_FROM_MARK](replace(asked, marks=marks), self.LIMIT)
        assert (found is None) == fine


class TestTradingOnAStaleMark:
    """The mark in force is at most so many seconds old."""

    @pytest.mark.parametrize(("behind", "fine"), [(timedelta(0), True), (A_MOMENT, False)])
    def test_is_bounded_in_seconds(self, *, behind: timedelta, fine: bool) -> None:
        """60 s are not too old, a microsecond more is."""
        limit = limit_of(LimitRule.MARK_STALE, 60)
        marks = marks_of((NOON - timedelta(seconds=60) - behind, 10))
        assert (judged(limit, captured(executed_at=NOON), marks=marks) is None) == fine

    def test_without_a_time_of_day_is_judged_when_it_is_received(self) -> None:
        """A trade of today is not later than now."""
        limit = limit_of(LimitRule.MARK_STALE, 60)
        marks = marks_of((FRIDAY_NOON - timedelta(seconds=60), 10))
        today = captured(trade_date=FRIDAY_NOON.date())
        assert judged(limit, today, marks=marks) is None

    def test_cannot_be_judged_without_a_mark(self) -> None:
        """None is older than any."""
        found = judged(limit_of(LimitRule.MARK_STALE, 60), captured(), marks=Marks())
        assert found is not None
        assert found.is_not_evaluable


class TestTradingWhatIsListed:
    """Restricted and watch lists, and the currencies that are allowed."""

    @pytest.mark.parametrize("level", list(Level))
    def test_is_told_at_the_level_of_the_list(self, level: Level) -> None:
        """A restricted list refuses, a watch list warns."""
        found = judged(limit_of(LimitRule.INSTRUMENT_RESTRICTED, level=level), captured())
        assert found is not None
        assert found.level is level

    @pytest.mark.parametrize(("currencies", "fine"), [(("EUR", "USD"), True), (("EUR",), False)])
    def test_is_in_currencies_that_are_allowed(
        self, *, currencies: tuple[str, ...], fine: bool
    ) -> None:
        """Dollars, or not."""
        limit = limit_of(LimitRule.CURRENCY_NOT_ALLOWED, currencies=currencies)
        assert (judged(limit, captured()) is None) == fine


class TestUsingASharedLimit:
    """What several portfolios trade on a date adds up."""

    @pytest.mark.parametrize(("used", "fine"), [(900, True), (901, False)])
    def test_takes_the_last_of_it_and_no_more(self, *, used: int, fine: bool) -> None:
        """100 more, of 1,000."""
        limit = limit_of(LimitRule.DAY_QUANTITY, 1_000, binding=HARD)
        found = judged(limit, captured(), usage_of=lambda *_: Usage(Decimal(used)))
        assert (found is None) == fine
        if found is not None:
            assert (found.actual, found.headroom) == ("1001", "99")

    @pytest.mark.parametrize(("used", "fine"), [(0, True), ("0.01", False)])
    def test_counts_worth_in_the_currency_of_the_limit(self, *, used: Number, fine: bool) -> None:
        """1,000 of 1,000 dollars."""
        limit = limit_of(LimitRule.DAY_NOTIONAL, 1_000, binding=HARD, currency="USD")
        found = judged(limit, captured(), usage_of=lambda *_: Usage(Decimal(used)))
        assert (found is None) == fine

    def test_cannot_be_judged_while_nobody_knows_its_use(self) -> None:
        """The hook says so."""
        limit = limit_of(LimitRule.DAY_QUANTITY, 1_000, binding=HARD)
        found = judged(limit, captured(), usage_of=lambda *_: None)
        assert found is not None
        assert found.is_not_evaluable

    @pytest.mark.parametrize(("late", "fine"), [(timedelta(0), True), (A_MILLISECOND, False)])
    def test_is_judged_by_fresh_usage_only(self, *, late: timedelta, fine: bool) -> None:
        """A soft limit says how old usage may be."""
        limit = limit_of(LimitRule.DAY_QUANTITY, 1_000, binding=SOFT, usage_age_ms_max=250)
        observed = Usage(Decimal(0), FRIDAY_NOON - timedelta(milliseconds=250) - late)
        found = judged(limit, captured(), usage_of=lambda *_: observed)
        assert (found is None) == fine


class TestTradingStates:
    """Reduce only: nearer to zero. Halted: nothing."""

    @pytest.mark.parametrize(
        ("held", "fine"), [(100, True), (150, True), (99, False), (0, False), (-5, False)]
    )
    def test_lets_positions_be_reduced_and_not_crossed(self, *, held: int, fine: bool) -> None:
        """A sale of 100."""
        covering = Covering((), TradingState.REDUCE_ONLY, Scope(instrument=APPLE))
        asked = proposal(captured(side=SELL), held=held, allows_short=True)
        found = breaches_of(replace(asked, covering=covering))
        assert [each.rule for each in found] == ([] if fine else ["reduce_only"])

    def test_halts_everything(self) -> None:
        """Even what would reduce a position."""
        covering = Covering((), TradingState.HALTED, Scope())
        found = breaches_of(replace(proposal(captured(side=SELL), held=100), covering=covering))
        assert [each.rule for each in found] == ["trading_halted"]
        assert refuses(found[0])


class TestListingBreaches:
    """Those that refuse come first; warnings ride along."""

    def test_puts_warnings_behind_what_refuses(self) -> None:
        """A limit that warns, one that blocks, and no cash."""
        limits = (
            limit_of(LimitRule.TRADE_QUANTITY, 1, level=Level.WARN),
            limit_of(LimitRule.TRADE_NOTIONAL, 1, currency="USD"),
        )
        found = breaches_of(replace(proposal(captured()), covering=Covering(limits)))
        assert [each.rule for each in found] == [
            "insufficient_cash",
            "trade_notional_exceeded",
            "trade_quantity_exceeded",
        ]
        assert [refuses(each) for each in found] == [True, True, False]

    def test_lists_at_most_so_many(self) -> None:
        """What refuses is among them."""
        warning = limit_of(LimitRule.TRADE_QUANTITY, 1, level=Level.WARN)
        refusing = limit_of(LimitRule.TRADE_NOTIONAL, 1, currency="USD")
        covering = Covering((warning,) * BREACHES_MAX + (refusing,))
        found = breaches_of(replace(proposal(captured(), cash=1_000), covering=covering))
        assert len(found) == BREACHES_MAX
        assert found[0].rule == "trade_notional_exceeded"


def override(*rules: str) -> OverrideApproved:
    """What two persons let pass for the trade."""
    return OverrideApproved(
        trade_id=name_of("t-1"),
        capture=captured(),
        rules=rules,
        proposed_by="ann",
        approved_by="bob",
        approved_at=NOON,
        expires_at=FRIDAY_NOON,
    )


class TestOverriding:
    """Two persons let a trade pass the rules they name."""

    def seen(self, limit: Limit, *rules: str, **seen: Any) -> tuple[Breach, ...]:
        """What is found of an overridden trade."""
        asked: Proposal = proposal(captured(), cash=1_000)
        changes = {"covering": Covering((limit,)), "override": override(*rules), **seen}
        return breaches_of(replace(asked, **changes))

    def test_carries_what_was_let_pass(self) -> None:
        """The breach is told, and refuses nothing."""
        (found,) = self.seen(limit_of(LimitRule.TRADE_QUANTITY, 1), "trade_quantity_exceeded")
        assert found.is_overridden
        assert not refuses(found)

    def test_lets_no_other_rule_pass(self) -> None:
        """Only those named."""
        (found,) = self.seen(limit_of(LimitRule.TRADE_QUANTITY, 1), "trade_notional_exceeded")
        assert refuses(found)

    def test_never_lets_a_hard_limit_pass(self) -> None:
        """Others count on it; a soft one may."""
        for binding in Binding:
            limit = limit_of(LimitRule.DAY_QUANTITY, 1, binding=binding)
            usage = Usage(Decimal(0))
            (found,) = self.seen(limit, "day_quantity_exceeded", usage_of=lambda *_, u=usage: u)
            assert refuses(found) == (binding is HARD)

    def test_never_lets_a_halt_pass(self) -> None:
        """Whatever was approved."""
        halted = Covering((), TradingState.HALTED, Scope())
        limit = limit_of(LimitRule.TRADE_QUANTITY, 1)
        (found,) = self.seen(limit, "trading_halted", covering=halted)
        assert refuses(found)
