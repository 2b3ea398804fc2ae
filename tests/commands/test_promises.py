"""What the desk promises when the log, the process or another desk gets in between."""

from decimal import Decimal

import psycopg
import pytest

from commands import desk as desks
from commands.command import (
    CommandState,
    RegisterSource,
    Status,
    WithdrawCash,
)
from commands.desk import OVERLAPPED_COMMANDS_MIN, Desk
from commands.world import World
from domain.identity import portfolio_stream
from domain.money import Money
from domain.source import NamingScope
from domain.trade import Intent
from eventstore import connections
from eventstore.failures import LogUnavailable
from eventstore.log import Log
from infra.database import Database
from tests.commands.desks import (
    InterruptedLog,
    booked_external_ids,
    desk_on,
    losing_proxy,
    running_desk,
    wait_until,
)
from tests.commands.scenes import (
    ACME,
    APPLE,
    MONDAY,
    WAIT_SECONDS,
    capture,
    done,
    issue,
    open_alpha,
)
from tests.eventstore.proxy import Loss
from tests.eventstore.samples import new_event

ALPHA = portfolio_stream(ACME, "alpha")
PER_DATE = RegisterSource("desk-1", NamingScope.TRADE_DATE)
FIVE_SHARES = {"quantity": Decimal(5)}
ONE_SHARE = {"quantity": Decimal(1)}
NEIGHBOURS = OVERLAPPED_COMMANDS_MIN
NOT_DECIDED = frozenset({Status.NOT_ATTEMPTED, Status.UNKNOWN})


class TestNamingBySource:
    """How a source names its trades is known for certain and never changes."""

    def test_is_remembered_only_when_it_was_read_whole(
        self, log_database: Database, log: Log
    ) -> None:
        """The line breaks while a restarted desk reads the source: it reads it again."""
        with running_desk(log_database.app_conninfo) as before:
            open_alpha(before)
            done(before, PER_DATE)
            first = done(before, capture("o-1"))

        with InterruptedLog(log_database.app_conninfo) as broken, desk_on(broken) as desk:
            broken.fail_next("read_stream")
            unread = done(desk, capture("o-1"))
            again = done(desk, capture("o-1"))

        assert unread.status is Status.UNKNOWN
        assert again.replayed
        assert again.trade_id == first.trade_id
        assert booked_external_ids(log) == {"o-1": 1}

    @pytest.mark.parametrize("intent", list(Intent))
    def test_is_pinned_by_the_first_trade(self, desk: Desk, log: Log, intent: Intent) -> None:
        """Another scope afterwards is a conflict, and the trade told again is the same one."""
        open_alpha(desk)
        first = done(desk, capture("o-1", intent=intent))

        registered = done(desk, PER_DATE)
        again = done(desk, capture("o-1", intent=intent))
        as_it_is = done(desk, RegisterSource("desk-1", NamingScope.FOREVER))

        assert registered.status is Status.CONFLICT
        assert registered.code == "source_already_registered"
        assert again.replayed
        assert again.trade_id == first.trade_id
        assert as_it_is.replayed
        assert booked_external_ids(log) == {"o-1": 1}

    def test_is_not_pinned_by_a_refused_trade(self, desk: Desk) -> None:
        """A refused trade uses no name up, so the source may still say."""
        open_alpha(desk, cash=1)
        refused = done(desk, capture("o-1"))

        registered = done(desk, PER_DATE)

        assert refused.status is Status.REJECTED
        assert registered.status is Status.ACCEPTED


class TestUsingAKeyUp:
    """Every outcome leaves a receipt: its key is used, and asking for it tells it."""

    def test_by_a_replay(self, desk: Desk) -> None:
        """The same trade under a second key: that key names this command from now on."""
        open_alpha(desk)
        first = done(desk, capture("o-1"), key="k-1")

        replay = done(desk, capture("o-1"), key="k-2")
        other = done(desk, capture("o-2"), key="k-2")
        state, told = desk.state_of(ACME, replay.command_id)

        assert replay.replayed
        assert other.code == "idempotency_key_reused"
        assert state is CommandState.DECIDED
        assert told is not None
        assert (told.status, told.position) == (Status.ACCEPTED, first.position)

    def test_by_a_conflict(self, desk: Desk) -> None:
        """The same name with other content: told the same again, also by its key."""
        open_alpha(desk)
        done(desk, capture("o-1"))

        conflict = done(desk, capture("o-1", price=Decimal(11)), key="k-2")
        again = done(desk, capture("o-1", price=Decimal(11)), key="k-2")
        other = done(desk, capture("o-2"), key="k-2")
        state, told = desk.state_of(ACME, conflict.command_id)

        assert (conflict.status, conflict.code) == (Status.CONFLICT, "external_id_conflict")
        assert (again.status, again.code) == (conflict.status, conflict.code)
        assert again.replayed
        assert other.code == "idempotency_key_reused"
        assert state is CommandState.DECIDED
        assert told is not None
        assert (told.status, told.fields) == (Status.CONFLICT, ("price",))

    def test_by_a_replay_within_one_append(self, desk: Desk) -> None:
        """Both keys name the one acceptance, and the second is told as a repeat."""
        open_alpha(desk)
        items = [issue(capture("o-1"), key="k-1"), issue(capture("o-1"), key="k-2")]

        first, replay = desk.submit_batch(items, is_atomic=False).result(WAIT_SECONDS)

        assert replay.replayed
        assert replay.position == first.position


