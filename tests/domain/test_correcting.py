"""Corrected and cancelled closes, and what they mean for the closes around them (convention 5)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from domain.market import Close, CloseCorrected, Finding, FollowingClose, SessionClosed
from domain.marking import Market, close_session, correct_close
from domain.rejection import Rejection
from tests.domain.scenes import (
    FRIDAY_NOON,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    bar,
    close,
    day_of,
    exact,
    market_after,
)

THURSDAY = WEDNESDAY + timedelta(days=1)
FAR = (Finding.FAR_FROM_PREVIOUS,)
BEFORE, WRONG, RIGHT, AFTER = exact("35.35", "17.87", "35.74", "35.91")
"""LNT on and around 2016-05-19, where the five-year file has a wrong close."""


def tuesday(price: Decimal = WRONG) -> SessionClosed:
    """The session whose close is wrong."""
    starts_at, ends_at = day_of(TUESDAY)
    return SessionClosed(
        calendar="XNYS",
        session=TUESDAY,
        starts_at=starts_at,
        ends_at=ends_at,
        closes=(close("LNT", price),),
    )


def correcting(
    price: Decimal | None,
    *,
    replaces: Decimal | None = WRONG,
    previous: Decimal | None = BEFORE,
    following: Close | None = None,
) -> CloseCorrected:
    """Decide a correction of Tuesday's close of LNT."""
    return correct_close(
        closed=tuesday(),
        instrument="LNT",
        price=price,
        replaces=replaces,
        reason="wrong_source_price",
        previous=previous,
        following=None if following is None else (WEDNESDAY, following),
    )


def corrected(
    price: Decimal | None, replaces: Decimal | None, session: date = TUESDAY, name: str = "LNT"
) -> CloseCorrected:
    """A correction as a market folds it."""
    return CloseCorrected(
        calendar="XNYS",
        session=session,
        ends_at=day_of(session)[1],
        instrument=name,
        price=price,
        replaces=replaces,
        reason="wrong_source_price",
    )


def next_findings(market: Market, price: object) -> tuple[Finding, ...]:
    """What would be found about a close of LNT on Thursday."""
    starts_at, ends_at = day_of(THURSDAY)
    event = close_session(
        market,
        calendar="XNYS",
        session=THURSDAY,
        starts_at=starts_at,
        ends_at=ends_at,
        closes=(close("LNT", Decimal(str(price))),),
        known={"LNT": None},
        now=FRIDAY_NOON,
    )
    assert event is not None
    return event.closes[0].findings


class TestCorrectingAClose:
    """The close is replaced; it and the next one are judged anew."""

    def test_clears_what_was_found_about_both(self) -> None:
        """LNT: 17.87 becomes 35.74, and 35.91 after it is no longer suspect."""
        following = Close(instrument="LNT", price=AFTER, findings=FAR)

        event = correcting(RIGHT, following=following)

        assert event == CloseCorrected(
            calendar="XNYS",
            session=TUESDAY,
            ends_at=day_of(TUESDAY)[1],
            instrument="LNT",
            price=RIGHT,
            replaces=WRONG,
            reason="wrong_source_price",
            following=FollowingClose(WEDNESDAY, ()),
        )

    def test_may_be_suspect_itself_and_make_the_next_one_so(self) -> None:
        """A right close corrected to a wrong one: both are listed."""
        event = correcting(WRONG, replaces=RIGHT, following=close("LNT", AFTER))

        assert event.findings == FAR
        assert event.following == FollowingClose(WEDNESDAY, FAR)

    def test_keeps_what_is_wrong_with_the_next_bar_itself(self) -> None:
        """Only the finding that depends on this close is judged anew."""
        own = (Finding.NO_OPEN, Finding.NO_VOLUME)
        following = Close(instrument="LNT", price=AFTER, findings=FAR + own)

        event = correcting(RIGHT, following=following)

        assert event.following == FollowingClose(WEDNESDAY, own)

    def test_compares_the_next_one_with_the_one_before_when_cancelled(self) -> None:
        """Without a close on Tuesday, Wednesday's stands behind Monday's."""
        event = correcting(None, following=Close(instrument="LNT", price=AFTER, findings=FAR))

        assert (event.price, event.replaces, event.findings) == (None, WRONG, ())
        assert event.following == FollowingClose(WEDNESDAY, ())

    def test_finds_the_next_one_far_from_the_one_before_when_cancelled(self) -> None:
        """A close in the middle of a steep fall is cancelled: the fall is one step now."""
        event = correcting(None, replaces=Decimal(25), following=close("LNT", WRONG))

        assert event.following == FollowingClose(WEDNESDAY, FAR)

    def test_finds_nothing_where_nothing_stands_before(self) -> None:
        """The first close of all cannot be far from anything, nor the next one when cancelled."""
        assert correcting(RIGHT, previous=None).findings == ()
        cancelled = correcting(None, previous=None, following=close("LNT", 1))
        assert cancelled.following == FollowingClose(WEDNESDAY, ())

    def test_adds_a_close_where_the_session_had_none(self) -> None:
        """It replaces nothing, which the event says."""
        event = correcting(RIGHT, replaces=None)

        assert (event.price, event.replaces) == (RIGHT, None)

    @pytest.mark.parametrize("price", [WRONG, None])
    def test_refuses_a_correction_that_changes_nothing(self, price: Decimal | None) -> None:
        """The same price again, or cancelling what is not there."""
        with pytest.raises(Rejection) as refused:
            correcting(price, replaces=price)

        assert refused.value.code == "close_unchanged"


