"""Corporate actions through the desk: declared once, applied to every holder, taken back again."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from commands.command import (
    ApplyCorporateActions,
    ChangeInstrument,
    Outcome,
    ReachTime,
    SettleCash,
    Status,
)
from commands.desk import Desk
from commands.world import World
from domain.corporate_actions import Action, CashDividend, SpinOff, Split, Terms
from domain.event import Event
from domain.identity import MARKET_TENANT, portfolio_stream
from domain.instrument import CorporateActionDeclared, CorporateActionReversed
from domain.lots import Side
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    DividendPaid,
    LotsSpunOff,
)
from domain.portfolio.events import TradeBooked
from domain.portfolio.state import Portfolio
from domain.trade import Intent
from eventstore.log import Log
from schemas.codec import decode
from tests.commands.scenes import (
    ACME,
    APPLE,
    TUESDAY,
    capture,
    done,
    open_alpha,
    register,
)

WEDNESDAY = date(2024, 1, 10)
TUESDAY_MORNING = datetime(2024, 1, 9, 5, tzinfo=UTC)
SPLIT = Split(action="split-1", instrument=APPLE, ex_date=TUESDAY, new=7, old=1)
DIVIDEND = CashDividend(
    action="dividend-1",
    instrument=APPLE,
    ex_date=TUESDAY,
    per_unit=Decimal("0.5"),
    currency="USD",
    withholding_rate=Decimal("0.15"),
    pay_date=WEDNESDAY,
)
SPIN_OFF = SpinOff(
    action="spin-1",
    instrument=APPLE,
    ex_date=TUESDAY,
    child="CORE",
    new=1,
    old=3,
    cost_share=Decimal("0.2"),
    fraction_price=Decimal(30),
)


def declare(desk: Desk, action: Action) -> Outcome:
    """Declare an action."""
    change = CorporateActionDeclared(instrument=action.instrument, terms=Terms.of(action))
    return done(desk, ChangeInstrument(change), tenant=MARKET_TENANT)


def reverse(desk: Desk, action: Action) -> Outcome:
    """Take an action back."""
    change = CorporateActionReversed(
        instrument=action.instrument, action=action.action, reason="wrong"
    )
    return done(desk, ChangeInstrument(change), tenant=MARKET_TENANT)


def reach(desk: Desk, at: datetime = TUESDAY_MORNING) -> Outcome:
    """Let business time come to Tuesday morning in New York."""
    return done(desk, ReachTime(at=at), tenant=MARKET_TENANT)


def apply_all(desk: Desk) -> Outcome:
    """Apply what the portfolio lacks."""
    return done(desk, ApplyCorporateActions(portfolio="alpha"))


def events_of(log: Log, *kinds: type[Event]) -> list[Event]:
    """Events of some kinds, in log order."""
    events = [decode(each.event_type, each.data) for each in log.read(0, 1_000)]
    return [event for event in events if isinstance(event, kinds)]


def alpha(log: Log) -> Portfolio:
    """The portfolio as the log gives it."""
    world = World.load(log)
    found = world.portfolio(portfolio_stream(ACME, "alpha"), log)
    assert found is not None
    return found


class TestDeclaring:
    """Once, under a name that is used up."""

    def test_is_replayed_or_a_conflict(self, desk: Desk) -> None:
        """The same again is the first acceptance; other content names its fields."""
        open_alpha(desk)
        first = declare(desk, SPLIT)

        again = declare(desk, SPLIT)
        other = declare(
            desk, Split(action="split-1", instrument=APPLE, ex_date=TUESDAY, new=2, old=1)
        )

        assert (first.status, again.replayed) == (Status.ACCEPTED, True)
        assert again.position == first.position
        assert (other.status, other.code) == (Status.CONFLICT, "action_already_declared")
        assert other.fields == ("new",)

    def test_refuses_what_means_nothing(self, desk: Desk) -> None:
        """A child nobody knows, a spin-off in a circle, a reversal of nothing."""
        open_alpha(desk)
        assert declare(desk, SPIN_OFF).code == "instrument_unknown"
        done(desk, register("CORE"), tenant=MARKET_TENANT)
        assert declare(desk, SPIN_OFF).status is Status.ACCEPTED
        back = SpinOff(
            action="s",
            instrument="CORE",
            ex_date=WEDNESDAY,
            child=APPLE,
            new=1,
            old=1,
            cost_share=Decimal(0),
        )

        assert declare(desk, back).code == "spin_off_circular"
        assert reverse(desk, SPLIT).code == "action_unknown"

    def test_waits_for_its_date(self, desk: Desk, log: Log) -> None:
        """Declared on Monday, effective on Tuesday: not before time has come there."""
        open_alpha(desk)
        done(desk, capture("t-1"))
        declare(desk, SPLIT)
        apply_all(desk)
        assert not events_of(log, CorporateActionApplied)

        reach(desk)
        apply_all(desk)
        apply_all(desk)

        assert len(events_of(log, CorporateActionApplied)) == 1
        assert alpha(log).book(APPLE).quantity == 700


class TestTrading:
    """Whoever trades in a portfolio finds its corporate actions applied."""

    def test_applies_first_what_is_effective(self, desk: Desk, log: Log) -> None:
        """100 bought on Monday, 7 for 1 on Tuesday: 700 can be sold on Tuesday, 701 cannot."""
        open_alpha(desk)
        done(desk, capture("t-1"))
        declare(desk, SPLIT)
        too_many = capture("t-2", side=Side.SELL, quantity=Decimal(701), trade_date=TUESDAY)
        all_of_it = capture("t-3", side=Side.SELL, quantity=Decimal(700), trade_date=TUESDAY)

        refused, sold = done(desk, too_many), done(desk, all_of_it)

        assert refused.code == "short_not_allowed"
        assert sold.status is Status.ACCEPTED
        applied, booked = events_of(log, CorporateActionApplied, TradeBooked)[1:]
        assert isinstance(applied, CorporateActionApplied)
        assert isinstance(booked, TradeBooked)
        assert (applied.held, applied.quantity_change) == (Decimal(100), Decimal(600))
        assert booked.realised_gross == 7_000 - 1_000

    def test_late_before_the_date_restates_through_the_action(self, desk: Desk, log: Log) -> None:
        """60 of Monday told after the dividend: entitlement and receivable are those of 160."""
        open_alpha(desk)
        done(desk, capture("t-1"))
        declare(desk, DIVIDEND)
        reach(desk)
        apply_all(desk)

        done(desk, capture("t-2", quantity=Decimal(60), intent=Intent.EXECUTED))

        first, second = events_of(log, CorporateActionApplied)
        assert isinstance(first, CorporateActionApplied)
        assert isinstance(second, CorporateActionApplied)
        assert (first.gross_change, first.withheld_change) == (Decimal(50), Decimal("7.5"))
        assert (second.gross_change, second.is_restated) == (Decimal(30), True)
        assert second.due is not None
        assert second.due.gross == 80
        ((_, _, outstanding),) = alpha(log).dues
        assert outstanding.net == 68

    def test_dated_before_and_first_of_all_meets_the_action_too(self, desk: Desk, log: Log) -> None:
        """Nobody held anything on the ex-date, until a trade of the day before was told."""
        open_alpha(desk)
        declare(desk, SPLIT)
        reach(desk)

        done(desk, capture("t-1", intent=Intent.EXECUTED))

        assert alpha(log).book(APPLE).quantity == 700

    def test_that_is_a_slip_of_the_future_applies_nothing_early(self, desk: Desk, log: Log) -> None:
        """Dated next year, it books with its breach; a split of next month waits for its month."""
        open_alpha(desk)
        done(desk, capture("t-1"))
        declare(desk, replace(SPLIT, ex_date=date(2024, 2, 1)))

        slip = {"trade_date": date(2025, 1, 8), "intent": Intent.EXECUTED}
        outcome = done(desk, capture("t-2", **slip))

        assert next(each.rule for each in outcome.warnings) == "trade_from_the_future"
        assert not events_of(log, CorporateActionApplied)


class TestADividend:
    """Receivable from its ex-date, cash on its pay date."""

    def test_is_paid_when_its_date_is_settled(self, desk: Desk, log: Log) -> None:
        """100 at 0.50, 15 % withheld: 42.50 on Wednesday, once."""
        open_alpha(desk)
        done(desk, capture("t-1"))
        declare(desk, DIVIDEND)
        reach(desk)

        for until in (TUESDAY, WEDNESDAY, WEDNESDAY + timedelta(days=1)):
            done(desk, SettleCash(portfolio="alpha", until=until))

        (paid,) = events_of(log, DividendPaid)
        assert isinstance(paid, DividendPaid)
        assert (paid.gross, paid.withheld) == (Decimal(50), Decimal("7.5"))
        assert paid.cash_after == 99_000 + Decimal("42.5")
        assert not list(alpha(log).dues)

    def test_reversed_after_its_payment_is_paid_back(self, desk: Desk, log: Log) -> None:
        """The next settlement takes it again: as if it had never been."""
        open_alpha(desk)
        done(desk, capture("t-1"))
        declare(desk, DIVIDEND)
        done(desk, SettleCash(portfolio="alpha", until=WEDNESDAY))
        reach(desk)
        apply_all(desk)
        done(desk, SettleCash(portfolio="alpha", until=WEDNESDAY))

        reverse(desk, DIVIDEND)
        apply_all(desk)
        done(desk, SettleCash(portfolio="alpha", until=WEDNESDAY))

        assert len(events_of(log, DividendPaid)) == 2
        assert alpha(log).balance("USD") == 99_000


class TestASpinOff:
    """The child's lots come of the parent's."""

    def test_gives_the_child_and_pays_its_fraction(self, desk: Desk, log: Log) -> None:
        """100 shares, 1 for 3, a fifth of the cost of 1,000: 33 of the child, a third paid for."""
        open_alpha(desk)
        done(desk, register("CORE"), tenant=MARKET_TENANT)
        done(desk, capture("t-1"))
        declare(desk, SPIN_OFF)
        reach(desk)

        apply_all(desk)

        held = alpha(log)
        assert (held.book("CORE").quantity, held.book(APPLE).cost) == (Decimal(33), Decimal(800))
        assert held.balance("USD") == 99_000 + Decimal("9.99999999999")
        (spun,) = events_of(log, LotsSpunOff)
        assert isinstance(spun, LotsSpunOff)
        assert held.book("CORE").cost + (spun.cash_change - spun.paid_gross) == 200

    def test_reversed_leaves_nothing_of_it(self, desk: Desk, log: Log) -> None:
        """A part of the child sold meanwhile is sold short then, as the facts say."""
        open_alpha(desk, allows_short=True)
        done(desk, register("CORE"), tenant=MARKET_TENANT)
        done(desk, capture("t-1"))
        declare(desk, SPIN_OFF)
        sold = {"instrument": "CORE", "side": Side.SELL, "quantity": Decimal(3)}
        reach(desk)
        apply_all(desk)
        done(desk, capture("t-2", trade_date=WEDNESDAY, **sold))

        reverse(desk, SPIN_OFF)
        apply_all(desk)

        held = alpha(log)
        assert held.book("CORE").quantity == -3
        assert held.book("CORE").realised_gross == 0
        assert held.book(APPLE).cost == 1_000
        assert held.book(APPLE).quantity == 100
        assert held.balance("USD") == 99_000 + 30
        assert len(events_of(log, CorporateActionUnapplied)) == 1
