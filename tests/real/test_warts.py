"""What is wrong in the five-year file, put right behind all sessions; and five years of VaR judged.

One portfolio holds names whose closes are warts: a half price of one day, and a fall that was a
spin-off. The reaction that strikes figures strikes the last sessions'.
"""

import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy import stats

from commands.command import (
    ApplyCorporateActions,
    ChangeInstrument,
    CorrectClose,
    DepositCash,
    Issued,
    OpenPortfolio,
)
from commands.reactions.striking import FiguresAtSessionEnd
from domain.bridge import Part
from domain.corporate_actions import SpinOff, Terms
from domain.instrument import CorporateActionDeclared
from domain.lots import CostBasis
from domain.money import Money
from infra.database import Database
from infra.due_figures import due_figures
from projections.reading import Reading
from tests.commands.scenes import issue
from tests.real import files, telling
from tests.real.files import Closes, Floats
from tests.real.telling import Order
from tests.real.told import NewDatabase, Told
from tests.real.told import telling as told_to

TENANT, FUND = "quant", "warts"
HELD = {"LNT": 1_000, "EBAY": 900, "BAX": 500, "NI": 700, "AAPL": 300, "XOM": 400, "JPM": 600}
CHILD = "PYPL"
CASH = 400_000
LNT_WRONG = date(2016, 5, 19)
LNT_RIGHT = Decimal("35.74")
SPIN_OFF = SpinOff(
    action="paypal", instrument="EBAY", ex_date=date(2015, 7, 20), child=CHILD, new=1, old=1,
    cost_share=Decimal("0.58"),
)  # fmt: skip
WINDOW = 500
STRUCK = 300
"""So many sessions at the end are struck: all 1,259 take five times as long, and agree too."""
PATIENCE_SECONDS = 900

pytestmark = [pytest.mark.slow, pytest.mark.longest, pytest.mark.timeout(1800)]


class World(NamedTuple):
    """What runs, and the closes of the names."""

    told: Told
    closes: Closes

    @property
    def held(self) -> Floats:
        """The quantities, in the order of their closes."""
        return np.array([float(HELD[name]) for name in HELD])

    @property
    def prices(self) -> Floats:
        """Their closes."""
        return self.closes.of(*HELD)

    def days(self) -> dict[date, dict[str, Any]]:
        """All days of the portfolio."""
        rows = self.told.items(f"/v1/portfolios/{FUND}/performance")
        return {date.fromisoformat(row["session"]): row for row in rows}


def commands(closes: Closes) -> Iterator[Issued]:
    """Buy all at the first closes, then close every session."""
    yield from (telling.market(telling.registration(name, None)) for name in closes.names)
    first = closes.sessions[0]
    opened = OpenPortfolio(
        portfolio=FUND, base_currency="USD", cost_basis=CostBasis.FIFO, calendar="XNYS"
    )
    deposit = DepositCash(portfolio=FUND, amount=Money(Decimal(CASH), "USD"), value_date=first)
    yield issue(opened, tenant=TENANT)
    yield issue(deposit, tenant=TENANT)
    for name, quantity in HELD.items():
        price = files.decimal(closes.of(name)[0, 0])
        yield issue(telling.traded(Order(0, FUND, name, quantity, price), first), tenant=TENANT)
    starts_at = telling.ends_at(first) - timedelta(days=1)
    for index, session in enumerate(closes.sessions):
        yield telling.market(telling.closing(closes, index, starts_at, {}))
        starts_at = telling.ends_at(session)


