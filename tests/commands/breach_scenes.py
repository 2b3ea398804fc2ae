"""Words for tests of breaches by prices: mark the market, and take the reaction step by step."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from commands.command import (
    MarkMarket,
    Status,
)
from commands.desk import Desk
from commands.reactions.breaches import BreachesByPrices, run_breaches
from domain.holding import Held
from domain.identity import MARKET_TENANT
from domain.limits.events import LimitBreachClosed, LimitBreachOpened
from domain.limits.scope import Scope
from domain.limits.terms import LimitRule, LimitTerms
from domain.market import Mark, Rate
from domain.trade import Intent
from eventstore.log import Log
from tests.commands.desks import wait_until
from tests.commands.limit_scenes import recorded_events
from tests.commands.scenes import capture, done, open_alpha, register
from tests.commands.test_acting_reactions import reacting

reviewing = partial(reacting, run_breaches)
MORNING = datetime(2024, 1, 8, 15, tzinfo=UTC)
HALF = LimitTerms(rule=LimitRule.POSITION_CONCENTRATION, scope=Scope(), maximum=Decimal("0.5"))
TWICE = LimitTerms(rule=LimitRule.LEVERAGE, scope=Scope(), maximum=Decimal(2))


def mark(desk: Desk, minute: int, **prices: Any) -> None:
    """Mark instruments some minutes after Monday morning."""
    marks = tuple(Mark(name, Decimal(str(price))) for name, price in prices.items())
    at = MORNING + timedelta(minutes=minute)
    outcome = done(desk, MarkMarket(source="feed", at=at, marks=marks), tenant=MARKET_TENANT)
    assert outcome.status is Status.ACCEPTED


def rate(desk: Desk, minute: int, dollars: str) -> None:
    """Mark the euro in dollars."""
    at = MORNING + timedelta(minutes=minute)
    rates = (Rate("EUR", "USD", Decimal(dollars)),)
    done(desk, MarkMarket(source="ecb", at=at, rates=rates), tenant=MARKET_TENANT)


def told(log: Log) -> list[tuple[str, str | None, Decimal | None]]:
    """What was opened and closed, where, and how far it went."""
    return [
        (
            type(event).__name__.removeprefix("LimitBreach"),
            event.instrument or event.sector,
            event.actual,
        )
        for _, event in recorded_events(log)
        if isinstance(event, LimitBreachOpened | LimitBreachClosed)
    ]


def two_names(desk: Desk) -> None:
    """Alpha holds 100 AAPL and 100 MSFT."""
    open_alpha(desk)
    done(desk, register("MSFT"), tenant=MARKET_TENANT)
    done(desk, capture("t-1", intent=Intent.EXECUTED))
    done(desk, capture("t-2", intent=Intent.EXECUTED, instrument="MSFT"))


def settled(desk: Desk, log: Log) -> None:
    """Let a reaction review all that is due."""
    Leader(desk, log).read_all()


class Leader:
    """The reaction, taken step by step."""

    def __init__(self, desk: Desk, log: Log) -> None:
        self._log = log
        self.reaction = BreachesByPrices(desk, log)
        self._after = self.reaction.load()

    def read(self, count: int) -> bool:
        """Let it take so many events; say whether there were any."""
        recorded = self._log.read(self._after, count)
        self.reaction.take(recorded)
        if recorded:
            self._after = recorded[-1].position
        return bool(recorded)

    def read_all(self) -> None:
        """Let it take all, and wait for what it asked."""
        while self.read(50):
            pass
        wait_until(lambda: not self.read(50) and self.reaction.is_idle)


def valued(held: Held) -> tuple[object, ...]:
    """What a portfolio is valued by, without zeros."""
    quantities = {name: book.quantity for name, book in held.books.items() if book.quantity}
    cash = {currency: amount for currency, amount in held.balances if amount}
    prices = {name: each for name, each in held.traded.items() if name in quantities}
    return quantities, cash, prices
