"""What a day's value and return are made of, told by the code that values days.

One session of one portfolio is walked again, in one snapshot, from what the tables hold. The lines
add up to the NAV exactly: quantity x price x rate, cash and what is due, each with the log
positions of the events behind it. Amounts are signed; `value` is in the base currency.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import psycopg

from domain.corporate_actions import CashDividend, Terms
from domain.money import ONE, ZERO, canonical
from domain.rates import Conversion
from domain.returns import Chain, SubPeriod, TimedFlow, Valuation, sub_periods
from projections.asking import HistoryTooLong, Readable, ask
from projections.paging import Answer
from projections.performance.days import Days, Span
from projections.performance.history import FACTS_MAX, NAME, History, of_portfolio
from projections.performance.late_facts import Struck, less, struck_and_current
from projections.performance.ledger import Ledger
from projections.performance.loading import load_portfolio
from projections.performance.market_told import ToldPrices
from projections.performance.restating import Store, start_walk
from projections.performance.state import Portfolio, Quote
from projections.performance.valuation import (
    Current,
    Day,
    Taken,
    pair_names,
    rate_to_base,
)

POSITION, CASH, RECEIVABLE, PAYABLE = "position", "cash", "receivable", "payable"

_COUNT = """
(SELECT count(*) FROM {schema}.fills WHERE tenant = %s AND portfolio = %s)
    + (SELECT count(*) FROM {schema}.flows WHERE tenant = %s AND portfolio = %s)
    + (SELECT count(*) FROM {schema}.acts WHERE tenant = %s AND portfolio = %s)
"""
_EVENTS = """
told.* FROM (
    SELECT 'fill' AS kind, instrument, currency, array_agg(position ORDER BY position),
        (array_agg(position ORDER BY book_order DESC))[1], max(book_order)
    FROM {schema}.fills WHERE tenant = %(tenant)s AND portfolio = %(portfolio)s
        AND on_date <= %(on)s
    GROUP BY instrument, currency
    UNION ALL SELECT 'flow', NULL, currency, array_agg(position), NULL, NULL
    FROM {schema}.flows WHERE tenant = %(tenant)s AND portfolio = %(portfolio)s
        AND CASE WHEN at IS NULL THEN on_date <= %(on)s ELSE at < %(ends_at)s END
    GROUP BY currency
    UNION ALL SELECT 'act', instrument, NULL, array_agg(position), NULL, NULL
    FROM {schema}.acts WHERE tenant = %(tenant)s AND portfolio = %(portfolio)s
        AND on_date <= %(on)s AND quantity <> 0
    GROUP BY instrument
    UNION ALL SELECT 'act', NULL, currency, array_agg(position), NULL, NULL
    FROM {schema}.acts WHERE tenant = %(tenant)s AND portfolio = %(portfolio)s
        AND on_date <= %(on)s AND cash <> 0
    GROUP BY currency
    UNION ALL SELECT 'due', NULL, due_currency, array_agg(position), NULL, NULL
    FROM {schema}.acts WHERE tenant = %(tenant)s AND portfolio = %(portfolio)s
        AND on_date <= %(on)s AND due_currency IS NOT NULL
    GROUP BY due_currency
) AS told
"""
_DUE = """
acts.action_of, acts.action, acts.due_currency, sum(acts.gross - acts.withheld) AS due,
    array_agg(acts.position ORDER BY acts.position), actions.terms
FROM {schema}.acts JOIN {schema}.actions
    ON actions.instrument = acts.action_of AND actions.action = acts.action
WHERE acts.tenant = %s AND acts.portfolio = %s AND acts.on_date <= %s
    AND acts.due_currency IS NOT NULL
