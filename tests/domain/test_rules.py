"""Pre-trade rules, each with its edges in pairs; limits are inclusive (conventions 1 and 15)."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.capturing import fill_of
from domain.instrument import InstrumentChange, InstrumentDelisted, InstrumentResumed
from domain.money import Money
from domain.portfolio.booking import cash_change
from domain.portfolio.life import PortfolioClosed, PortfolioFrozen
from domain.portfolio.standing import Said, Standing
from domain.rejection import Breach
from domain.rules.always import (
    RULES,
    cash_is_sufficient,
    instrument_is_active,
    settlement_date_is_known,
    short_is_allowed,
    trade_is_not_from_the_future,
)
from domain.rules.judging import breaches_of
from domain.rules.proposal import Proposal
from domain.trade import Capture, Intent
from tests.domain.scenes import (
    APPLE,
    BUY,
    FIFO,
    FRIDAY_NOON,
    FUND,
    MONDAY,
    NOON,
    SELL,
    Number,
    captured,
    exact,
    instrument,
    minutes,
    name_of,
    opened,
    suspended,
)

SKEW = timedelta(seconds=5)
A_MOMENT = timedelta(microseconds=1)


def proposal(
    capture: Capture,
    *,
    held: Number = 0,
    cash: Number = 0,
    now: datetime = FRIDAY_NOON,
    calendar: str = "XNYS",
    life: tuple[InstrumentChange, ...] = (),
    **opening: bool,
) -> Proposal:
    """What rules see of a capture on a portfolio that holds so much."""
    fill = fill_of(capture, trade_id=name_of(capture.external_id), calendar=calendar)
    traded = instrument(calendar=calendar)
    for change in life:
        traded.apply(change)
    before, balance = exact(held, cash)
    signed = fill.quantity if fill.side is BUY else -fill.quantity
    return Proposal(
        capture=capture,
        fill=fill,
        opened=opened(FIFO, **opening),
        instrument=traded,
        quantity_before=before,
        quantity_after=before + signed,
        cash_before=Money(balance, "USD"),
        cash_change=cash_change(fill),
        now=now,
    )


class TestNeedingCash:
    """A trade leaves a balance of at least zero, unless leverage is allowed."""

    @pytest.mark.parametrize(
        ("cash", "breaches"), [("1000", 0), ("999.999999999999", 1), ("-5", 1)]
    )
    def test_takes_the_last_cent_and_no_more(self, cash: str, breaches: int) -> None:
        """100 at 10 needs 1,000."""
        assert (cash_is_sufficient(proposal(captured(), cash=cash)) is not None) == bool(breaches)

    def test_counts_the_fee(self) -> None:
        """A fee of 1 needs 1,001."""
        costly = captured(fee=Decimal(1))

        assert cash_is_sufficient(proposal(costly, cash=1_001)) is None
        assert cash_is_sufficient(proposal(costly, cash=1_000)) is not None

    def test_says_what_is_needed_and_held_without_exponents(self) -> None:
        """As plain numbers, whatever their size."""
        tiny = captured(quantity=Decimal("0.00000001"), price=Decimal(1))

        breach = cash_is_sufficient(proposal(tiny, cash="0.000000001"))

        assert breach == Breach(
            "insufficient_cash",
            "0.00000001 USD needed, 0.000000001 held.",
            limit="0.000000001",
            actual="0.00000001",
        )

    def test_allows_leverage_where_the_portfolio_does(self) -> None:
        """Then cash may go below zero."""
        assert cash_is_sufficient(proposal(captured(), allows_leverage=True)) is None

    def test_never_hinders_a_trade_that_brings_cash(self) -> None:
        """A sale is welcome on an overdrawn balance, even where it leaves it overdrawn."""
        sale = captured(side=SELL)

        assert cash_is_sufficient(proposal(sale, held=100, cash=-5_000)) is None

    def test_hinders_a_sale_whose_fee_exceeds_its_proceeds(self) -> None:
        """It takes cash like a purchase."""
        sale = captured(side=SELL, fee=Decimal(1_001))

        assert cash_is_sufficient(proposal(sale, held=100, cash=0)) is not None
        assert cash_is_sufficient(proposal(sale, held=100, cash=1)) is None


class TestSellingShort:
    """A sale sells what is held, unless short sales are allowed."""

    @pytest.mark.parametrize(("held", "breaches"), [("100", 0), ("99.999999999999", 1), ("-1", 1)])
    def test_sells_all_that_is_held_and_no_more(self, held: str, breaches: int) -> None:
        """100 are sold."""
        sale = proposal(captured(side=SELL), held=held)

        assert (short_is_allowed(sale) is not None) == bool(breaches)

    @pytest.mark.parametrize(("held", "limit"), [(30, "30"), (-30, "0")])
    def test_says_what_was_sold_and_held(self, held: int, limit: str) -> None:
        """A short position holds nothing to sell."""
        assert short_is_allowed(proposal(captured(side=SELL), held=held)) == Breach(
            "short_not_allowed", f"100 sold, {limit} held.", limit=limit, actual="100"
        )

    def test_allows_it_where_the_portfolio_does(self) -> None:
        """The opening says so."""
        assert short_is_allowed(proposal(captured(side=SELL), allows_short=True)) is None

    def test_never_hinders_buying_back(self) -> None:
        """An oversold position (an executed fact) may be covered, in part too."""
        assert short_is_allowed(proposal(captured(), held=-500)) is None


class TestComingFromTheFuture:
    """No trade is executed after it was received, nor dated so."""

    @pytest.mark.parametrize(
        ("ahead", "breaches"), [(timedelta(0), 0), (SKEW, 0), (SKEW + A_MOMENT, 1)]
    )
    def test_forgives_five_seconds(self, ahead: timedelta, breaches: int) -> None:
        """Clocks differ a little."""
        trade = captured(executed_at=FRIDAY_NOON + ahead)

        assert (trade_is_not_from_the_future(proposal(trade)) is not None) == bool(breaches)

    @pytest.mark.parametrize(
        ("calendar", "now", "latest"),
        [
            ("XNYS", datetime(2024, 1, 12, 12, tzinfo=UTC), date(2024, 1, 12)),
            ("XNYS", datetime(2024, 1, 12, 4, 59, 54, tzinfo=UTC), date(2024, 1, 11)),
            ("XNYS", datetime(2024, 1, 12, 4, 59, 55, tzinfo=UTC), date(2024, 1, 12)),
            ("XTKS", datetime(2024, 1, 12, 14, 59, 54, tzinfo=UTC), date(2024, 1, 12)),
            ("XTKS", datetime(2024, 1, 12, 14, 59, 55, tzinfo=UTC), date(2024, 1, 13)),
            ("24/7", datetime(2024, 1, 12, 23, 59, 54, tzinfo=UTC), date(2024, 1, 12)),
            ("24/7", datetime(2024, 1, 12, 23, 59, 55, tzinfo=UTC), date(2024, 1, 13)),
        ],
    )
    def test_knows_the_market_s_own_day(self, calendar: str, now: datetime, latest: date) -> None:
        """The last date that is not of the future, and the one after it."""
        today, tomorrow = (captured(trade_date=latest + timedelta(days=days)) for days in (0, 1))

        fine = trade_is_not_from_the_future(proposal(today, now=now, calendar=calendar))
        breach = trade_is_not_from_the_future(proposal(tomorrow, now=now, calendar=calendar))

        assert fine is None
        assert breach is not None
        assert (breach.limit, breach.actual) == (
            latest.isoformat(),
            (latest + timedelta(days=1)).isoformat(),
        )


class TestTradingAnInstrument:
    """What is suspended or delisted at the trade's own time is not traded."""

    @pytest.mark.parametrize(
        ("executed_at", "breaches"),
        [(NOON - A_MOMENT, 0), (NOON, 1), (minutes(60) - A_MOMENT, 1), (minutes(60), 0)],
    )
    def test_stops_from_its_suspension_until_it_is_resumed(
        self, executed_at: datetime, breaches: int
    ) -> None:
        """From noon until one o'clock, the first instant included and the last not."""
        resumed = InstrumentResumed(instrument=APPLE, from_at=minutes(60))
        capture = captured(executed_at=executed_at)

        found = instrument_is_active(proposal(capture, life=(suspended(), resumed)))

        assert (found is not None) == bool(breaches)

    def test_judges_a_trade_without_a_time_at_the_end_of_its_date(self) -> None:
        """On Sunday it traded; of Monday nobody knows that it was before noon."""
        sunday = captured(trade_date=MONDAY - timedelta(days=1))

        assert instrument_is_active(proposal(captured())) is None
        assert instrument_is_active(proposal(sunday, life=(suspended(),))) is None
        assert instrument_is_active(proposal(captured(), life=(suspended(),))) == Breach(
            "instrument_inactive", "AAPL is suspended.", actual="2024-01-09T00:00:00+00:00"
        )

    def test_ends_with_its_delisting(self) -> None:
        """Monday is the first day without it."""
        delisted = InstrumentDelisted(instrument=APPLE, on_date=MONDAY)
        sunday = captured(trade_date=MONDAY - timedelta(days=1))

        assert instrument_is_active(proposal(sunday, life=(delisted,))) is None
        assert instrument_is_active(proposal(captured(), life=(delisted,))) == Breach(
            "instrument_inactive", "AAPL is delisted.", limit="2024-01-08", actual="2024-01-08"
        )


