"""What may be asked: the parameters of queries, and the named parts of addresses."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated

import msgspec

from domain.instrument import AssetClass
from domain.lots import Side
from domain.trade import Intent
from gateway.decoding import CurrencyCode, ExternalId, Instant, Name
from gateway.openapi import PathParameter
from projections.market.tables import CloseStatus
from projections.performance.realised import IN_BOOK_ORDER
from projections.performance.realised import SORTS as REALISED_SORTS
from projections.positions.queries import POSITION_SORTS, POSITIONS_SORT
from projections.positions.tables import PortfolioState
from projections.sorting import Field
from projections.trades.queries import NEWEST_FIRST, SORTS
from projections.trades.rows import Status
from read_api.asking import Asked, PageAsked

NAME = r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}\Z"
_UUID = r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z"
PORTFOLIO = PathParameter("portfolio", NAME, "The portfolio's name.")
INSTRUMENT = PathParameter("instrument", NAME, "The instrument's name.")
TRADE = PathParameter("trade_id", _UUID, "The trade's id, as its acceptance told.")

KnownAt = Annotated[
    Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | Instant,
    msgspec.Meta(
        description="As the log knew it: a log position, or a moment, ISO 8601 with an offset."
    ),
]
ValidAt = Annotated[
    date,
    msgspec.Meta(description="As of the end of this business date, in book order."),
]


class TimeAsked(Asked, kw_only=True):
    """As of which time: as known then, as valid then, or both."""

    known_at: KnownAt | None = None
    valid_at: ValidAt | None = None


def sort_meta(fields: Mapping[str, Field]) -> msgspec.Meta:
    """Say by which fields a list can be sorted; the query refuses what is none of them."""
    return msgspec.Meta(
        extra_json_schema={"enum": [sign + name for name in fields for sign in ("", "-")]},
        description="Sort by one field, with `-` from the largest; nulls last, and ties in the "
        "order of the rows' identity.",
    )


PositionsSort = Annotated[str, sort_meta(POSITION_SORTS)]


class PositionsAsked(PageAsked, kw_only=True):
    """Which positions, and as of which time; closed ones on request."""

    known_at: KnownAt | None = None
    valid_at: ValidAt | None = None
    include_closed: bool = False
    sort: PositionsSort = POSITIONS_SORT


class LotsAsked(PageAsked, kw_only=True):
    """Which lots."""

    instrument: Name | None = None


class MovementsAsked(PageAsked, kw_only=True):
    """Which movements."""

    currency: CurrencyCode | None = None


FromDate = Annotated[date, msgspec.Meta(description="The first trade date asked for.")]
ToDate = Annotated[date, msgspec.Meta(description="The last trade date asked for.")]
LINE = r"^[^\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]{1,128}\Z"
Whole = Annotated[str, msgspec.Meta(pattern=LINE, description="The whole text, as it is told.")]
Text = Annotated[
    str,
    msgspec.Meta(
        pattern=LINE,
        description="A part of a symbol, an instrument, a source or an external id, whatever its "
        "case; of an external id only with three letters or digits in a row.",
    ),
]
TradesSort = Annotated[str, sort_meta(SORTS)]


class CapturesAsked(PageAsked, kw_only=True):
    """Which captures, and in which order."""

    instrument: Name | None = None
    source: Name | None = None
    side: Side | None = None
    intent: Intent | None = None
    external_id: ExternalId | None = None
    from_date: FromDate | None = None
    to_date: ToDate | None = None
    q: Text | None = None
    sort: TradesSort = NEWEST_FIRST


class PortfolioTradesAsked(CapturesAsked, kw_only=True):
    """Which captures of one portfolio."""

    status: Status | None = None


class TradesAsked(PortfolioTradesAsked, kw_only=True):
    """Which captures of the tenant; `block` is the external id of the block they are of."""

    portfolio: Name | None = None
    block: ExternalId | None = None


class ListedAsked(CapturesAsked, kw_only=True):
    """Which refusals or exceptions."""

    portfolio: Name | None = None


Since = Annotated[date, msgspec.Meta(description="The first session asked for.")]
Until = Annotated[date, msgspec.Meta(description="The last session asked for.")]


class RangeAsked(Asked, kw_only=True):
    """Which sessions."""

    since: Since | None = None
    until: Until | None = None


class PerformanceAsked(PageAsked, kw_only=True):
    """Which sessions, page by page."""

    since: Since | None = None
    until: Until | None = None


class PortfoliosAsked(PageAsked, kw_only=True):
    """Which portfolios."""

    state: PortfolioState | None = None
    base_currency: CurrencyCode | None = None
    owner: Whole | None = None


class InstrumentsAsked(PageAsked, kw_only=True):
    """Which instruments, by what is in force."""

    asset_class: AssetClass | None = None
    currency: CurrencyCode | None = None
    sector: Whole | None = None


class RealisedAsked(PerformanceAsked, kw_only=True):
    """Which results, by trade date, and in which order."""

    instrument: Name | None = None
    sort: Annotated[str, sort_meta(REALISED_SORTS)] = IN_BOOK_ORDER


class ClosesAsked(PageAsked, kw_only=True):
    """Which closes."""

    status: CloseStatus = CloseStatus.SUSPECT
    instrument: Name | None = None
