"""Golden samples: bytes that were once written to a log, and what they mean for ever.

Each file `golden/<event name>.json` holds one event a line: first with every field, then with the
fewest; then, where an event has got fields since, one with those. A line once committed never
changes. For a new event, describe it in `SAMPLES` and run `python -m tests.schemas.golden_samples`,
which writes missing files and lines and touches no other.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from msgspec.structs import replace

from domain.event import Event
from domain.held import BookTotals
from domain.instrument import AssetClass, InstrumentRegistered
from domain.lots import ClosedLot, CostBasis, Fill, Lot, Side
from domain.market import (
    Close,
    CloseCorrected,
    Finding,
    FollowingClose,
    Mark,
    MarketMarked,
    Rate,
    SessionClosed,
)
from domain.money import ZERO, Money
from domain.portfolio.events import (
    CashDeposited,
    CashSettled,
    CashWithdrawn,
    LotsClosed,
    LotsRestated,
    PortfolioOpened,
    RealisedChange,
    Reason,
    TradeBooked,
    TradeUnbooked,
)
from domain.source import NamingScope, SourceRegistered
from schemas.codec import encode
from tests.schemas.alert_samples import ALERT_SAMPLES
from tests.schemas.block_samples import BLOCK_SAMPLES
from tests.schemas.contest_samples import CONTEST_SAMPLES
from tests.schemas.corporate_samples import CORPORATE_SAMPLES
from tests.schemas.figure_samples import FIGURE_SAMPLES
from tests.schemas.instrument_samples import INSTRUMENT_SAMPLES
from tests.schemas.limit_samples import LIMIT_SAMPLES, LIMITED
from tests.schemas.portfolio_samples import PORTFOLIO_SAMPLES
from tests.schemas.settlement_samples import GROWN, SETTLEMENT_SAMPLES
from tests.schemas.trade_samples import DAY, TRADE, TRADE_SAMPLES, TRADED_AT
from tests.schemas.transfer_samples import TRANSFER_SAMPLES

GOLDEN = Path(__file__).parent / "golden"

OTHER = UUID("10111213-1415-5617-9819-1a1b1c1d1e1f")
NEXT_DAY = date(2024, 3, 5)
OPEN_AT = datetime(2024, 3, 4, 14, 30, tzinfo=UTC)
CLOSE_AT = datetime(2024, 3, 4, 21, tzinfo=UTC)
FULL_FILL = Fill(
    trade_id=TRADE,
    source="desk-1",
    external_id="fill/1#a",
    side=Side.SELL,
    quantity=Decimal("100.5"),
    price=Decimal("170.25"),
    consideration=Decimal("17110.13"),
    fee=Decimal("1.5"),
    trade_date=DAY,
    executed_at=TRADED_AT,
    source_sequence=7,
)
LEAST_FILL = Fill(
    trade_id=TRADE,
    source="desk-1",
    external_id="t-1",
    side=Side.BUY,
    quantity=Decimal(100),
    price=Decimal(10),
    consideration=Decimal(1000),
    trade_date=DAY,
)
FULL_TOTALS = BookTotals(
    *map(Decimal, ("-50.5", "-8597.67", "0.753731343284", "8512.462686567164", "8510.95895522388"))
)
LEAST_TOTALS = BookTotals(Decimal(100), Decimal(1000))
FULL_LOT = Lot(TRADE, DAY, Decimal("-50.5"), Decimal("-8597.67"), Decimal("0.753731343284"))
LEAST_LOT = Lot(TRADE, DAY, Decimal(100), Decimal(1000), ZERO)
CLOSED = ClosedLot(
    OTHER, DAY, Decimal(50), Decimal("0.000000000001"), Decimal("0.75"), Decimal("8512.46")
)

_FIRST: dict[str, tuple[Event, ...]] = {
    "portfolio.opened.v1": (
        PortfolioOpened(
            portfolio="growth",
            base_currency="USD",
            cost_basis=CostBasis.AVERAGE,
            calendar="XNYS",
            allows_leverage=True,
            allows_short=False,
        ),
    ),
    "portfolio.cash_deposited.v1": (
        CashDeposited(
            portfolio="growth",
            amount=Money(Decimal("1000.5"), "USD"),
            balance=Decimal("1500.5"),
            value_date=DAY,
            at=TRADED_AT,
        ),
        CashDeposited(
            portfolio="growth",
            amount=Money(Decimal(1000), "EUR"),
            balance=Decimal(1000),
            value_date=DAY,
        ),
    ),
    "portfolio.cash_withdrawn.v1": (
        CashWithdrawn(
            portfolio="growth",
            amount=Money(Decimal("1000.5"), "USD"),
            balance=Decimal("0.0"),
            value_date=DAY,
            at=TRADED_AT,
        ),
        CashWithdrawn(
            portfolio="growth",
            amount=Money(Decimal(1000), "EUR"),
            balance=Decimal(5),
            value_date=DAY,
        ),
    ),
    "portfolio.cash_settled.v1": (
        CashSettled(
            portfolio="growth",
            value_date=DAY,
            currency="USD",
            amount=Decimal("-1000.5"),
            settled_after=Decimal("0.0"),
        ),
    ),
    "portfolio.trade_booked.v1": (
        TradeBooked(
            portfolio="growth",
            instrument="AAPL",
            currency="USD",
            fill=FULL_FILL,
            totals=FULL_TOTALS,
            cash_change=Decimal("17108.63"),
            cash_after=Decimal("17113.63"),
            realised_gross=Decimal("8512.46"),
            realised_net=Decimal("8510.96"),
            opened=FULL_LOT,
            closed=(CLOSED,),
            closed_pages=1,
            is_late=True,
            rate_to_base=Decimal("0.920810313075506446"),
        ),
        TradeBooked(
            portfolio="growth",
            instrument="AAPL",
            currency="USD",
            fill=LEAST_FILL,
            totals=LEAST_TOTALS,
            cash_change=Decimal(-1000),
            cash_after=Decimal(-1000),
            opened=LEAST_LOT,
        ),
    ),
    "portfolio.trade_unbooked.v1": (
        TradeUnbooked(
            portfolio="growth",
            instrument="AAPL",
            currency="USD",
            fill=FULL_FILL,
            reason=Reason.BUSTED,
            totals=FULL_TOTALS,
            cash_change=Decimal("1500.25"),
            cash_after=Decimal("-0.000000000001"),
            realised_gross=Decimal("-2.5"),
            realised_net=Decimal("-1.25"),
            last_fill=FULL_FILL,
        ),
        TradeUnbooked(
            portfolio="growth",
            instrument="AAPL",
            currency="USD",
            fill=LEAST_FILL,
            reason=Reason.AMENDED,
            totals=LEAST_TOTALS,
            cash_change=Decimal(5),
            cash_after=Decimal(5),
        ),
    ),
    "portfolio.lots_closed.v1": (
        LotsClosed(
            portfolio="growth",
            instrument="AAPL",
            trade_id=TRADE,
            page=1,
            pages=2,
            closed=(CLOSED, CLOSED),
        ),
    ),
    "portfolio.lots_restated.v1": (
        LotsRestated(
            portfolio="growth",
            instrument="AAPL",
            currency="USD",
            from_trade_id=TRADE,
            from_date=DAY,
            page=2,
            pages=2,
            totals=FULL_TOTALS,
            index=500,
            removed=3,
            lots=(FULL_LOT, LEAST_LOT),
            changes=(RealisedChange(NEXT_DAY, Decimal("-0.5"), Decimal("-0.6")),),
        ),
        LotsRestated(
            portfolio="growth",
            instrument="AAPL",
            currency="USD",
            from_trade_id=TRADE,
            from_date=DAY,
            page=1,
            pages=1,
            totals=LEAST_TOTALS,
            index=0,
            removed=0,
        ),
    ),
    **BLOCK_SAMPLES,
    **INSTRUMENT_SAMPLES,
    **CORPORATE_SAMPLES,
    **PORTFOLIO_SAMPLES,
    **TRANSFER_SAMPLES,
    **TRADE_SAMPLES,
    **LIMIT_SAMPLES,
    **FIGURE_SAMPLES,
    **ALERT_SAMPLES,
    **CONTEST_SAMPLES,
    **SETTLEMENT_SAMPLES,
    "source.registered.v1": (
        SourceRegistered(source="desk-1", naming_scope=NamingScope.TRADE_DATE),
    ),
    "instrument.registered.v1": (
        InstrumentRegistered(
            instrument="AAPL",
            symbol="AAPL",
            currency="USD",
            asset_class=AssetClass.EQUITY,
            calendar="XNYS",
            sector="Technologie de l'information / matériel",
        ),
        InstrumentRegistered(
            instrument="BTC-USD",
            symbol="₿",
            currency="USD",
            asset_class=AssetClass.CRYPTO,
            calendar="24/7",
        ),
    ),
    "market.marked.v1": (
        MarketMarked(
            source="feed",
            at=TRADED_AT,
            marks=(Mark("AAPL", Decimal("170.25")), Mark("MSFT", Decimal(0))),
            rates=(Rate("EUR", "USD", Decimal("1.0856")),),
        ),
        MarketMarked(source="feed", at=OPEN_AT),
    ),
    "market.session_closed.v1": (
        SessionClosed(
            calendar="XNYS",
            session=DAY,
            starts_at=OPEN_AT,
            ends_at=CLOSE_AT,
            closes=(
                Close(
                    instrument="LNT",
                    price=Decimal("17.87"),
                    has_bar=True,
                    open=Decimal("35.4"),
                    high=Decimal("35.9"),
                    low=Decimal("35.1"),
                    volume=Decimal(1000),
                    findings=(Finding.FAR_FROM_PREVIOUS, Finding.OUTSIDE_RANGE),
                ),
                Close(instrument="AAPL", price=Decimal(170)),
            ),
        ),
        SessionClosed(calendar="XNYS", session=DAY, starts_at=OPEN_AT, ends_at=CLOSE_AT),
    ),
    "market.close_corrected.v1": (
        CloseCorrected(
            calendar="XNYS",
            session=DAY,
            ends_at=CLOSE_AT,
            instrument="LNT",
            price=Decimal("35.74"),
            replaces=Decimal("17.87"),
            reason="wrong_source_price",
            findings=(Finding.FAR_FROM_PREVIOUS,),
            following=FollowingClose(NEXT_DAY, (Finding.NO_VOLUME,)),
        ),
        CloseCorrected(
            calendar="XNYS",
            session=DAY,
            ends_at=CLOSE_AT,
            instrument="LNT",
            price=None,
            replaces=None,
            reason="cancelled",
        ),
    ),
}

_GROWN_BY = (GROWN, {"trade.captured.v1": LIMITED, "trade.refused.v1": LIMITED})
SAMPLES = {
    name: (
        *events,
        *(replace(events[0], **grown[name]) for grown in _GROWN_BY if name in grown),
    )
    for name, events in _FIRST.items()
}


def golden_names() -> set[str]:
    """The event names that have a golden file."""
    return {path.name.removesuffix(".json") for path in GOLDEN.glob("*.json")}


def write_missing() -> None:
    """Write the samples that have no file or line yet; what has one is for ever."""
    for name, events in SAMPLES.items():
        path = GOLDEN / f"{name}.json"
        written = path.read_bytes() if path.exists() else b""
        missing = events[written.count(b"\n") :]
        path.write_bytes(written + b"".join(encode(event) + b"\n" for event in missing))


if __name__ == "__main__":
    write_missing()
