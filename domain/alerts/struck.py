"""Reading figures that were struck when a session closed."""

from decimal import Decimal

from domain.alerts.figures import Measured, measured
from domain.alerts.terms import AlertTerms
from domain.figures import FiguresStruck, StruckFigure
from domain.money import ONE, ZERO, share


def value_at_risk(event: FiguresStruck, terms: AlertTerms) -> Measured | None:
    """Give value at risk as a fraction of the NAV struck with it; a gain is no risk."""
    loss = next((each.value for each in event.figures if _is_asked(each, terms)), None)
    nav = next((each.value for each in event.figures if each.name == "nav"), None)
    if loss is None or nav is None or nav <= 0:
        return None
    return measured(share(ONE, max(loss, ZERO), nav))


def _is_asked(figure: StruckFigure, terms: AlertTerms) -> bool:
    return figure.name == "value_at_risk" and any(
        each.name == "level" and Decimal(each.value) == terms.confidence
        for each in figure.parameters
    )
