"""A leader of alerts that begins goes on from what the one before kept; or folds the whole log."""

import psycopg
import pytest
from msgspec.structs import replace
from prometheus_client import REGISTRY

from commands.desk import Desk
from commands.reactions import alert_snapshots
from commands.reactions.alert_snapshots import AlertSnapshots
from commands.reactions.alerting import WATCHING
from domain.alerts import watch
from eventstore.envelope import RecordedEvent
from eventstore.log import Log
from infra.database import Database
from tests.commands.alert_scenes import (
    Alerting,
    alerts_told,
    declare_rule,
    in_order,
    judged_anew,
    judged_live,
    words,
)
from tests.commands.breach_scenes import mark, two_names
from tests.commands.test_alerts import CONCENTRATED, TENTH

STRANGER = "globex"


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep one whenever there is anything new, and all is told."""
    monkeypatch.setattr(alert_snapshots, "POSITIONS_BETWEEN", 1)
    monkeypatch.setattr(alert_snapshots, "SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(alert_snapshots, "REST", 0)


@pytest.fixture
def ranges(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """From where to where the log is read of many types."""
    found: list[tuple[int, int]] = []
    read = Log.read_of_types

    def noted(log: Log, event_types: frozenset[str], after: int, until: int) -> list[RecordedEvent]:
        if event_types == WATCHING:
            found.append((after, until))
        return read(log, event_types, after, until)

    monkeypatch.setattr(Log, "read_of_types", noted)
    return found


def count(what: str) -> float:
    """How often something became of a snapshot."""
    return REGISTRY.get_sample_value("pms_alerts_snapshots_total", {"what": what}) or 0.0


def kept_story(desk: Desk, log: Log) -> int:
    """An alert that is open, and a snapshot behind it; where that stands."""
    two_names(desk)
    declare_rule(desk, "one-name", CONCENTRATED)
    declare_rule(desk, "fall", TENTH)
    mark(desk, 1, AAPL=10, MSFT=10)
    mark(desk, 2, AAPL=30, MSFT=10)
    leader = Alerting(desk, log)
    leader.settle()
    leader.look()
    assert words(log) == ["raised"]
    return log.head().position


def go_on(desk: Desk, log: Log) -> None:
    """The alert clears, and another is raised: told by whoever leads now."""
    mark(desk, 4, AAPL=10, MSFT=10)
    mark(desk, 5, AAPL=30, MSFT=10)
    Alerting(desk, log).settle()
    assert words(log) == ["raised", "cleared", "raised"]
    assert sorted(judged_live(log), key=in_order) == sorted(judged_anew(log), key=in_order)


class TestATakeover:
    """Another process leads from now on."""

    def test_reads_the_tail_only(self, desk: Desk, log: Log, ranges: list[tuple[int, int]]) -> None:
        """From where the snapshot stands, and tells what the whole log leads to."""
        position = kept_story(desk, log)
        ranges.clear()
        used = count("used")

        go_on(desk, log)

        assert count("used") == used + 1
        assert ranges
        assert min(after for after, _ in ranges) == position

    def test_tells_nothing_twice(self, desk: Desk, log: Log) -> None:
        """With nothing behind the snapshot, nothing is told."""
        kept_story(desk, log)
        before = alerts_told(log)

        Alerting(desk, log).settle()

        assert alerts_told(log) == before

    def test_folds_all_where_another_tenant_has_a_first_rule(
        self, desk: Desk, log: Log, ranges: list[tuple[int, int]]
    ) -> None:
        """Its past was left out."""
        kept_story(desk, log)
        declare_rule(desk, "one-name", CONCENTRATED, tenant=STRANGER)
        ranges.clear()

        go_on(desk, log)

        assert min(ranges)[0] == 0

    def test_goes_on_from_the_newest(
        self, desk: Desk, log: Log, ranges: list[tuple[int, int]]
    ) -> None:
        """One replaces the one before it."""
        kept_story(desk, log)
        mark(desk, 3, AAPL=31, MSFT=10)
        leader = Alerting(desk, log)
        leader.settle()
        leader.look()
        position = log.head().position
        ranges.clear()

        go_on(desk, log)

        assert min(after for after, _ in ranges) == position


class TestASnapshotThatIsNotUsed:
    """The whole log is folded, and leads to the same."""

    def test_is_one_that_is_damaged(
        self, desk: Desk, log: Log, log_database: Database, ranges: list[tuple[int, int]]
    ) -> None:
        """Its bytes are not those that were written."""
        kept_story(desk, log)
        with psycopg.connect(log_database.owner_conninfo) as owner:
            changed = owner.execute(
                "UPDATE log.snapshots SET data = data || 'x' WHERE form LIKE 'alerts%'"
            )
            assert changed.rowcount == 1
        ranges.clear()
        damaged = count("damaged")

        go_on(desk, log)

        assert count("damaged") == damaged + 1
        assert min(ranges)[0] == 0

    @pytest.mark.parametrize("other", ["calculation", "code"])
    def test_is_one_of_another_evaluation_or_other_code(
        self,
        desk: Desk,
        log: Log,
        monkeypatch: pytest.MonkeyPatch,
        ranges: list[tuple[int, int]],
        other: str,
    ) -> None:
        """They may mean something else by the same document."""
        kept_story(desk, log)
        if other == "code":
            monkeypatch.setattr(alert_snapshots, "code_digest", lambda: "other")
        else:
            monkeypatch.setattr(watch, "CALCULATION", "alerts 0")
        ranges.clear()
        missing = count("missing")

        mark(desk, 3, AAPL=10, MSFT=10)
        Alerting(desk, log).settle()

        assert count("missing") == missing + 1
        assert min(ranges)[0] == 0
        assert words(log)[:2] == ["raised", "cleared"]

    def test_is_one_of_another_log(self, desk: Desk, log: Log) -> None:
        """What it was folded from is not there: a log that was restored, and went on otherwise."""
        position = kept_story(desk, log)
        snapshots = AlertSnapshots(log)
        kept = snapshots.load(position)
        assert kept is not None

        assert AlertSnapshots(log).load(position - 1) is None
        other = replace(kept.cause, command_id=kept.cause.stream_id)
        snapshots.keep(kept._replace(cause=other))
        assert AlertSnapshots(log).load(position) is None