class TestTheMarketAfterACorrection:
    """The next session's closes are judged against the closes as they now stand."""

    def given(self) -> Market:
        """LNT closed at 35.35, 17.87 and 35.91, Monday to Wednesday."""
        return market_after(
            (MONDAY, close("LNT", BEFORE)),
            (TUESDAY, close("LNT", WRONG)),
            (WEDNESDAY, close("LNT", AFTER)),
        )

    def test_uses_the_corrected_price(self) -> None:
        """Wednesday corrected to 10: 11 on Thursday is near, 35 is far."""
        market = self.given()

        market.apply(corrected(Decimal(10), AFTER, WEDNESDAY))

        assert next_findings(market, 11) == ()
        assert next_findings(market, 35) == FAR

    def test_puts_the_close_before_in_force_when_cancelled(self) -> None:
        """Wednesday cancelled: Tuesday's 17.87 counts again; that cancelled too: Monday's."""
        market = self.given()

        market.apply(corrected(None, AFTER, WEDNESDAY))
        after_one = next_findings(market, 35)
        market.apply(corrected(None, WRONG, TUESDAY))

        assert after_one == FAR
        assert market.last_close("LNT") == BEFORE
        assert next_findings(market, 35) == ()
        assert next_findings(market, 10) == FAR

    def test_puts_the_corrected_close_before_in_force_when_cancelled(self) -> None:
        """Tuesday was corrected before Wednesday was cancelled: the correction counts."""
        market = self.given()

        market.apply(corrected(RIGHT, WRONG, TUESDAY))
        market.apply(corrected(None, AFTER, WEDNESDAY))

        assert market.last_close("LNT") == RIGHT

    def test_counts_a_close_that_was_added(self) -> None:
        """Wednesday had no close of LNT: added later, it is the last one."""
        market = market_after((TUESDAY, close("LNT", 100)), (WEDNESDAY, close("AAPL", 1)))

        market.apply(corrected(Decimal(10), None, WEDNESDAY))

        assert next_findings(market, 11) == ()
        assert next_findings(market, 100) == FAR

    def test_counts_a_close_added_to_an_instrument_that_had_none(self) -> None:
        """The first close of all may come by correction."""
        market = market_after((WEDNESDAY, close("AAPL", 1)))

        market.apply(corrected(Decimal(10), None, WEDNESDAY))

        assert market.last_close("LNT") == 10

    def test_leaves_the_last_close_when_an_older_one_is_corrected(self) -> None:
        """Monday's correction says nothing of Wednesday's price."""
        market = self.given()

        market.apply(corrected(Decimal(1), BEFORE, MONDAY))

        assert market.last_close("LNT") == AFTER

    def test_knows_no_close_when_every_one_was_cancelled(self) -> None:
        """Then the next one is judged like a first one."""
        market = market_after((WEDNESDAY, bar()))

        market.apply(corrected(None, Decimal(10), WEDNESDAY))

        assert market.last_close("LNT") is None
        assert next_findings(market, 1_000) == ()

    def test_takes_a_place_on_its_calendar_s_stream(self) -> None:
        """Each session and correction is one version; sessions remember theirs."""
        market = market_after((MONDAY, close("LNT", BEFORE)))

        market.apply(corrected(None, BEFORE, MONDAY))
        session = SessionClosed(
            calendar="XNYS",
            session=TUESDAY,
            starts_at=day_of(TUESDAY)[0],
            ends_at=day_of(TUESDAY)[1],
        )
        market.apply(session)

        assert market.calendar("XNYS").versions == {MONDAY: 1, TUESDAY: 3}
        assert market.calendar("XNYS").version == 3
