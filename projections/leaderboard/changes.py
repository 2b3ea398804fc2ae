"""Where `performance` stands, and what changed in it for contests behind a log position."""

from collections import defaultdict
from datetime import date
from typing import NamedTuple

from projections.asking import Readable, ask
from projections.leaderboard.keys import Stand
from projections.leaderboard.tracks import NAME

_STATE = "checkpoint.log_id, checkpoint.edition"
# Each `OFFSET 0` leaves the planner no choice: from what changed to whom it concerns, by indexes.
_CHANGED = """
changed.tenant, changed.contest, changed.participant, min(changed.session), bool_or(changed.entry)
FROM (
    SELECT tenant, contest, participant, NULL::date AS session, true AS entry
    FROM {schema}.contestants WHERE changed_position > %(behind)s
    UNION ALL
    SELECT contests.tenant, contests.contest, entrants.participant, moved.session, false
    FROM (SELECT DISTINCT tenant FROM {schema}.contests) AS tenants
    CROSS JOIN LATERAL (
        SELECT portfolio, session FROM {schema}.days
        WHERE days.tenant = tenants.tenant AND changed_position > %(behind)s OFFSET 0
    ) AS moved
    CROSS JOIN LATERAL (
        SELECT contest, participant FROM {schema}.contestants
        WHERE contestants.tenant = tenants.tenant AND portfolio = moved.portfolio OFFSET 0
    ) AS entrants
    JOIN {schema}.contests ON contests.tenant = tenants.tenant
        AND contests.contest = entrants.contest
        AND moved.session <= contests.last_day AND (
            moved.session >= contests.first_day OR moved.session = (
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
    each_alone = [readable._replace(partitions=(each,)) for each in readable.partitions]
    found = [ask(each, NAME, _STATE, ()) for each in each_alone]
    return Stand(
        log_id=str(found[0].rows[0][0]),
        edition="-".join(str(each.rows[0][1]) for each in found),
        position=min(each.position for each in found),
        market_position=min(each.market_position for each in found),
    )


def changes_behind(readable: Readable, position: int) -> Changes:
    """List the entrants of whom something changed that ranks may depend on."""
    answered = ask(readable, NAME, _CHANGED, {"behind": position}, merge=lambda row: row[:3])
    changes: Changes = defaultdict(list)
    for tenant, contest, *change in answered.rows:
        changes[tenant, contest].append(Change._make(change))
    return changes
