"""Snapshots at the desk: loading from one gives what replay gives, whatever befell it."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from prometheus_client import REGISTRY

from commands import snapshots
from commands.command import Status
from commands.desk import Desk
from commands.snapshots import Snapshots
from commands.world import World
from domain.identity import portfolio_stream
from domain.lots import Side
from domain.portfolio.state import Portfolio
from eventstore.log import Log
from eventstore.snapshots import Snapshot
from infra.database import Database
from schemas.snapshots import FORM, encode_portfolio
from tests.commands.desks import InterruptedLog, desk_on, wait_until
from tests.commands.scenes import ACME, APPLE, TUESDAY, capture, done, issue, open_alpha
from tests.domain.slots import described

ALPHA = portfolio_stream(ACME, "alpha")
FAR = 2**62
ONE = {"quantity": Decimal(1), "price": Decimal(10)}


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot every ten events, and at rest after three."""
    monkeypatch.setattr(snapshots, "EVENTS_BETWEEN", 10)
    monkeypatch.setattr(snapshots, "EVENTS_BETWEEN_AT_REST", 3)


@pytest.fixture
def owner(log_database: Database) -> Iterator[psycopg.Connection]:
    """A session that may do anything to the table."""
    with psycopg.connect(log_database.owner_conninfo, autocommit=True) as connection:
        yield connection


@contextmanager
def taking(log: Log) -> Iterator[Snapshots]:
    """Snapshots as a desk has them."""
    own = Snapshots(log)
    try:
        yield own
    finally:
        own.close()


def count(what: str) -> float:
    """How many snapshots so far were used, missing, damaged, kept or failed."""
    return REGISTRY.get_sample_value("pms_snapshots_total", {"what": what}) or 0


def trade(desk: Desk, first: int, last: int) -> None:
    """Buy one share by each of some trades."""
    wanted = [issue(capture(f"t-{number:03}", **ONE)) for number in range(first, last)]
    told = desk.submit_batch(wanted, is_atomic=False).result(20)
    assert {each.status for each in told} == {Status.ACCEPTED}


def kept_version(log: Log) -> int:
    """The version of alpha's newest snapshot, 0 without one."""
    found = log.snapshot(ALPHA, FORM, until=FAR)
    return 0 if found is None else found.version


def replayed(log: Log) -> Portfolio:
    """Alpha from its first event on."""
    found = World.load(log).portfolio(ALPHA, log)
    assert found is not None
    return found


def loaded(log: Log, until: int | None = None) -> tuple[Portfolio | None, Portfolio | None]:
    """Alpha as a new desk loads it, and what its snapshot alone gave."""
    with taking(log) as own:
        world = World.load(log, own)
        if until is not None:
            world.position = until
        return world.portfolio(ALPHA, log), own.load(ALPHA, until=world.position)


@pytest.fixture
def traded(log: Log) -> Log:
    """A log in which alpha has 42 events and a snapshot."""
    with desk_on(log) as desk:
        open_alpha(desk)
        for start in range(0, 40, 5):
            trade(desk, start, start + 5)
        wait_until(lambda: kept_version(log) >= 30)
    return log


