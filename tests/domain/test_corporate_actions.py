"""Corporate actions on the lots of one holder: worked examples (convention 7)."""

from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.book_order import BookKey
from domain.corporate_actions import (
    Action,
    CashDividend,
    Scale,
    SpinOff,
    Split,
    StockDividend,
    apply_action,
    child_lot,
    require_sound,
    scale_between,
    scale_of,
    scaled_price,
    value_at_mark,
)
from domain.held import Applied, Due, Held
from domain.lots import CostBasis, Lot
from domain.rejection import Rejection
from tests.domain.scenes import (
    APPLE,
    AVERAGE,
    FIFO,
    MONDAY,
    TUESDAY,
    Number,
    bought,
    exact,
    name_of,
)

EX_DATE = date(2014, 6, 9)
PAY_DATE = date(2014, 6, 20)
SEVEN_FOR_ONE = Split(action="split-1", instrument=APPLE, ex_date=EX_DATE, new=7, old=1)
ONE_FOR_TEN = replace(SEVEN_FOR_ONE, new=1, old=10, fraction_price=Decimal(40))
DIVIDEND = CashDividend(
    action="dividend-1", instrument=APPLE, ex_date=EX_DATE, per_unit=Decimal("0.47"),
    currency="USD", withholding_rate=Decimal("0.15"), pay_date=PAY_DATE,
)  # fmt: skip
SPIN_OFF = SpinOff(
    action="spin-1", instrument=APPLE, ex_date=EX_DATE, child="CORE", new=1, old=3,
    cost_share=Decimal("0.2"), fraction_price=Decimal(30),
)  # fmt: skip

NOTHING = Held(FIFO, (), *exact(0, 0, 0))


def lot(name: str, quantity: Number, cost: Number, fee: Number = 0) -> Lot:
    """A lot opened on Monday."""
    return Lot(name_of(name), MONDAY, *exact(quantity, cost, fee))


def held(*lots: Lot) -> Held:
    """What lots add up to."""
    numbers = [(each.quantity, each.cost, each.fee) for each in lots]
    return Held(FIFO, lots, *(sum(column, Decimal(0)) for column in zip(*numbers, strict=True)))


def applied(action: Action, *lots: Lot, basis: CostBasis = FIFO) -> Applied:
    """What an action makes of lots."""
    return apply_action(action, replace(held(*lots), basis=basis))


