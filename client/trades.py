"""Commands about trades, told or asked by a source: the one that the token speaks for.

`intent`: `proposed` asks for permission, and every rule applies; `executed` tells what was filled.
At least one of `trade_date` and `executed_at` is needed. `consideration` is the source's own
amount, else quantity x price. What a source tells of a trade names it by the source's own id.
"""

from typing import ClassVar, Literal
from uuid import UUID

from client.command import BatchableCommand, Command, Content, Day, Instant, Intent, Number, Side

_TRADE = "/v1/trades/{source}/{external_id}"


class Trade(BatchableCommand, frozen=True):
    """A trade to capture; `external_id` names it, however often and by whatever key it is sent."""

    address: ClassVar[str] = "/v1/trades"
    batch_address: ClassVar[str] = "/v1/trades:batch"

    portfolio: str
    external_id: str
    intent: Intent
    instrument: str
    side: Side
    quantity: Number
    price: Number
    currency: str
    fee: Number = "0"
    trade_date: Day | None = None
    executed_at: Instant | None = None
    source_sequence: int | None = None
    consideration: Number | None = None
    closes: tuple[UUID, ...] = ()
    source: str | None = None


class Amendment(Command, frozen=True):
    """A revision of a trade: its whole content as it should have been; the highest holds."""

    address: ClassVar[str] = f"{_TRADE}/amendments"

    source: str
    external_id: str
    revision: int
    portfolio: str
    instrument: str
    side: Side
    quantity: Number
    price: Number
    currency: str
    fee: Number = "0"
    trade_date: Day | None = None
    executed_at: Instant | None = None
    source_sequence: int | None = None
    consideration: Number | None = None
    closes: tuple[UUID, ...] = ()
    reason: str | None = None


class Bust(Command, frozen=True):
    """A trade cancelled by its source: final over any revision. `reason` is a short code."""

    address: ClassVar[str] = f"{_TRADE}/busts"

    source: str
    external_id: str
    portfolio: str
    reason: str
    trade_date: Day | None = None


class BlockFill(Content, frozen=True):
    """One execution of a block."""

    quantity: Number
    price: Number
    fee: Number = "0"
    consideration: Number | None = None
    external_id: str | None = None


class Allocation(Content, frozen=True):
    """What a portfolio is to have of a block: exactly one of `quantity` and `weight`."""

    portfolio: str
    quantity: Number | None = None
    weight: Number | None = None


class Block(Command, frozen=True):
    """A block to allocate, all or none; each trade of it is named `<external_id>/<portfolio>`."""

    address: ClassVar[str] = "/v1/blocks"

    external_id: str
    intent: Intent
    instrument: str
    side: Side
    currency: str
    fills: tuple[BlockFill, ...]
    allocations: tuple[Allocation, ...]
    trade_date: Day | None = None
    executed_at: Instant | None = None
    source_sequence: int | None = None
    remainder: Literal["largest_remainder", "first", "last"] | None = None
    lot_size: Number | None = None
    source: str | None = None


class BlockBust(Command, frozen=True):
    """A block cancelled by its source, with every trade of it."""

    address: ClassVar[str] = "/v1/blocks/{source}/{external_id}/busts"

    source: str
    external_id: str
    reason: str
    trade_date: Day | None = None


class Settlement(Command, frozen=True):
    """A custodian's word that a trade was settled, whole or by `quantity`."""

    address: ClassVar[str] = f"{_TRADE}/settlements"

    source: str
    external_id: str
    portfolio: str
    settlement_id: str
    settled_on: Day
    trade_date: Day | None = None
    quantity: Number | None = None
    cash_change: Number | None = None
    is_reversal: bool = False


class SettlementFailure(Command, frozen=True):
    """A custodian's word that what is not settled of a trade fails."""

    address: ClassVar[str] = f"{_TRADE}/settlement-failures"

    source: str
    external_id: str
    portfolio: str
    failure_id: str
    failed_on: Day
    reason: str
    trade_date: Day | None = None


class SettlementResumption(Command, frozen=True):
    """A custodian's word that a fail stands no longer."""

    address: ClassVar[str] = f"{_TRADE}/settlement-resumptions"

    source: str
    external_id: str
    portfolio: str
    failure_id: str
    resumed_on: Day
    trade_date: Day | None = None


class SourceRegistration(Command, frozen=True):
    """How a source names its trades: for ever, or anew each trade date."""

    address: ClassVar[str] = "/v1/sources"

    source: str
    naming_scope: Literal["forever", "trade_date"]
