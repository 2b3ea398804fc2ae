"""Announcing, entering, leaving: what is decided, and every refusal by its name."""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.contests import deciding
from domain.contests.events import (
    ContestAnnounced,
    ContestEntered,
    EntrantDisqualified,
    EntryEvent,
    EntryWithdrawn,
)
from domain.contests.terms import ContestTerms, Metric, Window, last_day_of
from domain.instrument import AssetClass, Instrument, InstrumentRegistered
from domain.lots import CostBasis
from domain.portfolio.events import PortfolioOpened
from domain.portfolio.life import OwnerAssigned
from domain.portfolio.state import Portfolio
from domain.rejection import Conflict, Rejection

MARCH = ContestTerms(
    window=Window.MONTH, first_day=date(2024, 3, 1), last_day=date(2024, 3, 31),
    calendar="XNYS", currency="USD", metric=Metric.RETURN, minimum_days=10, universe=("AAPL",),
)  # fmt: skip
DAY = replace(
    MARCH, window=Window.DAY, first_day=date(2024, 3, 4), last_day=date(2024, 3, 4),
    minimum_days=1,
)  # fmt: skip
ANNOUNCED = ContestAnnounced("march", MARCH, date(2024, 3, 1), date(2024, 3, 28))
ENTERED = ContestEntered("march", "user-7", "alpha")
WITHDRAWN = EntryWithdrawn("march", "user-7", "alpha")
DISQUALIFIED = EntrantDisqualified("march", "user-7", "alpha", "wash_trades")
BEFORE, BEGUN, OVER = date(2024, 2, 29), date(2024, 3, 1), date(2024, 3, 28)


def instrument(name: str) -> Instrument | None:
    """Only AAPL is known."""
    if name != "AAPL":
        return None
    known = Instrument()
    known.apply(
        InstrumentRegistered(
            instrument=name, symbol=name, currency="USD",
            asset_class=AssetClass.EQUITY, calendar="XNYS",
        )
    )  # fmt: skip
    return known


def portfolio(
    owner: str | None = "user-7", currency: str = "USD", calendar: str = "XNYS"
) -> Portfolio:
    """An open, empty portfolio."""
    found = Portfolio()
    found.apply(
        PortfolioOpened(
            portfolio="alpha",
            base_currency=currency,
            cost_basis=CostBasis.FIFO,
            calendar=calendar,
            allows_leverage=False,
            allows_short=False,
        )
    )
    if owner is not None:
        found.apply(OwnerAssigned(portfolio="alpha", owner=owner))
    return found


def announced(
    terms: ContestTerms, known: ContestAnnounced | None = None, closed: date | None = BEFORE
) -> ContestAnnounced | None:
    """Announce a contest `march`."""
    return deciding.announce(
        known, contest="march", terms=terms, closed=closed, instrument_of=instrument
    )


def entered(
    *entry: EntryEvent,
    known: ContestAnnounced | None = ANNOUNCED,
    held: Portfolio | None = None,
    name: str = "alpha",
    closed: date = BEFORE,
    only: str | None = None,
    others: Sequence[EntryEvent] = (),
) -> ContestEntered | None:
    """Enter a portfolio, after what was told of its owner."""
    return deciding.enter(
        known, entry, held or portfolio(), contest="march", name=name, closed=closed, only=only,
        others=others,
    )  # fmt: skip


def code_of(act: Callable[[], object]) -> str:
    """Give the code it is refused with."""
    with pytest.raises(Rejection) as refused:
        act()
    return refused.value.code


class TestAnnouncing:
    """Rules are known before the first session has closed, and never change."""

    def test_names_the_first_and_the_last_session(self) -> None:
        """Good Friday, 2024-03-29, is none."""
        assert announced(MARCH) == ANNOUNCED

    def test_the_same_again_is_told_once(self) -> None:
        """Also when it has begun."""
        assert announced(MARCH, ANNOUNCED, OVER) is None

    def test_other_terms_need_another_name(self) -> None:
        """The conflict names what differs."""
        with pytest.raises(Conflict) as refused:
            announced(replace(MARCH, minimum_trades=3), ANNOUNCED)

        assert refused.value.code == "contest_already_announced"
        assert refused.value.fields == ("minimum_trades",)

    @pytest.mark.parametrize(
        ("terms", "code"),
        [
            (replace(MARCH, calendar="NOWHERE"), "calendar_unknown"),
            (replace(MARCH, currency="XXX"), "currency_unknown"),
            (replace(MARCH, universe=("GONE",)), "instrument_unknown"),
            (replace(MARCH, universe=("AAPL", "AAPL")), "terms_invalid"),
            (replace(MARCH, last_day=date(2024, 3, 30)), "window_invalid"),
            (replace(MARCH, first_day=date(2024, 3, 2)), "window_invalid"),
            (
                replace(MARCH, window=Window.CONTEST, first_day=date(2024, 4, 1)),
                "window_invalid",
            ),
            (
                replace(DAY, first_day=date(2024, 3, 2), last_day=date(2024, 3, 2)),
                "window_without_sessions",
            ),
            (replace(DAY, metric=Metric.SHARPE), "metric_needs_longer_window"),
            (replace(DAY, metric=Metric.PNL, capital=Decimal(5)), "metric_needs_longer_window"),
            (
                replace(
                    MARCH, window=Window.CONTEST, last_day=date(2024, 3, 27), metric=Metric.CALMAR
                ),
                "metric_needs_longer_window",
            ),
            (replace(MARCH, metric=Metric.PNL), "capital_required"),
            (replace(MARCH, capital=Decimal(0)), "terms_invalid"),
            (replace(MARCH, minimum_days=0), "terms_invalid"),
            (replace(MARCH, minimum_days=21), "terms_invalid"),
            (replace(MARCH, minimum_trades=-1), "terms_invalid"),
        ],
    )
    def test_says_what_is_wrong(self, terms: ContestTerms, code: str) -> None:
        """Of every kind."""
        assert code_of(lambda: announced(terms)) == code

    def test_comes_before_the_first_session_has_closed(self) -> None:
        """The session before may have."""
        assert announced(MARCH, closed=None) == ANNOUNCED
        assert code_of(lambda: announced(MARCH, closed=BEGUN)) == "window_begun"

    def test_ratios_may_be_of_twenty_sessions(self) -> None:
        """Which March 2024 has."""
        assert announced(replace(MARCH, metric=Metric.SORTINO)) is not None

    @given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.sampled_from(Window))
    def test_periods_follow_each_other(self, day: date, window: Window) -> None:
        """The day behind the last one begins the next, and no day within does."""
        last = last_day_of(window, day)
        if last is not None:
            assert last_day_of(window, date.fromordinal(last.toordinal() + 1)) is not None
            within = range(day.toordinal() + 1, last.toordinal() + 1)
            assert all(last_day_of(window, date.fromordinal(each)) is None for each in within)


