"""What the fold keeps in memory: calendars with their sessions, portfolios with what they held.

A portfolio's holdings are those at the last closed session of its calendar; facts of sessions that
have not closed wait beside them. Quantities are signed, cash is trade-date cash by currency.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import msgspec

from domain.money import canonical
from domain.returns import Chain
from projections.performance.facts import Execution, Facts, Flow, Holdings

FIRST_MOMENT = datetime.min.replace(tzinfo=UTC)
LAST_MOMENT = datetime.max.replace(tzinfo=UTC)


def universal(at: datetime) -> datetime:
    """Give a moment in UTC; beyond the years 1 to 9999 there, the nearest one inside.

    An offset can name such a moment, and no source may stop a read model with it.
    """
    if at.tzinfo is UTC:
        return at
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return FIRST_MOMENT if at.year == 1 else LAST_MOMENT


class Session(NamedTuple):
    """A closed session: the interval [starts_at, ends_at), valued at `ends_at`."""

    day: date
    starts_at: datetime
    ends_at: datetime


class Calendar:
    """The closed sessions of one calendar, ascending, and the portfolios they value."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.days: list[date] = []
        self.starts: list[datetime] = []
        self.ends: list[datetime] = []
        self.portfolios: list[Portfolio] = []

    def close(self, session: Session) -> None:
        """Add the session that closed last."""
        self.days.append(session.day)
        self.starts.append(session.starts_at)
        self.ends.append(session.ends_at)

    def __len__(self) -> int:
        """Count the closed sessions, which is also the index of the open one."""
        return len(self.days)

    def session(self, index: int) -> Session:
        """Give a closed session."""
        return Session(self.days[index], self.starts[index], self.ends[index])

    def is_closed(self, day: date) -> bool:
        """Say whether the session of a date has closed."""
        return bool(self.days) and day <= self.days[-1]

    def of_date(self, day: date) -> int:
        """Give the index of the first session on or after a date: mostly the open one."""
        return bisect_left(self.days, day) if self.is_closed(day) else len(self.days)

    def of_moment(self, at: datetime) -> int:
        """Give the index of the first session that ends after a moment."""
        return bisect_right(self.ends, at)

    def of_flow(self, at: datetime | None, on_date: date) -> int:
        """Give the index of the session a flow belongs to."""
        return self.of_date(on_date) if at is None else self.of_moment(at)

    def started(self, execution: Execution) -> datetime:
        """Give when an execution was made; one without a time of day, when its session began."""
        if execution.at is not None:
            return execution.at
        return self.starts[self.of_date(execution.on_date)]

    def earliest_date(self, index: int) -> date:
        """Give a date that no fact of the session at `index` or a later one is before."""
        if not index:
            return date.min
        return min(self.days[index - 1], self.ends[index - 1].date())


