"""The endpoints of the market: last marks, what was told of one name, closes that look wrong."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

import msgspec
from starlette.responses import Response

from gateway.access import Action
from gateway.decoding import Instant
from gateway.interface import Call, Endpoint
from projections.asking import Readable
from projections.market.closes import judged_closes
from projections.market.queries import last_marks, told_marks
from projections.market.tables import CloseStatus, MarkKind
from read_api.asking import Asking, PageAsked
from read_api.declaring import query
from read_api.parameters import ClosesAsked
from read_api.shaping import (
    Amount,
    JudgedClose,
    JudgedCloses,
    Shaped,
    ShapedPage,
    page_shaped,
    shaped,
)

MarketName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/\-]{0,63}\Z",
        description="An instrument's name, or a pair of currencies as in EUR/USD.",
    ),
]
From = Annotated[Instant, msgspec.Meta(description="The first business time asked for.")]
Before = Annotated[Instant, msgspec.Meta(description="The first business time left out.")]


class MarketAsked(PageAsked, kw_only=True):
    """Which last marks; `status` is that of the close they are."""

    name: MarketName | None = None
    is_stale: bool | None = None
    status: CloseStatus | None = None


class HistoryAsked(PageAsked, kw_only=True):
    """Whose marks, and of which business times."""

    name: MarketName
    since: From | None = None
    until: Before | None = None


class Mark(Shaped, frozen=True):
    """The price in force of a name, in `currency`; `told` is its place in the log.

    It is stale where it is an instrument's from before its calendar's last closed session began or
    the instrument does not trade, or a rate more than 4 days old; a write-down never is.
    """

    name: str
    currency: str
    price: Amount
    at: datetime
    kind: MarkKind
    source: str | None
    calendar: str | None
    session: date | None
    status: CloseStatus | None
    is_stale: bool
    told: int


class Marks(ShapedPage, frozen=True):
    """A page of last marks, by name."""

    items: tuple[Mark, ...]


class PastMark(Shaped, frozen=True):
    """A price that was told; null where a close was cancelled."""

    at: datetime
    price: Amount | None
    kind: MarkKind
    source: str | None
    calendar: str | None
    session: date | None
    status: CloseStatus | None
    findings: tuple[str, ...]
    replaces: Amount | None
    reason: str | None
    corrected_position: int | None
    told: int


class PastMarks(ShapedPage, frozen=True):
    """A page of what was told, newest business time first."""

    items: tuple[PastMark, ...]


def market_endpoints(asking: Asking) -> Sequence[Endpoint]:
    """Give the addresses of the market."""
    queries = MarketQueries(asking)
    return (
        query(
            "/v1/market",
            "list_last_marks",
            "Last marks and rates with their age, for every tenant",
            Action.READ_MARKET,
            MarketAsked,
            Marks,
            queries.last,
        ),
        query(
            "/v1/market/history",
            "list_marks",
            "What was told of one instrument or pair, newest first, for every tenant",
            Action.READ_MARKET,
            HistoryAsked,
            PastMarks,
            queries.history,
        ),
        query(
            "/v1/closes",
            "list_closes",
            "Closes by what is thought of them, for every tenant",
            Action.READ_MARKET,
            ClosesAsked,
            JudgedCloses,
            queries.closes,
        ),
    )


class MarketQueries:
    """The endpoints' coroutines, over one way to ask."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def last(self, call: Call) -> Response:
        """List last marks."""
        asked: MarketAsked = call.parameters

        def ask(readable: Readable) -> Marks:
            page = last_marks(
                readable,
                names=None if asked.name is None else [asked.name],
                is_stale=asked.is_stale,
                status=asked.status,
                cursor=asked.cursor,
                limit=asked.limit,
            )
            return page_shaped(Marks, page, [shaped(Mark, row) for row in page.rows])

        one = self._asking.any_partition
        return await self._asking.answer(call, "market", ask, one)

    async def history(self, call: Call) -> Response:
        """List what was told of one name; of an unknown one that is nothing."""
        asked: HistoryAsked = call.parameters

        def ask(readable: Readable) -> PastMarks:
            page = told_marks(
                readable,
                name=asked.name,
                since=asked.since,
                until=asked.until,
                cursor=asked.cursor,
                limit=asked.limit,
            )
            return page_shaped(PastMarks, page, [shaped(PastMark, row) for row in page.rows])

        one = self._asking.any_partition
        return await self._asking.answer(call, "market", ask, one)

    async def closes(self, call: Call) -> Response:
        """List closes of one status."""
        asked: ClosesAsked = call.parameters

        def ask(readable: Readable) -> JudgedCloses:
            page = judged_closes(
                readable,
                status=asked.status,
                instrument=asked.instrument,
                cursor=asked.cursor,
                limit=asked.limit,
            )
            return page_shaped(JudgedCloses, page, [shaped(JudgedClose, row) for row in page.rows])

        one = self._asking.any_partition
        return await self._asking.answer(call, "market", ask, one)
