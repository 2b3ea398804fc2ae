"""What readers are told: pages of items, each page of one log position.

Amounts and prices are exact decimals as strings, without exponent; returns are fractions. A field
that is null is not known or does not apply; its model says which.
"""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec

AMOUNT_PATTERN = r"^-?[0-9]+(\.[0-9]+)?\Z"
QUOTIENT_PATTERN = r"^-?[0-9]+(?:\.[0-9]+)?\Z"  # another spelling, so that it is told apart
Amount = Annotated[str, msgspec.Meta(pattern=AMOUNT_PATTERN, description="An exact decimal.")]
Quotient = Annotated[
    str, msgspec.Meta(pattern=QUOTIENT_PATTERN, description="A quotient or product, to 28 digits.")
]


class Shaped(msgspec.Struct, frozen=True, kw_only=True):
    """Something a reader is told."""


class Portfolio(Shaped, frozen=True):
    """A portfolio as it was opened, and how it stands: `open`, `frozen` or `closed`.

    `calendar` is the market that values it; `benchmark` the one with the latest first date, which
    may lie ahead; so is `changed_cost_basis`. `cost_basis` is that of its opening.
    """

    portfolio: str
    base_currency: str
    cost_basis: str
    calendar: str
    allows_leverage: bool
    allows_short: bool
    opened_at: datetime
    changed_position: int
    state: str
    title: str | None
    owner: str | None
    benchmark: str | None
    benchmark_from: date | None
    frozen_reason: str | None
    closed_on: date | None
    period_closed_until: date | None
    changed_cost_basis: str | None
    cost_basis_from: date | None


class Position(Shaped, frozen=True):
    """A position and its value, signed, negative for shorts; amounts in `currency`.

    `price_source` is `mark`, `write_down`, `trade` (its own last execution) or `none`: then
    `price`, `market_value` and `unrealised_gross` are null. A suspended or delisted name's price
    is stale until it is written down. A price from before a split that the position has seen is
    divided by its ratio, the value exactly; a child that was spun off has none until it is marked
    or traded. `fees` are the opening fees of open lots. As of another time
    nothing is valued: what only a valuation or the present knows is null.
    """

    portfolio: str
    instrument: str
    symbol: str | None
    sector: str | None
    asset_class: str | None
    cost_basis: str
    currency: str
    quantity: Amount
    cost: Amount
    average_cost: Amount | None
    fees: Amount
    realised_gross: Amount
    realised_net: Amount
    price: Quotient | None
    price_source: str
    price_at: datetime | None
    price_date: date | None
    is_stale: bool | None
    is_suspended: bool | None
    is_delisted: bool | None
    market_value: Amount | None
    unrealised_gross: Amount | None
    changed_position: int


class Lot(Shaped, frozen=True):
    """An open lot, named by the trade that opened it."""

    instrument: str
    trade_id: UUID
    trade_date: date
    currency: str
    quantity: Amount
    cost: Amount
    unit_cost: Amount
    fee: Amount


class Balance(Shaped, frozen=True):
    """What is held in a currency, and the sums of its legs by kind; `charges` are lone fees.

    `withholding_tax` is what was kept from `dividends`, negative; `cash_in_lieu` paid fractions.
    """

    currency: str
    balance: Amount
    deposits: Amount
    withdrawals: Amount
    principal: Amount
    fees: Amount
    charges: Amount
    interest: Amount
    exchanged: Amount
    cash_in_lieu: Amount
    dividends: Amount
    withholding_tax: Amount
    changed_position: int


class Movement(Shaped, frozen=True):
    """A leg of an event; `balance_after` is behind all of it, `reversal` why it is undone.

    `action` names the corporate action that moved it.
    """

    position: int
    leg: int
    kind: str
    currency: str
    amount: Amount
    balance_after: Amount
    value_date: date
    at: datetime | None
    trade_id: UUID | None
    instrument: str | None
    action: str | None
    reversal: str | None
    recorded_at: datetime


class Valuation(Shaped, frozen=True):
    """A session's valuation in the portfolio's currency; the return is a fraction.

    With `nav_status` incomplete, `nav` is null, `priced` is the part that has prices and `unpriced`
    names the rest. A null return says why in `return_reason`.
    """

    nav: Quotient | None
    nav_status: str
    priced: Quotient
    unpriced: tuple[str, ...]
    stale: tuple[str, ...]
    priced_by_trade: tuple[str, ...]
    flows: Quotient | None
    daily_return: Quotient | None
    return_reason: str | None
    return_method: str | None
    return_from: date | None