class Carried(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a valuation hands to the next: the chain of returns, and flows that had no rate yet.

    `unvalued` is (in, out) by currency, both positive; only a gap has any.
    """

    chain: Chain = Chain()
    unvalued: dict[str, tuple[Decimal, Decimal]] = {}


class Held(msgspec.Struct):
    """A portfolio's holdings as its row keeps them; every currency and instrument ever met too.

    `amending` are the trades that an amend has taken out and not yet booked anew, `since` the first
    session in which each instrument ever changed, `acted` the splits that its books hold.
    """

    quantities: dict[str, Decimal]
    cash: dict[str, Decimal]
    instruments: dict[str, str]
    currencies: list[str]
    amending: list[UUID] = []
    since: dict[str, date] = {}
    acted: dict[str, list[str]] = {}


class Cause(NamedTuple):
    """Why sessions from an index on are restated: the position and kind of the late fact."""

    first: int
    position: int
    reason: str


class Quote(NamedTuple):
    """A price or rate, and since when it is in force; a write-down is never stale.

    `on` is the session of a close or the trade date of an own execution; other marks have none.
    """

    at: datetime
    price: Decimal
    is_written_down: bool = False
    on: date | None = None
    is_own: bool = False


class Portfolio:
    """One portfolio: what it held at the last closed session, and the facts that wait.

    `may_begin_later` says that a fact of its first session was taken out since it was settled.
    """

    def __init__(
        self,
        tenant: str,
        name: str,
        base_currency: str,
        cost_basis: str,
        calendar: Calendar,
        position: int,
    ) -> None:
        self.tenant = tenant
        self.name = name
        self.base_currency = base_currency
        self.cost_basis = cost_basis
        self.calendar = calendar
        self.opened_position = position
        self.first_session: int | None = None
        self.holdings = Holdings()
        self.instruments: dict[str, str] = {}
        self.currencies: set[str] = set()
        self.carried = Carried()
        self.flow_moments: list[datetime] = []
        self.waiting: dict[date, Facts] = {}
        self.waiting_timed: list[Flow] = []
        self.executed: dict[str, Quote] = {}
        self.causes: list[Cause] = []
        self.may_begin_later = False
        self.amending: set[UUID] = set()
        self.since: dict[str, date] = {}
        self.acted: dict[str, list[str]] = {}

    def waiting_on(self, day: date) -> Facts:
        """Give the facts that wait for a date."""
        facts = self.waiting.get(day)
        if facts is None:
            facts = self.waiting[day] = Facts()
        return facts

    def take_back(
        self, day: date, instrument: str, quantity: Decimal, currency: str, cash: Decimal
    ) -> None:
        """Take a fill that waits for a date out again, given by what that changes."""
        facts = self.waiting[day]
        facts.take_back(instrument, quantity, currency, cash)
        if facts.is_empty:
            del self.waiting[day]

    def take_waiting(self, session: Session) -> Facts | None:
        """Take the facts that belong to a session which has just closed; None if there are none."""
        taken: Facts | None = None
        for day in sorted(day for day in self.waiting if day <= session.day):
            facts = self.waiting.pop(day)
            if taken is None:
                taken = facts
            else:
                taken.merge(facts)
        if not self.waiting_timed:
            return taken
        for flow in self._timed_before(session.ends_at):
            taken = taken or Facts()
            taken.add_flow(flow)
            if flow.at is not None:
                insort(self.flow_moments, flow.at)
        return taken

    def _timed_before(self, ends_at: datetime) -> Iterator[Flow]:
        waiting = self.waiting_timed
        self.waiting_timed = [flow for flow in waiting if flow.at is None or flow.at >= ends_at]
        return (flow for flow in waiting if flow.at is not None and flow.at < ends_at)

    def hold(self, facts: Facts, session: date) -> None:
        """Take facts of a closed session into the holdings."""
        self.holdings.merge(facts)
        self.note(facts, session)

    def note(self, facts: Facts, session: date) -> None:
        """Remember what was ever held, and forget the last prices of what was traded."""
        touched = facts.touched if facts.actions else facts.instruments
        self.instruments |= touched
        self.currencies |= facts.currencies
        for name in touched:
            self.executed.pop(name, None)
            if name not in self.since or session < self.since[name]:
                self.since[name] = session

    def act(self, name: str, action: str, *, is_applied: bool) -> None:
        """Remember that the books hold a split of an instrument, or do not any more."""
        known = [each for each in self.acted.pop(name, []) if each != action]
        if is_applied:
            known = sorted([*known, action])
        if known:
            self.acted[name] = known

    def held(self) -> bytes:
        """Write the holdings in their one form."""
        holdings = self.holdings
        held = Held(
            {name: canonical(amount) for name, amount in holdings.quantities.items()},
            {name: canonical(amount) for name, amount in holdings.cash.items()},
            self.instruments,
            sorted(self.currencies),
            sorted(self.amending),
            self.since,
            self.acted,
        )
        return msgspec.json.encode(held, order="deterministic")

    def set_held(self, held: str) -> None:
        """Take the holdings as its row keeps them."""
        read = msgspec.json.decode(held, type=Held)
        self.holdings.quantities = read.quantities
        self.holdings.cash = read.cash
        self.instruments = read.instruments
        self.currencies = set(read.currencies)
        self.amending = set(read.amending)
        self.since = read.since
        self.acted = read.acted