class TestSplitting:
    """Quantities multiply; cost, fees and dates stay."""

    def test_leaves_cost_and_dates(self) -> None:
        """3 and 7 shares, 7 for 1: 21 and 49 at the same cost."""
        done = applied(SEVEN_FOR_ONE, lot("a", 3, 1_500, 2), lot("b", 7, 4_000))

        assert done.after == held(lot("a", 21, 1_500, 2), lot("b", 49, 4_000))
        assert (done.in_lieu, done.cash) == (None, Decimal(0))

    def test_leaves_the_value_at_the_mark_from_before(self) -> None:
        """10 AAPL at 645, 7 for 1: 6,450 before and after, not 45,150."""
        done = applied(SEVEN_FOR_ONE, lot("a", 10, 5_000))
        scale = scale_between([SEVEN_FOR_ONE], marked_on=MONDAY.replace(year=2014),
                              valued_on=EX_DATE)  # fmt: skip

        assert done.after.quantity == 70
        assert value_at_mark(done.after.quantity, Decimal(645), scale) == 6_450
        assert scaled_price(Decimal(645), scale) == Decimal("92.142857142857142857")

    def test_pays_the_fraction_of_the_position_not_of_its_lots(self) -> None:
        """13 and 12 shares, 1 for 10: 2.5 of them, so 2 stay and half a share is paid, once."""
        done = applied(ONE_FOR_TEN, lot("a", 13, 52), lot("b", 12, 60))

        assert done.after == held(lot("a", "0.8", 32), lot("b", "1.2", 60))
        assert done.cash == 20
        assert done.in_lieu is not None
        assert done.in_lieu.realised_gross == 0

    def test_lets_a_short_position_pay_for_its_fraction(self) -> None:
        """25 short, sold at 5 each, 1 for 10: 2 stay short; half a share costs 20, sold at 25."""
        done = applied(ONE_FOR_TEN, lot("a", -25, -125))

        assert done.after == held(lot("a", -2, -100))
        assert done.cash == -20
        assert done.in_lieu is not None
        assert done.in_lieu.realised_gross == 5

    def test_takes_the_pools_share_of_cost_under_average(self) -> None:
        """13 at 4 and 12 at 5: the half share costs a fifth of the pool's 112."""
        done = applied(ONE_FOR_TEN, lot("a", 13, 52), lot("b", 12, 60), basis=AVERAGE)

        assert (done.after.quantity, done.after.cost) == exact(2, "89.6")
        assert done.in_lieu is not None
        assert done.in_lieu.realised_gross == Decimal("-2.4")

    def test_takes_the_dearest_unit_under_hifo(self) -> None:
        """13 at 5 and 12 at 4, 1 for 10: units now rank as those that cost 50 and 40."""
        dear, cheap = (
            replace(lot("a", 13, 65), unit_cost=Decimal(5)),
            replace(lot("b", 12, 48), unit_cost=Decimal(4)),
        )

        done = applied(ONE_FOR_TEN, dear, cheap, basis=CostBasis.HIFO)

        assert [each.unit_cost for each in done.after.lots] == [50, 40]
        assert [each.quantity for each in done.after.lots] == list(exact("0.8", "1.2"))
        assert done.after.cost == 88

    def test_keeps_fractions_where_nobody_pays_for_them(self) -> None:
        """25 shares, 1 for 10: 2.5."""
        done = applied(replace(ONE_FOR_TEN, fraction_price=None), lot("a", 25, 100))

        assert done.after == held(lot("a", "2.5", 100))

    def test_sells_all_of_a_position_below_one_share(self) -> None:
        """9 shares, 1 for 10: nothing stays, 36 is paid for what cost 45."""
        done = applied(ONE_FOR_TEN, lot("a", 4, 20, 1), lot("b", 5, 25))

        assert (done.after, done.cash) == (NOTHING, Decimal(36))
        assert done.in_lieu is not None
        assert (done.in_lieu.realised_gross, done.in_lieu.realised_net) == exact(-9, -10)

    def test_gives_the_last_lot_the_remainder(self) -> None:
        """Three shares, 1 for 3, in thirds of 12 decimals that make one whole share."""
        thirds = replace(ONE_FOR_TEN, old=3)

        done = applied(thirds, *(lot(name, 1, 1) for name in "abc"))

        quantities = [each.quantity for each in done.after.lots]
        assert quantities == list(exact("0.333333333333", "0.333333333334", "0.333333333333"))
        assert done.after.quantity == 1

    def test_hands_on_the_cost_of_a_lot_too_small_for_a_quantity(self) -> None:
        """To the next lot, or the last one; a whole position keeps the smallest quantity."""
        tiny, large = lot("a", "0.000000000001", 1), lot("b", 10, 100)
        kept = replace(ONE_FOR_TEN, fraction_price=None)

        assert applied(kept, tiny, large).after.lots == (lot("b", 1, 101),)
        assert applied(kept, large, tiny).after.lots == (lot("b", 1, 101),)
        assert applied(kept, tiny).after == held(lot("a", "0.000000000001", 1))
        sold = lot("a", "-0.000000000001", -1)
        assert applied(kept, sold).after == held(sold)


class TestAStockDividend:
    """Further units at the cost and dates of those held."""

    def test_is_a_split_in_other_words(self) -> None:
        """One for every twenty: 100 become 105."""
        twentieth = StockDividend(
            action="stock-1", instrument=APPLE, ex_date=EX_DATE, new=1, held=20
        )

        done = applied(twentieth, lot("a", 60, 600), lot("b", 40, 500))

        assert done.after == held(lot("a", 63, 600), lot("b", 42, 500))
        assert scale_of(twentieth) == Scale(21, 20)


class TestACashDividend:
    """Due from the ex-date, paid on the pay date."""

    def test_is_receivable_less_what_is_withheld(self) -> None:
        """100 at 0.47, 15 % withheld: 39.95."""
        done = applied(DIVIDEND, lot("a", 60, 600), lot("b", 40, 500))

        assert done.due == Due(Decimal(47), Decimal("7.05"), "USD", PAY_DATE)
        assert done.due.net == Decimal("39.95")
        assert done.after == done.before

    def test_is_payable_whole_by_a_short_position(self) -> None:
        """Nothing is withheld from what it owes."""
        done = applied(DIVIDEND, lot("a", -100, -600))

        assert done.due == Due(Decimal(-47), Decimal(0), "USD", PAY_DATE)
        assert done.due.net == -47

    def test_is_nothing_to_who_holds_nothing(self) -> None:
        """Neither receivable nor payable."""
        assert apply_action(DIVIDEND, NOTHING).due is None


