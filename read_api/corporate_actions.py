"""The endpoints of corporate actions: as declared, what they did to a holder, dividends to come."""

from datetime import date

from starlette.responses import Response

from gateway.decoding import Name
from gateway.interface import Call
from projections.asking import Readable
from projections.cash.queries import receivables_of
from projections.positions.action_queries import actions_applied, actions_declared
from read_api.asking import Asking, PageAsked, require_portfolio
from read_api.parameters import INSTRUMENT, PORTFOLIO
from read_api.shaping import Amount, Shaped, ShapedPage, page_shaped, shaped


class DeclaredAction(Shaped, frozen=True):
    """A corporate action of an instrument; once it is reversed, `reason` says why.

    `kind` is `split`, `stock_dividend`, `cash_dividend` or `spin_off`; the terms of other kinds are
    null. There are `new` units for every `old` ones: of the instrument itself, beside those held
    (`stock_dividend`), or of the `child`, which takes `cost_share`, a fraction, of the cost.
    """

    instrument: str
    action: str
    kind: str
    ex_date: date
    new: int | None
    old: int | None
    fraction_price: Amount | None
    prices_adjusted: bool | None
    per_unit: Amount | None
    currency: str | None
    withholding_rate: Amount | None
    pay_date: date | None
    child: str | None
    cost_share: Amount | None
    reversed_position: int | None
    reason: str | None
    declared_position: int
    changed_position: int


class DeclaredActions(ShapedPage, frozen=True):
    """A page of an instrument's actions, the latest ex-date first."""

    items: tuple[DeclaredAction, ...]


class AppliedAction(Shaped, frozen=True):
    """What a corporate action of `declared_on` did to a position in all, as known now.

    `held` is what it met at the end of the day before; 0 for the child of a spin-off. Amounts are
    in `currency`, those of a dividend in `due_currency`: negative where a short position owes them.
    Once it is reversed nothing of it is left.
    """

    instrument: str
    declared_on: str
    action: str
    kind: str
    ex_date: date
    held: Amount
    quantity_change: Amount
    currency: str
    cash_in_lieu: Amount
    realised_gross: Amount
    realised_net: Amount
    gross: Amount
    withheld: Amount
    due_currency: str | None
    pay_date: date | None
    is_reversed: bool
    changed_position: int


class AppliedActions(ShapedPage, frozen=True):
    """A page of what actions did to a portfolio, the latest ex-date first."""

    items: tuple[AppliedAction, ...]


class Receivable(Shaped, frozen=True):
    """A dividend from its ex-date on; negative where a short position owes it.

    Outstanding is `gross` less `withheld`, less what was paid of either.
    """

    instrument: str
    action: str
    currency: str
    ex_date: date
    pay_date: date
    held: Amount
    gross: Amount
    withheld: Amount
    paid_gross: Amount
    paid_withheld: Amount
    changed_position: int


class Receivables(ShapedPage, frozen=True):
    """A page of dividends, by pay date."""

    items: tuple[Receivable, ...]


class AppliedAsked(PageAsked, kw_only=True):
    """Which positions' actions."""

    instrument: Name | None = None


class ReceivablesAsked(PageAsked, kw_only=True):
    """Which dividends: those outstanding; paid ones on request."""

    include_paid: bool = False


class CorporateActions:
    """The endpoints' coroutines, over one way to ask."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def declared(self, call: Call) -> Response:
        """List the actions of an instrument; they are shared by all tenants."""
        asked: PageAsked = call.parameters
        instrument = call.named(INSTRUMENT)

        def query(readable: Readable) -> DeclaredActions:
            page = actions_declared(
                readable, instrument=instrument, cursor=asked.cursor, limit=asked.limit
            )
            items = [shaped(DeclaredAction, row) for row in page.rows]
            return page_shaped(DeclaredActions, page, items)

        one = self._asking.any_partition
        return await self._asking.answer(call, "positions", query, one)

    async def applied(self, call: Call) -> Response:
        """List what actions did to a portfolio."""
        asked: AppliedAsked = call.parameters
        tenant, portfolio = call.principal.tenant, call.named(PORTFOLIO)

        def query(readable: Readable) -> AppliedActions:
            require_portfolio(readable, tenant=tenant, portfolio=portfolio)
            page = actions_applied(
                readable,
                tenant=tenant,
                portfolio=portfolio,
                instrument=asked.instrument,
                cursor=asked.cursor,
                limit=asked.limit,
            )
            items = [shaped(AppliedAction, row) for row in page.rows]
            return page_shaped(AppliedActions, page, items)

        home = self._asking.home_of(tenant, portfolio)
        return await self._asking.answer(call, "positions", query, home)

    async def receivables(self, call: Call) -> Response:
        """List a portfolio's dividends that are due and not yet paid, or all."""
        asked: ReceivablesAsked = call.parameters
        tenant, portfolio = call.principal.tenant, call.named(PORTFOLIO)

        def query(readable: Readable) -> Receivables:
            require_portfolio(readable, tenant=tenant, portfolio=portfolio)
            page = receivables_of(
                readable,
                tenant=tenant,
                portfolio=portfolio,
                include_paid=asked.include_paid,
                cursor=asked.cursor,
                limit=asked.limit,
            )
            items = [shaped(Receivable, row) for row in page.rows]
            return page_shaped(Receivables, page, items)

        home = self._asking.home_of(tenant, portfolio)
        return await self._asking.answer(call, "cash", query, home)
