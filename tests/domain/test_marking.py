"""Marks, sessions and FX rates: decided against the market as it stands (conventions 5 and 8)."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from domain.market import Close, Finding, Mark, MarketMarked, Rate, SessionClosed
from domain.marking import Market, close_session, mark_market
from domain.rejection import Conflict, Rejection
from tests.domain.scenes import (
    FRIDAY_NOON,
    MONDAY,
    NOON,
    TUESDAY,
    WEDNESDAY,
    bar,
    close,
    day_of,
    mark,
    market_after,
)

A_MOMENT = timedelta(microseconds=1)
FAR = (Finding.FAR_FROM_PREVIOUS,)
KNOWN = {"AAPL": None, "MSFT": None, "LNT": None}


def marking(*marks: Mark, rates: tuple[Rate, ...] = (), at: datetime = NOON) -> MarketMarked:
    """Decide a batch at Friday noon."""
    return mark_market(source="feed", at=at, marks=marks, rates=rates, known=KNOWN, now=FRIDAY_NOON)


def closing(market: Market, session: date, *closes: Close, **changes: Any) -> SessionClosed | None:
    """Decide the end of a New York session, at Friday noon unless said otherwise."""
    starts_at, ends_at = day_of(session)
    wanted: dict[str, Any] = {
        "calendar": "XNYS",
        "session": session,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "closes": closes,
        "known": KNOWN,
        "now": FRIDAY_NOON,
    }
    return close_session(market, **(wanted | changes))


def findings(*prices: str | Close) -> list[tuple[Finding, ...]]:
    """What is found about LNT's closes on consecutive days."""
    market, found = Market(), []
    for number, price in enumerate(prices):
        given = price if isinstance(price, Close) else close("LNT", price)
        event = closing(market, MONDAY + timedelta(days=number), given)
        assert event is not None
        market.apply(event)
        found.append(event.closes[0].findings)
    return found


class TestMarking:
    """A batch of marks and rates is taken whole or refused whole."""

    def test_takes_the_batch_as_it_is(self) -> None:
        """Given, in its order, from its business time on."""
        rates = (Rate("EUR", "USD", Decimal("1.1")),)

        event = marking(mark("MSFT", 2), mark("AAPL", 1), rates=rates)

        assert event == MarketMarked(
            source="feed", at=NOON, marks=(mark("MSFT", 2), mark("AAPL", 1)), rates=rates
        )

    @pytest.mark.parametrize(
        ("code", "marks", "rates"),
        [
            ("instrument_unknown", (mark("AAPL", 1), mark("NOPE", 1)), ()),
            ("duplicate_mark", (mark("AAPL", 1), mark("AAPL", 1)), ()),
            ("currency_unknown", (), (Rate("EUR", "XXX", Decimal(1)),)),
            ("currency_unknown", (), (Rate("ZZZ", "EUR", Decimal(1)),)),
            ("rate_of_itself", (), (Rate("EUR", "EUR", Decimal(1)),)),
            ("duplicate_mark", (), (Rate("EUR", "USD", Decimal(1)),) * 2),
        ],
    )
    def test_refuses(self, code: str, marks: tuple[Mark, ...], rates: tuple[Rate, ...]) -> None:
        """One wrong item refuses the batch, by name."""
        with pytest.raises(Rejection) as refused:
            marking(*marks, rates=rates)

        assert refused.value.code == code

    def test_names_ten_unknown_instruments_and_counts_the_rest(self) -> None:
        """A message stays readable, whatever was sent."""
        with pytest.raises(Rejection) as refused:
            marking(*(mark(f"N-{number:02}", 1) for number in range(12)))

        assert refused.value.message.endswith("N-09 and 2 more.")

    def test_forgives_five_seconds_of_clock_skew(self) -> None:
        """At five seconds it is in force; a microsecond later it is of the future."""
        latest = FRIDAY_NOON + timedelta(seconds=5)

        assert marking(mark("AAPL", 1), at=latest).at == latest
        with pytest.raises(Rejection) as refused:
            marking(mark("AAPL", 1), at=latest + timedelta(microseconds=1))
        assert refused.value.code == "mark_from_the_future"


