"""The read model `performance` as the projector engine takes it."""

from typing import get_args

from domain.event import Event
from domain.figures import FiguresStruck
from domain.instrument import (
    CorporateActionDeclared,
    CorporateActionReversed,
    WrittenDown,
)
from domain.market import CloseCorrected, MarketMarked, SessionClosed
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    LotsSpunOff,
)
from domain.portfolio.events import (
    CashDeposited,
    CashWithdrawn,
    PortfolioOpened,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.life import CashExchanged, FeeCharged, InterestBooked
from projections.performance import contests, tables
from projections.performance.fold import PerformanceFold
from projections.performance.moves import EntryEvent
from projections.performance.reference import ReferenceEvent


class PerformanceModel:
    """Daily NAV and time-weighted return of every portfolio, struck and current."""

    name = "performance"
    calculation_version = 14
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
            *get_args(ReferenceEvent),
            FiguresStruck,
            CorporateActionDeclared,
            CorporateActionReversed,
            CorporateActionApplied,
            CorporateActionUnapplied,
            LotsSpunOff,
            *get_args(EntryEvent),
        }
    )
    compared_tables = (
        "portfolios", "sessions", "fills", "flows", "marks", "days",
        "acts", "entries", "actions", "listings", "assigned", "benchmarks", "sectors", "figures",
        "contests", "contestants", "strikes", "ranks",
    )  # fmt: skip

    def ddl(self, schema: str) -> str:
        """Give the statements that make the tables."""
        return tables.ddl(schema) + contests.ddl(schema)

    def new_fold(self, schema: str) -> PerformanceFold:
        """Make a fold that knows nothing yet and writes into `schema`."""
        return PerformanceFold(schema)
