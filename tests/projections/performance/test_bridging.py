"""Asking for the bridge between two sessions' NAVs (convention 9)."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.bridge import Part
from domain.lots import CostBasis
from domain.portfolio.events import PortfolioOpened, TradeBooked
from projections.asking import HistoryTooLong, Readable
from projections.bounded_memory import BoundedMemory
from projections.checkpoint import Checkpoint, create_checkpoint
from projections.performance import history, market_told
from projections.performance.bridging import BridgeView, bridge_of
from tests.projections.performance.stories import BOOKS, stories
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    GLOBEX,
    Folded,
    Told,
    at,
    closed,
    day,
    decoded,
    exchanged,
    fee,
    flow,
    interest,
    marked,
    opened,
    trade,
    written_down,
)

Connection = psycopg.Connection[Any]


def told(connection: Connection, story: Sequence[Told]) -> Folded:
    """Fold a story and set the checkpoint behind it, as the engine does."""
    tables = Folded(connection)
    tables.take(decoded(story))
    with connection.transaction(), connection.cursor() as cursor:
        # Each story is a log of its own: what was read of another is not remembered for it.
        checkpoint = Checkpoint(len(story), len(story) - 1, at(1), 1, uuid4())
        create_checkpoint(cursor, tables.schema, checkpoint)
    return tables


def asked(
    connection: Connection, since: int | None = None, until: int | None = None,
    *, tenant: str = ACME, portfolio: str = BOOK,
) -> BridgeView:  # fmt: skip
    """The bridge between two days."""
    answer = bridge_of(
        Readable(connection),
        tenant=tenant,
        portfolio=portfolio,
        since=None if since is None else day(since),
        until=None if until is None else day(until),
    )
    assert answer.row is not None
    return answer.row


def parts(view: BridgeView) -> dict[str, Decimal]:
    """The parts that are not zero."""
    assert view.bridge is not None, view.reason
    return {part.value: amount for part, amount in view.bridge.parts.items() if amount}


def rated(told: Told, rate: str) -> Told:
    """A trade that knows its rate to base."""
    tenant, event = told
    assert isinstance(event, TradeBooked)
    return tenant, msgspec.structs.replace(event, rate_to_base=Decimal(rate))


def varied(told: Told, basis: CostBasis, rates: list[str | None]) -> Told:
    """The same under another cost basis, with trades that know their rate or do not."""
    tenant, event = told
    if isinstance(event, PortfolioOpened):
        return tenant, msgspec.structs.replace(event, cost_basis=basis)
    if isinstance(event, TradeBooked):
        rate = rates[int(event.fill.quantity) % len(rates)]
        return told if rate is None else rated(told, rate)
    return told


class TestTheExamples:
    """The examples of docs/accounting.md, asked for."""

    def test_buy_and_sell_half(self, connection: Connection) -> None:
        """Buy 100 @ 10 fee 10, sell 50 @ 12 fee 5, mark 12: +185, net 90."""
        told(connection, [
            opened(), trade("AAPL", "100", "10", 1, fee="10"),
            trade("AAPL", "-50", "12", 1, fee="5"), closed(1, {"AAPL": "12"}),
        ])  # fmt: skip

        view = asked(connection)

        assert view.bridge is not None
        assert (view.start_session, view.end_session) == (None, day(1))
        assert (view.bridge.nav_start, view.bridge.nav_end) == (Decimal(0), Decimal(185))
        assert view.bridge.realised_net == 90
        assert parts(view) == {
            "realised_price": 100, "unrealised_price": 100, "trading_fees": -15,
        }  # fmt: skip

    def test_a_share_in_euros(self, connection: Connection) -> None:
        """1,500 euros at 1.10, 10 SAP at 100, half sold at 120 and 1.20, mark 130, rate 1.25."""
        told(connection, [
            opened(),
            marked(at(1, 15), {"EUR/USD": "1.10"}),
            flow("1500", moment=at(1, 15), currency="EUR"),
            trade("SAP", "10", "100", 1, moment=at(1, 15), currency="EUR"),
            rated(trade("SAP", "-5", "120", 1, moment=at(1, 16), currency="EUR"), "1.20"),
            marked(at(1, 20), {"EUR/USD": "1.25"}),
            closed(1, {"SAP": "130"}),
        ])  # fmt: skip

        view = asked(connection)

        assert parts(view) == {
            "external_flows": 1650, "realised_price": 120, "unrealised_price": Decimal("187.5"),
            "fx_on_positions": 125, "fx_on_cash": 105,
        }  # fmt: skip

    def test_a_write_down(self, connection: Connection) -> None:
        """10 at 100, marked 120, written down to 20: 1,000 lost by it, 200 gained before."""
        told(connection, [
            opened(), trade("AAPL", "10", "100", 1), closed(1, {"AAPL": "120"}),
            written_down("AAPL", "20", at(2, 12)), trade("AAPL", "5", "20", 2, moment=at(2, 15)),
            closed(2), closed(3),
        ])  # fmt: skip

        assert parts(asked(connection, 2, 2)) == {"write_downs": -1000}
        assert parts(asked(connection, None, 3)) == {"unrealised_price": 200, "write_downs": -1000}

    def test_a_write_down_of_what_never_had_a_mark(self, connection: Connection) -> None:
        """From its own last executed price; written down before it was bought, nothing is lost."""
        told(connection, [
            opened(), trade("AAPL", "10", "100", 1, moment=at(1, 15)),
            written_down("AAPL", "20", at(1, 16)), written_down("MSFT", "1", at(1, 15)),
            trade("MSFT", "1", "3", 1, moment=at(1, 16)), closed(1),
        ])  # fmt: skip

        assert parts(asked(connection)) == {"unrealised_price": -2, "write_downs": -800}

    def test_a_write_down_behind_a_trade_of_an_earlier_date(self, connection: Connection) -> None:
        """A trade of day 1 is held on day 2, whatever hour its source gives it."""
        told(connection, [
            opened(), trade("AAPL", "10", "100", 1, moment=at(3, 12)), closed(1, {"AAPL": "100"}),
            written_down("AAPL", "20", at(2, 12)), closed(2), closed(3),
        ])  # fmt: skip

        assert parts(asked(connection, 2, 2)) == {"write_downs": -800}
        assert parts(asked(connection)) == {"write_downs": -800}


class TestAnInterval:
    """From the end of one session to that of another."""

    STORY = (
        opened(),
        flow("1000", 1),
        trade("AAPL", "10", "10", 1),
        closed(1, {"AAPL": "11"}),
        trade("AAPL", "-5", "12", 2, fee="1"),
        closed(2, {"AAPL": "12"}),
        flow("-100", 3),
        closed(3, {"AAPL": "13"}),
    )

    def test_begins_behind_the_session_before(self, connection: Connection) -> None:
        """Day 2 alone: 5 sold at 12 that cost 10, of what had gained 1 each already."""
        told(connection, self.STORY)

        view = asked(connection, 2, 2)

        assert (view.start_session, view.end_session) == (day(1), day(2))
        assert parts(view) == {"realised_price": 10, "trading_fees": -1}

    def test_ends_with_the_last_session_up_to_its_end(self, connection: Connection) -> None:
        """Days 2 to 9: what came after day 3 is not there yet."""
        told(connection, self.STORY)

        view = asked(connection, 2, 9)

        assert (view.start_session, view.end_session) == (day(1), day(3))
        assert parts(view) == {
            "external_flows": -100, "realised_price": 10, "unrealised_price": 5, "trading_fees": -1,
        }  # fmt: skip

    def test_counts_a_trade_told_late_on_its_own_day(self, connection: Connection) -> None:
        """As if it had come in time: the lots it closes are those of its place in book order."""
        late = trade("AAPL", "-5", "11", 1, moment=at(1, 20))
        told(connection, [*self.STORY, late])

        assert parts(asked(connection, 1, 1)) == {
            "external_flows": 1000, "realised_price": 5, "unrealised_price": 5,
        }  # fmt: skip
        assert parts(asked(connection, 2, 2)) == {
            "realised_price": 10, "unrealised_price": -5, "trading_fees": -1,
        }  # fmt: skip

    def test_takes_a_flow_at_the_moment_of_a_close_to_the_next_session(
        self, connection: Connection
    ) -> None:
        """A session is [start, end)."""
        told(
            connection, [opened(), flow("1", 1), flow("2", moment=at(1, 21)), closed(1), closed(2)]
        )

        assert parts(asked(connection, 1, 1)) == {"external_flows": 1}
        assert parts(asked(connection, 2, 2)) == {"external_flows": 2}

    def test_is_another_tenants_own(self, connection: Connection) -> None:
        """Of one name, but not the same portfolio; absent is None."""
        told(connection, [opened(), opened(tenant=GLOBEX), flow("1", 1, tenant=GLOBEX), closed(1)])

        assert parts(asked(connection, tenant=GLOBEX)) == {"external_flows": 1}
        assert asked(connection).reason == "no_session"
        nobody = bridge_of(Readable(connection), tenant=ACME, portfolio="other")
        assert nobody.row is None


class TestWithoutABridge:
    """A reason instead, never parts that do not add up."""

    @pytest.mark.parametrize(("since", "until"), [(3, None), (None, 0), (2, 1)])
    def test_of_no_session(
        self, connection: Connection, since: int | None, until: int | None
    ) -> None:
        """Behind the last, before the first, or between none."""
        told(connection, [opened(), flow("1", 1), closed(1), closed(2)])

        assert asked(connection, since, until).reason == "no_session"

    def test_of_an_incomplete_nav(self, connection: Connection) -> None:
        """At either end; over the gap there is one, at the first rate that there is."""
        told(connection, [
            opened(), flow("1", 1), closed(1), flow("1", 2, currency="EUR"), closed(2),
            marked(at(3), {"EUR/USD": "2"}), closed(3),
        ])  # fmt: skip

        assert asked(connection, 2, 2).reason == "nav_incomplete"
        assert asked(connection, 3, 3).reason == "nav_incomplete"
        assert parts(asked(connection, 2, 3)) == {"external_flows": 2}

    def test_of_a_fact_without_a_rate(self, connection: Connection) -> None:
        """Euros that came and went unseen: the NAV is complete, what they were worth unknown."""
        told(connection, [
            opened(), flow("1", 1, currency="EUR"), flow("-1", 1, currency="EUR"), closed(1),
        ])  # fmt: skip

        assert asked(connection).reason == "rate_missing"

    def test_of_positions_that_make_up_for_the_cash_owed(self, connection: Connection) -> None:
        """100 euros owed for shares worth 100: a NAV of 0 at any rate, but no parts at none."""
        told(connection, [
            opened(), rated(trade("SAP", "10", "10", 1, currency="EUR"), "1.1"),
            closed(1, {"SAP": "10"}),
        ])  # fmt: skip

        assert asked(connection).reason == "rate_missing"

    def test_of_too_many_facts(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Up to the limit there is one, beyond it none by name."""
        told(connection, [opened(), flow("1", 1), trade("AAPL", "1", "1", 1), closed(1)])

        monkeypatch.setattr(history, "FACTS_MAX", 2)
        assert asked(connection).bridge is not None
        monkeypatch.setattr(history, "FACTS_MAX", 1)
        with pytest.raises(HistoryTooLong):
            asked(connection)


