"""Laws of `performance`, on stories that Hypothesis tells: as the naive model, however cut."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any
from uuid import uuid5

import msgspec
import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from domain.market import SessionClosed
from domain.portfolio.events import Reason, TradeBooked, TradeUnbooked
from projections.read_model import Decoded
from tests.projections.folding import keys
from tests.projections.performance import naive
from tests.projections.performance.figures import figures_kept, figures_told, told_beside
from tests.projections.performance.history import NOTHING_YET, history
from tests.projections.performance.naive_market import rounded
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    FRANKFURT,
    GLOBEX,
    NEW_YORK,
    Folded,
    Told,
    at,
    closed,
    corrected,
    day,
    decoded,
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

Connection = psycopg.Connection[Any]

ALL_DAYS = "SELECT * FROM {schema}.days"
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


def cut(told: list[Decoded], places: Sequence[int]) -> Iterator[list[Decoded]]:
    """Cut into batches at some places."""
    edges = sorted({0, len(told), *(place % (len(told) + 1) for place in places)})
    return (told[start:end] for start, end in pairwise(edges))


def stored_days(tables: Folded) -> dict[naive.RowKey, naive.Row]:
    """The table `days` in the naive model's shape."""
    statement = ALL_DAYS.replace("{schema}", tables.schema)
    with tables.connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statement.encode()).fetchall()
    return {(row["tenant"], row["portfolio"], row["session"]): stored(row) for row in rows}


def stored(row: dict[str, Any]) -> naive.Row:
    """One row of `days` in the naive model's shape."""
    struck = None
    if row["struck_position"] is not None:
        columns = {name: row.get(f"struck_{name}") for name in naive.COMPARED}
        struck = naive.shown(columns | {
            "daily_return": row["struck_return"],
            "return_reason": row["struck_return_reason"],
            "return_method": row["struck_return_method"],
            "return_from": row["struck_return_from"],
        })  # fmt: skip
    return {
        "current": naive.shown(row),
        "struck": struck,
        "restated": (row["restated_position"], row["restated_reason"]),
        "changed": row["changed_position"],
    }


def without_emptied(struck: naive.Row | None) -> naive.Row | None:
    """What of a struck row is kept."""
    return None if struck is None else {k: v for k, v in struck.items() if k != "is_emptied"}


class TestAnyStory:
    """Whatever happens in whatever order."""

    @settings(max_examples=60)
    @given(story=stories())
    def test_equals_the_naive_model(self, connection: Connection, story: list[Told]) -> None:
        """Current, struck and what restated it: row by row as computed from nothing."""
        tables = Folded(connection)
        for event in decoded(story):
            tables.take([event])

        found, expected = stored_days(tables), history(story)

        for row in (*found.values(), *expected.values()):
            row["struck"] = without_emptied(row["struck"])
        assert found == expected

    @settings(max_examples=40)
    @given(
        story=stories(size=20),
        places=st.lists(st.integers(0, 99), max_size=6),
        restarts=st.booleans(),
    )
    def test_gives_the_same_tables_in_any_batches(
        self, connection: Connection, story: list[Told], places: list[int], *, restarts: bool
    ) -> None:
        """One batch, some batches with or without restarts between, or one per event: the same."""
        events = decoded(story)
        whole = Folded(connection, "performance_whole")
        whole.take(events)
        parts = Folded(connection)
        for batch in cut(events, places):
            if restarts:
                parts.restart()
            parts.take(batch)
        singles = Folded(connection, "performance_single")
        for event in events:
            singles.take([event])
        built = Folded(connection, "performance_built")
        built.build(cut(events, places))

        assert parts.everything() == whole.everything()
        assert built.everything() == whole.everything()
        assert keys(connection, built.schema) == keys(connection, whole.schema)
        assert singles.everything() == whole.everything()
        assert figures_kept(whole) == figures_told(story)


class TestFactsInAnyOrder:
    """Late, on time or before their time: what is known in the end is the same (convention 6)."""

    @settings(max_examples=40)
    @given(story=stories(size=16, is_corrected=False), random=st.randoms(use_true_random=False))
    def test_give_equal_current_rows(
        self, connection: Connection, story: list[Told], random: Random
    ) -> None:
        """Trades and flows arrive in any order among the market's events."""
        told = story[len(OPENINGS) :]
        kinds = (TradeBooked, *naive.CASH)
        facts = [each for each in told if isinstance(each[1], kinds)]
        market = [each for each in told if not isinstance(each[1], kinds)]
        random.shuffle(facts)
        shuffled = market.copy()
        for fact in facts:
            shuffled.insert(random.randint(0, len(shuffled)), fact)

        one = Folded(connection)
        one.take(decoded(story))
        other = Folded(connection, "performance_other")
        other.take(decoded(OPENINGS + shuffled))

        known, arrived = stored_days(one), stored_days(other)
        assert {key: row["current"] for key, row in known.items()} == {
            key: row["current"] for key, row in arrived.items()
        }


class TestTradesTakenOut:
    """A busted trade was never there, an amended one was always as it is now (convention 6)."""

    @settings(max_examples=60)
    @given(story=stories(size=16))
    def test_leave_the_current_rows_of_what_holds(
        self, connection: Connection, story: list[Told]
    ) -> None:
        """Row by row; the rows before the first fact that holds show that nothing was there."""
        went = Folded(connection)
        for event in decoded(story):
            went.take([event])
        should = Folded(connection, "performance_other")
        should.take(decoded(what_holds(story)))

        known, expected = stored_days(went), stored_days(should)

        holds = {key: row["current"] for key, row in expected.items()}
        assert {key: known[key]["current"] for key in known if key in holds} == holds
        nothing = naive.shown(NOTHING_YET)
        assert all(known[key]["current"] == nothing for key in known.keys() - holds.keys())


def what_holds(story: list[Told]) -> list[Told]:
    """The story as it would have been without the bookings that were taken out."""
    held: list[Told] = []
    for tenant, event in story:
        if isinstance(event, TradeUnbooked):
            fill = event.fill
            held = [e for e in held if not isinstance(e[1], TradeBooked) or e[1].fill != fill]
        else:
            held.append((tenant, event))
    return held


class TestStruckRows:
    """What was struck is never changed."""

    @settings(max_examples=25)
    @given(story=stories())
    def test_stay_as_struck(self, connection: Connection, story: list[Told]) -> None:
        """Whatever comes later, the struck columns stay."""
        tables = Folded(connection)
        seen: dict[naive.RowKey, naive.Row | None] = {}

        for event in decoded(story):
            tables.take([event])
            now = {key: row["struck"] for key, row in stored_days(tables).items()}
            assert {key: now[key] for key in seen} == seen
            seen = now


def test_fractions_are_compared_exactly() -> None:
    """The naive model rounds half to even as the code does."""
    assert rounded(Fraction(5, 10**13), 12) == 0
    assert rounded(Fraction(15, 10**13), 12) == 2 * Fraction(1, 10**12)
