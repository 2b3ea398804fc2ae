"""Positions and cash as of another time: as known at a position, as valid on a date, or both."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.held import BookTotals
from domain.identity import portfolio_stream
from eventstore.log import Log
from infra.database import Database
from projections import audit
from projections.as_of import Books, balances_as_of, positions_as_of
from projections.asking import HistoryTooLong, Readable
from projections.audit import known_of
from projections.batches import decode_batch
from projections.paging import CursorInvalid
from projections.read_model import Decoded
from schemas.catalogue import EVENT_NAMES
from tests.projections.account import totals_of
from tests.projections.fates import (
    PORTFOLIOS,
    Fated,
    as_it_should_have,
    as_it_went,
    days,
    fated_trades,
)
from tests.projections.story import ACME, DAY_ONE, Story

APPLE, TESLA, FUND = "AAPL", "TSLA", "growth"
DAY_TWO = DAY_ONE + timedelta(days=1)
NOON = datetime(2024, 3, 8, 12, tzinfo=UTC)

Connection = psycopg.Connection[Any]


def stream_of(story: Story, tenant: str, portfolio: str) -> list[Decoded]:
    """All events of one portfolio's stream."""
    stream = portfolio_stream(tenant, portfolio)
    events = [each for each in story.recorded() if each.stream_id == stream]
    return decode_batch(events, EVENT_NAMES).decoded


Snapshot = tuple[dict[str, BookTotals], dict[str, Decimal]]


def held_by(books: Books) -> Snapshot:
    """Totals by instrument, and cash by currency, without what is nothing."""
    positions = {
        view.instrument: BookTotals(
            view.quantity, view.cost, view.fees, view.realised_gross, view.realised_net
        )
        for view in books.positions(include_closed=True)
    }
    return positions, {row.currency: row.balance for row in books.balances() if row.balance}


def held_in(story: Story, tenant: str, portfolio: str) -> Snapshot:
    """The same, as the storyteller keeps it now."""
    account = story.accounts[tenant, portfolio]
    positions = {
        name: totals_of(book) for name, book in account.books.items() if account.fills[name]
    }
    return positions, {name: amount for name, amount in account.cash.items() if amount}


class TestKnownAt:
    """What the log knew then."""

    @settings(max_examples=150)
    @given(plan=st.lists(fated_trades(), max_size=10), owner=st.sampled_from(PORTFOLIOS))
    def test_is_what_was_held_at_every_position(
        self, plan: list[Fated], owner: tuple[str, str]
    ) -> None:
        """After each trade and each correction, whatever came later."""
        seen: list[tuple[int, Snapshot]] = []

        def look(story: Story) -> None:
            seen.append((len(story.recorded()), held_in(story, *owner)))

        story = as_it_went(plan, look)
        known = stream_of(story, *owner)

        for position, held in seen:
            books = Books(each for each in known if each.position <= position)
            assert held_by(books) == held


class TestValidAt:
    """What holds at the end of a business date, in book order."""

    @settings(max_examples=150)
    @given(plan=st.lists(fated_trades(), max_size=10), owner=st.sampled_from(PORTFOLIOS), day=days)
    def test_is_what_would_be_held_without_later_trades(
        self, plan: list[Fated], owner: tuple[str, str], day: date
    ) -> None:
        """Trades of later dates left out, whenever they came; busts and amends as they ended."""
        went = Books(stream_of(as_it_went(plan), *owner), valid_at=day)
        until = [
            each if each.final is None or each.final.day <= day else each._replace(fate="bust")
            for each in plan
        ]

        should = Books(stream_of(as_it_should_have(until), *owner))

        assert held_by(went) == held_by(should)

    def test_leaves_out_cash_of_later_value_dates(self) -> None:
        """The deposit of day one is there from day one on."""
        story = Story()
        story.open(FUND)
        story.deposit(FUND, "10")
        known = stream_of(story, ACME, FUND)

        assert Books(known, valid_at=DAY_ONE - timedelta(days=1)).balances() == []
        assert held_by(Books(known, valid_at=DAY_ONE)) == ({}, {"USD": Decimal(10)})


@pytest.fixture
def told(story: Story, log_database: Database) -> Iterator[dict[str, int]]:
    """A purchase, at one o'clock a late one of the day before, at two a bust; where each ended."""
    hours = iter(range(24))
    clock = lambda: NOON + timedelta(hours=next(hours))  # noqa: E731
    ends: dict[str, int] = {}
    with Log(log_database.app_conninfo, clock=clock, build="test", pool_size=4) as log:
        story.register(APPLE, TESLA)
        story.open(FUND)
        story.trade(FUND, TESLA, "1", "5")
        bought = story.trade(FUND, APPLE, "2", "10", day=DAY_TWO)
        ends["noon"] = story.append_to(log)
        story.trade(FUND, APPLE, "1", "8", day=DAY_ONE)
        ends["one"] = story.append_to(log)
        story.bust(bought)
        ends["two"] = story.append_to(log)
        yield ends


