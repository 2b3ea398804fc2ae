"""Breaches by prices: the reaction opens and closes them as the market moves, each once."""

from datetime import timedelta
from decimal import Decimal

from commands.command import (
    ChangeInstrument,
    CloseSession,
    CorrectClose,
    DepositCash,
    OpenPortfolio,
)
from commands.desk import Desk
from domain.identity import MARKET_TENANT
from domain.instrument import SectorAssigned
from domain.limits.events import LimitBreachOpened
from domain.limits.scope import Scope
from domain.limits.terms import LimitRule, LimitTerms
from domain.lots import CostBasis
from domain.market import Close
from domain.money import Money
from domain.trade import Intent
from eventstore.log import Log
from tests.commands.breach_scenes import (
    HALF,
    MORNING,
    TWICE,
    Leader,
    mark,
    rate,
    reviewing,
    settled,
    told,
    two_names,
)
from tests.commands.desks import desk_on, wait_until
from tests.commands.limit_scenes import approve, recorded_events
from tests.commands.scenes import APPLE, MONDAY, capture, done, open_alpha, register
from tests.commands.test_corporate_actions import (
    DIVIDEND,
    SPLIT,
    apply_all,
    declare,
)
from tests.commands.test_corrections import bust


class TestPrices:
    """Whoever holds what moved is reviewed."""

    def test_open_a_breach_and_close_it(self, desk: Desk, log: Log) -> None:
        """By the market's time and position; between, nothing is told."""
        two_names(desk)
        approve(log, HALF, limit="one-name")

        with reviewing(desk, log):
            mark(desk, 1, AAPL=30, MSFT=10)
            wait_until(lambda: len(told(log)) == 1)
            mark(desk, 2, AAPL=31)
            mark(desk, 3, AAPL=10)
            wait_until(lambda: len(told(log)) == 2)

        assert told(log) == [
            ("Opened", APPLE, Decimal("0.75")), ("Closed", APPLE, Decimal("0.5")),
        ]  # fmt: skip
        events = list(recorded_events(log))
        opened = next(event for _, event in events if isinstance(event, LimitBreachOpened))
        assert opened.at == MORNING + timedelta(minutes=1)
        marked = next(each for each, _ in events if each.position == opened.market_position)
        assert marked.event_type == "market.marked.v1"

    def test_leave_nothing_where_nothing_changes(self, desk: Desk, log: Log) -> None:
        """Neither a command nor a receipt, however often it is marked."""
        two_names(desk)
        approve(log, HALF, limit="one-name")
        leader = Leader(desk, log)

        for minute in range(1, 6):
            mark(desk, minute, AAPL=10 + minute, MSFT=10 + minute)
            leader.read_all()

        assert log.head().position == [each.position for each, _ in recorded_events(log)][-1]
        assert [each.actor for each, _ in recorded_events(log) if "reaction" in each.actor] == []

    def test_of_a_close_count_and_so_does_its_correction(self, desk: Desk, log: Log) -> None:
        """A wrong close opens a breach, its correction closes it."""
        two_names(desk)
        approve(log, HALF, limit="one-name")
        mark(desk, 1, AAPL=10, MSFT=10)
        ends_at = MORNING + timedelta(hours=6)
        closing = CloseSession(
            calendar="XNYS",
            session=MONDAY,
            starts_at=MORNING - timedelta(minutes=30),
            ends_at=ends_at,
            closes=(Close(instrument=APPLE, price=Decimal(90)),),
        )

        done(desk, closing, tenant=MARKET_TENANT)
        settled(desk, log)
        fixed = CorrectClose(
            calendar="XNYS", session=MONDAY, instrument=APPLE, price=Decimal(10), reason="typo"
        )
        done(desk, fixed, tenant=MARKET_TENANT)
        settled(desk, log)

        assert [each[0] for each in told(log)] == ["Opened", "Closed"]

    def test_of_currencies_count_where_anything_foreign_is_held(self, desk: Desk, log: Log) -> None:
        """Without a rate nothing is opened; with one the larger part is foreign."""
        two_names(desk)
        done(desk, register("SAP", "EUR"), tenant=MARKET_TENANT)
        done(
            desk,
            capture("t-3", intent=Intent.EXECUTED, instrument="SAP", currency="EUR"),
        )
        approve(log, HALF, limit="one-name")
        mark(desk, 1, AAPL=10, MSFT=10, SAP=10)
        leader = Leader(desk, log)
        leader.read_all()
        assert told(log) == []

        rate(desk, 2, "3")
        leader.read_all()
        rate(desk, 3, "1")
        leader.read_all()

        assert [each[:2] for each in told(log)] == [("Opened", "SAP"), ("Closed", "SAP")]


