"""Exact decimals: limits, canonical form and the roundings that have a name (conventions 4, 16)."""

import asyncio
import contextvars
import decimal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from hypothesis import given

from domain import money
from domain.money import SMALLEST, canonical, checked, fits, product, ratio, share, within
from domain.rejection import Rejection
from tests.domain.numbers import amounts, quantities, wide

LARGEST = Decimal("9" * 26 + "." + "9" * 12)
ITS_SQUARE = Decimal(int("9" * 38) ** 2).scaleb(-24)
"""76 digits: what the default context of 28 would round silently."""


def squared() -> Decimal:
    """Multiply the widest numbers of the wire."""
    return LARGEST * LARGEST


def in_a_new_thread(act: Callable[[], Decimal]) -> Decimal:
    """Compute in a thread that did nothing before."""
    results: list[Decimal] = []
    thread = threading.Thread(target=lambda: results.append(act()))
    thread.start()
    thread.join()
    return results[0]


def in_an_executor(act: Callable[[], Decimal]) -> Decimal:
    """Compute in an executor's thread."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(act).result()


def in_an_asyncio_task(act: Callable[[], Decimal]) -> Decimal:
    """Compute in a task of a new event loop."""

    async def compute() -> Decimal:
        async def inner() -> Decimal:
            return act()

        return await asyncio.create_task(inner())

    return asyncio.run(compute())


def beside_an_event_loop(act: Callable[[], Decimal]) -> Decimal:
    """Compute in the thread asyncio keeps for blocking work."""
    return asyncio.run(asyncio.to_thread(act))


def in_an_empty_context(act: Callable[[], Decimal]) -> Decimal:
    """Compute where no context variable is set, as libraries with contexts of their own do."""
    return contextvars.Context().run(act)


def here(act: Callable[[], Decimal]) -> Decimal:
    """Compute where the test runs."""
    return act()


PLACES_OF_WORK = (
    here,
    in_a_new_thread,
    in_an_executor,
    in_an_asyncio_task,
    beside_an_event_loop,
    in_an_empty_context,
)


class TestComputing:
    """Products of the wire's widest numbers are exact wherever code runs."""

    @pytest.mark.parametrize("place", PLACES_OF_WORK)
    def test_is_exact_beyond_28_digits(
        self, place: Callable[[Callable[[], Decimal]], Decimal]
    ) -> None:
        """The square of the largest number keeps all of its 76 digits."""
        assert place(squared) == ITS_SQUARE

    def test_is_exact_as_soon_as_the_module_is_imported(self) -> None:
        """In a process of its own, in the importing thread and in one started later."""
        program = (
            "import threading\n"
            "from decimal import Decimal, getcontext\n"
            "seen = [getcontext().prec]\n"
            "import domain.lots\n"
            "seen.append(getcontext().prec)\n"
            "late = threading.Thread(target=lambda: seen.append(getcontext().prec))\n"
            "late.start(); late.join(); print(*seen)\n"
        )

        printed = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )

        assert printed.stdout.split() == ["28", "100", "100"]

    @given(one=wide, other=wide)
    def test_agrees_with_integers(self, one: Decimal, other: Decimal) -> None:
        """A product of decimals is the product of their digits, however many."""
        scale = 10**12
        in_digits = int(one * scale) * int(other * scale)

        assert one * other == Decimal(in_digits).scaleb(-24)


class TestCanonical:
    """One number has one form."""

    @pytest.mark.parametrize(
        ("written", "form"),
        [
            ("10.00", "10"),
            ("1E+3", "1000"),
            ("-0", "0"),
            ("-0.000", "0"),
            ("0E+5", "0"),
            ("0.100", "0.1"),
            ("-12.340", "-12.34"),
        ],
    )
    def test_has_no_exponent_no_trailing_zeros_no_negative_zero(
        self, written: str, form: str
    ) -> None:
        """The text is the form."""
        assert str(canonical(Decimal(written))) == form

    @given(wide)
    def test_is_idempotent_and_changes_no_value(self, number: Decimal) -> None:
        """Twice is as once, and it is the same number."""
        once = canonical(number)

        assert once == number
        assert canonical(once).as_tuple() == once.as_tuple()

    @given(wide)
    def test_holds_for_the_opposite_too(self, number: Decimal) -> None:
        """Matching turns signs round without writing numbers anew; zero has none to turn."""
        opposite = -canonical(number)

        assert str(opposite) == str(canonical(opposite))

    @given(wide)
    def test_reads_back_from_its_text(self, number: Decimal) -> None:
        """Text and number are interchangeable."""
        assert Decimal(str(canonical(number))).as_tuple() == canonical(number).as_tuple()


