"""Golden samples of corporate actions: declared, reversed, and what they did to a holder."""

from datetime import UTC, date, datetime
from decimal import Decimal

from domain.corporate_actions import (
    Action,
    CashDividend,
    SpinOff,
    Split,
    StockDividend,
    Terms,
)
from domain.event import Event
from domain.held import BookTotals, Due
from domain.instrument import CorporateActionDeclared, CorporateActionReversed
from domain.lots import Fill, Lot, Side
from domain.market import BusinessTimeReached
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    DividendPaid,
    LotsSpunOff,
)
from tests.schemas.trade_samples import DAY, TRADE

EX_DATE = date(2024, 3, 5)
FULL_FILL = Fill(
    trade_id=TRADE,
    source="desk-1",
    external_id="fill/1#a",
    side=Side.SELL,
    quantity=Decimal("100.5"),
    price=Decimal("170.25"),
    consideration=Decimal("17110.13"),
    fee=Decimal("1.5"),
    trade_date=DAY,
)
TOTALS = BookTotals(
    quantity=Decimal("7.5"),
    cost=Decimal("645.25"),
    fees=Decimal("1.5"),
    realised_gross=Decimal("-3.5"),
    realised_net=Decimal("-4.5"),
)
NO_TOTALS = BookTotals(quantity=Decimal(0), cost=Decimal(0))
SPLIT = Split(
    action="split-1",
    instrument="AAPL",
    ex_date=EX_DATE,
    new=3,
    old=2,
    fraction_price=Decimal("171.5"),
    prices_adjusted=True,
)
STOCK_DIVIDEND = StockDividend(
    action="stock-1",
    instrument="AAPL",
    ex_date=EX_DATE,
    new=1,
    held=20,
    fraction_price=Decimal("171.5"),
    prices_adjusted=True,
)
DIVIDEND = CashDividend(
    action="dividend-1",
    instrument="AAPL",
    ex_date=EX_DATE,
    per_unit=Decimal("0.24"),
    currency="USD",
    withholding_rate=Decimal("0.15"),
    pay_date=date(2024, 3, 14),
)
SPIN_OFF = SpinOff(
    action="spin-1",
    instrument="AAPL",
    ex_date=EX_DATE,
    child="CORE",
    new=1,
    old=3,
    cost_share=Decimal("0.2"),
    fraction_price=Decimal("30.5"),
)


def _declared(action: Action) -> CorporateActionDeclared:
    return CorporateActionDeclared(instrument=action.instrument, terms=Terms.of(action))


CORPORATE_SAMPLES: dict[str, tuple[Event, ...]] = {
    "instrument.corporate_action_declared.v1": (
        _declared(SPLIT),
        _declared(STOCK_DIVIDEND),
        _declared(DIVIDEND),
        _declared(SPIN_OFF),
        _declared(Split(action="split-2", instrument="AAPL", ex_date=EX_DATE, new=7, old=1)),
    ),
    "instrument.corporate_action_reversed.v1": (
        CorporateActionReversed(instrument="AAPL", action="split-1", reason="wrong_ratio"),
    ),
    "market.time_reached.v1": (BusinessTimeReached(at=datetime(2024, 3, 5, 5, tzinfo=UTC)),),
    "portfolio.corporate_action_applied.v1": (
        CorporateActionApplied(
            portfolio="growth",
            instrument="AAPL",
            currency="USD",
            terms=Terms.of(DIVIDEND),
            held=Decimal("5.5"),
            totals=TOTALS,
            quantity_change=Decimal("2.5"),
            cash_change=Decimal("85.75"),
            cash_after=Decimal("1085.75"),
            realised_gross=Decimal("3.5"),
            realised_net=Decimal("3.25"),
            due=Due(Decimal("1.32"), Decimal("0.198"), "USD", date(2024, 3, 14)),
            gross_change=Decimal("1.32"),
            withheld_change=Decimal("0.198"),
            is_late=True,
            is_restated=True,
            rate_to_base=Decimal("0.92"),
            due_rate_to_base=Decimal("0.925"),
        ),
        CorporateActionApplied(
            portfolio="growth",
            instrument="AAPL",
            currency="USD",
            terms=Terms.of(SPLIT),
            held=Decimal(0),
            totals=NO_TOTALS,
        ),
    ),
    "portfolio.corporate_action_unapplied.v1": (
        CorporateActionUnapplied(
            portfolio="growth",
            instrument="AAPL",
            currency="USD",
            terms=Terms.of(SPLIT),
            totals=TOTALS,
            reason="wrong_ratio",
            quantity_change=Decimal("-2.5"),
            cash_change=Decimal("-85.75"),
            cash_after=Decimal(1000),
            realised_gross=Decimal("-3.5"),
            realised_net=Decimal("-3.25"),
            gross_change=Decimal("-1.32"),
            withheld_change=Decimal("-0.198"),
            rate_to_base=Decimal("0.92"),
            due_rate_to_base=Decimal("0.925"),
            last_fill=FULL_FILL,
        ),
        CorporateActionUnapplied(
            portfolio="growth",
            instrument="AAPL",
            currency="USD",
            terms=Terms.of(SPLIT),
            totals=NO_TOTALS,
            reason="wrong_ratio",
        ),
    ),
    "portfolio.lots_spun_off.v1": (
        LotsSpunOff(
            portfolio="growth",
            instrument="CORE",
            currency="USD",
            terms=Terms.of(SPIN_OFF),
            page=1,
            pages=2,
            totals=TOTALS,
            lots=(Lot(TRADE, DAY, Decimal(33), Decimal("257.4"), Decimal("0.99"), Decimal("7.8")),),
            quantity_change=Decimal(33),
            cash_change=Decimal("9.99"),
            cash_after=Decimal("1009.99"),
            realised_gross=Decimal("7.39"),
            realised_net=Decimal("7.38"),
            paid_gross=Decimal("7.4"),
            paid_net=Decimal("7.35"),
            is_late=True,
            is_restated=True,
            rate_to_base=Decimal("0.92"),
        ),
        LotsSpunOff(
            portfolio="growth",
            instrument="CORE",
            currency="USD",
            terms=Terms.of(SPIN_OFF),
            page=1,
            pages=1,
            totals=NO_TOTALS,
        ),
    ),
    "portfolio.dividend_paid.v1": (
        DividendPaid(
            portfolio="growth",
            instrument="AAPL",
            action="dividend-1",
            gross=Decimal("1.32"),
            withheld=Decimal("0.198"),
            currency="USD",
            pay_date=date(2024, 3, 14),
            cash_after=Decimal("1001.122"),
        ),
    ),
}
