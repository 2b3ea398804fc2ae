"""The read model `performance` as the projector engine takes it."""

from domain.event import Event
from domain.instrument import WrittenDown
from domain.market import CloseCorrected, MarketMarked, SessionClosed
from domain.portfolio.events import (
    CashDeposited,
    CashWithdrawn,
    PortfolioOpened,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.life import CashExchanged, FeeCharged, InterestBooked
from projections.performance import tables
from projections.performance.fold import PerformanceFold


class PerformanceModel:
    """Daily NAV and time-weighted return of every portfolio, struck and current."""

    name = "performance"
    calculation_version = 4
    event_types: frozenset[type[Event]] = frozenset(
        {
            PortfolioOpened,
            CashDeposited,
            CashWithdrawn,
            FeeCharged,
            InterestBooked,
            CashExchanged,
            TradeBooked,
            TradeUnbooked,
            MarketMarked,
            SessionClosed,
            CloseCorrected,
            WrittenDown,
        }
    )
    compared_tables = ("portfolios", "sessions", "fills", "flows", "marks", "days")

    def ddl(self, schema: str) -> str:
        """Give the statements that make the tables."""
        return tables.ddl(schema)

    def new_fold(self, schema: str) -> PerformanceFold:
        """Make a fold that knows nothing yet and writes into `schema`."""
        return PerformanceFold(schema)
