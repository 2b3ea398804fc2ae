"""Amends and busts of trades: before their trade or after, in any order (convention 3)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain import book
from domain.correcting import Amend, amend_trade, bust_trade
from domain.portfolio.life import PeriodClosed
from domain.rejection import Conflict, Rejection
from domain.trade import (
    TradeAmended,
    TradeAmendHeld,
    TradeAmendSuperseded,
    TradeBusted,
    TradeBustHeld,
    TradeCaptured,
    TradeParked,
    TradeReassigned,
)
from tests.domain.blotter import (
    CASH,
    LATER,
    OTHER_FUND,
    Blotter,
    Bust,
    Message,
    Registration,
)
from tests.domain.scenes import (
    APPLE,
    DESK,
    FRIDAY_NOON,
    FUND,
    SELL,
    TUESDAY,
    captured,
    exact,
    name_of,
    told,
)

NAME = name_of("t-1")


def amend(revision: int = 1, reason: str | None = None, **changes: Any) -> Amend:
    """A revision of it, with changes."""
    return Amend(revision, told(**changes), reason)


def held_in(blotter: Blotter, portfolio: str = FUND, instrument: str = APPLE) -> Decimal:
    """The quantity held."""
    return blotter.portfolios[portfolio].book(instrument).quantity


def spent(blotter: Blotter, portfolio: str = FUND) -> Decimal:
    """What trading took of a portfolio's dollars."""
    return CASH - blotter.portfolios[portfolio].balance("USD")


class TestAmending:
    """The highest revision replaces everything; the books are as if it had been told at once."""

    def test_replaces_what_was_booked(self) -> None:
        """100 at 10, amended to 90 at 11: taken out and booked anew in one append."""
        blotter = Blotter()
        blotter.tell(told())

        events = blotter.tell(amend(quantity=Decimal(90), price=Decimal(11), reason="wrong_size"))

        assert events == (
            TradeAmended(
                trade_id=NAME,
                revision=1,
                capture=told(quantity=Decimal(90), price=Decimal(11)),
                market_position=7,
                received_at=FRIDAY_NOON,
                reason="wrong_size",
            ),
        )
        assert (held_in(blotter), spent(blotter)) == exact(90, 990)

    def test_books_in_spite_of_breaches_and_carries_them(self) -> None:
        """It is a fact: no cash is a warning, counted without what the trade had spent before."""
        blotter = Blotter()
        blotter.tell(told())

        (within_cash,) = blotter.tell(amend(1, quantity=Decimal(1_000)))
        (beyond,) = blotter.tell(amend(2, quantity=Decimal(1_001)))

        assert isinstance(within_cash, TradeAmended)
        assert isinstance(beyond, TradeAmended)
        assert within_cash.breaches == ()
        assert [each.rule for each in beyond.breaches] == ["insufficient_cash"]
        assert held_in(blotter) == 1_001

    def test_may_change_portfolio_and_instrument(self) -> None:
        """It leaves the one portfolio, which is told so, and is booked in the other."""
        blotter = Blotter()
        blotter.tell(Registration(), told())

        events = blotter.tell(amend(portfolio=OTHER_FUND, instrument=LATER))

        assert events[1:] == (
            TradeReassigned(trade_id=NAME, portfolio=FUND, to_portfolio=OTHER_FUND),
        )
        assert (held_in(blotter), spent(blotter)) == exact(0, 0)
        assert (held_in(blotter, OTHER_FUND, LATER), spent(blotter, OTHER_FUND)) == exact(
            100, 1_000
        )

    def test_restates_what_followed(self) -> None:
        """Bought at 10, sold on Tuesday at 12: amended to 9, that sale realised 100 more."""
        blotter = Blotter()
        blotter.tell(told(), told("t-2", side=SELL, price=Decimal(12), trade_date=TUESDAY))

        blotter.tell(amend(price=Decimal(9)))

        assert blotter.portfolios[FUND].book(APPLE).realised_gross == 300

    def test_parks_what_it_moves_to_an_unknown_instrument(self) -> None:
        """It is taken out, waits with its new content, and is released with that."""
        blotter = Blotter()
        blotter.tell(told())

        events = blotter.tell(amend(instrument=LATER, quantity=Decimal(70)))
        waiting = (held_in(blotter), spent(blotter))
        blotter.tell(Registration())

        assert [type(event) for event in events] == [TradeAmended, TradeParked]
        assert waiting == exact(0, 0)
        assert held_in(blotter, instrument=LATER) == 70

    def test_replaces_what_a_parked_trade_is_released_with(self) -> None:
        """Parked, amended to a known instrument: booked at once, and not again."""
        blotter = Blotter()
        blotter.tell(told(instrument=LATER))

        blotter.tell(amend(quantity=Decimal(70)), Registration())

        assert (held_in(blotter), held_in(blotter, instrument=LATER)) == exact(70, 0)

    def test_after_a_higher_revision_changes_nothing(self) -> None:
        """It is recorded, with the revision that stands over it."""
        blotter = Blotter()
        blotter.tell(told(), amend(3, quantity=Decimal(70)))

        events = blotter.tell(amend(2, quantity=Decimal(60)))

        assert events == (
            TradeAmendSuperseded(
                trade_id=NAME,
                revision=2,
                capture=told(quantity=Decimal(60)),
                by_revision=3,
                received_at=FRIDAY_NOON,
            ),
        )
        assert held_in(blotter) == 70

    def test_told_again_is_the_same(self) -> None:
        """Revision 1 again, also once revision 2 stands over it."""
        blotter = Blotter()
        blotter.tell(told(), amend(1, quantity=Decimal(70)), amend(2, quantity=Decimal(60)))

        assert blotter.tell(amend(1, quantity=Decimal(70))) == ()

    def test_of_the_same_revision_with_other_content_is_a_conflict(self) -> None:
        """Naming what differs."""
        blotter = Blotter()
        blotter.tell(told(), amend(1, quantity=Decimal(70)))

        with pytest.raises(Conflict) as refused:
            blotter.tell(amend(1, quantity=Decimal(70), price=Decimal(9)))

        assert (refused.value.code, refused.value.fields) == ("revision_conflict", ("price",))

    @pytest.mark.parametrize("before", [[told()], []])
    @pytest.mark.parametrize(
        ("code", "changes"),
        [
            ("portfolio_unknown", {"portfolio": "nowhere"}),
            ("currency_unknown", {"currency": "XXX"}),
            ("currency_mismatch", {"currency": "EUR"}),
        ],
    )
    def test_that_is_not_understood_is_refused(
        self, code: str, changes: dict[str, Any], before: list[Message]
    ) -> None:
        """Also where its trade is not known yet."""
        blotter = Blotter()
        blotter.tell(*before)

        with pytest.raises(Rejection) as refused:
            blotter.tell(amend(**changes))

        assert refused.value.code == code