class TestOverload:
    """A desk whose queue is short."""

    def test_is_asked_again(self, log: Log) -> None:
        """Each of many portfolios gets its breach, once."""
        names = [f"fund-{number}" for number in range(6)]
        with desk_on(log, queued_max=2) as desk:
            two_names(desk)
            for name in names:
                opened = OpenPortfolio(
                    portfolio=name, base_currency="USD", cost_basis=CostBasis.FIFO
                )
                done(desk, opened)
                done(desk, capture(f"of-{name}", portfolio=name, intent=Intent.EXECUTED))
            approve(log, HALF, limit="one-name")
            with reviewing(desk, log):
                mark(desk, 1, AAPL=10, MSFT=10)
                wait_until(lambda: len(told(log)) == len(names))

        assert told(log) == [("Opened", APPLE, Decimal(1))] * len(names)


class TestOthers:
    """Limits, sectors and holdings move as prices do."""

    def test_a_trade_that_is_told_opens_one(self, desk: Desk, log: Log) -> None:
        """Two thirds; a bust closes it again."""
        two_names(desk)
        approve(log, HALF, limit="one-name")
        mark(desk, 1, AAPL=10, MSFT=10)

        with reviewing(desk, log):
            done(desk, capture("t-3", intent=Intent.EXECUTED))
            wait_until(lambda: len(told(log)) == 1)
            done(desk, bust("t-3"))
            wait_until(lambda: len(told(log)) == 2)

        assert told(log)[0] == ("Opened", APPLE, Decimal("0.666666666667"))

    def test_a_limit_opens_one_when_it_is_approved_and_closes_it_when_it_ends(
        self, desk: Desk, log: Log
    ) -> None:
        """For every portfolio of the tenant; raised, it closes too."""
        two_names(desk)
        mark(desk, 1, AAPL=30, MSFT=10)

        with reviewing(desk, log):
            approve(log, HALF, limit="one-name")
            wait_until(lambda: len(told(log)) == 1)
            approve(log, None, limit="one-name")
            wait_until(lambda: len(told(log)) == 2)
            approve(log, HALF, limit="one-name")
            wait_until(lambda: len(told(log)) == 3)

        assert [each[2] for each in told(log)] == [Decimal("0.75"), None, Decimal("0.75")]

    def test_a_sector_counts_what_is_assigned_to_it(self, desk: Desk, log: Log) -> None:
        """From the date on that the assignment says."""
        two_names(desk)
        sector = LimitTerms(
            rule=LimitRule.SECTOR_CONCENTRATION, scope=Scope(sector="Tech"), maximum=Decimal("0.5")
        )
        approve(log, sector, limit="tech")
        mark(desk, 1, AAPL=10, MSFT=10)
        leader = Leader(desk, log)
        for name in (APPLE, "MSFT"):
            change = SectorAssigned(instrument=name, from_date=MONDAY, sector="Tech")
            done(desk, ChangeInstrument(change), tenant=MARKET_TENANT)
            leader.read_all()

        assert told(log) == [("Opened", "Tech", Decimal(1))]

    def test_cash_that_leaves_makes_leverage(self, desk: Desk, log: Log) -> None:
        """A purchase on credit, then a deposit."""
        open_alpha(desk, cash=100, allows_leverage=True)
        approve(log, TWICE, limit="gearing")
        mark(desk, 1, AAPL=10)
        leader = Leader(desk, log)
        done(desk, capture("t-1", intent=Intent.EXECUTED))
        leader.read_all()
        money = Money(Decimal(400), "USD")
        done(desk, DepositCash(portfolio="alpha", amount=money, value_date=MONDAY))
        leader.read_all()

        assert [each[::2] for each in told(log)] == [
            ("Opened", Decimal(10)),
            ("Closed", Decimal(2)),
        ]

    def test_a_split_opens_nothing(self, desk: Desk, log: Log) -> None:
        """While it is not applied, and after: the value is the same."""
        two_names(desk)
        approve(log, HALF, limit="one-name")
        mark(desk, 1, AAPL=10, MSFT=10)
        leader = Leader(desk, log)
        declare(desk, SPLIT)
        declare(desk, DIVIDEND)
        mark(desk, 24 * 60, MSFT=10)
        leader.read_all()
        apply_all(desk)
        leader.read_all()

        assert told(log) == []
