"""Transfers of lots and changes of cost basis through the desk."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from commands.command import CloseSession, OpenPortfolio, Outcome, ReachTime, Status
from commands.desk import Desk
from commands.portfolio_commands import ChangeCostBasis, FreezePortfolio, TransferLots
from commands.world import World
from domain.identity import MARKET_TENANT, portfolio_stream
from domain.lots import CostBasis, Lot, Side
from domain.market import Close
from domain.portfolio.basis_events import CostBasisApplied
from domain.portfolio.state import Portfolio
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut, ValuedAt
from domain.trade import Intent
from domain.transfers import NamedLot
from eventstore.log import Log
from tests.commands.scenes import ACME, APPLE, MONDAY, NOON, TUESDAY, capture, done, open_alpha
from tests.commands.test_corporate_actions import SPLIT, declare, events_of, reach

WEDNESDAY = date(2024, 1, 10)


def open_both(desk: Desk) -> None:
    """Alpha with cash and 100 AAPL at 10 and 100 at 20 of Monday; beta with nothing."""
    open_alpha(desk)
    done(desk, OpenPortfolio(portfolio="beta", base_currency="USD", cost_basis=CostBasis.FIFO))
    done(desk, capture("t-1"))
    done(desk, capture("t-2", price=Decimal(20)))


def move(desk: Desk, name: str = "m-1", **changes: Any) -> Outcome:
    """150 AAPL from alpha to beta on Tuesday, with changes."""
    wanted: dict[str, Any] = {
        "portfolio": "alpha",
        "to_portfolio": "beta",
        "instrument": APPLE,
        "quantity": Decimal(150),
        "trade_date": TUESDAY,
    }
    return done(desk, TransferLots(transfer=name, **(wanted | changes)))


def held_by(log: Log, name: str) -> Portfolio:
    """A portfolio as the log gives it."""
    found = World.load(log).portfolio(portfolio_stream(ACME, name), log)
    assert found is not None
    return found


def lots_of(log: Log, name: str) -> list[tuple[Any, ...]]:
    """Date, quantity and cost of the lots of AAPL."""
    lots: list[Lot] = list(held_by(log, name).book(APPLE).lots)
    return [(lot.trade_date, lot.quantity, lot.cost) for lot in lots]


class TestATransfer:
    """Both portfolios, or neither."""

    def test_takes_lots_at_their_cost_and_of_their_dates(self, desk: Desk, log: Log) -> None:
        """By FIFO 100 at 10 and 50 at 20, valued at their last trade of 20: 1,000 are carried."""
        open_both(desk)

        outcome = move(desk)

        assert outcome.status is Status.ACCEPTED
        assert lots_of(log, "alpha") == [(MONDAY, 50, 1_000)]
        assert lots_of(log, "beta") == [(MONDAY, 100, 1_000), (MONDAY, 50, 1_000)]
        out, came = events_of(log, LotsTransferredOut, LotsTransferredIn)
        assert isinstance(out, LotsTransferredOut)
        assert isinstance(came, LotsTransferredIn)
        assert (out.flow, out.carried) == (Decimal(-3_000), Decimal(1_000))
        assert (came.flow, came.carried) == (Decimal(3_000), Decimal(-1_000))
        assert out.valued_at is ValuedAt.TRADE

    def test_is_valued_at_the_close_up_to_it(self, desk: Desk, log: Log) -> None:
        """Tuesday's close of 30, where it has no time of day; Monday's before it is over."""
        open_both(desk)
        for number, price in enumerate((25, 30)):
            starts_at = NOON - timedelta(days=4 - number) + timedelta(hours=2, minutes=30)
            close = Close(instrument=APPLE, price=Decimal(price))
            session = CloseSession(
                calendar="XNYS",
                session=MONDAY + timedelta(days=number),
                starts_at=starts_at,
                ends_at=starts_at + timedelta(hours=6, minutes=30),
                closes=(close,),
            )
            assert done(desk, session, tenant=MARKET_TENANT).status is Status.ACCEPTED

        move(desk, "m-1", quantity=Decimal(1))
        move(desk, "m-2", quantity=Decimal(1), at=NOON - timedelta(days=3))

        came = events_of(log, LotsTransferredIn)
        assert [
            (each.flow, each.valued_at) for each in came if isinstance(each, LotsTransferredIn)
        ] == [
            (Decimal(30), ValuedAt.CLOSE),
            (Decimal(25), ValuedAt.CLOSE),
        ]

    def test_is_told_once_under_its_name(self, desk: Desk, log: Log) -> None:
        """Again: the first acceptance, even when it was restated; other content: a conflict."""
        open_both(desk)
        first = move(desk)
        done(desk, capture("t-0", intent=Intent.EXECUTED, price=Decimal(5)))

        again, other = move(desk), move(desk, quantity=Decimal(1))

        assert (again.position, again.replayed) == (first.position, True)
        assert (other.status, other.code) == (Status.CONFLICT, "transfer_conflict")
        assert other.fields == ("quantity",)
        assert len(events_of(log, LotsTransferredIn)) == 1

    def test_takes_the_lots_it_names(self, desk: Desk, log: Log) -> None:
        """30 of those at 20."""
        open_both(desk)
        named = next(lot for lot in held_by(log, "alpha").book(APPLE).lots if lot.cost == 2_000)

        move(desk, quantity=None, lots=(NamedLot(named.trade_id, Decimal(30)),))

        assert lots_of(log, "alpha") == [(MONDAY, 100, 1_000), (MONDAY, 70, 1_400)]
        assert lots_of(log, "beta") == [(MONDAY, 30, 600)]

    def test_stays_as_told_whatever_comes_late_before_it(self, desk: Desk, log: Log) -> None:
        """What is now taken of alpha cost 25 less: beta keeps what it was told."""
        open_both(desk)
        move(desk, quantity=Decimal(100))
        early = {"quantity": Decimal(5), "price": Decimal(5), "intent": Intent.EXECUTED}

        done(desk, capture("a-first", **early))

        assert lots_of(log, "beta") == [(MONDAY, 100, 1_000)]
        assert held_by(log, "alpha").book(APPLE).cost == 1_000 + 2_000 + 25 - 1_000

    def test_restates_the_actions_behind_it(self, desk: Desk, log: Log) -> None:
        """7 for 1 on Tuesday; 150 of Monday told on Wednesday: 350 stay, 1,050 come."""
        open_both(desk)
        declare(desk, SPLIT)
        reach(desk)

        move(desk, trade_date=MONDAY)

        assert held_by(log, "alpha").book(APPLE).quantity == 350
        assert held_by(log, "beta").book(APPLE).quantity == 1_050

    def test_is_refused_where_it_cannot_be(self, desk: Desk, log: Log) -> None:
        """Nothing is written then."""
        open_both(desk)
        head = log.head().position

        refused = [
            move(desk, quantity=Decimal(201)).code,
            move(desk, trade_date=MONDAY - timedelta(days=1)).code,
            move(desk, trade_date=date(2024, 1, 13)).code,
            move(desk, to_portfolio="alpha").code,
            move(desk, to_portfolio="gamma").code,
            move(desk, instrument="CORE").code,
        ]

        assert refused == [
            "quantity_not_held",
            "quantity_not_held",
            "transfer_from_the_future",
            "transfer_to_itself",
            "portfolio_unknown",
            "instrument_unknown",
        ]
        assert log.head().position == head

    def test_takes_nothing_from_a_frozen_portfolio(self, desk: Desk) -> None:
        """Into one it may come."""
        open_both(desk)
        move(desk)
        done(desk, FreezePortfolio("alpha", "court_order"))

        back = {"portfolio": "beta", "to_portfolio": "alpha", "quantity": Decimal(1)}

        assert move(desk, "m-2").code == "portfolio_frozen"
        assert move(desk, "m-3", **back).status is Status.ACCEPTED

    def test_told_late_leaves_nobody_short(self, desk: Desk) -> None:
        """100 sold on Wednesday: of Tuesday 101 cannot have gone."""
        open_both(desk)
        done(desk, capture("t-3", side=Side.SELL, trade_date=WEDNESDAY))

        refused, moved = move(desk, quantity=Decimal(101)), move(desk, quantity=Decimal(100))

        assert refused.code == "short_not_allowed"
        assert moved.status is Status.ACCEPTED


def change(desk: Desk, basis: CostBasis, from_date: date) -> Outcome:
    """Change alpha's cost basis."""
    return done(desk, ChangeCostBasis(portfolio="alpha", cost_basis=basis, from_date=from_date))


