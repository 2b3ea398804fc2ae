"""What callers send, and the commands it becomes.

The structs here are the wire: numbers are strings, unknown fields are refused. Each `…_command`
checks what a schema cannot say and builds the command with exact decimals and UTC instants.
Whether the world permits it is decided elsewhere; here only: can it be understood.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec

from commands.command import (
    CaptureTrade,
    CloseSession,
    CorrectClose,
    DepositCash,
    MarkMarket,
    OpenPortfolio,
    RegisterInstrument,
    RegisterSource,
    WithdrawCash,
)
from domain.instrument import AssetClass
from domain.lots import CostBasis, Side
from domain.market import CLOSES_PER_SESSION_MAX, MARKS_PER_EVENT_MAX, Close, Mark, Rate
from domain.money import ZERO, Money
from domain.portfolio.events import SettlementPolicy
from domain.source import NamingScope
from domain.trade import LOTS_NAMED_MAX, Capture, Intent
from gateway.decoding import (
    BodyFault,
    BodyFaulty,
    CurrencyCode,
    ExternalId,
    Instant,
    Line,
    Name,
    Number,
    exact,
    not_negative,
    plausible_day,
    positive,
    utc,
)

SEQUENCE_MAX = 2**63 - 1
Sequence = Annotated[int, msgspec.Meta(ge=0, le=SEQUENCE_MAX)]
Calendar = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/\-]{0,63}\Z",
        description="A market by its ISO 10383 code, or `24/7` for one that never closes.",
        examples=["XNYS", "24/7"],
    ),
]
Reason = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z][a-z0-9_]{0,63}\Z",
        description="A short code, never a sentence about a person.",
        examples=["wrong_source_price"],
    ),
]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A JSON object of a request; a field it does not know is refused."""


class ContentBody(Body, frozen=True):
    """What a trade is, but for its name.

    At least one of `trade_date` and `executed_at` is needed. `consideration` is the source's own
    amount, else quantity x price.
    """

    portfolio: Name
    instrument: Name
    side: Side
    quantity: Number
    price: Number
    currency: CurrencyCode
    fee: Number = "0"
    trade_date: date | None = None
    executed_at: Instant | None = None
    source_sequence: Sequence | None = None
    consideration: Number | None = None
    closes: Annotated[tuple[UUID, ...], msgspec.Meta(max_length=LOTS_NAMED_MAX)] = ()


class TradeBody(ContentBody, frozen=True, kw_only=True):
    """A trade to capture: `proposed` asks for permission, `executed` tells what was filled.

    At least one of `trade_date` and `executed_at` is needed. `consideration` is the source's own
    amount, else quantity x price. `source` may be left out; it is the token's.
    """

    external_id: ExternalId
    intent: Intent
    source: Name | None = None


class PortfolioBody(Body, frozen=True):
    """A portfolio to open; without `calendar` its base currency's market values it.

    `settlement`: `contractual`, on value dates, or `actual`, when a custodian confirms it.
    `auto_exchange`: the cash of trades in foreign currencies is exchanged beside them.
    """

    portfolio: Name
    base_currency: CurrencyCode
    cost_basis: CostBasis = CostBasis.FIFO
    calendar: Calendar | None = None
    allows_leverage: bool = False
    allows_short: bool = False
    settlement: SettlementPolicy = SettlementPolicy.CONTRACTUAL
    auto_exchange: bool = False


class CashBody(Body, frozen=True):
    """External cash in or out; at least one of `value_date` and `at` is needed."""

    amount: Number
    currency: CurrencyCode
    value_date: date | None = None
    at: Instant | None = None


class InstrumentBody(Body, frozen=True):
    """An instrument to register for every tenant."""

    instrument: Name
    symbol: Line
    currency: CurrencyCode
    asset_class: AssetClass
    calendar: Calendar
    sector: Line | None = None


