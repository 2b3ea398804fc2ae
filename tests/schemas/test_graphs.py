"""Evaluation that goes on from a document tells what one that never stopped tells."""

import zlib
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.alerts.events import (
    AlertAcknowledged,
    AlertRaised,
    AlertResolved,
    AlertRuleRetired,
)
from domain.alerts.terms import AlertKind, AlertLevel, AlertStep
from domain.alerts.watching import Watching
from domain.held import BookTotals
from domain.portfolio.events import Reason, TradeUnbooked
from domain.trade import (
    Settlement,
    SettlementStatus,
    TradeAmendHeld,
    TradeRefused,
    TradeSettlementFailed,
)
from schemas.graphs import Unreadable, Unwritable, code_digest, read, written
from tests.domain.alerts.story import NOON, Story, capture, struck, trade
from tests.domain.alerts.test_highs import close, correct
from tests.domain.alerts.test_kinds import captured
from tests.domain.alerts.test_values import bought, deposited, invested, withdrawn

STEPS = (
    AlertStep(level=AlertLevel.WARNING),
    AlertStep(level=AlertLevel.CRITICAL, after_seconds=900),
)
RULES: tuple[tuple[AlertKind, str, str, dict[str, object]], ...] = (
    (AlertKind.DRAWDOWN, "0.1", "0.05", {"steps": STEPS}),
    (AlertKind.LOSS_ON_DAY, "0.05", "0.01", {"lasting_seconds": 1_800}),
    (AlertKind.EXPOSURE, "1100", "1000", {"steps": STEPS}),
    (AlertKind.CONCENTRATION, "0.6", "0.5", {}),
    (AlertKind.LEVERAGE, "1.2", "1.1", {}),
    (AlertKind.PRICE_STALE, "7200", "3600", {}),
    (AlertKind.TRADE_BURST, "1", "0", {"window_seconds": 1_200}),
    (AlertKind.REFUSALS, "0", "0", {"window_seconds": 3_600}),
    (AlertKind.VALUE_AT_RISK, "0.05", "0.04", {"confidence": Decimal("0.99")}),
    (AlertKind.SETTLEMENT_FAILS, "0", "0", {}),
    (AlertKind.WAITING_AMENDS, "0", "0", {"lasting_seconds": 600}),
)
ACTS = (
    "mark", "mark", "mark", "time", "flow", "buy", "bust", "close", "correct", "capture", "refuse",
    "strike", "fail", "hold", "rule", "retire", "acknowledge", "resolve",
)  # fmt: skip
Act = tuple[str, int, int]


def told(story: Story, acts: list[Act], meanwhile: Callable[[Story, int], None]) -> Story:
    """Tell a story act by act: each with a number to choose by, and how many seconds later."""
    seconds = 0
    for place, (act, number, later) in enumerate(acts):
        seconds += later
        tell(story, act, number, seconds)
        meanwhile(story, place)
    story.time(seconds + 100_000)
    return story


def tell(story: Story, act: str, number: int, seconds: int) -> None:
    """Tell one act."""
    slip = replace(bought("MSFT", 10 + number, "10"), cash_after=Decimal(number))
    kind, raise_above, clear_at, changes = RULES[number % len(RULES)]
    raised = [each for each in story.judged if isinstance(each, AlertRaised)]
    match act:
        case "mark":
            story.mark(seconds, **{("AAPL", "MSFT")[number % 2]: str(7 + number % 8)})
        case "time":
            story.time(seconds)
        case "flow":
            move = deposited if number % 2 else withdrawn
            story.tell(move(str(100 + number), str(200 + number)))
        case "buy":
            story.tell(slip)
        case "bust":
            unbooked = TradeUnbooked(
                portfolio="growth", instrument="MSFT", currency="USD", fill=slip.fill,
                reason=Reason.BUSTED, totals=BookTotals(quantity=Decimal(0), cost=Decimal(0)),
                cash_change=Decimal(100), cash_after=Decimal(number),
            )  # fmt: skip
            story.tell(unbooked)
        case "close":
            close(story, str(7 + number % 8))
        case "correct":
            correct(story, str(7 + number % 8))
        case "capture":
            story.tell(captured(number, seconds))
        case "refuse":
            story.tell(
                TradeRefused(
                    trade_id=trade(number), capture=capture("no", seconds), market_position=1,
                    breaches=(),
                )
            )  # fmt: skip
        case "strike":
            story.tell(struck(str(30 + 5 * number), "1000"))
        case "fail":
            failed = Settlement(SettlementStatus.FAILED, Decimal(0), Decimal(0))
            story.tell(
                TradeSettlementFailed(
                    trade_id=trade(number), portfolio="growth", source="oms", external_id="t",
                    settlement=failed, failure_id="f", failed_on=NOON.date(), reason="none",
                )
            )  # fmt: skip
        case "hold":
            capture_held = capture(f"t-{number}")
            story.tell(TradeAmendHeld(trade_id=trade(number), revision=1, capture=capture_held))
        case "rule":
            story.rule(kind, raise_above, clear_at, **changes)
        case "retire":
            rule = story.watching.tenants["acme"].rules.in_force.get(kind)
            if rule is not None:
                story.tell(
                    AlertRuleRetired(alert_rule=kind, version=1, retired_by="one", reason="noise")
                )
        case "acknowledge" if raised:
            story.tell(AlertAcknowledged(alert=raised[-1].alert, acknowledged_by="one"))
        case "resolve" if raised:
            story.tell(AlertResolved(alert=raised[-1].alert, resolved_by="one", reason="hedged"))


