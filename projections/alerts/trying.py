"""Trying a rule on history: what it would have raised, had it been in force, judged from the log.

The log is read in bounded pages, of one tenant and the market only, up to where `alerts` stands;
how much that is, is counted before any of it is folded.
The rules that are really in force, and what persons did, take no part.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import get_args
from uuid import UUID

import msgspec

from domain.alerts.events import (
    AlertCleared,
    AlertRaised,
    AlertRetracted,
    AlertRuleDeclared,
    AlertSubject,
)
from domain.alerts.market import told_time
from domain.alerts.terms import AlertTerms
from domain.alerts.watching import WATCHED_EVENTS, Judged, Told, Watching
from domain.event import Event
from domain.identity import MARKET_TENANT, derive
from domain.instrument import InstrumentEvent
from domain.market import BusinessTimeReached, MarketEvent, MarketMarked, SessionClosed
from eventstore.envelope import RecordedEvent
from eventstore.reading import count_of_tenants, read_last_of_tenants, read_of_tenants
from projections.asking import HistoryTooLong, Readable, ask
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode

EVENTS_MAX = 100_000
EVENTS_PER_READ = 5_000
HITS_MAX = 1_000
TRIAL = "trial"
_NOT_TRIED = ("alert.", "alert_rule.")
_READ = frozenset(
    name
    for kind in (*WATCHED_EVENTS, *get_args(InstrumentEvent), *get_args(MarketEvent))
    if not (name := EVENT_NAMES[kind]).startswith(_NOT_TRIED)
)
_TELLING_TIME = frozenset(
    EVENT_NAMES[kind] for kind in (MarketMarked, SessionClosed, BusinessTimeReached)
)
_NOTHING = "* FROM (SELECT 1) AS nothing WHERE false"


class Hit(msgspec.Struct, kw_only=True):
    """An alert that the rule would have raised; without `until` it would be open still.

    `ended` is `cleared` or `retracted`; the figure was beyond its level `since`.
    """

    subject: AlertSubject
    since: datetime
    raised_at: datetime
    as_of: int
    actual: Decimal
    until: datetime | None = None
    ended: str | None = None


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would have led to, over which events and business times.

    `hits` are the first of so many; `in_breach` is the time from `since` to the end of all that no
    restatement retracts, those still open up to `reached`.
    """

    hits: list[Hit]
    hit_count: int
    in_breach: timedelta
    events: int
    reached: datetime | None
    position: int
    market_position: int


def try_rule(
    readable: Readable,
    *,
    tenant: str,
    terms: AlertTerms,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Tried:
    """Judge a rule as if it had been declared once business time came to `since`.

    Raises:
        HistoryTooLong: the log tells more of the tenant and the market than is folded for it.
    """
    stands = ask(readable, "alerts", _NOTHING, ())
    watching = Watching()
    hits: dict[UUID, Hit] = {}
    rule = AlertRuleDeclared(alert_rule=TRIAL, version=1, declared_by=TRIAL, terms=terms)
    is_declared, count = False, 0

    def fold(position: int, of: str, command_id: UUID, event: Event) -> None:
        _take(hits, watching.fold(Told(position, of, command_id, event)))

    _require_few(readable, tenant, until, stands.position)
    for recorded in _history(readable, tenant, stands.position):
        count += 1
        reached = watching.reached
        if not is_declared and (since is None or (reached is not None and reached >= since)):
            is_declared = True
            fold(recorded.position - 1, tenant, derive(TRIAL), rule)
        event = decode(recorded.event_type, recorded.data)
        fold(recorded.position, recorded.tenant, recorded.command_id, event)
        reached = watching.reached
        if until is not None and reached is not None and reached > until:
            break
    _take(hits, watching.judge())
    return _summed(hits, count, watching, stands.position, stands.market_position)


def _require_few(readable: Readable, tenant: str, until: datetime | None, position: int) -> None:
    """Let pass only what ends, by position or by business time, within so many events."""
    count, last = count_of_tenants(
        readable.connection,
        (tenant, MARKET_TENANT),
        _READ,
        after=0,
        until=position,
        limit=EVENTS_MAX + 1,
    )
    if count <= EVENTS_MAX:
        return
    newest = read_last_of_tenants(readable.connection, (MARKET_TENANT,), _TELLING_TIME, until=last)
    reached = None if newest is None else told_time(decode(newest.event_type, newest.data))
    if until is None or reached is None or reached <= until:
        raise HistoryTooLong(EVENTS_MAX)


def _history(readable: Readable, tenant: str, until: int) -> Iterator[RecordedEvent]:
    after = 0
    while True:
        recorded = read_of_tenants(
            readable.connection,
            (tenant, MARKET_TENANT),
            _READ,
            after=after,
            until=until,
            limit=EVENTS_PER_READ,
        )
        yield from recorded
        if len(recorded) < EVENTS_PER_READ:
            return
        after = recorded[-1].position


def _take(hits: dict[UUID, Hit], judged: list[Judged]) -> None:
    for _, event in judged:
        match event:
            case AlertRaised():
                hits[event.alert] = Hit(
                    subject=event.subject,
                    since=event.since,
                    raised_at=event.at,
                    as_of=event.as_of,
                    actual=event.actual,
                )
            case AlertCleared():
                hits[event.alert].until, hits[event.alert].ended = event.at, "cleared"
            case AlertRetracted():
                hits[event.alert].until, hits[event.alert].ended = event.at, "retracted"


def _summed(
    hits: dict[UUID, Hit], count: int, watching: Watching, position: int, market_position: int
) -> Tried:
    reached = watching.market.reached
    stand = [each for each in hits.values() if each.ended != "retracted"]
    spans = ((each.until or reached or each.since) - each.since for each in stand)
    return Tried(
        hits=list(hits.values())[:HITS_MAX],
        hit_count=len(hits),
        in_breach=sum(spans, timedelta()),
        events=count,
        reached=reached,
        position=position,
        market_position=market_position,
    )
