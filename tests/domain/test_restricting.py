"""Freezing and closing a portfolio, and what that does to everything else asked of it."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.capturing import Surroundings, capture_trade
from domain.money import Money
from domain.portfolio.cash import deposit, withdraw
from domain.portfolio.life import PortfolioClosed, PortfolioFrozen, PortfolioUnfrozen
from domain.portfolio.restricting import close_portfolio, freeze, unfreeze
from domain.portfolio.standing import Said
from domain.portfolio.state import Portfolio
from domain.rejection import Breach, Rejection
from domain.trade import Intent
from tests.domain.scenes import (
    FRIDAY_NOON,
    FUND,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    Desk,
    bought,
    captured,
    history_of,
    instrument,
    name_of,
    portfolio,
    sold,
)

FROZEN = PortfolioFrozen(portfolio=FUND, reason="court_order")
UNFROZEN = PortfolioUnfrozen(portfolio=FUND, reason="order_lifted")
CLOSED = PortfolioClosed(portfolio=FUND, on_date=TUESDAY)
TEN = Money(Decimal(10), "USD")


def having(*events: PortfolioFrozen | PortfolioUnfrozen | PortfolioClosed) -> Portfolio:
    """An open portfolio with 5,000 dollars, and what happened to it."""
    held = portfolio(cash=5_000)
    for event in events:
        held.apply(event)
    return held


def breaches_of_a_trade(held: Portfolio, intent: Intent) -> tuple[str, ...]:
    """What a trade of Monday breaches: listed by a refusal, or carried by the capture."""
    around = Surroundings(
        portfolio=held,
        instrument=instrument(),
        market_position=0,
        now=FRIDAY_NOON,
        history_of=lambda _: history_of(tuple),
        rate_at=lambda *_: Decimal(1),
    )
    try:
        done = capture_trade(captured(intent=intent), trade_id=name_of("t-1"), around=around)
    except Rejection as rejection:
        assert intent is Intent.PROPOSED
        return tuple(breach.rule for breach in rejection.breaches)
    assert done.bookings
    return tuple(breach.rule for breach in done.breaches)


def refusals(act: object, held: Portfolio | None, **how: object) -> tuple[str, ...]:
    """The breaches that refuse an act."""
    with pytest.raises(Rejection) as refused:
        act(held, name=FUND, **how)  # type: ignore[operator]
    return tuple(breach.rule for breach in refused.value.breaches)


class TestFreezing:
    """A frozen portfolio asks for nothing that takes from it; facts still book."""

    def test_says_why(self) -> None:
        """By a short code."""
        assert freeze(having(), name=FUND, reason="court_order") == FROZEN

    def test_is_said_once(self) -> None:
        """The same again is the first; for another reason it has to be lifted before."""
        held = having(FROZEN)

        assert freeze(held, name=FUND, reason="court_order") == Said(3, FROZEN)
        assert refusals(freeze, held, reason="audit") == ("portfolio_frozen",)

    @pytest.mark.parametrize(
        ("events", "breaches"),
        [((), ()), ((FROZEN,), ("portfolio_frozen",)), ((FROZEN, UNFROZEN), ())],
        ids=["never", "frozen", "unfrozen"],
    )
    def test_refuses_proposed_trades_and_marks_executed_ones(
        self, events: tuple[PortfolioFrozen, ...], breaches: tuple[str, ...]
    ) -> None:
        """The executed one books with the breach."""
        for intent in Intent:
            assert breaches_of_a_trade(having(*events), intent) == breaches

    def test_refuses_withdrawals_but_no_deposits(self) -> None:
        """Money may come in."""
        flow = {"amount": TEN, "value_date": MONDAY, "at": None}

        assert refusals(withdraw, having(FROZEN), **flow) == ("portfolio_frozen",)
        assert deposit(having(FROZEN), name=FUND, **flow).balance == 5_010  # type: ignore[arg-type]
        lifted = having(FROZEN, UNFROZEN)
        assert withdraw(lifted, name=FUND, **flow).balance == 4_990  # type: ignore[arg-type]

    def test_lists_every_reason_why_a_withdrawal_is_refused(self) -> None:
        """Too much, and frozen."""
        flow = {"amount": Money(Decimal(5_001), "USD"), "value_date": MONDAY, "at": None}

        assert refusals(withdraw, having(FROZEN), **flow) == (
            "insufficient_cash",
            "portfolio_frozen",
        )


class TestUnfreezing:
    """Lifts a freeze that is there."""

    def test_says_why(self) -> None:
        """By a short code."""
        assert unfreeze(having(FROZEN), name=FUND, reason="order_lifted") == UNFROZEN

    @pytest.mark.parametrize("events", [(), (FROZEN, UNFROZEN)], ids=["never", "lifted"])
    def test_needs_a_freeze(self, events: tuple[PortfolioFrozen, ...]) -> None:
        """Nothing is lifted twice."""
        assert refusals(unfreeze, having(*events), reason="x") == ("portfolio_not_frozen",)

    @pytest.mark.parametrize("act", [freeze, unfreeze])
    def test_needs_an_open_portfolio(self, act: object) -> None:
        """Never opened is unknown."""
        assert refusals(act, None, reason="x") == ("portfolio_unknown",)


class TestClosing:
    """An empty portfolio ends; nothing is asked of it any more."""

    def test_needs_an_empty_portfolio(self) -> None:
        """Opened and never used, or emptied to the last share and cent."""
        emptied = Desk()
        emptied.take(bought("b-1", 3, 10), sold("s-1", 3, 10))

        for held in (portfolio(), emptied.portfolio):
            assert close_portfolio(held, name=FUND, on_date=TUESDAY) == CLOSED

    def test_names_what_is_still_there(self) -> None:
        """Positions and currencies, each with what to do."""
        desk = Desk(cash=30)
        desk.take(bought("b-1", 3, 9))
        desk.portfolio.cash["EUR"] = Decimal("-0.5")

        with pytest.raises(Rejection) as refused:
            close_portfolio(desk.portfolio, name=FUND, on_date=TUESDAY)

        assert refused.value.breaches == (
            Breach(
                "positions_open",
                "Positions are open: AAPL; close them first.",
                limit="0",
                actual="1",
            ),
            Breach(
                "cash_held",
                "Cash is held: -0.5 EUR, 3 USD; bring every balance to zero first.",
                limit="0",
                actual="2",
            ),
        )

    def test_waits_for_what_has_yet_to_settle(self) -> None:
        """Bought and sold at one price: nothing is left, but it settles on two dates."""
        held = portfolio()
        held.pending["USD"] = {MONDAY: Decimal(-30), TUESDAY: Decimal(30), WEDNESDAY: Decimal(0)}

        with pytest.raises(Rejection) as refused:
            close_portfolio(held, name=FUND, on_date=TUESDAY)

        assert refused.value.breaches == (
            Breach(
                "cash_pending",
                "Cash has yet to settle: -30 USD on 2024-01-08, 30 USD on 2024-01-09; "
                "wait until it has.",
                limit="0",
                actual="2",
            ),
        )
        held.pending["USD"] = {WEDNESDAY: Decimal(0)}
        assert close_portfolio(held, name=FUND, on_date=TUESDAY) == CLOSED

    def test_names_a_few_of_many(self) -> None:
        """A refusal stays readable."""
        held = portfolio()
        held.cash.update({f"A{letter}D": Decimal(1) for letter in "BCEFGHI"})

        with pytest.raises(Rejection) as refused:
            close_portfolio(held, name=FUND, on_date=TUESDAY)

        assert "1 AGD and 2 more; bring" in refused.value.message
        assert refused.value.breaches[0].actual == "7"

    def test_is_said_once(self) -> None:
        """The same again is the first, even if a forgotten fact came since; another date is not."""
        held = having(CLOSED)

        assert close_portfolio(held, name=FUND, on_date=TUESDAY) == Said(3, CLOSED)
        assert refusals(close_portfolio, held, on_date=MONDAY) == ("portfolio_closed",)

    def test_refuses_proposed_trades_and_marks_executed_ones(self) -> None:
        """A fact that was forgotten still books."""
        for intent in Intent:
            assert breaches_of_a_trade(having(CLOSED), intent) == ("portfolio_closed",)

    @pytest.mark.parametrize("act", [deposit, withdraw])
    def test_refuses_flows(self, act: object) -> None:
        """Neither in nor out."""
        flow = {"amount": TEN, "value_date": MONDAY, "at": None}

        assert refusals(act, having(CLOSED), **flow) == ("portfolio_closed",)

    def test_needs_an_open_portfolio(self) -> None:
        """Never opened is unknown."""
        assert refusals(close_portfolio, None, on_date=MONDAY) == ("portfolio_unknown",)


class TestAFork:
    """A twin is folded further without touching the first."""

    def test_stands_for_itself(self) -> None:
        """Frozen in the layer, not in the world."""
        held = having()

        twin = held.fork()
        twin.apply(FROZEN)
        further = twin.fork()
        further.apply(replace(UNFROZEN))

        assert [each.standing.frozen for each in (held, twin, further)] == [
            None,
            Said(3, FROZEN),
            None,
        ]
