"""What holders are told: trades, actions, and how many lots to transfer; days are numbers."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from domain.corporate_actions import CashDividend, SpinOff, Split, StockDividend
from domain.lots import CostBasis, Side
from domain.money import ZERO
from domain.trade import Intent
from domain.transfers import NamedLot
from tests.commands.naive_holders import Opening
from tests.commands.naive_lots import NaiveBook

portfolios = st.sampled_from(["alpha", "beta"])
instruments = st.sampled_from(["A", "A", "B"])
days = st.integers(0, 4)
sizes = st.integers(1, 9).map(Decimal)
few = st.integers(1, 5)
bases = st.sampled_from([CostBasis.FIFO, CostBasis.AVERAGE, CostBasis.LIFO, CostBasis.SPECIFIC])
openings = st.builds(Opening, bases, st.booleans(), st.sampled_from([True, True, False]))
contents = st.fixed_dictionaries(
    {
        "external_id": st.integers(1, 30).map(lambda number: f"t-{number}"),
        "portfolio": portfolios,
        "instrument": instruments,
        "intent": st.sampled_from([Intent.PROPOSED, Intent.EXECUTED, Intent.EXECUTED]),
        "side": st.sampled_from([Side.BUY, Side.BUY, Side.SELL]),
        "quantity": sizes,
        "price": sizes,
        "fee": st.sampled_from([Decimal(0), Decimal(1)]),
        "trade_date": days,
        "executed_at": st.sampled_from([None, None, 15, 20]),
    }
)
names = st.sampled_from(["a-1", "a-2", "a-3", "a-4", "a-5"])
prices = st.none() | sizes
rates = st.integers(0, 100).map(lambda cents: Decimal(cents) / 100)


@st.composite
def actions(draw: st.DrawFn) -> dict[str, Any]:
    """The kind and the fields of an action, its days as numbers."""
    kind = draw(st.sampled_from([Split, StockDividend, CashDividend, CashDividend, SpinOff]))
    fields: dict[str, Any] = {"kind": kind, "action": draw(names), "ex_date": draw(days)}
    fields["instrument"] = "A" if kind is SpinOff else draw(instruments)
    if kind is CashDividend:
        rate, pay_date = draw(rates), draw(days)
        return fields | {"per_unit": draw(sizes), "withholding_rate": rate, "pay_date": pay_date}
    fields |= {"new": draw(few), "fraction_price": draw(prices)}
    fields["held" if kind is StockDividend else "old"] = draw(few)
    return fields | ({"cost_share": draw(rates)} if kind is SpinOff else {})


@st.composite
def quantities(draw: st.DrawFn, held: NaiveBook) -> tuple[Decimal, tuple[NamedLot, ...]]:
    """How many to transfer: mostly as many as there are, or of lots by name."""
    is_by_name: bool = draw(st.booleans())
    if held.lots and is_by_name:
        chosen = draw(st.lists(st.sampled_from(held.lots), min_size=1, max_size=2, unique=True))
        lots = tuple(NamedLot(each.name, decimal_of(abs(each.quantity))) for each in chosen)
        return sum((lot.quantity for lot in lots), ZERO), lots
    most = max(int(abs(held.quantity)), 1)
    return Decimal(draw(st.integers(1, most))), ()


def decimal_of(number: Fraction) -> Decimal:
    """Write a quantity, which has 12 decimals at most."""
    return Decimal(number.numerator) / Decimal(number.denominator)
