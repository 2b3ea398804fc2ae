"""Settling trades by a custodian's word: whole, in part, failing, in any order (convention 10)."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.correcting import Amend
from domain.lots import Side
from domain.portfolio.events import (
    CashSettled,
    SettlementPolicy,
    TradeCashMoved,
    is_portfolio_event,
)
from domain.portfolio.settling import lowest_balance, settle_due
from domain.portfolio.state import Portfolio
from domain.rejection import Conflict
from domain.settlement_dates import settlement_date
from domain.trade import (
    Capture,
    Settlement,
    SettlementStatus,
    SettlementWord,
    TradeSettled,
    TradeSettlementFailed,
    TradeSettlementResumed,
)
from domain.trade_settlement import earlier_word, settlement_of
from tests.domain.blotter import OTHER_FUND, Blotter, Bust, Message
from tests.domain.scenes import DESK, FUND, MONDAY, TUESDAY, name_of, told

WEDNESDAY = date(2024, 1, 10)
FRIDAY = date(2024, 1, 12)


def settled(number: int = 1, external_id: str = "t-1", **changes: Any) -> TradeSettled:
    """The whole trade settled on Wednesday, with changes."""
    wanted: dict[str, Any] = {"settlement_id": f"s-{number}", "settled_on": WEDNESDAY}
    return TradeSettled(**_named(external_id), **(wanted | changes))


def failed(number: int = 1, external_id: str = "t-1", **changes: Any) -> TradeSettlementFailed:
    """It fails on Wednesday for want of securities."""
    wanted: dict[str, Any] = {
        "failure_id": f"f-{number}",
        "failed_on": WEDNESDAY,
        "reason": "no_securities",
    }
    return TradeSettlementFailed(**_named(external_id), **(wanted | changes))


def resumed(number: int = 1, external_id: str = "t-1") -> TradeSettlementResumed:
    """That fail stands no longer."""
    return TradeSettlementResumed(
        **_named(external_id), failure_id=f"f-{number}", resumed_on=FRIDAY
    )


def _named(external_id: str) -> dict[str, Any]:
    return {
        "trade_id": name_of(external_id),
        "portfolio": FUND,
        "source": DESK,
        "external_id": external_id,
    }


def blotter(*messages: Message, **how: Any) -> Blotter:
    """What was told, under the policy `actual` unless said otherwise."""
    made = Blotter(**({"settlement": SettlementPolicy.ACTUAL} | how))
    made.tell(*messages)
    return made


Standing = tuple[int, dict[date, int], dict[date, int]]


def cash(made: Blotter, name: str = FUND) -> Standing:
    """What is settled, and by value date awaited and failing; beyond the 10,000 at the start."""
    held = made.portfolios[name]
    return (
        int(held.settled("USD")) - 10_000,
        {day: int(each) for day, each in held.awaited.get("USD", {}).items() if each},
        {day: int(each) for day, each in held.failing.get("USD", {}).items() if each},
    )


class TestAwaiting:
    """Under `actual` only a custodian's word settles a trade."""

    def test_is_not_ended_by_a_session(self) -> None:
        """100 at 10 are awaited on Wednesday, whatever closes."""
        made = blotter(told())

        assert settle_due(made.portfolios[FUND], name=FUND, until=FRIDAY) == []
        assert cash(made) == (0, {WEDNESDAY: -1_000}, {})

    def test_binds_a_withdrawal_as_pending_cash_does(self) -> None:
        """What is to be paid is; what fails to come is not counted, what fails to go is owed."""
        sale = told("t-2", side=Side.SELL)
        made = blotter(told(), failed(), told("t-3"), sale, failed(2, "t-2"))

        assert cash(made) == (0, {WEDNESDAY: -1_000}, {})
        made = blotter(told(), sale, failed(2, "t-2"))
        assert lowest_balance(made.portfolios[FUND], currency="USD", on=MONDAY) == (
            Decimal(9_000),
            WEDNESDAY,
        )


