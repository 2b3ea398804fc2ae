"""Who may do what: one table, role x action. What no row permits is refused.

Two kinds of tenants: customers hold portfolios; the tenant `market` holds the facts all of them
share (instruments, marks, sessions). Shared facts are written by that tenant only, and it holds no
portfolio: its events are read by every customer, so nothing private may ever be among them.
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

from domain.identity import MARKET_TENANT
from gateway.problem import Problem
from gateway.tokens import Principal


class Role(StrEnum):
    """What a token's holder is to the system."""

    ADMIN = "admin"
    """Runs a tenant: everything the tenant may do."""
    PORTFOLIO_MANAGER = "portfolio_manager"
    """Opens portfolios, moves cash, proposes trades, sees everything of the tenant."""
    TRADER = "trader"
    """Proposes trades and sees the tenant's portfolios."""
    EXECUTION = "execution"
    """A trading system or custodian that tells fills, corrections and settlements of its source."""
    MARKET_DATA = "market_data"
    """Writes the shared facts: instruments, marks, closes (tenant `market` only)."""
    CONTROLLER = "controller"
    """Freezes portfolios, changes their cost basis, closes and reopens periods; trades nothing."""
    RISK = "risk"
    """Decides limits, overrides and alert rules, halts trading and lets it go on; sees all."""
    STEWARD = "steward"
    """Announces contests, enters and withdraws others, disqualifies who breaks the rules."""
    AUDITOR = "auditor"
    """Sees everything of the tenant, outcomes of commands too; changes nothing."""
    VIEWER = "viewer"
    """Sees portfolios; changes nothing."""


class Action(StrEnum):
    """Every command and query that a token may or may not issue."""

    CAPTURE_PROPOSED = "capture_proposed"
    CAPTURE_EXECUTED = "capture_executed"
    CORRECT_TRADE = "correct_trade"
    SETTLE_TRADE = "settle_trade"
    OPEN_PORTFOLIO = "open_portfolio"
    MOVE_CASH = "move_cash"
    MANAGE_PORTFOLIO = "manage_portfolio"
    BOOK_CHARGE = "book_charge"
    TRANSFER_LOTS = "transfer_lots"
    EXCHANGE_PROPOSED = "exchange_proposed"
    EXCHANGE_EXECUTED = "exchange_executed"
    CLOSE_PORTFOLIO = "close_portfolio"
    FREEZE_PORTFOLIO = "freeze_portfolio"
    CLOSE_PERIOD = "close_period"
    REOPEN_PERIOD = "reopen_period"
    CHANGE_COST_BASIS = "change_cost_basis"
    REGISTER_SOURCE = "register_source"
    REGISTER_INSTRUMENT = "register_instrument"
    CHANGE_INSTRUMENT = "change_instrument"
    MARK_MARKET = "mark_market"
    CLOSE_SESSION = "close_session"
    REACH_TIME = "reach_time"
    CORRECT_CLOSE = "correct_close"
    DECLARE_BENCHMARK = "declare_benchmark"
    PROPOSE_LIMIT = "propose_limit"
    DECIDE_LIMIT = "decide_limit"
    HALT_TRADING = "halt_trading"
    LOOSEN_TRADING = "loosen_trading"
    PROPOSE_OVERRIDE = "propose_override"
    DECIDE_OVERRIDE = "decide_override"
    DECLARE_ALERT_RULE = "declare_alert_rule"
    TRY_ALERT_RULE = "try_alert_rule"
    TAKE_ALERT = "take_alert"
    ANNOUNCE_CONTEST = "announce_contest"
    ENTER_CONTEST = "enter_contest"
    ENTER_FOR_OTHERS = "enter_for_others"
    DISQUALIFY_ENTRANT = "disqualify_entrant"
    ASK_OUTCOME = "ask_outcome"
    READ_PORTFOLIOS = "read_portfolios"
    READ_POSITIONS = "read_positions"
    READ_CASH = "read_cash"
    READ_TRADES = "read_trades"
    READ_REFUSALS = "read_refusals"
    READ_EXCEPTIONS = "read_exceptions"
    READ_PERFORMANCE = "read_performance"
    READ_MARKET = "read_market"
    READ_INSTRUMENTS = "read_instruments"
    READ_BENCHMARKS = "read_benchmarks"
    READ_CONTROLS = "read_controls"
    READ_ALERTS = "read_alerts"
    READ_CONTESTS = "read_contests"
    READ_OWN_SOURCE = "read_own_source"
    READ_ANY_SOURCE = "read_any_source"
    READ_HISTORY = "read_history"
    READ_INSTRUMENT_HISTORY = "read_instrument_history"
    READ_SYSTEM = "read_system"


SHARED_WRITES = frozenset({
    Action.REGISTER_INSTRUMENT, Action.CHANGE_INSTRUMENT, Action.MARK_MARKET,
    Action.CLOSE_SESSION, Action.CORRECT_CLOSE, Action.REACH_TIME,
    Action.DECLARE_BENCHMARK,
})  # fmt: skip
EVERY_TENANT = frozenset({
    Action.ASK_OUTCOME, Action.READ_MARKET, Action.READ_INSTRUMENTS,
    Action.READ_INSTRUMENT_HISTORY, Action.READ_BENCHMARKS, Action.READ_SYSTEM,
})  # fmt: skip
CUSTOMER_ONLY = frozenset(Action) - SHARED_WRITES - EVERY_TENANT