class TestMeetingAnotherDesk:
    """The same commands reach two desks at once."""

    def test_refusing_the_same_command_leaves_neighbours_accepted(
        self, log_database: Database
    ) -> None:
        """The other desk's refusal moves no head, only a receipt: the turn is decided anew."""
        too_much = WithdrawCash(
            portfolio="alpha", amount=Money(Decimal(5_000), "USD"), value_date=MONDAY
        )
        wanted = issue(too_much, key="w-1")
        neighbours = [issue(capture(f"n-{number}", **ONE_SHARE)) for number in range(NEIGHBOURS)]
        with (
            running_desk(log_database.app_conninfo) as other,
            InterruptedLog(log_database.app_conninfo) as raced,
        ):
            open_alpha(other, cash=1_000)
            desk = Desk(raced)
            raced.before_next("writing", lambda: other.submit(wanted).result(WAIT_SECONDS))
            futures = [desk.submit(each) for each in (wanted, *neighbours)]

            desk.start()
            refused, *accepted = [future.result(WAIT_SECONDS) for future in futures]
            desk.stop(WAIT_SECONDS)

            assert raced.has_met("writing")
        assert (refused.status, refused.code) == (Status.REJECTED, "insufficient_cash")
        assert {each.status for each in accepted} == {Status.ACCEPTED}

    def test_writing_the_same_command_after_a_lost_commit(
        self, log_database: Database, log: Log
    ) -> None:
        """COMMIT never arrived, and the caller's second try went to the other desk: world is log.

        The other desk spends cash and opens lots before, so positions and state both differ from
        what the first desk had decided.
        """
        wanted = issue(capture("t-1", **ONE_SHARE), key="k-1")
        with (
            running_desk(log_database.app_conninfo) as other,
            losing_proxy(log_database) as (proxy, conninfo),
            InterruptedLog(conninfo) as behind,
            desk_on(behind) as desk,
        ):
            open_alpha(other, cash=1_000)
            done(desk, capture("t-0", **ONE_SHARE))

            def go_elsewhere() -> None:
                done(other, capture("a-1", quantity=Decimal(50)))
                other.submit(wanted).result(WAIT_SECONDS)

            behind.before_next("resolve", go_elsewhere)
            proxy.lose_next_commit(Loss.BEFORE_THE_SERVER)
            told = desk.submit(wanted).result(WAIT_SECONDS)
            after = done(desk, capture("z-1", **FIVE_SHARES))
            too_much = done(desk, capture("z-2", quantity=Decimal(60)))

            assert desk._world is not None
            held = desk._world.portfolios[ALPHA]
            logged = World.load(log).portfolio(ALPHA, log)
        assert proxy.commits_lost == 1
        assert too_much.code == "insufficient_cash"
        for outcome in (told, after):
            assert outcome.status is Status.ACCEPTED
            (event,) = log.read((outcome.position or 0) - 1, 1)
            assert event.command_id == outcome.command_id
            assert event.recorded_at == outcome.recorded_at
        assert logged is not None
        assert (held.version, held.cash) == (logged.version, logged.cash)
        assert list(held.book(APPLE).lots) == list(logged.book(APPLE).lots)
        assert booked_external_ids(log) == {"t-0": 1, "a-1": 1, "t-1": 1, "z-1": 1}