class TestBusting:
    """A bust is final: nothing of the trade stays in the books, whatever is told of it later."""

    def test_takes_the_trade_out(self) -> None:
        """As if it had not been."""
        blotter = Blotter()
        blotter.tell(told())

        events = blotter.tell(Bust("t-1"))

        assert events == (
            TradeBusted(
                trade_id=NAME,
                portfolio=FUND,
                source=DESK,
                external_id="t-1",
                reason="cancelled_by_venue",
                received_at=FRIDAY_NOON,
            ),
        )
        assert (held_in(blotter), spent(blotter)) == exact(0, 0)

    def test_ends_a_parked_trade(self) -> None:
        """Nothing is released when its instrument appears."""
        blotter = Blotter()

        blotter.tell(told(instrument=LATER), Bust("t-1"), Registration())

        assert held_in(blotter, instrument=LATER) == 0

    def test_stands_over_any_later_revision(self) -> None:
        """Which is recorded and changes nothing."""
        blotter = Blotter()
        blotter.tell(told(), Bust("t-1"))

        (event,) = blotter.tell(amend(9))

        assert isinstance(event, TradeAmendSuperseded)
        assert event.by_revision is None
        assert held_in(blotter) == 0

    def test_is_told_in_the_portfolio_where_the_trade_is(self) -> None:
        """Whatever portfolio it names: a trade is named by its source and id."""
        blotter = Blotter()
        blotter.tell(told())

        (event,) = blotter.tell(Bust("t-1", portfolio=OTHER_FUND))

        assert isinstance(event, TradeBusted)
        assert event.portfolio == FUND

    def test_of_an_unknown_portfolio_is_refused(self) -> None:
        """Nobody could see it wait."""
        with pytest.raises(Rejection) as refused:
            Blotter().tell(Bust("t-1", portfolio="nowhere"))

        assert refused.value.code == "portfolio_unknown"


