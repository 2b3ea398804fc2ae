"""The bridge between the NAVs of two sessions, made when it is asked for (convention 9).

Nothing of it is stored: the facts of one portfolio are folded in book order by the domain's own
matching, and its NAVs must be those of `days`, of the same position.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from domain.bridge import (
    Account,
    Bridge,
    BridgeLine,
    CashMoved,
    Fact,
    Moved,
    Part,
    Prices,
    RateMissing,
    Taken,
    Traded,
    WrittenDown,
)
from domain.money import ZERO, canonical
from projections.asking import PAGE_ROWS_MAX, Readable
from projections.paging import Answer, Page, page_of, read_cursor
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
    a fact, or of what is held at an end, `being_restated` while an action that was declared or
    reversed, or changed by a late trade, is still to be told of its holder.
    """

    portfolio: str
    currency: str
    start_session: date | None
    end_session: date | None
    bridge: Bridge | None = None
    reason: str | None = None


class OpenedLine(msgspec.Struct, frozen=True):
    """What a fact, or revaluing a position or a currency, adds to a part, in the base currency.

    `name` is the instrument or the currency; `position` is the log's, of the event that told the
    fact (of several the last), null for a revaluation between the ends.
    """

    part: Part
    kind: str
    name: str
    amount: Decimal
    position: int | None


_KINDS: dict[type[Fact] | None, str] = {
    Traded: "trade",
    CashMoved: "cash",
    WrittenDown: "write_down",
    Taken: "corporate_action",
    Moved: "transfer",
    None: "revaluation",
}


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
    found, answered = of_portfolio(
        readable,
        tenant=tenant,
        portfolio=portfolio,
        answer=lambda history: _bridge(history, since or date.min, until or date.max),
    )
    view = None if found is None else found[0]
    return Answer(view, answered.position, answered.market_position)


def opened_bridge_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    since: date | None = None,
    until: date | None = None,
    part: Part | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> tuple[BridgeView | None, Page[OpenedLine], Decimal]:
    """Open a bridge, or one part of it: a page of lines, and the sum of all of them.

    Lines are in the order of the facts, revaluations of cash before them and of positions behind.
    Each amount is exact, and so are the sums. No view when the tenant has no such portfolio.

    Raises:
        CursorInvalid: the cursor is not of this question.
        HistoryTooLong: it has more facts than are folded for one answer.
    """
    question = f"bridge {tenant} {portfolio} {since} {until} {part}"
    start = 0 if cursor is None else read_cursor(question, cursor, int)
    found, answered = of_portfolio(
        readable,
        tenant=tenant,
        portfolio=portfolio,
        answer=lambda history: _bridge(history, since or date.min, until or date.max),
    )
    view, told = found or (None, [])
    lines = [_opened(line) for line in told if part in {None, line.part}]
    numbered = list(enumerate(lines, start=1))[start : start + limit + 1]
    page = page_of(question, answered, numbered, limit=limit, key=lambda row: row[0])
    rows = [line for _, line in page.rows]
    total = canonical(sum((line.amount for line in lines), ZERO))
    return view, Page(rows, page.position, page.market_position, page.next_cursor), total


def _opened(line: BridgeLine) -> OpenedLine:
    fact = line.fact
    return OpenedLine(
        part=line.part,
        kind=_KINDS[None if fact is None else type(fact)],
        name=line.name,
        amount=canonical(line.amount),
        position=None if fact is None else fact.position,
    )


def _bridge(history: History, since: date, until: date) -> tuple[BridgeView, list[BridgeLine]]:
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
        return msgspec.structs.replace(view, reason="no_session"), []
    if end.nav is None or (start is not None and start.nav is None):
        return msgspec.structs.replace(view, reason="nav_incomplete"), []
    history.read(end.session)
    try:
        opened = _explained(history, start, end)
    except RateMissing:
        return msgspec.structs.replace(view, reason="rate_missing"), []
    if opened is None:
        return msgspec.structs.replace(view, reason="being_restated"), []
    return msgspec.structs.replace(view, bridge=opened[0]), opened[1]


def _explained(
    history: History, start: _End | None, end: _End
) -> tuple[Bridge, list[BridgeLine]] | None:
    facts = list(history.facts())
    if history.is_behind:
        return None
    before = -1 if start is None else history.index_of(start.session)
    account = Account(history.base_currency, history.basis)
    for index, fact in facts:
        if index <= before:
            account.take(fact)
    bridge, lines = account.opened_bridge(
        (fact for index, fact in facts if index > before),
        start=Prices({}, {}) if start is None else history.prices(start.session, start.at),
        end=history.prices(end.session, end.at),
    )
    assert not bridge.unexplained, "the parts explain the change of NAV"
    assert bridge.nav_end == end.nav, "the bridge ends at the NAV of its day"
    assert start is None or bridge.nav_start == start.nav, "and begins at that of its day"
    return bridge, lines
