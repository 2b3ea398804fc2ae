"""Transfers in daily values and bridges: flows at market value, and what was carried apart."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from domain.corporate_actions import Split
from domain.lots import CostBasis
from domain.portfolio.corporate_events import CorporateActionApplied
from domain.transfers import Transfer
from projections.asking import Readable
from projections.performance.bridging import bridge_of
from tests.domain.blotter import OTHER_FUND, Declaration, Message, Registration
from tests.domain.scenes import APPLE, FUND, MONDAY
from tests.domain.scenes import told as captured
from tests.projections.performance.telling import ACME, closed
from tests.projections.performance.test_acting_laws import FIRST, Scene
from tests.projections.performance.test_bridging import told

Connection = psycopg.Connection[Any]
TUESDAY = MONDAY + timedelta(days=1)
BOUGHT = captured("b", quantity=Decimal(25), price=Decimal(3))
MOVED = Transfer(
    transfer="m-1",
    portfolio=FUND,
    to_portfolio=OTHER_FUND,
    instrument=APPLE,
    trade_date=TUESDAY,
    quantity=Decimal(10),
)
MONDAY_ENDS, TUESDAY_ENDS = closed(FIRST, {APPLE: "3"}), closed(FIRST + 1, {APPLE: "7"})


@pytest.fixture(params=[3, 2], ids=["in_time", "late"])
def tables(request: pytest.FixtureRequest, connection: Connection) -> Connection:
    """25 at 3 of Monday, 10 of them transferred on Tuesday at 7; told before its end, or behind."""
    market = [(2, MONDAY_ENDS), (request.param, TUESDAY_ENDS)]
    messages: list[Message] = [Registration(), BOUGHT, MOVED]
    told(connection, Scene(messages, market, CostBasis.FIFO).told())
    return connection


@pytest.mark.parametrize(
    ("portfolio", "flow", "unrealised", "carried", "nav", "daily"),
    [(FUND, -70, 60, 40, 10_030, "0.01"), (OTHER_FUND, 70, 40, -40, 10_070, "0")],
)
def test_a_transfer_flows_at_its_value(
    tables: Connection,
    portfolio: str,
    flow: int,
    unrealised: int,
    carried: int,
    nav: int,
    daily: str,
) -> None:
    """Out at the end of the day, in at its start: what 10 gained before went with them."""
    view = bridge_of(
        Readable(tables), tenant=ACME, portfolio=portfolio, since=TUESDAY, until=TUESDAY
    ).row

    assert view is not None
    assert view.bridge is not None
    found = {name: amount for name, amount in view.bridge.parts.items() if amount}
    assert found == {
        "external_flows": flow,
        "unrealised_price": unrealised,
        "unrealised_transferred": carried,
    }
    assert view.bridge.nav_end == nav
    row = tables.execute(
        "SELECT daily_return, flows FROM performance.days WHERE portfolio = %s AND session = %s",
        (portfolio, TUESDAY),
    ).fetchone()
    assert row == (Decimal(daily), flow)


def test_a_split_that_is_lacked_leaves_what_moved_on_its_date(connection: Connection) -> None:
    """25 become 50, of which 10 went, whatever the names: they are in units of behind it."""
    split = Split(action="z", instrument=APPLE, ex_date=TUESDAY, new=2, old=1)
    messages: list[Message] = [Registration(), BOUGHT, MOVED, Declaration(split)]
    scene = Scene(messages, [(2, MONDAY_ENDS), (3, TUESDAY_ENDS)], CostBasis.FIFO)
    story = scene.told()
    lacking = [each for each in story if not isinstance(each[1], CorporateActionApplied)]

    tables = told(connection, lacking)

    query = "SELECT nav FROM {schema}.{table} WHERE portfolio = 'growth' ORDER BY session"
    navs = [nav for (nav,) in tables.select(query, "days")]
    assert navs[-1] == 10_000 - 25 * 3 + 40 * 7
