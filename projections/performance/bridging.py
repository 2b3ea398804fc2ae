"""The bridge between the NAVs of two sessions, made when it is asked for (convention 9).

Nothing of it is stored: the facts of one portfolio are folded in book order by the domain's own
matching, and its NAVs must be those of `days`, of the same position.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from domain.bridge import Account, Bridge, Prices, RateMissing
from projections.asking import Readable
from projections.paging import Answer
from projections.performance.history import History, of_portfolio

_DAYS = """
session, ends_at, nav FROM (
    (SELECT session, ends_at, nav FROM {schema}.days
     WHERE tenant = %s AND portfolio = %s AND session < %s ORDER BY session DESC LIMIT 1)
    UNION ALL
    (SELECT session, ends_at, nav FROM {schema}.days
     WHERE tenant = %s AND portfolio = %s AND session BETWEEN %s AND %s
     ORDER BY session DESC LIMIT 1)
) AS days
"""


class BridgeView(msgspec.Struct, frozen=True):
    """A bridge from the end of one session, or from nothing, to the end of another.

    Without a bridge `reason` says why: `no_session`, `nav_incomplete`, `rate_missing` of
    a fact, or of what is held at an end.
    """

    portfolio: str
    currency: str
    start_session: date | None
    end_session: date | None
    bridge: Bridge | None = None
    reason: str | None = None


class _End(NamedTuple):
    """A session at whose end a NAV stands."""

    session: date
    at: datetime
    nav: Decimal | None


def bridge_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    since: date | None = None,
    until: date | None = None,
) -> Answer[BridgeView]:
    """Explain the change of NAV from the session before `since` to the last up to `until`.

    No row when the tenant has no such portfolio.

    Raises:
        HistoryTooLong: it has more facts than are folded for one answer.
    """
    view, answered = of_portfolio(
        readable,
        tenant=tenant,
        portfolio=portfolio,
        answer=lambda history: _bridge(history, since or date.min, until or date.max),
    )
    return Answer(view, answered.position, answered.market_position)


def _bridge(history: History, since: date, until: date) -> BridgeView:
    found = history.ask(_DAYS, *history.owner, since, *history.owner, since, until).rows
    days = [_End(*row) for row in found]
    start = next((day for day in days if day.session < since), None)
    end = next((day for day in days if day.session >= since), None)
    view = BridgeView(
        portfolio=history.owner[1],
        currency=history.base_currency,
        start_session=start and start.session,
        end_session=end and end.session,
    )
    if end is None:
        return msgspec.structs.replace(view, reason="no_session")
    if end.nav is None or (start is not None and start.nav is None):
        return msgspec.structs.replace(view, reason="nav_incomplete")
    history.read(end.session)
    try:
        return msgspec.structs.replace(view, bridge=_explained(history, start, end))
    except RateMissing:
        return msgspec.structs.replace(view, reason="rate_missing")


def _explained(history: History, start: _End | None, end: _End) -> Bridge:
    facts = list(history.facts())
    before = -1 if start is None else history.index_of(start.session)
    account = Account(history.base_currency, history.basis)
    for index, fact in facts:
        if index <= before:
            account.take(fact)
    bridge = account.bridge(
        (fact for index, fact in facts if index > before),
        start=Prices({}, {}) if start is None else history.prices(start.session, start.at),
        end=history.prices(end.session, end.at),
    )
    assert not bridge.unexplained, "the parts explain the change of NAV"
    assert bridge.nav_end == end.nav, "the bridge ends at the NAV of its day"
    assert start is None or bridge.nav_start == start.nav, "and begins at that of its day"
    return bridge