def rated(*rates: tuple[str, str, str, int]) -> Market:
    """A market that heard rates (base, quote, rate, minutes after noon) in this order."""
    market = Market()
    for base, quote, rate, minute in rates:
        at = NOON + timedelta(minutes=minute)
        market.apply(marking(rates=(Rate(base, quote, Decimal(rate)),), at=at))
    return market


class TestConvertingAtAnInstant:
    """The rate in force then, of the marks remembered, where it is not stale (convention 8)."""

    @pytest.mark.parametrize(
        ("after_mark", "rate"),
        [
            (-A_MOMENT, None),
            (timedelta(0), Decimal("1.25")),
            (timedelta(days=4), Decimal("1.25")),
            (timedelta(days=4) + A_MOMENT, None),
        ],
    )
    def test_is_known_from_its_mark_for_four_days(
        self, after_mark: timedelta, rate: Decimal | None
    ) -> None:
        """A rate of later says nothing of before; a stale one is not written into an event."""
        market = rated(("EUR", "USD", "1.25", 0))

        assert market.rate_at("EUR", "USD", NOON + after_mark) == rate
        assert market.rate_at("USD", "USD", NOON + after_mark) == 1

    @pytest.mark.parametrize(("minute", "rate"), [(3, None), (4, "1.1"), (5, "1.2"), (9, "1.2")])
    def test_goes_by_business_time_not_by_arrival(self, minute: int, rate: str | None) -> None:
        """What arrives late takes its place among the marks."""
        market = rated(("EUR", "USD", "1.2", 5), ("EUR", "USD", "1.1", 4))

        found = market.rate_at("EUR", "USD", NOON + timedelta(minutes=minute))

        assert found == (None if rate is None else Decimal(rate))

    def test_takes_the_later_of_two_marks_with_one_time(self) -> None:
        """Of equal business times the one that arrived later counts."""
        market = rated(("EUR", "USD", "1.2", 5), ("EUR", "USD", "1.3", 5))

        assert market.rate_at("EUR", "USD", NOON + timedelta(minutes=5)) == Decimal("1.3")

    def test_goes_by_the_newer_of_both_directions(self) -> None:
        """An inverse of minute 5 says nothing of minute 4."""
        market = rated(("EUR", "USD", "1.25", 0), ("USD", "EUR", "0.5", 5))

        assert market.rate_at("EUR", "USD", NOON + timedelta(minutes=4)) == Decimal("1.25")
        assert market.rate_at("EUR", "USD", NOON + timedelta(minutes=5)) == 2

    def test_crosses_through_the_euro(self) -> None:
        """One pound in dollars, of what ECB publishes for the euro."""
        market = rated(("EUR", "USD", "1.20", 0), ("EUR", "GBP", "0.75", 0))

        assert market.rate_at("GBP", "USD", NOON) == Decimal("1.6")

    def test_remembers_the_last_marks_only(self) -> None:
        """Of 33 marks the oldest is forgotten, and its time has no rate."""
        market = rated(*(("EUR", "USD", str(minute + 1), minute) for minute in range(33)))

        assert market.rate_at("EUR", "USD", NOON) is None
        assert market.rate_at("EUR", "USD", NOON + timedelta(minutes=1)) == 2


