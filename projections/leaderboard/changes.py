"""Where `performance` stands, and what changed in it for contests behind a log position."""

from collections import defaultdict
from datetime import date
from typing import NamedTuple

from projections.asking import Readable, ReadModelMissing, ask
from projections.checkpoint import read_checkpoint
from projections.leaderboard.keys import Stand
from projections.leaderboard.tracks import NAME

_CHANGED = """
changed.tenant, changed.contest, changed.participant, min(changed.session), bool_or(changed.entry)
FROM (
    SELECT tenant, contest, participant, NULL::date AS session, true AS entry
    FROM {schema}.contestants WHERE changed_position > %(behind)s
    UNION ALL
    SELECT contests.tenant, contests.contest, contestants.participant, days.session, false
    FROM (SELECT DISTINCT tenant FROM {schema}.contests) AS tenants
    JOIN {schema}.days ON days.tenant = tenants.tenant AND days.changed_position > %(behind)s
    JOIN {schema}.contestants ON contestants.tenant = days.tenant
        AND contestants.portfolio = days.portfolio
    JOIN {schema}.contests ON contests.tenant = contestants.tenant
        AND contests.contest = contestants.contest
        AND days.session <= contests.last_day AND (
            days.session >= contests.first_day OR days.session = (
                SELECT max(session) FROM {schema}.sessions
                WHERE sessions.calendar = contests.calendar AND session < contests.first_day
            )
        )
) AS changed GROUP BY changed.tenant, changed.contest, changed.participant
"""


class Change(NamedTuple):
    """What changed of one entrant: sessions from `since` on, or the entry itself.

    The session before the window is among them: the first return starts at its value.
    """

    participant: str
    since: date | None
    is_entry: bool


Changes = dict[tuple[str, str], list[Change]]
"""By tenant and contest."""


def stands(readable: Readable) -> Stand:
    """Tell where the tables of all partitions stand; a stand is that of the one behind.

    Raises:
        ReadModelMissing: there are no tables yet.
    """
    with readable.connection.cursor() as cursor:
        found = [read_checkpoint(cursor, NAME + each.suffix) for each in readable.partitions]
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        raise ReadModelMissing(f"read model {NAME} has no tables yet")
    return Stand(
        log_id=str(known[0].log_id),
        edition="-".join(str(each.edition) for each in known),
        position=min(each.position for each in known),
        market_position=min(each.market_position for each in known),
    )


def changes_behind(readable: Readable, position: int) -> Changes:
    """List the entrants of whom something changed that ranks may depend on."""
    answered = ask(readable, NAME, _CHANGED, {"behind": position}, merge=lambda row: row[:3])
    changes: Changes = defaultdict(list)
    for tenant, contest, *change in answered.rows:
        changes[tenant, contest].append(Change._make(change))
    return changes
