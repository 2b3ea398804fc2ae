"""The life of an instrument: terms by date, suspended and resumed, delisted, written down."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.instrument import (
    Instrument,
    InstrumentChange,
    InstrumentDelisted,
    InstrumentRenamed,
    InstrumentResumed,
    SectorAssigned,
    SymbolChanged,
    WrittenDown,
)
from domain.instrument_changes import change_instrument
from domain.rejection import Conflict, Rejection
from tests.domain.scenes import (
    APPLE,
    FRIDAY_NOON,
    MONDAY,
    NOON,
    TUESDAY,
    WEDNESDAY,
    instrument,
    instrument_after,
    minutes,
    suspended,
)

A_MOMENT = timedelta(microseconds=1)
SKEW = timedelta(seconds=5)
DAYS = st.integers(0, 9).map(lambda number: MONDAY + timedelta(days=number))
VALUES = st.sampled_from(["A", "B", "C"])


def renamed(title: str, day: date) -> InstrumentRenamed:
    """AAPL is called so from a date on."""
    return InstrumentRenamed(instrument=APPLE, title=title, from_date=day)


def resumed(at: datetime) -> InstrumentResumed:
    """Trading in AAPL goes on."""
    return InstrumentResumed(instrument=APPLE, from_at=at)


def delisted(day: date) -> InstrumentDelisted:
    """AAPL is not listed any more."""
    return InstrumentDelisted(instrument=APPLE, on_date=day)


def written_down(price: str, at: datetime = NOON) -> WrittenDown:
    """AAPL is worth so little."""
    return WrittenDown(instrument=APPLE, price=Decimal(price), at=at, reason="bankruptcy")


def decided(current: Instrument, wanted: InstrumentChange) -> InstrumentChange | None:
    """Decide on Friday noon."""
    return change_instrument(current, wanted, now=FRIDAY_NOON, instrument_of=lambda _: None)


def code_of(current: Instrument, wanted: InstrumentChange) -> str:
    """The code of a refusal."""
    with pytest.raises(Rejection) as refused:
        decided(current, wanted)
    return refused.value.code


class TestTerms:
    """Title, symbol and sector are in force from a date on."""

    def test_are_those_of_the_registration_at_first(self) -> None:
        """A title it has none."""
        plain = instrument(sector="Technology")

        assert plain.symbol_on(MONDAY) == APPLE
        assert plain.sector_on(MONDAY) == "Technology"
        assert plain.title_on(MONDAY) is None

    def test_change_on_their_date_and_not_before(self) -> None:
        """Monday still, Tuesday not any more."""
        changed = instrument_after(
            renamed("Apple", TUESDAY),
            SymbolChanged(instrument=APPLE, symbol="APPL", from_date=TUESDAY),
            SectorAssigned(instrument=APPLE, sector="Fruit", from_date=TUESDAY),
            SectorAssigned(instrument=APPLE, from_date=WEDNESDAY),
        )

        assert [changed.title_on(day) for day in (MONDAY, TUESDAY)] == [None, "Apple"]
        assert [changed.symbol_on(day) for day in (MONDAY, TUESDAY)] == [APPLE, "APPL"]
        assert changed.sector_on(TUESDAY) == "Fruit"
        assert changed.sector_on(WEDNESDAY) is None

    def test_are_no_news_when_they_hold_already(self) -> None:
        """Unless another value was told for that date since."""
        first, second = renamed("Apple", TUESDAY), renamed("Pear", TUESDAY)

        assert decided(instrument(), first) == first
        assert decided(instrument_after(first), first) is None
        assert decided(instrument_after(first, second), first) == first
        assert instrument_after(first, second, first).told[first] == 4

    @given(told=st.lists(st.tuples(DAYS, VALUES), max_size=12), day=DAYS)
    def test_are_what_was_told_last_for_the_nearest_date(
        self, told: list[tuple[date, str]], day: date
    ) -> None:
        """Whatever the order in which dates were told."""
        changed = instrument_after(*(renamed(title, each) for each, title in told))

        by_date = dict(told)
        nearest = max((each for each in by_date if each <= day), default=None)
        assert changed.title_on(day) == (None if nearest is None else by_date[nearest])


class TestSuspending:
    """Suspended and resumed by turns, in order."""

    def test_holds_from_its_instant_until_it_is_resumed(self) -> None:
        """Noon until one o'clock."""
        halted = instrument_after(suspended(NOON), resumed(minutes(60)))

        moments = (NOON - A_MOMENT, NOON, minutes(60) - A_MOMENT, minutes(60))
        assert [halted.is_suspended_at(at) for at in moments] == [False, True, True, False]

    def test_is_no_news_with_the_same_content(self) -> None:
        """Neither is resuming."""
        assert decided(instrument(), suspended()) == suspended()
        assert decided(instrument_after(suspended()), suspended()) is None
        twice = instrument_after(suspended(), resumed(minutes(1)))
        assert decided(twice, resumed(minutes(1))) is None

    def test_conflicts_while_it_is_suspended(self) -> None:
        """The fields that differ are named."""
        with pytest.raises(Conflict) as conflict:
            decided(instrument_after(suspended()), suspended(minutes(1), "fraud"))

        assert conflict.value.code == "instrument_already_suspended"
        assert conflict.value.fields == ("from_at", "reason")

    def test_is_told_in_order(self) -> None:
        """At the instant of the last change or before it: refused; a moment after: taken."""
        halted = instrument_after(suspended())
        going = instrument_after(suspended(), resumed(minutes(1)))

        assert code_of(halted, resumed(NOON)) == "suspension_out_of_order"
        assert decided(halted, resumed(NOON + A_MOMENT)) is not None
        assert code_of(going, suspended(minutes(1))) == "suspension_out_of_order"
        assert decided(going, suspended(minutes(1) + A_MOMENT)) is not None

    def test_is_told_once_it_is_so(self) -> None:
        """With five seconds forgiven between clocks."""
        assert decided(instrument(), suspended(FRIDAY_NOON + SKEW)) is not None
        early = suspended(FRIDAY_NOON + SKEW + A_MOMENT)
        assert code_of(instrument(), early) == "suspension_from_the_future"

    def test_needs_something_to_resume_and_a_listing(self) -> None:
        """What goes on cannot be resumed; what is gone neither halts nor goes on."""
        gone = instrument_after(suspended(), delisted(TUESDAY))

        assert code_of(instrument(), resumed(NOON)) == "instrument_not_suspended"
        assert code_of(gone, resumed(NOON + timedelta(days=1))) == "instrument_delisted"
        assert decided(gone, resumed(minutes(1))) is not None