class TestClosingASession:
    """A day's closes, in order, once."""

    def test_keeps_closes_as_given_with_their_findings(self) -> None:
        """A first close has no previous one to be far from."""
        starts_at, ends_at = day_of(MONDAY)

        assert closing(Market(), MONDAY, close("AAPL", 10)) == SessionClosed(
            calendar="XNYS",
            session=MONDAY,
            starts_at=starts_at,
            ends_at=ends_at,
            closes=(close("AAPL", 10),),
        )

    def test_is_answered_once_with_the_same_content(self) -> None:
        """Sent again, however its numbers are written: nothing new, its findings aside."""
        market = market_after((MONDAY, close("AAPL", 10)), (TUESDAY, close("AAPL", 99)))

        assert closing(market, TUESDAY, close("AAPL", "99.00")) is None

    @pytest.mark.parametrize(
        ("fields", "changes"),
        [
            (("closes",), {"closes": (close("AAPL", 11),)}),
            (("closes",), {"closes": ()}),
            (("starts_at",), {"starts_at": day_of(MONDAY)[0] + timedelta(minutes=1)}),
            (("ends_at",), {"ends_at": day_of(MONDAY)[1] + timedelta(minutes=1)}),
        ],
    )
    def test_conflicts_with_other_content(
        self, fields: tuple[str, ...], changes: dict[str, Any]
    ) -> None:
        """What is closed is corrected, never closed anew; the fields that differ are named."""
        market = market_after((MONDAY, close("AAPL", 10)))

        with pytest.raises(Conflict) as conflict:
            closing(market, MONDAY, **({"closes": (close("AAPL", 10),)} | changes))

        assert (conflict.value.code, conflict.value.fields) == ("session_already_closed", fields)

    def test_follows_in_order(self) -> None:
        """An older session is refused; a gap (a holiday) is not."""
        market = market_after((TUESDAY, close("AAPL", 10)))

        assert closing(market, WEDNESDAY) is not None
        assert closing(market, WEDNESDAY + timedelta(days=1)) is not None
        with pytest.raises(Rejection) as refused:
            closing(market, MONDAY)
        assert refused.value.code == "session_out_of_order"

    @pytest.mark.parametrize(("seconds", "codes"), [(0, set()), (-1, {"session_out_of_order"})])
    def test_starts_where_the_last_one_ended_at_the_earliest(
        self,
        seconds: int,
        codes: set[str],
    ) -> None:
        """Intervals [from, until) may touch, never overlap."""
        market = market_after((MONDAY,))
        starts_at = day_of(MONDAY)[1] + timedelta(seconds=seconds)

        refused: set[str] = set()
        try:
            closing(market, TUESDAY, starts_at=starts_at)
        except Rejection as rejection:
            refused.add(rejection.code)

        assert refused == codes

    @pytest.mark.parametrize(
        "length", [timedelta(0), timedelta(seconds=-1), timedelta(days=14, seconds=1)]
    )
    def test_refuses_an_interval_that_is_none(self, length: timedelta) -> None:
        """Empty, backwards, or longer than two weeks; just inside is fine."""
        ends_at = day_of(MONDAY)[1]

        with pytest.raises(Rejection) as refused:
            closing(Market(), MONDAY, starts_at=ends_at - length)

        assert refused.value.code == "session_interval_wrong"
        for fine in (timedelta(microseconds=1), timedelta(days=14)):
            assert closing(Market(), MONDAY, starts_at=ends_at - fine) is not None

    def test_refuses_an_end_that_is_not_reached(self) -> None:
        """Five seconds of skew are forgiven, not more."""
        ends_at = day_of(MONDAY)[1]

        assert closing(Market(), MONDAY, now=ends_at - timedelta(seconds=5)) is not None
        with pytest.raises(Rejection) as refused:
            closing(Market(), MONDAY, now=ends_at - timedelta(seconds=5, microseconds=1))
        assert refused.value.code == "session_from_the_future"

    @pytest.mark.parametrize(
        ("code", "closes", "changes"),
        [
            ("instrument_unknown", (close("NOPE", 1),), {}),
            ("duplicate_mark", (close("AAPL", 1), close("AAPL", 2)), {}),
            ("calendar_unknown", (), {"calendar": "XXXX"}),
        ],
    )
    def test_refuses(self, code: str, closes: tuple[Close, ...], changes: dict[str, Any]) -> None:
        """What cannot be understood, by name."""
        with pytest.raises(Rejection) as refused:
            closing(Market(), MONDAY, *closes, **changes)

        assert refused.value.code == code

    def test_keeps_calendars_apart(self) -> None:
        """London may close Monday after New York closed Tuesday."""
        market = market_after((TUESDAY, close("AAPL", 10)))

        assert closing(market, MONDAY, calendar="XLON") is not None


