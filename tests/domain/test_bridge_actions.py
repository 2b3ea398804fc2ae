"""Corporate actions in the bridge: each part from its own facts (conventions 7, 8 and 9)."""

from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from domain.book import Book
from domain.bridge import Account, Bridge, Fact, Part, Price, Prices, Taken, Traded
from domain.corporate_actions import Action, CashDividend, Scale, SpinOff, Split
from domain.held import Applied, Received
from domain.lots import CostBasis, Fill, match
from domain.money import ZERO
from domain.portfolio.booking import cash_change
from tests.domain.scenes import MONDAY, bought, sold

TUESDAY = MONDAY + timedelta(days=1)
BASES = pytest.mark.parametrize("basis", list(CostBasis))
A_CENT = Decimal("0.01")
SPIN = SpinOff(
    action="spin", instrument="SAP", ex_date=TUESDAY, child="SPUN", new=1, old=3,
    cost_share=Decimal("0.2"), fraction_price=Decimal(9),
)  # fmt: skip


class Told(NamedTuple):
    """Facts of shares in euros, and the bridge from nothing to their prices at an end."""

    facts: list[Fact]
    basis: CostBasis

    def bridge(self, rate: str, **prices: str | Price) -> Bridge:
        """Value SAP and SPUN at prices, and a euro at a rate."""
        known = {n: p if isinstance(p, Price) else Price(Decimal(p)) for n, p in prices.items()}
        end = Prices(known, {"EUR": Decimal(rate)})
        return Account("USD", self.basis).bridge(self.facts, start=Prices({}, {}), end=end)


class Books:
    """Books of shares in euros, to say what fills and actions do."""

    def __init__(self, basis: CostBasis = CostBasis.FIFO) -> None:
        self.books = {name: Book(basis) for name in ("SAP", "SPUN")}
        self.told = Told([], basis)

    def trade(self, fill: Fill, rate: str, name: str = "SAP") -> "Books":
        """Book a fill that stands last."""
        book = self.books[name]
        matching = match(book, fill)
        book.add(fill, matching)
        traded = Traded(name, "EUR", matching, fill.fee, cash_change(fill), Decimal(rate))
        self.told.facts.append(traded)
        return self

    def act(self, action: Action, rate: str) -> "Books":
        """Let an action of SAP take effect."""
        applied, delivered = self.books["SAP"].fold_entry(action), None
        assert isinstance(applied, Applied)
        if applied.child is not None:
            lots = applied.child.lots
            received = Received(entry_id=action.entry_id, key=action.key, lots=lots)
            found = self.books["SPUN"].fold_entry(received)
            assert isinstance(found, Applied)
            delivered = found
        now = Decimal(rate)
        self.told.facts.append(Taken("SAP", "EUR", action, applied, now, delivered, now))
        return self


def shown(bridge: Bridge) -> dict[str, Decimal]:
    """The parts that are not zero; nothing is unexplained."""
    assert bridge.unexplained == 0
    return {part.value: amount for part, amount in bridge.parts.items() if amount}


class TestADividend:
    """100 SAP, 0.47 euros each, 15 % withheld, at 1.20; 1.25 at the end."""

    def test_is_a_part_gross_and_a_tax(self) -> None:
        """47 at 1.20, 7.05 of it withheld; what is receivable gains 0.05 on 39.95."""
        paying = CashDividend(
            action="d", instrument="SAP", ex_date=TUESDAY, per_unit=Decimal("0.47"),
            currency="EUR", withholding_rate=Decimal("0.15"), pay_date=TUESDAY,
        )  # fmt: skip
        told = Books().trade(bought("b", 100, 1), "1.20").act(paying, "1.20").told

        assert shown(told.bridge("1.25", SAP="1")) == {
            "dividends": Decimal("56.4"), "taxes": Decimal("-8.46"),
            "fx_on_cash": Decimal("1.9975") - 5, "fx_on_positions": 5,
        }  # fmt: skip


class TestASplit:
    """25 SAP, some at 1.10 and some at 1.20, 1 for 10, half a share paid with 20 at 1.25."""

    SPLIT = Split(
        action="s", instrument="SAP", ex_date=TUESDAY, new=1, old=10, fraction_price=Decimal(40)
    )

    @BASES
    def test_contributes_nothing_but_what_its_fraction_realised(self, basis: CostBasis) -> None:
        """13 at 4 and 12 at 4, an equal cost under any basis: paid with what it cost."""
        books = Books(basis).trade(bought("b", 13, 4), "1.25").trade(bought("c", 12, 4), "1.25")

        parts = shown(books.act(self.SPLIT, "1.25").told.bridge("1.25", SAP="40"))

        assert parts == {}

    def test_realises_cash_in_lieu_by_price_and_by_currency(self) -> None:
        """25 at 3 and 1.10: half a share cost 15, paid with 20 at 1.25: 6.25 and 2.25."""
        told = Books().trade(bought("b", 25, 3), "1.10").act(self.SPLIT, "1.25").told

        assert shown(told.bridge("1.25", SAP="40")) == {
            "cash_in_lieu": Decimal("6.25"), "unrealised_price": 25,
            "fx_on_positions": Decimal("2.25") + 9, "fx_on_cash": Decimal("-11.25"),
        }  # fmt: skip

    def test_is_valued_at_the_price_of_before(self) -> None:
        """10 at 645, 7 for 1: 70 at a seventh of it."""
        seven = Split(action="s", instrument="SAP", ex_date=TUESDAY, new=7, old=1)
        told = Books().trade(bought("b", 10, 645), "1").act(seven, "1").told

        assert shown(told.bridge("1", SAP=Price(Decimal(645), Scale(7, 1)))) == {}


