"""Golden samples of transfers of lots, on both sides."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from domain.event import Event
from domain.held import BookTotals
from domain.lots import Lot
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut, ValuedAt
from domain.transfers import NamedLot, Transfer
from tests.schemas.trade_samples import DAY, TRADE

OTHER = UUID("10111213-1415-5617-9819-1a1b1c1d1e1f")
TOTALS = BookTotals(*map(Decimal, ("7.5", "645.25", "1.5", "-3.5", "-4.5")))
FULL = Transfer(
    transfer="move:2024-1",
    portfolio="growth",
    to_portfolio="income",
    instrument="AAPL",
    trade_date=DAY,
    quantity=Decimal("2.5"),
    at=datetime(2024, 3, 4, 15, 0, 0, 123_456, tzinfo=UTC),
    named=(NamedLot(TRADE, Decimal("2.5")),),
)
LEAST = Transfer(
    transfer="m-1",
    portfolio="growth",
    to_portfolio="income",
    instrument="AAPL",
    trade_date=DAY,
    quantity=Decimal(100),
)
FULL_LOT = Lot(
    trade_id=TRADE,
    trade_date=date(2023, 12, 29),
    quantity=Decimal("-2.5"),
    cost=Decimal("-425.123456789012"),
    fee=Decimal("0.5"),
    unit_cost=Decimal("170.049382715605"),
)
LEAST_LOT = Lot(OTHER, DAY, Decimal(100), Decimal(1000), Decimal(0))

TRANSFER_SAMPLES: dict[str, tuple[Event, ...]] = {
    "portfolio.lots_transferred_out.v1": (
        LotsTransferredOut(
            portfolio="growth",
            instrument="AAPL",
            currency="USD",
            transfer=FULL,
            lots=(FULL_LOT,),
            totals=TOTALS,
            quantity_change=Decimal("2.5"),
            cost_change=Decimal("425.123456789012"),
            flow=Decimal("431.25"),
            carried=Decimal("-6.126543210988"),
            price=Decimal("172.5"),
            valued_at=ValuedAt.CLOSE,
            is_late=True,
            is_restated=True,
            rate_to_base=Decimal("0.92"),
        ),
        LotsTransferredOut(
            portfolio="growth",
            instrument="AAPL",
            currency="USD",
            transfer=LEAST,
            lots=(LEAST_LOT,),
            totals=BookTotals(Decimal(0), Decimal(0)),
        ),
    ),
    "portfolio.lots_transferred_in.v1": (
        LotsTransferredIn(
            portfolio="income",
            instrument="AAPL",
            currency="USD",
            transfer=FULL,
            lots=(FULL_LOT,),
            totals=TOTALS,
            quantity_change=Decimal("-2.5"),
            flow=Decimal("-431.25"),
            carried=Decimal("6.126543210988"),
            price=Decimal("172.5"),
            valued_at=ValuedAt.TRADE,
            realised_gross=Decimal("1.5"),
            realised_net=Decimal("1.25"),
            is_late=True,
            rate_to_base=Decimal("0.92"),
        ),
        LotsTransferredIn(
            portfolio="income",
            instrument="AAPL",
            currency="USD",
            transfer=LEAST,
            lots=(LEAST_LOT,),
            totals=BookTotals(Decimal(100), Decimal(1000)),
            quantity_change=Decimal(100),
            flow=Decimal(2000),
            carried=Decimal(-1000),
            price=Decimal(20),
            valued_at=ValuedAt.CLOSE,
        ),
    ),
}
