"""A portfolio day by day and line by line, as arrays of floats in its base currency.

A line is an instrument, or the cash of a currency, `cash:USD`. Days are those of `series_of`: from
one complete NAV to the next, so that a gap is one day, and only those whose return counts. Values
are of the closes in force at a day's end; what no close explains (a mark between sessions, the time
of a flow within its day) is in no line, and shown as `trading` by whoever adds up.
"""

from bisect import bisect_left
from datetime import date, datetime
from typing import Any, NamedTuple

import numpy as np

from domain.bridge import Part
from domain.statistics.measured import Floats
from projections.performance.history import History
from projections.performance.price_arrays import PriceHistory, filled
from projections.performance.scenarios import rates_to_base
from projections.performance.series import Days, Series, dates_of, day_of, series_of

CASH = "cash:"
_EARLIEST = -(2**31)
_NO_RESULT = (Part.EXTERNAL_FLOWS, Part.FX_ON_CASH)
_FILLS = """
told.* FROM (
    SELECT on_date - DATE '1970-01-01', instrument, min(currency), sum(quantity)::float8,
        coalesce(sum(cash) FILTER (WHERE rate_to_base IS NULL), 0)::float8,
        coalesce(sum(cash * rate_to_base), 0)::float8, sum(cash)::float8,
        (array_agg(price::float8 ORDER BY book_order DESC))[1]
    FROM {schema}.fills WHERE tenant = %s AND portfolio = %s AND on_date <= %s
    GROUP BY on_date, instrument ORDER BY on_date
) AS told
"""
_ACTS = """
told.* FROM (
    SELECT on_date - DATE '1970-01-01', instrument, currency, quantity::float8, cash::float8,
        coalesce(due_currency, currency), (gross - withheld)::float8
    FROM {schema}.acts WHERE tenant = %s AND portfolio = %s AND on_date <= %s
) AS told
"""
_FLOWS = """
told.* FROM (
    SELECT CASE WHEN at IS NULL THEN on_date ELSE (
            SELECT min(session) FROM {schema}.sessions WHERE calendar = %s AND ends_at > flows.at
        ) END - DATE '1970-01-01', currency, amount::float8, part, at
    FROM {schema}.flows WHERE tenant = %s AND portfolio = %s AND on_date <= %s
) AS told
"""


class Panel(NamedTuple):
    """Days x lines: `values` at the start of each day, what a line `returns`, and its `results`.

    `capital` is what a day's return is of: the NAV before it, and what came in at its start, which
    is part of the base currency's cash then. Returns are total ones, in the base currency, NaN
    where there is none. `returned` are the portfolio's own. `start` is the session at whose end the
    first day begins, absent where the portfolio began with it; `held_at_end` are the values then.
    """

    start: date | None
    sessions: Days
    names: tuple[str, ...]
    values: Floats
    returns: Floats
    results: Floats
    capital: Floats
    returned: Floats
    held_at_end: Floats

    @property
    def weights(self) -> Floats:
        """Values over capital."""
        return self._of_capital(self.values)

    @property
    def contributions(self) -> Floats:
        """Results over capital, which sum to a day's return but for its `trading`."""
        return self._of_capital(self.results)

    def from_second(self) -> "Panel":
        """Leave the first day out."""
        return Panel(
            self.span[0], self.sessions[1:], self.names, self.values[1:], self.returns[1:],
            self.results[1:], self.capital[1:], self.returned[1:], self.held_at_end,
        )  # fmt: skip

    def _of_capital(self, amounts: Floats) -> Floats:
        capital = self.capital[:, np.newaxis]
        return np.divide(amounts, capital, out=np.zeros_like(amounts), where=capital > 0)

    @property
    def days(self) -> list[date]:
        """The sessions at whose ends the days end."""
        return dates_of(self.sessions)

    @property
    def span(self) -> tuple[date | None, date | None]:
        """The first and the last of these sessions; nothing where there is no day."""
        if not len(self.sessions):
            return None, None
        return day_of(int(self.sessions[0])), day_of(int(self.sessions[-1]))


def panel_of(history: History, closes: PriceHistory, since: date, until: date) -> Panel:
    """Lay out the days of a range whose return counts."""
    series = series_of(history, since, until)
    return _Laying(history, closes, series, until).panel()


class _Facts(NamedTuple):
    """Rows of what was booked, each under the date whose day it counts in."""

    fills: list[tuple[Any, ...]]
    acts: list[tuple[Any, ...]]
    flows: list[tuple[Any, ...]]

    def lines(self) -> dict[str, str]:
        """Give every line with its currency: instruments by name, then cash by currency."""
        instruments = {row[1]: row[2] for row in (*self.fills, *self.acts)}
        currencies = {*instruments.values(), *(row[1] for row in self.flows)}
        currencies |= {row[5] for row in self.acts}
        ordered = {name: instruments[name] for name in sorted(instruments)}
        return ordered | {f"{CASH}{each}": each for each in sorted(currencies)}


