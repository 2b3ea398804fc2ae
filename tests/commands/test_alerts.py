"""Alerts: the reaction raises and clears them as the log goes on, each once."""

from datetime import timedelta
from decimal import Decimal

import pytest
from prometheus_client import REGISTRY

from commands.alerts import AcknowledgeAlert, ResolveAlert, RetireAlertRule, TellAlert
from commands.command import (
    CloseSession,
    CorrectClose,
    DepositCash,
    ReachTime,
    Status,
    WithdrawCash,
)
from commands.desk import Desk
from domain.alerts.events import (
    AlertCleared,
    AlertEscalated,
    AlertRaised,
    AlertRetracted,
    Contributor,
)
from domain.alerts.terms import AlertKind, AlertLevel, AlertScope, AlertStep
from domain.alerts.watch import CALCULATION
from domain.identity import MARKET_TENANT
from domain.market import Close
from domain.money import Money
from domain.trade import Intent
from eventstore.log import Log
from tests.commands.alert_scenes import (
    RAISE,
    Alerting,
    alert_terms,
    alerts_told,
    declare_rule,
    in_order,
    judged_anew,
    judged_live,
    words,
)
from tests.commands.breach_scenes import MORNING, mark, two_names
from tests.commands.scenes import APPLE, MONDAY, capture, done, register
from tests.commands.test_corrections import bust

TENTH = alert_terms(AlertKind.DRAWDOWN, "0.1", "0.05")
CONCENTRATED = alert_terms(AlertKind.CONCENTRATION, "0.7", "0.6")


def only_raised(log: Log) -> AlertRaised:
    """The one alert that was raised."""
    (raised,) = (each for each in alerts_told(log) if isinstance(each, AlertRaised))
    return raised


def at(minute: float) -> object:
    """Some minutes after Monday morning."""
    return MORNING + timedelta(minutes=minute)


