"""What a portfolio's positions are worth when a trade is judged (convention 5).

At the marks in force at the trade's time, a position without any at its own last price. Values are
kept with the portfolio and only what changed is valued anew; they are no part of its state.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Protocol

import msgspec

from domain.calendars import local_date
from domain.corporate_actions import Split, StockDividend, scale_between, value_at_mark
from domain.instrument import Instrument
from domain.limits.scope import sector_of
from domain.marks import UNKNOWN, Marks, Quote
from domain.money import ZERO
from domain.portfolio.overdue import Acting

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


class Valued(msgspec.Struct, frozen=True, gc=False):
    """A position's value in its currency, signed; None where no price of it is known.

    `quantity` is what is held, `quote` the mark it was valued at; absent: at its own last price, or
    not at all. `sector` is that of its instrument on the day of the valuation.
    """

    value: Decimal | None
    currency: str
    quote: Quote | None
    sector: str
    quantity: Decimal


class Valuation(msgspec.Struct):
    """All positions of a portfolio, valued for any time from `since` until just before `until`.

    Whoever holds it is alone with it: it follows the portfolio in place. `gross` and `net` are sums
    by currency, `summed` is what gross is by sector and currency, once it was asked for; `as_of` is
    another whenever units or sectors may be, or the day.
    """

    as_of: object
    day: date
    marks: object
    since: datetime
    until: datetime
    values: dict[str, Valued]
    gross: dict[str, Decimal]
    net: dict[str, Decimal]
    unpriced: set[str]
    summed: dict[tuple[str, str], Decimal] | None = None

    @property
    def sectors(self) -> Mapping[tuple[str, str], Decimal]:
        """What gross is by sector and currency; few who value a portfolio ask for it."""
        if self.summed is None:
            self.summed = {}
            for each in self.values.values():
                if each.value is not None:
                    key = each.sector, each.currency
                    self.summed[key] = self.summed.get(key, ZERO) + abs(each.value)
        return self.summed


class HasQuantity(Protocol):
    """A position: its signed quantity."""

    @property
    def quantity(self) -> Decimal:
        """Units held."""


class HasPrice(Protocol):
    """The last own fill of a position: its price, in the units of its date."""

    @property
    def price(self) -> Decimal:
        """What one unit was traded at."""

    @property
    def trade_date(self) -> date:
        """The date in whose units that is."""


class Positions(Protocol):
    """What is valued of a portfolio, beside what is kept of its values.

    `moved` are the positions that changed since they were `valued`.
    """

    valued: Valuation | None
    moved: set[str]

    @property
    def books(self) -> Mapping[str, HasQuantity]:
        """Positions by instrument, closed ones too."""

    @property
    def traded(self) -> Mapping[str, HasPrice]:
        """The last own fill by instrument."""


def value_positions(
    portfolio: Positions, marks: Marks, moment: datetime, acting: Acting
) -> Valuation:
    """Value what a portfolio holds, at the marks in force at a moment."""
    known, day = portfolio.valued, moment.date()
    as_of = (acting.as_of, day)
    if known is None or known.as_of != as_of:
        known = Valuation(as_of, day, None, EARLIEST, LATEST, {}, {}, {}, set())
        moved = {name for name, book in portfolio.books.items() if book.quantity}
    elif known.marks is marks.version and known.since <= moment < known.until:
        moved = portfolio.moved
        if not moved:
            return known
    else:
        moved = known.values.keys() | portfolio.moved
    portfolio.valued = None  # Whatever happens meanwhile: what is half done is of no use.
    _revalue(portfolio, known, moved, marks, moment, acting)
    portfolio.valued, portfolio.moved = known, set()
    return known


def _revalue(
    portfolio: Positions,
    known: Valuation,
    names: AbstractSet[str],
    marks: Marks,
    moment: datetime,
    acting: Acting,
) -> None:
    """Value some positions anew; of those only whose quantity or mark is another."""
    values, moved, books = known.values, portfolio.moved, portfolio.books
    told, instrument_of = marks.of, acting.instrument_of
    is_whole = len(names) >= len(values) and values.keys() <= names
    since, until = (EARLIEST, LATEST) if is_whole else (known.since, known.until)
    known.marks = marks.version
    for name in names:
        # Every mark passes here for each who holds its instrument: what is usual comes first.
        quotes = told.get(name, UNKNOWN).quotes
        if quotes and (from_at := quotes[-1].at) <= moment:
            quote: Quote | None = quotes[-1]
        else:
            quote, from_at, to_at = _in_force(marks, name, moment)
            until = min(until, to_at)
        since = max(since, from_at)
        before = values.get(name)
        if before is not None:
            if before.quote is quote and before.value is not None and name not in moved:
                continue
            if not is_whole:
                _add(known, before, -1)
            if before.value is None:
                known.unpriced.discard(name)
        book = books.get(name)
        quantity = ZERO if book is None else book.quantity
        if not quantity:
            values.pop(name, None)
            continue
        instrument = instrument_of(name)
        assert instrument is not None, "what is held is registered"
        if before is not None and quote is not None and not instrument.actions:
            # Its sector is that of the same valuation, whose day is the same.
            value = quantity * quote.price
            after = Valued(value, before.currency, quote, before.sector, quantity)
        else:
            after = _valued(portfolio, name, quantity, quote, moment, acting, marks, instrument)
        values[name] = after
        if not is_whole:
            _add(known, after, 1)
        if after.value is None:
            known.unpriced.add(name)
    known.since, known.until = since, until
    if is_whole:
        _add_up(known)


def _in_force(marks: Marks, name: str, moment: datetime) -> tuple[Quote | None, datetime, datetime]:
    """Give the mark in force, not the newest, and from when until when it is."""
    quotes = marks.of.get(name, UNKNOWN).quotes
    if not quotes:
        return None, EARLIEST, LATEST
    quote = marks.in_force(name, moment)
    until = next(each.at for each in quotes if each.at > moment)
    return quote, EARLIEST if quote is None else quote.at, until


def _valued(
    portfolio: Positions,
    name: str,
    quantity: Decimal,
    quote: Quote | None,
    moment: datetime,
    acting: Acting,
    marks: Marks,
    instrument: Instrument,
) -> Valued:
    calendar, currency = instrument.calendar, instrument.currency
    sector = sector_of(instrument, moment.date())
    if quote is not None:
        price, marked_on = quote.price, lambda: local_date(calendar, quote.at)
    else:
        traded = None if marks.is_forgotten(name, moment) else portfolio.traded.get(name)
        if traded is None:
            return Valued(None, currency, None, sector, quantity)
        price, marked_on = traded.price, lambda: traded.trade_date
    if not instrument.actions:
        return Valued(quantity * price, currency, quote, sector, quantity)
    on = max(acting.today(calendar), local_date(calendar, moment))
    value = _scaled(instrument, quantity, price, marked_on, on)
    return Valued(value, currency, quote, sector, quantity)


def _scaled(
    instrument: Instrument,
    quantity: Decimal,
    price: Decimal,
    marked_on: Callable[[], date],
    on: date,
) -> Decimal:
    """Value units of a date at a price told in those of another."""
    changes = [
        action
        for action in instrument.actions.values()
        if isinstance(action, Split | StockDividend)
        and action.action not in instrument.reversed_actions
    ]
    if not changes:
        return quantity * price
    scale = scale_between(changes, marked_on=marked_on(), valued_on=on)
    return quantity * price if scale.new == scale.old else value_at_mark(quantity, price, scale)


def _add(known: Valuation, valued: Valued, sign: int) -> None:
    if valued.value is None:
        return
    currency, change = valued.currency, sign * valued.value
    size = sign * abs(valued.value)
    known.gross[currency] = known.gross.get(currency, ZERO) + size
    known.net[currency] = known.net.get(currency, ZERO) + change
    if known.summed is not None:
        key = valued.sector, currency
        known.summed[key] = known.summed.get(key, ZERO) + size


def _add_up(known: Valuation) -> None:
    """Add up all values: where all are new, that is less than to take each old one out."""
    amounts: defaultdict[str, list[Decimal]] = defaultdict(list)
    for each in known.values.values():
        if each.value is not None:
            amounts[each.currency].append(each.value)
    known.gross = {currency: sum(map(abs, each), ZERO) for currency, each in amounts.items()}
    known.net = {currency: sum(each, ZERO) for currency, each in amounts.items()}
    known.summed = None