GROUP BY acts.action_of, acts.action, acts.due_currency, actions.terms
"""


class Line(msgspec.Struct, frozen=True):
    """A position, cash of a currency, or what is due of an action; what it is worth.

    `quantity` x `price` x units (`new_units` / `old_units`: splits since the price was told) is
    `amount` in `currency`; x `rate` is `value` in the base currency, null where a price or a rate
    is missing. `events` are the log positions of what made the quantity or the amount,
    `price_event` that of the price.
    """

    kind: str
    name: str
    currency: str
    quantity: Decimal | None = None
    price: Decimal | None = None
    price_source: str | None = None
    price_at: datetime | None = None
    price_event: int | None = None
    new_units: int = 1
    old_units: int = 1
    is_stale: bool = False
    amount: Decimal | None = None
    rate: Decimal | None = None
    rate_at: datetime | None = None
    rate_is_stale: bool = False
    value: Decimal | None = None
    events: list[int] = []


class ReturnInputs(msgspec.Struct, frozen=True):
    """What `domain.returns.daily_return` is fed with, besides the session."""

    chain: Chain
    end: Valuation
    inflow: Decimal
    outflow: Decimal
    timed: list[TimedFlow]
    has_unvalued_flow: bool

    @property
    def sub_periods(self) -> list[SubPeriod]:
        """The sub-periods between the flows."""
        return sub_periods(
            self.chain, end=self.end, inflow=self.inflow, outflow=self.outflow, timed=self.timed
        )


class Explained(msgspec.Struct, frozen=True):
    """A day: the lines of its NAV, and what its return was made of.

    `difference` is the NAV that this calculation gives less that which is stored: zero, unless the
    code has changed since; null without one of them.
    """

    portfolio: str
    session: date
    ends_at: datetime
    currency: str
    current: Current
    difference: Decimal | None
    lines: list[Line]
    nav: Struck
    daily_return: Struck
    inputs: ReturnInputs


class _Walked(NamedTuple):
    """A day that was walked again, and where its facts came from."""

    store: Store
    portfolio: Portfolio
    day: Day
    taken: Taken
    current: Current
    stored: Current


class _Told(msgspec.Struct):
    """The log positions of the events behind holdings, cash and prices, by name.

    `is_due` says whether any of them told a dividend that is due.
    """

    of_holdings: dict[str, list[int]] = {}
    of_cash: dict[str, list[int]] = {}
    of_prices: dict[str, int] = {}
    is_due: bool = False


def explained_day(
    readable: Readable, *, tenant: str, portfolio: str, session: date | None = None
) -> Answer[Explained]:
    """Explain a session, or the last; no row where there is no such portfolio or session.

    Raises:
        HistoryTooLong: there are more facts than are folded for one answer.
    """
    row, answered = of_portfolio(
        readable,
        tenant=tenant,
        portfolio=portfolio,
        answer=lambda history: _explained(history, session),
    )
    return Answer(row, answered.position, answered.market_position)


def _explained(history: History, session: date | None) -> Explained | None:
    ((facts,),) = history.ask(_COUNT, *history.owner * 3).rows
    if facts > FACTS_MAX:
        raise HistoryTooLong(FACTS_MAX)
    with history.readable.connection.cursor() as cursor:
        walked = _walk(history, cursor, session)
        if walked is None:
            return None
        lines = _lines(history, walked)
        nav, daily_return = struck_and_current(history, walked.day.session, _marks(walked, lines))
    day, taken = walked.day, walked.taken
    return Explained(
        portfolio=history.owner[1],
        session=day.session.day,
        ends_at=day.session.ends_at,
        currency=history.base_currency,
        current=walked.current,
        difference=less(walked.current.nav, walked.stored.nav),
        lines=lines,
        nav=nav,
        daily_return=daily_return,
        inputs=ReturnInputs(
            chain=day.carried.chain,
            end=Valuation(taken.end.nav, day.before.is_empty),
            inflow=taken.flows.inflow,
            outflow=taken.flows.outflow,
            timed=taken.timed,
            has_unvalued_flow=bool(taken.flows.unvalued),
        ),
    )


def _marks(walked: _Walked, lines: list[Line]) -> list[str]:
    """Name the marks that a day was valued with: of what is held, and of every rate."""
    base = walked.portfolio.base_currency
    foreign = sorted(walked.portfolio.currencies - {base})
    pairs = [pair for currency in foreign for pair in pair_names(currency, base)]
    return [*(line.name for line in lines if line.kind == POSITION), *pairs]


def _walk(history: History, cursor: psycopg.Cursor[Any], session: date | None) -> _Walked | None:
    (partition,) = history.readable.partitions
    schema = NAME + partition.suffix
    readable, market = history.readable, history.market
    portfolio = load_portfolio(cursor, schema, history.owner, history.sessions())
    met = portfolio.instruments.keys() | portfolio.since.keys() | portfolio.acted.keys()
    units = market.units(readable, met)
    prices = ToldPrices(schema, readable, market)
    store = Store(cursor, Ledger(schema), prices, Days(schema), units)
    days = portfolio.calendar.days
    index = len(days) - 1 if session is None else portfolio.calendar.of_date(session)
    first = portfolio.first_session
    if first is None or not first <= index < len(days) or session not in {None, days[index]}:
        return None
    (walk,) = start_walk(store, [portfolio], index)
    (stored,) = store.days.stored(cursor, [Span(portfolio, index, index)])
    day = walk.day()
    taken = day.take()
    return _Walked(store, portfolio, day, taken, day.concluded(taken)[0], stored[index][0])


def _lines(history: History, walked: _Walked) -> list[Line]:
    """List what the NAV adds up from: positions, cash, and dividends due that are not yet paid."""
    day = walked.day
    on = day.session.day
    told = _told(history, walked)
    lines = [
        _position_line(walked, name, quantity, told)
        for name, quantity in sorted(day.before.quantities.items())
    ]
    cash = day.before.cash.copy()
    for each in _due(history, walked, on) if told.is_due else ():
        cash[each.currency] = cash.get(each.currency, ZERO) - (each.amount or ZERO)
        lines.append(each)
    for currency, amount in sorted(cash.items()):
        if amount:
            line = Line(CASH, currency, currency, amount=canonical(amount))
            lines.append(_valued(walked, line, sorted(set(told.of_cash.get(currency, ())))))
    return lines


def _told(history: History, walked: _Walked) -> _Told:
    day, told = walked.day, _Told()
    owner = dict(zip(("tenant", "portfolio"), history.owner, strict=True))
    asked = owner | {"on": day.session.day, "ends_at": day.session.ends_at}
    found = ask(history.readable, NAME, _EVENTS, asked).rows
    last: dict[str, tuple[str, int]] = {}
    for kind, name, currency, positions, last_position, order in found:
        if name is not None:
            told.of_holdings.setdefault(name, []).extend(positions)
        if currency is not None:
            told.of_cash.setdefault(currency, []).extend(positions)
        if order is not None:
            last[name] = max(last.get(name, ("", 0)), (order, last_position))
        told.is_due |= kind == "due"
    names = day.before.quantities.keys()
    marks = history.market.marks(history.readable, names, day.session.ends_at)
    told.of_prices.update({name: position for name, (_, position) in last.items()})
    told.of_prices.update({name: mark.position for name, mark in marks.items()})
    return told


def _position_line(
    walked: _Walked,
    name: str,
    quantity: Decimal,
    told: _Told,
) -> Line:
    day, session = walked.day, walked.day.session
    currency = day.subject.instruments[name]
    quote = day.quotes_at(session.ends_at).get(name)
    source = _source(quote)
    if quote is None:
        quote = day.executed_after(name)
        source = "none" if quote is None else "trade"
    events = sorted(told.of_holdings.get(name, ()))
    line = Line(POSITION, name, currency, canonical(quantity), price_source=source)
    if quote is None:
        return msgspec.structs.replace(line, events=events)
    scale = walked.store.units.scale(name, quote, session.day)
    line = msgspec.structs.replace(
        line,
        price=canonical(quote.price),
        price_at=quote.at,
        price_event=told.of_prices.get(name),
        new_units=1 if scale is None else scale.new,
        old_units=1 if scale is None else scale.old,
        is_stale=quote.at < session.starts_at and not quote.is_written_down,
        amount=canonical(day.worth(name, quantity, quote, session.day)),
    )
    return _valued(walked, line, events)


def _source(quote: Quote | None) -> str:
    return "write_down" if quote is not None and quote.is_written_down else "mark"


def _due(history: History, walked: _Walked, on: date) -> list[Line]:
    lines = []
    for instrument, action, currency, due, events, terms in history.ask(
        _DUE, *history.owner, on
    ).rows:
        declared = msgspec.json.decode(terms, type=Terms).action
        assert isinstance(declared, CashDividend), "only dividends are due"
        if due and declared.pay_date > on:
            kind = RECEIVABLE if due > 0 else PAYABLE
            line = Line(kind, f"{instrument}/{action}", currency, amount=canonical(due))
            lines.append(_valued(walked, line, events))
    return sorted(lines, key=lambda line: line.name)


def _valued(walked: _Walked, line: Line, events: list[int]) -> Line:
    """Convert a line's amount to base; without a rate it has no value."""
    day, base = walked.day, walked.portfolio.base_currency
    at = day.session.ends_at
    found: Conversion | None = Conversion(ONE, at, is_stale=False, path=(base,))
    if line.currency != base:
        found = rate_to_base(line.currency, base, day.quotes_at(at), at)
    if found is None or line.amount is None:
        return msgspec.structs.replace(line, events=events)
    return msgspec.structs.replace(
        line,
        rate=found.rate,
        rate_at=found.at,
        rate_is_stale=found.is_stale,
        value=canonical(line.amount * found.rate),
        events=events,
    )
