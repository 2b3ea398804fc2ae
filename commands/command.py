"""Commands, what surrounds them, and their outcomes.

A command says what its sender wants; `Issued` says who sends it, under which name, and when the
system received it. Every issued command gets exactly one outcome, the same name always the same.
"""

import hashlib
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

from domain.block import Allotment, Block
from domain.instrument import AssetClass, InstrumentChange
from domain.lots import CostBasis
from domain.market import Close, Mark, Rate
from domain.money import Money
from domain.portfolio.events import SettlementPolicy
from domain.rejection import Breach
from domain.source import NamingScope
from domain.trade import Capture


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a sender wants; subclasses are named in the imperative."""


class CaptureTrade(Command, frozen=True, tag="capture_trade"):
    """Capture a trade, proposed or executed."""

    capture: Capture


class AmendTrade(Command, frozen=True, kw_only=True, tag="amend_trade"):
    """Tell a source's revision of a trade: its whole new content. `reason` is a short code."""

    revision: int
    capture: Capture
    reason: str | None = None


class TradeNamed(Command, frozen=True, kw_only=True):
    """A fact told of a trade by its name: its source, and the source's own id of it.

    `trade_date` is a part of the name where the source names trades per date. `portfolio` is where
    the fact is listed while its trade is unknown.
    """

    source: str
    external_id: str
    portfolio: str
    trade_date: date | None = None


class AllocateBlock(Command, frozen=True, tag="allocate_block"):
    """Allocate a block over several portfolios, proposed or executed."""

    block: Block


class BustBlock(Command, frozen=True, kw_only=True, tag="bust_block"):
    """Tell that a source cancelled a block: every trade of it. `reason` is a short code.

    `trade_date` is a part of the name where the source names trades per date.
    """

    source: str
    external_id: str
    reason: str
    trade_date: date | None = None


class BustTrade(TradeNamed, frozen=True, kw_only=True, tag="bust_trade"):
    """Tell that a source cancelled a trade; `reason` is a short code."""

    reason: str


class ReleaseTrade(Command, frozen=True, tag="release_trade"):
    """Book a parked trade whose instrument has appeared; issued by a reaction only."""

    trade_id: UUID


class OpenPortfolio(Command, frozen=True, kw_only=True, tag="open_portfolio"):
    """Open a portfolio; `calendar` absent: the base market of its currency."""

    portfolio: str
    base_currency: str
    cost_basis: CostBasis
    calendar: str | None = None
    allows_leverage: bool = False
    allows_short: bool = False
    settlement: SettlementPolicy = SettlementPolicy.CONTRACTUAL
    auto_exchange: bool = False


class DepositCash(Command, frozen=True, kw_only=True, tag="deposit_cash"):
    """Bring external cash in; at least one of `value_date` and `at` is there."""

    portfolio: str
    amount: Money
    value_date: date | None = None
    at: datetime | None = None


class WithdrawCash(Command, frozen=True, kw_only=True, tag="withdraw_cash"):
    """Take cash out; at least one of `value_date` and `at` is there."""

    portfolio: str
    amount: Money
    value_date: date | None = None
    at: datetime | None = None


class SettleCash(Command, frozen=True, kw_only=True, tag="settle_cash"):
    """Settle what is due up to a closed session's date; issued by a reaction only."""

    portfolio: str
    until: date


class RegisterInstrument(Command, frozen=True, kw_only=True, tag="register_instrument"):
    """Make an instrument known to every tenant."""

    instrument: str
    symbol: str
    currency: str
    asset_class: AssetClass
    calendar: str
    sector: str | None = None


class ChangeInstrument(Command, frozen=True, tag="change_instrument"):
    """Tell a change in the life of a registered instrument: the fact itself, as it would be kept.

    No two kinds of change have the same fields, so their fingerprints differ.
    """

    change: InstrumentChange


