"""Book order: the one order in which lots, cash and P&L are folded, whatever arrived when.

Decision 0005 tells why a source's own sequence stands before "buys before sells": as convention 3
words it, comparing some pairs by sequence and others by side is not a total order.
"""

from datetime import UTC, date, datetime

COST_BASIS = -1
CORPORATE_ACTION = 0
TRADE = 1
TRANSFER = 2
"""A transfer without a time of day: behind every trade of its date."""
NO_TIME_OF_DAY = datetime.min.replace(tzinfo=UTC)

BookKey = tuple[date, int, datetime, str, bool, int, bool, str]


def book_key(
    *,
    trade_date: date,
    executed_at: datetime | None,
    source: str,
    source_sequence: int | None,
    is_sell: bool,
    external_id: str,
) -> BookKey:
    """Place a trade: date, time (none first), source, its sequence (none last), buys first, id."""
    return (
        trade_date,
        TRADE,
        NO_TIME_OF_DAY if executed_at is None else executed_at,
        source,
        source_sequence is None,
        source_sequence or 0,
        is_sell,
        external_id,
    )
