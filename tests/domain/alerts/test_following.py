"""What another evaluation told of alerts, up to the position that it judged last."""

from collections.abc import Sequence

from domain.alerts.events import AlertCleared, AlertRuleRetired, JudgedEvent
from domain.alerts.terms import AlertKind
from tests.domain.alerts.story import Story
from tests.domain.alerts.test_values import invested


def of_two_rules(told: Sequence[JudgedEvent] = ()) -> Story:
    """An alert whose rule ends, and behind it one of another rule."""
    story = invested(told)
    story.rule(AlertKind.EXPOSURE, "500", "400")
    retired = AlertRuleRetired(
        alert_rule=AlertKind.EXPOSURE, version=1, retired_by="one", reason="noise"
    )
    story.tell(retired)
    story.rule(AlertKind.CONCENTRATION, "0.5", "0.4")
    return story


class TestWhatIsTold:
    """It is all there is up to there."""

    def test_is_not_judged_anew(self) -> None:
        """Neither then nor behind it."""
        told = of_two_rules().judged

        story = of_two_rules(told)
        story.mark(1, AAPL="11")

        assert [type(each).__name__ for each in told] == [
            "AlertRaised", "AlertCleared", "AlertRaised",
        ]  # fmt: skip
        assert story.words == []

    def test_leaves_no_alert_open_whose_rule_has_ended(self) -> None:
        """Where its end was never told, it is behind the last that was."""
        first, _, last = of_two_rules().judged

        story = of_two_rules((first, last))
        assert story.words == []
        story.time(1)

        (cleared,) = story.judged
        assert isinstance(cleared, AlertCleared)
        assert (cleared.alert, cleared.as_of) == (first.alert, last.as_of + 1)
