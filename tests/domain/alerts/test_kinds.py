"""Every kind of rule that is not judged by prices: what it counts, for whom, and when it clears."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from domain.alerts.declaring import check_terms
from domain.alerts.events import AlertAcknowledged, AlertRaised, AlertSubject, Contributor
from domain.alerts.terms import AlertKind, AlertLevel, AlertScope, AlertStep, AlertTerms
from domain.rejection import Breach, Rejection
from domain.trade import (
    Intent,
    Settlement,
    SettlementStatus,
    TradeAmendHeld,
    TradeBustHeld,
    TradeCaptured,
    TradeRefused,
    TradeSettled,
    TradeSettlementFailed,
)
from tests.domain.alerts.story import NOON, Story, capture, struck, trade
from tests.domain.alerts.test_values import bought


def captured(number: int, seconds: float | None = None, **changes: object) -> TradeCaptured:
    """A trade that was accepted."""
    content = capture(f"t-{number}", seconds, **changes)
    return TradeCaptured(trade_id=trade(number), capture=content, market_position=1)


def raised(story: Story) -> AlertRaised:
    """The one alert that was raised."""
    (found,) = (each for each in story.judged if isinstance(each, AlertRaised))
    return found


class TestABurst:
    """Trades within a window."""

    def test_counts_by_the_time_of_trades_and_clears_as_they_grow_old(self) -> None:
        """Three within ten seconds are beyond two; time alone clears it."""
        story = Story()
        story.rule(AlertKind.TRADE_BURST, "2", "0", window_seconds=10)
        for number, seconds in enumerate((1, 12, 13, 14)):
            story.tell(captured(number, seconds))
        assert story.words == ["raised"]

        story.time(23)
        assert story.words == ["raised"]
        story.time(24)

        assert story.words == ["raised", "cleared"]
        assert raised(story).subject == AlertSubject(portfolio="growth")
        assert raised(story).contributors == (Contributor("AAPL", Decimal(3)),)

    def test_counts_what_comes_late_at_its_own_time(self) -> None:
        """Two of twenty seconds ago are no burst now, whatever was done since."""
        story = Story()
        story.rule(AlertKind.TRADE_BURST, "2", "0", window_seconds=10)
        for number, seconds in enumerate((20, 1, 2)):
            story.tell(captured(number, seconds))
        assert story.words == []

        story.tell(captured(3, 19), captured(4, 18))

        assert story.words == ["raised"]
        assert story.watching.due == NOON + timedelta(seconds=28)

    def test_of_a_mistyped_time_counts_when_it_came(self) -> None:
        """A trade of tomorrow moves business time to when it came, and no further."""
        story = Story()
        story.rule(AlertKind.TRADE_BURST, "0", "0", window_seconds=10)
        mistyped = replace(captured(1, 86_400), received_at=NOON)
        story.tell(mistyped)
        assert raised(story).at == NOON + timedelta(seconds=5)

        story.time(15)

        assert story.words == ["raised", "cleared"]

    def test_resolved_by_a_person_clears_in_time_all_the_same(self) -> None:
        """What a person tells does not lose when it is due: it is raised again behind it."""
        story = Story()
        story.rule(
            AlertKind.TRADE_BURST,
            "0",
            "0",
            window_seconds=10,
            steps=(
                AlertStep(level=AlertLevel.WARNING),
                AlertStep(level=AlertLevel.CRITICAL, after_seconds=5),
            ),
        )
        story.tell(captured(1, 1))

        story.tell(AlertAcknowledged(alert=raised(story).alert, acknowledged_by="two"))
        story.time(11)

        assert story.words == ["raised", "cleared"]

    def test_of_a_source_counts_that_one_only(self) -> None:
        """Over its portfolios."""
        story = Story()
        scope = AlertScope(source="oms")
        story.rule(AlertKind.TRADE_BURST, "1", "0", window_seconds=10, scope=scope)
        story.tell(captured(1, 1))
        story.tell(captured(2, 1, source="other"))
        assert story.words == []
        story.tell(captured(3, 2, portfolio="income"))

        assert raised(story).subject == AlertSubject(source="oms")

    def test_counts_no_import_that_has_dates_only(self) -> None:
        """Executed long ago; what is proposed now counts when it comes."""
        story = Story()
        story.rule(AlertKind.TRADE_BURST, "1", "0", window_seconds=10)
        for number in range(5):
            dated = {"intent": Intent.EXECUTED, "trade_date": NOON.date()}
            story.tell(captured(number, None, **dated))
        assert story.words == []

        story.tell(captured(6), captured(7))
        assert story.words == ["raised"]


class TestRefusals:
    """Refused trades of a source."""

    def test_name_the_rule_that_refused_most(self) -> None:
        """By its code."""
        story = Story()
        story.rule(AlertKind.REFUSALS, "1", "0", window_seconds=60)
        for number in (1, 2):
            refused = TradeRefused(
                trade_id=trade(number),
                capture=capture(f"t-{number}", number),
                market_position=1,
                breaches=(Breach("insufficient_cash", "Not enough."),),
            )
            story.tell(refused)

        assert raised(story).subject == AlertSubject(source="oms")
        assert raised(story).contributors == (Contributor("insufficient_cash", Decimal(2)),)

    def test_move_no_business_time(self) -> None:
        """What was refused was never done."""
        story = Story()
        story.rule(AlertKind.REFUSALS, "0", "0", window_seconds=60)
        breaches = (Breach("time_from_the_future", "Not yet."),)
        refused = TradeRefused(
            trade_id=trade(1),
            capture=capture("t-1", 86_400),
            market_position=1,
            breaches=breaches,
            received_at=NOON,
        )
        story.tell(refused)
        assert raised(story).at == NOON

        story.time(65)

        assert story.words == ["raised", "cleared"]


class TestWhatStands:
    """Settlements that fail, and corrections that wait."""

    def test_a_fail_raises_and_its_settlement_clears(self) -> None:
        """Also one that stood before the rule was declared."""
        story = Story()
        failed = Settlement(SettlementStatus.FAILED, Decimal(0), Decimal(0), "no_securities")
        named: dict[str, Any] = {
            "trade_id": trade(1),
            "portfolio": "growth",
            "source": "oms",
            "external_id": "t",
        }
        told = TradeSettlementFailed(
            **named, settlement=failed, failure_id="f", failed_on=NOON.date(), reason="none"
        )
        story.tell(told)
        story.rule(AlertKind.SETTLEMENT_FAILS, "0", "0")
        assert story.words == ["raised"]

        settled = Settlement(SettlementStatus.SETTLED, Decimal(100), Decimal(-1_000))
        story.tell(
            TradeSettled(**named, settlement=settled, settlement_id="s", settled_on=NOON.date())
        )

        assert story.words == ["raised", "cleared"]

    def test_a_correction_alerts_once_it_waited_too_long(self) -> None:
        """And its trade's capture clears it."""
        story = Story()
        story.rule(AlertKind.WAITING_AMENDS, "0", "0", lasting_seconds=600)
        story.tell(TradeAmendHeld(trade_id=trade(1), revision=1, capture=capture("t-1")))
        story.tell(
            TradeBustHeld(
                trade_id=trade(2), portfolio="growth", source="oms", external_id="t", reason="typo"
            )
        )
        story.time(599)
        assert story.words == []
        story.time(600)
        assert raised(story).actual == 2
        assert raised(story).since == NOON

        story.tell(captured(1), captured(2))
        assert story.words == ["raised", "cleared"]


