"""Closes of a calendar's sessions as arrays, and what follows from them alone.

Rows are sessions, oldest first; columns are `names`, sorted: instruments, and FX pairs such as
`EUR/USD`. What is worked out of them is kept with them, since they never change.
"""

from bisect import bisect_left
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.corporate_actions import (
    Action,
    CashDividend,
    SpinOff,
    Split,
    StockDividend,
    scale_of,
)
from domain.statistics.measured import Floats

Ints = NDArray[np.integer[Any]]
EPOCH = date(1970, 1, 1)


class PriceHistory:
    """Closes and total returns of a calendar's sessions; arrays are not to be written to.

    `closes` is of shape (sessions, names): the close dated like the session, of whatever calendar,
    as known now (corrected, or NaN where there is none); of a pair the last rate of the session.
    A price is in the units of the last session: what is older than a split is divided by its ratio
    (convention 7).
    """

    def __init__(
        self,
        sessions: tuple[date, ...],
        names: tuple[str, ...],
        told: Floats,
        actions: Mapping[tuple[str, str], Action],
    ) -> None:
        self.sessions = sessions
        self.names = names
        self._told = told
        self._of = {name: column for column, name in enumerate(names)}
        self._actions = sorted(
            actions.values(), key=lambda each: (each.ex_date, each.instrument, each.action)
        )

    def column(self, name: str) -> int | None:
        """Give the column of an instrument or a pair; None where there is no close of it."""
        return self._of.get(name)

    def unit_changes(self, name: str) -> list[Action]:
        """List the splits and stock dividends declared of an instrument, to come ones too."""
        return self._unit_changes.get(name, [])

    @cached_property
    def _unit_changes(self) -> dict[str, list[Action]]:
        found: dict[str, list[Action]] = {}
        for action in self._actions:
            if _changes_units(action):
                found.setdefault(action.instrument, []).append(action)
        return found

    @cached_property
    def closes(self) -> Floats:
        """Closes in units of the last session, shape (sessions, names); NaN where there is none."""
        closes = self._told.copy()
        for action in self._actions:
            column = self._of.get(action.instrument)
            if column is None or not self.sessions or not _changes_units(action):
                continue
            scale = scale_of(action)
            first = bisect_left(self.sessions, action.ex_date)
            if first == len(self.sessions):
                if _is_adjusted(action):
                    closes[:, column] *= scale.new / scale.old
            elif not _is_adjusted(action):
                closes[:first, column] *= scale.old / scale.new
        closes.flags.writeable = False
        return closes

    @cached_property
    def days(self) -> NDArray[np.int64]:
        """The sessions as days since 1970-01-01."""
        return np.array([(each - EPOCH).days for each in self.sessions], dtype=np.int64)

    @cached_property
    def in_force(self) -> Floats:
        """The closes in force at each session's end, in units of that session; 0 before any.

        Quantities are in those units too: a split changes both. Columns lie together in memory.
        """
        prices = filled(np.nan_to_num(self.closes))
        for name in self._unit_changes:
            column = self._of.get(name)
            if column is not None:
                prices[:, column] *= [self.units_since(name, day) for day in self.sessions]
        prices = np.asfortranarray(prices)
        prices.flags.writeable = False
        return prices

    @cached_property
    def grown(self) -> Floats:
        """What one unit of money has become by session, dividends reinvested; 0 before a close.

        Columns lie together in memory.
        """
        grown = np.ones_like(self.closes)
        np.cumprod(1.0 + np.nan_to_num(self.total_returns()), axis=0, out=grown[1:])
        grown[filled(np.nan_to_num(self.closes)) <= 0] = 0.0
        grown = np.asfortranarray(np.nan_to_num(grown))
        grown.flags.writeable = False
        return grown

    @cached_property
    def moves(self) -> Floats:
        """What a unit of money `grown` gains from each session to the next; NaN before a close.

        Columns lie together in memory.
        """
        moves = gains(self.grown.T).T
        moves.flags.writeable = False
        return moves

    def total_returns(self) -> Floats:
        """Give each session's return from the last close before, shape (sessions - 1, names).

        (close + paid) / close before - 1, as fractions, with gross dividends, and children spun off
        at their close, reinvested at the ex-date; NaN where there is no close, or none before. A
        dividend is taken to be in the currency of the instrument's price.
        """
        return self._total_returns

    @cached_property
    def _total_returns(self) -> Floats:
        closes = self.closes
        has_close = ~np.isnan(closes)
        rows = np.where(has_close, np.arange(len(closes))[:, None], 0)
        last = np.maximum.accumulate(rows, axis=0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            before = np.take_along_axis(closes, last[:-1], axis=0)
            returns = (closes[1:] + self._paid()[1:]) / before - 1.0
        returns[~np.isfinite(returns)] = np.nan
        returns.flags.writeable = False
        return returns

    def _paid(self) -> Floats:
        """What was paid for a unit of the last session, at the first close from the ex-date on."""
        paid = np.zeros_like(self.closes)
        for action in self._actions:
            column = self._of.get(action.instrument)
            first = bisect_left(self.sessions, action.ex_date)
            if column is None or first == len(self.sessions):
                continue
            closed = np.flatnonzero(~np.isnan(self.closes[first:, column]))
            if not len(closed):
                continue
            amount = 0.0
            if isinstance(action, CashDividend):
                amount = float(action.per_unit)
            elif isinstance(action, SpinOff) and (child := self._of.get(action.child)) is not None:
                child_close = self._told[first + closed[0], child]
                amount = 0.0 if np.isnan(child_close) else child_close * action.new / action.old
            units = self.units_since(action.instrument, action.ex_date)
            paid[first + closed[0], column] += amount / units
        return paid

    def units_since(self, instrument: str, day: date) -> float:
        """Give the units of the last session for one of a day: splits behind that day multiply."""
        units = 1.0
        for action in self.unit_changes(instrument):
            if day < action.ex_date <= self.sessions[-1]:
                scale = scale_of(action)
                units *= scale.new / scale.old
        return units

    def laid_out(self, sessions: int, names: tuple[str, ...], dropped: int) -> Floats:
        """Give what was told without the first sessions, with room for more, and more names."""
        told = np.full((sessions, len(names)), np.nan)
        kept = self._told[dropped:]
        place = {name: column for column, name in enumerate(names)}
        told[: len(kept), [place[name] for name in self.names]] = kept
        return told


def gains(index: Floats) -> Floats:
    """Give what each row gains from one place to the next; NaN where there was nothing before."""
    with np.errstate(divide="ignore", invalid="ignore"):
        gained = index[:, 1:] / index[:, :-1]
    gained -= 1.0
    was_there = index[:, :-1] > 0
    if not was_there.all():
        gained[~was_there] = np.nan
    return gained


def filled(values: Floats) -> Floats:
    """Let each value above zero stand until the next, down each column."""
    if not len(values):
        return values.copy()
    rows = np.where(values > 0, np.arange(len(values))[:, np.newaxis], 0)
    return np.take_along_axis(values, np.maximum.accumulate(rows, axis=0), axis=0)


def _changes_units(action: Action) -> bool:
    return isinstance(action, Split | StockDividend)


def _is_adjusted(action: Action) -> bool:
    return isinstance(action, Split | StockDividend) and action.prices_adjusted
