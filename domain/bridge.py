"""From one net asset value to the next: the parts of a change, each from its own facts.

Convention 9; amounts are in the base currency, signed as they change the NAV. A rate is units of
base for one of a currency. No part is what the others leave over: that they add up is a law.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import msgspec

from domain.corporate_actions import Action, Scale, SpinOff, value_at_mark
from domain.held import Applied, BookEntry, Due, Received
from domain.lots import CostBasis, Matching
from domain.money import ONE, ZERO, canonical
from domain.pnl import Acted, LotsInBase, Unrealised, act, move


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
    UNREALISED_TRANSFERRED = "unrealised_transferred"


class Bridge(msgspec.Struct, frozen=True, kw_only=True):
    """NAV at the start, at the end, and what lies between; fees and taxes paid are negative.

    `realised_price` and `unrealised_price` are without fees, the second is its change;
    `unrealised_transferred` is what lots had gained when they left, less what those had that came;
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
    unrealised_transferred: Decimal = ZERO
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
    position: int = 0


class CashMoved(NamedTuple):
    """Cash in or out, signed, the part of the bridge it belongs to, and the rate at its time.

    Cash exchanged is two of them, of `fx_on_cash`: what the one bought is worth beyond the other.
    """

    part: Part
    currency: str
    amount: Decimal
    rate: Decimal
    position: int = 0


class Price(NamedTuple):
    """A price, and by how much units have multiplied since it was told."""

    price: Decimal
    scale: Scale = Scale()

    def worth(self, quantity: Decimal) -> Decimal:
        """Value units of now; exact where they are those of the price."""
        if self.scale.new == self.scale.old:
            return quantity * self.price
        return value_at_mark(quantity, self.price, self.scale)


class WrittenDown(NamedTuple):
    """A price was written down, from one to another, and the rate at that time.

    What is held then has lost so much by it: that is no part of the change of unrealised price.
    """

    instrument: str
    currency: str
    before: Price
    after: Price
    rate: Decimal
    position: int = 0


class Taken(NamedTuple):
    """A corporate action took effect: what it made of lots, and the rate of its ex-date.

    `delivered` is what the book of a spin-off's child made of the lots given. What is due of a
    dividend is cash of its currency from then on, at `due_rate`.
    """

    instrument: str
    currency: str
    action: Action
    applied: Applied
    rate: Decimal
    delivered: Applied | None = None
    due_rate: Decimal = ONE
    position: int = 0

    @property
    def due(self) -> Due | None:
        """The dividend."""
        return self.applied.due


class Moved(NamedTuple):
    """Lots left, came or changed their cost basis, and the rate at that time.

    Where they left or came, `flow` is the external flow that was told with them: it is cash for a
    moment, which this takes away again.
    """

    instrument: str
    currency: str
    entry: BookEntry
    applied: Applied
    flow: Decimal
    rate: Decimal
    position: int = 0


Fact = Traded | CashMoved | WrittenDown | Taken | Moved
"""Each may say the log position of its event, of several the last; 0 where nobody asks."""


class BridgeLine(NamedTuple):
    """What a fact adds to a part of a bridge; without one, what revaluing a position or cash does.

    `name` is the instrument or the currency.
    """

    part: Part
    name: str
    amount: Decimal
    fact: Fact | None = None


class Prices(NamedTuple):
    """Prices by instrument and rates by currency at one moment.

    What is neither held nor owed then may be missing.
    """

    prices: Mapping[str, Price]
    rates: Mapping[str, Decimal]


class _Valued(NamedTuple):
    """A NAV, and what the lots of each instrument have gained, by price and by currency."""

    nav: Decimal
    gained: dict[str, Unrealised]


def _revalued(
    before: Mapping[str, Unrealised], after: Mapping[str, Unrealised]
) -> list[BridgeLine]:
    """Give the change of what each position has gained."""
    nothing = Unrealised(ZERO, ZERO)
    return [
        BridgeLine(part, name, change)
        for name in sorted(before.keys() | after.keys())
        for part, last, first in zip(
            (Part.UNREALISED_PRICE, Part.FX_ON_POSITIONS),
            after.get(name, nothing),
            before.get(name, nothing),
            strict=True,
        )
        if (change := last - first)
    ]


