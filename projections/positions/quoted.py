"""What is known of all instruments and pairs: price in force, sector, whether they trade.

It is the same for every tenant, so it is kept in memory, and only rows that changed behind the log
position where they were read last are read.
"""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from projections.asking import Answered, Database, Readable, ask
from projections.bounded_memory import BoundedMemory
from projections.positions.in_force import TODAY, in_force

NAME = "positions"
SCHEMAS_MAX = 8
"""Schemas of databases that are kept in one process, about 300 bytes an instrument."""

# A change of terms moves the row of the instrument too.
_CHANGED = """
checkpoint.log_id, checkpoint.edition, (SELECT max(ends_at) FROM {schema}.calendars) AS closed_at,
    told.*
FROM (SELECT) AS one LEFT JOIN (
    SELECT instrument, {sector}, prices.price, prices.at, prices.source, calendars.starts_at,
        instruments.suspended_at IS NOT NULL
            OR coalesce(instruments.delisted_on <= {today}, false) AS is_inactive,
        instrument IN (
            SELECT actions.instrument FROM {schema}.actions
            WHERE kind IN ('split', 'stock_dividend')
        ) AS was_split
    FROM {schema}.instruments FULL JOIN {schema}.prices USING (instrument)
    LEFT JOIN {schema}.calendars USING (calendar)
    WHERE instruments.changed_position > %(behind)s OR prices.changed_position > %(behind)s
        OR calendars.changed_position > %(behind)s
        OR instrument IN (
            SELECT actions.instrument FROM {schema}.actions WHERE changed_position > %(behind)s
        )
) AS told ON true
""".replace("{sector}", in_force("sector")).replace("{today}", TODAY)


class Quoted(NamedTuple):
    """An instrument or a pair; `price` is absent without one, `fresh_from` without a session."""

    sector: str | None
    price: Decimal | None
    at: datetime | None
    source: str | None
    fresh_from: datetime | None
    is_inactive: bool
    was_split: bool


class Market(NamedTuple):
    """All of them by name, and the newest time that anything told; it never changes."""

    quoted: dict[str, Quoted]
    now: datetime | None


class _Read(NamedTuple):
    of: tuple[UUID, int]
    position: int
    market: Market


_KEPT: BoundedMemory[tuple[Database, str], _Read] = BoundedMemory(SCHEMAS_MAX)


def market_of(readable: Readable) -> tuple[Answered, Market]:
    """Give all that is quoted, as of the snapshot of the one partition asked; and its state.

    Raises:
        ReadModelMissing: there are no tables yet.
    """
    (partition,) = readable.partitions
    key = (readable.database, NAME + partition.suffix)
    answered, read = _read_on(readable, _KEPT.get(key))
    with _KEPT.lock:  # Not held while reading: what is kept is never changed.
        last = _KEPT.get(key)
        if last is None or last.of != read.of or last.position <= read.position:
            _KEPT.keep(key, read)
    return answered, read.market


def _read_on(readable: Readable, known: _Read | None) -> tuple[Answered, _Read]:
    behind = -1 if known is None else known.position
    answered = ask(readable, NAME, _CHANGED, {"behind": behind})
    log_id, edition, closed_at = answered.rows[0][:3]
    of, position = (log_id, edition), answered.position
    if known is not None and (known.of != of or position < known.position):
        return _read_on(readable, None)
    told = {row[3]: Quoted(*row[4:]) for row in answered.rows if row[3] is not None}
    if known is not None and not told:
        return answered, known._replace(position=position)
    quoted = told if known is None else known.market.quoted | told
    moments = [closed_at, *(each.at for each in quoted.values())]
    now = max((each for each in moments if each is not None), default=None)
    return answered, _Read(of, position, Market(quoted, now))