class TestSettling:
    """Whole, by quantity, by cash, or both."""

    def test_settles_the_whole(self) -> None:
        """Its cash is settled, its status says so; told again it is the same word."""
        made = blotter(told(), settled(), settled())

        assert cash(made) == (-1_000, {}, {})
        assert settlement_of(made.trade("t-1")) == Settlement(
            SettlementStatus.SETTLED, Decimal(100), Decimal(-1_000)
        )

    def test_settles_a_part_by_quantity_pro_rata(self) -> None:
        """40 of 100: 400 are paid, 600 awaited."""
        made = blotter(told(), settled(quantity=Decimal(40)))

        assert cash(made) == (-400, {WEDNESDAY: -600}, {})
        assert settlement_of(made.trade("t-1")).status is SettlementStatus.PARTIALLY_SETTLED

    def test_settles_what_cash_is_told(self) -> None:
        """40 for 390 and 60 for 610; the trade is settled, and its cash is."""
        made = blotter(
            told(),
            settled(1, quantity=Decimal(40), cash_change=Decimal(-390)),
            settled(2, quantity=Decimal(60), cash_change=Decimal(-610)),
        )

        assert cash(made) == (-1_000, {}, {})

    def test_moves_nothing_under_contractual(self) -> None:
        """The cash settles with its value date; the trade says what was told."""
        made = blotter(told(), failed(), settlement=SettlementPolicy.CONTRACTUAL)

        (due,) = settle_due(made.portfolios[FUND], name=FUND, until=FRIDAY)

        assert isinstance(due, CashSettled)
        assert due.amount == -1_000
        assert settlement_of(made.trade("t-1")).status is SettlementStatus.FAILED

    def test_names_what_is_settled_beyond_the_trade(self) -> None:
        """A fact, and a breach."""
        made = blotter(told())
        told_events = made.tell(settled(quantity=Decimal(101)))

        assert isinstance(told_events[0], TradeSettled)
        assert cash(made) == (-1_010, {WEDNESDAY: 10}, {})

    def test_refuses_other_content_under_a_known_name(self) -> None:
        """A settlement is named once."""
        made = blotter(told(), settled())

        with pytest.raises(Conflict) as conflict:
            earlier_word(made.trade("t-1"), settled(quantity=Decimal(1)))
        assert conflict.value.code == "settlement_conflict"
        assert conflict.value.fields == ("quantity",)


class TestFailing:
    """A fail is of what is not settled; the position stays."""

    def test_keeps_the_trade_date_position(self) -> None:
        """100 are held, 1,000 fail."""
        made = blotter(told(), failed())

        assert made.portfolios[FUND].book("AAPL").quantity == 100
        assert cash(made) == (0, {}, {WEDNESDAY: -1_000})
        assert settlement_of(made.trade("t-1")).reason == "no_securities"

    def test_ends_with_settlement_or_when_it_is_resumed(self) -> None:
        """Settled later: nothing fails; instructed anew: awaited again."""
        assert cash(blotter(told(), failed(), settled())) == (-1_000, {}, {})
        assert cash(blotter(told(), failed(), resumed())) == (0, {WEDNESDAY: -1_000}, {})

    def test_is_of_the_rest_where_a_part_is_settled(self) -> None:
        """40 settled, 600 fail, whichever was told first."""
        part = settled(quantity=Decimal(40))

        assert cash(blotter(told(), failed(), part)) == (-400, {}, {WEDNESDAY: -600})
        assert cash(blotter(told(), part, failed())) == (-400, {}, {WEDNESDAY: -600})

    def test_ends_with_the_trade(self) -> None:
        """Cancelled or bought in: the source busts it, or amends it to what was settled."""
        part = settled(quantity=Decimal(40), cash_change=Decimal(-400))
        amend = Amend(1, told(quantity=Decimal(40)), "bought_in")

        assert cash(blotter(told(), failed(), Bust("t-1"))) == (0, {}, {})
        assert cash(blotter(told(), part, failed(), amend)) == (-400, {}, {})


