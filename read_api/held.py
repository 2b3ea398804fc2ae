"""The endpoint of what came before its trade: amends and busts that wait for the capture."""

from starlette.responses import Response

from gateway.decoding import Name
from gateway.interface import Call
from projections.asking import Readable
from projections.trades.queries import held_corrections
from read_api.asking import Asking, PageAsked
from read_api.shaping import page_shaped, shaped
from read_api.trade_shapes import HeldCorrection, HeldCorrections


class HeldAsked(PageAsked, kw_only=True):
    """Which corrections."""

    portfolio: Name | None = None


class Held:
    """The endpoint's coroutine, over one way to ask."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def listed(self, call: Call) -> Response:
        """List the tenant's corrections that wait, of one portfolio if it is named."""
        asked: HeldAsked = call.parameters
        tenant, portfolio = call.principal.tenant, asked.portfolio

        def query(readable: Readable) -> HeldCorrections:
            page = held_corrections(
                readable,
                tenant=tenant,
                portfolio=portfolio,
                cursor=asked.cursor,
                limit=asked.limit,
            )
            items = [shaped(HeldCorrection, row) for row in page.rows]
            return page_shaped(HeldCorrections, page, items)

        home = None if portfolio is None else self._asking.home_of(tenant, portfolio)
        return await self._asking.answer(call, "trades", query, home)