class TestASpinOff:
    """Parent and child together hold what the parent held."""

    @BASES
    def test_moves_cost_and_its_rates(self, basis: CostBasis) -> None:
        """3 SAP for 30 at 1.10, one SPUN of a fifth: sold at 9 and 1.20, 3 by price at 1.20."""
        books = Books(basis).trade(bought("b", 3, 10), "1.10").act(SPIN, "1.20")
        books.trade(sold("s", 1, 9, trade_date=TUESDAY), "1.20", "SPUN")

        parts = shown(books.told.bridge("1.20", SAP="8"))

        assert parts == {
            "realised_price": Decimal("3.6"), "fx_on_positions": 3, "fx_on_cash": -3,
        }  # fmt: skip

    @BASES
    def test_pays_for_the_childs_fraction(self, basis: CostBasis) -> None:
        """4 SAP for 40: 1.333 SPUN of 8; a third cost 2 and is paid with 3."""
        books = Books(basis).trade(bought("b", 4, 10), "1.10").act(SPIN, "1.20")

        parts = shown(books.told.bridge("1.20", SAP="8", SPUN="6"))

        assert round(parts["cash_in_lieu"], 9) == Decimal("1.2")
        assert round(parts["unrealised_price"], 9) == 0

    @BASES
    def test_delivers_against_a_short_child(self, basis: CostBasis) -> None:
        """1 SPUN short at 9 and 1.00; one of cost 6 at 1.10 comes at 1.20: 3.60 by price.

        By currency: the short -9 x 0.20, the lot delivered 6 x 0.10.
        """
        books = Books(basis).trade(sold("short", 1, 9), "1.00", "SPUN")
        books.trade(bought("b", 3, 10), "1.10").act(SPIN, "1.20")

        parts = shown(books.told.bridge("1.20", SAP="8"))

        assert books.books["SPUN"].quantity == 0
        assert parts["realised_price"] == Decimal("3.6")
        assert parts["fx_on_positions"] == Decimal("-1.8") + Decimal("0.6") + Decimal("2.4")

    @BASES
    def test_crosses_zero(self, basis: CostBasis) -> None:
        """1 SPUN short, two lots of 2 come: the first closes it, what is left opens."""
        books = Books(basis).trade(sold("short", 1, 9), "1.00", "SPUN")
        books.trade(bought("b", 6, 10), "1.10").trade(bought("c", 6, 20), "1.30").act(SPIN, "1.20")
        books.trade(sold("s", 1, 7, trade_date=TUESDAY), "1.25", "SPUN")

        assert books.books["SPUN"].quantity == 2
        assert shown(books.told.bridge("1.40", SAP="8", SPUN="11"))


class TestBrokenByACent:
    """The law sees a cent in anything that an action told."""

    def broken(self, **changes: object) -> Bridge:
        """The bridge over a dividend or a split with something changed."""
        paying = CashDividend(
            action="d", instrument="SAP", ex_date=TUESDAY, per_unit=Decimal(1), currency="EUR",
            withholding_rate=Decimal("0.5"), pay_date=TUESDAY,
        )  # fmt: skip
        books = Books().trade(bought("b", 25, 3), "1.10").act(paying, "1.20")
        books.act(TestASplit.SPLIT, "1.25")
        facts = books.told.facts
        taken = facts[-1]
        assert isinstance(taken, Taken)
        facts[-1] = taken._replace(applied=replace(taken.applied, **changes))
        return books.told.bridge("1.25", SAP="40")

    @pytest.mark.parametrize("part", list(Part))
    def test_in_a_part(self, part: Part) -> None:
        """A part that is a cent higher leaves a cent unexplained."""
        bridge = self.broken()

        assert bridge.unexplained == 0
        assert replace(bridge, **{part.value: bridge.parts[part] + A_CENT}).unexplained == -A_CENT

    def test_in_the_cash_of_a_fraction(self) -> None:
        """Paid with a cent more than the lots say."""
        assert self.broken(cash=Decimal("20.01")).unexplained

    def test_in_what_a_fraction_realised(self) -> None:
        """Realised a cent more than was paid."""
        applied = Books().trade(bought("b", 25, 3), "1.10").books["SAP"]
        paid = TestASplit.SPLIT.applied_to(applied.held()).in_lieu
        assert paid is not None
        more = replace(paid, realised_gross=paid.realised_gross + A_CENT)

        assert self.broken(in_lieu=more).unexplained
        assert self.broken(in_lieu=paid).unexplained == ZERO