class TestComingBeforeTheTrade:
    """What comes before its trade is held; the capture is recorded, and only what holds booked."""

    def test_an_amend_waits(self) -> None:
        """Then it holds, as received then and told with its reason."""
        blotter = Blotter()

        (held,) = blotter.tell(amend(2, quantity=Decimal(70), reason="wrong_size"))
        first, amended = blotter.tell(told())

        assert held == TradeAmendHeld(
            trade_id=NAME,
            revision=2,
            capture=told(quantity=Decimal(70)),
            received_at=FRIDAY_NOON,
            reason="wrong_size",
        )
        assert isinstance(first, TradeCaptured)
        assert first.capture == told()
        assert isinstance(amended, TradeAmended)
        assert (amended.revision, amended.reason) == (2, "wrong_size")
        assert (held_in(blotter), spent(blotter)) == exact(70, 700)

    def test_the_highest_of_them_holds(self) -> None:
        """Revision 3, then 2: that one is superseded at once."""
        blotter = Blotter()
        blotter.tell(amend(3, quantity=Decimal(70)))

        (event,) = blotter.tell(amend(2, quantity=Decimal(60)))
        blotter.tell(told())

        assert isinstance(event, TradeAmendSuperseded)
        assert held_in(blotter) == 70

    def test_a_bust_waits(self) -> None:
        """Then nothing is booked."""
        blotter = Blotter()

        (held,) = blotter.tell(Bust("t-1"))
        events = blotter.tell(told())

        assert isinstance(held, TradeBustHeld)
        assert [type(event) for event in events] == [TradeCaptured, TradeBusted]
        assert (held_in(blotter), spent(blotter)) == exact(0, 0)

    def test_what_waited_in_another_portfolio_is_ended_there(self) -> None:
        """An amend held for the one, the trade captured in the other, the bust in both."""
        blotter = Blotter()
        blotter.tell(amend(1, portfolio=OTHER_FUND), Bust("t-1", portfolio=OTHER_FUND))

        events = blotter.tell(told())

        assert events[1:] == (
            TradeBusted(
                trade_id=NAME,
                portfolio=FUND,
                source=DESK,
                external_id="t-1",
                reason="cancelled_by_venue",
                received_at=FRIDAY_NOON,
            ),
            TradeReassigned(trade_id=NAME, portfolio=OTHER_FUND, to_portfolio=FUND),
        )

    def test_a_refused_proposal_leaves_them_held(self) -> None:
        """No cash for it; a later capture under the same name meets them still."""
        blotter = Blotter()
        blotter.tell(amend(1, quantity=Decimal(70)))

        with pytest.raises(Rejection):
            blotter.tell(captured(quantity=Decimal(100_000)))
        blotter.tell(told())

        assert held_in(blotter) == 70

    def test_an_amend_whose_currency_turns_out_wrong_parks_the_trade(self) -> None:
        """Its instrument appeared in another currency meanwhile: visible, and nothing is booked."""
        blotter = Blotter()
        blotter.tell(amend(1, instrument=LATER, currency="EUR"), Registration())

        events = blotter.tell(told(instrument=LATER))

        assert [type(event) for event in events] == [TradeCaptured, TradeAmended, TradeParked]
        assert held_in(blotter, instrument=LATER) == 0


class TestInClosedBooks:
    """Facts are booked there too, and say that they touch what is closed."""

    @pytest.mark.parametrize("is_bust", [True, False])
    def test_names_the_period_it_restates(self, *, is_bust: bool) -> None:
        """A bust, and an amend that takes the trade out of the period."""
        blotter = Blotter()
        blotter.tell(told())
        held = blotter.portfolios[FUND]
        held.apply(PeriodClosed(portfolio=FUND, until=FRIDAY_NOON.date()))
        trade = blotter.trade("t-1")

        if is_bust:
            bust = TradeBustHeld(
                trade_id=NAME,
                portfolio=FUND,
                source=DESK,
                external_id="t-1",
                reason="cancelled_by_venue",
                received_at=FRIDAY_NOON,
            )
            decided = bust_trade(trade, bust, named=held, around=blotter.around)
        else:
            later = amend(trade_date=FRIDAY_NOON.date() + timedelta(days=3), executed_at=None)
            decided = amend_trade(trade, later, trade_id=NAME, around=blotter.around)

        assert "period_closed" in [breach.rule for breach in decided.breaches]


class TestWorkedOutOnce:
    """What deciding a correction worked out is taken over when its events are folded."""

    def test_keeps_the_checkpoints_of_a_long_book(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """After a bust and an amend far back, as it would after a late trade."""
        monkeypatch.setattr(book, "CHECKPOINT_FILLS", 10)
        blotter = Blotter()
        for number in range(100):
            at = FRIDAY_NOON + timedelta(hours=number)
            blotter.tell(told(f"t-{number}", executed_at=at, trade_date=at.date()))

        blotter.tell(Bust("t-20"))
        held = blotter.portfolios[FUND].book(APPLE)
        assert len(held.checkpoints) >= 2
        content = told("t-30", executed_at=FRIDAY_NOON + timedelta(hours=31), quantity=Decimal(5))
        blotter.tell(Amend(1, content, None))

        held = blotter.portfolios[FUND].book(APPLE)
        assert len(held.checkpoints) >= 2
        assert held.steps
