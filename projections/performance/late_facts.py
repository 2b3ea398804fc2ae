"""A day as it was struck beside what is known now, and the events that came in between.

Struck + restated = current, of the NAV and of the return.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec
from msgspec.structs import astuple

from domain.money import canonical
from projections.performance.history import History
from projections.performance.state import Session

_LATE = """
late.* FROM (
    SELECT position AS told_at, 'trade' AS kind, trade_id::text AS told_of FROM {schema}.fills
    WHERE tenant = %s AND portfolio = %s AND on_date <= %s AND position > %s
    UNION ALL SELECT position, part, currency FROM {schema}.flows
    WHERE tenant = %s AND portfolio = %s AND position > %s
        AND CASE WHEN at IS NULL THEN on_date <= %s ELSE at < %s END
    UNION ALL SELECT position, 'corporate_action', action_of || '/' || action FROM {schema}.acts
    WHERE tenant = %s AND portfolio = %s AND on_date <= %s AND position > %s
) AS late
"""
_STRUCK = """
struck_position AS struck_at, struck_nav, struck_return, nav, daily_return, restated_position,
    restated_reason
FROM {schema}.days WHERE tenant = %s AND portfolio = %s AND session = %s
"""


class Late(msgspec.Struct, frozen=True):
    """An event behind the striking of a day that counts in it; one taken out again is not there."""

    position: int
    kind: str
    told_of: str


class Struck(msgspec.Struct, frozen=True):
    """What was struck, what is known now, and what lies between: struck + restated = current."""

    position: int | None
    struck: Decimal | None
    restated: Decimal | None
    current: Decimal | None
    restated_position: int | None
    restated_reason: str | None
    late: list[Late]


def struck_and_current(
    history: History, session: Session, names: Iterable[str]
) -> tuple[Struck, Struck]:
    """Tell a day's NAV, then its return; `names` are the marks that it is valued with."""
    on, ends_at, owner = session.day, session.ends_at, history.owner
    ((position, *columns),) = history.ask(_STRUCK, *owner, on).rows
    struck_nav, struck_return, nav, daily_return, restated, reason = columns
    late: list[Late] = []
    if position is not None:
        rows = history.ask(
            _LATE, *owner, on, position, *owner, position, on, ends_at, *owner, on, position
        ).rows  # fmt: skip
        rows += history.market.late_marks(history.readable, list(names), ends_at, position)
        late = sorted((Late(*row) for row in rows), key=astuple)
    nav_pair, return_pair = (struck_nav, nav), (struck_return, daily_return)
    of_nav, of_return = (
        Struck(position, struck, less(current, struck), current, restated, reason, late)
        for struck, current in (nav_pair, return_pair)
    )
    return of_nav, of_return


def less(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """Subtract; None where one is not known."""
    return None if one is None or other is None else canonical(one - other)