class TestRetryingWhileTheLogIsAway:
    """`not_attempted` is said only of what is certainly not in the log."""

    def test_of_a_command_in_doubt_is_unknown(
        self, log_database: Database, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """COMMIT is on its way and the database takes no connection: nobody can know."""
        monkeypatch.setattr(desks, "RESOLVE_SECONDS", 0.2)
        wanted = issue(capture("t-1"), key="k-1")
        with (
            losing_proxy(log_database) as (proxy, conninfo),
            InterruptedLog(conninfo) as behind,
            desk_on(behind) as desk,
        ):
            open_alpha(desk)
            proxy.lose_next_commit(Loss.WHILE_COMMIT_TRAVELS)
            behind.lose("resolve")

            first = desk.submit(wanted).result(WAIT_SECONDS)
            retry = desk.submit(wanted).result(WAIT_SECONDS)
            proxy.let_commit_arrive()
            behind.heal()
            wait_until(desk.loaded.is_set)
            truth = desk.submit(wanted).result(WAIT_SECONDS)

        assert first.status is Status.UNKNOWN
        assert retry.status is Status.UNKNOWN
        assert (truth.status, truth.replayed) == (Status.ACCEPTED, True)
        assert booked_external_ids(log) == {"t-1": 1}

    def test_of_an_accepted_command_is_unknown(self, log_database: Database) -> None:
        """It cannot be asked for, so nothing is said of it."""
        wanted = issue(capture("t-1"), key="k-1")
        with InterruptedLog(log_database.app_conninfo) as broken, desk_on(broken) as desk:
            open_alpha(desk)
            first = desk.submit(wanted).result(WAIT_SECONDS)

            broken.lose("known")
            retry = desk.submit(wanted).result(WAIT_SECONDS)
            broken.heal()
            truth = desk.submit(wanted).result(WAIT_SECONDS)

        assert retry.status is Status.UNKNOWN
        assert (truth.position, truth.replayed) == (first.position, True)

    def test_of_an_accepted_command_beside_new_ones_is_not_undone(
        self, log_database: Database, log: Log
    ) -> None:
        """All in one turn, whose append fails: nothing is said against what was accepted."""
        wanted = issue(capture("t-1"), key="k-1")
        new = [issue(capture(f"n-{number}", **ONE_SHARE)) for number in range(NEIGHBOURS)]
        with InterruptedLog(log_database.app_conninfo) as broken, desk_on(broken) as desk:
            open_alpha(desk)
            first = desk.submit(wanted).result(WAIT_SECONDS)

            broken.fail_next("writing")
            batch = desk.submit_batch([wanted, *new], is_atomic=False)
            retry, *others = batch.result(WAIT_SECONDS)

            assert broken.has_met("writing")
        assert retry.status in {Status.ACCEPTED, Status.UNKNOWN}
        assert retry.position in {first.position, None}
        assert {each.status for each in others} <= NOT_DECIDED
        assert booked_external_ids(log) == {"t-1": 1}

    def test_answers_everybody_when_the_line_breaks_between_two(
        self, log_database: Database, log: Log
    ) -> None:
        """One in the middle meets a portfolio that cannot be loaded: all are answered, once."""
        names = [f"n-{number}" for number in range(NEIGHBOURS)]
        batch = [issue(capture(name, **ONE_SHARE)) for name in names]
        batch[NEIGHBOURS // 2] = issue(capture("elsewhere", portfolio="unread"))
        with InterruptedLog(log_database.app_conninfo) as broken, desk_on(broken) as desk:
            open_alpha(desk)
            done(desk, capture("t-0"))

            broken.fail_next("read_stream")
            outcomes = desk.submit_batch(batch, is_atomic=False).result(WAIT_SECONDS)
            again = done(desk, capture("n-0", **ONE_SHARE))

            assert broken.has_met("read_stream")
        assert {each.status for each in outcomes} <= NOT_DECIDED
        assert (again.status, again.replayed) == (Status.ACCEPTED, False)
        assert booked_external_ids(log) == {"t-0": 1, "n-0": 1}


class TestHoldingTheLockTooLong:
    """A session that PostgreSQL ends by its own timeout is a lost log, not a defect."""

    def test_is_a_log_that_cannot_be_reached(
        self, log_database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Idle in its transaction until it is ended; the append then says so."""
        short = connections._SESSION.replace("'10s'", "'100ms'")
        assert short != connections._SESSION
        monkeypatch.setattr(connections, "_SESSION", short)

        def is_ended(peer: psycopg.Connection, process: int) -> bool:
            query = "SELECT FROM pg_stat_activity WHERE pid = %s"
            return peer.execute(query, (process,)).fetchone() is None

        with (
            InterruptedLog(log_database.app_conninfo) as log,
            psycopg.connect(log_database.app_conninfo, autocommit=True) as peer,
        ):

            def append_too_late() -> None:
                with log.writing() as transaction:
                    process = transaction._connection.info.backend_pid
                    wait_until(lambda: is_ended(peer, process))
                    transaction.append([new_event()])

            with pytest.raises(LogUnavailable):
                append_too_late()
