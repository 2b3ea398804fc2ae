"""What changed in `cash` behind a log position, or all there is: balances."""

from collections.abc import Sequence

from projections.asking import Readable
from projections.cash.model import BalanceRow
from projections.changed import CHANGES_MAX, Changed, Owner, ask_of_owners

_BALANCES = """
balances.* FROM {schema}.balances JOIN {owned} USING (tenant, portfolio)
WHERE changed_position > %(after)s LIMIT %(limit)s
"""


def balances_changed(readable: Readable, owners: Sequence[Owner], *, after: int | None) -> Changed:
    """Give balances that changed behind a position, or all; none ever goes away.

    Raises:
        TooMuchChanged: more changed than one answer takes.
    """
    limit = None if after is None else CHANGES_MAX
    found = ask_of_owners(readable, "cash", _BALANCES, owners, limit=limit, after=after or 0)
    return found._replace(rows=[(BalanceRow(*values),) for values in found.rows])
