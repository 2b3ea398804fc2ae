"""Deciding commands into a layer: probe receipts and names, call the handler, encode the events."""

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any
from uuid import UUID

import msgspec

from commands import (
    alerts,
    benchmarks,
    blocks,
    contests,
    controls,
    corrections,
    market,
    portfolio_life,
    portfolios,
    settlements,
    trades,
    transfers,
)
from commands import command as commands
from commands.command import AllocateBlock, CaptureTrade, Issued, Outcome, Status
from commands.decision import Addressed, AlreadyDecided, Decision
from commands.expecting import mismatch_of
from commands.observing import ObserveUsage, observe_usage
from commands.overlay import Overlay
from commands.portfolio_commands import ChangeCostBasis, TransferLots
from commands.reviewing import ReviewLimits, review_limits
from commands.striking import StrikeFigures, strike_figures
from commands.view import View
from domain.alerts.events import AlertRaised
from domain.identity import alert_stream
from domain.portfolio.events import TradeBooked, TradeUnbooked
from domain.rejection import Conflict, Rejection
from domain.source import NamingScope
from eventstore.envelope import EVENT_BYTES_MAX, NewEvent, NewReceipt, Receipt, RecordedEvent
from eventstore.log import Log
from schemas.codec import encode, event_name

Handler = Callable[[Issued, Any, View], Decision | AlreadyDecided]

HANDLERS: dict[type[commands.Command], Handler] = {
    commands.CaptureTrade: trades.capture_trade,
    commands.AmendTrade: corrections.amend_trade,
    commands.BustTrade: corrections.bust_trade,
    commands.AllocateBlock: blocks.allocate_block,
    commands.BustBlock: blocks.bust_block,
    commands.ReleaseTrade: trades.release_trade,
    commands.OpenPortfolio: portfolios.open_portfolio,
    commands.DepositCash: portfolios.deposit_cash,
    commands.WithdrawCash: portfolios.withdraw_cash,
    commands.SettleCash: portfolios.settle_cash,
    commands.ApplyCorporateActions: portfolios.apply_corporate_actions,
    ChangeCostBasis: portfolios.change_cost_basis,
    TransferLots: transfers.transfer_lots,
    **portfolio_life.HANDLERS,
    **settlements.HANDLERS,
    **controls.HANDLERS,
    **contests.HANDLERS,
    ObserveUsage: observe_usage,
    ReviewLimits: review_limits,
    commands.RegisterSource: portfolios.register_source,
    commands.RegisterInstrument: market.register_instrument,
    commands.ChangeInstrument: market.change_instrument,
    commands.MarkMarket: market.mark_market,
    commands.ReachTime: market.reach_time,
    commands.CloseSession: market.close_session,
    commands.CorrectClose: market.correct_close,
    benchmarks.DeclareBenchmark: benchmarks.declare_benchmark,
    StrikeFigures: strike_figures,
    **alerts.HANDLERS,
}

_BOOKINGS = frozenset({TradeBooked, TradeUnbooked})
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Outcome)


class Probe(msgspec.Struct, frozen=True):
    """What the log knows of some commands: receipts, first events of streams they may begin."""

    receipts: Mapping[UUID, Receipt]
    first_events: Mapping[UUID, RecordedEvent]


class Decided(msgspec.Struct, frozen=True, gc=False):
    """A command's outcome, and where its last event stands in the layer; None: nothing written.

    `told_again` names the command whose outcome this is, where that one is not yet in the log.
    What `holds_at_head` is told only once it is certain that nobody else had appended meanwhile.
    """

    outcome: Outcome
    last_event: int | None = None
    told_again: UUID | None = None
    holds_at_head: bool = False


class Judgement(msgspec.Struct, frozen=True, gc=False):
    """A command's decision, to be written into a layer; `rejection` where it is a refusal.

    `earlier` is the acceptance of the same content before, which is then this command's outcome.
    """

    decision: Decision
    encoded: tuple[bytes, ...] = ()
    rejection: Rejection | None = None
    earlier: Outcome | None = None