class TestChecking:
    """A number from outside enters only if the wire can carry it."""

    @pytest.mark.parametrize(
        "number",
        ["0", "-1", "9" * 26, "0." + "0" * 11 + "1", str(LARGEST), "1.0000000000000", "0E+99"],
    )
    def test_takes_what_fits(self, number: str) -> None:
        """Up to 26 digits before the point and 12 after it; trailing zeros do not count."""
        taken = checked("price", Decimal(number))

        assert taken == Decimal(number)
        assert fits(taken)

    @pytest.mark.parametrize(
        ("number", "code"),
        [
            ("1" + "0" * 26, "out_of_range"),
            ("-1E+26", "out_of_range"),
            ("1E+999", "out_of_range"),
            ("0." + "0" * 12 + "1", "over_precise"),
            ("1E-999", "over_precise"),
            ("0." + "1" * 101, "over_precise"),
            ("NaN", "not_a_number"),
            ("sNaN", "not_a_number"),
            ("-Infinity", "not_a_number"),
        ],
    )
    def test_refuses_what_does_not(self, number: str, code: str) -> None:
        """One step beyond each limit, by name."""
        with pytest.raises(Rejection) as refused:
            checked("price", Decimal(number))

        assert refused.value.code == code

    @pytest.mark.parametrize("sign", [1, -1])
    def test_bounds_results_too(self, sign: int) -> None:
        """A result may be just below ten to the 26th, never that."""
        limit = Decimal(10) ** 26 * sign
        inside = limit - SMALLEST * sign

        assert within("cost", inside) == inside
        with pytest.raises(Rejection) as refused:
            within("cost", limit)
        assert refused.value.code == "out_of_range"

    def test_fits_says_the_same(self) -> None:
        """The edges in pairs: digits before the point, digits after it, and no number at all."""
        assert fits(LARGEST)
        assert not fits(LARGEST + SMALLEST)
        assert fits(SMALLEST)
        assert not fits(SMALLEST / 10)
        assert not fits(Decimal("NaN"))


class TestSharing:
    """Total x part / whole, rounded half-even to 12 decimals."""

    @pytest.mark.parametrize(
        ("total", "part", "whole", "rounded"),
        [
            ("0.000000000001", "1", "2", "0"),
            ("0.000000000003", "1", "2", "0.000000000002"),
            ("0.000000000005", "1", "2", "0.000000000002"),
            ("-0.000000000003", "1", "2", "-0.000000000002"),
            ("10", "1", "3", "3.333333333333"),
            ("20", "1", "3", "6.666666666667"),
        ],
    )
    def test_rounds_half_to_even(self, total: str, part: str, whole: str, rounded: str) -> None:
        """An exact half goes to the even neighbour; everything else to the nearest."""
        assert share(Decimal(total), Decimal(part), Decimal(whole)) == Decimal(rounded)

    @given(total=amounts, one=quantities, other=quantities)
    def test_leaves_a_remainder_that_completes_the_total(
        self, total: Decimal, one: Decimal, other: Decimal
    ) -> None:
        """They sum to the total exactly, and the share is the nearest number of 12 decimals."""
        whole = one + other

        part = share(total, one, whole)
        remainder = total - part

        assert part + remainder == total
        assert fits(part)
        assert fits(remainder)
        assert abs(part * whole - total * one) * 2 <= SMALLEST * whole

    @given(total=amounts, whole=quantities)
    def test_gives_the_whole_to_the_whole(self, total: Decimal, whole: Decimal) -> None:
        """Nothing is lost where nothing is split."""
        assert share(total, whole, whole) == total


class TestMultiplying:
    """Consideration: the exact product where 12 decimals hold it, else half-even to 12."""

    @pytest.mark.parametrize(
        ("quantity", "price", "amount"),
        [
            ("3", "0.333333333333", "0.999999999999"),
            ("0.000001", "0.000001", "0.000000000001"),
            ("0.5", "0.000000000001", "0"),
            ("1.5", "0.000000000001", "0.000000000002"),
            ("2.5", "0.000000000001", "0.000000000002"),
            ("100", "0", "0"),
        ],
    )
    def test_rounds_only_what_the_wire_cannot_carry(
        self, quantity: str, price: str, amount: str
    ) -> None:
        """No hidden rounding to cents."""
        assert product(Decimal(quantity), Decimal(price)) == Decimal(amount)

    @given(one=quantities, other=quantities)
    def test_is_the_nearest_of_12_decimals(self, one: Decimal, other: Decimal) -> None:
        """Never off by more than half of the last place, and never with more places."""
        amount = product(one, other)

        assert abs(amount - one * other) * 2 <= SMALLEST
        assert amount == amount.quantize(SMALLEST)


class TestRatio:
    """Factors and rates have 18 decimals; they are never money."""

    def test_rounds_half_to_even(self) -> None:
        """One third, and an exact half of the last place."""
        assert ratio(Decimal(1), Decimal(3)) == Decimal("0." + "3" * 18)
        assert ratio(Decimal("1E-18"), Decimal(2)) == 0
        assert ratio(Decimal("3E-18"), Decimal(2)) == Decimal("2E-18")


class TestTheContext:
    """What every computation of the process stands on."""

    def test_traps_what_would_be_no_number(self) -> None:
        """Division by zero and invalid operations raise instead of giving NaN or infinity."""
        context = decimal.getcontext()

        assert context.prec == money.DIGITS
        assert context.rounding == decimal.ROUND_HALF_EVEN
        for trap in (decimal.DivisionByZero, decimal.InvalidOperation, decimal.Overflow):
            assert context.traps[trap]
