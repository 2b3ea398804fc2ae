"""What a check answers: what would become of trades, without a trace in the log."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import msgspec

from client.answers import Breach


class Cash(msgspec.Struct, frozen=True):
    """An amount of a currency."""

    amount: Decimal
    currency: str


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of one trade; nothing of it is promised, as others go on.

    `outcome` as an answer's. What would be booked: what the portfolio would hold then, of the
    instrument and in each currency whose cash moves, and what would be realised.
    """

    outcome: str
    trade_id: UUID | None = None
    code: str | None = None
    message: str | None = None
    breaches: tuple[Breach, ...] = ()
    warnings: tuple[Breach, ...] = ()
    fields: tuple[str, ...] = ()
    replayed: bool = False
    first_position: int | None = None
    is_parked: bool = False
    quantity_after: Decimal | None = None
    cash_after: tuple[Cash, ...] = ()
    realised_gross: Decimal | None = None
    realised_net: Decimal | None = None


class CheckedTrades(msgspec.Struct, frozen=True):
    """One result per trade, in order, each seeing those before it; judged at `position`."""

    position: int
    market_position: int
    results: tuple[Checked, ...]
