"""Reading numbers, instants and parameters: exact, or refused by name."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import LIMIT, checked, fits
from domain.rejection import Rejection
from gateway.decoding import (
    NUMBER_PATTERN,
    BodyFaulty,
    Name,
    Number,
    decode_body,
    decode_parameters,
    exact,
    media_type,
    not_negative,
    positive,
    utc,
)
from gateway.problem import Problem


class Sample(msgspec.Struct, forbid_unknown_fields=True):
    """A body with one of each."""

    amount: Number
    name: Name = "x"
    parts: list[Number] = []


SAMPLES = msgspec.json.Decoder(Sample)
CARRIED = st.decimals(
    min_value=-LIMIT, max_value=LIMIT, allow_nan=False, allow_infinity=False, places=12
).filter(fits)


def read_amount(body: bytes) -> Decimal:
    """Read a body and its amount."""
    return exact("amount", decode_body(SAMPLES, body).amount)


def code_of(body: bytes) -> tuple[str, str | None]:
    """Give the code and field with which a body is refused."""
    with pytest.raises(BodyFaulty) as caught:
        read_amount(body)
    return caught.value.fault.code, caught.value.fault.field


class TestANumber:
    """A decimal as a string."""

    @given(CARRIED)
    def test_is_read_exactly_whatever_its_form(self, number: Decimal) -> None:
        """Plain and scientific notation give the same number, in one canonical form."""
        for text in (format(number, "f"), str(number), f"{number:E}"):
            body = msgspec.json.encode({"amount": text})

            read = read_amount(body)

            assert read == number
            assert format(read, "f") == format(exact("amount", format(number, "f")), "f")

    @given(st.text())
    def test_is_never_anything_but_understood_or_refused(self, text: str) -> None:
        """Any text: a number the log can carry, or a fault; nothing else."""
        body = msgspec.json.encode({"amount": text})
        with contextlib.suppress(BodyFaulty):
            assert fits(read_amount(body))

    @given(st.binary(max_size=50))
    def test_in_any_bytes_is_never_anything_else_either(self, body: bytes) -> None:
        """The reader raises faults only."""
        with contextlib.suppress(BodyFaulty):
            read_amount(body)

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("99999999999999999999999999.999999999999", None),
            ("100000000000000000000000000", "out_of_range"),
            ("0.000000000001", None),
            ("0.0000000000001", "over_precise"),
            ("1.0000000000000", None),
            ("1e25", None),
            ("1e26", "out_of_range"),
            ("-0", None),
        ],
    )
    def test_is_refused_just_beyond_its_limits(self, text: str, code: str | None) -> None:
        """Edges come in pairs."""
        body = msgspec.json.encode({"amount": text})

        if code is None:
            assert fits(read_amount(body))
        else:
            assert code_of(body) == (code, "amount")

    @given(st.from_regex(NUMBER_PATTERN))
    def test_short_enough_to_need_no_check_reads_as_if_checked(self, text: str) -> None:
        """Every text the pattern lets in, exponents included: the same form, or the same fault."""
        try:
            expected = str(checked("amount", Decimal(text)))
        except Rejection as rejection:
            expected = rejection.code
        try:
            read = str(exact("amount", text))
        except BodyFaulty as faulty:
            read = faulty.fault.code

        assert read == expected

    def test_that_is_zero_is_not_positive(self) -> None:
        """And not negative."""
        assert not_negative("price", "0") == 0
        with pytest.raises(BodyFaulty):
            positive("quantity", "0.000")

    def test_in_a_list_is_named_by_its_place(self) -> None:
        """So that a batch of a thousand can be corrected."""
        assert code_of(b'{"amount": "1", "parts": ["1", "NaN"]}') == ("not_a_number", "parts[1]")


class TestAnInstant:
    """Times are kept in UTC."""

    def test_is_turned_into_utc(self) -> None:
        """The same moment, another notation."""
        tokyo = timezone(timedelta(hours=9))

        read = utc("at", datetime(2024, 1, 2, 3, tzinfo=tokyo))

        assert read == datetime(2024, 1, 1, 18, tzinfo=UTC)
        assert read.tzinfo is UTC

    @pytest.mark.parametrize("year", [1, 1899, 2200, 9999])
    def test_beyond_all_reason_is_refused(self, year: int) -> None:
        """Before it can overflow anywhere."""
        with pytest.raises(BodyFaulty) as caught:
            utc("at", datetime(year, 1, 1, tzinfo=timezone(timedelta(hours=14))))

        assert caught.value.fault.code == "out_of_range"


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """Parameters of a query."""

    limit: int = 10
    is_open: bool = False


class TestParameters:
    """A query string, read into a struct."""

    def test_are_read_by_type(self) -> None:
        """Numbers and truth values from text."""
        assert decode_parameters(Asked, [("limit", "5"), ("is_open", "true")]) == Asked(5, True)

    @pytest.mark.parametrize(
        ("pairs", "name"),
        [
            ([("limit", "five")], "limit"),
            ([("limit", "1"), ("limit", "1")], "limit"),
            ([("lmit", "1")], "lmit"),
            ([("is_open", "maybe")], "is_open"),
        ],
    )
    def test_are_refused_by_name(self, pairs: list[tuple[str, str]], name: str) -> None:
        """The problem says which one."""
        with pytest.raises(Problem) as caught:
            decode_parameters(Asked, pairs)

        assert caught.value.code == "parameter_invalid"
        assert caught.value.fields == (name,)


class TestAMediaType:
    """Content-Type."""

    @pytest.mark.parametrize(
        ("header", "bare"),
        [
            (b"application/json", b"application/json"),
            (b"Application/JSON; charset=utf-8", b"application/json"),
            (b"", b""),
            (None, b""),
        ],
    )
    def test_is_compared_without_case_and_parameters(
        self, header: bytes | None, bare: bytes
    ) -> None:
        """As RFC 9110 says."""
        assert media_type(header) == bare
