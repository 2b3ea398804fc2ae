"""Golden samples of struck figures; `golden_samples` writes and keeps them."""

from datetime import date
from decimal import Decimal

from domain.event import Event
from domain.figures import FiguresStruck, Parameter, StruckFigure

FIGURE_SAMPLES: dict[str, tuple[Event, ...]] = {
    "portfolio.figures_struck.v1": (
        FiguresStruck(
            portfolio="alpha",
            session=date(2024, 3, 4),
            closed_at=1_200,
            currency="USD",
            figures=(
                StruckFigure(
                    name="nav",
                    value=Decimal("1000250.125"),
                    method="session_close",
                    calculation="performance 8",
                    position=1_200,
                    market_position=1_200,
                ),
                StruckFigure(
                    name="value_at_risk_99",
                    reason="uncovered",
                    method="historical",
                    calculation="risk 1",
                    position=1_204,
                    market_position=1_200,
                    parameters=(Parameter("level", "0.99"), Parameter("window", "500")),
                ),
            ),
        ),
        FiguresStruck(
            portfolio="alpha", session=date(2024, 3, 5), closed_at=1_300, currency="USD", figures=()
        ),
    ),
}
