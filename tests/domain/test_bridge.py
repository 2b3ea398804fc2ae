"""The bridge from one NAV to the next: its parts, and that they add up (convention 9)."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.book import Book
from domain.bridge import (
    Account,
    Bridge,
    CashMoved,
    Fact,
    Part,
    Price,
    Prices,
    RateMissing,
    Traded,
    WrittenDown,
)
from domain.lots import CostBasis, Fill, match
from domain.money import ZERO
from domain.portfolio.booking import cash_change
from tests.domain.scenes import bought, sold

A_CENT = Decimal("0.01")
CURRENCY_OF = {"AAPL": "USD", "SAP": "EUR", "VOD": "GBP"}
BASES = pytest.mark.parametrize("basis", list(CostBasis))
EMPTY = Prices({}, {})


class Books:
    """The books of some instruments, to say what fills do."""

    def __init__(self, basis: CostBasis = CostBasis.FIFO) -> None:
        self.basis = basis
        self.books: dict[str, Book] = {}

    def trade(self, fill: Fill, rate: str = "1", instrument: str = "AAPL") -> Traded:
        """Book a fill that stands last in book order."""
        book = self.books.setdefault(instrument, Book(self.basis))
        matching = match(book, fill)
        book.add(fill, matching)
        currency = CURRENCY_OF[instrument]
        cash = cash_change(fill)
        return Traded(instrument, currency, matching, fill.fee, cash, Decimal(rate))


def moved(
    amount: str, currency: str = "USD", rate: str = "1", part: Part = Part.EXTERNAL_FLOWS
) -> CashMoved:
    """Cash in or out."""
    return CashMoved(part, currency, Decimal(amount), Decimal(rate))


def fallen(name: str, currency: str, by: Decimal, rate: Decimal) -> WrittenDown:
    """A write-down to nothing of what was worth so much."""
    return WrittenDown(name, currency, Price(by), Price(ZERO), rate)


def prices(rates: dict[str, str] | None = None, **marks: str) -> Prices:
    """Prices and rates at a moment."""
    return Prices(
        {name: Price(Decimal(price)) for name, price in marks.items()},
        {name: Decimal(rate) for name, rate in (rates or {}).items()},
    )


def bridged(facts: Sequence[Fact], end: Prices, basis: CostBasis = CostBasis.FIFO) -> Bridge:
    """The bridge from nothing."""
    return Account("USD", basis).bridge(facts, start=EMPTY, end=end)


def only(bridge: Bridge, **parts: str) -> bool:
    """Whether these parts are as said, and all others zero."""
    expected = {part: Decimal(parts.get(part.value, "0")) for part in Part}
    return bridge.parts == expected and not bridge.unexplained


class TestExamples:
    """Worked examples."""

    @BASES
    def test_buy_and_sell_half(self, basis: CostBasis) -> None:
        """Buy 100 @ 10 fee 10, sell 50 @ 12 fee 5, mark 12: +185 = 100 + 100 - 15; net 90."""
        books = Books(basis)
        facts: list[Fact] = [
            books.trade(bought("b", 100, 10, fee=10)),
            books.trade(sold("s", 50, 12, fee=5)),
        ]

        bridge = bridged(facts, prices(AAPL="12"), basis)

        assert bridge.nav_start == 0
        assert bridge.nav_end == 185
        assert only(bridge, realised_price="100", unrealised_price="100", trading_fees="-15")
        assert bridge.realised_net == 90

    def test_a_share_in_euros(self) -> None:
        """10 SAP @ 100 at 1.10, half sold @ 120 at 1.20, end 130 at 1.25; 500 euros of cash left.

        1,500 euros came in at 1.10: 1,650. Realised: 5 x 20 x 1.20 = 120 by price, 5 x 100 x 0.10
        = 50 by currency; open: 5 x 30 x 1.25 = 187.50 and 5 x 100 x 0.15 = 75. Cash: 1,500 x 0.15 -
        1,000 x 0.15 + 600 x 0.05 = 105.
        """
        books = Books()
        facts: list[Fact] = [
            moved("1500", "EUR", "1.10"),
            books.trade(bought("b", 10, 100), "1.10", "SAP"),
            books.trade(sold("s", 5, 120), "1.20", "SAP"),
        ]

        bridge = bridged(facts, prices({"EUR": "1.25"}, SAP="130"))

        assert bridge.nav_end == (1100 + 650) * Decimal("1.25")
        assert only(
            bridge,
            external_flows="1650",
            realised_price="120",
            unrealised_price="187.5",
            fx_on_positions="125",
            fx_on_cash="105",
        )

    def test_foreign_cash_alone(self) -> None:
        """100 euros from 1.10 to 1.20: nothing but their revaluation."""
        account = Account("USD", CostBasis.FIFO)
        account.take(moved("100", "EUR", "1.05"))

        bridge = account.bridge([], start=prices({"EUR": "1.10"}), end=prices({"EUR": "1.20"}))

        assert only(bridge, fx_on_cash="10")

    def test_every_other_kind_of_cash(self) -> None:
        """Each is a part of its own."""
        kinds = (
            Part.DIVIDENDS, Part.INTEREST, Part.TAXES, Part.MANAGEMENT_FEES,
            Part.CASH_IN_LIEU, Part.WRITE_DOWNS,
        )  # fmt: skip
        for part in kinds:
            assert only(bridged([moved("-7", part=part)], EMPTY), **{part.value: "-7"})

    def test_cash_exchanged(self) -> None:
        """110 dollars sold for 99 euros at 1.10, then 1.20: -1.10 at once, +9.90 of the rate."""
        exchanged: list[Fact] = [
            moved("-110", part=Part.FX_ON_CASH),
            moved("99", "EUR", "1.10", Part.FX_ON_CASH),
        ]

        bridge = bridged([moved("110"), *exchanged], prices({"EUR": "1.20"}))

        assert only(bridge, external_flows="110", fx_on_cash="8.8")

    def test_written_down(self) -> None:
        """10 SAP bought at 100, 120 now; down to 20 at 1.10, rate 1.20 at the end.

        Lost by it: 10 x 100 x 1.10. What had been gained before stays a change of unrealised price,
        with what the loss is worth more since: 10 x (20 - 100) x 1.20 + 1,100 = 140.
        """
        books = Books()
        facts: list[Fact] = [
            books.trade(bought("b", 10, 100), "1.20", "SAP"),
            fallen("SAP", "EUR", Decimal(100), Decimal("1.10")),
        ]

        bridge = bridged(facts, prices({"EUR": "1.20"}, SAP="20"))

        assert only(bridge, write_downs="-1100", unrealised_price="140")

    def test_writes_nothing_down_that_is_not_held(self) -> None:
        """Neither what never was, nor what was sold before."""
        books = Books()
        facts: list[Fact] = [
            books.trade(bought("b", 10, 100)),
            books.trade(sold("s", 10, 100)),
            fallen("AAPL", "USD", Decimal(100), Decimal(1)),
            fallen("SAP", "EUR", Decimal(100), Decimal("1.10")),
        ]

        assert only(bridged(facts, EMPTY))

    def test_needs_no_rate_of_a_currency_that_is_gone(self) -> None:
        """100 euros in at 1.10 and out at 1.20, no rate at the end: what they gained is known."""
        facts: list[Fact] = [moved("100", "EUR", "1.10"), moved("-100", "EUR", "1.20")]

        assert only(bridged(facts, EMPTY), external_flows="-10", fx_on_cash="10")

    def test_refuses_to_value_without_a_rate(self) -> None:
        """Cash that is there has to have one: a NAV is never made up."""
        with pytest.raises(RateMissing):
            bridged([moved("100", "EUR", "1.10")], EMPTY)


rates = st.integers(50, 200).map(lambda number: str(Decimal(number).scaleb(-2)))


@st.composite
def facts_of_a_day(draw: st.DrawFn, books: Books, day: int) -> list[Fact]:
    """Trades of either side and cash of every kind, at rates of their own."""
    made: list[Fact] = []
    for number in range(draw(st.integers(0, 5))):
        if draw(st.booleans()):
            name = draw(st.sampled_from(sorted(CURRENCY_OF)))
            side = draw(st.sampled_from([bought, sold]))
            rate = "1" if name == "AAPL" else draw(rates)
            wanted = side(
                f"f{day}-{number}", draw(st.integers(1, 9)), draw(st.integers(0, 30)),
                fee=draw(st.integers(0, 3)), source_sequence=day * 10 + number,
            )  # fmt: skip
            made.append(books.trade(wanted, rate, name))
        elif draw(st.booleans()):
            name = draw(st.sampled_from(sorted(CURRENCY_OF)))
            rate = "1" if name == "AAPL" else draw(rates)
            change = Decimal(draw(st.integers(-30, 0)))
            made.append(fallen(name, CURRENCY_OF[name], -change, Decimal(rate)))
        else:
            currency = draw(st.sampled_from(["USD", "EUR", "GBP"]))
            rate = "1" if currency == "USD" else draw(rates)
            part = draw(st.sampled_from([part for part in Part if part != Part.TRADING_FEES]))
            made.append(moved(str(draw(st.integers(-500, 500))), currency, rate, part))
    return made


@st.composite
def histories(draw: st.DrawFn, basis: CostBasis) -> list[tuple[list[Fact], Prices]]:
    """Days: what happened, and the prices at their ends."""
    books = Books(basis)
    days = []
    for day in range(draw(st.integers(1, 5))):
        facts = draw(facts_of_a_day(books, day))
        marks = {name: str(draw(st.integers(0, 30))) for name in CURRENCY_OF}
        at_end = {"EUR": draw(rates), "GBP": draw(rates)}
        days.append((facts, prices(at_end, **marks)))
    return days


def worth(days: list[tuple[list[Fact], Prices]]) -> Fraction:
    """The NAV at the end of the last day, from nothing but quantities and cash."""
    end = days[-1][1]
    total = Fraction(0)
    for facts, _ in days:
        for fact in facts:
            rate = Fraction(1 if fact.currency == "USD" else end.rates[fact.currency])
            if isinstance(fact, CashMoved):
                total += Fraction(fact.amount) * rate
            elif isinstance(fact, Traded):
                opened = fact.matching.opened
                quantity = ZERO if opened is None else opened.quantity
                quantity -= sum((part.quantity for part in fact.matching.closed), ZERO)
                price = Fraction(end.prices[fact.instrument].price)
                total += (Fraction(fact.cash) + Fraction(quantity) * price) * rate
    return total


class TestAnyHistory:
    """Laws of the bridge."""

    @BASES
    @given(data=st.data())
    def test_adds_up_day_by_day_and_over_all_days(
        self, basis: CostBasis, data: st.DataObject
    ) -> None:
        """Exactly; and each part over all days is the sum of its days'."""
        days = data.draw(histories(basis))
        account, start = Account("USD", basis), EMPTY

        bridges = []
        for number, (facts, end) in enumerate(days, start=1):
            bridge = account.bridge(facts, start=start, end=end)
            assert bridge.unexplained == 0
            assert Fraction(bridge.nav_end) == worth(days[:number])
            bridges.append(bridge)
            start = end

        whole = bridged([fact for facts, _ in days for fact in facts], start, basis)
        assert whole.unexplained == 0
        assert whole.parts == {part: sum(b.parts[part] for b in bridges) for part in Part}
        assert whole.realised_net == sum(bridge.realised_net for bridge in bridges)


