"""The HTTP interface of the command side: every address, who may use it, and what it may answer."""

from collections.abc import Sequence

from fastapi import FastAPI

from gateway.access import Action
from gateway.interface import Endpoint, Handle, Interface, Surroundings
from gateway.openapi import PathParameter, json_answer
from write_api.answers import Acceptance, BatchResults, CommandOutcome
from write_api.batches import BatchParameters
from write_api.bodies import (
    Body,
    CashBody,
    CorrectionBody,
    InstrumentBody,
    MarksBody,
    PortfolioBody,
    SessionBody,
    SourceBody,
    TradeBody,
)
from write_api.correction_bodies import AmendmentBody, BustBody
from write_api.instruments import CHANGES, INSTRUMENT
from write_api.issuing import DECISION_SECONDS_MAX, CommandDesk, Issuing
from write_api.portfolio_deeds import DEEDS
from write_api.resources import COMMAND, EXTERNAL_ID, PORTFOLIO, SOURCE, Resources

TITLE = "PMS commands"
DESCRIPTION = """Commands to the portfolio management system. Each write is durable in the log \
before it is answered, and names its position there: pass it to a query as `min_position` to read \
your own write. Numbers are strings, times ISO 8601; errors are `application/problem+json` with a \
stable `code`."""
NAMED_ONCE = "Sent again under the same key it gets the same outcome, with `replayed`."
CAPTURES = (Action.CAPTURE_PROPOSED, Action.CAPTURE_EXECUTED)
ACCEPTED = (json_answer(201, Acceptance, "Accepted, now or before."),)
RESULTS = (json_answer(200, BatchResults, "Decided, item by item."),)
REFUSALS = (
    (409, "Conflict: the key or the name is taken by other content, named in `fields`."),
    (422, "Rejected by the state of the world: every breach is listed."),
)


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
        *_portfolios(resources),
        *_portfolio_deeds(resources),
        *_market(resources),
        *_instruments(issuing),
        _outcomes(resources),
    ):
        interface.add(endpoint)
    return interface.application


def _captures(resources: Resources) -> Sequence[Endpoint]:
    own = ("source_missing", "source_not_yours", "date_missing")
    return (
        _single(
            "/v1/trades",
            "capture_trade",
            "Capture a trade",
            CAPTURES,
            TradeBody,
            resources.capture_trade,
            problems=own,
            description="`proposed` asks (every rule applies), `executed` tells (it books, and "
            f"what it breaches comes back as `warnings`). {NAMED_ONCE}",
        ),
        _batch(
            "/v1/trades:batch",
            "capture_trades",
            "Capture up to 5,000 trades",
            CAPTURES,
            TradeBody,
            resources.capture_trades,
            problems=own,
        ),
        _single(
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
        _single(
            f"{trade}/amendments",
            "amend_trade",
            "Amend a trade",
            (Action.CORRECT_TRADE,),
            AmendmentBody,
            resources.amend_trade,
            description=waits,
            problems=(*own, "date_missing"),
            parts=(SOURCE, EXTERNAL_ID),
        ),
        _single(
            f"{trade}/busts",
            "bust_trade",
            "Bust a trade",
            (Action.CORRECT_TRADE,),
            BustBody,
            resources.bust_trade,
            description=f"Final over any revision, earlier or later. {waits}",
            problems=own,
            parts=(SOURCE, EXTERNAL_ID),
        ),
    )


def _portfolios(resources: Resources) -> Sequence[Endpoint]:
    return (
        _single(
            "/v1/portfolios",
            "open_portfolio",
            "Open a portfolio",
            (Action.OPEN_PORTFOLIO,),
            PortfolioBody,
            resources.open_portfolio,
        ),
        _single(
            "/v1/portfolios/{portfolio}/deposits",
            "deposit_cash",
            "Deposit cash",
            (Action.MOVE_CASH,),
            CashBody,
            resources.deposit_cash,
            problems=("date_missing",),
            parts=(PORTFOLIO,),
        ),
        _single(
            "/v1/portfolios/{portfolio}/withdrawals",
            "withdraw_cash",
            "Withdraw cash",
            (Action.MOVE_CASH,),
            CashBody,
            resources.withdraw_cash,
            problems=("date_missing",),
            parts=(PORTFOLIO,),
        ),
    )


def _portfolio_deeds(resources: Resources) -> Sequence[Endpoint]:
    return [
        _single(
            f"/v1/portfolios/{{portfolio}}/{deed.path}",
            deed.name,
            deed.summary,
            deed.actions,
            deed.body,
            resources.doing(deed),
            problems=deed.problems,
            parts=(PORTFOLIO,),
        )
        for deed in DEEDS
    ]


def _market(resources: Resources) -> Sequence[Endpoint]:
    return (
        _single(
            "/v1/instruments",
            "register_instrument",
            "Register an instrument",
            (Action.REGISTER_INSTRUMENT,),
            InstrumentBody,
            resources.register_instrument,
        ),
        _batch(
            "/v1/instruments:batch",
            "register_instruments",
            "Register up to 5,000 instruments",
            (Action.REGISTER_INSTRUMENT,),
            InstrumentBody,
            resources.register_instruments,
        ),
        _single(
            "/v1/marks",
            "mark_market",
            "Mark instruments and FX rates",
            (Action.MARK_MARKET,),
            MarksBody,
            resources.mark_market,
            problems=("source_missing",),
        ),
        _single(
            "/v1/sessions",
            "close_session",
            "Close a session",
            (Action.CLOSE_SESSION,),
            SessionBody,
            resources.close_session,
        ),
        _single(
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
        _single(
            f"/v1/instruments/{{instrument}}/{change.path}",
            change.name,
            change.summary,
            (Action.CHANGE_INSTRUMENT,),
            change.body,
            change.handle(issuing),
            parts=(INSTRUMENT,),
        )
        for change in CHANGES
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


def _single(
    path: str,
    name: str,
    summary: str,
    actions: tuple[Action, ...],
    body: type[Body],
    handle: Handle,
    *,
    description: str = NAMED_ONCE,
    problems: tuple[str, ...] = (),
    parts: tuple[PathParameter, ...] = (),
) -> Endpoint:
    return Endpoint(
        "POST",
        path,
        name,
        summary,
        actions,
        handle,
        ACCEPTED,
        bodies=(("application/json", body),),
        refusals=REFUSALS,
        is_write=True,
        description=description,
        problems=problems,
        parts=parts,
    )


def _batch(
    path: str,
    name: str,
    summary: str,
    actions: tuple[Action, ...],
    body: type[Body],
    handle: Handle,
    *,
    problems: tuple[str, ...] = (),
) -> Endpoint:
    return Endpoint(
        "POST",
        path,
        name,
        summary,
        actions,
        handle,
        RESULTS,
        bodies=(("application/json", list[body]), ("application/x-ndjson", str)),  # type: ignore[valid-type]
        parameters=BatchParameters,
        refusals=REFUSALS,
        problems=("batch_empty", "batch_too_long", *problems),
        is_write=True,
        description="A JSON array (malformed: 400, nothing decided) or NDJSON (a malformed line is "
        "that item's own result). The body is read whole before the first decision; items are "
        "decided in order, later ones seeing earlier ones, with one result each. "
        "`atomic=true` accepts all or none.",
    )
