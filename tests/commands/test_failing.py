"""The desk when things go wrong: lost answers, other writers, a lost log (design, "The log")."""

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import psycopg
import pytest

from commands.command import CommandState, Issued, Outcome, Status
from commands.desk import Desk
from commands.reactions.release import run_releases
from domain.identity import MARKET_TENANT
from domain.portfolio.events import TradeBooked
from domain.trade import Intent
from eventstore.leading import lead
from eventstore.log import Log
from infra.database import Database
from schemas.codec import decode
from tests.commands.desks import (
    booked_external_ids,
    desk_behind_proxy,
    running_desk,
    wait_until,
)
from tests.commands.scenes import ACME, WAIT_SECONDS, capture, done, issue, open_alpha, register
from tests.eventstore.proxy import Loss

WRITERS = 8
TRADES_PER_WRITER = 25


class TestLosingTheAnswerToCommit:
    """The caller hears the one truth, and the trade is in the log once."""

    @pytest.mark.parametrize(
        "loss", [Loss.OF_THE_ANSWER, Loss.BEFORE_THE_SERVER, Loss.BY_A_FATAL_ANSWER]
    )
    def test_accepts_and_books_once(self, log_database: Database, log: Log, loss: Loss) -> None:
        """Committed or not, the desk finds out and the trade is booked exactly once."""
        with desk_behind_proxy(log_database) as (desk, proxy):
            open_alpha(desk)
            proxy.lose_next_commit(loss)

            outcome = done(desk, capture("t-1"))
            after = done(desk, capture("t-2"))

            assert proxy.commits_lost == 1
            assert outcome.status is Status.ACCEPTED
            assert after.status is Status.ACCEPTED
            assert booked_external_ids(log) == {"t-1": 1, "t-2": 1}
            first = next(
                each
                for each in log.read(0, 100)
                if each.command_id == outcome.command_id and each.key is not None
            )
            assert outcome.position == first.position
            assert outcome.recorded_at == first.recorded_at

    def test_says_unknown_when_nobody_can_know_and_the_truth_later(
        self, log_database: Database, log: Log
    ) -> None:
        """COMMIT travels for longer than 5 s; then it arrives, and asking tells the outcome."""
        with desk_behind_proxy(log_database) as (desk, proxy):
            open_alpha(desk)
            proxy.lose_next_commit(Loss.WHILE_COMMIT_TRAVELS)

            outcome = done(desk, capture("t-1"))
            proxy.let_commit_arrive()
            wait_until(lambda: desk.state_of(ACME, outcome.command_id)[0] is CommandState.DECIDED)
            wait_until(lambda: not desk.breaker.is_open)
            again = done(desk, capture("t-1"))

            assert outcome.status is Status.UNKNOWN
            assert again.replayed
            assert booked_external_ids(log) == {"t-1": 1}


class TestWritingBesideAnother:
    """The fence on the head: another writer's facts are folded before anything is appended."""

    def test_sees_what_another_desk_wrote(self, log_database: Database) -> None:
        """Cash spent through one desk is not spent again through the other."""
        with (
            running_desk(log_database.app_conninfo) as one,
            running_desk(log_database.app_conninfo) as other,
        ):
            open_alpha(one, cash=1_000)
            done(other, capture("t-0", quantity=Decimal(1)))

            first = done(one, capture("t-1", quantity=Decimal(99)))
            second = done(other, capture("t-2", quantity=Decimal(99)))

            assert first.status is Status.ACCEPTED
            assert second.code == "insufficient_cash"

    def test_books_each_trade_once_whoever_it_is_sent_to(
        self, log_database: Database, log: Log
    ) -> None:
        """Every trade goes to both desks at once, each with its own key: booked once."""
        with (
            running_desk(log_database.app_conninfo) as one,
            running_desk(log_database.app_conninfo) as other,
            ThreadPoolExecutor(2 * WRITERS) as pool,
        ):
            open_alpha(one, cash=10_000_000)

            def send(desk: Desk, writer: int) -> list[Outcome]:
                names = [f"w{writer}-{number:03}" for number in range(TRADES_PER_WRITER)]
                return [done(desk, capture(name, quantity=Decimal(1))) for name in names]

            sent = [
                pool.submit(send, desk, writer)
                for writer in range(WRITERS)
                for desk in (one, other)
            ]
            outcomes = [each for future in sent for each in future.result(60)]

        assert {each.status for each in outcomes} == {Status.ACCEPTED}
        assert sum(each.replayed for each in outcomes) == WRITERS * TRADES_PER_WRITER
        counts = booked_external_ids(log)
        assert len(counts) == WRITERS * TRADES_PER_WRITER
        assert set(counts.values()) == {1}
        events = [decode(each.event_type, each.data) for each in log.read(0, 100_000)]
        last = [each for each in events if isinstance(each, TradeBooked)][-1]
        assert last.cash_after == Decimal(10_000_000) - 10 * WRITERS * TRADES_PER_WRITER
        assert last.totals.quantity == WRITERS * TRADES_PER_WRITER