class TestCorrectingWhatIsSettled:
    """Amends and busts leave cash right by value date."""

    def test_a_busted_trade_waits_for_its_cash_to_come_back(self) -> None:
        """Paid 1,000 for nothing: awaited back, until the custodian takes its word back."""
        made = blotter(told(), settled(), Bust("t-1"))
        assert cash(made) == (-1_000, {WEDNESDAY: 1_000}, {})

        made.tell(settled(2, is_reversal=True))
        assert cash(made) == (0, {}, {})

    def test_an_amended_trade_takes_what_was_settled_along(self) -> None:
        """To Tuesday, which settles on Thursday, and 20 more than was paid."""
        amend = Amend(1, told(quantity=Decimal(102), trade_date=TUESDAY))
        made = blotter(told(), settled(cash_change=Decimal(-1_000)), amend)

        assert cash(made) == (-1_000, {date(2024, 1, 11): -20}, {})

    def test_a_trade_taken_to_another_portfolio_settles_there(self) -> None:
        """Nothing of it is left behind."""
        amend = Amend(1, told(portfolio=OTHER_FUND))
        made = blotter(told(), settled(quantity=Decimal(40)), amend)

        assert cash(made) == (0, {}, {})
        assert cash(made, OTHER_FUND) == (-400, {WEDNESDAY: -600}, {})

    def test_what_comes_before_its_trade_waits_for_it(self) -> None:
        """Held, and it stands as soon as the trade is there."""
        made = Blotter(settlement=SettlementPolicy.ACTUAL)
        (word,) = made.tell(settled(quantity=Decimal(40)))
        assert isinstance(word, TradeSettled)
        assert word.is_held

        made.tell(told())
        assert cash(made) == (-400, {WEDNESDAY: -600}, {})


numbers = st.integers(1, 9).map(Decimal)
contents = st.fixed_dictionaries(
    {
        "portfolio": st.sampled_from([FUND, FUND, OTHER_FUND]),
        "side": st.sampled_from(Side),
        "quantity": numbers,
        "price": numbers,
        "fee": st.sampled_from([Decimal(0), Decimal(1)]),
        "trade_date": st.sampled_from([MONDAY, TUESDAY, TUESDAY + timedelta(days=1)]),
    }
)


class Told:
    """A trade's final content, if it is not busted, and what custodians told of it."""

    def __init__(self, content: Capture, *, is_busted: bool, words: list[SettlementWord]) -> None:
        self.content = content
        self.is_busted = is_busted
        self.words = words

    def standing(self) -> tuple[Fraction, Fraction, Fraction]:
        """Awaited, failing and settled cash, summed word by word."""
        content = self.content
        sign = -1 if content.side is Side.BUY else 1
        whole = Fraction(sign * content.quantity * content.price - content.fee)
        quantity = cash = Fraction(0)
        for word in self.words:
            if isinstance(word, TradeSettled):
                part = Fraction(word.quantity or 0)
                if word.quantity is None and word.cash_change is None:
                    part = Fraction(content.quantity)
                part *= -1 if word.is_reversal else 1
                quantity += part
                given = word.cash_change
                own = whole * part / Fraction(content.quantity)
                cash += own if given is None else Fraction(given)
        over = {word.failure_id for word in self.words if isinstance(word, TradeSettlementResumed)}
        fails = [
            word
            for word in self.words
            if isinstance(word, TradeSettlementFailed) and word.failure_id not in over
        ]
        if self.is_busted:
            return -cash, Fraction(0), cash
        rest = whole - cash
        if fails and quantity < content.quantity and rest * whole > 0:
            return Fraction(0), rest, cash
        return rest, Fraction(0), cash