class Layer(msgspec.Struct):
    """An overlay with the events and receipts to append for it."""

    overlay: Overlay
    events: list[NewEvent]
    receipts: list[NewReceipt]

    @classmethod
    def over(cls, overlay: Overlay) -> "Layer":
        """Begin an empty layer."""
        return cls(overlay, [], [])


def names_of(log: Log, issued: Sequence[Issued], overlay: Overlay) -> tuple[list[UUID], list[UUID]]:
    """Give the ids of commands, and those of the streams they may begin: trades, blocks, alerts."""
    view = View(overlay, log, {})
    scopes: dict[tuple[str, str], NamingScope | None] = {}

    def scope_of(tenant: str, source: str) -> NamingScope | None:
        if (tenant, source) not in scopes:
            scopes[tenant, source] = view.source(tenant, source).naming_scope
        return scopes[tenant, source]

    names: list[UUID] = []
    for each in issued:
        wanted = each.command
        try:
            if isinstance(wanted, CaptureTrade):
                scope = scope_of(each.tenant, wanted.capture.source)
                names.append(trades.name_trade(each.tenant, wanted.capture, scope))
            elif isinstance(wanted, AllocateBlock):
                scope = scope_of(each.tenant, wanted.block.source)
                names += blocks.names_in(each.tenant, wanted.block, scope)
            elif isinstance(wanted, alerts.TellAlert) and isinstance(wanted.judged, AlertRaised):
                names.append(alert_stream(each.tenant, wanted.judged.alert))
        except Rejection:
            continue
    return [each.command_id for each in issued], names


def probe(log: Log, issued: Sequence[Issued], overlay: Overlay) -> Probe:
    """Ask the log, in one round trip if it knows nothing, what it knows of these commands."""
    return probe_of(log, log.known(*names_of(log, issued, overlay)))


def probe_of(log: Log, known: AbstractSet[UUID]) -> Probe:
    """Read what the log knows of those commands and trades that it knows at all."""
    if not known:
        return Probe({}, {})
    return Probe(log.receipts(known), log.first_events(known))


def judge(
    issued: Issued, overlay: Overlay, log: Log, known: Probe, *, entries_max: float = math.inf
) -> Decided | Judgement:
    """Decide one command: its earlier outcome again, or a judgement that is to be written.

    Raises:
        TakesLong: more than `entries_max` entries of a book's history are to be read for it.
    """
    earlier = known.receipts.get(issued.command_id)
    if earlier is not None:
        return Decided(_told_again(issued, earlier))
    pending = _pending_receipt(overlay, issued.command_id)
    if pending is not None:
        return _told_with_this_append(issued, pending)
    view = View(overlay, log, known.first_events, entries_max=entries_max)
    try:
        mismatch = mismatch_of(issued, view)
        if mismatch is not None:
            return Decided(mismatch, holds_at_head=True)
        decision = HANDLERS[type(issued.command)](issued, issued.command, view)
    except Rejection as rejection:
        return Judgement(_nothing(issued), (), rejection)
    if isinstance(decision, AlreadyDecided):
        first = _first_acceptance(decision, view)
        if first.told_again is not None:
            return first
        return Judgement(_nothing(issued), earlier=first.outcome)
    encoded = tuple(encode(addressed.event) for addressed in decision.events)
    if max(map(len, encoded), default=0) > EVENT_BYTES_MAX:
        too_large = Rejection("event_too_large", "Its facts do not fit into events of 256 KiB.")
        return Judgement(_nothing(issued), (), too_large)
    return Judgement(decision, encoded, decision.rejection)


def write(issued: Issued, judgement: Judgement, layer: Layer, log: Log) -> Decided:
    """Add a judgement's events and its receipt to the layer."""
    decision, rejection = judgement.decision, judgement.rejection
    version = None
    for addressed, data in zip(decision.events, judgement.encoded, strict=True):
        taken = _take(issued, layer, addressed, data, log)
        if addressed.stream_id == decision.of_stream:
            version = taken
    outcome = judgement.earlier or Outcome(
        status=_status_of(rejection),
        command_id=issued.command_id,
        code=None if rejection is None else rejection.code,
        message=None if rejection is None else rejection.message,
        breaches=() if rejection is None else rejection.breaches,
        fields=rejection.fields if isinstance(rejection, Conflict) else (),
        trade_id=decision.trade_id,
        stream_version=version,
        market_position=decision.market_position,
        warnings=decision.warnings,
        is_parked=decision.is_parked,
        is_held=decision.is_held,
        is_superseded=decision.is_superseded,
        allotments=decision.allotments,
        limit_version=decision.limit_version,
    )
    last_event = len(layer.events) - 1 if decision.events else None
    receipt = NewReceipt(
        issued.command_id,
        issued.tenant,
        issued.fingerprint,
        _ENCODER.encode(outcome),
        last_event,
    )
    layer.receipts.append(receipt)
    layer.overlay.receipts[issued.command_id] = receipt
    return Decided(outcome, last_event)


