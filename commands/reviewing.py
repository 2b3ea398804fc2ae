"""Reviewing a portfolio's standing limits: the command of the reaction, and its handler.

The reaction asks for it only where it saw something change; what changed is decided here.
"""

from collections.abc import Iterable, Mapping
from datetime import date

from commands.command import Command, Issued
from commands.decision import Addressed, Decision
from commands.view import View
from domain.calendars import local_date
from domain.identity import portfolio_stream
from domain.limits.controls import Controls
from domain.limits.events import BreachEvent, LimitBreachOpened
from domain.limits.exposure import (
    Balance,
    Valuing,
    balances_of,
    exposure_of,
)
from domain.limits.scope import sector_of
from domain.limits.standing import Judged, review, standing_limits
from domain.marking import Market
from domain.portfolio.cash import require_open
from domain.portfolio.events import PortfolioOpened
from domain.portfolio.overdue import Acting, is_behind
from domain.portfolio.state import BreachKey
from domain.rules.valuing import Positions


class ReviewLimits(Command, frozen=True, tag="review_limits"):
    """Open and close the breaches of a portfolio as the market now stands; by a reaction only."""

    portfolio: str


def review_limits(issued: Issued, command: ReviewLimits, view: View) -> Decision:
    """Tell the breaches that open and close; none while a corporate action is to be applied.

    Raises:
        Rejection: `portfolio_unknown`.
    """
    portfolio = view.portfolio(issued.tenant, command.portfolio)
    require_open(portfolio, command.portfolio)
    assert portfolio is not None, "an open portfolio is there"
    stream = portfolio_stream(issued.tenant, command.portfolio)
    assert portfolio.opened is not None, "an open portfolio was opened"
    told: list[BreachEvent] = []
    if not is_behind(portfolio, view.acting):
        told = reviewed(
            portfolio.opened,
            portfolio,
            balances_of(portfolio),
            portfolio.breaches,
            controls=view.controls(issued.tenant),
            market=view.market,
            acting=view.acting,
        )
    events = tuple(Addressed(stream, issued.tenant, event) for event in told)
    return Decision(events=events, of_stream=stream, market_position=view.market.position)


def reviewed(
    opened: PortfolioOpened,
    positions: Positions,
    balances: Iterable[Balance],
    open_breaches: Mapping[BreachKey, LimitBreachOpened],
    *,
    controls: Controls,
    market: Market,
    acting: Acting,
) -> list[BreachEvent]:
    """Say which breaches of a portfolio open and close as the market now stands."""
    name = opened.portfolio
    limits = list(standing_limits(controls, name))
    at = market.reached
    if at is None or not (limits or open_breaches):
        return []
    exposure = None
    if limits:
        by = Valuing(at, market.marks, market.rate_at, acting)
        exposure = exposure_of(positions, balances, base_currency=opened.base_currency, by=by)
    today: dict[str, date] = {}

    def sector(held: str) -> str:
        instrument = acting.instrument_of(held)
        assert instrument is not None, "what is held is registered"
        day = today.get(instrument.calendar)
        if day is None:
            day = today[instrument.calendar] = local_date(instrument.calendar, at)
        return sector_of(instrument, day)

    return review(name, limits, open_breaches, Judged(exposure, sector, market.position, at))
