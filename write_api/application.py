"""The HTTP interface of the command side: every address, who may use it, and what it may answer."""

from collections.abc import Sequence

from fastapi import FastAPI

from gateway.access import Action
from gateway.interface import Endpoint, Interface, Surroundings
from gateway.openapi import json_answer
from write_api.alert_endpoints import ALERTS
from write_api.answers import CommandOutcome
from write_api.benchmarks import benchmark_endpoint
from write_api.block_bodies import BlockBody, BlockBustBody
from write_api.bodies import (
    CashBody,
    CorrectionBody,
    InstrumentBody,
    MarksBody,
    PortfolioBody,
    SessionBody,
    SourceBody,
    TimeBody,
    TradeBody,
)
from write_api.checking import check_endpoint
from write_api.contests import CONTESTS
from write_api.control_endpoints import CONTROLS
from write_api.corporate_actions import ACTIONS
from write_api.correction_bodies import AmendmentBody, BustBody
from write_api.declaring import NAMED_ONCE, batch, single
from write_api.door import put_door
from write_api.instruments import CHANGES, INSTRUMENT
from write_api.issuing import DECISION_SECONDS_MAX, CommandDesk, Issuing
from write_api.portfolio_deeds import DEEDS
from write_api.resources import BLOCK, COMMAND, EXTERNAL_ID, PORTFOLIO, SOURCE, Resources
from write_api.settlement_endpoints import WAITS, settlement_endpoints

TITLE = "PMS commands"
DESCRIPTION = """Commands to the portfolio management system. Each write is durable in the log \
before it is answered, and names its position there: pass it to a query as `min_position` to read \
your own write. Numbers are strings, times ISO 8601; errors are `application/problem+json` with a \
stable `code`."""
CAPTURES = (Action.CAPTURE_PROPOSED, Action.CAPTURE_EXECUTED)


def create_app(
    desk: CommandDesk,
    surroundings: Surroundings,
    *,
    decision_seconds_max: float = DECISION_SECONDS_MAX,
) -> FastAPI:
    """Build the application over a running desk; clock, ids and keys come with `surroundings`.

    A command that is not decided in `decision_seconds_max` is answered as unknown; it may still be.
    """
    interface = Interface(surroundings, title=TITLE, description=DESCRIPTION)
    issuing = Issuing(desk, surroundings.clock, decision_seconds_max)
    resources = Resources(issuing)
    for endpoint in (
        *_captures(resources),
        *_corrections(resources),
        *_blocks(resources),
        *_settlements(resources),
        *_portfolios(resources),
        *_portfolio_deeds(resources),
        *_market(resources),
        *_instruments(issuing),
        *_controls(issuing),
        benchmark_endpoint(issuing),
        _outcomes(resources),
    ):
        interface.add(endpoint)
    return put_door(interface.application, desk.admission, surroundings)


def _captures(resources: Resources) -> Sequence[Endpoint]:
    own = ("source_missing", "source_not_yours", "date_missing")
    return (
        single(
            "/v1/trades",
            "capture_trade",
            "Capture a trade",
            CAPTURES,
            TradeBody,
            resources.capture_trade,
            problems=own,
            description="`proposed` asks (every rule applies), `executed` tells (it books, and "
            f"what it breaches comes back as `warnings`). {NAMED_ONCE}",
            version_of="its portfolio",
        ),
        batch(
            "/v1/trades:batch",
            "capture_trades",
            "Capture up to 5,000 trades",
            CAPTURES,
            TradeBody,
            resources.capture_trades,
            problems=own,
        ),
        check_endpoint(resources.check_trades, CAPTURES, own),
        single(
            "/v1/sources",
            "register_source",
            "Say how a source names its trades",
            (Action.REGISTER_SOURCE,),
            SourceBody,
            resources.register_source,
        ),
    )


def _corrections(resources: Resources) -> Sequence[Endpoint]:
    own = ("source_missing", "source_not_yours")
    trade = "/v1/trades/{source}/{external_id:path}"
    waits = (
        "A fact: never refused on limits. It may come before its trade, and then waits for it "
        f"(`is_held`); a higher revision or a bust stands over it (`is_superseded`). {NAMED_ONCE}"
    )
    return (
        single(
            f"{trade}/amendments",
            "amend_trade",
            "Amend a trade",
            (Action.CORRECT_TRADE,),
            AmendmentBody,
            resources.amend_trade,
            description=waits,
            problems=(*own, "date_missing"),
            parts=(SOURCE, EXTERNAL_ID),
            version_of="the trade",
        ),
        single(
            f"{trade}/busts",
            "bust_trade",
            "Bust a trade",
            (Action.CORRECT_TRADE,),
            BustBody,
            resources.bust_trade,
            description=f"Final over any revision, earlier or later. {waits}",
            problems=own,
            parts=(SOURCE, EXTERNAL_ID),
            version_of="the trade",
        ),
    )


