"""Handlers of blocks: allocated to several portfolios, and busted, all or none.

Each allotment is captured, and busted, as any trade is: decided on top of those before it, because
an amend that was held may bring two of them into one portfolio.
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

from msgspec.structs import replace

from commands.command import AllocateBlock, BustBlock, BustTrade, CaptureTrade, Issued
from commands.corrections import bust_trade
from commands.decision import Addressed, AlreadyDecided, Decision
from commands.trades import capture_trade
from commands.view import View
from domain.allocating import allocate, allotted_name, captures_of
from domain.block import Allotment, Block, BlockAllocated, BlockBusted, BlockRefused
from domain.identity import block_id, refusals_stream, trade_id
from domain.instrument import differing_fields
from domain.portfolio.cash import require_open
from domain.rejection import Breach, Conflict, Rejection
from domain.source import NamingScope


def name_block(tenant: str, named: Block | BustBlock, scope: NamingScope | None) -> UUID:
    """Name a block as its source names its trades.

    Raises:
        Rejection: `trade_date_missing`, where the source's names are unique per trade date only.
    """
    if scope is not NamingScope.TRADE_DATE:
        return block_id(tenant, named.source, named.external_id, None)
    if named.trade_date is None:
        message = f"Source {named.source} names blocks and trades per date: give `trade_date`."
        raise Rejection("trade_date_missing", message)
    return block_id(tenant, named.source, named.external_id, named.trade_date)


def names_in(tenant: str, block: Block, scope: NamingScope | None) -> Iterator[UUID]:
    """Name a block and every trade that it may be allotted to.

    Raises:
        Rejection: as `name_block` says.
    """
    yield name_block(tenant, block, scope)
    day = block.trade_date if scope is NamingScope.TRADE_DATE else None
    for each in block.allocations:
        name = allotted_name(block.external_id, each.portfolio)
        yield trade_id(tenant, block.source, name, day)


def allocate_block(issued: Issued, command: AllocateBlock, view: View) -> Decision | AlreadyDecided:
    """Allocate a block: each allotment booked or parked; or the whole refused, with events."""
    block = command.block
    try:
        scope = view.source(issued.tenant, block.source).naming_scope
        name = name_block(issued.tenant, block, scope)
    except Rejection as rejection:
        unnamed = block_id(issued.tenant, block.source, block.external_id, None)
        return _refused(issued, unnamed, block, rejection, view)
    first = view.first_event(name)
    if first is not None:
        assert isinstance(first, BlockAllocated), "a block's stream begins so"
        _require_same_content(first.block, block)
        return AlreadyDecided(name)
    try:
        return _allocated(issued, name, block, view)
    except Conflict:
        raise  # A name of its trades is taken: nothing is recorded, as for a trade's own name.
    except Rejection as rejection:
        return _refused(issued, name, block, rejection, view)


def bust_block(issued: Issued, command: BustBlock, view: View) -> Decision | AlreadyDecided:
    """Take every trade of a block out for ever, wherever amends have taken it.

    Raises:
        Rejection: `block_unknown`.
    """
    scope = view.source(issued.tenant, command.source).naming_scope
    name = name_block(issued.tenant, command, scope)
    told = list(view.events(name))
    if not told:
        message = f"{command.source} allocated no block {command.external_id}."
        raise Rejection("block_unknown", message)
    if isinstance(told[-1], BlockBusted):
        return AlreadyDecided(name, len(told))
    (allocated,) = told
    assert isinstance(allocated, BlockAllocated), "a block's stream begins so"
    events: list[Addressed] = []
    warnings: list[Breach] = []
    busted: list[UUID] = []
    above = view.above()
    for each in allocated.allotments:
        if each.trade_id is None:
            continue
        bust = BustTrade(
            source=command.source,
            external_id=allotted_name(command.external_id, each.portfolio),
            portfolio=each.portfolio,
            reason=command.reason,
            trade_date=command.trade_date,
        )
        decision = bust_trade(issued, bust, above)
        if isinstance(decision, AlreadyDecided):
            continue
        above.admit(decision.events, issued.command_id)
        events += decision.events
        warnings += _of_portfolio(each.portfolio, decision.warnings)
        busted.append(each.trade_id)
    event = BlockBusted(
        block_id=name,
        source=command.source,
        external_id=command.external_id,
        reason=command.reason,
        trade_ids=tuple(busted),
        received_at=issued.received_at,
    )
    return Decision(
        events=(Addressed(name, issued.tenant, event), *events),
        of_stream=name,
        market_position=view.market.position,
        warnings=tuple(warnings),
    )


def _allocated(issued: Issued, name: UUID, block: Block, view: View) -> Decision:
    parts = allocate(block)
    for part in parts:
        if not part.quantity:
            require_open(view.portfolio(issued.tenant, part.portfolio), part.portfolio)
    above = view.above()
    trades: dict[str, UUID | None] = {}
    events: list[Addressed] = []
    refusals: list[Addressed] = []
    breaches: list[Breach] = []
    warnings: list[Breach] = []
    is_parked = False
    for capture in captures_of(block, parts):
        decision = capture_trade(issued, CaptureTrade(capture), above)
        assert isinstance(decision, Decision), "nothing else captures a trade as of this block"
        if decision.rejection is not None:
            refusals += decision.events
            breaches += _of_portfolio(capture.portfolio, decision.rejection.breaches)
            continue
        above.admit(decision.events, issued.command_id)
        trades[capture.portfolio] = decision.trade_id
        events += decision.events
        warnings += _of_portfolio(capture.portfolio, decision.warnings)
        is_parked = is_parked or decision.is_parked
    if breaches:
        rejection = Rejection(breaches[0].rule, breaches[0].message, breaches=tuple(breaches))
        return _refused(issued, name, block, rejection, view, refusals)
    allotments = tuple(
        Allotment(
            portfolio=part.portfolio,
            quantity=part.quantity,
            trade_id=trades.get(part.portfolio),
        )
        for part in parts
    )
    allocated = BlockAllocated(
        block_id=name, block=block, allotments=allotments, received_at=issued.received_at
    )
    return Decision(
        events=(Addressed(name, issued.tenant, allocated, begins_stream=True), *events),
        of_stream=name,
        market_position=view.market.position,
        warnings=tuple(warnings),
        is_parked=is_parked,
        allotments=allotments,
    )


def _of_portfolio(portfolio: str, breaches: Sequence[Breach]) -> list[Breach]:
    return [replace(each, portfolio=portfolio) for each in breaches]


def _require_same_content(first: Block, block: Block) -> None:
    fields = differing_fields(first, block)
    if fields:
        message = (
            f"{block.source} already named a block {block.external_id} "
            f"with other {', '.join(fields)}."
        )
        raise Conflict("external_id_conflict", message, fields=fields)


def _refused(
    issued: Issued,
    name: UUID,
    block: Block,
    rejection: Rejection,
    view: View,
    refusals: Sequence[Addressed] = (),
) -> Decision:
    """Record a refusal; what portfolios breach is told by `refusals`, one for each of them."""
    stream = refusals_stream(issued.tenant, block.source)
    refused = BlockRefused(
        block_id=name,
        block=block,
        market_position=view.market.position,
        breaches=() if refusals else rejection.breaches,
        received_at=issued.received_at,
    )
    return Decision(
        events=(Addressed(stream, issued.tenant, refused), *refusals),
        of_stream=stream,
        rejection=rejection,
        market_position=view.market.position,
    )