class TestSettlingSomeDay:
    """A trade settles on a date that is known."""

    @pytest.mark.parametrize(
        ("traded", "breaches"), [(date(2030, 12, 30), 0), (date(2030, 12, 31), 1)]
    )
    def test_asks_no_further_than_the_calendars_reach(self, traded: date, breaches: int) -> None:
        """The last trade that settles within them, and the next."""
        breach = settlement_date_is_known(proposal(captured(trade_date=traded)))

        assert (breach is not None) == bool(breaches)
        assert breach is None or breach.rule == "settlement_date_unknown"


class TestEveryRule:
    """All are run, and every breach is listed."""

    def test_lists_every_breach_in_the_order_of_the_rules(self) -> None:
        """A dear sale of years ahead, short, in a suspended name, on closed and frozen books."""
        worst = captured(
            side=SELL,
            fee=Decimal(5_000),
            consideration=Decimal(1),
            trade_date=date(2031, 1, 2),
            closes=(name_of("gone"),),
        )

        shut = Standing(
            frozen=Said(2, PortfolioFrozen(portfolio=FUND, reason="court_order")),
            closed=Said(3, PortfolioClosed(portfolio=FUND, on_date=MONDAY)),
            closed_until=date(2031, 1, 2),
        )

        judged = proposal(worst, life=(suspended(),))

        found = breaches_of(replace(judged, standing=shut, is_rate_missing=True))

        assert [breach.rule for breach in found] == [
            "instrument_inactive",
            "insufficient_cash",
            "short_not_allowed",
            "consideration_mismatch",
            "trade_from_the_future",
            "portfolio_frozen",
            "portfolio_closed",
            "period_closed",
            "settlement_date_unknown",
            "lots_not_chosen",
            "rate_unknown",
        ]
        assert len(found) == len(RULES)

    def test_refuses_a_proposal_that_expects_a_gift(self) -> None:
        """A negative fee, or a consideration beside quantity x price by more than a cent."""
        rebate = breaches_of(proposal(captured(fee=Decimal(-1)), cash=1_000))
        cheap = breaches_of(proposal(captured(consideration=Decimal("999.98")), cash=1_000))
        rounded = breaches_of(proposal(captured(consideration=Decimal("999.99")), cash=1_000))

        assert [breach.rule for breach in rebate] == ["fee_negative"]
        assert [breach.rule for breach in cheap] == ["consideration_mismatch"]
        assert rounded == ()

    def test_takes_the_word_of_an_executed_trade(self) -> None:
        """A rebate and an amount of its source's own are facts."""
        told = captured(intent=Intent.EXECUTED, fee=Decimal(-1), consideration=Decimal(500))

        assert breaches_of(proposal(told, cash=1_000)) == ()

    def test_finds_none_in_a_proper_trade(self) -> None:
        """Cash there, instrument there, today."""
        assert breaches_of(proposal(captured(), cash=1_000)) == ()
