"""Struck figures over HTTP: told by the reaction, listed, compared and judged."""

from __future__ import annotations

import time
from datetime import date, timedelta

import pytest

from commands.desk import Desk
from commands.reactions.striking import AllDue, FiguresAtSessionEnd
from domain.identity import MARKET_TENANT
from eventstore.log import Log
from infra.clock import now
from infra.database import Database
from infra.due_figures import due_figures
from projections.reading import Reading
from tests.gateway.serving import new_tenant
from tests.read_api.conftest import NewTeller, Teller

FIRST = date(2020, 6, 1)
SESSIONS = 4
PATH = "/v1/portfolios/struck"
CALENDAR, STOCK = "XSTO", "STRUCK"
PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def owner(teller: NewTeller, database: Database) -> Teller:
    """A portfolio with a stock on a calendar of its own; a close is corrected after the strike."""
    market, tenant = teller("market_data", tenant=MARKET_TENANT), new_tenant()
    owner = teller(tenant=tenant)
    market.tell(
        "/v1/instruments", instrument=STOCK, symbol=STOCK, currency="SEK",
        asset_class="equity", calendar=CALENDAR,
    )  # fmt: skip
    first = FIRST.isoformat()
    opened = owner.tell(
        "/v1/portfolios", portfolio="struck", base_currency="SEK", calendar=CALENDAR
    )
    owner.tell(f"{PATH}/deposits", amount="10000", currency="SEK", value_date=first)
    owner.trade(
        "buy", "50", "100", portfolio="struck", instrument=STOCK, currency="SEK", trade_date=first
    )
    for number in range(SESSIONS):
        on = (FIRST + timedelta(days=number)).isoformat()
        closed = market.tell(
            "/v1/sessions", calendar=CALENDAR, session=on, starts_at=f"{on}T07:00:00Z",
            ends_at=f"{on}T15:30:00Z", closes=[{"instrument": STOCK, "price": str(100 + number)}],
        )  # fmt: skip
    owner.ask(f"{PATH}/struck", min_position=closed["position"], wait_seconds=20)
    strike(database, owner, tenant, behind=opened["position"])
    last = market.tell(
        "/v1/sessions/corrections", calendar=CALENDAR, session=first, instrument=STOCK, price="90",
        reason="wrong_print",
    )  # fmt: skip
    owner.ask(f"{PATH}/struck", min_position=last["position"], wait_seconds=20)
    return owner


def strike(database: Database, owner: Teller, tenant: str, *, behind: int) -> None:
    """Let the reaction look until every session of the tenant is told, and for nobody else.

    It looks behind a position only: what other tests left due before would fill every look.
    """
    conninfo = database.app_conninfo
    with Log(conninfo, clock=now, build="test") as log, Reading(conninfo) as reading:
        desk = Desk(log)
        desk.start()
        ask = due_figures(reading)

        def ask_due(looked: int, limit: int) -> AllDue | None:
            found = ask(max(looked, behind), limit)
            if found is None:
                return None
            return AllDue(found.position, [each for each in found.due if each.tenant == tenant])

        reaction = FiguresAtSessionEnd(desk, log, ask_due)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(owner.ask(f"{PATH}/struck")["items"]) < SESSIONS:
            assert time.monotonic() < deadline, "the sessions are not told"
            reaction.look()
            time.sleep(0.05)
        desk.stop(20)


class TestStruck:
    """What was told, and what differs."""

    def test_lists_sessions_with_what_differs_now(self, owner: Teller) -> None:
        """The first close was corrected by -10 for 50 shares; the others stand."""
        items = owner.ask(f"{PATH}/struck")["items"]
        assert [item["nav"] for item in items] == ["10000", "10050", "10100", "10150"]
        assert [item["difference"] for item in items] == ["-500", "0", "0", "0"]
        assert items[0]["restated_reason"] == "corrected_close"
        names = [figure["name"] for figure in items[1]["figures"]]
        assert names == [
            "nav", "value_at_risk_historical_1d_95", "value_at_risk_historical_1d_99",
            "hypothetical_pnl",
        ]  # fmt: skip
        gained = items[1]["figures"][-1]
        assert gained["value"] == "50"
        assert gained["parameters"] == [{"name": "from", "value": FIRST.isoformat()}]

    def test_goes_on_page_by_page(self, owner: Teller) -> None:
        """Two pages of two, from the second session on."""
        since = (FIRST + timedelta(days=1)).isoformat()
        page = owner.ask(f"{PATH}/struck", since=since, limit=2)
        rest = owner.ask(f"{PATH}/struck", since=since, limit=2, cursor=page["next_cursor"])
        listed = [each["session"] for one in (page, rest) for each in one["items"]]
        assert listed == [(FIRST + timedelta(days=n)).isoformat() for n in range(1, SESSIONS)]

    def test_explains_a_session(self, owner: Teller) -> None:
        """Told, made again of the inputs of then, and of what is known now."""
        item = owner.ask(f"{PATH}/struck/explain", session=FIRST.isoformat())["item"]
        nav = item["figures"][0]
        assert (nav["struck"]["value"], nav["again"], nav["now"]) == ("10000", "10000", "9500")
        assert nav["difference"] == "-500"

    def test_judges_the_var(self, owner: Teller) -> None:
        """Too few past days for any VaR: all are left out, and there is no test."""
        item = owner.ask(f"{PATH}/risk/backtest", level=95)["item"]
        assert (item["days"], item["left_out"], item["test"]) == (0, SESSIONS, None)
        assert item["exceptions"] == []

    def test_shows_nothing_of_another_tenant(self, owner: Teller, teller: NewTeller) -> None:
        """Not found, as what is not there; so is a session that was not struck."""
        other = teller(tenant=new_tenant())
        for path in ("struck", "struck/explain?session=2020-06-01", "risk/backtest"):
            assert other.read.get(f"{PATH}/{path}").status_code == 404
        missing = owner.read.get(f"{PATH}/struck/explain?session=2019-01-01")
        assert missing.status_code == 404

    @pytest.mark.parametrize(
        "path",
        ["struck?since=soon", "struck/explain", "risk/backtest?level=97", "struck?cursor=x"],
    )
    def test_refuses_what_makes_no_sense(self, owner: Teller, path: str) -> None:
        """A problem, never a 500."""
        assert owner.read.get(f"{PATH}/{path}").status_code == 400