class TestLosingTheLog:
    """A lost database is answered at once with `not_attempted`, and healed without a restart."""

    def test_says_not_attempted_and_recovers(self, log_database: Database) -> None:
        """Sessions are ended by the administrator; the next commands find new ones."""
        with running_desk(log_database.app_conninfo) as desk:
            open_alpha(desk)
            with psycopg.connect(log_database.app_conninfo, autocommit=True) as peer:
                peer.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid() "
                    "AND usename = 'pms_app'"
                )

            def accepted() -> bool:
                return done(desk, capture("t-1")).status is Status.ACCEPTED

            wait_until(accepted)


class TestOverload:
    """The queue is bounded: past it a caller hears at once that nothing was attempted."""

    def test_refuses_what_does_not_fit(self, log: Log) -> None:
        """A desk that does not run keeps what fits and refuses the rest."""
        desk = Desk(log, queued_max=2)
        kept = desk.submit_batch([issue(capture("t-1")), issue(capture("t-2"))], is_atomic=False)

        refused = desk.submit(issue(capture("t-3"))).result(1)

        assert not kept.done()
        assert refused.status is Status.NOT_ATTEMPTED
        assert refused.code == "overloaded"

    def test_decides_what_it_took_before_it_stops(self, log_database: Database) -> None:
        """Stopping drains the queue."""
        items: list[Issued] = [issue(capture(f"t-{number:03}")) for number in range(300)]
        with running_desk(log_database.app_conninfo) as desk:
            open_alpha(desk, cash=10_000_000)
            waiting = desk.submit_batch(items, is_atomic=False)

        assert {each.status for each in waiting.result(0)} == {Status.ACCEPTED}
        late = desk.submit(issue(capture("t-late"))).result(1)
        assert late.code == "shutting_down"


class TestReleasing:
    """The release reaction books what waited for an instrument, before and after a restart."""

    def test_releases_when_the_instrument_appears(
        self, log_database: Database, log: Log, desk: Desk
    ) -> None:
        """One parked while it runs, one parked before it started and registered meanwhile."""
        open_alpha(desk)
        told = {"intent": Intent.EXECUTED}
        done(desk, capture("t-1", instrument="EARLY", **told))
        done(desk, register("EARLY"), tenant=MARKET_TENANT)
        stop = threading.Event()

        def act(ending: threading.Event) -> None:
            run_releases(desk, log, ending)

        leader = threading.Thread(
            target=lead, args=(log_database.app_conninfo, "release", act, stop)
        )
        leader.start()
        try:
            wait_until(lambda: booked_external_ids(log)["t-1"] == 1)
            done(desk, capture("t-2", instrument="LATER", **told))
            done(desk, register("LATER"), tenant=MARKET_TENANT)

            wait_until(lambda: booked_external_ids(log)["t-2"] == 1)
        finally:
            stop.set()
            leader.join(WAIT_SECONDS)
        assert not leader.is_alive()
