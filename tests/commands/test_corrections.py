"""Amends and busts through the desk: one append, first acceptances, naming, parked trades."""

from decimal import Decimal
from typing import Any

from commands.command import AmendTrade, BustTrade, RegisterSource, Status
from commands.desk import Desk
from domain.identity import MARKET_TENANT
from domain.lots import Side
from domain.source import NamingScope
from domain.trade import Intent
from eventstore.log import Log
from tests.commands.desks import booked_external_ids, desk_on, wait_until
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
from tests.commands.test_release import releasing


def amend(external_id: str, revision: int = 1, **changes: Any) -> AmendTrade:
    """A revision of a purchase of 100 AAPL at 10 on Monday, with changes."""
    told = capture(external_id, intent=Intent.EXECUTED, **changes).capture
    return AmendTrade(revision=revision, capture=told)


def bust(external_id: str, **changes: Any) -> BustTrade:
    """A bust of it."""
    wanted: dict[str, Any] = {
        "source": "desk-1",
        "external_id": external_id,
        "portfolio": "alpha",
        "reason": "cancelled_by_venue",
    }
    return BustTrade(**(wanted | changes))


def names_behind(log: Log, position: int) -> list[str]:
    """The stored names of the events behind a position."""
    return [each.event_type for each in log.read(position, 100)]


class TestCorrecting:
    """What a correction does to the books stands in one append with it."""

    def test_an_amend_takes_out_and_books_in_one_append(self, desk: Desk, log: Log) -> None:
        """Behind a sale that is restated twice."""
        open_alpha(desk)
        done(desk, capture("t-1"))
        done(desk, capture("t-2", side=Side.SELL, trade_date=TUESDAY, quantity=Decimal(40)))
        before = log.head().position

        outcome = done(desk, amend("t-1", price=Decimal(9)))

        assert outcome.status is Status.ACCEPTED
        assert outcome.stream_version == 2
        assert names_behind(log, before) == [
            "trade.amended.v1",
            "portfolio.trade_unbooked.v1",
            "portfolio.lots_restated.v1",
            "portfolio.trade_booked.v1",
            "portfolio.lots_restated.v1",
        ]
        assert len({each.command_id for each in log.read(before, 100)}) == 1

    def test_tells_the_first_acceptance_again(self, desk: Desk, log: Log) -> None:
        """Of each revision and of the bust, under other keys, whatever came later."""
        open_alpha(desk)
        done(desk, capture("t-1"))
        told = [amend("t-1", 1, price=Decimal(9)), amend("t-1", 2), bust("t-1")]
        first = [done(desk, each) for each in told]
        head = log.head()

        again = [done(desk, each) for each in [*told[:2], bust("t-1", reason="otherwise")]]

        assert all(each.replayed for each in again)
        assert [each.position for each in again] == [each.position for each in first]
        assert [each.stream_version for each in again] == [2, 3, 4]
        assert log.head() == head

    def test_a_capture_behind_its_bust_is_told_again_as_it_was(self, desk: Desk) -> None:
        """Its acceptance is not the first event of its stream."""
        open_alpha(desk)
        held = done(desk, bust("t-1"))
        first = done(desk, capture("t-1"))

        again = done(desk, capture("t-1"))

        assert held.is_held
        assert again.replayed
        assert again.position == first.position
        assert done(desk, capture("t-1", price=Decimal(9))).code == "external_id_conflict"

    def test_one_batch_may_hold_both_and_the_next_desk_knows_it(self, log: Log) -> None:
        """Bust, amend, capture: each on top of the one before, then from the log alone."""
        wanted = [bust("t-1"), amend("t-1"), capture("t-1"), amend("t-2"), capture("t-2")]
        with desk_on(log) as desk:
            open_alpha(desk)
            issued = [issue(each) for each in wanted]
            outcomes = desk.submit_batch(issued, is_atomic=True).result(WAIT_SECONDS)
        with desk_on(log) as another:
            later = done(another, amend("t-1", 2))

        assert [each.status for each in outcomes] == [Status.ACCEPTED] * 5
        assert [each.is_held for each in outcomes] == [True, False, False, True, False]
        assert later.is_superseded
        assert booked_external_ids(log) == {"t-2": 1}


class TestParkedTrades:
    """What is released is what holds when the instrument appears."""

    def test_a_busted_one_is_not_released(self, log: Log) -> None:
        """Its neighbour is."""
        with desk_on(log) as desk, releasing(desk, log):
            open_alpha(desk)
            for name in ("t-1", "t-2"):
                done(desk, capture(name, instrument="LATER", intent=Intent.EXECUTED))
            done(desk, bust("t-1"))

            done(desk, register("LATER"), tenant=MARKET_TENANT)
            wait_until(lambda: booked_external_ids(log)["t-2"] == 1)

        assert booked_external_ids(log) == {"t-2": 1}

    def test_an_amended_one_waits_for_its_new_instrument(self, log: Log) -> None:
        """Not for the one it was captured in; also where that one appears first."""
        with desk_on(log) as desk, releasing(desk, log):
            open_alpha(desk)
            done(desk, capture("t-1", instrument="LATER", intent=Intent.EXECUTED))
            moved = done(desk, amend("t-1", instrument="LAST"))
            done(desk, capture("t-2", instrument="LATER", intent=Intent.EXECUTED))

            done(desk, register("LATER"), tenant=MARKET_TENANT)
            wait_until(lambda: booked_external_ids(log)["t-2"] == 1)
            early = booked_external_ids(log)["t-1"]
            done(desk, register("LAST"), tenant=MARKET_TENANT)
            wait_until(lambda: booked_external_ids(log)["t-1"] == 1)

        assert moved.is_parked
        assert early == 0


class TestNaming:
    """A correction names its trade as its capture does (convention 2)."""

    def test_per_trade_date_where_the_source_says_so(self, desk: Desk) -> None:
        """Two trades of one id: the bust of Monday's leaves Tuesday's alone."""
        open_alpha(desk)
        done(desk, RegisterSource("desk-1", NamingScope.TRADE_DATE))
        monday = done(desk, capture("t-1"))
        done(desk, capture("t-1", trade_date=TUESDAY))

        unnamed = done(desk, bust("t-1"))
        busted = done(desk, bust("t-1", trade_date=MONDAY))

        assert (unnamed.status, unnamed.code) == (Status.REJECTED, "trade_date_missing")
        assert busted.trade_id == monday.trade_id
        assert not busted.is_held

    def test_settles_how_its_source_names(self, desk: Desk) -> None:
        """As a first capture does: the held bust would otherwise be of no trade at all."""
        open_alpha(desk)
        done(desk, bust("t-1"))

        late = done(desk, RegisterSource("desk-1", NamingScope.TRADE_DATE))

        assert late.code == "source_already_registered"
