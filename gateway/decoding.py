r"""From bytes and query strings to structs; what is not understood is a problem naming the field.

Numbers travel as JSON strings ("10.5"): a JSON number would pass through a float somewhere.
Patterns end in `\Z`, because Python's `$` lets a trailing newline through; OpenAPI shows the `$`.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Annotated, NamedTuple, TypeVar

import msgspec

from domain.money import PLACES, ZERO, canonical, checked
from domain.rejection import Rejection
from gateway.problem import Problem

NUMBER_PATTERN = r"^-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+\-]?[0-9]{1,3})?\Z"
NUMBER_DESCRIPTION = (
    "An exact decimal as a string: at most 26 digits before the point and 12 after it."
)
EARLIEST = date(1900, 1, 1)
LATEST = date(2199, 12, 31)
JSON_TYPE = b"application/json"

Number = Annotated[
    str,
    msgspec.Meta(
        pattern=NUMBER_PATTERN, description=NUMBER_DESCRIPTION, examples=["100", "12.5", "0.0001"]
    ),
]
Name = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}\Z", examples=["growth", "AAPL"])
]
ExternalId = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,128}\Z", examples=["fill-1"])]
CurrencyCode = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Z]{3}\Z", description="ISO 4217", examples=["USD"])
]
Line = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[^\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]{1,200}\Z",
        description="One line of text, 1 to 200 characters, without control characters.",
    ),
]
Instant = Annotated[
    datetime,
    msgspec.Meta(tz=True, description="ISO 8601 with an offset; kept to the microsecond, in UTC."),
]

StructT = TypeVar("StructT", bound=msgspec.Struct)
ValueT = TypeVar("ValueT")

_AT_FIELD = re.compile(r" - at `(?:key in )?\$?\.?(.*?)`$")
_NAMED_FIELD = re.compile(r"(?:unknown|required) field `(.*?)`")


class BodyFault(NamedTuple):
    """What is wrong with a body: a code, what to do, and the field it is about (or none)."""

    code: str
    detail: str
    field: str | None = None

    def within(self, place: str) -> "BodyFault":
        """Say where in a larger body it lies; `place` stands before the field, as in `[3].`."""
        return self._replace(field=place + (self.field or ""))

    def problem(self) -> Problem:
        """Turn it into the problem to answer."""
        fields = () if self.field is None else (self.field,)
        return Problem(self.code, self.detail, fields=fields)


class BodyFaulty(Exception):
    """A body, or one value of it, could not be understood."""

    def __init__(self, fault: BodyFault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


def decode_body(decoder: msgspec.json.Decoder[ValueT], body: bytes) -> ValueT:
    """Decode a JSON body.

    Raises:
        BodyFaulty: `body_malformed`, or `field_invalid` or a number's own code with its field.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise BodyFaulty(_explained(str(error), body)) from None
    except msgspec.DecodeError as error:
        message = str(error).removeprefix("JSON is malformed: ")
        raise BodyFaulty(BodyFault("body_malformed", f"Send JSON: {message}.")) from None
    except UnicodeDecodeError:
        raise BodyFaulty(BodyFault("body_malformed", "Send JSON in UTF-8.")) from None
    except RecursionError:
        raise BodyFaulty(BodyFault("body_malformed", "The JSON is nested too deeply.")) from None


def _explained(message: str, body: bytes) -> BodyFault:
    """Say which field is meant and what it should be, from msgspec's message."""
    found = _AT_FIELD.search(message)
    field = found.group(1) if found else ""
    text = message[: found.start()] if found else message
    named = _NAMED_FIELD.search(text)
    if named:
        field = f"{field}.{named.group(1)}" if field else named.group(1)
    if NUMBER_PATTERN.replace("\\", "\\\\") in text and field:
        return number_fault(field, _value_at(body, field))
    if "matching regex" in text:
        text = f"{text.split(' matching', maxsplit=1)[0]} of the documented form"
    return BodyFault("field_invalid", f"{text}." if text else message, field or None)


def _value_at(body: bytes, field: str) -> object:
    """Find the refused value again; the body is known to be well-formed this far."""
    try:
        value = msgspec.json.decode(body)
        for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", field):
            value = value[int(index)] if index else value[name]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
        return None
    return value


def number_fault(field: str, value: object) -> BodyFault:
    """Say what is wrong with something that is not a number of ours."""
    advice = f'{field} must be an exact decimal written as a string, such as "12.5".'
    if not isinstance(value, str):
        return BodyFault("field_invalid", advice, field)
    try:
        checked(field, Decimal(value))
    except InvalidOperation:
        return BodyFault("field_invalid", advice, field)
    except Rejection as rejection:
        return BodyFault(rejection.code, rejection.message, field)
    return BodyFault("field_invalid", advice, field)


def exact(field: str, text: str) -> Decimal:
    """Read a number that matched `Number` in its canonical form.

    Raises:
        BodyFaulty: `out_of_range` or `over_precise`.
    """
    if len(text) <= PLACES and "e" not in text and "E" not in text:
        return _short(text)
    try:
        return checked(field, Decimal(text))
    except Rejection as rejection:
        fault = BodyFault(rejection.code, rejection.message, field)
        raise BodyFaulty(fault) from None


@lru_cache(maxsize=4_096)
def _short(text: str) -> Decimal:
    """Read a number so short that nothing about it is out of bounds; most of them come again."""
    return canonical(Decimal(text))


def positive(field: str, text: str) -> Decimal:
    """Read a number above zero.

    Raises:
        BodyFaulty: `out_of_range` or `over_precise`.
    """
    number = exact(field, text)
    if number <= ZERO:
        raise BodyFaulty(BodyFault("out_of_range", f"{field} must be above zero.", field))
    return number


def not_negative(field: str, text: str) -> Decimal:
    """Read a number that is zero or above.

    Raises:
        BodyFaulty: `out_of_range` or `over_precise`.
    """
    number = exact(field, text)
    if number < ZERO:
        raise BodyFaulty(BodyFault("out_of_range", f"{field} must not be below zero.", field))
    return number


def plausible_day(field: str, day: date) -> date:
    """Return a date between 1900 and 2199: one day beyond is a slip, and would overflow later.

    Raises:
        BodyFaulty: `out_of_range`.
    """
    if EARLIEST <= day <= LATEST:
        return day
    detail = f"{field} must lie between {EARLIEST} and {LATEST}."
    raise BodyFaulty(BodyFault("out_of_range", detail, field))


def utc(field: str, instant: datetime) -> datetime:
    """Return a plausible instant in UTC.

    Raises:
        BodyFaulty: `out_of_range`.
    """
    plausible_day(field, instant.date())
    return instant.astimezone(UTC)


def decode_parameters(kind: type[StructT], pairs: Iterable[tuple[str, str]]) -> StructT:
    """Read a query string into its struct, each parameter at most once.

    Raises:
        Problem: `parameter_invalid`, naming the parameter.
    """
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise Problem("parameter_invalid", f"Give {name} once.", fields=(name,))
        values[name] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        fault = _explained(str(error), b"")
        fields = () if fault.field is None else (fault.field,)
        raise Problem("parameter_invalid", fault.detail, fields=fields) from None


def is_json(content_type: bytes | None) -> bool:
    """Say whether a Content-Type header means JSON; parameters such as charset are ignored."""
    return media_type(content_type) == JSON_TYPE


def media_type(content_type: bytes | None) -> bytes:
    """Give the bare media type of a Content-Type header, in lower case."""
    if content_type is None:
        return b""
    return content_type.split(b";", 1)[0].strip().lower()
