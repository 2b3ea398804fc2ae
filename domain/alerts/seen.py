"""What a portfolio was worth when it was judged, and the same as a later fact restates it.

A restatement is a corrected close, a trade taken out, or one that came late: what was seen at an
instant is told again as if it had been known then. Corporate actions restate nothing here.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.limits.exposure import Worth, values_in
from domain.lots import Fill, Side
from domain.market import CloseCorrected
from domain.marks import Marks, Quote
from domain.money import ONE, ZERO
from domain.portfolio.events import TradeBooked, TradeUnbooked
from domain.rules.valuing import Valued

Restating: TypeAlias = CloseCorrected | TradeBooked | TradeUnbooked
Rated: TypeAlias = Callable[[str], Decimal | None]
"""Units of the portfolio's base currency for one of another, as now known."""


class Seen(msgspec.Struct, frozen=True, gc=False):
    """A complete valuation: at which instant, and what was held of what.

    `gross` and `nav` are in the base currency, by `rates`. `facts` is another number wherever it
    holds a trade or a close that an earlier one did not. `undone` are trades that were taken out of
    it, and may come again as amended; `unseen` those of its date without a time of day that came
    behind it, so that it holds none of them.
    """

    at: datetime
    gross: Decimal
    nav: Decimal
    base_currency: str
    rates: Mapping[str, Decimal]
    valued: dict[str, Valued]
    facts: int = 0
    undone: frozenset[UUID] = frozenset()
    unseen: frozenset[UUID] = frozenset()

    @classmethod
    def of(cls, worth: Worth, base_currency: str, at: datetime, facts: int) -> "Seen":
        """Keep what was valued just now."""
        valuation, rates, gross, nav = worth
        return cls(at, gross, nav, base_currency, rates, valuation.values.copy(), facts)

    @property
    def values(self) -> dict[str, Decimal]:
        """What each position was worth, in base, but for those worth nothing."""
        return values_in(self.base_currency, self.valued, self.rates)

    @property
    def closes(self) -> list[str]:
        """The names that are valued by the close of a session."""
        return [name for name, each in self.valued.items() if each.quote and each.quote.is_close]

    def value(self, name: str) -> Decimal:
        """What was held of an instrument was worth, in base."""
        valued = self.valued.get(name)
        if valued is None or not valued.value:
            return ZERO
        if valued.currency == self.base_currency:
            return valued.value
        return valued.value * self.rates[valued.currency]

    def quantity(self, name: str) -> Decimal:
        """What was held of an instrument."""
        valued = self.valued.get(name)
        return ZERO if valued is None else valued.quantity

    def quote(self, name: str) -> Quote | None:
        """The mark by which an instrument is valued, if it is by any."""
        valued = self.valued.get(name)
        return None if valued is None else valued.quote

    def unit(self, name: str) -> Decimal | None:
        """What one unit of an instrument was worth, in base; None where none was held."""
        quantity = self.quantity(name)
        return self.value(name) / quantity if quantity else None


def restated(seen: Seen, event: Restating, *, marks: Marks, rated: Rated) -> Seen:
    """Give what was seen as it is known with a fact; the same where the fact does not touch it."""
    if isinstance(event, CloseCorrected):
        return _with_close(seen, event, marks)
    fill = event.fill
    if isinstance(event, TradeUnbooked):
        if fill.trade_id in seen.unseen:
            return replace(seen, unseen=seen.unseen - {fill.trade_id})
        if not _may_be_in(fill, seen.at):
            return seen
        changed = _with_fill(seen, event, -_signed(fill), rated)
        return replace(changed, undone=changed.undone | {fill.trade_id})
    is_in = _is_in(fill, seen.at)
    if is_in is None:
        is_in = fill.trade_id in seen.undone
        if not is_in:
            return replace(seen, unseen=seen.unseen | {fill.trade_id})
    return _with_fill(seen, event, _signed(fill), rated) if is_in else seen


def _is_in(fill: Fill, at: datetime) -> bool | None:
    """Say whether a trade was done by an instant; None: on its date, at no time of day."""
    if fill.executed_at is not None:
        return fill.executed_at <= at
    return None if fill.trade_date == at.date() else fill.trade_date < at.date()


def _may_be_in(fill: Fill, at: datetime) -> bool:
    return _is_in(fill, at) is not False


def _signed(fill: Fill) -> Decimal:
    return fill.quantity if fill.side is Side.BUY else -fill.quantity


def _with_close(seen: Seen, event: CloseCorrected, marks: Marks) -> Seen:
    name = event.instrument
    valued = seen.valued.get(name)
    if valued is None or valued.value is None or valued.quote is None:
        return seen
    quote = valued.quote
    if not quote.is_close or quote.at != event.ends_at or not quote.price:
        return seen
    price = event.price
    if price is None:
        before = marks.in_force(name, seen.at)
        if before is None:
            return seen
        quote, price = before, before.price
    else:
        quote = replace(quote, price=price)
    change = seen.value(name) * (price / valued.quote.price - ONE)
    return _moved(seen, name, change, ZERO, quote, valued.quantity)


def _with_fill(
    seen: Seen, event: TradeBooked | TradeUnbooked, change: Decimal, rated: Rated
) -> Seen:
    """Put in or take out units, at what one was worth then, and the cash of the trade."""
    name, currency = event.instrument, event.currency
    rate = ONE if currency == seen.base_currency else rated(currency)
    if rate is None:
        return seen
    valued = seen.valued.get(name)
    quote, quantity = (None, ZERO) if valued is None else (valued.quote, valued.quantity)
    unit = seen.value(name) / quantity if quantity else event.fill.price * rate
    cash = event.cash_change * rate
    return _moved(seen, name, change * unit, cash, quote, quantity + change)


def _moved(
    seen: Seen,
    name: str,
    change: Decimal,
    cash: Decimal,
    quote: Quote | None,
    quantity: Decimal,
) -> Seen:
    """Give what was seen with one position changed by a value in base, and the cash."""
    before = seen.value(name)
    after = before + change
    valued = seen.valued.copy()
    valued[name] = Valued(after, seen.base_currency, quote, "", quantity)
    return Seen(
        seen.at,
        seen.gross + abs(after) - abs(before),
        seen.nav + change + cash,
        seen.base_currency,
        seen.rates,
        valued,
        seen.facts,
        seen.undone,
        seen.unseen,
    )
