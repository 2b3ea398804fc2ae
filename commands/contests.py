"""Contests: their commands, and the handlers of them.

A contest, each entry of it and its results are streams of their own, so that entering reads no
other entry but those of who owned the portfolio before: a participant is the owner of then, so one
that it takes part by is among them. That a session is struck once rests on the command's name (see
the reaction).
"""

from collections.abc import Callable, Mapping
from datetime import date
from itertools import chain
from typing import Any
from uuid import UUID

from commands.command import Command, Issued
from commands.decision import Addressed, AlreadyDecided, Decision
from commands.view import View
from domain.contests import deciding
from domain.contests.events import (
    ContestAnnounced,
    ContestEntered,
    EntrantDisqualified,
    EntryEvent,
    EntryWithdrawn,
    RanksStruck,
    ResultStruck,
)
from domain.contests.terms import ContestTerms
from domain.event import Event
from domain.identity import contest_entry_stream, contest_ranks_stream, contest_stream
from domain.portfolio.cash import require_portfolio


class AnnounceContest(Command, frozen=True, tag="announce_contest"):
    """Announce a contest."""

    contest: str
    terms: ContestTerms


class EnterContest(Command, frozen=True, tag="enter_contest"):
    """Take part with a portfolio; its owner is the participant, and none but `participant`."""

    contest: str
    portfolio: str
    participant: str | None = None


class WithdrawEntry(Command, frozen=True, tag="withdraw_entry"):
    """Take a participant out who wants no longer."""

    contest: str
    participant: str


class DisqualifyEntrant(Command, frozen=True, tag="disqualify_entrant"):
    """Take a participant out; `reason` is a short code."""

    contest: str
    participant: str
    reason: str


class StrikeRanks(Command, frozen=True, tag="strike_ranks"):
    """Tell what ranks were when a session closed: the facts themselves; by a reaction only."""

    struck: tuple[RanksStruck, ...] | tuple[ResultStruck, ...]


def announce_contest(
    issued: Issued, command: AnnounceContest, view: View
) -> Decision | AlreadyDecided:
    """Announce it; what was announced so before is not announced again."""
    stream = contest_stream(issued.tenant, command.contest)
    announced = deciding.announce(
        _announced(issued, command.contest, view),
        contest=command.contest,
        terms=command.terms,
        closed=_closed(view, command.terms.calendar),
        instrument_of=view.instrument,
    )
    return _told(issued, stream, announced, version=1)


def enter_contest(issued: Issued, command: EnterContest, view: View) -> Decision | AlreadyDecided:
    """Enter the portfolio for its owner."""
    announced = _announced(issued, command.contest, view)
    portfolio = view.portfolio(issued.tenant, command.portfolio)
    held = require_portfolio(portfolio, command.portfolio)
    participant = deciding.owner_of(held, command.portfolio)
    stream, entry = _entry(issued, command.contest, participant, view)
    before = (each for each in held.standing.owners if each != participant)
    others = (_entry(issued, command.contest, each, view)[1][-1:] for each in before)
    entered = deciding.enter(
        announced,
        entry,
        portfolio,
        contest=command.contest,
        name=command.portfolio,
        closed=_closed_of(announced, view),
        only=command.participant,
        others=chain.from_iterable(others),
    )
    return _told(issued, stream, entered, version=len(entry))


def withdraw_entry(issued: Issued, command: WithdrawEntry, view: View) -> Decision | AlreadyDecided:
    """Withdraw it."""
    announced = _announced(issued, command.contest, view)
    stream, entry = _entry(issued, command.contest, command.participant, view)
    withdrawn = deciding.withdraw(
        announced,
        entry,
        contest=command.contest,
        participant=command.participant,
        closed=_closed_of(announced, view),
    )
    return _told(issued, stream, withdrawn, version=len(entry))


def disqualify_entrant(
    issued: Issued, command: DisqualifyEntrant, view: View
) -> Decision | AlreadyDecided:
    """Disqualify them."""
    stream, entry = _entry(issued, command.contest, command.participant, view)
    disqualified = deciding.disqualify(
        _announced(issued, command.contest, view),
        entry,
        contest=command.contest,
        participant=command.participant,
        reason=command.reason,
    )
    return _told(issued, stream, disqualified, version=len(entry))


def strike_ranks(issued: Issued, command: StrikeRanks, view: View) -> Decision:  # noqa: ARG001
    """Tell them: they are facts, and nothing about them can be refused."""
    stream = contest_ranks_stream(issued.tenant, command.struck[0].contest)
    events = tuple(Addressed(stream, issued.tenant, each) for each in command.struck)
    return Decision(events=events, of_stream=stream)


HANDLERS: Mapping[type[Command], Callable[[Issued, Any, View], Decision | AlreadyDecided]] = {
    AnnounceContest: announce_contest,
    EnterContest: enter_contest,
    WithdrawEntry: withdraw_entry,
    DisqualifyEntrant: disqualify_entrant,
    StrikeRanks: strike_ranks,
}


def _announced(issued: Issued, contest: str, view: View) -> ContestAnnounced | None:
    for event in view.events(contest_stream(issued.tenant, contest), limit=1):
        assert isinstance(event, ContestAnnounced), "its stream begins with the announcement"
        return event
    return None


def _entry(
    issued: Issued, contest: str, participant: str, view: View
) -> tuple[UUID, list[EntryEvent]]:
    stream = contest_entry_stream(issued.tenant, contest, participant)
    entry = [
        event
        for event in view.events(stream)
        if isinstance(event, ContestEntered | EntryWithdrawn | EntrantDisqualified)
    ]
    return stream, entry


def _closed(view: View, calendar: str) -> date | None:
    last = view.market.calendars.get(calendar)
    return None if last is None else last.session


def _closed_of(announced: ContestAnnounced | None, view: View) -> date | None:
    return None if announced is None else _closed(view, announced.terms.calendar)


def _told(
    issued: Issued, stream: UUID, event: Event | None, *, version: int
) -> Decision | AlreadyDecided:
    if event is None:
        return AlreadyDecided(stream, version)
    return Decision(events=(Addressed(stream, issued.tenant, event),), of_stream=stream)
