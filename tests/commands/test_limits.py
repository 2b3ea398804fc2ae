"""Limits at the desk: what refuses, warns, or is let pass by two persons (conventions 1, 15)."""

import gc
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from commands.command import (
    AllocateBlock,
    BustTrade,
    CaptureTrade,
    ChangeInstrument,
    DepositCash,
    MarkMarket,
    Outcome,
    Status,
)
from commands.desk import Desk
from commands.overlay import Overlay
from commands.view import View
from domain.block import Allocation, Block, BlockFill
from domain.event import Event
from domain.identity import MARKET_TENANT, controls_stream, trade_id
from domain.instrument import SectorAssigned
from domain.limits.events import OverrideApproved, TradingStateAssigned
from domain.limits.scope import Scope
from domain.limits.terms import LimitRule, LimitTerms, TradingState
from domain.lots import Side
from domain.market import Mark
from domain.money import Money
from domain.rejection import Level
from domain.trade import Capture, Intent, TradeCaptured, TradeRefused
from eventstore.log import Log
from tests.commands.limit_scenes import approve, recorded_events, tell
from tests.commands.scenes import (
    ACME,
    APPLE,
    MONDAY,
    NOON,
    TUESDAY,
    WAIT_SECONDS,
    capture,
    done,
    issue,
    open_alpha,
    register,
)

ALPHA = Scope(portfolio="alpha")
EVERYTHING = Scope()
TOLD = Intent.EXECUTED
OTHER = "XOM"


def limit(log: Log, rule: LimitRule, maximum: str | None, name: str = "", **terms: object) -> None:
    """Put a limit of the portfolio in force."""
    most = None if maximum is None else Decimal(maximum)
    wanted = {"rule": rule, "scope": ALPHA, "maximum": most, **terms}
    approve(log, LimitTerms(**wanted), limit=name or rule.value)  # type: ignore[arg-type]


def control(log: Log, event: Event) -> None:
    """Tell something of the tenant's controls."""
    stream = controls_stream(ACME)
    tell(log, stream, log.stream_versions([stream]).get(stream, 0) + 1, event)


def halt(log: Log, state: TradingState = TradingState.HALTED, scope: Scope = EVERYTHING) -> None:
    """Assign a trading state."""
    control(log, TradingStateAssigned(scope=scope, state=state, assigned_by="ann", reason="test"))


def mark(desk: Desk, price: int, at: datetime) -> Outcome:
    """Mark AAPL."""
    marks = (Mark(APPLE, Decimal(price)),)
    return done(desk, MarkMarket(source="x", at=at, marks=marks), tenant=MARKET_TENANT)


def views_alive() -> int:
    """Count what decisions see the world through and are kept in, and nobody has freed."""
    return sum(isinstance(each, View | Overlay) for each in gc.get_objects())


def assign_sector(desk: Desk, instrument: str, sector: str) -> None:
    """Say what sector an instrument is in from the day before the trades on."""
    change = SectorAssigned(
        instrument=instrument, sector=sector, from_date=MONDAY - timedelta(days=1)
    )
    done(desk, ChangeInstrument(change), tenant=MARKET_TENANT)


def rules(outcome: Outcome) -> list[str]:
    """The codes of what refused a trade, or of what rides on its acceptance."""
    found = outcome.breaches if outcome.status is Status.REJECTED else outcome.warnings
    return [each.rule for each in found]


class TestALimit:
    """Proposed: one that blocks refuses, one that warns rides along. Executed: booked with all."""

    def test_refuses_with_every_breach_and_tells_so(self, desk: Desk, log: Log) -> None:
        """The refusal in the log has what the answer has: blocking ones first."""
        open_alpha(desk)
        limit(log, LimitRule.TRADE_QUANTITY, "99", level=Level.WARN)
        limit(log, LimitRule.TRADE_NOTIONAL, "999", currency="USD")

        outcome = done(desk, capture("t-1"))

        assert rules(outcome) == ["trade_notional_exceeded", "trade_quantity_exceeded"]
        told = [event for _, event in recorded_events(log) if isinstance(event, TradeRefused)]
        assert [each.breaches for each in told] == [outcome.breaches]

    def test_that_warns_rides_on_the_acceptance(self, desk: Desk, log: Log) -> None:
        """And is told with the trade."""
        open_alpha(desk)
        limit(log, LimitRule.TRADE_QUANTITY, "99", level=Level.WARN)

        outcome = done(desk, capture("t-1"))

        assert outcome.status is Status.ACCEPTED
        assert rules(outcome) == ["trade_quantity_exceeded"]
        told = [event for _, event in recorded_events(log) if isinstance(event, TradeCaptured)]
        assert [each.breaches for each in told] == [outcome.warnings]

    def test_never_refuses_what_was_filled(self, desk: Desk, log: Log) -> None:
        """Even while trading is halted."""
        open_alpha(desk)
        limit(log, LimitRule.TRADE_QUANTITY, "99")
        halt(log)

        outcome = done(desk, capture("t-1", intent=TOLD))

        assert outcome.status is Status.ACCEPTED
        assert rules(outcome) == ["trading_halted", "trade_quantity_exceeded"]

    def test_holds_in_its_scope_only(self, desk: Desk, log: Log) -> None:
        """Another instrument's, another portfolio's and another sector's do not hinder."""
        open_alpha(desk)
        for number, scope in enumerate(
            (Scope(portfolio="beta"), Scope(instrument="MSFT"), Scope(sector="Oil"))
        ):
            limit(log, LimitRule.TRADE_QUANTITY, "1", f"l-{number}", scope=scope)
        assert done(desk, capture("t-1")).status is Status.ACCEPTED

        limit(log, LimitRule.TRADE_QUANTITY, "1", "l-9", scope=Scope(sector="Unclassified"))
        assert rules(done(desk, capture("t-2"))) == ["trade_quantity_exceeded"]


