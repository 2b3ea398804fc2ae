"""Stories that Hypothesis tells of portfolios, their cash, their trades and the market."""

from datetime import datetime
from typing import Any
from uuid import uuid5

import msgspec
from hypothesis import strategies as st

from domain.market import SessionClosed
from domain.portfolio.events import Reason, TradeBooked
from tests.projections.performance.figures import told_beside
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    FRANKFURT,
    GLOBEX,
    NEW_YORK,
    Told,
    at,
    closed,
    corrected,
    day,
    exchanged,
    fee,
    flow,
    interest,
    marked,
    opened,
    trade,
    unbooked,
    written_down,
)

DAYS = 6
DAY_NUMBERS = st.integers(1, DAYS)
BOOKS = ((ACME, BOOK), (ACME, "german"), (GLOBEX, BOOK))
OPENINGS = [opened(), opened("german", base="EUR", calendar=FRANKFURT), opened(tenant=GLOBEX)]
CURRENCY_OF = {"AAPL": "USD", "MSFT": "USD", "SAP": "EUR"}
PRICES = st.sampled_from(["0", "3", "7.5", "10", "20", "33.333333333333"])
HOURS = st.sampled_from([10, 13, 14, 16, 18, 21, 22])
MOMENTS = st.builds(at, st.integers(1, DAYS), HOURS)


@st.composite
def trades(draw: st.DrawFn) -> Told:
    """Some trade of some portfolio."""
    tenant, portfolio = draw(st.sampled_from(BOOKS))
    instrument = draw(st.sampled_from(sorted(CURRENCY_OF)))
    return trade(
        instrument,
        draw(st.sampled_from(["-10", "-3", "1", "5", "10"])),
        draw(PRICES),
        draw(DAY_NUMBERS),
        moment=draw(st.none() | MOMENTS),
        fee=draw(st.sampled_from(["0", "1.5"])),
        portfolio=portfolio,
        tenant=tenant,
        currency=CURRENCY_OF[instrument],
    )


@st.composite
def flows(draw: st.DrawFn) -> Told:
    """Some deposit or withdrawal; the domain's own check of cash is not asked."""
    tenant, portfolio = draw(st.sampled_from(BOOKS))
    amount = draw(st.sampled_from(["-100", "-10", "10", "10", "100", "100", "1000"]))
    moment: datetime | None = draw(st.none() | MOMENTS)
    return flow(
        amount,
        draw(DAY_NUMBERS) if moment is None else None,
        moment=moment,
        portfolio=portfolio,
        tenant=tenant,
        currency=draw(st.sampled_from(["USD", "USD", "EUR", "GBP"])),
    )


@st.composite
def cash_facts(draw: st.DrawFn) -> Told:
    """Some fee, interest or exchange."""
    tenant, portfolio = draw(st.sampled_from(BOOKS))
    moment: datetime | None = draw(st.none() | MOMENTS)
    on, amount = draw(DAY_NUMBERS), draw(st.sampled_from(["0.5", "3", "100"]))
    currency = draw(st.sampled_from(["USD", "EUR", "GBP"]))
    told = draw(
        st.sampled_from(
            [
                fee(amount, on, moment=moment, currency=currency),
                interest(amount, on, moment=moment, currency=currency),
                interest(f"-{amount}", on, moment=moment, currency=currency),
                exchanged(amount, "2", on, moment=moment, charged="0.1"),
                exchanged("3", amount, on, moment=moment),
            ]
        )
    )
    return tenant, msgspec.structs.replace(told[1], portfolio=portfolio)


@st.composite
def marks(draw: st.DrawFn) -> Told:
    """Some marks and perhaps a rate."""
    names = st.sampled_from(["AAPL", "MSFT", "SAP"])
    listed: dict[str, Any] = draw(st.dictionaries(names, PRICES, max_size=2))
    pairs = st.sampled_from(["EUR/USD", "USD/EUR", "GBP/USD", "EUR/GBP"])
    listed |= draw(st.dictionaries(pairs, st.sampled_from(["0.5", "1.1", "3"]), max_size=2))
    return marked(draw(MOMENTS), listed)


@st.composite
def write_downs(draw: st.DrawFn) -> Told:
    """Some write-down."""
    name = draw(st.sampled_from(sorted(CURRENCY_OF)))
    return written_down(name, draw(PRICES), draw(MOMENTS))


