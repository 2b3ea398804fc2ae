"""The life of an instrument through the desk: what is written, told again, and refuses trades."""

import itertools
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import get_args

import pytest

from commands.command import ChangeInstrument, Status
from commands.desk import Desk
from commands.world import World
from domain.corporate_actions import Split, Terms
from domain.identity import MARKET_TENANT
from domain.instrument import (
    CorporateActionDeclared,
    CorporateActionReversed,
    InstrumentChange,
    InstrumentDelisted,
    InstrumentRenamed,
    InstrumentResumed,
    InstrumentSuspended,
    SectorAssigned,
    SymbolChanged,
    WrittenDown,
)
from domain.trade import Intent
from eventstore.log import Log
from tests.commands.scenes import APPLE, MONDAY, capture, done, issue, open_alpha, register

OPENING = datetime(2024, 1, 8, 14, 30, tzinfo=UTC)
SPLIT = Split(action="split-1", instrument=APPLE, ex_date=MONDAY, new=7, old=1)
HALTED = InstrumentSuspended(instrument=APPLE, from_at=OPENING, reason="halted")
LIFE: tuple[InstrumentChange, ...] = (
    InstrumentRenamed(instrument=APPLE, title="Apple", from_date=MONDAY),
    SymbolChanged(instrument=APPLE, symbol="APPL", from_date=MONDAY),
    SectorAssigned(instrument=APPLE, from_date=MONDAY),
    HALTED,
    InstrumentResumed(instrument=APPLE, from_at=OPENING + timedelta(hours=1)),
    WrittenDown(instrument=APPLE, price=Decimal(1), at=OPENING, reason="fraud"),
    CorporateActionDeclared(instrument=APPLE, terms=Terms.of(SPLIT)),
    CorporateActionReversed(instrument=APPLE, action="split-1", reason="typo"),
    InstrumentDelisted(instrument=APPLE, on_date=date(2024, 1, 9)),
)


def told(desk: Desk, *changes: InstrumentChange) -> None:
    """Tell changes, each of which is accepted."""
    for change in changes:
        outcome = done(desk, ChangeInstrument(change), tenant=MARKET_TENANT)
        assert outcome.status is Status.ACCEPTED, outcome


class TestTellingALife:
    """Every change is an event of the instrument's stream."""

    def test_leaves_the_state_that_the_log_gives(self, desk: Desk, log: Log) -> None:
        """Folded decision by decision, and anew from the log."""
        done(desk, register(), tenant=MARKET_TENANT)
        told(desk, *LIFE)

        apple = World.load(log).instruments[APPLE]
        assert apple.version == len(LIFE) + 1
        assert apple.title_on(MONDAY) == "Apple"
        assert apple.delisted == LIFE[-1]

    def test_is_told_again_with_its_own_acceptance(self, desk: Desk, log: Log) -> None:
        """Under another key: nothing is written, and each names its own place."""
        done(desk, register(), tenant=MARKET_TENANT)
        first = [done(desk, ChangeInstrument(each), tenant=MARKET_TENANT) for each in LIFE[:3]]
        head = log.head()

        again = [done(desk, ChangeInstrument(each), tenant=MARKET_TENANT) for each in LIFE[:3]]

        assert all(outcome.replayed for outcome in again)
        assert [each.position for each in again] == [each.position for each in first]
        assert [each.stream_version for each in first] == [2, 3, 4]
        assert log.head() == head

    def test_needs_a_registration(self, desk: Desk) -> None:
        """What is not known cannot change."""
        outcome = done(desk, ChangeInstrument(HALTED), tenant=MARKET_TENANT)

        assert (outcome.status, outcome.code) == (Status.REJECTED, "instrument_unknown")

    def test_sees_what_was_decided_in_the_same_append(self, desk: Desk) -> None:
        """Registered and changed in one batch; a second suspension meets the first."""
        second = InstrumentSuspended(
            instrument=APPLE, from_at=OPENING + timedelta(hours=2), reason="halted"
        )
        commands = [register(), *(ChangeInstrument(each) for each in (HALTED, second))]
        issued = [issue(command, tenant=MARKET_TENANT) for command in commands]

        outcomes = desk.submit_batch(issued, is_atomic=False).result(20)

        accepted, conflict = Status.ACCEPTED, Status.CONFLICT
        assert [each.status for each in outcomes] == [accepted, accepted, conflict]
        assert outcomes[-1].fields == ("from_at",)

    def test_kinds_never_have_the_same_fields(self) -> None:
        """So a fingerprint, which is of the fields alone, is of one kind."""
        kinds = get_args(InstrumentChange)
        needed = [frozenset(kind.__struct_fields__[: -len(kind.__struct_defaults__) or None])
                  for kind in kinds]  # fmt: skip

        assert len(kinds) == len(LIFE)
        assert all(one != other for one, other in itertools.combinations(needed, 2))


class TestTradingWhatIsSuspended:
    """Asking is refused, telling books with the breach (convention 1)."""

    @pytest.mark.parametrize(
        ("intent", "status"), [("proposed", Status.REJECTED), ("executed", Status.ACCEPTED)]
    )
    def test_is_a_breach(self, desk: Desk, intent: str, status: Status) -> None:
        """From its first instant on."""
        open_alpha(desk)
        told(desk, HALTED)

        outcome = done(desk, capture("t-1", intent=Intent(intent), executed_at=OPENING))

        breaches = outcome.warnings if status is Status.ACCEPTED else outcome.breaches
        assert outcome.status is status
        assert [each.rule for each in breaches] == ["instrument_inactive"]

    def test_is_none_after_it_is_resumed(self, desk: Desk) -> None:
        """And none before it was suspended."""
        open_alpha(desk)
        told(desk, *LIFE[3:5])

        for number, minutes in enumerate((-1, 60)):
            at = OPENING + timedelta(minutes=minutes)
            outcome = done(desk, capture(f"t-{number}", executed_at=at))
            assert outcome.status is Status.ACCEPTED
