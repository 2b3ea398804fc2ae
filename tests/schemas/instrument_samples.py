"""Golden samples of the life of an instrument; `golden_samples` writes and keeps them."""

from datetime import UTC, date, datetime
from decimal import Decimal

from domain.benchmark import (
    BenchmarkDeclared,
    BenchmarkKind,
    Constituent,
    Rebalancing,
)
from domain.event import Event
from domain.instrument import (
    InstrumentDelisted,
    InstrumentRenamed,
    InstrumentResumed,
    InstrumentSuspended,
    SectorAssigned,
    SymbolChanged,
    WrittenDown,
)

DAY = date(2024, 3, 4)
NOON = datetime(2024, 3, 4, 12, 0, 0, 123_456, tzinfo=UTC)

INSTRUMENT_SAMPLES: dict[str, tuple[Event, ...]] = {
    "instrument.renamed.v1": (
        InstrumentRenamed(instrument="FB", title="Meta Platforms, Inc. “A”", from_date=DAY),
    ),
    "instrument.symbol_changed.v1": (SymbolChanged(instrument="FB", symbol="META", from_date=DAY),),
    "instrument.sector_assigned.v1": (
        SectorAssigned(instrument="FB", sector="Communication Services", from_date=DAY),
        SectorAssigned(instrument="FB", from_date=DAY),
    ),
    "instrument.suspended.v1": (
        InstrumentSuspended(instrument="SIVB", from_at=NOON, reason="news_pending"),
    ),
    "instrument.resumed.v1": (InstrumentResumed(instrument="SIVB", from_at=NOON),),
    "instrument.delisted.v1": (InstrumentDelisted(instrument="SIVB", on_date=DAY),),
    "instrument.written_down.v1": (
        WrittenDown(instrument="SIVB", price=Decimal("0.05"), at=NOON, reason="bankruptcy"),
    ),
    "market.benchmark_declared.v1": (
        BenchmarkDeclared(
            benchmark="TECH",
            version=2,
            from_date=DAY,
            currency="USD",
            calendar="XNYS",
            kind=BenchmarkKind.REBALANCED,
            constituents=(
                Constituent("AAPL", Decimal("0.625")),
                Constituent("META", Decimal("0.375")),
            ),
            rebalancing=Rebalancing.QUARTERLY,
        ),
        BenchmarkDeclared(
            benchmark="SPX",
            version=1,
            from_date=DAY,
            currency="USD",
            calendar="XNYS",
            kind=BenchmarkKind.INDEX_LEVEL,
            constituents=(Constituent("SPX", Decimal(1)),),
        ),
    ),
}