class RegisterSource(Command, frozen=True, tag="register_source"):
    """Say how a source names its trades."""

    source: str
    naming_scope: NamingScope


class MarkMarket(Command, frozen=True, kw_only=True, tag="mark_market"):
    """Put a batch of marks and FX rates in force from `at`."""

    source: str
    at: datetime
    marks: tuple[Mark, ...] = ()
    rates: tuple[Rate, ...] = ()


class CloseSession(Command, frozen=True, kw_only=True, tag="close_session"):
    """End a calendar's session [starts_at, ends_at) with its closes."""

    calendar: str
    session: date
    starts_at: datetime
    ends_at: datetime
    closes: tuple[Close, ...] = ()


class ReachTime(Command, frozen=True, tag="reach_time"):
    """Let business time come to an instant."""

    at: datetime


class ApplyCorporateActions(Command, frozen=True, tag="apply_corporate_actions"):
    """Apply to a portfolio what is effective, and take back what is reversed; by a reaction only.

    Each command that trades in the portfolio would do so first; this one does nothing else.
    """

    portfolio: str


class CorrectClose(Command, frozen=True, kw_only=True, tag="correct_close"):
    """Replace a close of a closed session; `price` None cancels it. `reason` is a short code."""

    calendar: str
    session: date
    instrument: str
    price: Decimal | None
    reason: str


class Issued(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A command on its way: its name, its tenant and sender, and when it was received.

    `fingerprint` is `fingerprint_of(command)`: the same name with another one is refused.
    `expected_version`, where it is there, is that of what the command acts on: it is decided only
    if that is so then, and may come again under the same name with another expectation.
    """

    command_id: UUID
    tenant: str
    actor: str
    correlation_id: UUID
    received_at: datetime
    fingerprint: bytes
    command: Command
    source: str | None = None
    causation_id: UUID | None = None
    trace_context: str | None = None
    expected_version: int | None = None


class Status(StrEnum):
    """How a command ended (convention 2)."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    CONFLICT = "conflict"
    MALFORMED = "malformed"
    NOT_ATTEMPTED = "not_attempted"
    UNKNOWN = "unknown"


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The outcome of a command; positions are log positions, absent where nothing was written.

    `position` is that of the command's last event; `market_position` that of the market state it
    was judged against. `replayed` says that this is an earlier outcome, told again. A trade
    `is_parked` until its instrument is registered; a correction `is_held` until its trade is
    captured, and `is_superseded` where a higher revision or a bust stands over it. `allotments` are
    those of a block, `limit_version` the version of a limit that was proposed or decided on.
    """

    status: Status
    command_id: UUID
    replayed: bool = False
    code: str | None = None
    message: str | None = None
    breaches: tuple[Breach, ...] = ()
    fields: tuple[str, ...] = ()
    trade_id: UUID | None = None
    stream_version: int | None = None
    position: int | None = None
    recorded_at: datetime | None = None
    market_position: int | None = None
    warnings: tuple[Breach, ...] = ()
    is_parked: bool = False
    is_held: bool = False
    is_superseded: bool = False
    allotments: tuple[Allotment, ...] = ()
    limit_version: int | None = None


def refusal(issued: Issued, status: Status, code: str, message: str) -> Outcome:
    """Make the outcome of a command that was not decided."""
    return Outcome(status=status, command_id=issued.command_id, code=code, message=message)


class CommandState(StrEnum):
    """What is known of a command asked for by its id."""

    DECIDED = "decided"
    IN_FLIGHT = "in_flight"
    NEVER_SEEN = "never_seen"


_ENCODER = msgspec.json.Encoder(order="sorted")


def fingerprint_of(command: Command) -> bytes:
    """Hash a command's content: SHA-256 of its JSON, fields sorted, absent ones left out.

    So a field that is added later, and absent, leaves the fingerprints in the log as they are.
    """
    return hashlib.sha256(_ENCODER.encode(command)).digest()
