"""Rates from the marks of pairs: direct, inverse and crosses, and how old they are."""

import csv
import gzip
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise, permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.rates import Conversion, DatedRate, Pair, pairs_between, rate_between

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
A_MOMENT = timedelta(microseconds=1)
FOUR_DAYS = timedelta(days=4)
LAST_DIGIT = Decimal(1).scaleb(-18)

Marks = Mapping[Pair, DatedRate]


def at_noon(**rates: str) -> dict[Pair, DatedRate]:
    """Marks of noon, named like EURUSD."""
    return {(name[:3], name[3:]): (NOON, Decimal(rate)) for name, rate in rates.items()}


def found(marks: Marks, base: str, quote: str, at: datetime = NOON) -> Conversion | None:
    """The rate between two currencies."""
    return rate_between(base, quote, at=at, marked=lambda one, other: marks.get((one, other)))


def rate(marks: Marks, base: str, quote: str, at: datetime = NOON) -> Decimal | None:
    """Its number alone."""
    conversion = found(marks, base, quote, at)
    return None if conversion is None else conversion.rate


def of_noon(number: int | str, *path: str, is_stale: bool = False) -> Conversion:
    """The rate expected of marks of noon."""
    return Conversion(Decimal(number), NOON, is_stale, path)


class TestOfOnePair:
    """A pair's own marks, in either direction."""

    def test_is_one_for_a_currency_itself(self) -> None:
        """Known without any mark, and never stale."""
        assert found({}, "USD", "USD") == of_noon(1, "USD")

    def test_is_not_known_without_a_mark(self) -> None:
        """None, never 1 and never 0."""
        assert found(at_noon(EURUSD="1.25"), "EUR", "GBP") is None

    def test_takes_the_rate_as_marked(self) -> None:
        """X(EUR to USD) = 1.25 is 1.25 dollars for a euro."""
        marks = at_noon(EURUSD="1.25")

        assert found(marks, "EUR", "USD") == of_noon("1.25", "EUR", "USD")

    def test_inverts_the_other_direction(self) -> None:
        """One euro for 1.25 dollars is 0.8 euros for a dollar; a third has 18 decimals."""
        assert rate(at_noon(EURUSD="1.25"), "USD", "EUR") == Decimal("0.8")
        assert rate(at_noon(EURUSD="3"), "USD", "EUR") == Decimal("0." + "3" * 18)

    @pytest.mark.parametrize(("minute", "expected"), [(-1, "2"), (0, "2"), (1, "0.8")])
    def test_prefers_the_newer_of_both_directions_and_direct_if_equal(
        self, minute: int, expected: str
    ) -> None:
        """USD/EUR marked 2, EUR/USD marked 1.25 before, then, and after."""
        marks = at_noon(USDEUR="2")
        marks["EUR", "USD"] = (NOON + timedelta(minutes=minute), Decimal("1.25"))

        assert rate(marks, "USD", "EUR", NOON + timedelta(hours=1)) == Decimal(expected)

    def test_is_not_known_where_the_inverse_would_be_zero(self) -> None:
        """1 / 10 to the 18th still has a digit; a tenth of that has none, and 0 is no rate."""
        assert rate(at_noon(EURUSD="1E+18"), "USD", "EUR") == Decimal("1E-18")
        assert rate(at_noon(EURUSD="1E+19"), "USD", "EUR") is None

    def test_takes_no_mark_of_zero_and_none_of_later(self) -> None:
        """Neither is a rate; the other direction may be one."""
        marks = at_noon(EURUSD="0", USDEUR="0.5")

        assert rate(marks, "EUR", "USD") == 2
        assert rate(marks, "EUR", "USD", NOON - A_MOMENT) is None


