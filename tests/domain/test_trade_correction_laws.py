"""Laws of amends and busts: what holds in the end decides, not what came when (convention 3)."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.correcting import Amend
from domain.lots import CostBasis, Side
from domain.portfolio.state import Portfolio
from domain.trade import Capture
from tests.domain.blotter import (
    LATER,
    OTHER_FUND,
    Blotter,
    Bust,
    Message,
    Registration,
    booked_in_order,
    tell_in_book_order,
)
from tests.domain.scenes import APPLE, FUND, MONDAY, TUESDAY, told

contents = st.fixed_dictionaries(
    {
        "portfolio": st.sampled_from([FUND, FUND, OTHER_FUND]),
        "instrument": st.sampled_from([APPLE, APPLE, APPLE, LATER]),
        "side": st.sampled_from(Side),
        "quantity": st.integers(1, 9).map(Decimal),
        "price": st.integers(1, 9).map(Decimal),
        "fee": st.sampled_from([Decimal(0), Decimal(1)]),
        "trade_date": st.sampled_from([MONDAY, TUESDAY, TUESDAY + timedelta(days=1)]),
    }
)


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Message], list[Capture]]:
    """Messages of some trades, in any order and some twice; and the content that holds in the end.

    The instrument LATER appears somewhere among them.
    """
    messages: list[Message] = [Registration()]
    final: list[Capture] = []
    for number in range(draw(st.integers(1, 5))):
        capture = told(f"t-{number}", **draw(contents))
        messages.append(capture)
        for revision in range(1, 1 + draw(st.sampled_from([0, 0, 1, 2, 3]))):
            capture = told(f"t-{number}", **draw(contents))
            messages.append(Amend(revision, capture))
        if draw(st.sampled_from([False, False, False, True])):
            place = draw(st.sampled_from([FUND, OTHER_FUND]))
            messages.append(Bust(f"t-{number}", portfolio=place))
        else:
            final.append(capture)
    again = draw(st.lists(st.sampled_from(messages), max_size=3))
    return draw(st.permutations([*messages, *again])), final


def pending(portfolio: Portfolio) -> dict[date, Decimal]:
    """What is to settle, by value date; dates on which it comes to nothing left out."""
    return {day: amount for day, amount in portfolio.pending.get("USD", {}).items() if amount}


class TestLaws:
    """What holds in the end decides, not what came when."""

    @given(story=stories(), basis=st.sampled_from(CostBasis))
    @settings(max_examples=300, deadline=None)
    def test_any_order_of_arrival_gives_the_same_books(
        self, story: tuple[list[Message], list[Capture]], basis: CostBasis
    ) -> None:
        """Captures, amends, busts and repeats shuffled: the books of the final content, in time."""
        messages, final = story
        blotter = Blotter(basis)

        blotter.tell(*messages)

        expected = tell_in_book_order(final, basis)
        assert booked_in_order(blotter) == booked_in_order(expected)
        for name, portfolio in expected.portfolios.items():
            found = blotter.portfolios[name]
            assert found.balance("USD") == portfolio.balance("USD")
            assert pending(found) == pending(portfolio)
            for instrument in (APPLE, LATER):
                one, other = found.book(instrument), portfolio.book(instrument)
                assert list(one.lots) == list(other.lots)
                assert (one.quantity, one.cost, one.fees) == (
                    other.quantity,
                    other.cost,
                    other.fees,
                )
                assert one.realised_gross == other.realised_gross
                assert one.realised_net == other.realised_net

    @given(story=stories())
    @settings(max_examples=100, deadline=None)
    def test_a_trade_ends_in_one_portfolio(
        self, story: tuple[list[Message], list[Capture]]
    ) -> None:
        """Everywhere else what was shown of it is ended, so that nothing is shown for ever."""
        messages, final = story
        blotter = Blotter()

        blotter.tell(*messages)

        for capture in final:
            trade = blotter.trade(capture.external_id)
            assert trade.capture == capture
            assert trade.portfolios == {capture.portfolio}
            assert not trade.is_parked
