"""Which portfolios may be worth something else since a log position, for whoever asks anew."""

from collections.abc import Collection, Sequence

from projections.asking import Readable, ask
from projections.changed import CHANGED, Owner, ask_of_owners, changed_of

_BOOKED = """
DISTINCT positions.tenant, positions.portfolio FROM {positions}
JOIN {owned} USING (tenant, portfolio)
""".replace("{positions}", changed_of("positions"))
_MOVED = """
DISTINCT moved.tenant, moved.portfolio FROM (
    SELECT tenant, portfolio FROM {schema}.balances WHERE {changed}
    UNION ALL SELECT tenant, portfolio FROM {schema}.receivables WHERE {changed}
) AS moved JOIN {owned} USING (tenant, portfolio)
""".replace("{changed}", CHANGED)
_LOOKED_AT = (("positions", _BOOKED), ("cash", _MOVED))


def portfolios_touched(
    readable: Readable, owners: Sequence[Owner], *, after: int, model: str
) -> Collection[Owner]:
    """Name those with bookings or cash moved behind a position where `model` stood.

    All of them where the market has told something, or where what is looked at stands behind
    `model`. Asked within one snapshot of the database.
    """
    standing = ask(readable, model, "1", ())
    if standing.market_position > after:
        return owners
    touched: set[Owner] = set()
    for name, rows in _LOOKED_AT:
        found = ask_of_owners(readable, name, rows, owners, after=after)
        if found.position < standing.position:
            return owners
        touched.update((tenant, portfolio) for tenant, portfolio in found.rows)
    return touched
