"""The read model `controls`: who wanted which limit, who approved it, and what it came to."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.limits.scope import Scope
from domain.limits.terms import TradingState
from infra.database import Database
from projections.asking import Readable
from projections.controls.model import Controls
from projections.controls.queries import (
    breaches_of,
    limits_now,
    overrides_of,
    trading_states,
    usage_of,
    versions_of,
)
from projections.controls.tables import LimitStatus, OverrideStatus
from projections.read_model import ReadModel
from tests.projections.control_story import NOON, ControlStory, with_maximum
from tests.projections.folding import cut, difference, fold_by_hand
from tests.projections.story import ACME, DAY_ONE, GLOBEX, Story

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]
Deed = Callable[[ControlStory], object]
FUND = "growth"


@pytest.fixture
def told(story: Story) -> ControlStory:
    """Controls of one tenant, nothing told yet."""
    return ControlStory(story)


class TestALimit:
    """Every version ever proposed has its row, and says what became of it."""

    def test_shows_its_whole_history(
        self, told: ControlStory, fold: FoldAll, connection: Connection
    ) -> None:
        """Proposed, superseded, approved, replaced, declined, ended: newest first."""
        told.propose("gearing")
        told.propose("gearing", with_maximum(3))
        told.approve("gearing")
        told.propose("gearing", with_maximum(4))
        told.approve("gearing", by="three")
        told.propose("gearing", with_maximum(5))
        told.decline("gearing")
        told.propose("gearing", None)
        told.approve("gearing")
        fold(Controls())

        rows = versions_of(Readable(connection), tenant=ACME, name="gearing").rows

        assert [(row.version, row.status, row.decided_by) for row in rows] == [
            (5, "ended", "two"),
            (4, "declined", "two"),
            (3, "replaced", "three"),
            (2, "replaced", "two"),
            (1, "superseded", None),
        ]
        replaced = rows[3]
        assert (replaced.rule, replaced.maximum) == ("leverage_exceeded", Decimal(3))
        assert (replaced.proposed_position, replaced.decided_position) == (2, 3)
        assert (replaced.until_position, replaced.changed_position) == (5, 5)
        assert (rows[0].rule, rows[1].declined_reason) == (None, "too_wide")
        assert limits_now(Readable(connection), tenant=ACME).rows == []

    def test_is_listed_in_force_and_as_proposed(
        self, told: ControlStory, fold: FoldAll, connection: Connection
    ) -> None:
        """Both where a change is open; page by page; nothing of other tenants."""
        for name in ("a", "b", "c"):
            told.propose(name)
            told.approve(name)
        told.propose("b", with_maximum(3))
        ControlStory(told.story, GLOBEX).propose("theirs")
        fold(Controls())
        readable = Readable(connection)

        first = limits_now(readable, tenant=ACME, limit=2)
        second = limits_now(readable, tenant=ACME, limit=2, cursor=first.next_cursor)

        assert [(row.limit_name, row.status) for row in (*first.rows, *second.rows)] == [
            ("a", "in_force"),
            ("b", "in_force"),
            ("b", "proposed"),
            ("c", "in_force"),
        ]
        (waiting,) = limits_now(readable, tenant=ACME, status=LimitStatus.PROPOSED).rows
        assert (waiting.limit_name, waiting.version) == ("b", 2)


class TestATradingState:
    """What restricts now, and all that ever was assigned."""

    def test_stands_until_the_next_of_its_scope(
        self, told: ControlStory, fold: FoldAll, connection: Connection
    ) -> None:
        """A scope that is active again restricts nothing; others go on."""
        told.assign(TradingState.HALTED)
        told.assign(TradingState.REDUCE_ONLY, Scope(portfolio=FUND))
        told.assign(TradingState.ACTIVE)
        fold(Controls())

        now = trading_states(Readable(connection), tenant=ACME).rows
        ever = trading_states(Readable(connection), tenant=ACME, include_ended=True).rows

        assert [(row.state, row.scope_portfolio, row.until_position) for row in now] == [
            ("reduce_only", FUND, None)
        ]
        assert [(row.position, row.state, row.until_position) for row in ever] == [
            (3, "active", None),
            (2, "reduce_only", None),
            (1, "halted", 3),
        ]


class TestAnOverride:
    """Each proposal has a row: whether it was approved, and which trade it let pass."""

    def test_is_used_by_its_trade(
        self, told: ControlStory, fold: FoldAll, connection: Connection
    ) -> None:
        """From the proposal to the capture."""
        trade = told.propose_override(FUND, "t-1")
        told.approve_override(trade)
        told.capture(FUND, "t-1")
        told.capture(FUND, "t-2")
        told.decline_override(trade)  # As earlier builds let it be, too late.
        fold(Controls())

        (row,) = overrides_of(Readable(connection), tenant=ACME, now=NOON).rows

        assert (row.trade_id, row.status, row.rules) == (trade, "used", '["mark_stale"]')
        assert (row.proposed_by, row.approved_by, row.used_position) == ("one", "two", 3)
        assert (row.price, row.expires_at) == (Decimal("10.5"), NOON + timedelta(hours=1))

    def test_says_how_it_ended(
        self, told: ControlStory, fold: FoldAll, connection: Connection
    ) -> None:
        """Superseded, declined, revoked; what is still open may have expired."""
        first = told.propose_override(FUND, "t-1")
        told.wait(0.1)
        told.propose_override(FUND, "t-1", "leverage_exceeded")
        told.decline_override(first)
        second = told.propose_override("income", "t-2")
        told.approve_override(second)
        told.decline_override(second)
        third = told.propose_override("income", "t-3")
        told.approve_override(third)
        told.propose_override("income", "t-4")
        fold(Controls())
        readable, after = Readable(connection), told.wait(2)

        rows = overrides_of(readable, tenant=ACME, now=NOON).rows
        expired = overrides_of(readable, tenant=ACME, now=after, status=OverrideStatus.EXPIRED)
        open_ones = overrides_of(readable, tenant=ACME, now=NOON, status=OverrideStatus.PROPOSED)
        late = overrides_of(readable, tenant=ACME, now=after, status=OverrideStatus.APPROVED)

        assert [(row.external_id, row.status) for row in rows] == [
            ("t-4", "proposed"),
            ("t-3", "approved"),
            ("t-2", "revoked"),
            ("t-1", "declined"),
            ("t-1", "superseded"),
        ]
        assert [row.external_id for row in expired.rows] == ["t-4", "t-3"]
        assert [row.external_id for row in open_ones.rows] == ["t-4"]
        assert late.rows == []
        of_one = overrides_of(readable, tenant=ACME, now=NOON, portfolio=FUND).rows
        assert [row.external_id for row in of_one] == ["t-1", "t-1"]


class TestABreach:
    """It opens and closes by prices; both are told in one row."""

    def test_is_open_until_it_is_closed(
        self, told: ControlStory, fold: FoldAll, connection: Connection
    ) -> None:
        """Opened anew it is another one."""
        told.turn_breach(FUND, "gearing")
        told.turn_breach("income", "gearing")
        told.turn_breach(FUND, "gearing")
        told.turn_breach(FUND, "gearing")
        fold(Controls())
        readable = Readable(connection)

        of_one = breaches_of(readable, tenant=ACME, portfolio=FUND).rows
        now = breaches_of(readable, tenant=ACME, is_open=True).rows
        closed = breaches_of(readable, tenant=ACME, is_open=False).rows

        assert [(row.position, row.closed_position) for row in of_one] == [(4, None), (1, 3)]
        assert [row.position for row in now] == [4, 2]
        assert [(row.actual, row.closed_actual) for row in closed] == [
            (Decimal("2.5"), Decimal("1.9"))
        ]


class TestUsage:
    """The last word on each trade date."""

    def test_is_by_date_whether_counted_or_observed(
        self, told: ControlStory, fold: FoldAll, connection: Connection
    ) -> None:
        """As of the booking, or as of what was counted then."""
        told.use(FUND, "firm-day", 5)
        told.use("income", "firm-day", 7)
        told.use(FUND, "firm-day", 1, day=DAY_ONE + timedelta(days=1))
        told.observe("soft-day", 9, as_of=2)
        fold(Controls())
        readable = Readable(connection)

        hard = usage_of(readable, tenant=ACME, name="firm-day").rows
        soft = usage_of(readable, tenant=ACME, name="soft-day").rows

        assert [(row.trade_date, row.used, row.as_of) for row in hard] == [
            (DAY_ONE + timedelta(days=1), Decimal(1), 3),
            (DAY_ONE, Decimal(7), 2),
        ]
        assert [(row.used, row.as_of, row.observed_at) for row in soft] == [(Decimal(9), 2, NOON)]


names = st.sampled_from(["a", "b"])
funds = st.sampled_from([FUND, "income"])


@st.composite
def deeds(draw: st.DrawFn) -> Deed:
    """Anything that is told of controls."""
    name, fund, number = draw(names), draw(funds), draw(st.integers(1, 3))
    terms = draw(st.none() | st.integers(1, 3))
    state = draw(st.sampled_from(TradingState))
    scope = draw(st.sampled_from([Scope(), Scope(portfolio=FUND), Scope(sector="Energy")]))
    rule = draw(st.sampled_from(["mark_stale", "leverage_exceeded"]))
    every: tuple[Deed, ...] = (
        lambda told: told.propose(name, None if terms is None else with_maximum(terms)),
        lambda told: told.approve(name),
        lambda told: told.decline(name),
        lambda told: told.assign(state, scope),
        lambda told: told.propose_override(fund, name, rule),
        lambda told: told.approve_override(told.propose_override(fund, name)),
        lambda told: told.decline_override(told.propose_override(fund, name)),
        lambda told: told.capture(fund, name),
        lambda told: told.turn_breach(fund, name),
        lambda told: told.use(fund, name, number),
        lambda told: told.observe(name, number, as_of=number),
        lambda told: told.wait(number / 2),
    )
    return draw(st.sampled_from(every))


@pytest.fixture
def tables(database: Database) -> Iterator[Connection]:
    """A connection to a database without a log: these folds meet events made by hand."""
    with psycopg.connect(database.app_conninfo, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        yield connection


class TestCuttingTheLog:
    """Where a batch ends leaves no trace in any table."""

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        plan=st.lists(deeds(), min_size=5, max_size=40),
        sizes=st.lists(st.integers(1, 9), min_size=1),
    )
    def test_any_batches_give_the_same_tables(
        self, tables: Connection, plan: list[Deed], sizes: list[int]
    ) -> None:
        """One batch of everything, small ones, and small ones that each meet a new fold."""
        story = Story()
        for tenant in (ACME, GLOBEX):
            told = ControlStory(story, tenant)
            for deed in plan:
                deed(told)
        events = story.recorded()
        batches = cut(events, sizes)
        fold_by_hand(tables, Controls(), "whole", [events])

        fold_by_hand(tables, Controls(), "pieces", batches)
        assert difference(tables, Controls(), live="pieces", rebuilt="whole") is None

        fold_by_hand(tables, Controls(), "pieces", batches, forgets=True)
        assert difference(tables, Controls(), live="pieces", rebuilt="whole") is None
