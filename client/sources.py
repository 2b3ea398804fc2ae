"""What a trading system asks of its own source: the drop copy, its state, its control totals."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from client.answers import Allotment, Breach
from client.command import Day
from client.queries import Query

WAIT_SECONDS = 20.0
"""How long one attempt waits for something new; a server waits at most 30 s."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the drop copy: what became of a trade, once, at its position in the log.

    `kind` says what happened (captured, refused, amended, busted, settled, restated …); what does
    not belong to it is absent.
    """

    position: int
    kind: str
    recorded_at: datetime
    command_id: UUID
    trade_id: UUID | None = None
    portfolio: str | None = None
    external_id: str | None = None
    source_sequence: int | None = None
    revision: int | None = None
    intent: str | None = None
    instrument: str | None = None
    side: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    fee: Decimal | None = None
    consideration: Decimal | None = None
    currency: str | None = None
    trade_date: date | None = None
    executed_at: datetime | None = None
    value_date: date | None = None
    cash_change: Decimal | None = None
    realised_gross: Decimal | None = None
    realised_net: Decimal | None = None
    reason: str | None = None
    by_revision: int | None = None
    is_parked: bool = False
    is_held: bool = False
    is_late: bool = False
    breaches: tuple[Breach, ...] = ()
    warnings: tuple[Breach, ...] = ()
    allotments: tuple[Allotment, ...] = ()


class SequenceGap(msgspec.Struct, frozen=True):
    """Numbers that have not arrived; both ends are missing."""

    first: int
    last: int


class OneSourceState(msgspec.Struct, frozen=True, kw_only=True):
    """Which of a source's numbers have arrived, and its outcomes by kind."""

    source: str
    position: int
    last_position: int
    counts: dict[str, int]
    lowest_sequence: int | None = None
    last_contiguous_sequence: int | None = None
    highest_sequence: int | None = None
    missing_count: int = 0
    gap_count: int = 0
    gaps: tuple[SequenceGap, ...] = ()


class ControlTotal(msgspec.Struct, frozen=True, kw_only=True):
    """A source's trades of one trade date and currency, as they stand now.

    `quantity` is bought minus sold; `consideration` as cash moves: bought is negative, without
    `fees`.
    """

    trade_date: date | None
    currency: str | None
    trades: int
    quantity: Decimal
    consideration: Decimal
    fees: Decimal
    refused: int
    parked: int
    held: int


class SourceControlTotals(msgspec.Struct, frozen=True):
    """Totals by trade date, then currency."""

    source: str
    position: int
    items: tuple[ControlTotal, ...]


class SourceState(Query[OneSourceState], frozen=True):
    """What has arrived of a source."""

    address: ClassVar[str] = "/v1/sources/{source}/state"
    item: ClassVar[Any] = OneSourceState
    is_whole: ClassVar[bool] = True

    source: str


class ControlTotals(Query[SourceControlTotals], frozen=True):
    """A source's trades, summed up by trade date and currency."""

    address: ClassVar[str] = "/v1/sources/{source}/control-totals"
    item: ClassVar[Any] = SourceControlTotals
    is_whole: ClassVar[bool] = True

    source: str
    from_date: Day | None = None
    to_date: Day | None = None