class TestAsking:
    """From the log, as of one position."""

    def ask(self, connection: Connection, **when: Any) -> tuple[int, dict[str, Any]]:
        """The position answered and the open quantities."""
        page = positions_as_of(Readable(connection), tenant=ACME, portfolio=FUND, **when)
        assert page is not None
        return page.position, {row.instrument: row.quantity for row in page.rows}

    def test_by_position_by_moment_and_by_date(
        self, connection: Connection, told: dict[str, int]
    ) -> None:
        """A moment is the last position recorded up to it; both times together are both asked."""
        noon, one, two = told["noon"], told["one"], told["two"]
        at_one = NOON + timedelta(hours=1)

        assert self.ask(connection) == (two, {APPLE: 1, TESLA: 1})
        assert self.ask(connection, known_at=two + 5) == (two, {APPLE: 1, TESLA: 1})
        assert self.ask(connection, known_at=one) == (one, {APPLE: 3, TESLA: 1})
        assert self.ask(connection, known_at=at_one) == (one, {APPLE: 3, TESLA: 1})
        just_before = at_one - timedelta(microseconds=1)
        assert self.ask(connection, known_at=just_before) == (noon, {APPLE: 2, TESLA: 1})
        assert self.ask(connection, known_at=one, valid_at=DAY_ONE) == (one, {APPLE: 1, TESLA: 1})
        assert self.ask(connection, known_at=noon, valid_at=DAY_ONE) == (noon, {TESLA: 1})

    def test_cash_is_as_of_the_same_times(
        self, connection: Connection, told: dict[str, int]
    ) -> None:
        """Busted, the purchase gave its cash back."""
        for known_at, valid_at, principal in (
            (told["noon"], None, Decimal(-25)),
            (told["one"], None, Decimal(-33)),
            (told["two"], None, Decimal(-13)),
            (told["one"], DAY_ONE, Decimal(-13)),
        ):
            page = balances_as_of(
                Readable(connection),
                tenant=ACME,
                portfolio=FUND,
                known_at=known_at,
                valid_at=valid_at,
            )
            assert page is not None
            assert [(row.balance, row.principal) for row in page.rows] == [(principal, principal)]
            assert (page.position, page.market_position) == (known_at, 2)

    def test_before_it_was_opened_a_portfolio_is_not_there(
        self, connection: Connection, told: dict[str, int]
    ) -> None:
        """Nor is another tenant's."""
        assert told
        readable = Readable(connection)

        assert positions_as_of(readable, tenant=ACME, portfolio=FUND, known_at=2) is None
        assert balances_as_of(readable, tenant=ACME, portfolio=FUND, known_at=2) is None
        assert balances_as_of(readable, tenant="globex", portfolio=FUND) is None

    def test_pages_stay_at_the_position_of_the_first(
        self, connection: Connection, story: Story, log: Log, told: dict[str, int]
    ) -> None:
        """What becomes known between two pages is in neither."""
        readable = Readable(connection)
        first = positions_as_of(readable, tenant=ACME, portfolio=FUND, valid_at=DAY_TWO, limit=1)
        assert first is not None
        story.trade(FUND, TESLA, "9", "5")
        story.append_to(log)

        second = positions_as_of(
            readable, tenant=ACME, portfolio=FUND, valid_at=DAY_TWO, cursor=first.next_cursor
        )

        assert second is not None
        assert [(row.instrument, row.quantity) for row in second.rows] == [(TESLA, Decimal(1))]
        assert (second.position, second.next_cursor) == (told["two"], None)
        with pytest.raises(CursorInvalid):
            positions_as_of(readable, tenant=ACME, portfolio=FUND, cursor=first.next_cursor)

    def test_no_more_is_folded_than_is_said(
        self, connection: Connection, told: dict[str, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """At the limit it answers, one event more and it does not."""
        readable = Readable(connection)
        many = len(known_of(readable, tenant=ACME, portfolio=FUND, known_at=None).events)
        monkeypatch.setattr(audit, "FACTS_MAX", many)
        assert self.ask(connection)[0] == told["two"]
        monkeypatch.setattr(audit, "FACTS_MAX", many - 1)

        with pytest.raises(HistoryTooLong):
            self.ask(connection)
