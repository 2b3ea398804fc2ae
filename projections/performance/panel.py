"""A portfolio day by day and line by line, as arrays of floats in its base currency.

A line is an instrument, or the cash of a currency, `cash:USD`. Days are those of `series_of`: from
one complete NAV to the next, so that a gap is one day, and only those whose return counts. Values
are of the closes in force at a day's end; what no close explains (a mark between sessions, the time
of a flow within its day) is in no line, and shown as `trading` by whoever adds up.
"""

from bisect import bisect_left
from datetime import date, datetime
from typing import NamedTuple

import numpy as np

from domain.bridge import Part
from domain.statistics.measured import EQUAL, Floats
from projections.asking import ask
from projections.performance.history import NAME, History
from projections.performance.price_arrays import PriceHistory, filled, gains
from projections.performance.scenarios import rates_to_base
from projections.performance.series import Days, Series, dates_of, day_of, series_of

CASH = "cash:"
_EARLIEST = -(2**31)
_NO_RESULT = (Part.EXTERNAL_FLOWS, Part.FX_ON_CASH)
_OWN = "WHERE tenant = %(tenant)s AND portfolio = %(portfolio)s AND on_date <= %(until)s"
_FACTS = """
told.* FROM (
    (SELECT 'fill', on_date - DATE '1970-01-01', instrument, min(currency), sum(quantity)::float8,
        coalesce(sum(cash) FILTER (WHERE rate_to_base IS NULL), 0)::float8,
        coalesce(sum(cash * rate_to_base), 0)::float8, sum(cash)::float8,
        (array_agg(price::float8 ORDER BY book_order DESC))[1], NULL, NULL::float8,
        NULL, NULL::timestamptz
    FROM {schema}.fills {own} GROUP BY on_date, instrument ORDER BY on_date)
    UNION ALL
    (SELECT 'act', on_date - DATE '1970-01-01', instrument, currency, quantity::float8,
        NULL, NULL, cash::float8, NULL, coalesce(due_currency, currency),
        (gross - withheld)::float8, NULL, NULL
    FROM {schema}.acts {own})
    UNION ALL
    (SELECT 'flow', CASE WHEN at IS NULL THEN on_date ELSE (
            SELECT min(session) FROM {schema}.sessions
            WHERE calendar = %(calendar)s AND ends_at > flows.at
        ) END - DATE '1970-01-01', NULL, currency, NULL, NULL, NULL, amount::float8, NULL, NULL,
        NULL, part, at
    FROM {schema}.flows {own})
) AS told
""".replace("{own}", _OWN)
"""Every row is of the form of `_Fact`: one question tells all."""


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
        if (capital > 0).all():  # A condition for each number takes as long as three divisions.
            return np.asarray(amounts / capital)
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


class _Fact(NamedTuple):
    """Something booked, under the date whose day it counts in; what it does not have is absent.

    A fill and an act move `cash`, a flow is that. Of fills `unrated` is the cash that has no rate
    of its own, `rated` that which has, in base.
    """

    kind: str
    day: int | None
    name: str
    currency: str
    quantity: float
    unrated: float
    rated: float
    cash: float
    price: float
    due_currency: str
    due: float
    part: str
    at: datetime | None


def _lines(facts: list[_Fact]) -> dict[str, str]:
    """Give every line with its currency: instruments by name, then cash by currency."""
    instruments = {each.name: each.currency for each in facts if each.kind != "flow"}
    currencies = {each.currency for each in facts} | {*instruments.values()}
    currencies |= {each.due_currency for each in facts if each.kind == "act"}
    ordered = {name: instruments[name] for name in sorted(instruments)}
    return ordered | {f"{CASH}{each}": each for each in sorted(currencies)}


