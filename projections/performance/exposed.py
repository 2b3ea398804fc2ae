"""What a portfolio is exposed to, now or at the end of a session: positions and cash, valued.

Now is everything booked, at the last marks in force; the end of a session is as known now. Values
are exact, in the base currency, signed; asked within the snapshot of `history.of_portfolio`.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import msgspec

from domain.corporate_actions import Action
from domain.marks import is_stale
from domain.money import ZERO, canonical
from domain.rates import Conversion
from projections.asking import ask
from projections.performance.facts import add
from projections.performance.history import NAME, History
from projections.performance.price_arrays import PriceHistory
from projections.performance.price_history import price_history
from projections.performance.state import FIRST_MOMENT, LAST_MOMENT, Held, Quote
from projections.performance.valuation import pair_names, rate_name, rate_to_base

_FACTS = """
WHERE tenant = %(tenant)s AND portfolio = %(portfolio)s
    AND on_date > %(after)s AND on_date <= %(until)s
"""
_CHANGES = """
change.* FROM (
    SELECT held, NULL AS instrument, NULL AS currency, NULL::numeric AS quantity,
        NULL::numeric AS cash, NULL::date AS acted_on
    FROM {schema}.portfolios WHERE tenant = %(tenant)s AND portfolio = %(portfolio)s
    UNION ALL SELECT NULL, instrument, currency, sum(quantity), sum(cash), NULL
    FROM {schema}.fills {facts} GROUP BY instrument, currency
    UNION ALL SELECT NULL, instrument, currency, sum(quantity), sum(cash),
        max(on_date)
    FROM {schema}.acts {facts} GROUP BY instrument, currency
    UNION ALL SELECT NULL, NULL, due_currency, NULL, sum(gross - withheld), NULL
    FROM {schema}.acts {facts} AND due_currency IS NOT NULL GROUP BY due_currency
    UNION ALL SELECT NULL, NULL, currency, NULL, sum(amount), NULL FROM {schema}.flows
    WHERE tenant = %(tenant)s AND portfolio = %(portfolio)s AND on_date >= %(flows_from)s
        AND CASE WHEN at IS NULL THEN on_date > %(after)s AND on_date <= %(until)s
            ELSE at >= %(after_at)s AND at < %(until_at)s END
    GROUP BY currency
) AS change
""".replace("{facts}", _FACTS)
_EXECUTED = """
executed.* FROM (
    SELECT DISTINCT ON (instrument) instrument, price, on_date, coalesce(at, (
        SELECT starts_at FROM {schema}.sessions WHERE calendar = %s AND session >= on_date
        ORDER BY session LIMIT 1
    )) FROM {schema}.fills
    WHERE tenant = %s AND portfolio = %s AND instrument = ANY(%s) AND on_date <= %s
    ORDER BY instrument, on_date DESC, book_order DESC
) AS executed
"""
_HELD_BEFORE = """
sum(quantity) FROM (
    SELECT quantity FROM {schema}.fills
    WHERE tenant = %s AND portfolio = %s AND instrument = %s AND on_date < %s
    UNION ALL SELECT quantity FROM {schema}.acts
    WHERE tenant = %s AND portfolio = %s AND instrument = %s
        AND (on_date, kind = 'transferred', action_of COLLATE "C", action COLLATE "C")
            < (%s, false, %s, %s)
) AS facts
"""


class Lack(StrEnum):
    """Why nothing is told of a portfolio's risk."""

    NO_SESSION = "no_session"
    NAV_INCOMPLETE = "nav_incomplete"
    BEING_RESTATED = "being_restated"


class Position(NamedTuple):
    """A position and its value in the base currency; `value` is absent without price or rate."""

    instrument: str
    currency: str
    quantity: Decimal
    price: Decimal | None
    price_at: datetime | None
    value: Decimal | None


class Cash(NamedTuple):
    """Trade-date cash of a currency with what is due of dividends, and its value in base."""

    currency: str
    amount: Decimal
    value: Decimal | None


class Exposed(msgspec.Struct, frozen=True):
    """A portfolio's positions and cash at `at`, by name; zero ones are left out.

    `session` is the last closed one then, `on` the date of `at`. Quantities are in units of then;
    now, where an action of a later date has met them, in its. `nav`
    is null where `lack` says why: something is `unpriced`, no session closed, or a split is still
    to be told of this holder.
    """

    portfolio: str
    currency: str
    calendar: str
    session: date | None
    at: datetime | None
    on: date | None
    nav: Decimal | None
    lack: Lack | None
    positions: list[Position]
    cash: list[Cash]
    unpriced: list[str]
    stale: list[str]


