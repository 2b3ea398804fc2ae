"""What trades use of limits that portfolios share stands in one append with their bookings."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from itertools import accumulate

import pytest

from commands.command import MarkMarket, OpenPortfolio, Status
from commands.desk import Desk
from domain.identity import MARKET_TENANT
from domain.limits.scope import Scope
from domain.limits.terms import LimitRule
from domain.lots import CostBasis, Side
from domain.market import Rate
from domain.trade import Intent
from eventstore.log import Log
from tests.commands.block_scenes import PORTFOLIOS, block, bust_block, open_three
from tests.commands.desks import desk_on, wait_until
from tests.commands.limit_scenes import FIRM_DAY, approve, booked_quantities, terms, told_uses, used
from tests.commands.scenes import (
    MONDAY,
    TUESDAY,
    WAIT_SECONDS,
    capture,
    done,
    issue,
    open_alpha,
    register,
)
from tests.commands.test_corrections import amend, bust, names_behind
from tests.commands.test_release import releasing
from tests.commands.test_soft_limits import some_trade

SATURDAY_NOON = datetime(2024, 1, 6, 12, tzinfo=UTC)


class TestBooking:
    """Every booked trade that a limit covers uses it, on its trade date."""

    def test_tells_the_use_behind_the_trade_and_before_its_booking(
        self, desk: Desk, log: Log
    ) -> None:
        """Bought or sold, both use; the totals of a date are its own."""
        open_alpha(desk)
        approve(log, terms())
        before = log.head().position

        done(desk, capture("t-1"))
        done(desk, capture("t-2", side=Side.SELL, quantity=Decimal(40)))
        done(desk, capture("t-3", trade_date=TUESDAY))

        assert told_uses(log) == [(100, 100), (40, 140), (100, 100)]
        assert names_behind(log, before)[1:4] == [
            "trade.captured.v1",
            "control.limit_used.v1",
            "portfolio.trade_booked.v1",
        ]

    def test_uses_only_what_covers_it(self, desk: Desk, log: Log) -> None:
        """By instrument and by sector."""
        open_alpha(desk)
        done(desk, register("MSFT"), tenant=MARKET_TENANT)
        approve(log, terms(scope=Scope(instrument="MSFT")), limit="msft")
        approve(log, terms(scope=Scope(sector="Unclassified")), limit="rest")
        approve(log, terms(scope=Scope(sector="Energy")), limit="energy")

        done(desk, capture("t-1"))

        assert [len(told_uses(log, name)) for name in ("msft", "rest", "energy")] == [0, 1, 0]

    def test_uses_a_notional_at_the_rate_of_its_own_time(self, desk: Desk, log: Log) -> None:
        """Euro for dollars at the last rate before; without any rate nothing is used."""
        open_alpha(desk)
        notional = terms(rule=LimitRule.DAY_NOTIONAL, currency="EUR", maximum=Decimal(10_000))
        approve(log, notional)
        done(desk, capture("t-1", intent=Intent.EXECUTED))
        rate = MarkMarket(
            source="ecb", at=SATURDAY_NOON, rates=(Rate("EUR", "USD", Decimal("1.25")),)
        )
        done(desk, rate, tenant=MARKET_TENANT)

        done(desk, capture("t-2", intent=Intent.EXECUTED))

        assert told_uses(log) == [(800, 800)]

    def test_uses_what_was_parked_when_it_is_released(self, log: Log) -> None:
        """Not before: nothing was booked."""
        with desk_on(log) as desk:
            open_alpha(desk)
            approve(log, terms())
            done(desk, capture("t-1", instrument="NEW", intent=Intent.EXECUTED))
            assert told_uses(log) == []

            with releasing(desk, log):
                done(desk, register("NEW"), tenant=MARKET_TENANT)
                wait_until(lambda: bool(told_uses(log)))

        assert told_uses(log) == [(100, 100)]


class TestProposing:
    """Just to the maximum, and not beyond it."""

    def test_is_refused_beyond_the_maximum(self, desk: Desk, log: Log) -> None:
        """Inclusive; told is told, and takes it beyond with a warning."""
        open_alpha(desk)
        approve(log, terms(maximum=Decimal(200)))

        outcomes = [done(desk, capture(f"t-{number}")) for number in range(3)]
        told = done(desk, capture("told", intent=Intent.EXECUTED))

        assert [each.status for each in outcomes] == [
            Status.ACCEPTED, Status.ACCEPTED, Status.REJECTED,
        ]  # fmt: skip
        (breach,) = outcomes[2].breaches
        assert (breach.rule, breach.limit, breach.actual) == ("day_quantity_exceeded", "200", "300")
        assert (breach.headroom, breach.limited_by) == ("0", FIRM_DAY)
        assert [each.rule for each in told.warnings] == ["day_quantity_exceeded"]
        assert told_uses(log) == [(100, 100), (100, 200), (100, 300)]

    def test_sees_earlier_items_of_an_atomic_batch(self, desk: Desk, log: Log) -> None:
        """One that goes beyond leaves nothing used."""
        open_alpha(desk)
        approve(log, terms(maximum=Decimal(200)))
        batch = [issue(capture(f"t-{number}")) for number in range(3)]

        desk.submit_batch(batch, is_atomic=True).result(WAIT_SECONDS)
        assert told_uses(log) == []
        done(desk, capture("one", quantity=Decimal(200)))

        assert told_uses(log) == [(200, 200)]

    def test_refuses_a_block_by_its_last_allotment(self, desk: Desk, log: Log) -> None:
        """Those before it use nothing then."""
        open_three(desk)
        approve(log, terms(maximum=Decimal(99)))

        refused = done(desk, block(intent=Intent.PROPOSED))
        told = done(desk, block("BLOCK-2"))

        assert refused.code == "day_quantity_exceeded"
        assert {each.portfolio for each in refused.breaches} == {"gamma"}
        assert [each.portfolio for each in told.warnings] == ["gamma"]
        assert used(log) == 100

    def test_of_an_amended_trade_does_not_count_it_twice(self, desk: Desk, log: Log) -> None:
        """What it used before is given back first."""
        open_alpha(desk)
        approve(log, terms(maximum=Decimal(200)))
        for name in ("t-1", "t-2"):
            done(desk, capture(name))

        within = done(desk, amend("t-1", quantity=Decimal(90)))
        beyond = done(desk, amend("t-1", 2, quantity=Decimal(101)))

        assert within.warnings == ()
        assert [each.actual for each in beyond.warnings] == ["201"]


class TestTwoDesks:
    """Writers that do not know of each other share one limit."""

    def test_never_take_it_beyond_its_maximum(self, desk: Desk, log: Log) -> None:
        """Singles and batches from four threads, more than it has room for; some are busted."""
        open_three(desk, cash=1_000_000)
        approve(log, terms(maximum=Decimal(1_250)))

        def trade(on: Desk, number: int) -> None:
            chance = random.Random(number)
            for count in range(12):
                name = f"{number}-{count}"
                wanted = capture(
                    name,
                    portfolio=PORTFOLIOS[number % 3],
                    quantity=Decimal(chance.randrange(10, 90)),
                )
                if count % 4 == 3:
                    others = [capture(f"{name}-{each}", quantity=Decimal(7)) for each in range(5)]
                    issued = [issue(each) for each in (wanted, *others)]
                    on.submit_batch(issued, is_atomic=count == 3).result(WAIT_SECONDS)
                elif done(on, wanted).status is Status.ACCEPTED and count % 3 == 1:
                    done(on, bust(name, portfolio=wanted.capture.portfolio))

        with desk_on(log) as other, ThreadPoolExecutor(4) as threads:
            list(threads.map(trade, (desk, other) * 2, range(4)))

        told = told_uses(log)
        assert max(total for _, total in told) <= 1_250
        assert [total for _, total in told] == list(accumulate(amount for amount, _ in told))
        assert used(log) == booked_quantities(log)[MONDAY]
        assert used(log) > 1_150, "little room is left: the smallest trade is of 7 or 10"


class TestLaws:
    """Whatever is told, in batches of any size, by one desk after another."""

    @pytest.mark.parametrize("seed", range(4))
    def test_used_is_what_a_recount_of_the_trades_that_stand_gives(
        self, log: Log, seed: int
    ) -> None:
        """Of the whole tenant, and of one instrument since a later approval."""
        chance = random.Random(seed)
        since: dict[str, int] = {}
        number = 0
        for approving in (None, FIRM_DAY, "msft", None):
            with desk_on(log) as desk:
                if number == 0:
                    open_alpha(desk, allows_leverage=True, allows_short=True)
                    done(desk, register("MSFT"), tenant=MARKET_TENANT)
                if approving is not None:
                    scope = Scope(instrument="MSFT") if approving == "msft" else Scope()
                    approve(log, terms(scope=scope, maximum=Decimal(10**6)), limit=approving)
                    since[approving] = log.head().position
                for _ in range(8):
                    size = chance.randrange(1, 9)
                    batch = [issue(some_trade(chance, number + each)) for each in range(1, size)]
                    number += size
                    desk.submit_batch(batch, is_atomic=False).result(WAIT_SECONDS)

        for limit, instrument in ((FIRM_DAY, None), ("msft", "MSFT")):
            recount = booked_quantities(log, after=since[limit], instrument=instrument)
            for day in (MONDAY, TUESDAY):
                assert used(log, limit=limit, day=day) == recount.get(day, Decimal(0))


class TestCorrecting:
    """A correction gives back exactly what the trade used, and uses what it is now."""

    def test_a_bust_gives_back(self, desk: Desk, log: Log) -> None:
        """At its own rate, whatever rates came since."""
        open_alpha(desk)
        approve(log, terms(rule=LimitRule.DAY_NOTIONAL, currency="EUR"))
        for day, rate in ((6, "1.25"), (7, "2")):
            at = datetime(2024, 1, day, 12, tzinfo=UTC)
            rates = (Rate("EUR", "USD", Decimal(rate)),)
            done(desk, MarkMarket(source="ecb", at=at, rates=rates), tenant=MARKET_TENANT)
            if day == 6:
                done(desk, capture("t-1", intent=Intent.EXECUTED))

        done(desk, bust("t-1"))

        assert told_uses(log) == [(800, 800), (-800, 0)]

    def test_an_amend_moves_it_to_another_date(self, desk: Desk, log: Log) -> None:
        """Twice amended, it uses what the last revision says; the next desk knows it too."""
        open_alpha(desk)
        approve(log, terms())
        done(desk, capture("t-0"))
        done(desk, capture("t-1"))

        done(desk, amend("t-1", quantity=Decimal(30)))
        with desk_on(log) as other:
            done(other, amend("t-1", 2, quantity=Decimal(50), trade_date=TUESDAY))
            done(other, bust("t-1"))

        assert told_uses(log) == [
            (100, 100), (100, 200), (-100, 100), (30, 130), (-30, 100), (50, 50), (-50, 0),
        ]  # fmt: skip
        assert (used(log), used(log, day=TUESDAY)) == (Decimal(100), Decimal(0))

    def test_a_portfolio_it_is_taken_to_may_be_outside(self, desk: Desk, log: Log) -> None:
        """Of a limit of one instrument nothing is used by what is amended to another."""
        open_alpha(desk)
        done(desk, register("MSFT"), tenant=MARKET_TENANT)
        opened = OpenPortfolio(portfolio="beta", base_currency="USD", cost_basis=CostBasis.FIFO)
        done(desk, opened)
        approve(log, terms(scope=Scope(instrument="AAPL")))
        done(desk, capture("t-1"))

        done(desk, amend("t-1", portfolio="beta"))
        done(desk, amend("t-1", 2, portfolio="beta", instrument="MSFT"))

        assert told_uses(log) == [(100, 100), (-100, 0), (100, 100), (-100, 0)]

    def test_sees_what_stands_before_it_in_the_same_append(self, desk: Desk, log: Log) -> None:
        """Captured, amended and busted in one batch."""
        open_alpha(desk)
        approve(log, terms())
        batch = [capture("t-1"), capture("t-2"), amend("t-1", quantity=Decimal(30)), bust("t-2")]

        outcomes = desk.submit_batch([issue(each) for each in batch], is_atomic=True)

        assert all(each.status is Status.ACCEPTED for each in outcomes.result(WAIT_SECONDS))
        assert told_uses(log) == [(100, 100), (100, 200), (-100, 100), (30, 130), (-100, 30)]

    def test_a_bust_that_came_first_uses_nothing(self, desk: Desk, log: Log) -> None:
        """Nothing is booked of the trade."""
        open_alpha(desk)
        approve(log, terms())

        done(desk, bust("t-1"))
        done(desk, capture("t-1", intent=Intent.EXECUTED))

        assert told_uses(log) == []


class TestBlocks:
    """Each allotment uses; the bust of the block gives all back."""

    def test_use_and_give_back_allotment_by_allotment(self, desk: Desk, log: Log) -> None:
        """Each seeing those before it."""
        open_three(desk)
        approve(log, terms())

        done(desk, block())
        assert [total for _, total in told_uses(log)] == [34, 67, 100]
        done(desk, bust_block())

        assert used(log) == 0
        assert len(told_uses(log)) == 6


class TestApproving:
    """A limit counts from the position at which it was approved."""

    def test_counts_nothing_that_was_booked_before(self, desk: Desk, log: Log) -> None:
        """And gives nothing back for it."""
        open_alpha(desk)
        done(desk, capture("t-1"))
        approve(log, terms())
        approved_at = log.head().position

        done(desk, capture("t-2"))
        done(desk, bust("t-1"))

        assert told_uses(log) == [(100, 100)]
        assert booked_quantities(log, after=approved_at)[MONDAY] == 100

    def test_of_another_maximum_goes_on_counting(self, desk: Desk, log: Log) -> None:
        """So that a limit raised during the day does not begin anew."""
        open_alpha(desk)
        approve(log, terms())
        done(desk, capture("t-1"))
        approve(log, terms(maximum=Decimal(5_000)))

        done(desk, capture("t-2"))
        done(desk, bust("t-1"))

        assert told_uses(log) == [(100, 100), (100, 200), (-100, 100)]

    def test_of_another_scope_begins_anew(self, desk: Desk, log: Log) -> None:
        """What was used before, in another unit or of other trades, counts no more."""
        open_alpha(desk)
        approve(log, terms())
        done(desk, capture("t-1"))
        approve(log, terms(scope=Scope(instrument="AAPL")))

        done(desk, capture("t-2"))
        done(desk, bust("t-1"))

        assert told_uses(log) == [(100, 100), (100, 100)]

    def test_again_after_its_end_begins_anew(self, desk: Desk, log: Log) -> None:
        """While it was none, nothing was counted."""
        open_alpha(desk)
        approve(log, terms())
        done(desk, capture("t-1"))
        approve(log, None)
        done(desk, capture("t-2"))
        approve(log, terms())

        done(desk, capture("t-3"))

        assert told_uses(log) == [(100, 100), (100, 100)]
