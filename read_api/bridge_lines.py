"""The endpoint that opens a bridge: what each part is the sum of."""

from collections.abc import Callable

from starlette.responses import Response

from domain.bridge import Part
from gateway.access import Action
from gateway.interface import Call, Endpoint, not_found
from projections.asking import Readable
from projections.paging import Answer
from projections.performance.bridging import opened_bridge_of
from read_api.asking import Asking
from read_api.declaring import query
from read_api.parameters import PORTFOLIO, PerformanceAsked
from read_api.results import Bridge, bridge_shaped
from read_api.shaping import Amount, Shaped, ShapedPage, plain, shaped


class BridgeLinesAsked(PerformanceAsked, kw_only=True):
    """Which bridge, and which of its parts; by default all."""

    part: Part | None = None


class BridgeLine(Shaped, frozen=True):
    """What a fact adds to a part, or a `revaluation` of a position or a currency between the ends.

    `name` is the instrument or the currency, `event` the log position of what told the fact.
    """

    part: str
    kind: str
    name: str
    amount: Amount
    event: int | None


class BridgeLines(ShapedPage, frozen=True):
    """A page of lines; those of a part, over all pages, add up to it exactly.

    `total` is the sum of all lines asked for; `bridge` is what they open, or why there is none.
    """

    bridge: Bridge
    total: Amount
    items: tuple[BridgeLine, ...]


def bridge_lines_endpoint(asking: Asking) -> Endpoint:
    """Give the address."""
    return query(
        "/v1/portfolios/{portfolio}/bridge/explain",
        "explain_bridge",
        "The facts and revaluations that each part of a bridge is the sum of",
        Action.READ_PERFORMANCE,
        BridgeLinesAsked,
        BridgeLines,
        lambda call: _answer(asking, call),
        PORTFOLIO,
        problems=("history_too_long",),
    )


async def _answer(asking: Asking, call: Call) -> Response:
    tenant, portfolio = call.principal.tenant, call.named(PORTFOLIO)
    home = asking.home_of(tenant, portfolio)
    return await asking.answer(call, "performance", _question(call), home)


def _question(call: Call) -> Callable[[Readable], BridgeLines]:
    asked: BridgeLinesAsked = call.parameters
    tenant, portfolio = call.principal.tenant, call.named(PORTFOLIO)

    def ask(readable: Readable) -> BridgeLines:
        view, page, total = opened_bridge_of(
            readable,
            tenant=tenant,
            portfolio=portfolio,
            since=asked.since,
            until=asked.until,
            part=asked.part,
            cursor=asked.cursor,
            limit=asked.limit,
        )
        if view is None:
            raise not_found()
        answer = Answer(view, page.position, page.market_position)
        return shaped(
            BridgeLines,
            page,
            bridge=bridge_shaped(answer, view).item,
            total=plain(total),
            items=tuple(
                shaped(BridgeLine, line, part=line.part.value, event=line.position)
                for line in page.rows
            ),
        )

    return ask