class TestEntering:
    """One portfolio for its owner, before the first session has closed."""

    def test_is_for_the_owner(self) -> None:
        """Whoever sends the command, if they may enter for others."""
        assert entered() == entered(only="user-7") == ENTERED

    def test_the_same_again_is_told_once(self) -> None:
        """Also when it has begun."""
        assert entered(ENTERED, closed=BEGUN) is None

    def test_is_possible_again_after_withdrawing(self) -> None:
        """With another portfolio too."""
        assert entered(ENTERED, WITHDRAWN, name="beta") == replace(ENTERED, portfolio="beta")

    @pytest.mark.parametrize(
        ("other", "code"),
        [
            (ContestEntered("march", "user-8", "alpha"), "portfolio_already_entered"),
            (
                EntrantDisqualified("march", "user-8", "alpha", "wash_trades"),
                "portfolio_already_entered",
            ),
            (EntryWithdrawn("march", "user-8", "alpha"), None),
            (ContestEntered("march", "user-8", "beta"), None),
        ],
    )
    def test_is_of_a_portfolio_that_no_earlier_owner_entered(
        self, other: EntryEvent, code: str | None
    ) -> None:
        """Unless they left; what they entered besides is no matter."""
        if code is None:
            assert entered(others=[other]) == ENTERED
        else:
            assert code_of(lambda: entered(others=[other])) == code
            assert entered(ENTERED, others=[other]) is None

    @pytest.mark.parametrize(
        ("entry", "how", "code"),
        [
            ((), {"known": None}, "contest_unknown"),
            ((), {"held": portfolio(owner=None)}, "portfolio_unowned"),
            ((), {"only": "user-8"}, "portfolio_not_own"),
            ((ENTERED,), {"only": "user-8"}, "portfolio_not_own"),
            ((), {"held": portfolio(currency="EUR")}, "currency_mismatch"),
            ((), {"held": portfolio(calendar="XLON")}, "calendar_mismatch"),
            ((), {"closed": BEGUN}, "contest_begun"),
            ((ENTERED,), {"name": "beta"}, "participant_already_entered"),
            ((ENTERED, DISQUALIFIED), {}, "participant_disqualified"),
        ],
    )
    def test_says_what_is_wrong(
        self, entry: Sequence[EntryEvent], how: dict[str, object], code: str
    ) -> None:
        """Of every kind."""
        assert code_of(lambda: entered(*entry, **how)) == code  # type: ignore[arg-type]


class TestLeaving:
    """Withdrawn before the end; disqualified at any time."""

    @staticmethod
    def withdrawn(*entry: EntryEvent, closed: date = BEGUN) -> EntryWithdrawn | None:
        """Withdraw user-7."""
        return deciding.withdraw(
            ANNOUNCED, entry, contest="march", participant="user-7", closed=closed
        )

    @staticmethod
    def disqualified(*entry: EntryEvent, reason: str = "wash_trades") -> EntrantDisqualified | None:
        """Disqualify user-7."""
        return deciding.disqualify(
            ANNOUNCED, entry, contest="march", participant="user-7", reason=reason
        )

    def test_withdrawing_names_the_portfolio(self) -> None:
        """That was entered; again it is told once."""
        assert self.withdrawn(ENTERED) == WITHDRAWN
        assert self.withdrawn(ENTERED, WITHDRAWN) is None

    def test_withdrawing_is_refused_behind_the_end(self) -> None:
        """And to whom is not there, or is disqualified."""
        assert code_of(lambda: self.withdrawn(ENTERED, closed=OVER)) == "contest_over"
        assert code_of(self.withdrawn) == "participant_unknown"
        disqualified = (ENTERED, DISQUALIFIED)
        assert code_of(lambda: self.withdrawn(*disqualified)) == "participant_disqualified"

    def test_disqualifying_gives_its_reason(self) -> None:
        """Again it is told once; another reason is told too."""
        assert self.disqualified(ENTERED) == DISQUALIFIED
        assert self.disqualified(ENTERED, DISQUALIFIED) is None
        assert self.disqualified(ENTERED, DISQUALIFIED, reason="collusion") is not None
        assert code_of(self.disqualified) == "participant_unknown"
