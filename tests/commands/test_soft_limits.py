"""Soft limits: usage is observed behind the bookings, and everyone knows how far behind."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from commands.command import Command, MarkMarket, Status
from commands.desk import Desk
from commands.overlay import Overlay
from commands.reactions.usage import UsageOfSoftLimits, run_usage
from commands.view import View
from domain.identity import MARKET_TENANT
from domain.limits.events import UsageObserved
from domain.limits.scope import Scope
from domain.limits.terms import Binding, LimitRule
from domain.limits.usage import Behind, Usage
from domain.market import Rate
from domain.trade import Intent
from eventstore.log import Log
from tests.commands.desks import desk_on, wait_until
from tests.commands.limit_scenes import (
    FIRM_DAY,
    approve,
    booked_quantities,
    recorded_events,
    terms,
    used,
)
from tests.commands.scenes import (
    ACME,
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
from tests.commands.test_acting_reactions import reacting
from tests.commands.test_corrections import amend, bust

soft = partial(terms, binding=Binding.SOFT, usage_age_ms_max=400, maximum=Decimal(100_000))
observing = partial(reacting, run_usage)


def observations(log: Log) -> list[UsageObserved]:
    """What was observed, in order."""
    return [event for _, event in recorded_events(log) if isinstance(event, UsageObserved)]


class TestObserving:
    """A reaction counts what was booked and tells it, now and then."""

    def test_tells_what_trades_that_came_together_use_once(self, desk: Desk, log: Log) -> None:
        """And nothing when nothing changed; started again, it tells nothing again."""
        open_alpha(desk, allows_leverage=True)
        approve(log, soft())
        batch = [issue(capture(f"t-{number}")) for number in range(200)]

        with observing(desk, log):
            desk.submit_batch(batch, is_atomic=False).result(WAIT_SECONDS)
            wait_until(lambda: used(log) == 20_000)
        told = len(observations(log))
        head = log.head().position
        with observing(desk, log):
            done(desk, capture("late", trade_date=TUESDAY))
            wait_until(lambda: used(log, day=TUESDAY) == 100)

        assert told <= 5
        assert used(log) == 20_000
        assert log.head().position == head + 3  # A trade, its booking, the observation.

    def test_counts_from_the_approval_on(self, desk: Desk, log: Log) -> None:
        """A trade booked before gives nothing back, one booked since does; also by notional."""
        open_alpha(desk)
        done(desk, capture("before"))
        rates = (Rate("EUR", "USD", Decimal("1.25")),)
        at = datetime(2024, 1, 6, 12, tzinfo=UTC)
        done(desk, MarkMarket(source="ecb", at=at, rates=rates), tenant=MARKET_TENANT)

        with observing(desk, log):
            approve(log, soft(rule=LimitRule.DAY_NOTIONAL, currency="EUR"))
            for name in ("one", "two", "three"):
                done(desk, capture(name, intent=Intent.EXECUTED))
            wait_until(lambda: used(log) == 2_400)
            done(desk, bust("before"))
            done(desk, bust("one"))
            done(desk, amend("two", quantity=Decimal(50), trade_date=TUESDAY))
            wait_until(lambda: used(log, day=TUESDAY) == 400)

        assert used(log) == 800

    def test_stops_where_the_limit_ends_or_becomes_hard(self, desk: Desk, log: Log) -> None:
        """What was observed before is not counted by the hard one."""
        open_alpha(desk)
        with observing(desk, log):
            approve(log, soft())
            done(desk, capture("t-1"))
            wait_until(lambda: used(log) == 100)
            approve(log, terms())
            done(desk, capture("t-2"))
            done(desk, capture("t-3"))

        assert used(log) == 200
        assert len(observations(log)) == 1

    @pytest.mark.parametrize("seed", range(4))
    def test_ends_as_recounted_wherever_it_is_interrupted(self, log: Log, seed: int) -> None:
        """Trades, corrections and new leaders in any order, each leader begun in the middle."""
        chance = random.Random(seed)
        with desk_on(log) as desk:
            open_alpha(desk, allows_leverage=True, allows_short=True)
            done(desk, register("MSFT"), tenant=MARKET_TENANT)
            done(desk, capture("t-0"))
            approve(log, soft(usage_age_ms_max=0))
            first = log.head().position
            done(desk, capture("t-1", instrument="MSFT"))
            approve(log, soft(scope=Scope(instrument="MSFT"), usage_age_ms_max=0), limit="msft")
            second = log.head().position
            leader = Leader(desk, log)
            for number in range(2, 70):
                act = chance.choice(["trade", "trade", "restart", "read", "read"])
                if act == "trade":
                    done(desk, some_trade(chance, number))
                elif act == "restart":
                    leader = Leader(desk, log)
                else:
                    leader.read(chance.randrange(1, 12))
            leader.read_all()

        for limit, recount in (
            (FIRM_DAY, booked_quantities(log, after=first)),
            ("msft", booked_quantities(log, after=second, instrument="MSFT")),
        ):
            for day in (MONDAY, TUESDAY):
                assert used(log, limit=limit, day=day) == recount.get(day, Decimal(0))
        told = [each.as_of for each in observations(log) if each.limit == FIRM_DAY]
        assert told == sorted(told)


def some_trade(chance: random.Random, number: int) -> Command:
    """A trade, or the correction of one."""
    name = f"t-{chance.randrange(number)}"
    content: dict[str, Any] = {
        "trade_date": chance.choice([MONDAY, TUESDAY]),
        "instrument": chance.choice(["AAPL", "AAPL", "AAPL", "MSFT"]),
        "quantity": Decimal(chance.randrange(1, 90)),
    }
    kind = chance.choice(["capture", "amend", "bust"])
    if kind == "capture":
        return capture(f"t-{number}", **content)
    return amend(name, number, **content) if kind == "amend" else bust(name)


class Leader:
    """The reaction, taken step by step."""

    def __init__(self, desk: Desk, log: Log) -> None:
        self._log = log
        self._reaction = UsageOfSoftLimits(desk, log)
        self._after = self._reaction.load()

    def read(self, count: int) -> bool:
        """Let it take so many events; say whether there were any."""
        recorded = self._log.read(self._after, count)
        self._reaction.take(recorded)
        if recorded:
            self._after = recorded[-1].position
        return bool(recorded)

    def read_all(self) -> None:
        """Let it take all, and wait for what it asked."""
        while self.read(50):
            pass
        wait_until(lambda: not self.read(50) and self._reaction.is_idle)


class TestKnowing:
    """The desk knows what is used, and since when it has been more."""

    def test_is_behind_from_the_first_booking_not_observed(self, desk: Desk, log: Log) -> None:
        """However long nothing happens, usage that has all bookings is not old."""
        open_alpha(desk)
        approve(log, soft())
        assert usage(desk, log) == Usage()

        done(desk, capture("t-1"))
        later = NOON + timedelta(seconds=2)
        done(desk, capture("t-2", intent=Intent.EXECUTED), now=later)
        assert usage(desk, log) == Usage(Decimal(0), NOON)

        with observing(desk, log):
            wait_until(lambda: used(log) == 200)
            wait_until(lambda: usage(desk, log) == Usage(Decimal(200)))

        done(desk, capture("t-3"), now=later)
        assert usage(desk, log) == Usage(Decimal(200), later)
        assert usage(desk, log).age_ms(later + timedelta(milliseconds=400)) == 400

    def test_knows_the_bookings_of_another_writer(self, desk: Desk, log: Log) -> None:
        """As soon as it has folded them."""
        open_alpha(desk)
        approve(log, soft())
        assert usage(desk, log) == Usage()

        with desk_on(log) as other:
            done(other, capture("t-1"))

        wait_until(lambda: usage(desk, log).behind_since is not None)

    def test_refuses_an_observation_that_is_late(self, desk: Desk, log: Log) -> None:
        """Of a limit that counts something else now."""
        open_alpha(desk)
        approve(log, soft())
        done(desk, capture("t-1"))
        leader = Leader(desk, log)
        approve(log, soft(scope=Scope(instrument="AAPL")))

        leader.read_all()

        assert observations(log) == []


class TestProposing:
    """A trade is judged by what was observed last, if that is not too old."""

    def test_is_refused_by_what_was_observed(self, desk: Desk, log: Log) -> None:
        """With its own quantity; until it is observed, another may pass."""
        open_alpha(desk)
        approve(log, soft(maximum=Decimal(150)))
        first = [done(desk, capture(f"t-{number}")) for number in range(2)]
        with observing(desk, log):
            wait_until(lambda: used(log) == 200)

        refused = done(desk, capture("t-2"))

        assert [each.status for each in first] == [Status.ACCEPTED, Status.ACCEPTED]
        assert refused.code == "day_quantity_exceeded"
        (breach,) = refused.breaches
        assert (breach.limit, breach.actual, breach.headroom) == ("150", "300", "-50")

    def test_is_refused_as_not_evaluable_where_usage_is_too_old(self, desk: Desk, log: Log) -> None:
        """400 ms after a booking that was not observed; an executed one books, and says so."""
        open_alpha(desk)
        approve(log, soft())
        done(desk, capture("t-1"))
        on_time, too_late = NOON + timedelta(milliseconds=400), NOON + timedelta(milliseconds=401)

        accepted = done(desk, capture("t-2"), now=on_time)
        refused = done(desk, capture("t-3"), now=too_late)
        told = done(desk, capture("t-4", intent=Intent.EXECUTED), now=too_late)
        with observing(desk, log):
            wait_until(lambda: used(log) == 300)
        again = done(desk, capture("t-5"), now=too_late + timedelta(hours=1))

        assert accepted.status is Status.ACCEPTED
        assert [each.is_not_evaluable for each in refused.breaches] == [True]
        assert told.status is Status.ACCEPTED
        assert [each.is_not_evaluable for each in told.warnings] == [True]
        assert again.status is Status.ACCEPTED


def usage(desk: Desk, log: Log) -> Usage:
    """What a running desk knows of Monday's usage, once it has nothing to do."""
    wait_until(lambda: desk.position == log.head().position)
    world = desk._world
    assert world is not None
    view = View(Overlay(world), log, {})
    return view.usage(ACME, view.controls(ACME).limits[FIRM_DAY], MONDAY)


class TestBeing:
    """Bookings known of, against what was observed."""

    @pytest.mark.parametrize(
        ("as_of", "since"), [(9, NOON), (10, "observed"), (19, "observed"), (20, None), (30, None)]
    )
    def test_behind_is_told_by_positions(self, as_of: int, since: object) -> None:
        """Ten is the first of these bookings, twenty the last."""
        behind = Behind(10, NOON, 20)
        observed_at = NOON + timedelta(minutes=1)
        observed = UsageObserved(
            limit=FIRM_DAY,
            trade_date=MONDAY,
            used=Decimal(1),
            as_of=as_of,
            observed_at=observed_at,
        )

        assert behind.since(observed) == (observed_at if since == "observed" else since)
        assert behind.since(None) == NOON