_PORTFOLIO_QUERIES = frozenset({
    Action.READ_PORTFOLIOS, Action.READ_POSITIONS, Action.READ_CASH, Action.READ_TRADES,
    Action.READ_PERFORMANCE, Action.READ_MARKET, Action.READ_INSTRUMENTS, Action.READ_BENCHMARKS,
    Action.READ_CONTESTS,
})  # fmt: skip
_ALL_QUERIES = _PORTFOLIO_QUERIES | {
    Action.READ_REFUSALS, Action.READ_EXCEPTIONS, Action.READ_CONTROLS, Action.READ_ALERTS,
}  # fmt: skip
_OVERSIGHT = _ALL_QUERIES | {
    Action.READ_ANY_SOURCE, Action.READ_HISTORY, Action.READ_INSTRUMENT_HISTORY,
    Action.READ_SYSTEM,
}  # fmt: skip

PERMITTED: dict[Role, frozenset[Action]] = {
    Role.ADMIN: frozenset(Action),
    Role.PORTFOLIO_MANAGER: _OVERSIGHT | {
        Action.CAPTURE_PROPOSED, Action.OPEN_PORTFOLIO, Action.MOVE_CASH, Action.REGISTER_SOURCE,
        Action.ASK_OUTCOME, Action.MANAGE_PORTFOLIO, Action.BOOK_CHARGE, Action.EXCHANGE_PROPOSED,
        Action.CLOSE_PORTFOLIO, Action.TRANSFER_LOTS, Action.PROPOSE_OVERRIDE, Action.TAKE_ALERT,
        Action.ENTER_FOR_OTHERS,
    },
    Role.TRADER: _ALL_QUERIES | {
        Action.CAPTURE_PROPOSED, Action.EXCHANGE_PROPOSED, Action.PROPOSE_OVERRIDE,
        Action.ASK_OUTCOME, Action.READ_OWN_SOURCE, Action.ENTER_CONTEST,
    },
    Role.EXECUTION: frozenset({
        Action.CAPTURE_EXECUTED, Action.CORRECT_TRADE, Action.SETTLE_TRADE,
        Action.EXCHANGE_EXECUTED, Action.BOOK_CHARGE, Action.ASK_OUTCOME,
        Action.READ_TRADES, Action.READ_REFUSALS, Action.READ_EXCEPTIONS,
        Action.PROPOSE_OVERRIDE, Action.READ_CONTROLS, Action.READ_OWN_SOURCE,
    }),
    Role.MARKET_DATA: SHARED_WRITES | EVERY_TENANT,
    Role.CONTROLLER: _OVERSIGHT | {
        Action.FREEZE_PORTFOLIO, Action.CLOSE_PERIOD, Action.REOPEN_PERIOD, Action.ASK_OUTCOME,
        Action.CHANGE_COST_BASIS, Action.HALT_TRADING, Action.TAKE_ALERT,
    },
    Role.RISK: _OVERSIGHT | {
        Action.PROPOSE_LIMIT, Action.DECIDE_LIMIT, Action.HALT_TRADING, Action.LOOSEN_TRADING,
        Action.PROPOSE_OVERRIDE, Action.DECIDE_OVERRIDE, Action.ASK_OUTCOME,
        Action.DECLARE_ALERT_RULE, Action.TRY_ALERT_RULE, Action.TAKE_ALERT,
    },
    Role.STEWARD: frozenset({
        Action.ANNOUNCE_CONTEST, Action.ENTER_FOR_OTHERS, Action.DISQUALIFY_ENTRANT,
        Action.READ_CONTESTS, Action.ASK_OUTCOME,
    }),
    Role.AUDITOR: _OVERSIGHT | {Action.ASK_OUTCOME},
    Role.VIEWER: _PORTFOLIO_QUERIES,
}  # fmt: skip


@lru_cache(maxsize=1_024)
def _actions_of(roles: frozenset[str]) -> frozenset[Action]:
    return frozenset().union(*(PERMITTED[role] for role in Role if role.value in roles))


def permits(principal: Principal, action: Action) -> bool:
    """Say whether one of the principal's roles permits an action; unknown roles permit nothing."""
    return action in _actions_of(principal.roles)


def require(principal: Principal, *actions: Action) -> None:
    """Let a principal pass who may do at least one of the actions.

    Raises:
        Problem: `role_missing`, `tenant_not_market` or `tenant_is_market`.
    """
    is_market = principal.tenant == MARKET_TENANT
    obstacle = _obstacle(principal.roles, actions, is_market=is_market)
    if obstacle is not None:
        raise Problem(*obstacle)


@lru_cache(maxsize=4_096)
def _obstacle(
    roles: frozenset[str], actions: tuple[Action, ...], *, is_market: bool
) -> tuple[str, str] | None:
    """Say why a holder of roles may do none of the actions: the problem's code and detail."""
    permitted = _actions_of(roles).intersection(actions)
    if not permitted:
        return (
            "role_missing",
            f"This needs one of the roles {_roles_for(actions)}; ask whoever issues your tokens.",
        )
    if not is_market and permitted <= SHARED_WRITES:
        detail = (
            "Instruments, marks and sessions are shared by all tenants: use a token of the tenant "
            f"`{MARKET_TENANT}` with the role `{Role.MARKET_DATA}`."
        )
        return "tenant_not_market", detail
    if is_market and permitted <= CUSTOMER_ONLY:
        return (
            "tenant_is_market",
            f"The tenant `{MARKET_TENANT}` has no portfolios: use a token of your own tenant.",
        )
    return None


def _roles_for(actions: Iterable[Action]) -> str:
    wanted = set(actions)
    return ", ".join(f"`{role}`" for role in Role if PERMITTED[role] & wanted)
