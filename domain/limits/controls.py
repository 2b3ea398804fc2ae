"""The state of a tenant's controls: limits, what is proposed, trading states, overrides."""

from collections.abc import Iterator
from datetime import datetime
from typing import Generic, TypeVar, assert_never
from uuid import UUID

import msgspec

from domain.limits.events import (
    ControlEvent,
    LimitApproved,
    LimitDeclined,
    LimitProposed,
    OverrideApproved,
    OverrideDeclined,
    OverrideProposed,
    TradingStateAssigned,
)
from domain.limits.scope import Scope
from domain.limits.terms import Binding, LimitTerms, TradingState

_STRICTNESS = {TradingState.ACTIVE: 0, TradingState.REDUCE_ONLY: 1, TradingState.HALTED: 2}
_COVERINGS_MAX = 100_000


class Limit(msgspec.Struct, frozen=True, gc=False):
    """A limit in force: its name, its version, what it says.

    `counted_from` is the version since which it counts the same trades in the same unit: one that
    moves only the maximum, or what a breach does, goes on counting.
    """

    name: str
    version: int
    terms: LimitTerms
    counted_from: int = 0


class Covering(msgspec.Struct, frozen=True, gc=False):
    """What controls say of the trades of one portfolio in one instrument and sector.

    `state` is the strictest in force, `state_of` the scope it was assigned to.
    """

    limits: tuple[Limit, ...] = ()
    state: TradingState = TradingState.ACTIVE
    state_of: Scope | None = None


NOTHING = Covering()


LimitEvent = LimitProposed | LimitApproved | LimitDeclined
OverrideEvent = OverrideProposed | OverrideApproved | OverrideDeclined
ToldT_co = TypeVar("ToldT_co", covariant=True)


class Told(msgspec.Struct, Generic[ToldT_co], frozen=True, gc=False):
    """The last that was told of a limit, a scope's state or an override; `version` of the stream.

    Of an override: `expires_at` is when it can be forgotten, `proposed_at` when it was proposed.
    """

    version: int
    event: ToldT_co
    expires_at: datetime | None = None
    proposed_at: datetime | None = None