def fees_a_cent_higher(fact: Traded) -> Traded:
    """The fee is not the one that cash has paid."""
    return fact._replace(fee=fact.fee + A_CENT)


def cash_a_cent_higher(fact: Traded) -> Traded:
    """Cash moved by a cent more than the lots cost."""
    return fact._replace(cash=fact.cash + A_CENT)


def realised_a_cent_higher(fact: Traded) -> Traded:
    """The realised part is not what the closed parts say."""
    matching = fact.matching
    return fact._replace(
        matching=replace(matching, realised_gross=matching.realised_gross + A_CENT)
    )


def cost_a_cent_higher(fact: Traded) -> Traded:
    """A closed part cost a cent more than its lot."""
    matching = fact.matching
    closed = tuple(replace(part, cost=part.cost + A_CENT) for part in matching.closed)
    return fact._replace(matching=replace(matching, closed=closed))


class TestBrokenByACent:
    """The law is worth something: it sees a cent in any part."""

    def facts(self) -> list[Fact]:
        """Two trades of SAP and some euros."""
        books = Books()
        return [
            moved("1500", "EUR", "1.10"),
            books.trade(bought("b", 10, 100, fee=2), "1.10", "SAP"),
            books.trade(sold("s", 5, 120, fee=1), "1.20", "SAP"),
        ]

    @pytest.mark.parametrize("part", list(Part))
    def test_in_a_part(self, part: Part) -> None:
        """A part that is a cent higher leaves a cent unexplained."""
        bridge = bridged(self.facts(), prices({"EUR": "1.25"}, SAP="130"))
        broken = replace(bridge, **{part.value: bridge.parts[part] + A_CENT})

        assert bridge.unexplained == 0
        assert broken.unexplained == -A_CENT

    @pytest.mark.parametrize(
        "broken",
        [fees_a_cent_higher, cash_a_cent_higher, realised_a_cent_higher, cost_a_cent_higher],
    )
    def test_in_a_fact(self, broken: Callable[[Traded], Traded]) -> None:
        """Results that do not belong together do not add up."""
        flow, buy, sale = self.facts()
        assert isinstance(sale, Traded)

        bridge = bridged([flow, buy, broken(sale)], prices({"EUR": "1.25"}, SAP="130"))

        assert bridge.unexplained != 0