class TestDelisting:
    """Once, from a day on."""

    def test_holds_from_its_day(self) -> None:
        """Monday still, Tuesday not any more."""
        gone = instrument_after(delisted(TUESDAY))

        assert [gone.is_delisted_on(day) for day in (MONDAY, TUESDAY)] == [False, True]
        assert not instrument().is_delisted_on(TUESDAY)

    def test_is_no_news_on_the_same_day_and_a_conflict_on_another(self) -> None:
        """The date that differs is named."""
        gone = instrument_after(delisted(TUESDAY))

        assert decided(instrument(), delisted(TUESDAY)) == delisted(TUESDAY)
        assert decided(gone, delisted(TUESDAY)) is None
        with pytest.raises(Conflict) as conflict:
            decided(gone, delisted(MONDAY))
        assert conflict.value.code == "instrument_already_delisted"
        assert conflict.value.fields == ("on_date",)


class TestWritingDown:
    """A price that nobody paid."""

    def test_is_no_news_when_it_was_the_last(self) -> None:
        """Down to nothing, back, and down again are three."""
        nothing, back = written_down("0"), written_down("1")

        assert decided(instrument(), nothing) == nothing
        assert decided(instrument_after(nothing), nothing) is None
        assert decided(instrument_after(nothing, back), nothing) == nothing

    def test_is_told_once_it_is_in_force(self) -> None:
        """With five seconds forgiven between clocks."""
        assert decided(instrument(), written_down("0", FRIDAY_NOON + SKEW)) is not None
        early = written_down("0", FRIDAY_NOON + SKEW + A_MOMENT)
        assert code_of(instrument(), early) == "write_down_from_the_future"


class TestForking:
    """Deciding on top of what is not in the log yet."""

    @pytest.mark.parametrize(
        "change",
        [renamed("Pear", MONDAY), suspended(), delisted(MONDAY), written_down("1")],
        ids=lambda change: type(change).__name__,
    )
    def test_leaves_the_original_as_it_was(self, change: InstrumentChange) -> None:
        """The twin alone moves on."""
        original, untouched = instrument(), instrument()

        original.fork().apply(change)

        assert original == untouched