class Controls:
    """Controls of one tenant, folded from its stream; nothing is limited before the first event.

    `versions` has the last version of each limit ever proposed. `assigned` has the events that
    trading states stand by; a scope that is active again has none. What was told last of each
    limit, scope and override is remembered, so that a repeat is answered as the first.
    """

    def __init__(self) -> None:
        self.version = 0
        self.limits: dict[str, Limit] = {}
        self.versions: dict[str, int] = {}
        self.proposals: dict[str, LimitProposed] = {}
        self.assigned: dict[Scope, TradingStateAssigned] = {}
        self.proposed_overrides: dict[UUID, OverrideProposed] = {}
        self.overrides: dict[UUID, OverrideApproved] = {}
        self.told_limits: dict[str, Told[LimitEvent]] = {}
        self.told_states: dict[Scope, Told[TradingStateAssigned]] = {}
        self.told_overrides: dict[UUID, Told[OverrideEvent]] = {}
        self._coverings: dict[tuple[str, str, str], Covering] = {}
        self._by_portfolio: dict[str | None, list[Limit]] | None = None
        self._shared: dict[Binding, bool] = {}

    def fork(self) -> "Controls":
        """Copy, so that the twin can be folded further without touching this one."""
        twin = Controls()
        twin.version = self.version
        twin.limits = self.limits.copy()
        twin.versions = self.versions.copy()
        twin.proposals = self.proposals.copy()
        twin.assigned = self.assigned.copy()
        twin.proposed_overrides = self.proposed_overrides.copy()
        twin.overrides = self.overrides.copy()
        twin.told_limits = self.told_limits.copy()
        twin.told_states = self.told_states.copy()
        twin.told_overrides = self.told_overrides.copy()
        return twin

    def apply(self, event: ControlEvent) -> None:
        """Fold one event."""
        self.version += 1
        match event:
            case LimitProposed() | LimitApproved() | LimitDeclined():
                self.told_limits[event.limit] = Told(self.version, event)
                self._apply_limit(event)
            case TradingStateAssigned():
                self.told_states[event.scope] = Told(self.version, event)
                if event.state is TradingState.ACTIVE:
                    self.assigned.pop(event.scope, None)
                else:
                    self.assigned[event.scope] = event
            case OverrideProposed() | OverrideApproved() | OverrideDeclined():
                self._apply_override(event)
            case _:
                assert_never(event)
        self._coverings = {}
        self._by_portfolio = None
        self._shared = {}

    def has_shared(self, binding: Binding) -> bool:
        """Say whether any limit in force counts the trades of several portfolios like so."""
        found = self._shared.get(binding)
        if found is None:
            found = any(each.terms.binding is binding for each in self.limits.values())
            self._shared[binding] = found
        return found

    def _apply_limit(self, event: LimitEvent) -> None:
        if isinstance(event, LimitProposed):
            self.versions[event.limit] = event.version
            self.proposals[event.limit] = event
            return
        self.proposals.pop(event.limit, None)
        if isinstance(event, LimitDeclined):
            return
        if event.terms is None:
            self.limits.pop(event.limit, None)
            return
        since = self._counted_from(event.limit, event.version, event.terms)
        self.limits[event.limit] = Limit(event.limit, event.version, event.terms, since)

    def _apply_override(self, event: OverrideEvent) -> None:
        name = event.trade_id
        before = self.told_overrides.get(name)
        proposed_at = None if before is None else before.proposed_at
        if isinstance(event, OverrideProposed):
            self._forget_expired(event.proposed_at)
            self.proposed_overrides[name] = event
            told: Told[OverrideEvent] = Told(
                self.version, event, event.expires_at, event.proposed_at
            )
        elif isinstance(event, OverrideApproved):
            self.proposed_overrides.pop(name, None)
            self.overrides[name] = event
            told = Told(self.version, event, event.expires_at, proposed_at)
        else:
            self.proposed_overrides.pop(name, None)
            self.overrides.pop(name, None)
            expires_at = None if before is None else before.expires_at
            told = Told(self.version, event, expires_at, proposed_at)
        self.told_overrides[name] = told

    def covering(self, *, portfolio: str, instrument: str, sector: str) -> Covering:
        """Give what holds for a portfolio's trades in an instrument; limits in order of name."""
        key = portfolio, instrument, sector
        found = self._coverings.get(key)
        if found is None:
            if len(self._coverings) >= _COVERINGS_MAX:
                self._coverings.clear()
            found = self._coverings[key] = self._covering(*key)
        return found

    def _covering(self, portfolio: str, instrument: str, sector: str) -> Covering:
        def covers(scope: Scope) -> bool:
            return scope.covers(portfolio=portfolio, instrument=instrument, sector=sector)

        found = [limit for limit in self.limits_of(portfolio) if covers(limit.terms.scope)]
        limits = tuple(sorted(found, key=lambda limit: limit.name))
        assigned = [each for scope, each in self.assigned.items() if covers(scope)]
        if not assigned:
            return Covering(limits) if limits else NOTHING
        strictest = max(assigned, key=lambda each: _STRICTNESS[each.state])
        return Covering(limits, strictest.state, strictest.scope)

    def limits_of(self, portfolio: str) -> Iterator[Limit]:
        """Give the limits of every portfolio and of this one: there may be thousands of others."""
        if self._by_portfolio is None:
            self._by_portfolio = {}
            for limit in self.limits.values():
                self._by_portfolio.setdefault(limit.terms.scope.portfolio, []).append(limit)
        yield from self._by_portfolio.get(None, ())
        yield from self._by_portfolio.get(portfolio, ())

    def _counted_from(self, name: str, version: int, terms: LimitTerms) -> int:
        """Give the version since which a limit counts what these terms count."""
        before = self.limits.get(name)
        if before is not None and before.terms.counted == terms.counted:
            return before.counted_from
        return version

    def _forget_expired(self, now: datetime) -> None:
        """Forget what cannot count any more, so that overrides do not pile up for ever."""
        for trade_id, told in list(self.told_overrides.items()):
            if told.expires_at is None or told.expires_at < now:
                for kept in (self.told_overrides, self.proposed_overrides, self.overrides):
                    kept.pop(trade_id, None)