class TestASpinOff:
    """A child whose lots have their parents' dates, and part of their cost."""

    def test_divides_the_cost_and_pays_the_childs_fraction(self) -> None:
        """40 and 60 shares, 1 for 3, a fifth of the cost: 33 of the child, a third of it paid."""
        done = applied(SPIN_OFF, lot("a", 40, 400, 5), lot("b", 60, 900))

        assert done.after == held(lot("a", 40, 320, 4), lot("b", 60, 720))
        assert done.child is not None
        assert done.child.quantity == 33
        named = [child_lot(SPIN_OFF, name_of(each)) for each in ("a", "b")]
        assert [each.trade_id for each in done.child.lots] == named
        assert done.in_lieu is not None
        (part,) = done.in_lieu.closed
        assert done.child.cost + part.cost == 260
        assert done.child.fees + part.opening_fee == 1
        assert done.cash == Decimal("9.99999999999")

    def test_makes_a_short_position_owe_the_child(self) -> None:
        """30 short: 10 of the child short, a fifth of the proceeds with them."""
        done = applied(SPIN_OFF, lot("a", -30, -300))

        assert done.after == held(lot("a", -30, -240))
        child = replace(lot("a", -10, -60), trade_id=child_lot(SPIN_OFF, name_of("a")))
        assert done.child == held(child)


class TestScaling:
    """Marks from before an ex-date are read divided by the ratio."""

    @pytest.mark.parametrize(
        ("marked_on", "valued_on", "scale"),
        [
            (date(2014, 6, 8), EX_DATE, Scale(7, 1)),
            (EX_DATE, EX_DATE, Scale(1, 1)),
            (date(2014, 6, 7), date(2014, 6, 8), Scale(1, 1)),
            (date(2014, 6, 8), date(2020, 8, 31), Scale(28, 1)),
        ],
    )
    def test_counts_the_splits_since_the_mark(
        self, marked_on: date, valued_on: date, scale: Scale
    ) -> None:
        """From the day after the mark to the day of valuation; a dividend scales nothing."""
        second = replace(SEVEN_FOR_ONE, ex_date=date(2020, 8, 31), new=4)

        found = scale_between(
            [SEVEN_FOR_ONE, DIVIDEND, second], marked_on=marked_on, valued_on=valued_on
        )

        assert found == scale

    def test_places_an_action_before_every_trade_of_its_date(self) -> None:
        """And after every trade of the day before."""
        monday = replace(SEVEN_FOR_ONE, ex_date=MONDAY)
        trades = [fill_key(MONDAY), fill_key(TUESDAY)]

        assert replace(monday, ex_date=TUESDAY).key < trades[1]
        assert trades[0] < replace(monday, ex_date=TUESDAY).key
        assert monday.key < trades[0]


def fill_key(day: date) -> BookKey:
    """The place of the first trade that a date can have."""
    return bought("a", 1, 1, trade_date=day).key


class TestSoundness:
    """What means nothing is refused where it is declared."""

    @pytest.mark.parametrize(
        ("action", "code"),
        [
            (replace(SEVEN_FOR_ONE, new=0), "ratio_invalid"),
            (replace(SEVEN_FOR_ONE, old=-1), "ratio_invalid"),
            (replace(SEVEN_FOR_ONE, new=1_000_001), "ratio_invalid"),
            (replace(ONE_FOR_TEN, fraction_price=Decimal(-1)), "amount_not_positive"),
            (replace(DIVIDEND, per_unit=Decimal(0)), "amount_not_positive"),
            (replace(DIVIDEND, withholding_rate=Decimal("1.01")), "rate_invalid"),
            (replace(DIVIDEND, pay_date=EX_DATE.replace(day=8)), "pay_date_too_early"),
            (replace(SPIN_OFF, cost_share=Decimal("-0.01")), "rate_invalid"),
            (replace(SPIN_OFF, child=APPLE), "spin_off_of_itself"),
        ],
    )
    def test_is_required(self, action: Action, code: str) -> None:
        """Each with its own code."""
        with pytest.raises(Rejection) as refused:
            require_sound(action)

        assert refused.value.code == code

    @pytest.mark.parametrize(
        "action",
        [
            SEVEN_FOR_ONE,
            ONE_FOR_TEN,
            replace(SEVEN_FOR_ONE, new=1_000_000),
            replace(DIVIDEND, pay_date=EX_DATE, withholding_rate=Decimal(1)),
            replace(SPIN_OFF, cost_share=Decimal(0)),
        ],
    )
    def test_is_met_up_to_the_edges(self, action: Action) -> None:
        """The other side of each limit."""
        require_sound(action)