def strike(told: Told, database: Database, count: int) -> None:
    """Let the reaction look until the figures of the last so many sessions are told."""
    days = told.items(f"/v1/portfolios/{FUND}/performance")
    behind = days[-count - 1]["struck_position"]
    with Reading(database.app_conninfo) as reading:
        ask = due_figures(reading)
        reaction = FiguresAtSessionEnd(
            told.desk, told.log, lambda looked, limit: ask(max(looked, behind), limit)
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        head = told.log.head().position
        while told.log.head().position < head + count:
            assert time.monotonic() < deadline, "the sessions are not told"
            reaction.look()
            time.sleep(0.01)
    told.wait()


@pytest.fixture(scope="module")
def world(shared_data: Path, new_log_database: NewDatabase) -> Iterator[World]:
    """Five years, of which the end is struck session by session."""
    whole, database = files.closes(shared_data), new_log_database()
    names = [*HELD, CHILD]
    closes = Closes(whole.sessions, names, whole.of(*names))
    with told_to(database, commands(closes), TENANT) as told:
        strike(told, database, STRUCK)
        yield World(told, closes)


class TestTheBacktest:
    """The VaR told with each session against what the holdings then lost in the next."""

    @pytest.mark.parametrize("level", [95, 99])
    def test_is_that_of_scipy(self, world: World, level: int) -> None:
        """Exceptions counted from the file; Kupiec's ratio of binomial likelihoods, by scipy."""
        values = world.held * world.prices
        returns = world.prices[1:] / world.prices[:-1] - 1
        exceptions, days = [], 0
        for session in range(len(values) - STRUCK, len(values) - 1):
            past = returns[session - WINDOW : session] @ values[session]
            value_at_risk = np.quantile(-past, level / 100)
            days += 1
            if values[session] @ returns[session] < -value_at_risk:
                exceptions.append(world.closes.sessions[session + 1].isoformat())
        item = world.told.ask(f"/v1/portfolios/{FUND}/risk/backtest", level=level)["item"]

        assert [each["session"] for each in item["exceptions"]] == exceptions
        assert (item["days"], item["left_out"]) == (days, 1) == (STRUCK - 1, 1)
        count = len(exceptions)
        expected = 1 - level / 100
        ratio = 2 * (
            stats.binom.logpmf(count, days, count / days)
            - stats.binom.logpmf(count, days, expected)
        )
        assert item["test"]["statistic"] == pytest.approx(ratio, rel=1e-9)
        assert item["test"]["p_value"] == pytest.approx(stats.chi2.sf(ratio, 1), rel=1e-9)


class TestWarts:
    """Told behind the last session: what was struck stays, what is known now is right."""

    def test_a_half_price_of_one_day_is_corrected(self, world: World) -> None:
        """LNT fell from 35.35 to 17.87 and was back: both days' returns were wrong, no other's."""
        before = world.days()
        world.told.tell(
            telling.market(
                CorrectClose(
                    calendar="XNYS", session=LNT_WRONG, instrument="LNT", price=LNT_RIGHT,
                    reason="split_misdated",
                )
            )
        )  # fmt: skip
        after = world.days()

        wrong = before[LNT_WRONG]["current"]
        gained = HELD["LNT"] * (LNT_RIGHT - Decimal("17.87"))
        assert Decimal(after[LNT_WRONG]["current"]["nav"]) - Decimal(wrong["nav"]) == gained
        assert after[LNT_WRONG]["struck"] == before[LNT_WRONG]["struck"]
        assert after[LNT_WRONG]["restated_reason"] == "corrected_close"
        following = next(day for day in sorted(after) if day > LNT_WRONG)
        changed = {day for day in after if after[day]["current"] != before[day]["current"]}
        assert changed == {LNT_WRONG, following}
        prices = world.prices
        prices[world.closes.at(LNT_WRONG), list(HELD).index("LNT")] = float(LNT_RIGHT)
        nav = prices @ world.held + CASH - world.prices[0] @ world.held
        for day in changed:
            at = world.closes.at(day)
            found = float(after[day]["current"]["daily_return"])
            assert found == pytest.approx(nav[at] / nav[at - 1] - 1, rel=1e-9)

    def test_a_fall_that_was_a_spin_off_is_none(self, world: World) -> None:
        """EBAY fell 57 % when PayPal left it: told two years late, its holder has both."""
        before = world.days()
        world.told.tell(
            telling.market(ChangeInstrument(CorporateActionDeclared("EBAY", Terms.of(SPIN_OFF)))),
            issue(ApplyCorporateActions(portfolio=FUND), tenant=TENANT),
        )
        after = world.days()

        at = world.closes.at(SPIN_OFF.ex_date)
        child = [files.decimal(price) for price in world.closes.of(CHILD)[at:, 0].tolist()]
        for day, price in zip(world.closes.sessions[at:], child, strict=True):
            more = Decimal(after[day]["current"]["nav"]) - Decimal(before[day]["current"]["nav"])
            assert more == HELD["EBAY"] * price
        for day in world.closes.sessions[:at]:
            assert after[day]["current"] == before[day]["current"]
        fell = after[SPIN_OFF.ex_date]
        assert fell["restated_reason"] == "corporate_action"
        assert float(before[SPIN_OFF.ex_date]["current"]["daily_return"]) < -0.07
        assert abs(float(fell["current"]["daily_return"])) < 0.02

    def test_leave_a_bridge_that_adds_up(self, world: World) -> None:
        """From nothing to the last session, all warts told."""
        last = world.closes.sessions[-1]
        nav = Decimal(world.days()[last]["current"]["nav"])
        item = world.told.ask(f"/v1/portfolios/{FUND}/bridge")["item"]

        assert item["reason"] is None
        assert sum(Decimal(item[part]) for part in Part) == nav