class TestRaising:
    """A figure beyond its level."""

    def test_tells_what_it_was_judged_by(self, desk: Desk, log: Log) -> None:
        """Rule, level, actual, headroom, the largest parts, since when, as of which position."""
        two_names(desk)
        declare_rule(desk, "one-name", CONCENTRATED)
        mark(desk, 1, AAPL=10, MSFT=10)
        mark(desk, 2, AAPL=30, MSFT=10)

        Alerting(desk, log).settle()

        raised = only_raised(log)
        assert (raised.alert_rule, raised.version, raised.kind) == (
            "one-name", 1, AlertKind.CONCENTRATION,
        )  # fmt: skip
        assert raised.subject.portfolio == "alpha"
        assert (raised.actual, raised.headroom) == (Decimal("0.75"), Decimal("-0.05"))
        assert raised.contributors == (
            Contributor("AAPL", Decimal(3000)), Contributor("MSFT", Decimal(1000)),
        )  # fmt: skip
        assert raised.since == raised.at == at(2)
        assert raised.as_of == raised.market_position
        assert (raised.level, raised.channels) == (AlertLevel.WARNING, ("desk",))
        assert (raised.calculation, raised.currency) == (CALCULATION, "USD")

    def test_stays_until_the_level_that_clears(self, desk: Desk, log: Log) -> None:
        """Between the levels it is neither cleared nor raised again."""
        two_names(desk)
        declare_rule(desk, "one-name", CONCENTRATED)
        alerting = Alerting(desk, log)
        for minute, price in enumerate((30, 20, 30, 15, 20, 30), start=1):
            mark(desk, minute, AAPL=price, MSFT=10)
        alerting.settle()

        assert words(log) == ["raised", "cleared", "raised"]
        cleared = alerts_told(log)[1]
        assert isinstance(cleared, AlertCleared)
        assert (cleared.actual, cleared.at) == (Decimal("0.6"), at(4))

    def test_waits_for_how_long_the_rule_says(self, desk: Desk, log: Log) -> None:
        """Beyond for a minute, by business time; a moment below begins it anew."""
        two_names(desk)
        lasting = alert_terms(AlertKind.CONCENTRATION, "0.7", "0.6", lasting_seconds=60)
        declare_rule(desk, "one-name", lasting)
        for minute, price in ((1, 30), (1.5, 10), (2, 30), (2.5, 31), (3, 32), (4, 33)):
            mark(desk, minute, AAPL=price, MSFT=10)  # type: ignore[arg-type]
        Alerting(desk, log).settle()

        raised = only_raised(log)
        assert (raised.since, raised.at) == (at(2), at(3))

    def test_begins_a_stream_that_nobody_asks_about(
        self, desk: Desk, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the log knows of it comes with the append lock; told again, it goes behind that."""
        two_names(desk)
        declare_rule(desk, "one-name", CONCENTRATED)
        mark(desk, 1, AAPL=30, MSFT=10)
        with monkeypatch.context() as without:
            without.delattr(Log, "stream_versions")

            Alerting(desk, log).settle()

        raised = only_raised(log)
        again = done(desk, TellAlert(raised))
        assert (again.status, again.stream_version) == (Status.ACCEPTED, 2)

    def test_does_not_come_from_what_cannot_be_valued(self, desk: Desk, log: Log) -> None:
        """In a currency without a rate nothing is known; the rest alone is not all."""
        two_names(desk)
        declare_rule(desk, "one-name", CONCENTRATED)
        done(desk, register("SAP", "EUR"), tenant=MARKET_TENANT)
        sap = capture("t-3", intent=Intent.EXECUTED, instrument="SAP", currency="EUR")
        done(desk, sap)
        mark(desk, 1, AAPL=90, MSFT=10, SAP=10)
        Alerting(desk, log).settle()

        assert words(log) == []


class TestDrawdown:
    """The fall from the highest value, at every event."""

    def test_counts_a_peak_between_two_looks(self, desk: Desk, log: Log) -> None:
        """It was highest for one event; what it lost is named."""
        two_names(desk)
        declare_rule(desk, "fall", TENTH)
        mark(desk, 1, AAPL=10, MSFT=10)
        mark(desk, 2, AAPL=300)
        mark(desk, 3, AAPL=10)
        Alerting(desk, log).settle()

        raised = only_raised(log)
        assert raised.at == at(3)
        assert raised.contributors == (Contributor(APPLE, Decimal(-29_000)),)

    def test_of_a_withdrawal_or_deposit_is_none(self, desk: Desk, log: Log) -> None:
        """Money that goes is no loss, money that comes no gain to fall from."""
        two_names(desk)
        declare_rule(desk, "fall", TENTH)
        mark(desk, 1, AAPL=10, MSFT=10)
        much = Money(Decimal(900_000), "USD")
        done(desk, DepositCash(portfolio="alpha", amount=much, value_date=MONDAY))
        done(desk, WithdrawCash(portfolio="alpha", amount=much, value_date=MONDAY))
        Alerting(desk, log).settle()

        assert words(log) == []


class TestRestating:
    """Facts that remove the cause of an alert."""

    def test_retracts_what_a_wrong_close_raised(self, desk: Desk, log: Log) -> None:
        """Though it has cleared meanwhile: there never was such a fall (convention 5)."""
        two_names(desk)
        declare_rule(desk, "fall", alert_terms(AlertKind.DRAWDOWN, "0.01", "0.005"))
        mark(desk, 1, AAPL=36, MSFT=10)
        close(desk, AAPL="17.87")
        alerting = Alerting(desk, log)
        alerting.settle()
        mark(desk, 500, AAPL="35.91")
        alerting.settle()
        assert words(log) == ["raised", "cleared"]

        fixed = CorrectClose(
            calendar="XNYS", session=MONDAY, instrument=APPLE, price=Decimal("35.95"), reason="typo"
        )
        done(desk, fixed, tenant=MARKET_TENANT)
        alerting.settle()

        assert words(log) == ["raised", "cleared", "retracted"]
        retracted = alerts_told(log)[-1]
        assert isinstance(retracted, AlertRetracted)
        assert retracted.actual < Decimal("0.0001")

    def test_lowers_a_peak_that_never_was(self, desk: Desk, log: Log) -> None:
        """A close much too high is corrected: the fall from it is none."""
        two_names(desk)
        declare_rule(desk, "fall", TENTH)
        mark(desk, 1, AAPL=36, MSFT=10)
        close(desk, AAPL="3600")
        mark(desk, 500, AAPL=36)
        alerting = Alerting(desk, log)
        alerting.settle()
        assert words(log) == ["raised"]

        fixed = CorrectClose(
            calendar="XNYS", session=MONDAY, instrument=APPLE, price=Decimal(36), reason="typo"
        )
        done(desk, fixed, tenant=MARKET_TENANT)
        alerting.settle()
        mark(desk, 501, AAPL=35)
        alerting.settle()

        assert words(log) == ["raised", "retracted"]

    def test_retracts_what_a_busted_trade_raised(self, desk: Desk, log: Log) -> None:
        """A slip of the finger is taken out."""
        two_names(desk)
        declare_rule(desk, "one-name", CONCENTRATED)
        mark(desk, 1, AAPL=10, MSFT=10)
        slip = capture("t-3", intent=Intent.EXECUTED, quantity=Decimal(1_000))
        done(desk, slip)
        alerting = Alerting(desk, log)
        alerting.settle()
        assert words(log) == ["raised"]

        done(desk, bust("t-3"))
        alerting.settle()

        assert words(log) == ["raised", "retracted"]


class TestPersons:
    """What persons do to an alert."""

    STEPS = (
        RAISE,
        AlertStep(level=AlertLevel.CRITICAL, channels=("head", "desk"), after_seconds=600),
        AlertStep(level=AlertLevel.CRITICAL, channels=("board",), after_seconds=600),
    )

    def raise_one(self, desk: Desk, log: Log) -> tuple[Alerting, AlertRaised]:
        """An alert with three steps."""
        two_names(desk)
        terms = alert_terms(AlertKind.CONCENTRATION, "0.7", "0.6", steps=self.STEPS)
        declare_rule(desk, "one-name", terms)
        mark(desk, 1, AAPL=30, MSFT=10)
        alerting = Alerting(desk, log)
        alerting.settle()
        return alerting, only_raised(log)

    def test_escalates_while_nobody_takes_it_on(self, desk: Desk, log: Log) -> None:
        """By time alone, one step after the other."""
        alerting, raised = self.raise_one(desk, log)

        for minute in (10, 11, 20, 21, 40):
            done(desk, ReachTime(at=at(minute)), tenant=MARKET_TENANT)  # type: ignore[arg-type]
        alerting.settle()

        escalated = [each for each in alerts_told(log) if isinstance(each, AlertEscalated)]
        assert [(each.step, each.at, each.channels) for each in escalated] == [
            (1, at(11), ("head", "desk")), (2, at(21), ("board",)),
        ]  # fmt: skip
        assert {each.alert for each in escalated} == {raised.alert}

    def test_acknowledged_escalates_no_further(self, desk: Desk, log: Log) -> None:
        """Told twice it is the first telling again."""
        alerting, raised = self.raise_one(desk, log)

        first = done(desk, AcknowledgeAlert(raised.alert))
        again = done(desk, AcknowledgeAlert(raised.alert))
        done(desk, ReachTime(at=at(40)), tenant=MARKET_TENANT)  # type: ignore[arg-type]
        alerting.settle()

        assert (first.position, again.replayed) == (again.position, True)
        assert words(log) == ["raised", "acknowledged"]

    def test_resolved_comes_again_only_behind_a_clearing(self, desk: Desk, log: Log) -> None:
        """While it stays beyond, nobody is told again."""
        alerting, raised = self.raise_one(desk, log)

        done(desk, ResolveAlert(alert=raised.alert, reason="hedged"))
        for minute, price in enumerate((31, 32, 10, 33), start=2):
            mark(desk, minute, AAPL=price, MSFT=10)
        alerting.settle()

        assert words(log) == ["raised", "resolved", "raised"]
        ended = done(desk, AcknowledgeAlert(raised.alert))
        assert (ended.status, ended.code) == (Status.REJECTED, "alert_ended")

    def test_end_with_their_rule(self, desk: Desk, log: Log) -> None:
        """Retired, it raises nothing any more; nothing is left to judge."""
        alerting, _ = self.raise_one(desk, log)

        stale = done(desk, RetireAlertRule(alert_rule="one-name", version=2, reason="noise"))
        done(desk, RetireAlertRule(alert_rule="one-name", version=1, reason="noise"))
        mark(desk, 2, AAPL=40, MSFT=10)
        alerting.settle()

        assert stale.code == "version_stale"
        cleared = alerts_told(log)[-1]
        assert isinstance(cleared, AlertCleared)
        assert cleared.actual is None
        assert words(log) == ["raised", "cleared"]


class TestMetrics:
    """What operators see of it."""

    def test_say_what_was_judged_and_told_and_how_far(self, desk: Desk, log: Log) -> None:
        """Whatever leader told it: once."""

        def seen(name: str, **labels: str) -> float:
            return REGISTRY.get_sample_value(name, labels) or 0

        told = {"event": "alert.raised.v1"}
        before = seen("pms_alerts_told_total", **told), seen("pms_alerts_evaluated_total")
        two_names(desk)
        declare_rule(desk, "one-name", CONCENTRATED)
        mark(desk, 1, AAPL=30, MSFT=10)
        Alerting(desk, log, batch=1).settle()
        Alerting(desk, log).settle()

        assert seen("pms_alerts_told_total", **told) == before[0] + 1
        assert seen("pms_alerts_evaluated_total") > before[1]
        assert seen("pms_alerts_lag_positions") == 0
        mark(desk, 2, AAPL=30, MSFT=10)
        mark(desk, 3, AAPL=30, MSFT=10)
        late = Alerting(desk, log, batch=1)
        mark(desk, 4, AAPL=30, MSFT=10)
        mark(desk, 5, AAPL=30, MSFT=10)
        late.look()
        assert seen("pms_alerts_lag_positions") == 1


class TestReplay:
    """The alerts of a replayed history are those that were raised live."""

    def test_leads_to_the_same(self, desk: Desk, log: Log) -> None:
        """Live in steps, by leaders that came and went, and decided anew from the log."""
        two_names(desk)
        declare_rule(desk, "one-name", CONCENTRATED)
        declare_rule(desk, "fall", TENTH)
        later = AlertStep(level=AlertLevel.CRITICAL, after_seconds=20)
        steps = (RAISE, later, later)
        lasting = alert_terms(
            AlertKind.CONCENTRATION, "0.7", "0.6", lasting_seconds=30, steps=steps
        )
        declare_rule(desk, "lasting", lasting)
        scope = AlertScope(portfolio="alpha")
        declare_rule(desk, "gross", alert_terms(AlertKind.EXPOSURE, "3500", "3000", scope=scope))
        prices = (10, 30, 20, 40, 5, 35, 10, 80, 8)
        for minute, price in enumerate(prices, start=1):
            if minute % 3 == 0:
                slip = capture(f"s-{minute}", intent=Intent.EXECUTED, quantity=Decimal(500))
                done(desk, slip)
                Alerting(desk, log, batch=minute).settle()
                done(desk, bust(f"s-{minute}"))
            mark(desk, minute, AAPL=price, MSFT=10)
            if minute % 2:
                Alerting(desk, log, batch=3).settle()
        Alerting(desk, log, batch=1).settle()

        live = sorted(judged_live(log), key=in_order)
        assert len(live) > 10
        assert sum(isinstance(each.event, AlertEscalated) for each in live) > 2
        assert sorted(judged_anew(log), key=in_order) == live


def close(desk: Desk, **prices: str) -> None:
    """Close Monday."""
    closing = CloseSession(
        calendar="XNYS",
        session=MONDAY,
        starts_at=MORNING - timedelta(minutes=30),
        ends_at=MORNING + timedelta(hours=6),
        closes=tuple(
            Close(instrument=name, price=Decimal(price)) for name, price in prices.items()
        ),
    )
    done(desk, closing, tenant=MARKET_TENANT)
