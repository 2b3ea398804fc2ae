"""Contests over HTTP: announce one, enter it, leave it, be taken out."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

import msgspec

from commands.command import Command
from commands.contests import AnnounceContest, DisqualifyEntrant, EnterContest, WithdrawEntry
from domain.contests.terms import UNIVERSE_MAX, ContestTerms, Metric, Window, last_day_of
from gateway.access import Action, permits, require
from gateway.decoding import (
    BodyFault,
    BodyFaulty,
    CurrencyCode,
    Name,
    Number,
    plausible_day,
    positive,
)
from gateway.interface import Call
from gateway.openapi import PathParameter
from write_api.bodies import Body, Calendar, Reason
from write_api.control_endpoints import Control
from write_api.portfolio_bodies import Subject

CONTEST = PathParameter("contest", r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}\Z", "The contest's name.")
COUNT_MAX = 1_000_000
_FOR_OTHERS = Action.ENTER_FOR_OTHERS


class ContestBody(Body, frozen=True, kw_only=True):
    """The rules of a contest, known before it begins and never changed.

    `first_day` is the first day of the `window`; `last_day` is needed for the window `contest`
    only. A day and a week are ranked by `return` or `drawdown`; `sharpe`, `sortino` and `calmar`
    need 20 sessions; `pnl` needs `capital`, the exact value all begin with, without any flow after.
    Who has fewer days or trades than the minimum is listed without a rank. `universe` names what
    may be traded; none: everything.
    """

    contest: Name
    window: Window
    first_day: date
    last_day: date | None = None
    calendar: Calendar
    currency: CurrencyCode
    metric: Metric
    minimum_days: Annotated[int, msgspec.Meta(ge=1, le=COUNT_MAX)] = 1
    minimum_trades: Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)] = 0
    universe: Annotated[tuple[Name, ...], msgspec.Meta(max_length=UNIVERSE_MAX)] = ()
    capital: Number | None = None


class EntryBody(Body, frozen=True):
    """With which portfolio its owner takes part."""

    portfolio: Name


class EntryWithdrawalBody(Body, frozen=True):
    """Who takes part no longer."""

    participant: Subject


class DisqualificationBody(Body, frozen=True):
    """Who is ranked no more, and why."""

    participant: Subject
    reason: Reason


def _announcement(_: Call, body: ContestBody) -> Command:
    first_day = plausible_day("first_day", body.first_day)
    last_day = body.last_day or last_day_of(body.window, first_day)
    if last_day is None:
        detail = "Begin with the first day of the window; a `contest` says its last one, too."
        raise BodyFaulty(BodyFault("date_missing", detail, "last_day")) from None
    terms = ContestTerms(
        window=body.window,
        first_day=first_day,
        last_day=plausible_day("last_day", last_day),
        calendar=body.calendar,
        currency=body.currency,
        metric=body.metric,
        minimum_days=body.minimum_days,
        minimum_trades=body.minimum_trades,
        universe=tuple(sorted(body.universe)),
        capital=None if body.capital is None else positive("capital", body.capital),
    )
    return AnnounceContest(body.contest, terms)


def _entry(call: Call, body: EntryBody) -> Command:
    participant = None if permits(call.principal, _FOR_OTHERS) else call.principal.subject
    return EnterContest(call.named(CONTEST), body.portfolio, participant)


def _withdrawal(call: Call, body: EntryWithdrawalBody) -> Command:
    if body.participant != call.principal.subject:
        require(call.principal, _FOR_OTHERS)
    return WithdrawEntry(call.named(CONTEST), body.participant)


def _disqualification(call: Call, body: DisqualificationBody) -> Command:
    return DisqualifyEntrant(call.named(CONTEST), body.participant, body.reason)


CONTESTS: Sequence[Control] = (
    Control(
        "/v1/contests",
        "announce_contest",
        "Announce a contest",
        (Action.ANNOUNCE_CONTEST,),
        ContestBody,
        _announcement,
        "Before its first session has closed (else `window_begun`).",
        ("date_missing",),
    ),
    Control(
        "/v1/contests/{contest}/entries",
        "enter_contest",
        "Take part in a contest with a portfolio",
        (Action.ENTER_CONTEST, _FOR_OTHERS),
        EntryBody,
        _entry,
        "The participant is the portfolio's owner, with one portfolio at a time. Before the first "
        "session has closed (else `contest_begun`), in the contest's currency and calendar. A "
        "`trader` enters a portfolio of their own only (else `portfolio_not_own`).",
        parts=(CONTEST,),
    ),
    Control(
        "/v1/contests/{contest}/withdrawals",
        "withdraw_entry",
        "Take part in a contest no longer",
        (Action.ENTER_CONTEST, _FOR_OTHERS),
        EntryWithdrawalBody,
        _withdrawal,
        "Before the last session has closed (else `contest_over`). A `trader` withdraws nobody but "
        "themselves (else `role_missing`).",
        parts=(CONTEST,),
    ),
    Control(
        "/v1/contests/{contest}/disqualifications",
        "disqualify_entrant",
        "Rank a participant no more",
        (Action.DISQUALIFY_ENTRANT,),
        DisqualificationBody,
        _disqualification,
        "Also behind the end: then the result gets another edition.",
        parts=(CONTEST,),
    ),
)
