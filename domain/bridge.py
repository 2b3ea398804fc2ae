"""From one net asset value to the next: the parts of a change, each from its own facts.

Convention 9; amounts are in the base currency, signed as they change the NAV. A rate is units of
base for one of a currency. No part is what the others leave over: that they add up is a law.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import msgspec

from domain.lots import CostBasis, Matching
from domain.money import ONE, ZERO, canonical
from domain.pnl import LotsInBase, Realised


class RateMissing(Exception):
    """A fact, or something held where a bridge begins or ends, has no rate to base."""


class Part(StrEnum):
    """The parts of a bridge, named as its fields are."""

    EXTERNAL_FLOWS = "external_flows"
    REALISED_PRICE = "realised_price"
    UNREALISED_PRICE = "unrealised_price"
    FX_ON_POSITIONS = "fx_on_positions"
    FX_ON_CASH = "fx_on_cash"
    DIVIDENDS = "dividends"
    INTEREST = "interest"
    TRADING_FEES = "trading_fees"
    TAXES = "taxes"
    MANAGEMENT_FEES = "management_fees"
    CASH_IN_LIEU = "cash_in_lieu"
    WRITE_DOWNS = "write_downs"


class Bridge(msgspec.Struct, frozen=True, kw_only=True):
    """NAV at the start, at the end, and what lies between; fees and taxes paid are negative.

    `realised_price` and `unrealised_price` are without fees, the second is its change;
    `fx_on_cash` is what cash gained by its rates alone, `realised_net` stands beside the parts.
    """

    nav_start: Decimal
    nav_end: Decimal
    external_flows: Decimal = ZERO
    realised_price: Decimal = ZERO
    unrealised_price: Decimal = ZERO
    fx_on_positions: Decimal = ZERO
    fx_on_cash: Decimal = ZERO
    dividends: Decimal = ZERO
    interest: Decimal = ZERO
    trading_fees: Decimal = ZERO
    taxes: Decimal = ZERO
    management_fees: Decimal = ZERO
    cash_in_lieu: Decimal = ZERO
    write_downs: Decimal = ZERO
    realised_net: Decimal = ZERO

    @property
    def parts(self) -> dict[Part, Decimal]:
        """All parts by name."""
        return {part: getattr(self, part) for part in Part}

    @property
    def unexplained(self) -> Decimal:
        """What the parts do not explain: zero, or a bug."""
        return self.nav_end - self.nav_start - sum(self.parts.values(), ZERO)


class Traded(NamedTuple):
    """A fill in book order: what it did to lots and cash, and the rate at its time."""

    instrument: str
    currency: str
    matching: Matching
    fee: Decimal
    cash: Decimal
    rate: Decimal


class CashMoved(NamedTuple):
    """Cash in or out, signed, the part of the bridge it belongs to, and the rate at its time.

    Cash exchanged is two of them, of `fx_on_cash`: what the one bought is worth beyond the other.
    """

    part: Part
    currency: str
    amount: Decimal
    rate: Decimal


class WrittenDown(NamedTuple):
    """A price was written down, by a change that is negative, and the rate at that time.

    What is held then has lost so much by it: that is no part of the change of unrealised price.
    """

    instrument: str
    currency: str
    change: Decimal
    rate: Decimal


Fact = Traded | CashMoved | WrittenDown


class Prices(NamedTuple):
    """Prices by instrument and rates by currency at one moment.

    What is neither held nor owed then may be missing.
    """

    prices: Mapping[str, Decimal]
    rates: Mapping[str, Decimal]


class Account:
    """A portfolio's cash by currency and its lots, folded so that a bridge can begin anywhere."""

    def __init__(self, base_currency: str, basis: CostBasis) -> None:
        self._base_currency = base_currency
        self._basis = basis
        self._currencies: dict[str, str] = {}
        self._lots: dict[str, LotsInBase] = {}
        self._cash: dict[str, Decimal] = {}

    def take(self, fact: Fact) -> Realised:
        """Fold one fact; give what it realised."""
        if isinstance(fact, CashMoved):
            self._move(fact.currency, fact.amount)
        if not isinstance(fact, Traded):
            return Realised()
        self._move(fact.currency, fact.cash)
        lots = self._lots.get(fact.instrument)
        if lots is None:
            lots = self._lots[fact.instrument] = LotsInBase(self._basis)
            self._currencies[fact.instrument] = fact.currency
        return lots.take(fact.matching, fee=fact.fee, rate=fact.rate)

    def bridge(self, facts: Iterable[Fact], *, start: Prices, end: Prices) -> Bridge:
        """Fold the facts between two moments and explain the change of NAV between them.

        Raises:
            RateMissing: a currency held then has none; a NAV may do without, where cash owed and
                positions of a currency come to nothing, but its parts do not.
        """
        nav_start, price_before, fx_before = self._valued(start)
        parts = dict.fromkeys(Part, ZERO)
        for currency, amount in self._cash.items():
            change = self._any_rate(end, currency) - self._any_rate(start, currency)
            parts[Part.FX_ON_CASH] += amount * change
        realised_net = ZERO
        for fact in facts:
            realised = self.take(fact)
            realised_net += realised.net
            parts[Part.REALISED_PRICE] += realised.price
            parts[Part.FX_ON_POSITIONS] += realised.currency
            revalued = self._any_rate(end, fact.currency) - fact.rate
            if isinstance(fact, CashMoved):
                parts[fact.part] += fact.amount * fact.rate
                parts[Part.FX_ON_CASH] += fact.amount * revalued
            elif isinstance(fact, Traded):
                parts[Part.TRADING_FEES] -= fact.fee * fact.rate
                parts[Part.FX_ON_CASH] += fact.cash * revalued
            else:
                lost = self._held(fact.instrument) * fact.change * fact.rate
                parts[Part.WRITE_DOWNS] += lost
                parts[Part.UNREALISED_PRICE] -= lost
        nav_end, price_after, fx_after = self._valued(end)
        parts[Part.UNREALISED_PRICE] += price_after - price_before
        parts[Part.FX_ON_POSITIONS] += fx_after - fx_before
        return Bridge(
            nav_start=canonical(nav_start),
            nav_end=canonical(nav_end),
            realised_net=canonical(realised_net),
            **{part.value: canonical(amount) for part, amount in parts.items()},
        )

    def _valued(self, at: Prices) -> tuple[Decimal, Decimal, Decimal]:
        """Give the NAV, and what all lots have gained: by price, and by currency."""
        nav = price_part = fx_part = ZERO
        for currency, amount in self._cash.items():
            if amount:
                nav += amount * self._rate(at, currency)
        for name, lots in self._lots.items():
            if lots.quantity:
                price, rate = at.prices[name], self._rate(at, self._currencies[name])
                nav += lots.quantity * price * rate
                gained = lots.unrealised(price, rate)
                price_part += gained.price
                fx_part += gained.currency
        return nav, price_part, fx_part

    def _rate(self, at: Prices, currency: str) -> Decimal:
        if currency == self._base_currency:
            return ONE
        if currency not in at.rates:
            raise RateMissing
        return at.rates[currency]

    def _any_rate(self, at: Prices, currency: str) -> Decimal:
        """Give a rate; where it is missing there is no cash then, and any number comes to that."""
        return ONE if currency == self._base_currency else at.rates.get(currency, ZERO)

    def _held(self, instrument: str) -> Decimal:
        lots = self._lots.get(instrument)
        return ZERO if lots is None else lots.quantity

    def _move(self, currency: str, amount: Decimal) -> None:
        self._cash[currency] = self._cash.get(currency, ZERO) + amount