class TestSuspectingAClose:
    """A close that looks wrong is accepted, kept and listed with what was found."""

    def test_finds_a_price_far_from_the_previous_one(self) -> None:
        """LNT 35.35, 17.87, 35.91: both steps are suspect (convention 5)."""
        assert findings("35.35", "17.87", "35.91") == [(), FAR, FAR]

    @pytest.mark.parametrize(
        ("previous", "price", "found"),
        [
            ("10", "6", ()),
            ("10", "5.999999999999", FAR),
            ("6", "10", ()),
            ("6", "10.000000000001", FAR),
            ("3", "5", ()),
            ("0", "0", ()),
            ("0", "0.000000000001", FAR),
            ("1", "0", FAR),
        ],
    )
    def test_takes_up_to_40_percent_down_and_its_inverse_up(
        self,
        previous: str,
        price: str,
        found: tuple[Finding, ...],
    ) -> None:
        """Inclusive on both sides; from zero every price is far."""
        assert findings(previous, price)[1] == found

    @pytest.mark.parametrize(
        ("found", "changes"),
        [
            ((), {}),
            ((Finding.NO_OPEN,), {"open": None}),
            ((Finding.NO_RANGE,), {"high": None}),
            ((Finding.NO_RANGE,), {"low": None}),
            ((Finding.HIGH_BELOW_LOW,), {"high": Decimal(8)}),
            ((Finding.OUTSIDE_RANGE,), {"price": Decimal("11.01")}),
            ((), {"price": Decimal(11)}),
            ((Finding.OUTSIDE_RANGE,), {"price": Decimal("8.99")}),
            ((), {"price": Decimal(9)}),
            ((Finding.NO_VOLUME,), {"volume": None}),
            ((Finding.NO_VOLUME,), {"volume": Decimal(0)}),
            (
                (Finding.NO_OPEN, Finding.NO_RANGE, Finding.NO_VOLUME),
                {"open": None, "high": None, "low": None, "volume": None},
            ),
        ],
    )
    def test_looks_at_the_bar(self, found: tuple[Finding, ...], changes: dict[str, Any]) -> None:
        """Open, range and volume of the day, each with its edge."""
        assert findings(replace(bar(), **changes)) == [found]

    def test_expects_no_bar_where_the_source_gives_none(self) -> None:
        """Only then is a missing one a finding."""
        assert findings(close("LNT", 10)) == [()]

    def test_lists_everything_it_finds(self) -> None:
        """A halved price outside its own day's range has two findings."""
        found = findings(bar(), replace(bar(), price=Decimal(5)))

        assert found[1] == (Finding.FAR_FROM_PREVIOUS, Finding.OUTSIDE_RANGE)

    def test_compares_with_the_last_close_there_was(self) -> None:
        """A day without the instrument is no close."""
        market = market_after((MONDAY, close("LNT", 10)), (TUESDAY, close("AAPL", 10)))

        event = closing(market, WEDNESDAY, close("LNT", 5))

        assert event is not None
        assert event.closes[0].findings == (Finding.FAR_FROM_PREVIOUS,)


class TestForkingTheMarket:
    """A fork and its parent go their own ways."""

    def test_never_changes_its_parent(self) -> None:
        """Marks, sessions and corrections folded into the fork are not in the parent."""
        market = market_after((MONDAY, close("AAPL", 10)))
        market.apply(marking(rates=(Rate("EUR", "USD", Decimal(1)),)))

        twin = market.fork()
        event = closing(twin, TUESDAY, close("AAPL", 20), close("MSFT", 5))
        assert event is not None
        twin.apply(event)
        twin.apply(marking(rates=(Rate("EUR", "USD", Decimal(2)),)))

        assert market.last_close("AAPL") == 10
        assert market.last_close("MSFT") is None
        assert market.rate_at("EUR", "USD", NOON) == 1
        assert market.calendar("XNYS").session == MONDAY
        assert list(market.calendar("XNYS").versions) == [MONDAY]
        assert market.marks_versions == {"feed": 1}
        assert twin.last_close("AAPL") == 20