def _blocks(resources: Resources) -> Sequence[Endpoint]:
    own = ("source_missing", "source_not_yours")
    return (
        single(
            "/v1/blocks",
            "allocate_block",
            "Allocate a block over several portfolios",
            CAPTURES,
            BlockBody,
            resources.allocate_block,
            problems=(*own, "date_missing"),
            description="All or none: each portfolio gets a trade at the block's average price, "
            "named `<external_id>/<portfolio>` and amended or busted like any. `proposed` asks "
            "(what one portfolio breaches refuses all; every breach names its portfolio), "
            f"`executed` tells. {NAMED_ONCE}",
        ),
        single(
            "/v1/blocks/{source}/{external_id:path}/busts",
            "bust_block",
            "Bust a block",
            (Action.CORRECT_TRADE,),
            BlockBustBody,
            resources.bust_block,
            problems=own,
            description="Busts every trade of it, all or none, wherever amends have taken them. "
            f"The block must have been allocated before. {NAMED_ONCE}",
            parts=(SOURCE, BLOCK),
            version_of="the block",
        ),
    )


def _settlements(resources: Resources) -> Sequence[Endpoint]:
    return [
        single(
            f"/v1/trades/{{source}}/{{external_id:path}}/{path}",
            name,
            summary,
            (Action.SETTLE_TRADE,),
            body,
            handle,
            description=WAITS,
            problems=("source_missing", "source_not_yours"),
            parts=(SOURCE, EXTERNAL_ID),
            version_of="the trade",
        )
        for path, (name, summary, body, handle) in settlement_endpoints(resources).items()
    ]


def _portfolios(resources: Resources) -> Sequence[Endpoint]:
    return (
        single(
            "/v1/portfolios",
            "open_portfolio",
            "Open a portfolio",
            (Action.OPEN_PORTFOLIO,),
            PortfolioBody,
            resources.open_portfolio,
        ),
        single(
            "/v1/portfolios/{portfolio}/deposits",
            "deposit_cash",
            "Deposit cash",
            (Action.MOVE_CASH,),
            CashBody,
            resources.deposit_cash,
            problems=("date_missing",),
            parts=(PORTFOLIO,),
            version_of="the portfolio",
        ),
        single(
            "/v1/portfolios/{portfolio}/withdrawals",
            "withdraw_cash",
            "Withdraw cash",
            (Action.MOVE_CASH,),
            CashBody,
            resources.withdraw_cash,
            problems=("date_missing",),
            parts=(PORTFOLIO,),
            version_of="the portfolio",
        ),
    )


def _portfolio_deeds(resources: Resources) -> Sequence[Endpoint]:
    return [
        single(
            f"/v1/portfolios/{{portfolio}}/{deed.path}",
            deed.name,
            deed.summary,
            deed.actions,
            deed.body,
            resources.doing(deed),
            problems=deed.problems,
            parts=(PORTFOLIO,),
            version_of="the portfolio",
        )
        for deed in DEEDS
    ]


def _market(resources: Resources) -> Sequence[Endpoint]:
    return (
        single(
            "/v1/instruments",
            "register_instrument",
            "Register an instrument",
            (Action.REGISTER_INSTRUMENT,),
            InstrumentBody,
            resources.register_instrument,
        ),
        batch(
            "/v1/instruments:batch",
            "register_instruments",
            "Register up to 5,000 instruments",
            (Action.REGISTER_INSTRUMENT,),
            InstrumentBody,
            resources.register_instruments,
        ),
        single(
            "/v1/marks",
            "mark_market",
            "Mark instruments and FX rates",
            (Action.MARK_MARKET,),
            MarksBody,
            resources.mark_market,
            problems=("source_missing",),
        ),
        single(
            "/v1/time",
            "reach_time",
            "Let business time come to an instant",
            (Action.REACH_TIME,),
            TimeBody,
            resources.reach_time,
            description="Marks and closed sessions tell it as well; this is for the hours before. "
            f"{NAMED_ONCE}",
        ),
        single(
            "/v1/sessions",
            "close_session",
            "Close a session",
            (Action.CLOSE_SESSION,),
            SessionBody,
            resources.close_session,
        ),
        single(
            "/v1/sessions/corrections",
            "correct_close",
            "Correct or cancel a close",
            (Action.CORRECT_CLOSE,),
            CorrectionBody,
            resources.correct_close,
        ),
    )


def _instruments(issuing: Issuing) -> Sequence[Endpoint]:
    return [
        single(
            f"/v1/instruments/{{instrument}}/{change.path}",
            change.name,
            change.summary,
            (Action.CHANGE_INSTRUMENT,),
            change.body,
            change.handle(issuing),
            parts=(INSTRUMENT,),
            version_of="the instrument",
        )
        for change in (*CHANGES, *ACTIONS)
    ]


def _controls(issuing: Issuing) -> Sequence[Endpoint]:
    return [
        single(
            *control[:5],
            control.handle(issuing),
            description=f"{control.description} {NAMED_ONCE}",
            problems=control.problems,
            parts=control.parts,
        )
        for control in (*CONTROLS, *ALERTS, *CONTESTS)
    ]


def _outcomes(resources: Resources) -> Endpoint:
    return Endpoint(
        "GET",
        "/v1/commands/{command_id}",
        "tell_outcome",
        "What became of a command",
        (Action.ASK_OUTCOME,),
        resources.tell_outcome,
        (json_answer(200, CommandOutcome, "What is known of the command."),),
        description="Commands of other tenants are never seen.",
        parts=(COMMAND,),
        problems=("not_ready",),
    )