class SourceBody(Body, frozen=True):
    """How a source names its trades: for ever, or anew each trade date."""

    source: Name
    naming_scope: NamingScope


class MarkBody(Body, frozen=True):
    """One instrument's price, in its own currency."""

    instrument: Name
    price: Number


class RateBody(Body, frozen=True):
    """An FX rate: units of `quote` for one of `base`."""

    base: CurrencyCode
    quote: CurrencyCode
    rate: Number


class MarksBody(Body, frozen=True):
    """Marks and rates in force from `at`; at least one of either."""

    at: Instant
    marks: Annotated[tuple[MarkBody, ...], msgspec.Meta(max_length=MARKS_PER_EVENT_MAX)] = ()
    rates: Annotated[tuple[RateBody, ...], msgspec.Meta(max_length=MARKS_PER_EVENT_MAX)] = ()


class TimeBody(Body, frozen=True):
    """The instant that business time has come to."""

    at: Instant


class CloseBody(Body, frozen=True):
    """One close; `has_bar` says that the source gives open, high, low and volume at all."""

    instrument: Name
    price: Number
    has_bar: bool = False
    open: Number | None = None
    high: Number | None = None
    low: Number | None = None
    volume: Number | None = None


class SessionBody(Body, frozen=True):
    """A calendar's session [starts_at, ends_at) to be closed, with its closes."""

    calendar: Calendar
    session: date
    starts_at: Instant
    ends_at: Instant
    closes: Annotated[tuple[CloseBody, ...], msgspec.Meta(max_length=CLOSES_PER_SESSION_MAX)] = ()


class CorrectionBody(Body, frozen=True):
    """A close to be replaced; `price` null cancels it, and the mark before is in force again."""

    calendar: Calendar
    session: date
    instrument: Name
    price: Number | None
    reason: Reason


def trade_command(body: TradeBody, source: str) -> CaptureTrade:
    """Build a capture in the name of a source.

    Raises:
        BodyFaulty: as `capture_from` says.
    """
    return CaptureTrade(capture_from(body, source, body.external_id, body.intent))


def capture_from(body: ContentBody, source: str, external_id: str, intent: Intent) -> Capture:
    """Give the content a body tells of the trade a source names so.

    Raises:
        BodyFaulty: a value is out of range, or there is no date.
    """
    if body.trade_date is None and body.executed_at is None:
        raise BodyFaulty(
            BodyFault("date_missing", "Give trade_date, executed_at, or both.", "trade_date")
        )
    given = body.consideration
    return Capture(
        portfolio=body.portfolio,
        source=source,
        external_id=external_id,
        intent=intent,
        instrument=body.instrument,
        side=body.side,
        quantity=positive("quantity", body.quantity),
        price=not_negative("price", body.price),
        currency=body.currency,
        fee=ZERO if body.fee == "0" else exact("fee", body.fee),
        trade_date=optional_day("trade_date", body.trade_date),
        executed_at=optional_instant("executed_at", body.executed_at),
        source_sequence=body.source_sequence,
        consideration=None if given is None else not_negative("consideration", given),
        closes=body.closes,
    )


def portfolio_command(body: PortfolioBody) -> OpenPortfolio:
    """Build the opening of a portfolio."""
    return OpenPortfolio(
        portfolio=body.portfolio,
        base_currency=body.base_currency,
        cost_basis=body.cost_basis,
        calendar=body.calendar,
        allows_leverage=body.allows_leverage,
        allows_short=body.allows_short,
        settlement=body.settlement,
        auto_exchange=body.auto_exchange,
    )


def deposit_command(body: CashBody, portfolio: str) -> DepositCash:
    """Build a deposit.

    Raises:
        BodyFaulty: a value is out of range, or there is no date.
    """
    amount, value_date, at = _flow(body)
    return DepositCash(portfolio=portfolio, amount=amount, value_date=value_date, at=at)


