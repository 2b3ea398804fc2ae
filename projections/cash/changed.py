"""What changed in `cash` behind a log position, or all there is: balances."""

from collections.abc import Sequence

from projections.asking import Readable
from projections.cash.model import BalanceRow
from projections.changed import CHANGES_MAX, Changed, Owner, ask_of_owners, changed_of

_BALANCES = """
balances.* FROM {balances} JOIN {owned} USING (tenant, portfolio)
"""
_ALL = _BALANCES.replace("{balances}", "{schema}.balances")
_CHANGED = _BALANCES.replace("{balances}", changed_of("balances")) + "LIMIT %(limit)s"


def balances_changed(readable: Readable, owners: Sequence[Owner], *, after: int | None) -> Changed:
    """Give balances that changed behind a position, or all; none ever goes away.

    Raises:
        TooMuchChanged: more changed than one answer takes.
    """
    if after is None:
        found = ask_of_owners(readable, "cash", _ALL, owners)
    else:
        found = ask_of_owners(readable, "cash", _CHANGED, owners, limit=CHANGES_MAX, after=after)
    return found._replace(rows=[(BalanceRow(*values),) for values in found.rows])
