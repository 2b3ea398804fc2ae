"""What all portfolios of a tenant hold of each instrument, summed.

The database sums it when it is asked for seldom. Where it is asked for again before much has
changed, the positions are kept in memory with their sums, and only what changed behind the log
position they are of is read: the difference of each moves the sums, exactly.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from sys import intern
from threading import Lock
from typing import Any, NamedTuple
from uuid import UUID

from domain.money import ZERO
from projections.asking import Answered, Database, Readable, ask

NAME = "positions"
POSITIONS_MAX = 100_000
"""Positions kept in one process, about 400 bytes each; a tenant with more is summed each time."""
TENANTS_MAX = 1_000
"""Tenants of which it is known when they were asked for last."""
CHANGES_MAX = 10_000
"""Changed positions that are read for the differences they make; behind more, all is summed."""

_SUMS = """
instrument, currency, count(*), sum(quantity) FILTER (WHERE quantity > 0),
    sum(quantity) FILTER (WHERE quantity < 0), sum(cost)
FROM {schema}.positions WHERE tenant = %s AND quantity <> 0 GROUP BY instrument, currency
"""
_ROWS = """
checkpoint.log_id, checkpoint.edition, told.* FROM (SELECT) AS one LEFT JOIN (
    SELECT portfolio, instrument, currency, quantity, cost FROM {schema}.positions
    WHERE tenant = %s AND {which}
) AS told ON true
"""
_OPEN = _ROWS.replace("{which}", "quantity <> 0")
_CHANGED = _ROWS.replace("{which}", "changed_position > %s LIMIT %s")


class Sum(NamedTuple):
    """What is held of an instrument in a currency; `short` is negative."""

    holders: int
    long: Decimal
    short: Decimal
    cost: Decimal


Sums = dict[tuple[str, str], Sum]
"""By instrument and currency."""

_Key = tuple[Database, str, str]
"""The database, schema and tenant."""
_Position = tuple[str, Decimal, Decimal]
"""Currency, quantity and cost of an open position."""
_NOTHING = Sum(0, ZERO, ZERO, ZERO)


@dataclass(slots=True)
class _Held:
    """A tenant's open positions by portfolio and instrument, as of a position of a log."""

    of: tuple[UUID, int]
    position: int
    count: int = 0
    rows: dict[str, dict[str, _Position]] = field(default_factory=dict)
    sums: Sums = field(default_factory=dict)

    def is_of(self, answered: Answered) -> bool:
        """Say whether an answer is of the same log and edition."""
        return bool(answered.rows[0][:2] == self.of)

    def followed(self, answered: Answered) -> bool:
        """Go on to the position of an answer; False where it does not tell all that changed."""
        if not self.is_of(answered) or len(answered.rows) > CHANGES_MAX:
            return False
        self.position = answered.position
        self.take(row[2:] for row in answered.rows if row[2] is not None)
        return True

    def take(self, told: Iterable[tuple[Any, ...]]) -> None:
        """Take positions as they are now."""
        for portfolio, instrument, currency, quantity, cost in told:
            held = self.rows.setdefault(portfolio, {})
            name = intern(instrument)
            before = held.pop(name, None)
            if before is not None:
                self.count -= 1
                self._move(name, *before, sign=-1)
            if quantity:
                self.count += 1
                held[name] = (intern(currency), quantity, cost)
                self._move(name, *held[name], sign=1)

    def _move(
        self, instrument: str, currency: str, quantity: Decimal, cost: Decimal, *, sign: int
    ) -> None:
        key = instrument, currency
        holders, long, short, spent = self.sums.get(key, _NOTHING)
        holders += sign
        if not holders:
            del self.sums[key]
            return
        amount, cost = quantity * sign, cost * sign
        if quantity > 0:
            long += amount
        else:
            short += amount
        self.sums[key] = Sum(holders, long, short, spent + cost)


class _Asked(NamedTuple):
    """When a tenant that is not kept was asked for last, and how many positions it had."""

    position: int
    positions: int


class _Kept:
    """What this process remembers, the tenant asked for longest ago first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: dict[_Key, _Held] = {}
        self._asked: dict[_Key, _Asked] = {}

    def sums(self, readable: Readable, tenant: str) -> Sums:
        (partition,) = readable.partitions
        key = (readable.database, NAME + partition.suffix, tenant)
        with self._lock:  # Held while reading: what is kept moves in place.
            known = self._held.pop(key, None)
            if known is not None:
                answered = _changed(readable, tenant, known.position)
                is_older = known.is_of(answered) and answered.position < known.position
                if is_older or known.followed(answered):
                    self._held[key] = known
                    return _summed(readable, tenant)[1] if is_older else known.sums.copy()
            asked = self._asked.pop(key, None)
            if asked is not None and _is_soon(asked, readable, tenant):
                known = self._held[key] = _read(readable, tenant)
                self._forget()
                return known.sums.copy()
            answered, sums = _summed(readable, tenant)
            count = sum(each.holders for each in sums.values())
            self._asked[key] = _Asked(answered.position, count)
            if len(self._asked) > TENANTS_MAX:
                del self._asked[next(iter(self._asked))]
            return sums

    def _forget(self) -> None:
        count = sum(each.count for each in self._held.values())
        while count > POSITIONS_MAX:
            count -= self._held.pop(next(iter(self._held))).count


_KEPT = _Kept()


def sums_of(readable: Readable, tenant: str) -> Sums:
    """Sum the open positions of a tenant in the one partition asked, as of the snapshot.

    Raises:
        ReadModelMissing: there are no tables yet.
    """
    return _KEPT.sums(readable, tenant)


def _summed(readable: Readable, tenant: str) -> tuple[Answered, Sums]:
    answered = ask(readable, NAME, _SUMS, (tenant,))
    return answered, {
        (instrument, currency): Sum(holders, long or ZERO, short or ZERO, cost)
        for instrument, currency, holders, long, short, cost in answered.rows
    }


def _is_soon(asked: _Asked, readable: Readable, tenant: str) -> bool:
    """Say whether it is worth to be kept: asked for again before much has changed."""
    if asked.positions > POSITIONS_MAX:
        return False
    return len(_changed(readable, tenant, asked.position).rows) <= CHANGES_MAX


def _changed(readable: Readable, tenant: str, behind: int) -> Answered:
    # The plan is made for the position, near the end, that is asked for.
    parameters = (tenant, behind, CHANGES_MAX + 1)
    return ask(readable, NAME, _CHANGED, parameters, prepare=False)


def _read(readable: Readable, tenant: str) -> _Held:
    answered = ask(readable, NAME, _OPEN, (tenant,))
    held = _Held(answered.rows[0][:2], answered.position)
    held.take(row[2:] for row in answered.rows if row[2] is not None)
    return held