FACTS_OF_PARTS = {
    "external flow": "flows SET amount = amount + 0.01 WHERE part = 'external_flows'",
    "management fee": "flows SET amount = amount + 0.01 WHERE part = 'management_fees'",
    "interest": "flows SET amount = amount + 0.01 WHERE part = 'interest'",
    "exchange": "flows SET amount = amount + 0.01 WHERE part = 'fx_on_cash' AND amount > 0",
    "fee of an exchange": "flows SET amount = amount + 0.01 WHERE part = 'trading_fees'",
    "cash of a purchase": "fills SET cash = cash + 0.01 WHERE quantity > 0",
    "cash of a sale": "fills SET cash = cash + 0.01 WHERE quantity < 0",
    "quantity sold": "fills SET quantity = quantity + 0.01 WHERE quantity < 0",
    "close": "marks SET price = price + 0.01 WHERE name = 'AAPL'",
    "rate": "marks SET price = price + 0.01 WHERE name = 'EUR/USD'",
    "NAV": "days SET nav = nav + 0.01",
}


class TestBrokenByACent:
    """The law is worth something: it sees a cent in the facts that the parts are made of."""

    @pytest.mark.parametrize("fact", FACTS_OF_PARTS)
    def test_is_not_answered(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch, fact: str
    ) -> None:
        """One stored fact is a cent off: the parts do not explain the NAV, and none is told."""
        told(connection, [
            opened(), marked(at(1, 10), {"EUR/USD": "1.5"}), flow("1000", moment=at(1, 11)),
            trade("AAPL", "10", "10", 1, fee="1"), trade("AAPL", "-4", "12", 1, fee="2"),
            fee("3", 1), interest("4", 1), exchanged("50", "40", 1, charged="2"),
            closed(1, {"AAPL": "13"}),
        ])  # fmt: skip
        assert asked(connection).bridge is not None

        connection.execute(f"UPDATE performance.{FACTS_OF_PARTS[fact]}".encode())
        monkeypatch.setattr(market_told, "_KEPT", BoundedMemory(market_told.SCHEMAS_MAX))

        with pytest.raises(AssertionError, match=r"the parts explain|ends at the NAV"):
            asked(connection)


