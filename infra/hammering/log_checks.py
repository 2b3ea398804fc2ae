"""The log against the ledger: nothing acknowledged is missing, nothing is twice or unasked."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
import psycopg

from commands.deciding import outcome_of
from commands.reactions.settlement import Owner, settlement_id
from domain.market import SessionClosed
from domain.portfolio.events import PortfolioOpened
from domain.trade import TradeCaptured, TradeParked
from eventstore.envelope import Receipt, RecordedEvent
from eventstore.log import Log
from infra.hammering.ledger import Answer, Promise, Told
from projections.findings import Check
from schemas.catalogue import EVENT_NAMES

EVENTS_PER_READ = 10_000
_RECEIPTS = """
SELECT command_id, tenant, fingerprint, outcome, position, recorded_at FROM log.receipts
"""
_OPENED, _CLOSED = EVENT_NAMES[PortfolioOpened], EVENT_NAMES[SessionClosed]
_NAMING = frozenset({EVENT_NAMES[TradeCaptured], EVENT_NAMES[TradeParked]})

_WITHOUT_TRACE = frozenset({Answer.MALFORMED, Answer.NOT_ATTEMPTED})
"""What a command is told that cannot be understood, or whose neighbour in an atomic batch fails."""

TradeName = tuple[str, str, str]


class _Named(msgspec.Struct):
    source: str
    external_id: str


class _WithCapture(msgspec.Struct):
    capture: _Named


class _WithPortfolio(msgspec.Struct):
    portfolio: str


class Span(msgspec.Struct):
    """The events of one command: where they begin and end, how many, and whether we sent it."""

    first: int
    last: int
    count: int
    is_reaction: bool


class Evidence(msgspec.Struct):
    """What the log holds: its length, the events by command, trades by name."""

    events: int = 0
    spans: dict[UUID, Span] = msgspec.field(default_factory=dict)
    trades: Counter[TradeName] = msgspec.field(default_factory=Counter)
    owners: list[Owner] = msgspec.field(default_factory=list)
    closings: list[int] = msgspec.field(default_factory=list)

    def take(self, recorded: RecordedEvent) -> None:
        """Take one event, the next in order."""
        self.events += 1
        span = self.spans.get(recorded.command_id)
        if span is None:
            is_reaction = recorded.causation_id is not None
            self.spans[recorded.command_id] = Span(
                recorded.position, recorded.position, 1, is_reaction
            )
        else:
            span.last = recorded.position
            span.count += 1
        if recorded.event_type in _NAMING:
            named = _capture(recorded.data).capture
            self.trades[recorded.tenant, named.source, named.external_id] += 1
        elif recorded.event_type == _OPENED:
            self.owners.append(Owner(recorded.tenant, _opened(recorded.data).portfolio))
        elif recorded.event_type == _CLOSED:
            self.closings.append(recorded.position)

    def settlements(self) -> set[UUID]:
        """Name every settlement a session's end may have asked for; many settle nothing."""
        return {
            settlement_id(owner, closed_at=position)
            for position in self.closings
            for owner in self.owners
        }


_capture = msgspec.json.Decoder(_WithCapture).decode
_opened = msgspec.json.Decoder(_WithPortfolio).decode


def read_evidence(log: Log) -> Evidence:
    """Read the whole log.

    Raises:
        LogDamaged: a position is missing.
    """
    evidence = Evidence()
    while recorded := log.read(evidence.events, EVENTS_PER_READ):
        for each in recorded:
            evidence.take(each)
    return evidence


def read_truths(app_conninfo: str) -> dict[UUID, Told]:
    """Read the outcome of every command that has a receipt."""
    truths: dict[UUID, Told] = {}
    with psycopg.connect(app_conninfo) as connection:
        for row in connection.execute(_RECEIPTS):
            receipt = Receipt(*row)
            outcome = outcome_of(receipt)
            status = outcome.status.value
            truths[receipt.command_id] = Told(outcome.command_id, status, outcome.position)
    return truths