class _Laying:
    """Arrays are lines x ends, so that what is of one line lies together in memory.

    End 0 is all up to the start, the others are those of the days.
    """

    def __init__(self, history: History, closes: PriceHistory, series: Series, until: date) -> None:
        self._history = history
        self._closes = closes
        self._series = series
        start = _EARLIEST if series.start is None else series.start
        self._ends = np.concatenate(([start], series.sessions))
        self._days: list[int] = self._ends.tolist()
        tenant, portfolio = history.owner
        asked = {"tenant": tenant, "portfolio": portfolio, "until": until}
        told = ask(history.readable, NAME, _FACTS, asked | {"calendar": history.calendar})
        self._facts = list(map(_Fact._make, told.rows))
        self._lines = _lines(self._facts)
        self._begin = {name: line * len(self._ends) for line, name in enumerate(self._lines)}
        # The closes in force at each end: those of the last session up to it; -1 is none.
        self._at = np.searchsorted(closes.days, self._ends, side="right") - 1
        self._before = int(np.searchsorted(self._at, 0))
        self._rows: Days = self._at[self._before :]
        columns = {line: closes.column(name) for line, name in enumerate(self._lines)}
        self._closed = {line: column for line, column in columns.items() if column is not None}
        base = history.base_currency
        self._foreign = {
            line: each for line, each in enumerate(self._lines.values()) if each != base
        }
        # By place in such an array, as few of them change anything.
        self._changes: dict[int, float] = {}
        self._moved: dict[int, float] = {}
        self._paid: dict[int, float] = {}
        self._inflow = np.zeros(len(self._ends))
        self._rates = {
            each: self._in_force(_rates(each, history, closes))
            for each in set(self._lines.values())
        }

    def panel(self) -> Panel:
        """Put it together."""
        for fact in self._facts:
            end = None if fact.day is None else self._end(fact.day)
            if end is not None:
                self._take(fact, end)
        prices, returns = self._priced()
        values = np.multiply(self._quantities(), prices, out=prices)
        results = values[:, 1:] - values[:, :-1]
        for place, worth in self._moved.items():
            line, end = divmod(place, len(self._ends))
            if end:
                results[line, end - 1] -= worth
        at_end, values = values[:, -1], values[:, :-1]
        cash, names = f"{CASH}{self._history.base_currency}", list(self._lines)
        if cash in self._lines:
            values[names.index(cash)] += self._inflow[1:]
        is_held = (values != 0).any(axis=1) | (results != 0).any(axis=1) | (at_end != 0)
        held = np.flatnonzero(is_held)
        start = self._series.start
        return Panel(
            start=None if start is None else day_of(start),
            sessions=self._series.sessions,
            names=tuple(names[line] for line in held.tolist()),
            values=values[held].T,
            returns=returns[held].T,
            results=results[held].T,
            # Summed in the order of the lines' names as they lie here, whoever of them is held.
            capital=np.ascontiguousarray(values.T).sum(axis=1),
            returned=self._series.returns,
            held_at_end=at_end[held],
        )

    def _quantities(self) -> Floats:
        """Give what is held at each end: of each line, the sum of all changes up to it.

        What is less than 1e-12 of the most there was is nothing: 0.1 and 0.2 less 0.3.
        """
        ends = len(self._ends)
        size = len(self._lines) * ends
        changes = dict.fromkeys(range(0, size, ends), 0.0) | self._changes
        places = sorted(changes)
        levels: list[float] = []
        level = most = 0.0
        for place in places:
            level, most = (level, most) if place % ends else (0.0, 0.0)
            level += changes[place]
            most = max(most, abs(level))
            level = level if abs(level) > EQUAL * most else 0.0
            levels.append(level)
        return np.repeat(levels, np.diff([*places, size])).reshape(-1, ends)

    def _take(self, fact: _Fact, end: int) -> None:
        if fact.kind == "flow":
            self._take_flow(fact, end)
            return
        place = self._begin[fact.name] + end
        _add(self._changes, place, fact.quantity)
        rate = self._rates[fact.currency][end]
        if fact.kind == "fill":
            self._paid[place] = fact.price
            worth = fact.unrated * rate + fact.rated
            self._move(end, place, fact.currency, fact.cash, worth)
        else:
            self._move(end, place, fact.currency, fact.cash, fact.cash * rate)
            due_rate = self._rates[fact.due_currency][end]
            self._move(end, place, fact.due_currency, fact.due, fact.due * due_rate)

    def _take_flow(self, flow: _Fact, end: int) -> None:
        place = self._begin[f"{CASH}{flow.currency}"] + end
        worth = flow.cash * self._rates[flow.currency][end]
        _add(self._changes, place, flow.cash)
        if flow.part in _NO_RESULT:
            _add(self._moved, place, worth)
        if flow.part == Part.EXTERNAL_FLOWS and flow.at is None:
            self._inflow[end] += max(worth, 0.0)

    def _move(self, end: int, place: int, currency: str, cash: float, worth: float) -> None:
        """Move cash from a line of its currency to an instrument, whose result it then is."""
        from_place = self._begin[f"{CASH}{currency}"] + end
        _add(self._changes, from_place, cash)
        _add(self._moved, from_place, worth)
        _add(self._moved, place, -worth)

    def _end(self, day: int) -> int | None:
        end = bisect_left(self._days, day)
        return end if end < len(self._days) else None

    def _in_force(self, by_session: Floats) -> list[float]:
        """Give what is in force at each end; 0 where nothing is."""
        if not len(by_session):
            return [0.0] * len(self._ends)
        told = np.where(self._at < 0, 0.0, np.nan_to_num(by_session[np.maximum(self._at, 0)]))
        in_force: list[float] = told.tolist()
        return in_force

    def _priced(self) -> tuple[Floats, Floats]:
        """Give values of a unit in base at each end, and returns of it from one end to the next."""
        prices = self._laid_out(self._closes.in_force, len(self._ends), 0.0)
        prices[[line for line, name in enumerate(self._lines) if name.startswith(CASH)]] = 1.0
        # Only ends up to the last without a close need what was paid: mostly the first alone.
        lacking = np.flatnonzero(~(prices > 0).all(axis=0))
        first = int(lacking[-1]) + 1 if len(lacking) else 0
        lacks, own = ~(prices[:, :first] > 0), self._own(first)
        prices[:, :first][lacks] = own[lacks]
        self._to_base(prices)
        # What closes gain from each session to the next is kept with them.
        is_kept = _in_a_row(self._rows) and not self._foreign
        early = max(first, self._before) + 1
        count = min(early, len(self._ends)) if is_kept else len(self._ends)
        index = self._laid_out(self._closes.grown, count, 1.0)
        index[:, :first][lacks] = own[lacks]
        self._to_base(index)
        gained = gains(index)
        if count == len(self._ends):
            return prices, gained
        returns = self._laid_out(self._closes.moves, len(self._ends) - 1, 0.0)
        returns[:, : count - 1] = gained
        return prices, returns

    def _to_base(self, told: Floats) -> None:
        for line, currency in self._foreign.items():
            told[line] *= self._rates[currency]
        told[:, : self._before] = 0.0  # No rate is in force there, not even that of the base.

    def _own(self, count: int) -> Floats:
        """Give what was last paid of each line at the first ends; 0 before anything was."""
        paid = np.zeros((count, len(self._lines)))
        for place, price in self._paid.items():
            line, end = divmod(place, len(self._ends))
            if end < count:
                paid[end, line] = price
        return filled(paid).T

    def _laid_out(self, kept: Floats, count: int, other: float) -> Floats:
        """Lay out what is kept by session and name over some places; `other` without a close."""
        told = np.full((len(self._lines), count), other)
        rows = self._rows[: max(count - self._before, 0)]
        if len(rows) and self._closed:
            columns = list(self._closed.values())
            found = (
                kept.T[:, rows[0] : rows[-1] + 1][columns]
                if _in_a_row(rows)
                else kept.T[columns][:, rows]
            )
            told[list(self._closed), self._before :] = found
        return told


def _add(told: dict[int, float], place: int, amount: float) -> None:
    told[place] = told.get(place, 0.0) + amount


def _in_a_row(rows: Days) -> bool:
    """Say whether each row is the next: those are copied in one go."""
    return bool((np.diff(rows) == 1).all())


def _rates(currency: str, history: History, closes: PriceHistory) -> Floats:
    return rates_to_base(currency, history.base_currency, closes)