class TestCrosses:
    """Through a pivot, where a pair has no mark of its own that is fresh."""

    def test_goes_through_the_euro(self) -> None:
        """Yen for a pound, of two rates whose base is the euro: one division."""
        marks = at_noon(EURGBP="0.8", EURJPY="160")

        assert found(marks, "GBP", "JPY") == of_noon(200, "GBP", "EUR", "JPY")

    def test_goes_through_the_dollar_where_the_euro_leads_nowhere(self) -> None:
        """Marks of dollars alone; with euro marks too, the euro is the way."""
        marks = at_noon(USDJPY="150", GBPUSD="1.25")
        both = marks | at_noon(EURGBP="0.8", EURJPY="160")

        assert found(marks, "GBP", "JPY") == of_noon("187.5", "GBP", "USD", "JPY")
        assert rate(both, "GBP", "JPY") == 200

    def test_takes_a_mark_of_the_pair_itself_first(self) -> None:
        """No cross where there is a fresh mark of the pair, in either direction."""
        marks = at_noon(EURGBP="0.8", EURJPY="160", JPYGBP="0.004")

        assert found(marks, "GBP", "JPY") == of_noon(250, "GBP", "JPY")

    @pytest.mark.parametrize(("later", "path"), [
        (timedelta(0), ("GBP", "JPY")), (A_MOMENT, ("GBP", "EUR", "JPY")),
    ])  # fmt: skip
    def test_leaves_a_stale_mark_for_a_fresh_cross(
        self, later: timedelta, path: tuple[str, ...]
    ) -> None:
        """For four days a pair's own mark counts, to the microsecond."""
        at = NOON + FOUR_DAYS + later
        marks = at_noon(GBPJPY="199")
        marks |= {("EUR", "GBP"): (at, Decimal("0.8")), ("EUR", "JPY"): (at, Decimal(160))}

        conversion = found(marks, "GBP", "JPY", at)

        assert conversion is not None
        assert (conversion.path, conversion.is_stale) == (path, False)

    def test_takes_the_pairs_own_mark_where_all_are_stale(self) -> None:
        """Stale and said so, but not refused."""
        marks = at_noon(GBPJPY="199", EURGBP="0.8", EURJPY="160")

        conversion = found(marks, "GBP", "JPY", NOON + FOUR_DAYS + A_MOMENT)

        assert conversion == of_noon(199, "GBP", "JPY", is_stale=True)

    @pytest.mark.parametrize("later", [timedelta(0), A_MOMENT])
    def test_is_as_old_as_its_older_leg(self, later: timedelta) -> None:
        """Four days after the older mark the cross is fresh, a moment later it is stale."""
        at = NOON + FOUR_DAYS + later
        marks = at_noon(EURGBP="0.8") | {("EUR", "JPY"): (at, Decimal(160))}

        conversion = found(marks, "GBP", "JPY", at)

        assert conversion is not None
        assert (conversion.at, conversion.is_stale) == (NOON, bool(later))

    @given(
        marks=st.dictionaries(
            st.sampled_from(list(permutations(("EUR", "USD", "GBP", "JPY"), 2))),
            st.integers(1, 10**6).map(lambda number: (NOON, Decimal(number).scaleb(-3))),
        ),
        pair=st.sampled_from(list(permutations(("EUR", "USD", "GBP", "JPY"), 2))),
    )
    def test_asks_for_no_pair_but_those_it_names(
        self, marks: dict[Pair, DatedRate], pair: Pair
    ) -> None:
        """`pairs_between` is all that has to be fetched before asking."""
        named = {each: mark for each, mark in marks.items() if each in pairs_between(*pair)}

        assert found(named, *pair) == found(marks, *pair)


@pytest.fixture(scope="module")
def published(shared_data: Path) -> dict[date, dict[str, Decimal]]:
    """What the ECB published: units of each currency for one euro, by day; no empty cells."""
    days: dict[date, dict[str, Decimal]] = {}
    with gzip.open(shared_data / "eurofxref-hist.csv.gz", "rt") as lines:
        for row in csv.DictReader(lines):
            day = date.fromisoformat(row.pop("Date"))
            days[day] = {
                name: Decimal(cell) for name, cell in row.items() if name and cell != "N/A"
            }
    return days