def go_on_from_a_document(story: Story, _place: int = 0) -> None:
    """Forget all that was folded, but for what was written of it."""
    story.watching = read(written(story.watching))


acts = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, 20), st.integers(0, 20_000)), max_size=40
)


class TestGoingOn:
    """From a document at any cut."""

    @settings(max_examples=60)
    @given(acts, st.sets(st.integers(0, 39)), st.permutations(range(len(RULES))))
    def test_tells_what_the_whole_fold_tells(
        self, acts: list[Act], cuts: set[int], rules: list[int]
    ) -> None:
        """Every event, with every figure and contributor, of every kind of rule."""

        def begun() -> Story:
            story = invested()
            for each in rules[: len(rules) // 2]:
                kind, raise_above, clear_at, changes = RULES[each]
                story.rule(kind, raise_above, clear_at, **changes)
            return story

        whole = told(begun(), acts, lambda _story, _place: None)
        cut = told(
            begun(),
            acts,
            lambda story, place: go_on_from_a_document(story) if place in cuts else None,
        )

        assert cut.judged == whole.judged
        assert cut.watching.evaluations == whole.watching.evaluations

    def test_holds_of_what_is_told_by_others(self) -> None:
        """Up to where another evaluation judged, and behind it."""
        others = invested()
        others.rule(AlertKind.EXPOSURE, "500", "400")
        story = invested(others.judged)
        go_on_from_a_document(story)
        story.rule(AlertKind.EXPOSURE, "500", "400")
        go_on_from_a_document(story)
        story.mark(1, AAPL="3")

        assert story.words == ["cleared"]


class TestADocument:
    """It is read as it was written, or not at all."""

    def test_is_the_same_written_again(self) -> None:
        """Nothing is lost on the way."""
        story = invested()
        for kind, raise_above, clear_at, changes in RULES:
            story.rule(kind, raise_above, clear_at, **changes)
        story.mark(1, AAPL="3")

        document = written(story.watching)

        assert written(read(document)) == document
        assert isinstance(read(document), Watching)

    def test_names_no_class_but_the_domains(self) -> None:
        """Nothing else is made or run, whatever the bytes say."""
        for node in (["object", "subprocess:Popen", {}], ["class", "domain.alerts.watch:deque"]):
            with pytest.raises(Unreadable, match="no class of the domain"):
                read(msgspec.msgpack.encode([[0], [node]]))

    def test_that_is_damaged_is_told_so(self) -> None:
        """Cut off, another document, or none."""
        document = written(invested().watching)
        for damaged in (
            document[:-1],
            b"",
            zlib.compress(document),
            document[: len(document) // 2],
        ):
            with pytest.raises(Unreadable):
                read(damaged)

    def test_takes_no_function(self) -> None:
        """It would be lost: nothing is written that could not be read."""
        with pytest.raises(Unwritable, match="function"):
            written([lambda: None])
        with pytest.raises(Unwritable, match="NoDomain"):
            written(type("NoDomain", (), {})())

    def test_is_named_by_the_code_of_the_domain(self) -> None:
        """One name of one code."""
        assert code_digest() == code_digest()
        assert len(code_digest()) == 16
