"""Exact decimals: money, its limits, and every rounding that has a name.

Importing this module widens the process's decimal context to 100 digits, because two numbers of
the wire (26 integer digits, 12 decimals) multiply to 76 digits and the default context of 28 would
round them silently. Amounts are in units of their currency, never in cents.
"""

import decimal
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from domain.rejection import Rejection

DIGITS = 100
PLACES = 12
SMALLEST = Decimal(1).scaleb(-PLACES)
INTEGER_DIGITS = 26
LIMIT = Decimal(10) ** INTEGER_DIGITS
LOWEST = -LIMIT
RETURN_STEP = Decimal(1).scaleb(-18)
ZERO = Decimal(0)
ONE = Decimal(1)

decimal.DefaultContext.prec = DIGITS
decimal.setcontext(decimal.Context(prec=DIGITS))


class Money(msgspec.Struct, frozen=True, gc=False):
    """An amount in units of a currency (ISO 4217 code)."""

    amount: Decimal
    currency: str


def canonical(number: Decimal) -> Decimal:
    """Write a number in its one form: no exponent, no trailing zeros, no negative zero."""
    if not number:
        return ZERO
    number = number.normalize()
    # Only a whole number with trailing zeros is written "1E+2"; asking so is cheap.
    return number.quantize(ONE) if "+" in str(number) else number


def fits(number: Decimal) -> bool:
    """Say whether a number can be carried as decimal(38, 12)."""
    if not number.is_finite() or abs(number) >= LIMIT:
        return False
    exponent = number.as_tuple().exponent
    return exponent >= -PLACES if isinstance(exponent, int) else False


def within(name: str, number: Decimal) -> Decimal:
    """Return a result in canonical form if the log can carry it.

    Raises:
        Rejection: `out_of_range` when it needs more than 26 integer digits.
    """
    if LOWEST < number < LIMIT:
        return canonical(number)
    raise Rejection("out_of_range", f"{name} would need more than 26 digits before the point.")


def checked(name: str, number: Decimal) -> Decimal:
    """Return a number from outside in canonical form.

    Raises:
        Rejection: `not_a_number`, `out_of_range` or `over_precise`.
    """
    if not number.is_finite():
        raise Rejection("not_a_number", f"{name} must be a finite decimal number.")
    if number and number.adjusted() >= INTEGER_DIGITS:
        raise Rejection("out_of_range", f"{name} has more than 26 digits before the point.")
    if len(number.as_tuple().digits) > DIGITS or not fits(number := canonical(number)):
        raise Rejection("over_precise", f"{name} has more than {PLACES} decimals.")
    return number


def share(total: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Give `total` x `part` / `whole`, rounded half-even to 12 decimals (convention 4)."""
    return canonical((total * part / whole).quantize(SMALLEST, ROUND_HALF_EVEN))


def average(total: Decimal, quantity: Decimal) -> Decimal | None:
    """Give `total` / `quantity` rounded as `share` is, None where there is no quantity."""
    return share(total, ONE, quantity) if quantity else None


def product(quantity: Decimal, price: Decimal) -> Decimal:
    """Multiply exactly; a product beyond 12 decimals is rounded half-even to 12.

    The wire carries no more; a source that needs another rounding gives its own consideration.
    """
    exact = quantity * price
    if exact.as_tuple().exponent < -PLACES:  # type: ignore[operator]
        exact = exact.quantize(SMALLEST, ROUND_HALF_EVEN)
    return canonical(exact)


def ratio(numerator: Decimal, denominator: Decimal) -> Decimal:
    """Divide, rounded half-even to 18 decimals: returns, factors and rates, never money."""
    return canonical((numerator / denominator).quantize(RETURN_STEP, ROUND_HALF_EVEN))
