"""Valuing what is held at a session's own closes, against the valuation of everything else."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from projections.performance.state import Calendar, Portfolio, Quote
from projections.performance.striking import plain_value
from projections.performance.valuation import value

STARTS_AT = datetime(2024, 1, 2, tzinfo=UTC)
ENDS_AT = datetime(2024, 1, 3, tzinfo=UTC)
DAY = date(2024, 1, 2)
NAMES = ("AAPL", "MSFT", "TSLA")

numbers = st.decimals(-(10**9), 10**9, places=6, allow_nan=False)
prices = st.dictionaries(st.sampled_from(NAMES), st.decimals("0.0001", 10**6, places=4))
held = st.dictionaries(st.sampled_from(NAMES), numbers.filter(bool))


def holder(held: dict[str, Decimal], cash: dict[str, Decimal], currency: str) -> Portfolio:
    """A portfolio in dollars; all it holds is traded in one currency."""
    portfolio = Portfolio("acme", "growth", "USD", "fifo", Calendar("24/7"), 1)
    portfolio.holdings.quantities = held
    portfolio.holdings.cash = cash
    portfolio.instruments = dict.fromkeys(held, currency)
    portfolio.currencies = {*cash, *portfolio.instruments.values()}
    return portfolio


class TestPlainValues:
    """The quick way, where it goes, and the long one agree to the last digit."""

    @given(held, prices, numbers)
    def test_is_the_value_where_all_has_a_close_in_base(
        self, held: dict[str, Decimal], closes: dict[str, Decimal], cash: Decimal
    ) -> None:
        """A name without a close has no quick value."""
        portfolio = holder(held, {"USD": cash}, "USD")
        quotes = {name: Quote(ENDS_AT, price, on=DAY) for name, price in closes.items()}

        quick = plain_value(portfolio, closes)

        full = value(
            portfolio, portfolio.holdings, at=ENDS_AT, fresh_from=STARTS_AT, quotes=quotes,
            executed=lambda _: None, on=DAY,
            worth=lambda _, quantity, quote, __: quantity * quote.price,
        )  # fmt: skip
        assert quick == (full if held.keys() <= closes.keys() else None)
        assert quick is None or str(quick.nav) == str(full.nav)

    def test_is_left_to_the_long_way_where_a_rate_is_needed(self) -> None:
        """Held in another currency, or cash of another."""
        one = Decimal(1)
        foreign = holder({"AAPL": one}, {}, "EUR")
        cash = holder({"AAPL": one}, {"EUR": one}, "USD")

        found = [plain_value(each, {"AAPL": one}) for each in (foreign, cash)]

        assert found == [None, None]