class TestBeingJudgedByAMark:
    """The mark in force, told with its position in the log."""

    def test_names_the_position_of_the_mark(self, desk: Desk, log: Log) -> None:
        """Of two marks, that which was in force when the trade was executed."""
        open_alpha(desk)
        limit(log, LimitRule.PRICE_FAR_FROM_MARK, "0.1")
        first = mark(desk, 20, NOON - timedelta(hours=2))
        mark(desk, 10, NOON - timedelta(hours=1))

        at = NOON - timedelta(minutes=90)
        far = done(desk, capture("t-1", executed_at=at, trade_date=None))
        near = done(desk, capture("t-2", executed_at=NOON, trade_date=None))

        assert [each.mark_position for each in far.breaches] == [first.position]
        assert near.status is Status.ACCEPTED

    def test_is_the_same_on_a_desk_that_loads_the_log(self, desk: Desk, log: Log) -> None:
        """What another writer told is folded with its own position."""
        open_alpha(desk)
        limit(log, LimitRule.PRICE_FAR_FROM_MARK, "0.1")
        told = mark(desk, 20, NOON - timedelta(hours=2))
        other = Desk(log)
        other.start()

        outcome = done(other, capture("t-1", executed_at=NOON, trade_date=None))

        other.stop(WAIT_SECONDS)
        assert [each.mark_position for each in outcome.breaches] == [told.position]


class TestADaysLimit:
    """What is traded on one date adds up, and is given back."""

    def test_counts_what_stands_on_its_date(self, desk: Desk, log: Log) -> None:
        """Sold as well as bought, not on another date; busted no more; on any desk alike."""
        open_alpha(desk)
        done(
            desk,
            DepositCash(portfolio="alpha", amount=Money(Decimal(10_000), "USD"), value_date=MONDAY),
        )
        limit(log, LimitRule.DAY_QUANTITY, "250")
        assert done(desk, capture("t-1")).status is Status.ACCEPTED
        assert done(desk, capture("t-2", side=Side.SELL)).status is Status.ACCEPTED
        assert rules(done(desk, capture("t-3"))) == ["day_quantity_exceeded"]
        assert done(desk, capture("t-4", trade_date=TUESDAY)).status is Status.ACCEPTED
        bust = BustTrade(source="desk-1", external_id="t-2", portfolio="alpha", reason="test")
        assert done(desk, bust).status is Status.ACCEPTED
        other = Desk(log)
        other.start()

        assert done(other, capture("t-5")).status is Status.ACCEPTED
        refused = done(other, capture("t-6"))

        other.stop(WAIT_SECONDS)
        assert [(each.actual, each.headroom) for each in refused.breaches] == [("300", "50")]


class TestASectorsLimit:
    """It goes by the sectors as they are when a trade is judged."""

    def test_counts_what_was_assigned_to_the_sector_since(self, desk: Desk, log: Log) -> None:
        """Valued before and kept with the portfolio, the other instrument is in it now."""
        open_alpha(desk)
        done(desk, register(OTHER), tenant=MARKET_TENANT)
        assign_sector(desk, APPLE, "Tech")
        assign_sector(desk, OTHER, "Energy")
        limit(log, LimitRule.SECTOR_CONCENTRATION, "0.6")
        this_morning = {"trade_date": None, "executed_at": NOON - timedelta(hours=1)}
        for name in ("t-1", "t-2"):
            instrument = APPLE if name == "t-1" else OTHER
            told = capture(
                name, quantity=Decimal(10), instrument=instrument, intent=TOLD, **this_morning
            )
            done(desk, told)
        within = capture("t-3", quantity=Decimal(1), **this_morning)
        assert done(desk, within).status is Status.ACCEPTED

        assign_sector(desk, OTHER, "Tech")

        outcome = done(desk, capture("t-4", quantity=Decimal(1), **this_morning))
        assert rules(outcome) == ["sector_concentration_exceeded"]
        assert outcome.breaches or outcome.warnings
        assert [each.actual for each in (*outcome.breaches, *outcome.warnings)] == ["1"]


