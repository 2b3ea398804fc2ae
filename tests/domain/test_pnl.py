"""What lots earn in base: price part and currency part (convention 8)."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.book import Book
from domain.lots import CostBasis, Fill, match
from domain.pnl import LotsInBase, Realised, Unrealised
from tests.domain.scenes import bought, sold

BASES = pytest.mark.parametrize("basis", list(CostBasis))

RatedFill = tuple[Fill, str]
rates = st.integers(1, 400).map(lambda number: str(Decimal(number).scaleb(-2)))


class Ledger:
    """Fills of one instrument in book order, and what they did in base."""

    def __init__(self, basis: CostBasis = CostBasis.FIFO) -> None:
        self.basis = basis
        self.book = Book(basis)
        self.lots = LotsInBase(basis)
        self.realised: list[Realised] = []

    def take(self, *fills: RatedFill) -> "Ledger":
        """Fold fills, each with the rate at its time."""
        for fill, rate in fills:
            matching = match(self.book, fill)
            self.book.add(fill, matching)
            self.realised.append(self.lots.take(matching, fee=fill.fee, rate=Decimal(rate)))
        return self


def realised(price: object, currency: object, fees: object = 0) -> Realised:
    """What is expected of one fill."""
    return Realised(*(Decimal(str(number)) for number in (price, currency, fees)))


class TestClosing:
    """A fill that closes realises a price part at its own rate, and a currency part."""

    @BASES
    def test_splits_price_and_currency(self, basis: CostBasis) -> None:
        """10 bought at 100 and 1.10, sold at 120 and 1.20: 240 by price, 100 by currency."""
        ledger = Ledger(basis).take((bought("b", 10, 100), "1.10"), (sold("s", 10, 120), "1.20"))

        assert ledger.realised == [realised(0, 0), realised(240, 100)]
        assert ledger.realised[1].gross == 10 * (120 * Decimal("1.20") - 100 * Decimal("1.10"))

    @BASES
    def test_splits_a_short_sale_likewise(self, basis: CostBasis) -> None:
        """-10 at 100 and 1.10, bought back at 120 and 1.20: q is negative, so are both parts."""
        ledger = Ledger(basis).take((sold("s", 10, 100), "1.10"), (bought("b", 10, 120), "1.20"))

        assert ledger.realised[1] == realised(-240, -100)

    def test_takes_each_lot_at_its_own_rate(self) -> None:
        """FIFO: the first lot's 1.00, then half of the second's 1.50."""
        ledger = Ledger().take(
            (bought("a", 10, 10), "1.00"),
            (bought("b", 10, 20), "1.50"),
            (sold("s", 15, 30), "2.00"),
        )

        assert ledger.realised[2] == realised((15 * 30 - 200) * 2, 200 * 2 - 100 - 150)
        assert ledger.lots.base_cost == 5 * 20 * Decimal("1.50")

    def test_takes_the_pools_share_under_average(self) -> None:
        """10 at 10 and 1.00, 10 at 20 and 1.50: the pool cost 400 in base, 5 of 20 take 100."""
        ledger = Ledger(CostBasis.AVERAGE).take(
            (bought("a", 10, 10), "1.00"),
            (bought("b", 10, 20), "1.50"),
            (sold("s", 5, 30), "2.00"),
        )

        assert ledger.realised[2] == realised((5 * 30 - 75) * 2, 75 * 2 - 100)
        assert ledger.lots.base_cost == 300

    def test_closes_in_parts(self) -> None:
        """Half and half again, at two rates: each with its own parts."""
        ledger = Ledger().take(
            (bought("b", 10, 10), "1"), (sold("s", 4, 10), "2"), (sold("t", 6, 10), "3")
        )

        assert ledger.realised[1:] == [realised(0, 40), realised(0, 120)]

    def test_counts_fees_at_the_rates_they_were_paid_at(self) -> None:
        """Opening fee 10 at 1.10, half of it; closing fee 5 at 1.20. Gross has none of them."""
        ledger = Ledger().take(
            (bought("b", 100, 10, fee=10), "1.10"), (sold("s", 50, 12, fee=5), "1.20")
        )

        assert ledger.realised[1] == realised(120, 50, 5 * Decimal("1.10") + 5 * Decimal("1.20"))
        assert ledger.realised[1].net == Decimal("158.50")

    def test_crosses_zero_at_one_rate(self) -> None:
        """10 held, 15 sold: 10 close, 5 open at the same rate, with their part of the fee."""
        ledger = Ledger().take((bought("b", 10, 10), "1"), (sold("s", 15, 12, fee=3), "2"))

        assert ledger.realised[1] == realised(40, 100, 4)
        assert ledger.lots.quantity == -5
        assert ledger.lots.base_cost == -120


class TestOpenLots:
    """What is not closed has gained by price and by currency too."""

    def test_gain_at_a_price_and_a_rate(self) -> None:
        """10 at 100 and 1.10, now 120 and 1.20."""
        ledger = Ledger().take((bought("b", 10, 100), "1.10"))

        gained = ledger.lots.unrealised(Decimal(1200), Decimal("1.20"))

        assert gained == Unrealised(Decimal(240), Decimal(100))


@st.composite
def histories(draw: st.DrawFn) -> list[RatedFill]:
    """Fills in book order with the rates of their times."""
    made = []
    for number in range(draw(st.integers(1, 12))):
        side = draw(st.sampled_from([bought, sold]))
        quantity, price = draw(st.integers(1, 9)), draw(st.integers(0, 30))
        fee = draw(st.integers(0, 3))
        name = f"f{number:02}"
        made.append((side(name, quantity, price, fee=fee, source_sequence=number), draw(rates)))
    return made


class TestAnyHistory:
    """Laws of the split."""

    @BASES
    @given(history=histories(), price=st.integers(0, 30), rate=rates)
    def test_is_all_that_was_earned(
        self, basis: CostBasis, history: list[RatedFill], price: int, rate: str
    ) -> None:
        """Realised, unrealised and what was paid are what the rest is worth, exactly."""
        ledger = Ledger(basis).take(*history)

        paid = Fraction(0)
        for fill, at in history:
            sign = 1 if fill.side == "buy" else -1
            paid += sign * Fraction(fill.consideration) * Fraction(at)
        value = Fraction(ledger.book.quantity) * price * Fraction(rate)
        gained = ledger.lots.unrealised(ledger.lots.quantity * price, Decimal(rate))
        earned = sum(each.gross for each in ledger.realised) + gained.price + gained.currency
        assert Fraction(earned) == value - paid

    @BASES
    @given(history=histories())
    def test_is_the_price_part_alone_at_a_rate_of_one(
        self, basis: CostBasis, history: list[RatedFill]
    ) -> None:
        """In the base currency itself: the realised parts of the book, gross and net."""
        ledger = Ledger(basis).take(*((fill, "1") for fill, _ in history))

        assert sum(each.currency for each in ledger.realised) == 0
        assert sum(each.gross for each in ledger.realised) == ledger.book.realised_gross
        assert sum(each.net for each in ledger.realised) == ledger.book.realised_net

    @BASES
    @given(history=histories(), rate=rates)
    def test_leaves_nothing_in_a_position_that_is_closed(
        self, basis: CostBasis, history: list[RatedFill], rate: str
    ) -> None:
        """No cost and no fee stays behind, whatever was rounded before."""
        ledger = Ledger(basis).take(*history)
        held = ledger.book.quantity
        if held:
            side = sold if held > 0 else bought
            ledger.take((side("z", abs(held), 7, source_sequence=99), rate))

        lots = ledger.lots
        assert not any((lots.quantity, lots.cost, lots.base_cost, lots.base_fees))
