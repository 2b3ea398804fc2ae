"""Stored event names and their types. A name, once written to a log, means its type for ever."""

from domain.event import Event
from domain.instrument import (
    InstrumentDelisted,
    InstrumentRegistered,
    InstrumentRenamed,
    InstrumentResumed,
    InstrumentSuspended,
    SectorAssigned,
    SymbolChanged,
    WrittenDown,
)
from domain.market import CloseCorrected, MarketMarked, SessionClosed
from domain.portfolio.events import (
    CashDeposited,
    CashWithdrawn,
    LotsClosed,
    LotsRestated,
    PortfolioOpened,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.life import (
    BenchmarkAssigned,
    CashExchanged,
    FeeCharged,
    InterestBooked,
    OwnerAssigned,
    PeriodClosed,
    PeriodReopened,
    PortfolioClosed,
    PortfolioFrozen,
    PortfolioRenamed,
    PortfolioUnfrozen,
)
from domain.source import SourceRegistered
from domain.trade import (
    TradeAmended,
    TradeAmendHeld,
    TradeAmendSuperseded,
    TradeBusted,
    TradeBustHeld,
    TradeCaptured,
    TradeParked,
    TradeReassigned,
    TradeRefused,
    TradeReleased,
)

EVENT_TYPES: dict[str, type[Event]] = {
    "portfolio.opened.v1": PortfolioOpened,
    "portfolio.cash_deposited.v1": CashDeposited,
    "portfolio.cash_withdrawn.v1": CashWithdrawn,
    "portfolio.trade_booked.v1": TradeBooked,
    "portfolio.trade_unbooked.v1": TradeUnbooked,
    "portfolio.lots_closed.v1": LotsClosed,
    "portfolio.lots_restated.v1": LotsRestated,
    "portfolio.renamed.v1": PortfolioRenamed,
    "portfolio.owner_assigned.v1": OwnerAssigned,
    "portfolio.benchmark_assigned.v1": BenchmarkAssigned,
    "portfolio.fee_charged.v1": FeeCharged,
    "portfolio.interest_booked.v1": InterestBooked,
    "portfolio.cash_exchanged.v1": CashExchanged,
    "portfolio.frozen.v1": PortfolioFrozen,
    "portfolio.unfrozen.v1": PortfolioUnfrozen,
    "portfolio.closed.v1": PortfolioClosed,
    "portfolio.period_closed.v1": PeriodClosed,
    "portfolio.period_reopened.v1": PeriodReopened,
    "trade.captured.v1": TradeCaptured,
    "trade.parked.v1": TradeParked,
    "trade.released.v1": TradeReleased,
    "trade.refused.v1": TradeRefused,
    "trade.amended.v1": TradeAmended,
    "trade.amend_superseded.v1": TradeAmendSuperseded,
    "trade.amend_held.v1": TradeAmendHeld,
    "trade.busted.v1": TradeBusted,
    "trade.bust_held.v1": TradeBustHeld,
    "trade.reassigned.v1": TradeReassigned,
    "source.registered.v1": SourceRegistered,
    "instrument.registered.v1": InstrumentRegistered,
    "instrument.renamed.v1": InstrumentRenamed,
    "instrument.symbol_changed.v1": SymbolChanged,
    "instrument.sector_assigned.v1": SectorAssigned,
    "instrument.suspended.v1": InstrumentSuspended,
    "instrument.resumed.v1": InstrumentResumed,
    "instrument.delisted.v1": InstrumentDelisted,
    "instrument.written_down.v1": WrittenDown,
    "market.marked.v1": MarketMarked,
    "market.session_closed.v1": SessionClosed,
    "market.close_corrected.v1": CloseCorrected,
}

EVENT_NAMES: dict[type[Event], str] = {kind: name for name, kind in EVENT_TYPES.items()}
