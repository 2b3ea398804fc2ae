"""The endpoints that write: each reads a body, builds the command and answers its outcome."""

import asyncio
from functools import partial
from uuid import UUID

from starlette.responses import Response

from commands.command import CaptureTrade, ReachTime
from domain.trade import Intent
from eventstore.failures import LogUnavailable
from gateway.access import Action, require
from gateway.decoding import utc
from gateway.interface import Call, Handle, json_response
from gateway.openapi import PathParameter
from gateway.problem import Problem
from write_api.answers import command_outcome
from write_api.batches import issue_batch
from write_api.block_bodies import BlockBody, BlockBustBody, block_command, bust_block_command
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
    correction_command,
    deposit_command,
    instrument_command,
    marks_command,
    portfolio_command,
    session_command,
    source_command,
    trade_command,
    withdrawal_command,
)
from write_api.checking import answer_check, require_few
from write_api.correction_bodies import AmendmentBody, BustBody, amend_command, bust_command
from write_api.issuing import Issuing, own_source
from write_api.portfolio_deeds import Deed
from write_api.reading_bodies import BodyReader
from write_api.settlement_bodies import (
    FailureBody,
    SettlementBody,
    SettlementResumptionBody,
    fail_command,
    resume_command,
    settle_command,
)

PORTFOLIO = PathParameter(
    "portfolio", r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}\Z", "The portfolio's name."
)
SOURCE = PathParameter("source", r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}\Z", "The token's source.")
EXTERNAL_ID = PathParameter(
    "external_id", r"^[!-~]{1,128}\Z", "The source's id of the trade, percent-encoded."
)
BLOCK = PathParameter("external_id", r"^[!-~]{1,63}\Z", "The source's id of the block.")
COMMAND = PathParameter(
    "command_id",
    r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z",
    "The command's id, as every answer to it tells.",
)
INTENT_ACTIONS = {
    Intent.PROPOSED: Action.CAPTURE_PROPOSED,
    Intent.EXECUTED: Action.CAPTURE_EXECUTED,
}

_TRADES = BodyReader(TradeBody)
_AMENDMENTS = BodyReader(AmendmentBody)
_BUSTS = BodyReader(BustBody)
_BLOCKS = BodyReader(BlockBody)
_BLOCK_BUSTS = BodyReader(BlockBustBody)
_SETTLEMENTS = BodyReader(SettlementBody)
_FAILURES = BodyReader(FailureBody)
_RESUMPTIONS = BodyReader(SettlementResumptionBody)
_PORTFOLIOS = BodyReader(PortfolioBody)
_CASH = BodyReader(CashBody)
_INSTRUMENTS = BodyReader(InstrumentBody)
_SOURCES = BodyReader(SourceBody)
_MARKS = BodyReader(MarksBody)
_SESSIONS = BodyReader(SessionBody)
_CORRECTIONS = BodyReader(CorrectionBody)
_TIMES = BodyReader(TimeBody)