class _Laying:
    """Row 0 of every array is all up to the start, the others are the days."""

    def __init__(self, history: History, closes: PriceHistory, series: Series, until: date) -> None:
        self._history = history
        self._closes = closes
        self._series = series
        start = _EARLIEST if series.start is None else series.start
        self._ends = np.concatenate(([start], series.sessions))
        self._days: list[int] = self._ends.tolist()
        behind = (*history.owner, until)
        self._facts = _Facts(
            history.ask(_FILLS, *behind).rows,
            history.ask(_ACTS, *behind).rows,
            history.ask(_FLOWS, history.calendar, *behind).rows,
        )
        self._lines = self._facts.lines()
        self._column = {name: column for column, name in enumerate(self._lines)}
        # The closes in force at each end: those of the last session up to it; -1 is none.
        self._at = np.searchsorted(closes.days, self._ends, side="right") - 1
        shape = (len(self._ends), len(self._lines))
        self._quantities, self._moved, self._paid = (np.zeros(shape) for _ in range(3))
        self._inflow = np.zeros(len(self._ends))
        self._rates = {
            each: self._in_force(_rates(each, history, closes))
            for each in set(self._lines.values())
        }

    def panel(self) -> Panel:
        """Put it together."""
        for fill in self._facts.fills:
            self._take_fill(*fill)
        for act in self._facts.acts:
            self._take_act(*act)
        for flow in self._facts.flows:
            self._take_flow(*flow)
        prices, returns = self._priced()
        values = np.cumsum(self._quantities, axis=0) * prices
        results = values[1:] - values[:-1] - self._moved[1:]
        at_end, values = values[-1], values[:-1]
        base = self._column.get(f"{CASH}{self._history.base_currency}")
        if base is not None:
            values[:, base] += self._inflow[1:]
        held = np.flatnonzero(((values != 0) | (results != 0)).any(axis=0) | (at_end != 0))
        names = list(self._lines)
        start = self._series.start
        return Panel(
            start=None if start is None else day_of(start),
            sessions=self._series.sessions,
            names=tuple(names[column] for column in held),
            values=values[:, held],
            returns=returns[:, held],
            results=results[:, held],
            capital=values.sum(axis=1),
            returned=self._series.returns,
            held_at_end=at_end[held],
        )

    def _take_fill(
        self, day: int, name: str, currency: str, quantity: float, unrated: float, rated: float,
        cash: float, price: float,
    ) -> None:  # fmt: skip
        row = self._row(day)
        if row is not None:
            self._quantities[row, self._column[name]] += quantity
            self._paid[row, self._column[name]] = price
            worth = unrated * self._rates[currency][row] + rated
            self._move(row, name, currency, cash, worth)

    def _take_act(
        self, day: int, name: str, currency: str, quantity: float, cash: float,
        due_currency: str, due: float,
    ) -> None:  # fmt: skip
        row = self._row(day)
        if row is not None:
            self._quantities[row, self._column[name]] += quantity
            for each, amount in ((currency, cash), (due_currency, due)):
                self._move(row, name, each, amount, amount * self._rates[each][row])

    def _take_flow(
        self, day: int | None, currency: str, amount: float, part: str, at: datetime | None
    ) -> None:
        row = None if day is None else self._row(day)
        if row is None:
            return
        column, worth = self._column[f"{CASH}{currency}"], amount * self._rates[currency][row]
        self._quantities[row, column] += amount
        if part in _NO_RESULT:
            self._moved[row, column] += worth
        if part == Part.EXTERNAL_FLOWS and at is None:
            self._inflow[row] += max(worth, 0.0)

    def _move(self, row: int, name: str, currency: str, cash: float, worth: float) -> None:
        """Move cash from a line of its currency to an instrument, whose result it then is."""
        column = self._column[f"{CASH}{currency}"]
        self._quantities[row, column] += cash
        self._moved[row, column] += worth
        self._moved[row, self._column[name]] -= worth

    def _row(self, day: int) -> int | None:
        row = bisect_left(self._days, day)
        return row if row < len(self._days) else None

    def _in_force(self, by_session: Floats) -> Floats:
        """Give what is in force at each end; 0 where nothing is."""
        if not len(by_session):
            return np.zeros(len(self._ends))
        return np.where(self._at < 0, 0.0, np.nan_to_num(by_session[np.maximum(self._at, 0)]))

    def _priced(self) -> tuple[Floats, Floats]:
        """Give values of a unit in base at each end, and returns of it from one end to the next."""
        prices, index = self._closed()
        # Only ends up to the last without a close need what was paid: mostly the first alone.
        lacking = np.flatnonzero(~(prices > 0).all(axis=1))
        first = int(lacking[-1]) + 1 if len(lacking) else 0
        is_closed, own = prices[:first] > 0, filled(self._paid[:first])
        for told in (prices, index):
            told[:first] = np.where(is_closed, told[:first], own)
        for column, currency in enumerate(self._lines.values()):
            if currency != self._history.base_currency:
                for told in (prices, index):
                    told[:, column] *= self._rates[currency]
        for told in (prices, index):
            told[self._at < 0] = 0.0  # No rate is in force there, not even that of the base.
        with np.errstate(divide="ignore", invalid="ignore"):
            returns = index[1:] / index[:-1]
        returns -= 1.0
        returns[~(index[:-1] > 0)] = np.nan
        return prices, returns

    def _closed(self) -> tuple[Floats, Floats]:
        """Give closes in force, and what one unit of money has become by them; cash stays one."""
        prices, grown = np.zeros_like(self._quantities), np.ones_like(self._quantities)
        places = {column: self._closes.column(name) for name, column in self._column.items()}
        closed = {column: place for column, place in places.items() if place is not None}
        if len(self._closes.sessions) and closed:
            rows, taken = np.maximum(self._at, 0), list(closed.values())
            columns, is_before = list(closed), self._at < 0
            for told, kept in ((prices, self._closes.in_force), (grown, self._closes.grown)):
                found = kept.T.take(taken, axis=0).take(rows, axis=1)
                found[:, is_before] = 0.0
                told[:, columns] = found.T
        is_cash = [column for name, column in self._column.items() if name.startswith(CASH)]
        prices[:, is_cash] = grown[:, is_cash] = 1.0
        return prices, grown


def _rates(currency: str, history: History, closes: PriceHistory) -> Floats:
    return rates_to_base(currency, history.base_currency, closes)
