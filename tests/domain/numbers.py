"""Hypothesis strategies of the numbers PMS meets: exact decimals of at most 26 and 12 digits.

Quantities, prices and fees are in canonical form, as the boundary hands them in.
"""

from decimal import Decimal

from hypothesis import strategies as st

from domain.money import canonical

STEP = Decimal(1).scaleb(-12)


def steps(lowest: int, highest: int) -> st.SearchStrategy[Decimal]:
    """Decimals that are so many steps of 12 decimals."""
    return st.integers(lowest, highest).map(lambda count: Decimal(count).scaleb(-12))


def whole(lowest: int, highest: int, places: int = 0) -> st.SearchStrategy[Decimal]:
    """Decimals with few digits, which meet each other often."""
    return st.integers(lowest, highest).map(lambda count: Decimal(count).scaleb(-places))


wide = steps(-(10**38) + 1, 10**38 - 1)
"""Everything decimal(38, 12) holds."""

amounts = st.one_of(whole(-1_000, 1_000), whole(-10_000, 10_000, 2), steps(-(10**30), 10**30))
"""Amounts of either sign."""

quantities = st.one_of(whole(1, 9), whole(1, 10_000, 3), steps(1, 10**24)).map(canonical)
"""Quantities above zero: small whole ones, broken ones, and awkward ones."""

prices = st.one_of(whole(0, 30), whole(0, 100_000, 2), steps(0, 10**20)).map(canonical)
"""Prices, zero among them."""

fees = st.one_of(st.just(Decimal(0)), whole(0, 500, 2), whole(-100, 0, 2), steps(0, 10**14)).map(
    canonical
)
"""Fees; below zero they are rebates."""