def check_promises(
    promises: Mapping[UUID, Promise], truths: Mapping[UUID, Told], evidence: Evidence
) -> Check:
    """Check that the log holds what was told of each command, once, and nothing of the others."""
    check = Check("every answered command is in the log as it was told, once")
    for promise in promises.values():
        check.counted += 1
        difference = promise.difference(truths) or _misplaced(promise, evidence)
        if difference is not None:
            check.fail(difference)
    return check


def _misplaced(promise: Promise, evidence: Evidence) -> str | None:
    """Say in what a command's events differ from what its outcome says of them."""
    told, span = promise.told, evidence.spans.get(promise.command_id)
    if span is not None and span.count != span.last - span.first + 1:
        return f"{promise.command_id}: its events lie apart, from {span.first} to {span.last}"
    if told is None:
        if span is None or promise.is_open:
            return None
        return f"{promise.command_id}: nothing was to be written, but events {span.first} and on"
    if told.command_id != promise.command_id:
        return None if span is None else f"{promise.command_id}: booked beside {told.command_id}"
    if told.status == Answer.ACCEPTED and span is None:
        return f"{promise.command_id}: accepted, and the log has no event of it"
    if span is not None and span.last != told.position:
        return f"{promise.command_id}: told position {told.position}, it ends at {span.last}"
    return None


def check_once(evidence: Evidence) -> Check:
    """Check that no trade is in the log twice, whoever sent it however often."""
    check = Check("no trade is in the log twice")
    for name, count in evidence.trades.items():
        check.counted += 1
        check.must(count == 1, lambda name=name, count=count: f"{name} is there {count} times")  # type: ignore[misc]
    return check


def check_nothing_unasked(
    evidence: Evidence, truths: Iterable[UUID], asked: Mapping[UUID, Promise]
) -> Check:
    """Check that every event and receipt belongs to a command that was sent, or to a reaction."""
    check = Check("nothing is in the log that nobody sent")
    reactions = {name for name, span in evidence.spans.items() if span.is_reaction}
    reactions |= evidence.settlements()
    for command_id in {*evidence.spans, *truths} - reactions:
        check.counted += 1
        check.must(command_id in asked, lambda name=command_id: f"nobody sent {name}")  # type: ignore[misc]
    return check


class Resolution(NamedTuple):
    """What was found out about a command whose outcome nobody had told."""

    promise: Promise
    held: Told | None
    """What the log held of it when everything was quiet."""
    answered: str
    """What GET /v1/commands/{id} answered then."""


def check_resolutions(resolutions: Sequence[Resolution], truths: Mapping[UUID, Told]) -> Check:
    """Check that asking, sending again and the log tell one truth of what was in doubt.

    `truths` are those after everything was sent again.
    """
    check = Check("every unknown outcome resolves to one truth")
    for promise, held, answered in resolutions:
        check.counted += 1
        name = promise.command_id
        expected = "never_seen" if held is None else held.status
        if answered != expected:
            check.fail(f"{name}: asking says {answered!r}, the log {expected}")
        if held is not None and promise.told != held:
            check.fail(f"{name}: the log held {held}, sent again it was told {promise.told}")
        if promise.told is None:
            has_trace = name in truths or promise.last not in _WITHOUT_TRACE
            check.must(not has_trace, lambda each=promise: f"sent again, in doubt still: {each}")  # type: ignore[misc]
    return check


class Follower:
    """A reader that tails the log all the while, through the same faults as everybody."""

    def __init__(self, log: Log) -> None:
        self.position = 0
        self.check = Check("a reader of the log skips nothing and repeats nothing")
        self._log = log
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop following."""
        self._stop.set()
        self._thread.join()

    def take(self, recorded: RecordedEvent) -> None:
        """Take one event as it came."""
        self.check.counted += 1
        if recorded.position != self.position + 1:
            self.check.fail(f"after {self.position} came {recorded.position}")
        self.position = recorded.position

    def _follow(self) -> None:
        try:
            for events in self._log.follow(0, batch_events_max=1_000, stop=self._stop):
                for recorded in events:
                    self.take(recorded)
        except Exception as error:  # noqa: BLE001 - whatever ends the reader is its finding
            self.check.fail(f"the reader ended: {type(error).__name__}: {error}")
