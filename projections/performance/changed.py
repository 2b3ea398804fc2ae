"""What changed in `performance` behind a log position, or the newest there is: sessions."""

from collections.abc import Sequence

from projections.asking import Readable
from projections.changed import CHANGED, CHANGES_MAX, TENANTS, Changed, Owner, ask_of_owners
from projections.performance.queries import DAY, NAME, day_of_row

NEWEST = 30

_NEWEST = """
owned.tenant, newest.* FROM {owned} CROSS JOIN LATERAL (
    SELECT {day} FROM {schema}.days
    WHERE days.tenant = owned.tenant AND days.portfolio = owned.portfolio
    ORDER BY session DESC LIMIT %(newest)s
) AS newest
""".replace("{day}", DAY)
_CHANGED = (
    """
days.tenant, {day} FROM {schema}.days
WHERE tenant = ANY({tenants}) AND {changed}
    AND (tenant, portfolio) IN (SELECT * FROM {owned})
LIMIT %(limit)s
""".replace("{day}", DAY)
    .replace("{changed}", CHANGED)
    .replace("{tenants}", TENANTS)
)


def days_changed(readable: Readable, owners: Sequence[Owner], *, after: int | None) -> Changed:
    """Give tenants with sessions that changed behind a position, or the newest of each portfolio.

    Raises:
        TooMuchChanged: more changed than one answer takes.
    """
    if after is None:
        found = ask_of_owners(readable, NAME, _NEWEST, owners, newest=NEWEST)
    else:
        found = ask_of_owners(readable, NAME, _CHANGED, owners, limit=CHANGES_MAX, after=after)
    return found._replace(rows=[(row[0], day_of_row(row[1:])) for row in found.rows])
