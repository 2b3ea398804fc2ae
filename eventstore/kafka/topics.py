"""Topics of one log on Kafka, and which records of which events go where.

A portfolio's events go to its partition; what all portfolios share goes to every partition, so that
each partition is a complete sub-log in log order. Events of the tenant `market` go, once more, to a
topic of their own for readers outside.
"""

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from domain.identity import portfolio_stream
from schemas.catalogue import EVENT_TYPES
from schemas.codec import UnknownEventType

FIRST_GENERATION = 1


class Topics(msgspec.Struct, frozen=True):
    """The topics of one log; another number of partitions needs a generation of its own."""

    prefix: str
    partitions: int
    generation: int = FIRST_GENERATION

    @property
    def portfolios(self) -> str:
        """The partitioned topic with everything in it."""
        suffix = "" if self.generation == FIRST_GENERATION else f".g{self.generation}"
        return f"{self.prefix}.portfolios{suffix}"

    @property
    def market(self) -> str:
        """The topic, of one partition, with the events of the tenant `market` alone."""
        return f"{self.prefix}.market"


class _WithPortfolio(msgspec.Struct, gc=False):
    portfolio: str


class _WithCapture(msgspec.Struct, gc=False):
    capture: _WithPortfolio


_OWN = {name for name, kind in EVENT_TYPES.items() if "portfolio" in kind.__struct_fields__}
_CAPTURED = {name for name, kind in EVENT_TYPES.items() if "capture" in kind.__struct_fields__}
_SHARED = EVENT_TYPES.keys() - _OWN - _CAPTURED
_NAMED: dict[str, Callable[[Any], str | None]] = {
    **dict.fromkeys(_OWN, attrgetter("portfolio")),
    **dict.fromkeys(_CAPTURED, attrgetter("capture.portfolio")),
    **dict.fromkeys(_SHARED, lambda _: None),
}
# Of the log's JSON only this one field is made; everything else is skipped in C.
_portfolio = msgspec.json.Decoder(_WithPortfolio).decode
_capture = msgspec.json.Decoder(_WithCapture).decode


def portfolio_of(event_type: str, data: bytes) -> str | None:
    """Name the portfolio an event belongs to, from its bytes in the log; None is shared by all.

    Raises:
        UnknownEventType: this build cannot say.
        msgspec.DecodeError: the bytes are not those of such an event.
    """
    if event_type in _OWN:
        return _portfolio(data).portfolio
    if event_type in _CAPTURED:
        return _capture(data).capture.portfolio
    if event_type in _SHARED:
        return None
    raise UnknownEventType(f"This build knows no event named {event_type!r}.")


def portfolio_in(event_type: str) -> Callable[[Any], str | None]:
    """Give what names the portfolio as `portfolio_of` does, from an event's fields.

    Raises:
        UnknownEventType: this build cannot say.
    """
    try:
        return _NAMED[event_type]
    except KeyError as error:
        raise UnknownEventType(f"This build knows no event named {event_type!r}.") from error


@lru_cache(maxsize=65_536)
def partition_of(tenant: str, portfolio: str, partitions: int) -> int:
    """Give the partition of a portfolio, from 0."""
    return portfolio_stream(tenant, portfolio).int % partitions
