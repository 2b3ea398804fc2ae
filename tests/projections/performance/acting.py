"""Corporate actions in few words: as declared, and as the events of a holder tell them."""

from decimal import Decimal
from typing import Any

from domain.corporate_actions import Action, CashDividend, SpinOff, Split, StockDividend, Terms
from domain.held import BookTotals
from domain.identity import MARKET_TENANT
from domain.instrument import (
    AssetClass,
    CorporateActionDeclared,
    CorporateActionReversed,
    InstrumentRegistered,
)
from domain.money import ZERO
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    LotsSpunOff,
)
from tests.projections.performance.telling import ACME, BOOK, NEW_YORK, Told, day


def split(
    new: int, old: int, on: int, *, name: str = "split", instrument: str = "AAPL",
    prices_adjusted: bool = False, paid: str | None = None,
) -> Split:  # fmt: skip
    """`new` for `old` from a day on."""
    return Split(
        action=name, instrument=instrument, ex_date=day(on), new=new, old=old,
        prices_adjusted=prices_adjusted, fraction_price=None if paid is None else Decimal(paid),
    )  # fmt: skip


def stock_dividend(new: int, held: int, on: int, *, instrument: str = "AAPL") -> StockDividend:
    """`new` further ones for `held` ones from a day on."""
    return StockDividend(action="stock", instrument=instrument, ex_date=day(on), new=new, held=held)


def dividend(
    per_unit: str, on: int, *, withheld: str = "0", currency: str = "USD", instrument: str = "AAPL",
    name: str = "dividend",
) -> CashDividend:  # fmt: skip
    """So much a unit, due from a day on and paid a day later."""
    return CashDividend(
        action=name, instrument=instrument, ex_date=day(on), per_unit=Decimal(per_unit),
        currency=currency, withholding_rate=Decimal(withheld), pay_date=day(on + 1),
    )  # fmt: skip


def spin_off(
    new: int, old: int, on: int, *, cost_share: str = "0.2", paid: str | None = None,
    instrument: str = "AAPL", child: str = "MSFT",
) -> SpinOff:  # fmt: skip
    """`new` of a child for `old` ones from a day on."""
    return SpinOff(
        action="spin", instrument=instrument, ex_date=day(on), child=child, new=new, old=old,
        cost_share=Decimal(cost_share), fraction_price=None if paid is None else Decimal(paid),
    )  # fmt: skip


def registered(instrument: str, calendar: str = NEW_YORK) -> Told:
    """An instrument is traded somewhere."""
    return MARKET_TENANT, InstrumentRegistered(
        instrument=instrument, symbol=instrument, currency="USD", asset_class=AssetClass.EQUITY,
        calendar=calendar,
    )  # fmt: skip


def declared(action: Action) -> Told:
    """An action was declared."""
    return MARKET_TENANT, CorporateActionDeclared(action.instrument, Terms.of(action))


def taken_back(action: Action) -> Told:
    """An action was reversed."""
    return MARKET_TENANT, CorporateActionReversed(action.instrument, action.action, "wrong ratio")


def applied(
    action: Action, *, quantity: str | Decimal = "0", cash: str | Decimal = "0",
    gross: str | Decimal = "0", withheld: str | Decimal = "0", is_restated: bool = False,
    portfolio: str = BOOK, tenant: str = ACME, currency: str = "USD",
) -> Told:  # fmt: skip
    """An action met a portfolio; only what valuation reads is true."""
    return tenant, CorporateActionApplied(
        portfolio=portfolio, instrument=action.instrument, currency=currency,
        terms=Terms.of(action), held=ZERO, totals=BookTotals(ZERO, ZERO),
        quantity_change=Decimal(quantity), cash_change=Decimal(cash),
        gross_change=Decimal(gross), withheld_change=Decimal(withheld), is_restated=is_restated,
    )  # fmt: skip


def unapplied(told: Told, **changes: Any) -> Told:
    """An applied action was taken out again: what it changed, or what is given, goes back."""
    tenant, event = told
    assert isinstance(event, CorporateActionApplied)
    return tenant, CorporateActionUnapplied(
        portfolio=event.portfolio, instrument=event.instrument, currency=event.currency,
        terms=event.terms, totals=event.totals, reason="wrong ratio",
        quantity_change=changes.get("quantity", -event.quantity_change),
        cash_change=changes.get("cash", -event.cash_change),
        gross_change=changes.get("gross", -event.gross_change),
        withheld_change=changes.get("withheld", -event.withheld_change),
    )  # fmt: skip


def spun_off(
    action: SpinOff, *, quantity: str | Decimal, cash: str | Decimal = "0", page: int = 1,
    pages: int = 1, portfolio: str = BOOK, tenant: str = ACME, currency: str = "USD",
) -> Told:  # fmt: skip
    """Lots of a child came; only what valuation reads is true."""
    return tenant, LotsSpunOff(
        portfolio=portfolio, instrument=action.child, currency=currency, terms=Terms.of(action),
        page=page, pages=pages, totals=BookTotals(ZERO, ZERO),
        quantity_change=Decimal(quantity), cash_change=Decimal(cash),
    )  # fmt: skip
