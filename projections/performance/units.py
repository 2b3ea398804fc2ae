"""Units: which splits hold, in the units of which day a price is told, and who is behind.

A position is valued in the units of its session: a split counts from its ex-date on. A holder is
behind where a split that holds is not in its books yet, or a reversed one still is.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import msgspec
import psycopg
from msgspec.structs import replace

from domain.calendars import local_date
from domain.corporate_actions import (
    Action,
    Scale,
    Split,
    StockDividend,
    Terms,
    scale_between,
    scale_of,
    value_at_mark,
)
from domain.instrument import (
    CorporateActionDeclared,
    CorporateActionReversed,
    InstrumentRegistered,
)
from projections.performance.facts import ActionOrder
from projections.performance.state import Portfolio, Quote
from projections.performance.tables import ACTION_COLUMNS, NULL, moment, text, upsert_lines

UnitChange: TypeAlias = Split | StockDividend
ActionName: TypeAlias = tuple[str, str]
"""Instrument and action."""

_ACTIONS = "SELECT terms, position, reversed_position FROM {schema}.actions ORDER BY position"
_LISTINGS = "SELECT instrument, calendar FROM {schema}.listings"


class Behind(NamedTuple):
    """A split that a holder's books lack, or hold though it was reversed, and since which session.

    What is lacked is to multiply the position by `scale` as its session starts.
    """

    session: int
    ex_date: date
    instrument: str
    action: str
    scale: Scale | None

    @property
    def order(self) -> ActionOrder:
        """Its place among the actions."""
        return self.ex_date, False, self.instrument, self.action


class Declared(NamedTuple):
    """An action, and the log positions at which it was declared and, if so, reversed."""

    action: Action
    position: int
    reversed_position: int | None


class Units:
    """The actions declared in one schema and the calendars of instruments, kept in memory."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._declared: dict[ActionName, tuple[Action, int]] = {}
        self._reversed: dict[ActionName, int] = {}
        self._changes: dict[str, dict[str, UnitChange]] = {}
        self._calendars: dict[str, str] = {}
        self._written: set[ActionName] = set()
        self._listed: list[str] = []

    @classmethod
    def of(cls, actions: Iterable[Action], calendars: Mapping[str, str]) -> "Units":
        """Know these actions and calendars, and write nothing."""
        made = cls("")
        for action in actions:
            made._take(action, 0)
        made._calendars.update(calendars)
        return made

    @classmethod
    def told(cls, actions: Iterable[Declared], calendars: Mapping[str, str]) -> "Units":
        """Know what was declared and taken back, and calendars, and write nothing."""
        made = cls("")
        made._calendars.update(calendars)
        for action, position, reversed_position in actions:
            made._take(action, position)
            if reversed_position is not None:
                made._take_back((action.instrument, action.action), reversed_position)
        return made

    def register(self, event: InstrumentRegistered) -> None:
        """Note on which calendar an instrument is traded: it dates the marks."""
        self._calendars[event.instrument] = event.calendar
        line = f"{text(event.instrument)}\t{text(event.calendar)}\t{event.currency}\n"
        self._listed.append(line)

    def declare(self, event: CorporateActionDeclared, position: int) -> Action:
        """Take a declared action."""
        action = event.terms.action
        self._take(action, position)
        self._written.add((action.instrument, action.action))
        return action

    def reverse(self, event: CorporateActionReversed, position: int) -> Action:
        """Take an action back; give it."""
        name = (event.instrument, event.action)
        self._take_back(name, position)
        self._written.add(name)
        return self._declared[name][0]

    def is_reversed(self, action: Action) -> bool:
        """Say whether an action was taken back."""
        return (action.instrument, action.action) in self._reversed

    def is_changed(self, name: str) -> bool:
        """Say whether any action ever changed what a unit of an instrument is."""
        return bool(self._changes.get(name))

    def scale(self, name: str, quote: Quote, on: date) -> Scale | None:
        """Give by how much units multiplied from a price to a date; None if nothing changed them.

        An own execution is told in the units of its date, whatever the sources of marks do.
        """
        changes = self._changes.get(name)
        if not changes:
            return None
        marked_on = self.marked_on(name, quote)
        actions = list(changes.values())
        if quote.is_own:
            actions = [replace(action, prices_adjusted=False) for action in actions]
        scale = scale_between(actions, marked_on=marked_on, valued_on=on)
        return None if scale.new == scale.old else scale

    def marked_on(self, name: str, quote: Quote) -> date:
        """Give the date whose units a price is told in, where its source does not adjust it."""
        if quote.on is not None:
            return quote.on
        calendar, at = self._calendars.get(name), quote.at
        return at.astimezone(UTC).date() if calendar is None else local_date(calendar, at)

    def worth(self, name: str, quantity: Decimal, quote: Quote, on: date) -> Decimal:
        """Value units of a date at a price; exact where nothing changed them in between."""
        scale = self.scale(name, quote, on)
        if scale is None:
            return quantity * quote.price
        return value_at_mark(quantity, quote.price, scale)

    def behind(self, portfolio: Portfolio) -> list[Behind]:
        """List, in order, in what a portfolio is behind in closed sessions.

        A position that began in the session of an ex-date or later is in its units already.
        """
        calendar = portfolio.calendar
        found: list[Behind] = []
        for name in self._changes.keys() & portfolio.since.keys():
            acted = portfolio.acted.get(name, ())
            for key, action in self._changes[name].items():
                index = calendar.of_date(action.ex_date)
                if key in acted or index == len(calendar):
                    continue
                if portfolio.since[name] < calendar.days[index]:
                    found.append(Behind(index, action.ex_date, name, key, scale_of(action)))
        for name, acted in portfolio.acted.items() if self._reversed else ():
            for key in acted:
                if (name, key) in self._reversed:
                    ex_date = self._declared[name, key][0].ex_date
                    index = calendar.of_date(ex_date)
                    if index < len(calendar):
                        found.append(Behind(index, ex_date, name, key, None))
        return sorted(found, key=attrgetter("order"))

    def flush(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write what came since the last time."""
        if self._listed:
            columns = "instrument, calendar, currency"
            table = f"{self._schema}.listings"
            upsert_lines(cursor, table, columns, self._listed, key="instrument")
            self._listed = []
        if self._written:
            lines = [self._line(name) for name in sorted(self._written)]
            table = f"{self._schema}.actions"
            upsert_lines(cursor, table, ACTION_COLUMNS, lines, key="instrument, action")
            self._written = set()

    def load(self, cursor: psycopg.Cursor[Any]) -> None:
        """Load what was written before."""
        cursor.execute(_LISTINGS.format(schema=self._schema).encode())
        self._calendars = dict(cursor.fetchall())
        cursor.execute(_ACTIONS.format(schema=self._schema).encode())
        for terms, position, reversed_position in cursor.fetchall():
            action = msgspec.json.decode(terms, type=Terms).action
            self._take(action, position)
            if reversed_position is not None:
                self._take_back((action.instrument, action.action), reversed_position)

    def _take(self, action: Action, position: int) -> None:
        self._declared[action.instrument, action.action] = (action, position)
        if isinstance(action, Split | StockDividend):
            self._changes.setdefault(action.instrument, {})[action.action] = action

    def _take_back(self, name: ActionName, position: int) -> None:
        instrument, action = name
        self._reversed[name] = position
        self._changes.get(instrument, {}).pop(action, None)

    def _line(self, name: ActionName) -> str:
        action, position = self._declared[name]
        terms = msgspec.json.encode(Terms.of(action), order="deterministic").decode()
        gone = self._reversed.get(name)
        return (
            f"{text(name[0])}\t{text(name[1])}\t{moment(action.ex_date)}\t{text(terms)}\t"
            f"{position}\t{NULL if gone is None else gone}\n"
        )