class Resources:
    """The endpoints' coroutines, over one way to issue commands."""

    def __init__(self, issuing: Issuing) -> None:
        self._issuing = issuing

    async def capture_trade(self, call: Call) -> Response:
        """Capture one trade."""
        body = await _TRADES.read(call)
        return await self._issuing.single(call, _capture(call, body))

    async def capture_trades(self, call: Call) -> Response:
        """Capture a batch of trades."""
        items = await _TRADES.read_batch(call, partial(_capture, call))
        return await issue_batch(self._issuing, call, items)

    async def check_trades(self, call: Call) -> Response:
        """Tell what would become of one trade or several, without a trace."""
        captures = await _TRADES.read_one_or_many(call, partial(_capture, call))
        require_few(len(captures))
        return await answer_check(self._issuing, call, captures)

    async def amend_trade(self, call: Call) -> Response:
        """Tell a revision of a trade."""
        source, external_id = own_source(call, call.named(SOURCE)), call.named(EXTERNAL_ID)
        body = await _AMENDMENTS.read(call)
        return await self._issuing.single(call, amend_command(body, source, external_id))

    async def bust_trade(self, call: Call) -> Response:
        """Tell that a trade was cancelled."""
        source, external_id = own_source(call, call.named(SOURCE)), call.named(EXTERNAL_ID)
        body = await _BUSTS.read(call)
        return await self._issuing.single(call, bust_command(body, source, external_id))

    async def allocate_block(self, call: Call) -> Response:
        """Allocate a block; asking and telling have the permissions of trades."""
        body = await _BLOCKS.read(call)
        require(call.principal, INTENT_ACTIONS[body.intent])
        command = block_command(body, own_source(call, body.source))
        return await self._issuing.single(call, command)

    async def bust_block(self, call: Call) -> Response:
        """Tell that a block was cancelled."""
        source, external_id = own_source(call, call.named(SOURCE)), call.named(BLOCK)
        body = await _BLOCK_BUSTS.read(call)
        return await self._issuing.single(call, bust_block_command(body, source, external_id))

    async def settle_trade(self, call: Call) -> Response:
        """Tell that a trade was settled."""
        source, external_id = own_source(call, call.named(SOURCE)), call.named(EXTERNAL_ID)
        body = await _SETTLEMENTS.read(call)
        return await self._issuing.single(call, settle_command(body, source, external_id))

    async def fail_settlement(self, call: Call) -> Response:
        """Tell that a trade's settlement fails."""
        source, external_id = own_source(call, call.named(SOURCE)), call.named(EXTERNAL_ID)
        body = await _FAILURES.read(call)
        return await self._issuing.single(call, fail_command(body, source, external_id))

    async def resume_settlement(self, call: Call) -> Response:
        """Tell that a fail stands no longer."""
        source, external_id = own_source(call, call.named(SOURCE)), call.named(EXTERNAL_ID)
        body = await _RESUMPTIONS.read(call)
        return await self._issuing.single(call, resume_command(body, source, external_id))

    async def open_portfolio(self, call: Call) -> Response:
        """Open a portfolio."""
        body = await _PORTFOLIOS.read(call)
        return await self._issuing.single(call, portfolio_command(body))

    async def deposit_cash(self, call: Call) -> Response:
        """Bring external cash in."""
        portfolio = call.named(PORTFOLIO)
        body = await _CASH.read(call)
        return await self._issuing.single(call, deposit_command(body, portfolio))

    async def withdraw_cash(self, call: Call) -> Response:
        """Take cash out."""
        portfolio = call.named(PORTFOLIO)
        body = await _CASH.read(call)
        return await self._issuing.single(call, withdrawal_command(body, portfolio))

    def doing(self, deed: Deed) -> Handle:
        """Make the endpoint of a deed on a portfolio."""
        reader = BodyReader(deed.body)

        async def handle(call: Call) -> Response:
            portfolio = call.named(PORTFOLIO)
            body = await reader.read(call)
            return await self._issuing.single(call, deed.command(call, body, portfolio))

        return handle

    async def register_instrument(self, call: Call) -> Response:
        """Register one instrument."""
        body = await _INSTRUMENTS.read(call)
        return await self._issuing.single(call, instrument_command(body))

    async def register_instruments(self, call: Call) -> Response:
        """Register a batch of instruments."""
        items = await _INSTRUMENTS.read_batch(call, instrument_command)
        return await issue_batch(self._issuing, call, items)

    async def register_source(self, call: Call) -> Response:
        """Say how a source names its trades."""
        body = await _SOURCES.read(call)
        return await self._issuing.single(call, source_command(body))

    async def mark_market(self, call: Call) -> Response:
        """Put marks and rates in force."""
        source = own_source(call)
        body = await _MARKS.read(call)
        return await self._issuing.single(call, marks_command(body, source))

    async def reach_time(self, call: Call) -> Response:
        """Let business time go on."""
        body = await _TIMES.read(call)
        return await self._issuing.single(call, ReachTime(at=utc("at", body.at)))

    async def close_session(self, call: Call) -> Response:
        """End a session with its closes."""
        body = await _SESSIONS.read(call)
        return await self._issuing.single(call, session_command(body))

    async def correct_close(self, call: Call) -> Response:
        """Replace or cancel a close of a closed session."""
        body = await _CORRECTIONS.read(call)
        return await self._issuing.single(call, correction_command(body))

    async def tell_outcome(self, call: Call) -> Response:
        """Tell what became of a command of the token's tenant."""
        name = UUID(call.named(COMMAND))
        call.exchange.command_id = name
        try:
            state, outcome = await asyncio.to_thread(
                self._issuing.desk.state_of, call.principal.tenant, name
            )
        except LogUnavailable:
            raise Problem(
                "not_ready", "The log cannot be asked now; try again.", headers={"Retry-After": "1"}
            ) from None
        return json_response(command_outcome(name, state, outcome))


def _capture(call: Call, body: TradeBody) -> CaptureTrade:
    """Build a capture; asking and telling have permissions of their own (convention 1)."""
    require(call.principal, INTENT_ACTIONS[body.intent])
    return trade_command(body, own_source(call, body.source))
