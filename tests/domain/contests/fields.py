"""Fields of entrants to be ranked: any of them, with values that often tie."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from domain.contests.ranking import Day, Track, Unranked
from domain.contests.terms import ContestTerms, Metric, Window

FIRST = date(2024, 3, 4)
SESSIONS = [FIRST + timedelta(days=number) for number in range(25)]
LACKS = [Unranked.NAV_INCOMPLETE, Unranked.PRICE_STALE, Unranked.PRICED_BY_TRADE]


def terms_of(metric: Metric = Metric.RETURN, days: int = 1, trades: int = 0) -> ContestTerms:
    """Rules of a contest of 25 sessions."""
    return ContestTerms(
        window=Window.CONTEST,
        first_day=FIRST,
        last_day=SESSIONS[-1],
        calendar="24/7",
        currency="USD",
        metric=metric,
        minimum_days=days,
        minimum_trades=trades,
        capital=Decimal(100) if metric is Metric.PNL else None,
    )


def day(number: int, value: str | None = "0.01", lack: Unranked | None = None) -> Day:
    """Give a session by its number; one that is incomplete has no value."""
    missing = lack is Unranked.NAV_INCOMPLETE
    return Day(
        session=SESSIONS[number],
        value=None if missing or value is None else Decimal(value),
        is_undefined=value is None,
        since=None,
        nav=None if missing else Decimal(100),
        flows=Decimal(100) if number == 0 else Decimal(0),
        lack=lack,
    )


def track(participant: str, *values: str, **how: Any) -> Track:
    """Give an entrant with a return each session from the first on, complete and marked."""
    days = [day(number, value) for number, value in enumerate(values)]
    return Track(participant, f"p-{participant}", days)._replace(**how)


@st.composite
def tracks(draw: st.DrawFn, sessions: int = 4) -> Track:
    """Any entrant but for its name."""
    days = []
    for number in range(draw(st.integers(0, 2)), sessions):
        lack = draw(st.none() | st.none() | st.sampled_from(LACKS))
        value = draw(st.sampled_from(["-0.01", "0", "0.01", "0.02"]))
        days.append(day(number, value, lack))
    traded = st.sampled_from(SESSIONS[:sessions])
    return Track(
        participant="",
        portfolio="p",
        days=days,
        trades=sorted(draw(st.lists(traded, max_size=3))),
        out=draw(st.sampled_from([None, None, None, Unranked.WITHDRAWN])),
    )


@st.composite
def fields(draw: st.DrawFn, least: int = 0) -> list[Track]:
    """Entrants of different names, in any order."""
    found = draw(st.lists(tracks(), min_size=least, max_size=7))
    named = [each._replace(participant=f"user-{number}") for number, each in enumerate(found)]
    return draw(st.permutations(named))
