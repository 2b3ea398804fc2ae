"""Words for tests of limits: approve them by telling the log, and recount what is used of them."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain.event import Event
from domain.identity import controls_stream, derive, usage_stream
from domain.limits.events import LimitApproved, LimitUsed, UsageObserved
from domain.limits.scope import Scope
from domain.limits.terms import Binding, LimitRule, LimitTerms
from domain.portfolio.events import TradeBooked, TradeUnbooked
from eventstore.envelope import NewEvent, NewReceipt, RecordedEvent
from eventstore.log import Log
from schemas.codec import decode, encode, event_name
from tests.commands.scenes import ACME, MONDAY

FIRM_DAY = "firm-day"


def terms(**changes: Any) -> LimitTerms:
    """A hard limit of 1,000 units a day in the whole tenant, with changes."""
    wanted: dict[str, Any] = {
        "rule": LimitRule.DAY_QUANTITY,
        "scope": Scope(),
        "maximum": Decimal(1_000),
        "binding": Binding.HARD,
    }
    return LimitTerms(**(wanted | changes))


def approve(log: Log, content: LimitTerms | None, *, limit: str = FIRM_DAY) -> None:
    """Put a limit in force, or end it, as its next version."""
    stream = controls_stream(ACME)
    version = log.stream_versions([stream]).get(stream, 0) + 1
    event = LimitApproved(
        limit=limit, version=version, proposed_by="one", approved_by="two", terms=content
    )
    tell(log, stream, version, event)


def tell(log: Log, stream: UUID, version: int, event: Event) -> None:
    """Append one event as if a command had led to it."""
    command = derive("test", str(stream), str(version))
    new = NewEvent(
        stream,
        version,
        event_name(event),
        encode(event),
        None,
        ACME,
        "test",
        command,
        command,
        None,
        None,
    )
    receipt = NewReceipt(command, ACME, bytes(32), b"{}", 0)
    with log.writing() as transaction:
        transaction.append([new], [receipt])


def recorded_events(log: Log) -> Iterator[tuple[RecordedEvent, Event]]:
    """Every event of a log."""
    after = 0
    while recorded := log.read(after, 5_000):
        for each in recorded:
            yield each, decode(each.event_type, each.data)
        after = recorded[-1].position


def told_uses(log: Log, limit: str = FIRM_DAY) -> list[tuple[int, int]]:
    """The amounts used of a limit and the totals told with them, in order; whole ones."""
    stream = usage_stream(ACME, limit)
    return [
        (int(event.amount), int(event.used))
        for recorded, event in recorded_events(log)
        if recorded.stream_id == stream and isinstance(event, LimitUsed)
    ]


def used(log: Log, *, limit: str = FIRM_DAY, day: date = MONDAY) -> Decimal:
    """What the last event of a day says is used of a limit."""
    recorded = log.last_of_key(usage_stream(ACME, limit), day.isoformat(), log.head().position)
    if recorded is None:
        return Decimal(0)
    event = decode(recorded.event_type, recorded.data)
    assert isinstance(event, LimitUsed | UsageObserved)
    return event.used


def booked_quantities(
    log: Log, *, after: int = 0, instrument: str | None = None
) -> dict[date, Decimal]:
    """Recount, by trade date, the quantities of trades booked behind a position, and still so."""
    found: dict[UUID, tuple[date, Decimal]] = {}
    for recorded, event in recorded_events(log):
        if isinstance(event, TradeUnbooked):
            found.pop(event.fill.trade_id, None)
        elif (
            isinstance(event, TradeBooked)
            and recorded.position > after
            and instrument in {None, event.instrument}
        ):
            found[event.fill.trade_id] = event.fill.trade_date, event.fill.quantity
    counted: defaultdict[date, Decimal] = defaultdict(Decimal)
    for day, quantity in found.values():
        counted[day] += quantity
    return dict(counted)
