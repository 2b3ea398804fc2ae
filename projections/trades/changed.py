"""What changed in `trades` behind a log position, or the newest there are."""

from collections.abc import Sequence

from projections.changed import CHANGES_MAX, Owner, Question, changed_of, question_of_owners
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


def trades_changed(owners: Sequence[Owner], *, after: int | None) -> Question:
    """Ask for captures that changed behind a position, or for the newest of each portfolio."""
    if after is None:
        return question_of_owners("trades", _NEWEST, owners, trade_row, newest=NEWEST)
    return question_of_owners("trades", _CHANGED, owners, trade_row, limit=CHANGES_MAX, after=after)