def _take(issued: Issued, layer: Layer, addressed: Addressed, data: bytes, log: Log) -> int:
    """Fold one event into the overlay and queue it for the append; give its stream version."""
    event = addressed.event
    version = layer.overlay.admit(addressed, issued.command_id, log)
    if type(event) in _BOOKINGS:
        assert isinstance(event, TradeBooked | TradeUnbooked), "it is of that type"
        layer.overlay.note_booking(issued.tenant, event, issued.received_at, log)
    layer.events.append(
        NewEvent(
            addressed.stream_id,
            version,
            event_name(event),
            data,
            addressed.key,
            addressed.tenant,
            issued.actor,
            issued.command_id,
            issued.correlation_id,
            issued.causation_id,
            issued.trace_context,
        )
    )
    return version


def outcome_of(receipt: Receipt) -> Outcome:
    """Give the outcome a receipt holds, with the position and time the log gave it.

    The outcome of a command that met an earlier acceptance names the position of that one.
    """
    outcome = _DECODER.decode(receipt.outcome)
    if outcome.position is not None or outcome.stream_version is None:
        return outcome  # It names an earlier one's position, or nothing was written for it.
    return msgspec.structs.replace(
        outcome, position=receipt.position, recorded_at=receipt.recorded_at
    )


def told_again(receipt: Receipt) -> Outcome:
    """Give the outcome a receipt holds, as one told before."""
    return msgspec.structs.replace(outcome_of(receipt), replayed=True)


def _nothing(issued: Issued) -> Decision:
    return Decision(events=(), of_stream=issued.command_id)


def _status_of(rejection: Rejection | None) -> Status:
    if rejection is None:
        return Status.ACCEPTED
    return Status.CONFLICT if isinstance(rejection, Conflict) else Status.REJECTED


def _told_again(issued: Issued, receipt: Receipt) -> Outcome:
    if receipt.tenant == issued.tenant and receipt.fingerprint == issued.fingerprint:
        return told_again(receipt)
    return _key_reused(issued)


def _told_with_this_append(issued: Issued, receipt: NewReceipt) -> Decided:
    """Tell again an outcome that is not in the log yet; it is answered once it is."""
    if receipt.fingerprint != issued.fingerprint:
        return Decided(_key_reused(issued))
    outcome = _DECODER.decode(receipt.outcome)
    return Decided(outcome, told_again=receipt.command_id)


def _key_reused(issued: Issued) -> Outcome:
    message = "This idempotency key already named a command with other content; use a new one."
    return Outcome(
        status=Status.CONFLICT,
        command_id=issued.command_id,
        code="idempotency_key_reused",
        message=message,
    )


def _pending_receipt(overlay: Overlay, command_id: UUID) -> NewReceipt | None:
    for layer in overlay.layers():
        receipt = layer.receipts.get(command_id)
        if receipt is not None:
            return receipt
    return None


def _first_acceptance(decided: AlreadyDecided, view: View) -> Decided:
    """Find the acceptance that wrote a stream version: in this append, or in the log."""
    for layer in view.overlay.layers():
        for pending in layer.pending.get(decided.stream_id, ()):
            if pending.version == decided.version:
                receipt = layer.receipts[pending.command_id]
                return Decided(_DECODER.decode(receipt.outcome), told_again=receipt.command_id)
    recorded = view.log.read_stream(decided.stream_id, decided.version - 1, 1)[0]
    receipts = view.log.receipts([recorded.command_id])
    return Decided(told_again(receipts[recorded.command_id]))