def withdrawal_command(body: CashBody, portfolio: str) -> WithdrawCash:
    """Build a withdrawal.

    Raises:
        BodyFaulty: a value is out of range, or there is no date.
    """
    amount, value_date, at = _flow(body)
    return WithdrawCash(portfolio=portfolio, amount=amount, value_date=value_date, at=at)


def instrument_command(body: InstrumentBody) -> RegisterInstrument:
    """Build the registration of an instrument."""
    return RegisterInstrument(
        instrument=body.instrument,
        symbol=body.symbol,
        currency=body.currency,
        asset_class=body.asset_class,
        calendar=body.calendar,
        sector=body.sector,
    )


def source_command(body: SourceBody) -> RegisterSource:
    """Build the registration of a source."""
    return RegisterSource(source=body.source, naming_scope=body.naming_scope)


def marks_command(body: MarksBody, source: str) -> MarkMarket:
    """Build a batch of marks in the name of a source.

    Raises:
        BodyFaulty: a value is out of range, or there is nothing to mark.
    """
    if not body.marks and not body.rates:
        raise BodyFaulty(BodyFault("field_invalid", "Give at least one mark or rate.", "marks"))
    marks = tuple(
        Mark(each.instrument, not_negative(f"marks[{index}].price", each.price))
        for index, each in enumerate(body.marks)
    )
    rates = tuple(
        Rate(each.base, each.quote, positive(f"rates[{index}].rate", each.rate))
        for index, each in enumerate(body.rates)
    )
    return MarkMarket(source=source, at=utc("at", body.at), marks=marks, rates=rates)


def session_command(body: SessionBody) -> CloseSession:
    """Build the end of a session.

    Raises:
        BodyFaulty: a value is out of range.
    """
    return CloseSession(
        calendar=body.calendar,
        session=plausible_day("session", body.session),
        starts_at=utc("starts_at", body.starts_at),
        ends_at=utc("ends_at", body.ends_at),
        closes=tuple(_close(f"closes[{index}].", each) for index, each in enumerate(body.closes)),
    )


def correction_command(body: CorrectionBody) -> CorrectClose:
    """Build the correction of a close.

    Raises:
        BodyFaulty: a value is out of range.
    """
    return CorrectClose(
        calendar=body.calendar,
        session=plausible_day("session", body.session),
        instrument=body.instrument,
        price=None if body.price is None else not_negative("price", body.price),
        reason=body.reason,
    )


def _close(place: str, body: CloseBody) -> Close:
    return Close(
        instrument=body.instrument,
        price=not_negative(place + "price", body.price),
        has_bar=body.has_bar,
        open=_given(place + "open", body.open),
        high=_given(place + "high", body.high),
        low=_given(place + "low", body.low),
        volume=_given(place + "volume", body.volume),
    )


def _given(field: str, text: str | None) -> Decimal | None:
    return None if text is None else not_negative(field, text)


def _flow(body: CashBody) -> tuple[Money, date | None, datetime | None]:
    amount = Money(positive("amount", body.amount), body.currency)
    return amount, *dated(body.value_date, body.at)


def dated(value_date: date | None, at: datetime | None) -> tuple[date | None, datetime | None]:
    """Return when cash moved: at least one of a date and an instant.

    Raises:
        BodyFaulty: `date_missing` or `out_of_range`.
    """
    if value_date is None and at is None:
        raise BodyFaulty(BodyFault("date_missing", "Give value_date, at, or both.", "value_date"))
    return optional_day("value_date", value_date), optional_instant("at", at)


def optional_day(field: str, day: date | None) -> date | None:
    """Return a plausible date, or none if none is given.

    Raises:
        BodyFaulty: `out_of_range`.
    """
    return None if day is None else plausible_day(field, day)


def optional_instant(field: str, instant: datetime | None) -> datetime | None:
    """Return a plausible instant in UTC, or none if none is given.

    Raises:
        BodyFaulty: `out_of_range`.
    """
    return None if instant is None else utc(field, instant)