class PerformanceDay(Shaped, frozen=True):
    """One session: `struck` as it was valued then (null if it was not), `current` as known now.

    `restated_position` and `restated_reason` tell since when and why they differ.
    `cumulative_return` chains the current returns from the first session asked for.
    """

    portfolio: str
    session: date
    ends_at: datetime
    currency: str
    struck_position: int | None
    struck: Valuation | None
    current: Valuation
    restated_position: int | None
    restated_reason: str | None
    changed_position: int
    cumulative_return: Quotient | None


class PerformanceSummary(Shaped, frozen=True):
    """A portfolio over a range of sessions; result = nav_end - nav_start - flows."""

    portfolio: str
    currency: str
    calendar: str
    first_session: date | None
    last_session: date | None
    sessions: int
    nav_start: Amount | None
    nav_end: Amount | None
    flows: Amount | None
    result: Amount | None
    cumulative_return: Quotient | None
    incomplete_sessions: int
    undefined_sessions: int
    restated_sessions: int
    restated_position: int | None


class JudgedClose(Shaped, frozen=True):
    """A close with what was found about it; null `price`: it was cancelled."""

    calendar: str
    session: date
    instrument: str
    ends_at: datetime
    price: Amount | None
    status: str
    findings: tuple[str, ...]
    replaces: Amount | None
    reason: str | None
    corrected_position: int | None


class Instrument(Shaped, frozen=True):
    """An instrument with what is in force; `suspended_at` is null while it trades."""

    instrument: str
    symbol: str
    title: str | None
    currency: str
    asset_class: str
    calendar: str
    sector: str | None
    suspended_at: datetime | None
    delisted_on: date | None
    is_delisted: bool
    changed_position: int


class ShapedPage(Shaped, frozen=True):
    """Items of one log position, and where the next page begins."""

    position: int
    market_position: int
    next_cursor: str | None


class Portfolios(ShapedPage, frozen=True):
    """A page of portfolios, by name."""

    items: tuple[Portfolio, ...]


class Positions(ShapedPage, frozen=True):
    """A page of positions, by instrument."""

    items: tuple[Position, ...]


class Lots(ShapedPage, frozen=True):
    """A page of open lots, by instrument, oldest first."""

    items: tuple[Lot, ...]


class Balances(ShapedPage, frozen=True):
    """Balances by currency."""

    items: tuple[Balance, ...]


class Movements(ShapedPage, frozen=True):
    """A page of cash movements, newest first."""

    items: tuple[Movement, ...]


class PerformanceDays(ShapedPage, frozen=True):
    """A page of sessions, oldest first."""

    items: tuple[PerformanceDay, ...]


class JudgedCloses(ShapedPage, frozen=True):
    """A page of closes, by instrument and time."""

    items: tuple[JudgedClose, ...]


class Instruments(ShapedPage, frozen=True):
    """A page of instruments, by name."""

    items: tuple[Instrument, ...]


class ShapedOne(Shaped, frozen=True):
    """One item of one log position."""

    position: int
    market_position: int


class OnePortfolio(ShapedOne, frozen=True):
    """One portfolio."""

    item: Portfolio


class OnePosition(ShapedOne, frozen=True):
    """One position."""

    item: Position


class OneSummary(ShapedOne, frozen=True):
    """One portfolio's summary."""

    item: PerformanceSummary


ShapedT = TypeVar("ShapedT", bound=Shaped)
PageT = TypeVar("PageT", bound=ShapedPage)
OneT = TypeVar("OneT", bound=ShapedOne)


def shaped(kind: type[ShapedT], row: Any, **further: Any) -> ShapedT:  # noqa: ANN401
    """Make what readers are told of a row, field by field of the same name."""
    for name in kind.__struct_fields__:
        if name not in further:
            value = getattr(row, name)
            further[name] = plain(value) if type(value) is Decimal else value
    return kind(**further)


def plain(value: Any) -> Any:  # noqa: ANN401
    """Write a decimal without exponent; leave anything else as it is."""
    if type(value) is not Decimal:
        return value
    text = str(value)  # A tenth of what `format` takes, and the same but for the exponent.
    return format(value, "f") if "E" in text else text


def page_shaped(kind: type[PageT], page: Any, items: Iterable[Shaped]) -> PageT:  # noqa: ANN401
    """Make a page of shaped items."""
    return shaped(kind, page, items=tuple(items))