@st.composite
def words_of(draw: st.DrawFn, external_id: str) -> list[SettlementWord]:
    """What custodians told of a trade."""
    words: list[SettlementWord] = []
    for number in range(draw(st.integers(0, 3))):
        how = draw(
            st.fixed_dictionaries(
                {
                    "quantity": st.none() | numbers,
                    "cash_change": st.none() | st.integers(-40, 40).map(Decimal),
                    "is_reversal": st.sampled_from([False, False, True]),
                }
            )
        )
        words.append(settled(number, external_id, **how))
    for number in range(draw(st.integers(0, 2))):
        words.append(failed(number, external_id))
        if draw(st.booleans()):
            words.append(resumed(number, external_id))
    return words


@st.composite
def settlement_stories(draw: st.DrawFn) -> tuple[list[Message], list[Told]]:
    """Trades, their corrections and settlement, in any order and some told twice."""
    messages: list[Message] = []
    final: list[Told] = []
    for number in range(draw(st.integers(1, 3))):
        name = f"t-{number}"
        first = capture = told(name, **draw(contents))
        messages.append(capture)
        for revision in range(1, 1 + draw(st.sampled_from([0, 0, 1, 2]))):
            capture = told(name, **draw(contents))
            messages.append(Amend(revision, capture))
        is_busted = draw(st.sampled_from([False, False, True]))
        if is_busted:
            messages.append(Bust(name, portfolio=draw(st.sampled_from([FUND, OTHER_FUND]))))
        words = draw(words_of(name))
        messages += words
        if is_busted:
            capture = first
        final.append(Told(capture, is_busted=is_busted, words=words))
    again = draw(st.lists(st.sampled_from(messages), max_size=3))
    return draw(st.permutations([*messages, *again])), final


CLOSE = Fraction(1, 10**9)


def require_close(found: dict[date, Decimal], expected: dict[date, Fraction]) -> None:
    """Compare amounts by value date, to what shares are rounded to."""
    for day in found.keys() | expected.keys():
        assert abs(Fraction(found.get(day, Decimal(0))) - expected.get(day, Fraction(0))) < CLOSE


class TestLaws:
    """What was told in the end decides, not what came when; and no cash is lost."""

    @given(story=settlement_stories())
    @settings(max_examples=300, deadline=None)
    def test_any_order_of_arrival_gives_the_same_cash(
        self, story: tuple[list[Message], list[Told]]
    ) -> None:
        """Captures, amends, busts, settlements and fails, against a sum made word by word."""
        messages, final = story
        made = blotter(*messages)

        for name in (FUND, OTHER_FUND):
            awaited: dict[date, Fraction] = defaultdict(Fraction)
            failing: dict[date, Fraction] = defaultdict(Fraction)
            for each in final:
                content = each.content
                if content.portfolio == name:
                    assert content.trade_date is not None
                    due = settlement_date(
                        calendar="XNYS", currency="USD", trade_date=content.trade_date
                    )
                    awaited[due] += each.standing()[0]
                    failing[due] += each.standing()[1]
            held = made.portfolios[name]
            require_close(held.awaited.get("USD", {}), awaited)
            require_close(held.failing.get("USD", {}), failing)

    @given(story=settlement_stories())
    @settings(max_examples=100, deadline=None)
    def test_awaited_failing_and_settled_are_the_trade_date_balance_always(
        self, story: tuple[list[Message], list[Told]]
    ) -> None:
        """After every command; what moves between them adds up to nothing."""
        messages, _ = story
        made = blotter(*messages)
        folded = {FUND: Portfolio(), OTHER_FUND: Portfolio()}
        paid = dict.fromkeys(folded, Decimal(0))
        for command in made.commands:
            for event in command:
                if isinstance(event, TradeCashMoved):
                    assert not event.awaited + event.failing + event.settled
                    paid[event.portfolio] += event.settled
            for name, portfolio in folded.items():
                for event in command:
                    if is_portfolio_event(event) and event.portfolio == name:
                        portfolio.apply(event)
                if portfolio.opened is not None and portfolio.balance("USD"):
                    assert portfolio.settled("USD") == 10_000 + paid[name]