class Account:
    """A portfolio's cash by currency and its lots, folded so that a bridge can begin anywhere."""

    def __init__(self, base_currency: str, basis: CostBasis) -> None:
        self._base_currency = base_currency
        self._basis = basis
        self._currencies: dict[str, str] = {}
        self._lots: dict[str, LotsInBase] = {}
        self._cash: dict[str, Decimal] = {}

    def take(self, fact: Fact) -> Acted:
        """Fold one fact; give what it realised, what a fraction was paid with apart."""
        match fact:
            case CashMoved():
                self._move(fact.currency, fact.amount)
            case Traded():
                self._move(fact.currency, fact.cash)
                lots = self._lots_of(fact.instrument, fact.currency)
                return Acted(crossed=lots.take(fact.matching, fee=fact.fee, rate=fact.rate))
            case Taken():
                return self._act(fact)
            case Moved():
                return self._lots_moved(fact)
            case WrittenDown():
                pass  # Prices are no part of an account.
        return Acted()

    def _act(self, fact: Taken) -> Acted:
        self._move(fact.currency, fact.applied.cash)
        if fact.due is not None:
            self._move(fact.due.currency, fact.due.net)
        parent, child = self._lots_of(fact.instrument, fact.currency), None
        if isinstance(fact.action, SpinOff):
            child = self._lots_of(fact.action.child, fact.currency)
        return act(parent, child, fact.action, fact.applied, fact.delivered, rate=fact.rate)

    def _lots_moved(self, fact: Moved) -> Acted:
        self._move(fact.currency, -fact.flow)
        lots, entry = self._lots_of(fact.instrument, fact.currency), fact.entry
        return Acted(crossed=move(lots, entry, fact.applied, rate=fact.rate))

    def _base_cost(self, instrument: str) -> Decimal:
        lots = self._lots.get(instrument)
        return ZERO if lots is None else lots.base_cost

    def _lots_of(self, instrument: str, currency: str) -> LotsInBase:
        lots = self._lots.get(instrument)
        if lots is None:
            lots = self._lots[instrument] = LotsInBase(self._basis)
            self._currencies[instrument] = currency
        return lots

    def bridge(self, facts: Iterable[Fact], *, start: Prices, end: Prices) -> Bridge:
        """Fold the facts between two moments and explain the change of NAV between them.

        Raises:
            RateMissing: a currency held then has none; a NAV may do without, where cash owed and
                positions of a currency come to nothing, but its parts do not.
        """
        return self.opened_bridge(facts, start=start, end=end)[0]

    def opened_bridge(
        self, facts: Iterable[Fact], *, start: Prices, end: Prices
    ) -> tuple[Bridge, list[BridgeLine]]:
        """Give a bridge with the lines whose sums its parts are, as `bridge` does."""
        before = self._valued(start)
        lines = [
            BridgeLine(Part.FX_ON_CASH, currency, amount * change)
            for currency, amount in self._cash.items()
            if (change := self._any_rate(end, currency) - self._any_rate(start, currency))
        ]
        realised_net = ZERO
        for fact in facts:
            known = self._base_cost(fact.instrument) if isinstance(fact, Moved) else ZERO
            acted = self.take(fact)
            realised_net += acted.paid.net + acted.crossed.net
            name = fact.currency if isinstance(fact, CashMoved) else fact.instrument
            lines += [
                BridgeLine(part, name, amount, fact)
                for part, amount in (*self._results(fact, acted, known), *self._moved(fact, end))
                if amount
            ]
        after = self._valued(end)
        lines += _revalued(before.gained, after.gained)
        parts = dict.fromkeys(Part, ZERO)
        for line in lines:
            parts[line.part] += line.amount
        bridge = Bridge(
            nav_start=canonical(before.nav),
            nav_end=canonical(after.nav),
            realised_net=canonical(realised_net),
            **{part.value: canonical(amount) for part, amount in parts.items()},
        )
        return bridge, lines

    def _results(self, fact: Fact, acted: Acted, known: Decimal) -> Iterator[tuple[Part, Decimal]]:
        """Give what a fact realised, and what lots had gained that came or left with it."""
        paid, realised = acted
        yield Part.CASH_IN_LIEU, paid.price
        yield Part.REALISED_PRICE, realised.price
        yield Part.FX_ON_POSITIONS, paid.currency + realised.currency
        if isinstance(fact, Moved) and fact.flow:
            came = self._base_cost(fact.instrument) - known
            if isinstance(fact.entry, Received):
                came = sum((lot.cost for lot in fact.entry.lots), ZERO) * fact.rate
            yield Part.UNREALISED_TRANSFERRED, came - fact.flow * fact.rate

    def _moved(self, fact: Fact, end: Prices) -> Iterator[tuple[Part, Decimal]]:
        """Give the parts of what a fact moved; its cash is revalued from its rate to the end's."""
        revalued = self._any_rate(end, fact.currency) - fact.rate
        match fact:
            case CashMoved():
                yield fact.part, fact.amount * fact.rate
                yield Part.FX_ON_CASH, fact.amount * revalued
            case Traded():
                yield Part.TRADING_FEES, -fact.fee * fact.rate
                yield Part.FX_ON_CASH, fact.cash * revalued
            case Taken():
                yield Part.FX_ON_CASH, fact.applied.cash * revalued
                due = fact.due
                if due is not None:
                    yield Part.DIVIDENDS, due.gross * fact.due_rate
                    yield Part.TAXES, -due.withheld * fact.due_rate
                    change = self._any_rate(end, due.currency) - fact.due_rate
                    yield Part.FX_ON_CASH, due.net * change
            case Moved():
                yield Part.FX_ON_CASH, -fact.flow * revalued
            case WrittenDown():
                held = self._held(fact.instrument)
                lost = (fact.after.worth(held) - fact.before.worth(held)) * fact.rate
                yield Part.WRITE_DOWNS, lost
                yield Part.UNREALISED_PRICE, -lost

    def _valued(self, at: Prices) -> "_Valued":
        """Give the NAV, and what the lots of each instrument have gained."""
        nav = ZERO
        gained: dict[str, Unrealised] = {}
        for currency, amount in self._cash.items():
            if amount:
                nav += amount * self._rate(at, currency)
        for name, lots in self._lots.items():
            if lots.quantity:
                rate = self._rate(at, self._currencies[name])
                value = at.prices[name].worth(lots.quantity)
                nav += value * rate
                gained[name] = lots.unrealised(value, rate)
        return _Valued(nav, gained)

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