@st.composite
def closes(draw: st.DrawFn, number: int, calendar: str) -> Told:
    """A session closed with some closes; Frankfurt ends at 16:30, or with New York."""
    names = st.sampled_from(["AAPL", "MSFT", "SAP"])
    ends_at = at(number, *draw(st.sampled_from([(16, 30), (21, 0)])))
    return closed(
        number,
        draw(st.dictionaries(names, PRICES, max_size=3)),
        calendar=calendar,
        ends_at=None if calendar == NEW_YORK else ends_at,
    )


@st.composite
def corrections_of_trades(draw: st.DrawFn, told: list[Told]) -> list[Told]:
    """Take some of the trades out again somewhere behind them, some to be booked anew."""
    told = told.copy()
    for booked in [each for each in told if isinstance(each[1], TradeBooked)]:
        fate = draw(st.sampled_from(["stays", "stays", "busted", "amended", "amended, busted"]))
        if fate == "stays":
            continue
        place = draw(st.integers(told.index(booked) + 1, len(told)))
        anew = booked
        if fate != "busted":
            anew = amended(booked, draw(trades()))
            told[place:place] = [unbooked(booked, Reason.AMENDED), anew]
            place = draw(st.integers(place + 2, len(told)))
        if fate != "amended":
            told.insert(place, unbooked(anew))
    return told


def amended(told: Told, content: Told) -> Told:
    """Give a trade another's content, in its own portfolio."""
    tenant, event = told
    _, other = content
    assert isinstance(event, TradeBooked)
    assert isinstance(other, TradeBooked)
    named_so = {name: getattr(event.fill, name) for name in ("trade_id", "external_id")}
    fill = msgspec.structs.replace(other.fill, **named_so)
    return tenant, msgspec.structs.replace(other, fill=fill, portfolio=event.portfolio)


@st.composite
def stories(draw: st.DrawFn, *, size: int = 14, is_corrected: bool = True) -> list[Told]:
    """Facts, marks, closes and corrections in any order the log could hold them."""
    facts = draw(
        st.lists(
            st.one_of(trades(), flows(), cash_facts(), marks(), write_downs()),
            min_size=3,
            max_size=size,
        )
    )
    facts = list(map(named, facts, draw(st.permutations(range(len(facts))))))
    sessions = [
        draw(closes(number, calendar))
        for number in draw(st.lists(DAY_NUMBERS, unique=True, min_size=2).map(sorted))
        for calendar in draw(st.sampled_from([(NEW_YORK,), (FRANKFURT, NEW_YORK), (FRANKFURT,)]))
    ]
    places = sorted(draw(st.lists(st.integers(0, len(facts)), min_size=len(sessions),
                                  max_size=len(sessions))))  # fmt: skip
    told = facts.copy()
    for place, session in reversed(list(zip(places, sessions, strict=True))):
        told.insert(place, session)
    if is_corrected:
        told = draw(corrections_of_trades(told))
    for _ in range(draw(st.integers(0, 2)) if sessions else 0):
        told += [draw(corrections(sessions))]
    told = draw(told_beside(told, BOOKS))
    funding = [flow("1000", 1, portfolio=name, tenant=tenant) for tenant, name in BOOKS]
    return OPENINGS + (funding if draw(st.booleans()) else []) + told


def named(told: Told, number: int) -> Told:
    """Give a trade a name of its own, which is its last place in book order."""
    tenant, event = told
    if not isinstance(event, TradeBooked):
        return told
    name = f"t{number}"
    trade_id = uuid5(event.fill.trade_id, name)
    fill = msgspec.structs.replace(event.fill, external_id=name, trade_id=trade_id)
    return tenant, msgspec.structs.replace(event, fill=fill)


@st.composite
def corrections(draw: st.DrawFn, sessions: list[Told]) -> Told:
    """A correction or cancellation of some close, there before or not."""
    event = draw(st.sampled_from(sessions))[1]
    assert isinstance(event, SessionClosed)
    return corrected(
        (event.session - day(1)).days + 1,
        draw(st.sampled_from(["AAPL", "SAP"])),
        draw(st.none() | PRICES),
        calendar=event.calendar,
        ends_at=event.ends_at,
    )