class TestAStalePrice:
    """The age of a mark that somebody needs."""

    def test_comes_with_time_and_goes_with_a_mark(self) -> None:
        """Just behind the level; of a name nobody holds nothing is said."""
        story = Story()
        story.rule(AlertKind.PRICE_STALE, "60", "0")
        story.mark(0, AAPL="10", MSFT="10")
        story.tell(bought("AAPL", 100, "10"))
        story.time(60)
        assert story.words == []
        assert story.watching.due == NOON + timedelta(seconds=60, microseconds=1)

        story.time(61)
        story.mark(62, AAPL="11")

        assert raised(story).subject == AlertSubject(instrument="AAPL")
        assert raised(story).contributors == (Contributor("growth", Decimal(100)),)
        assert story.words == ["raised", "cleared"]


class TestValueAtRisk:
    """Struck at a session's end."""

    def test_is_judged_as_a_fraction_of_the_nav_struck_with_it(self) -> None:
        """At the level asked for; without a figure nothing is said."""
        story = Story()
        story.rule(AlertKind.VALUE_AT_RISK, "0.05", "0.04", confidence=Decimal("0.99"))
        for figures in (
            struck("4900", "100000"), struck("9000", "100000", "0.95"), struck(None, "100000"),
            struck("9000", None),
        ):  # fmt: skip
            story.tell(figures)
        assert story.words == []

        story.tell(struck("5100", "100000"))
        story.tell(struck(None, "100000"))
        story.tell(struck("3000", "100000"))

        assert raised(story).actual == Decimal("0.051")
        assert story.words == ["raised", "cleared"]


class TestTerms:
    """What a rule must say."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"clear_at": Decimal(3)},
            {"raise_above": Decimal(-1), "clear_at": Decimal(-1)},
            {"kind": AlertKind.DRAWDOWN},
            {"window_seconds": 60},
            {"kind": AlertKind.REFUSALS},
            {"confidence": Decimal("0.99")},
            {"kind": AlertKind.VALUE_AT_RISK},
            {"kind": AlertKind.VALUE_AT_RISK, "confidence": Decimal("0.98")},
            {"scope": AlertScope(instrument="AAPL")},
            {"scope": AlertScope(source="oms")},
            {"steps": ()},
            {"lasting_seconds": -1},
        ],
    )
    def test_that_cannot_be_meant_are_refused(self, changes: dict[str, object]) -> None:
        """Each with what to do."""
        wanted: dict[str, object] = {
            "kind": AlertKind.LEVERAGE,
            "scope": AlertScope(),
            "raise_above": Decimal(2),
            "clear_at": Decimal(1),
            "steps": (AlertStep(level=AlertLevel.INFO),),
        }
        check_terms(AlertTerms(**wanted))  # type: ignore[arg-type]

        with pytest.raises(Rejection) as refused:
            check_terms(AlertTerms(**(wanted | changes)))  # type: ignore[arg-type]

        assert refused.value.code == "alert_terms_invalid"
