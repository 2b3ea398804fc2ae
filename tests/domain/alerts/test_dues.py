"""What falls due between two events: it is judged as all stood then, before the later is folded."""

from datetime import datetime, timedelta
from decimal import Decimal

from domain.alerts.events import AlertCleared, AlertEscalated, AlertRaised
from domain.alerts.terms import AlertKind, AlertLevel, AlertStep
from tests.domain.alerts.story import NOON, Story
from tests.domain.alerts.test_kinds import captured, raised
from tests.domain.alerts.test_values import deposited, invested, withdrawn


def at(seconds: int) -> datetime:
    """So many seconds behind noon."""
    return NOON + timedelta(seconds=seconds)


def beyond_for_a_minute() -> Story:
    """Beyond since noon, of a rule that waits for a minute."""
    story = invested()
    story.rule(AlertKind.EXPOSURE, "1050", "1000", lasting_seconds=60)
    story.mark(0, AAPL="11")
    assert story.words == []
    return story


class TestADuration:
    """For which a figure must be beyond."""

    def test_that_passed_before_the_figure_went_back_raises(self) -> None:
        """At its own time, by the figure of then, as of the event that told the time."""
        story = beyond_for_a_minute()
        story.mark(500, AAPL="10")

        first, cleared = story.judged
        assert isinstance(first, AlertRaised)
        assert isinstance(cleared, AlertCleared)
        assert (first.since, first.at, first.actual) == (at(0), at(60), Decimal(1_100))
        assert first.as_of == cleared.as_of == story.position
        assert first.market_position < story.position
        assert (cleared.at, cleared.actual) == (at(500), Decimal(1_000))

    def test_is_over_at_the_instant_it_ends(self) -> None:
        """It was beyond for all of it where the next figure is of just then; not a moment less."""
        story = beyond_for_a_minute()
        story.mark(60, AAPL="10")
        assert [each.at for each in story.judged if not isinstance(each, AlertRaised)] == [at(60)]
        assert story.words == ["raised", "cleared"]

        story = beyond_for_a_minute()
        story.mark(59, AAPL="10")
        story.time(500)
        assert story.words == []

    def test_is_of_what_stood_before_all_that_a_command_led_to(self) -> None:
        """Though its time is told by the last of its events."""
        story = invested()
        story.rule(AlertKind.LEVERAGE, "1.5", "1.2", lasting_seconds=60)
        story.tell(withdrawn("500", "-500"))
        story.tell(deposited("500", "0"), captured(1, 100))

        assert story.words == ["raised", "cleared"]
        assert raised(story).at == at(60)


class TestAStep:
    """Of an alert that nobody takes on."""

    STEPS = tuple(
        AlertStep(level=AlertLevel.WARNING, after_seconds=seconds) for seconds in (0, 60, 60)
    )

    def test_is_told_at_its_own_time(self) -> None:
        """Also where the figure clears with the event that tells the time."""
        story = invested()
        story.rule(AlertKind.EXPOSURE, "1050", "1000", steps=self.STEPS)
        story.mark(0, AAPL="11")
        story.mark(500, AAPL="10")

        assert story.words == ["raised", "escalated", "escalated", "cleared"]
        steps = [each for each in story.judged if isinstance(each, AlertEscalated)]
        assert [(each.step, each.at) for each in steps] == [(1, at(60)), (2, at(120))]


class TestAWindow:
    """What counts in it."""

    def test_has_passed_before_the_next_trade(self) -> None:
        """The alert cleared when the first of its trades counted no more."""
        story = Story()
        story.rule(AlertKind.TRADE_BURST, "1", "1", window_seconds=10)
        story.tell(captured(1, 0))
        story.tell(captured(2, 5))
        story.tell(captured(3, 100))

        assert story.words == ["raised", "cleared"]
        assert story.judged[-1].at == at(10)

    def test_goes_on_where_one_comes_as_another_leaves(self) -> None:
        """At one instant there are as many as before."""
        story = Story()
        story.rule(AlertKind.TRADE_BURST, "1", "1", window_seconds=10)
        for number, seconds in enumerate((0, 5, 10, 15)):
            story.tell(captured(number, seconds))
        assert story.words == ["raised"]

        story.time(20)

        assert story.words == ["raised", "cleared"]
