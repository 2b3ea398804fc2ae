"""Corporate actions over HTTP: one address for each kind that can be declared, one to reverse.

The body is the action without its instrument's name, which is part of the address.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated

import msgspec

from domain.corporate_actions import (
    RATIO_MAX,
    CashDividend,
    SpinOff,
    Split,
    StockDividend,
    Terms,
)
from domain.instrument import (
    CorporateActionDeclared,
    CorporateActionReversed,
    InstrumentChange,
)
from gateway.decoding import (
    CurrencyCode,
    Name,
    Number,
    not_negative,
    plausible_day,
    positive,
)
from write_api.bodies import Body, Reason
from write_api.instruments import Change

Units = Annotated[int, msgspec.Meta(ge=1, le=RATIO_MAX)]


class SplitBody(Body, frozen=True):
    """`new` units for every `old` ones; a fraction of a position is paid for, or else kept.

    `prices_adjusted`: the prices of this instrument from before are told in units of after it.
    """

    action: Name
    ex_date: date
    new: Units
    old: Units
    fraction_price: Number | None = None
    prices_adjusted: bool = False


class StockDividendBody(Body, frozen=True):
    """`new` further units for every `held` ones; otherwise as a split."""

    action: Name
    ex_date: date
    new: Units
    held: Units
    fraction_price: Number | None = None
    prices_adjusted: bool = False


class CashDividendBody(Body, frozen=True):
    """`per_unit` of `currency`, paid on the pay date; `withholding_rate` is a fraction of it."""

    action: Name
    ex_date: date
    pay_date: date
    per_unit: Number
    currency: CurrencyCode
    withholding_rate: Number = "0"


class SpinOffBody(Body, frozen=True):
    """`new` units of `child` for every `old` ones; they take `cost_share`, a fraction, of the cost.

    `fraction_price` is that of one unit of the child.
    """

    action: Name
    ex_date: date
    child: Name
    new: Units
    old: Units
    cost_share: Number
    fraction_price: Number | None = None


class ReversalBody(Body, frozen=True):
    """Which action is taken back, and why."""

    action: Name
    reason: Reason


def _split(name: str, body: SplitBody) -> InstrumentChange:
    return _declared(
        Split(
            action=body.action,
            instrument=name,
            ex_date=plausible_day("ex_date", body.ex_date),
            new=body.new,
            old=body.old,
            fraction_price=_price(body.fraction_price),
            prices_adjusted=body.prices_adjusted,
        )
    )


def _stock_dividend(name: str, body: StockDividendBody) -> InstrumentChange:
    return _declared(
        StockDividend(
            action=body.action,
            instrument=name,
            ex_date=plausible_day("ex_date", body.ex_date),
            new=body.new,
            held=body.held,
            fraction_price=_price(body.fraction_price),
            prices_adjusted=body.prices_adjusted,
        )
    )


def _cash_dividend(name: str, body: CashDividendBody) -> InstrumentChange:
    return _declared(
        CashDividend(
            action=body.action,
            instrument=name,
            ex_date=plausible_day("ex_date", body.ex_date),
            per_unit=positive("per_unit", body.per_unit),
            currency=body.currency,
            withholding_rate=not_negative("withholding_rate", body.withholding_rate),
            pay_date=plausible_day("pay_date", body.pay_date),
        )
    )


def _spin_off(name: str, body: SpinOffBody) -> InstrumentChange:
    return _declared(
        SpinOff(
            action=body.action,
            instrument=name,
            ex_date=plausible_day("ex_date", body.ex_date),
            child=body.child,
            new=body.new,
            old=body.old,
            cost_share=not_negative("cost_share", body.cost_share),
            fraction_price=_price(body.fraction_price),
        )
    )


def _reversed(name: str, body: ReversalBody) -> InstrumentChange:
    return CorporateActionReversed(instrument=name, action=body.action, reason=body.reason)


def _declared(action: Split | StockDividend | CashDividend | SpinOff) -> InstrumentChange:
    return CorporateActionDeclared(instrument=action.instrument, terms=Terms.of(action))


def _price(text: str | None) -> Decimal | None:
    return None if text is None else not_negative("fraction_price", text)


ACTIONS: Sequence[Change] = (
    Change("splits", "declare_split", "Declare a split or reverse split", SplitBody, _split),
    Change(
        "stock-dividends",
        "declare_stock_dividend",
        "Declare a stock dividend",
        StockDividendBody,
        _stock_dividend,
    ),
    Change(
        "dividends",
        "declare_cash_dividend",
        "Declare a cash dividend",
        CashDividendBody,
        _cash_dividend,
    ),
    Change("spin-offs", "declare_spin_off", "Declare a spin-off", SpinOffBody, _spin_off),
    Change(
        "reversals",
        "reverse_corporate_action",
        "Take a corporate action back",
        ReversalBody,
        _reversed,
    ),
)
