"""Contests in few words: announced, entered, and traded in, on the days of `telling`."""

from datetime import date
from decimal import Decimal

from domain.contests.events import (
    ContestAnnounced,
    ContestEntered,
    EntrantDisqualified,
    EntryWithdrawn,
    Rank,
)
from domain.contests.ranking import standing
from domain.contests.terms import ContestTerms, Metric, Window
from projections.asking import Readable
from projections.leaderboard.tracks import contests_of, tracks_of
from tests.projections.performance.telling import ACME, Told, day, flow, opened, trade

CUP = "cup"


def announced(
    first: int = 2,
    last: int = 4,
    *,
    contest: str = CUP,
    tenant: str = ACME,
    metric: Metric = Metric.RETURN,
    trades: int = 0,
    universe: tuple[str, ...] = (),
    capital: str | None = None,
) -> Told:
    """A contest over some days, all of them sessions."""
    terms = ContestTerms(
        window=Window.CONTEST,
        first_day=day(first),
        last_day=day(last),
        calendar="XNYS",
        currency="USD",
        metric=metric,
        minimum_trades=trades,
        universe=universe,
        capital=None if capital is None else Decimal(capital),
    )
    return tenant, ContestAnnounced(contest, terms, day(first), day(last))


def entered(portfolio: str, *, contest: str = CUP, tenant: str = ACME) -> Told:
    """The owner of a portfolio takes part: the owner of p-a is a."""
    return tenant, ContestEntered(contest, portfolio.removeprefix("p-"), portfolio)


def withdrawn(participant: str, *, contest: str = CUP) -> Told:
    """A participant leaves."""
    return ACME, EntryWithdrawn(contest, participant, f"p-{participant}")


def disqualified(participant: str, *, contest: str = CUP, tenant: str = ACME) -> Told:
    """A participant is taken out."""
    return tenant, EntrantDisqualified(contest, participant, f"p-{participant}", "wash_trades")


def funded(*names: str, cash: str = "1000", tenant: str = ACME) -> list[Told]:
    """Portfolios p-… with cash on day 1, each of one owner."""
    told: list[Told] = []
    for name in names:
        portfolio = f"p-{name}"
        told += [opened(portfolio, tenant=tenant)]
        told += [flow(cash, 1, portfolio=portfolio, tenant=tenant)]
    return told


def bought(name: str, units: str, on: int = 2, *, instrument: str = "AAPL", **how: str) -> Told:
    """An entrant bought at 10 on a day."""
    return trade(instrument, units, "10", on, portfolio=f"p-{name}", name=f"{name}-{on}", **how)  # type: ignore[arg-type]


def ranked(readable: Readable, session: date | None = None, *, contest: str = CUP) -> list[Rank]:
    """The ranks of a contest as `performance` tells them."""
    (found,) = contests_of(readable, tenant=ACME, contest=contest).contests
    until = session or found.session
    assert until is not None, "a session has closed"
    return standing(found.terms, tracks_of(readable, found, until).tracks, until)


def shown(ranks: list[Rank]) -> list[str]:
    """Ranks as `1 a 0.1`, without one as `- a reason`."""
    return [
        f"{each.rank} {each.participant} {each.value}" + (" held" if each.held_since else "")
        if each.rank is not None
        else f"- {each.participant} {each.reason}"
        for each in ranks
    ]