class TestAChangeOfBasis:
    """It reaches the books when its date has come."""

    def test_waits_for_its_date(self, desk: Desk, log: Log) -> None:
        """Told on Monday for Tuesday, then a sale of Tuesday: from the newest lot."""
        open_both(desk)
        change(desk, CostBasis.LIFO, TUESDAY)
        assert not events_of(log, CostBasisApplied)

        done(desk, capture("t-3", side=Side.SELL, price=Decimal(30), trade_date=TUESDAY))

        assert len(events_of(log, CostBasisApplied)) == 1
        assert held_by(log, "alpha").book(APPLE).realised_gross == 1_000

    def test_is_applied_at_once_where_its_date_has_come(self, desk: Desk, log: Log) -> None:
        """And told again it is the first acceptance."""
        open_both(desk)
        done(desk, ReachTime(at=NOON), tenant=MARKET_TENANT)

        first, again = (change(desk, CostBasis.AVERAGE, TUESDAY) for _ in range(2))

        assert held_by(log, "alpha").book(APPLE).basis is CostBasis.AVERAGE
        assert (again.position, again.replayed) == (first.position, True)
        assert len(events_of(log, CostBasisApplied)) == 1
        assert change(desk, CostBasis.FIFO, TUESDAY).code == "cost_basis_changed_since"