class TestTaking:
    """Beside the desk, as its portfolios go on."""

    def test_happens_after_so_many_events(self, log: Log) -> None:
        """And not before; what is taken is what the log says up to there."""
        with desk_on(log) as desk:
            open_alpha(desk)
            trade(desk, 0, 1)
            assert kept_version(log) == 0

            trade(desk, 1, 9)
            wait_until(lambda: kept_version(log) == 11)

        assert described(loaded(log)[1]) == described(replayed(log))

    def test_happens_at_rest_for_what_is_a_little_behind(self, log: Log) -> None:
        """A desk that nobody asks has the time."""
        with desk_on(log) as desk:
            open_alpha(desk)
            trade(desk, 0, 3)

            wait_until(lambda: kept_version(log) == 5)

    def test_that_fails_stops_no_command(self, log: Log, owner: psycopg.Connection) -> None:
        """The table is gone: the desk trades on, and says what it cannot keep."""
        owner.execute("DROP TABLE log.snapshots")
        failed = count("failed")
        with desk_on(log) as desk:
            open_alpha(desk)
            trade(desk, 0, 20)

            wait_until(lambda: count("failed") > failed + 1)
            trade(desk, 20, 30)

        assert replayed(log).version == 32

    def test_keeps_nothing_too_large(self, traded: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        """The table is not for gigabytes."""
        version = kept_version(traded)
        monkeypatch.setattr(snapshots, "BYTES_MAX", 100)

        with taking(traded) as own:
            portfolio = replayed(traded)
            portfolio.version += 1_000
            own.offer(ALPHA, portfolio)

        assert kept_version(traded) == version

    def test_waits_longer_for_a_large_one(
        self, traded: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is written again once about as many bytes of events are behind it."""
        monkeypatch.setattr(snapshots, "BYTES_PER_EVENT", 10)
        portfolio = replayed(traded)
        size = len(encode_portfolio(portfolio))
        with taking(traded) as own:
            own._write(ALPHA, portfolio)

            assert own._taken[ALPHA] == (42, 42 + size // 10)


class TestLoading:
    """From the newest snapshot that fits, and the events behind it."""

    def test_gives_what_replay_gives(self, traded: Log) -> None:
        """Every slot; and the snapshot was used."""
        used = count("used")

        found, _ = loaded(traded)

        assert described(found) == described(replayed(traded))
        assert count("used") == used + 2

    def test_as_of_an_earlier_position_uses_no_later_snapshot(self, traded: Log) -> None:
        """The world stands at one position: a desk a little behind meets nothing of later."""
        version = kept_version(traded)
        last = traded.read_stream(ALPHA)[version - 2].position

        found, earlier = loaded(traded, until=last)

        assert found is not None
        assert found.version == version - 1
        assert earlier is None or earlier.version < version

    @pytest.mark.parametrize(
        "damage",
        [
            "UPDATE log.snapshots SET data = 'nonsense'",
            "UPDATE log.snapshots SET data = substr(data, 1, length(data) - 1)",
            "UPDATE log.snapshots SET stream_version = stream_version + 1000",
            "UPDATE log.snapshots SET checksum = 0",
            "UPDATE log.snapshots SET form = 'of another build'",
            "DELETE FROM log.snapshots",
        ],
    )
    def test_falls_back_to_replay(
        self, traded: Log, owner: psycopg.Connection, damage: str
    ) -> None:
        """Never a wrong state; and a sound snapshot takes the place of what was there."""
        owner.execute(damage.encode())

        with desk_on(traded) as desk:
            outcome = done(desk, capture("late", quantity=Decimal(3), side=Side.SELL))
            assert outcome.status is Status.ACCEPTED
            wait_until(lambda: kept_version(traded) in (42, 43))
            assert desk._world is not None
            held = desk._world.portfolios[ALPHA]

        assert described(held) == described(replayed(traded))
        assert owner.execute(
            "SELECT count(*) FROM log.snapshots WHERE form <> %s OR stream_version > 43", (FORM,)
        ).fetchone() == (0,)

    @pytest.mark.parametrize("wrong", ["no portfolio", "another version"])
    def test_refuses_what_is_whole_and_yet_no_snapshot_of_it(
        self, traded: Log, owner: psycopg.Connection, wrong: str
    ) -> None:
        """Written by us under this form, checksum and all, and still not believed."""
        owner.execute("DELETE FROM log.snapshots")
        damaged = count("damaged")
        data = b"\x00" if wrong == "no portfolio" else encode_portfolio(Portfolio())
        traded.keep_snapshot(Snapshot(ALPHA, FORM, 42, data))

        found, _ = loaded(traded)

        assert described(found) == described(replayed(traded))
        assert count("damaged") == damaged + 1

    def test_without_the_table_is_replay(self, traded: Log, owner: psycopg.Connection) -> None:
        """A log whose owner has not made it yet."""
        owner.execute("DROP TABLE log.snapshots")

        found, alone = loaded(traded)

        assert alone is None
        assert described(found) == described(replayed(traded))

    def test_reads_only_what_stands_behind_it(self, traded: Log, log_database: Database) -> None:
        """The stream is asked for from the snapshot's version on."""
        version = kept_version(traded)
        asked: list[int] = []

        class Listening(InterruptedLog):
            def read_stream(self, stream_id: UUID, after_version: int = 0, limit: int = 9) -> list:  # type: ignore[type-arg]
                asked.append(after_version)
                return super().read_stream(stream_id, after_version, limit)

        with Listening(log_database.app_conninfo) as listening:
            assert loaded(listening)[0] is not None

        assert asked == [version]

    def test_lets_a_late_fill_be_decided_as_ever(self, traded: Log) -> None:
        """Before everything that is held: its lot is the first, as replay says as well."""
        with desk_on(traded) as desk:
            done(desk, capture("t-after", trade_date=TUESDAY, **ONE))
            outcome = done(desk, capture("t-0000", **ONE))
            assert outcome.status is Status.ACCEPTED
            assert desk._world is not None
            held = desk._world.portfolios[ALPHA]

        expected = replayed(traded)
        assert described(held, remembered=False) == described(expected, remembered=False)
        assert len(held.book(APPLE).lots) == 42