class _Moment(NamedTuple):
    """When a portfolio is valued: behind facts up to a date, and flows before a moment."""

    session: date | None
    fresh_from: datetime
    until: date
    quotes_at: datetime


class _Sums(NamedTuple):
    """Units and cash; `acted_on` is when a name was met last by an action behind a session."""

    quantities: dict[str, Decimal]
    cash: dict[str, Decimal]
    currencies: dict[str, str]
    acted_on: dict[str, date]


def exposed_of(history: History, until: date | None = None) -> tuple[Exposed, PriceHistory]:
    """Value what a portfolio holds now, or held at the end of the last session up to a date.

    Beside it are the closes of its calendar, of the same snapshot.
    """
    closes = price_history(history.readable, history.calendar, history.stand)
    known = history.sessions()
    asked = known if until is None else known.until(until)
    if until is not None and not asked.days:
        return _lacking(history, Lack.NO_SESSION), closes
    end = (known.days[-1], known.ends[-1]) if known.days else (date.min, FIRST_MOMENT)
    fresh_from = asked.starts[-1] if asked.starts else FIRST_MOMENT
    session = asked.days[-1] if asked.days else None
    if until is None:
        moment = _Moment(session, fresh_from, date.max, LAST_MOMENT)
        held, sums = _held(history, (*end, date.max, LAST_MOMENT), 1)
    else:
        moment = _Moment(session, fresh_from, asked.days[-1], asked.ends[-1])
        held, sums = _held(history, (asked.days[-1], asked.ends[-1], *end), -1)
    valuing = _Valuing(history, closes, moment, sums)
    return valuing.exposed(held), closes


def _lacking(history: History, lack: Lack) -> Exposed:
    owner = (history.owner[1], history.base_currency, history.calendar)
    return Exposed(*owner, None, None, None, None, lack, [], [], [], [])


def _held(
    history: History, span: tuple[date, datetime, date, datetime], sign: int
) -> tuple[Held, _Sums]:
    """Read what was held at the last session's end, and what is with the facts of a span.

    They are those behind one session up to another; with `sign` -1 they are taken away.
    """
    after, after_at, until, until_at = span
    asked = {
        "tenant": history.owner[0], "portfolio": history.owner[1], "after": after, "until": until,
        "after_at": after_at, "until_at": until_at, "flows_from": min(after, after_at.date()),
    }  # fmt: skip
    first, *changes = ask(history.readable, NAME, _CHANGES, asked).rows
    held = msgspec.json.decode(first[0], type=Held)
    sums = _Sums(held.quantities, held.cash, dict(held.instruments), {})
    for _, name, currency, quantity, cash, acted_on in changes:
        if name is not None:
            sums.currencies[name] = currency
            add(sums.quantities, name, quantity * sign)
            if acted_on is not None:
                sums.acted_on[name] = acted_on
        add(sums.cash, currency, cash * sign)
    return held, sums


