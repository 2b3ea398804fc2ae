"""A build that judges otherwise takes over: what was told stands, and beyond it the new one judges.

The build before sees every concentration half as large again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest

from commands.alerts import AcknowledgeAlert, ResolveAlert
from commands.command import ReachTime
from commands.desk import Desk
from domain.alerts import figures, watch
from domain.alerts.events import AlertCleared, AlertEscalated, AlertRaised
from domain.alerts.seen import Seen
from domain.alerts.terms import AlertKind, AlertLevel, AlertStep, AlertTerms
from domain.identity import MARKET_TENANT
from domain.trade import Intent
from eventstore.log import Log
from tests.commands.alert_scenes import (
    Alerting,
    alert_terms,
    alerts_told,
    declare_rule,
    words,
)
from tests.commands.breach_scenes import mark, two_names
from tests.commands.scenes import capture, done, register
from tests.commands.test_alerts import CONCENTRATED, at, only_raised
from tests.commands.test_corrections import bust

CALCULATION = watch.CALCULATION
STEPS = tuple(
    AlertStep(level=AlertLevel.CRITICAL, channels=(name,), after_seconds=seconds)
    for name, seconds in (("desk", 0), ("head", 600), ("board", 600))
)
STEPPED = alert_terms(AlertKind.CONCENTRATION, "0.7", "0.6", steps=STEPS)


@contextmanager
def build_before() -> Iterator[None]:
    """Let the build before judge."""
    now = figures._of_exposure

    def otherwise(terms: AlertTerms, seen: Seen) -> Decimal | None:
        actual = now(terms, seen)
        return None if actual is None else actual * Decimal("1.5")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(watch, "CALCULATION", "alerts 0")
        patched.setattr(figures, "_of_exposure", otherwise)
        yield


def three_names(desk: Desk) -> None:
    """Alpha holds 100 IBM too."""
    done(desk, register("IBM"), tenant=MARKET_TENANT)
    done(desk, capture("t-3", intent=Intent.EXECUTED, instrument="IBM"))


def raised_before(desk: Desk, log: Log, terms: AlertTerms = CONCENTRATED) -> Alerting:
    """Have the build before raise an alert that this one would not: of two equal halves."""
    two_names(desk)
    declare_rule(desk, "one-name", terms)
    mark(desk, 1, AAPL=10, MSFT=10)
    with build_before():
        alerting = Alerting(desk, log)
        alerting.settle()
    assert words(log) == ["raised"]
    return alerting


class TestWhatWasTold:
    """By the build before."""

    def test_stands_and_is_not_told_anew(self, desk: Desk, log: Log) -> None:
        """What cleared and came again by its measure did so; what is open goes on."""
        before = raised_before(desk, log)
        mark(desk, 2, AAPL=30, MSFT=10)
        three_names(desk)
        mark(desk, 3, AAPL=10, MSFT=10, IBM=10)
        mark(desk, 4, AAPL=10, MSFT=10, IBM=1)
        with build_before():
            before.settle()
        assert words(log) == ["raised", "cleared", "raised"]

        Alerting(desk, log).settle()
        assert words(log) == ["raised", "cleared", "raised"]
        mark(desk, 5, AAPL=60, MSFT=10, IBM=1)
        Alerting(desk, log).settle()
        mark(desk, 6, AAPL=10, MSFT=10, IBM=10)
        Alerting(desk, log).settle()

        *_, raised, cleared = alerts_told(log)
        assert words(log) == ["raised", "cleared", "raised", "cleared"]
        assert isinstance(raised, AlertRaised)
        assert isinstance(cleared, AlertCleared)
        assert (cleared.alert, cleared.calculation) == (raised.alert, CALCULATION)

    def test_clears_at_once_where_this_build_sees_no_more_of_it(self, desk: Desk, log: Log) -> None:
        """Nothing of it stays open; and whoever begins again tells nothing more."""
        raised_before(desk, log)
        mark(desk, 2, AAPL=10, MSFT=10)

        Alerting(desk, log).settle()
        Alerting(desk, log).settle()

        assert words(log) == ["raised", "cleared"]
        assert alerts_told(log)[-1].alert == only_raised(log).alert

    def test_escalates_from_the_step_it_is_at(
        self, desk: Desk, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each step once, whichever build told it."""
        before = raised_before(desk, log, STEPPED)
        mark(desk, 2, AAPL=30, MSFT=10)
        done(desk, ReachTime(at=at(11)), tenant=MARKET_TENANT)  # type: ignore[arg-type]
        with build_before():
            before.settle()
        assert words(log) == ["raised", "escalated"]

        now = Alerting(desk, log)
        monkeypatch.setattr(now.reaction, "_begin", None)  # What it tells is no news to it.
        done(desk, ReachTime(at=at(40)), tenant=MARKET_TENANT)  # type: ignore[arg-type]
        now.settle()

        steps = [each.step for each in alerts_told(log) if isinstance(each, AlertEscalated)]
        assert steps == [1, 2]

    def test_stays_with_whoever_took_it_on(self, desk: Desk, log: Log) -> None:
        """Acknowledged it escalates no further; resolved it comes again behind a clearing only."""
        raised_before(desk, log, STEPPED)
        mark(desk, 2, AAPL=30, MSFT=10)
        done(desk, AcknowledgeAlert(only_raised(log).alert))
        done(desk, ReachTime(at=at(40)), tenant=MARKET_TENANT)  # type: ignore[arg-type]
        Alerting(desk, log).settle()
        assert words(log) == ["raised", "acknowledged"]

        done(desk, ResolveAlert(alert=only_raised(log).alert, reason="hedged"))
        mark(desk, 41, AAPL=31, MSFT=10)
        Alerting(desk, log).settle()

        assert words(log) == ["raised", "acknowledged", "resolved"]

    def test_is_retracted_where_its_cause_is_taken_out(self, desk: Desk, log: Log) -> None:
        """What it was raised on is kept for this build too."""
        two_names(desk)
        declare_rule(desk, "one-name", CONCENTRATED)
        done(desk, capture("t-3", intent=Intent.EXECUTED, quantity=Decimal(1_000)))
        mark(desk, 1, AAPL=10, MSFT=10)
        with build_before():
            Alerting(desk, log).settle()

        done(desk, bust("t-3"))
        Alerting(desk, log).settle()

        assert words(log) == ["raised", "retracted"]


class TestALeaderBefore:
    """One with another build that still tells when this one has begun."""

    def test_is_followed_in_what_it_told(self, desk: Desk, log: Log) -> None:
        """It is the alert that clears later; no second one is raised."""
        two_names(desk)
        declare_rule(desk, "one-name", CONCENTRATED)
        now = Alerting(desk, log)
        mark(desk, 1, AAPL=10, MSFT=10)
        now.settle()
        with build_before():
            Alerting(desk, log).settle()
        mark(desk, 2, AAPL=30, MSFT=10)
        now.settle()
        assert words(log) == ["raised"]

        mark(desk, 3, AAPL=10, MSFT=10)
        now.settle()

        assert words(log) == ["raised", "cleared"]
        assert alerts_told(log)[-1].alert == only_raised(log).alert
