"""Names and identities: streams, trades and commands, all derived, none drawn at random.

A name's parts are length-prefixed before hashing, so no two different names share a text, and the
tenant is always the first part, so no tenant can collide with or learn of another's.
"""

import hashlib
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Annotated
from uuid import UUID

import msgspec

NAMESPACE = UUID("6b3a1f0e-8b0c-5d6e-9a55-1c0de5707275").bytes
MARKET_TENANT = "market"

_VERSION_5 = 5 << 76 | 0b10 << 62
_NEITHER_VERSION_NOR_VARIANT = (1 << 128) - 1 ^ (0xF << 76 | 0b11 << 62)

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}\Z")]
ExternalId = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,128}\Z")]


def derive(*parts: str) -> UUID:
    """Hash length-prefixed parts to a UUIDv5 (RFC 9562, section 5.5)."""
    return _hashed(_framed(*parts))


def _framed(*parts: str) -> bytes:
    return "".join([f"{len(part)}:{part}" for part in parts]).encode()


def _hashed(text: bytes) -> UUID:
    digest = hashlib.sha1(NAMESPACE + text, usedforsecurity=False).digest()
    number = int.from_bytes(digest[:16], "big") & _NEITHER_VERSION_NOR_VARIANT | _VERSION_5
    return msgspec.convert(number.to_bytes(16, "big"), UUID)  # UUID() takes as long as the rest.


@lru_cache(maxsize=65_536)
def stream_id(tenant: str, kind: str, *natural_key: str) -> UUID:
    """Name the stream of one aggregate of one tenant."""
    return derive("stream", tenant, kind, *natural_key)


def portfolio_stream(tenant: str, portfolio: str) -> UUID:
    """Name a portfolio's stream."""
    return stream_id(tenant, "portfolio", portfolio)


def instrument_stream(instrument: str) -> UUID:
    """Name an instrument's stream; instruments belong to the tenant `market`."""
    return stream_id(MARKET_TENANT, "instrument", instrument)


def benchmark_stream(benchmark: str) -> UUID:
    """Name a benchmark's stream; benchmarks belong to the tenant `market`."""
    return stream_id(MARKET_TENANT, "benchmark", benchmark)


def marks_stream(source: str) -> UUID:
    """Name the stream of one source's marks."""
    return stream_id(MARKET_TENANT, "marks", source)


def sessions_stream(calendar: str) -> UUID:
    """Name the stream of a calendar's closed sessions and their corrections."""
    return stream_id(MARKET_TENANT, "sessions", calendar)


def time_stream() -> UUID:
    """Name the stream of business time; it belongs to the tenant `market`."""
    return stream_id(MARKET_TENANT, "time", "business")


def source_stream(tenant: str, source: str) -> UUID:
    """Name the stream that says how a source names its trades."""
    return stream_id(tenant, "source", source)


def controls_stream(tenant: str) -> UUID:
    """Name the stream of a tenant's controls: its limits, trading states and overrides."""
    return stream_id(tenant, "controls", "all")


def usage_stream(tenant: str, limit: str) -> UUID:
    """Name the stream of what is used of a limit that several portfolios share."""
    return stream_id(tenant, "usage", limit)


def figures_stream(tenant: str, portfolio: str) -> UUID:
    """Name the stream of a portfolio's struck figures."""
    return stream_id(tenant, "figures", portfolio)


def alert_rules_stream(tenant: str) -> UUID:
    """Name the stream of a tenant's alert rules."""
    return stream_id(tenant, "alert_rules", "all")


def alert_stream(tenant: str, alert: UUID) -> UUID:
    """Name an alert's stream."""
    return stream_id(tenant, "alert", str(alert))


def contest_stream(tenant: str, contest: str) -> UUID:
    """Name the stream of a contest: its announcement."""
    return stream_id(tenant, "contest", contest)


def contest_entry_stream(tenant: str, contest: str, participant: str) -> UUID:
    """Name the stream of what is told of one participant of a contest."""
    return stream_id(tenant, "contest_entry", contest, participant)


def contest_ranks_stream(tenant: str, contest: str) -> UUID:
    """Name the stream of a contest's struck ranks and results."""
    return stream_id(tenant, "contest_ranks", contest)


def refusals_stream(tenant: str, source: str) -> UUID:
    """Name the stream that holds a source's refused trades."""
    return stream_id(tenant, "refusals", source)


def block_id(tenant: str, source: str, external_id: str, trade_date: date | None) -> UUID:
    """Name a block, which is also its stream; `trade_date` as for trades."""
    day = () if trade_date is None else (trade_date.isoformat(),)
    return derive("stream", tenant, "block", source, external_id, *day)


@lru_cache(maxsize=8_192)
def trade_id(tenant: str, source: str, external_id: str, trade_date: date | None) -> UUID:
    """Name a trade, which is also its stream.

    `trade_date` is given only where the source's external ids are unique per day (convention 2).
    """
    day = () if trade_date is None else (trade_date.isoformat(),)
    return derive("stream", tenant, "trade", source, external_id, *day)


def command_id(tenant: str, key: str, item: int | None = None) -> UUID:
    """Name a command by its idempotency key; item i of a batch has a name of its own."""
    return derive("command", tenant, key) if item is None else item_names(tenant, key)(item)


def item_names(tenant: str, key: str) -> Callable[[int], UUID]:
    """Give what names the items of a batch: they differ in their last part only."""
    begun = _framed("command", tenant, key)
    return lambda item: _hashed(begun + _framed(str(item)))