class _Valuing:
    """Valuing sums at a moment (convention 5)."""

    def __init__(
        self,
        history: History,
        closes: PriceHistory,
        moment: _Moment,
        sums: _Sums,
    ) -> None:
        self._history = history
        self._moment = moment
        self._sums = sums
        self._base = history.base_currency
        names = sorted(sums.quantities)
        currencies = {sums.currencies[name] for name in names} | sums.cash.keys()
        foreign = currencies - {self._base}
        pairs = {pair for each in foreign for pair in pair_names(each, self._base)}
        marks = history.market.marks(history.readable, {*names, *pairs}, moment.quotes_at)
        found = {name: mark.quote for name, mark in marks.items()}
        self._quotes: dict[str, Quote] = found | self._executed(set(names).difference(found))
        self._at = self._valued_at()
        self._splits = {name: changes for name in names if (changes := closes.unit_changes(name))}
        self._units = history.market.units(history.readable, self._splits.keys())
        self._on = self._valued_on()
        self._rates: dict[str, Conversion | None] = {
            each: rate_to_base(each, self._base, self._quotes, self._at) for each in currencies
        }
        self._totals = sums.cash.copy()

    def _executed(self, names: Iterable[str]) -> dict[str, Quote]:
        """Find own last executions; one without a time of day was made when its session began."""
        asked = sorted(names)
        if not asked:
            return {}
        history = self._history
        behind = (history.calendar, *history.owner, asked, self._moment.until)
        return {
            name: Quote(at or _end_of(on_date), price, on=on_date, is_own=True)
            for name, price, on_date, at in history.ask(_EXECUTED, *behind).rows
        }

    def _valued_at(self) -> datetime:
        """Give the moment of valuation: now is the business time of the newest price."""
        if self._moment.until != date.max:
            return self._moment.quotes_at
        return max((each.at for each in self._quotes.values()), default=self._moment.fresh_from)

    def _valued_on(self) -> date:
        """Give the date of the moment of valuation."""
        if self._moment.until != date.max:
            return self._moment.until
        return max(self._at.astimezone(UTC).date(), self._moment.session or date.min)

    def _units_on(self, name: str) -> date:
        """Give the date whose units a quantity is of.

        Now, an action that met it may be of a later date than any price, and a price of a later
        one where its instrument is traded than in UTC.
        """
        if self._moment.until != date.max:
            return self._on
        quote = self._quotes.get(name)
        marked_on = date.min if quote is None else self._units.marked_on(name, quote)
        return max(self._on, marked_on, self._sums.acted_on.get(name, date.min))

    def exposed(self, held: Held) -> Exposed:
        """Value every position and balance."""
        positions = [self._position(name) for name in sorted(self._sums.quantities)]
        cash = [
            Cash(name, canonical(amount), self._to_base(amount, name))
            for name, amount in sorted(self._sums.cash.items())
        ]
        values = [*(each.value for each in positions), *(each.value for each in cash)]
        unpriced = sorted({*self._unpriced(positions), *self._unrated()})
        nav = None if unpriced else canonical(sum((v for v in values if v is not None), ZERO))
        lack = Lack.NAV_INCOMPLETE if nav is None else None
        if self._is_behind(held):
            nav, lack = None, Lack.BEING_RESTATED
        return Exposed(
            portfolio=self._history.owner[1],
            currency=self._base,
            calendar=self._history.calendar,
            session=self._moment.session,
            at=self._at,
            on=self._on,
            nav=nav,
            lack=lack,
            positions=positions,
            cash=cash,
            unpriced=unpriced,
            stale=sorted(self._stale()),
        )

    def _position(self, name: str) -> Position:
        quantity, currency = self._sums.quantities[name], self._sums.currencies[name]
        quote = self._quotes.get(name)
        if quote is None:
            return Position(name, currency, quantity, None, None, None)
        worth = self._units.worth(name, quantity, quote, self._units_on(name))
        add(self._totals, currency, worth)
        value = self._to_base(worth, currency)
        return Position(name, currency, quantity, quote.price, quote.at, value)

    def _to_base(self, amount: Decimal, currency: str) -> Decimal | None:
        if currency == self._base:
            return canonical(amount)
        rate = self._rates[currency]
        if rate is None:
            return None if amount else ZERO
        return canonical(amount * rate.rate)

    def _unpriced(self, positions: Iterable[Position]) -> Iterable[str]:
        return (each.instrument for each in positions if each.price is None)

    def _unrated(self) -> Iterable[str]:
        """List the rates that are lacked; a currency whose sum is zero needs none."""
        for currency, rate in self._rates.items():
            if rate is None and self._totals.get(currency):
                yield rate_name(currency, self._base)

    def _stale(self) -> Iterable[str]:
        for name in self._sums.quantities:
            quote = self._quotes.get(name)
            if quote is not None and is_stale(
                quote.at,
                fresh_from=self._moment.fresh_from,
                is_written_down=quote.is_written_down,
            ):
                yield name
        for currency, rate in self._rates.items():
            if rate is not None and rate.is_stale and self._totals.get(currency):
                yield rate_name(currency, self._base)

    def _is_behind(self, held: Held) -> bool:
        """Say whether the books lack a split, or hold one that was reversed."""
        for name in self._sums.quantities.keys() & (self._splits.keys() | held.acted.keys()):
            changes: Mapping[str, Action] = {
                each.action: each for each in self._splits.get(name, ())
            }
            acted = set(held.acted.get(name, ()))
            if acted.difference(changes):
                return True
            on = self._units_on(name)
            for key in changes.keys() - acted:
                ex_date = changes[key].ex_date
                since = held.since.get(name, date.max)
                if since < ex_date <= on and self._held_before(name, ex_date, key):
                    return True
        return False

    def _held_before(self, name: str, ex_date: date, action: str) -> bool:
        asked = (*self._history.owner, name, ex_date)
        return bool(self._history.ask(_HELD_BEFORE, *asked, *asked, name, action).rows[0][0])


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time.min, UTC)
