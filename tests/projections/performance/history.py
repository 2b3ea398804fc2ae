"""The naive model's history: what was struck of every row and what restated it, by event."""

from collections.abc import Sequence

from domain.instrument import CorporateActionDeclared, CorporateActionReversed, WrittenDown
from domain.market import CloseCorrected, SessionClosed
from domain.portfolio.corporate_events import CorporateActionUnapplied
from domain.portfolio.events import PortfolioOpened, Reason, TradeBooked, TradeUnbooked
from tests.projections.performance.naive import (
    ACTS,
    CASH,
    FLOWS,
    Naive,
    Row,
    RowKey,
    session_of,
    shown,
)
from tests.projections.performance.naive_market import Told

FACTS = {"late_trade", "busted_trade", "amended_trade", "late_flow", "late_cash"}
NOTHING_YET: Row = {
    "nav": 0, "nav_status": "complete", "priced": 0, "unpriced": [], "stale": [],
    "priced_by_trade": [], "flows": 0, "daily_return": 0, "return_reason": None,
    "return_method": "true", "return_from": None, "is_emptied": True,
}  # fmt: skip


def history(told: Sequence[Told]) -> dict[RowKey, Row]:
    """All rows with what was struck and what restated them, event by event."""
    made: dict[RowKey, Row] = {}
    before: dict[RowKey, Row] = {}
    for position in range(1, len(told) + 1):
        event = told[position - 1][1]
        known = {key: shown(row) for key, row in Naive(told[:position]).rows().items()}
        reason = reason_of(told, position)
        for key in before.keys() - known.keys():
            made[key] |= {"current": shown(NOTHING_YET), "restated": (position, reason)}
            made[key]["changed"] = position
        is_act = isinstance(event, ACTS)
        for key in made.keys() - known.keys() if is_act else ():
            if belongs_behind(told, position, key):
                made[key] |= {"restated": (position, reason), "changed": position}
        for key, row in known.items():
            is_new = key not in made
            kept = made.setdefault(key, {"struck": None, "restated": (None, None)})
            kept["current"] = row
            is_own = isinstance(event, SessionClosed) and event.session == key[2] and is_new
            if is_own:
                kept["struck"], kept["changed"] = row, position
            elif reason in FACTS or is_act:
                if belongs_behind(told, position, key):
                    kept["restated"], kept["changed"] = (position, reason), position
            elif before.get(key) != row:
                kept["restated"], kept["changed"] = (position, reason), position
        before = known
    return made


def reason_of(told: Sequence[Told], position: int) -> str:
    """What an event would be called as the reason of a restatement."""
    tenant, event = told[position - 1]
    if isinstance(event, TradeUnbooked):
        return "busted_trade" if event.reason is Reason.BUSTED else "amended_trade"
    if isinstance(event, TradeBooked):
        trade_id = event.fill.trade_id
        for owner, each in reversed(told[: position - 1]):
            if (
                owner == tenant
                and isinstance(each, TradeBooked | TradeUnbooked)
                and (each.portfolio, each.fill.trade_id) == (event.portfolio, trade_id)
            ):
                is_anew = isinstance(each, TradeUnbooked) and each.reason is Reason.AMENDED
                return "amended_trade" if is_anew else "late_trade"
        return "late_trade"
    if isinstance(event, CorporateActionDeclared):
        return "corporate_action"
    if isinstance(event, CorporateActionReversed | CorporateActionUnapplied):
        return "reversed_action"
    if isinstance(event, ACTS):
        action = event.terms.action
        name = (action.instrument, action.action)
        gone = [each for _, each in told[:position] if isinstance(each, CorporateActionReversed)]
        is_gone = name in [(each.instrument, each.action) for each in gone]
        return "reversed_action" if is_gone else "corporate_action"
    if isinstance(event, FLOWS):
        return "late_flow"
    if isinstance(event, CASH):
        return "late_cash"
    if isinstance(event, WrittenDown):
        return "late_write_down"
    return "corrected_close" if isinstance(event, CloseCorrected) else "late_mark"


def belongs_behind(told: Sequence[Told], position: int, key: RowKey) -> bool:
    """Whether the fact at a position restates the row: its portfolio's, from its session on."""
    tenant, event = told[position - 1]
    if (tenant, getattr(event, "portfolio", None)) != key[:2]:
        return False
    opening = next(
        each for owner, each in told
        if isinstance(each, PortfolioOpened) and (owner, each.portfolio) == key[:2]
    )  # fmt: skip
    sessions = Naive(told[:position]).sessions.get(opening.calendar, [])
    first = session_of(sessions, event)
    return first < len(sessions) and sessions[first].session <= key[2]