class TestWhatIsLeft:
    """What a trade was decided with is freed with its turn: rings of it nobody would find."""

    def test_is_no_view_under_any_limit_of_exposure(self, desk: Desk, log: Log) -> None:
        """A dozen trades later the views of most of them are gone."""
        open_alpha(desk)
        done(desk, register(OTHER), tenant=MARKET_TENANT)
        for rule in (
            LimitRule.LEVERAGE,
            LimitRule.POSITION_CONCENTRATION,
            LimitRule.SECTOR_CONCENTRATION,
        ):
            limit(log, rule, "1")
        gc.collect()
        gc.disable()  # What only the collector would free is a ring as well.
        before = views_alive()
        for number in range(12):
            told = capture(f"t-{number}", quantity=Decimal(1))
            assert done(desk, told).status is Status.ACCEPTED
        left = views_alive() - before
        gc.enable()
        assert left < 6, "those of the turns at hand, at most"


class TestHalting:
    """Once a halt is in the log, no later position holds an accepted proposed trade."""

    def test_stops_a_desk_that_has_not_heard_of_it(self, desk: Desk, log: Log) -> None:
        """The fence on the head: the halt comes from elsewhere, between trades and in floods."""
        open_alpha(desk)
        done(
            desk,
            DepositCash(portfolio="alpha", amount=Money(Decimal(10**6), "USD"), value_date=MONDAY),
        )
        sent = [desk.submit(issue(capture(f"a-{number}"))) for number in range(150)]
        halt(log)
        sent += [desk.submit(issue(capture(f"b-{number}"))) for number in range(150)]

        outcomes = [each.result(WAIT_SECONDS) for each in sent]

        accepted = [each for each in outcomes if each.status is Status.ACCEPTED]
        halts = [
            recorded.position
            for recorded, event in recorded_events(log)
            if isinstance(event, TradingStateAssigned)
        ]
        later = [each.position for each in accepted if (each.position or 0) > halts[0]]
        assert later == []
        assert all(each.status is Status.REJECTED for each in outcomes[150:])

    def test_to_reduce_only_lets_positions_be_closed(self, desk: Desk, log: Log) -> None:
        """Nearer to zero, not across it."""
        open_alpha(desk)
        done(desk, capture("t-1"))
        halt(log, TradingState.REDUCE_ONLY, Scope(instrument=APPLE))

        assert rules(done(desk, capture("t-2"))) == ["reduce_only"]
        sold = done(desk, capture("t-3", side=Side.SELL, quantity=Decimal(60)))
        assert sold.status is Status.ACCEPTED
        crossing = done(desk, capture("t-4", side=Side.SELL, quantity=Decimal(41)))
        assert "reduce_only" in rules(crossing)


def override(log: Log, wanted: CaptureTrade, *names: str, until: datetime) -> None:
    """Let a trade pass some rules until then."""
    content: Capture = wanted.capture
    name: UUID = trade_id(ACME, content.source, content.external_id, None)
    control(
        log,
        OverrideApproved(
            trade_id=name,
            capture=content,
            rules=names,
            proposed_by="ann",
            approved_by="bob",
            approved_at=NOON,
            expires_at=until,
        ),
    )


class TestOverriding:
    """Two persons let just this trade pass, for a time."""

    @pytest.mark.parametrize(("seconds", "status"), [(1, Status.ACCEPTED), (0, Status.REJECTED)])
    def test_holds_until_it_expires(
        self, desk: Desk, log: Log, seconds: int, status: Status
    ) -> None:
        """Received before, not at that instant; the breach is carried."""
        open_alpha(desk)
        limit(log, LimitRule.TRADE_QUANTITY, "99")
        override(
            log, capture("t-1"), "trade_quantity_exceeded", until=NOON + timedelta(seconds=seconds)
        )

        outcome = done(desk, capture("t-1"))

        assert outcome.status is status
        assert rules(outcome) == ["trade_quantity_exceeded"]
        assert [each.is_overridden for each in outcome.warnings] == [True] * seconds

    def test_is_for_just_that_content(self, desk: Desk, log: Log) -> None:
        """Another price is another trade."""
        open_alpha(desk)
        limit(log, LimitRule.TRADE_QUANTITY, "99")
        later = NOON + timedelta(hours=1)
        override(log, capture("t-1"), "trade_quantity_exceeded", until=later)

        assert done(desk, capture("t-1", price=Decimal(11))).status is Status.REJECTED
        assert done(desk, capture("t-2")).status is Status.REJECTED


class TestABlock:
    """Its allotments are judged as any trades are."""

    def test_is_refused_whole_where_one_portfolio_breaches(self, desk: Desk, log: Log) -> None:
        """Every breach names its portfolio."""
        open_alpha(desk)
        limit(log, LimitRule.TRADE_QUANTITY, "59")
        block = Block(
            source="desk-1",
            external_id="block-1",
            intent=Intent.PROPOSED,
            instrument=APPLE,
            side=Side.BUY,
            currency="USD",
            trade_date=MONDAY,
            fills=(BlockFill(quantity=Decimal(60), price=Decimal(10)),),
            allocations=(Allocation(portfolio="alpha", quantity=Decimal(60)),),
        )

        outcome = done(desk, AllocateBlock(block))

        assert outcome.status is Status.REJECTED
        assert [(each.rule, each.portfolio) for each in outcome.breaches] == [
            ("trade_quantity_exceeded", "alpha")
        ]
