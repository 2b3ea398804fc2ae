"""What changed in `trades` behind a log position, or the newest there are."""

from collections.abc import Sequence

from projections.asking import Readable
from projections.changed import CHANGES_MAX, Changed, Owner, ask_of_owners, changed_of
from projections.trades.rows import trade_row

NEWEST = 100

_NEWEST = """
newest.* FROM {owned} CROSS JOIN LATERAL (
    SELECT * FROM {schema}.trades
    WHERE trades.tenant = owned.tenant AND trades.portfolio = owned.portfolio
    ORDER BY position DESC LIMIT %(newest)s
) AS newest
"""
_CHANGED = f"""
trades.* FROM {changed_of("trades")} JOIN {{owned}} USING (tenant, portfolio) LIMIT %(limit)s
"""


def trades_changed(readable: Readable, owners: Sequence[Owner], *, after: int | None) -> Changed:
    """Give captures that changed behind a position, or the newest of each portfolio.

    Raises:
        TooMuchChanged: more changed than one answer takes.
    """
    if after is None:
        found = ask_of_owners(readable, "trades", _NEWEST, owners, newest=NEWEST)
    else:
        found = ask_of_owners(readable, "trades", _CHANGED, owners, limit=CHANGES_MAX, after=after)
    return found._replace(rows=[(trade_row(values),) for values in found.rows])