class TestWithTheRatesOfTheEcb:
    """All 7,126 days of the euro's reference rates; each day's are marked at 15:00 UTC."""

    def known(self, published: dict[date, dict[str, Decimal]], day: date) -> Marks:
        """The newest mark of every currency at the end of a day."""
        marks: dict[Pair, DatedRate] = {}
        for each in sorted(each for each in published if each <= day):
            at = datetime.combine(each, time(15), UTC)
            marks |= {("EUR", name): (at, value) for name, value in published[each].items()}
        return marks

    def test_every_cross_of_a_day_is_consistent(
        self, published: dict[date, dict[str, Decimal]]
    ) -> None:
        """A to C is A to B times B to C for all A, B, C, but for the roundings of two rates."""
        day = date(2026, 10, 30)
        marks = self.known({day: published[day]}, day)
        at = datetime.combine(day, time(15), UTC)
        names = ["EUR", *sorted(published[day])]
        rates = {pair: rate(marks, *pair, at) for pair in permutations(names, 2)}
        assert len(rates) == 30 * 29

        for one, middle, other in permutations(names, 3):
            first, second, whole = rates[one, middle], rates[middle, other], rates[one, other]
            assert first is not None
            assert second is not None
            assert whole is not None
            assert abs(first * second - whole) <= (first + second + 1) * LAST_DIGIT

    def test_every_inverse_and_cross_is_rounded_once(
        self, published: dict[date, dict[str, Decimal]]
    ) -> None:
        """Every 50th day: what is derived is the exact fraction, to half of the 18th decimal."""
        for day in sorted(published)[::50]:
            rates = published[day]
            marks = self.known({day: rates}, day)
            at = datetime.combine(day, time(15), UTC)
            for one, other in permutations(rates, 2):
                derived = rate(marks, one, other, at)
                assert derived is not None
                exact = Fraction(rates[other]) / Fraction(rates[one])
                assert abs(Fraction(derived) - exact) <= Fraction(LAST_DIGIT) / 2

    def test_an_empty_cell_is_no_rate(self, published: dict[date, dict[str, Decimal]]) -> None:
        """No Icelandic krona from 2008-12-10 to 2018-02-01: the last rate stays, stale, or none."""
        day = date(2018, 1, 31)
        assert "ISK" not in published[day]

        alone = self.known({day: published[day]}, day)
        at = datetime.combine(day, time(15), UTC)
        assert found(alone, "USD", "ISK", at) is None
        conversion = found(self.known(published, day), "USD", "ISK", at)
        assert conversion is not None
        assert conversion.is_stale
        assert conversion.at == datetime(2008, 12, 9, 15, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("day", "marked_on"),
        [
            (date(2024, 3, 3), date(2024, 3, 1)),  # a weekend
            (date(2024, 4, 1), date(2024, 3, 28)),  # Easter Monday, four days exactly
            (date(2023, 12, 26), date(2023, 12, 22)),  # the second day of Christmas, as long
            (date(1999, 1, 3), None),  # the day before the first
        ],
    )
    def test_stays_over_weekends_and_holidays(
        self, published: dict[date, dict[str, Decimal]], day: date, marked_on: date | None
    ) -> None:
        """The newest rate counts, fresh for four days."""
        at = datetime.combine(day, time(15), UTC)

        conversion = found(self.known(published, day), "GBP", "JPY", at)

        assert (conversion and (conversion.at.date(), conversion.is_stale)) == (
            marked_on and (marked_on, False)
        )

    def test_is_stale_before_the_next_only_behind_more_than_four_days(
        self, published: dict[date, dict[str, Decimal]]
    ) -> None:
        """36 gaps of five days, at Easter most of them: fresh for four, then stale."""
        days = sorted(published)
        stale = 0
        for day, following in pairwise(days):
            marks = self.known({day: published[day]}, day)
            before = datetime.combine(following, time(15), UTC) - A_MOMENT
            conversion = found(marks, "USD", "JPY", before)
            assert conversion is not None
            assert conversion.is_stale == (following - day > FOUR_DAYS)
            stale += conversion.is_stale

        assert stale == 36

    def test_a_currency_that_ended_keeps_a_stale_rate(
        self, published: dict[date, dict[str, Decimal]]
    ) -> None:
        """The Slovak koruna became the euro on 2009-01-01."""
        last = max(day for day, rates in published.items() if "SKK" in rates)
        at = datetime(2009, 2, 1, 15, tzinfo=UTC)

        conversion = found(self.known(published, at.date()), "SKK", "CZK", at)

        assert last == date(2008, 12, 31)
        assert conversion is not None
        assert (conversion.at.date(), conversion.is_stale) == (last, True)
