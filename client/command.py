"""What every command is: a frozen struct that knows its address and its body."""

import re
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar, Literal
from urllib.parse import quote

import msgspec

Number = Decimal | str
"""An exact decimal, or its text as a source wrote it; never a float."""

Side = Literal["buy", "sell"]
Intent = Literal["proposed", "executed"]
CostBasis = Literal["FIFO", "LIFO", "HIFO", "AVERAGE", "SPECIFIC"]
Day = date | str
"""A business date, or its text as 2024-01-31."""

Instant = datetime | str
"""A time with an offset from UTC, or its text as 2024-01-31T15:30:00Z."""


class Content(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, repr_omit_defaults=True, gc=False
):
    """A part of a command's body; what is left at its default is not sent."""


class Command(Content, frozen=True, kw_only=True):
    """Something to be done, sent to `address`; the fields that it names in braces go there."""

    address: ClassVar[str]

    def path(self) -> str:
        """Give the address with its names filled in."""
        address = type(self).address
        for name in named_in(address):
            address = address.replace(f"{{{name}}}", quote(str(getattr(self, name)), safe=""))
        return address

    def body(self) -> bytes:
        """Give the JSON that is sent."""
        names = named_in(type(self).address)
        if not names:
            return msgspec.json.encode(self)
        fields: dict[str, Any] = msgspec.to_builtins(self)
        for name in names:
            del fields[name]
        return msgspec.json.encode(fields)


class BatchableCommand(Command, frozen=True, kw_only=True):
    """A command that can also be sent many at a time, to `batch_address`."""

    batch_address: ClassVar[str]


@cache
def named_in(address: str) -> tuple[str, ...]:
    """List the fields that an address names."""
    return tuple(re.findall(r"\{(\w+)\}", address))