class TestAnyStory:
    """Whatever happened in whatever order."""

    @settings(max_examples=60)
    @given(
        story=stories(),
        basis=st.sampled_from(CostBasis),
        rates=st.lists(st.sampled_from([None, "0.9", "1.3"]), min_size=1, max_size=5),
    )
    def test_adds_up_between_any_two_sessions(
        self,
        connection: Connection,
        story: list[Told],
        basis: CostBasis,
        rates: list[str | None],
    ) -> None:
        """To the NAVs of `days`, exactly; and intervals that meet add up part by part."""
        tables = told(connection, [varied(each, basis, rates) for each in story])
        for tenant, portfolio in BOOKS:
            query = "SELECT tenant, portfolio, session, nav, flows FROM {schema}.{table}"
            rows = [
                row[2:] for row in tables.select(query, "days") if row[:2] == (tenant, portfolio)
            ]
            days: list[tuple[date, Decimal | None, Decimal | None]] = sorted(rows)
            whole = dict.fromkeys(Part, Decimal(0))
            before = Decimal(0)
            for number, (session, nav, flows) in enumerate(days):
                known = Decimal(0) if not number else days[number - 1][1]
                view = self.ask(connection, tenant, portfolio, session, session)
                assert (view.bridge is None) == (view.reason is not None)
                if None in (nav, known):
                    assert view.reason == "nav_incomplete"
                    continue
                if view.bridge is None:
                    assert view.reason == "rate_missing"
                    continue
                assert view.bridge.nav_start == known
                assert view.bridge.nav_end == nav
                assert view.bridge.nav_end - known == sum(view.bridge.parts.values())
                assert view.bridge.external_flows == flows
            complete = [session for session, nav, _ in days if nav is not None]
            start: date | None = None
            for session in complete:
                view = self.ask(connection, tenant, portfolio, start, session)
                if view.bridge is None:
                    break
                whole = {part: whole[part] + view.bridge.parts[part] for part in Part}
                before = view.bridge.nav_end
                start = date.fromordinal(session.toordinal() + 1)
                from_nothing = self.ask(connection, tenant, portfolio, None, session)
                assert from_nothing.bridge is not None
                assert from_nothing.bridge.nav_end == before
                assert from_nothing.bridge.parts == whole

    def ask(
        self,
        connection: Connection,
        tenant: str,
        portfolio: str,
        since: date | None,
        until: date,
    ) -> BridgeView:
        """The bridge between two dates."""
        answer = bridge_of(
            Readable(connection), tenant=tenant, portfolio=portfolio, since=since, until=until
        )
        assert answer.row is not None
        return answer.row
