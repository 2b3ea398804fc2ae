"""What holds of breaches by prices whatever happens, and of what the reaction knows."""

import random
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from commands.command import (
    OpenPortfolio,
    SettleCash,
    WithdrawCash,
)
from commands.desk import Desk
from commands.world import World
from domain.holding import Held
from domain.identity import MARKET_TENANT, derive, portfolio_stream
from domain.limits.events import LimitBreachClosed, LimitBreachOpened
from domain.limits.terms import LimitRule
from domain.lots import CostBasis, Side
from domain.money import Money
from domain.portfolio.state import BreachKey, breach_key
from domain.trade import Intent
from eventstore.log import Log
from tests.commands.breach_scenes import (
    HALF,
    TWICE,
    Leader,
    mark,
    rate,
    two_names,
    valued,
)
from tests.commands.desks import desk_on
from tests.commands.limit_scenes import approve, recorded_events
from tests.commands.scenes import ACME, APPLE, MONDAY, NOON, capture, done, register
from tests.commands.test_corporate_actions import (
    DIVIDEND,
    SPIN_OFF,
    SPLIT,
    apply_all,
    declare,
    reach,
    reverse,
)
from tests.commands.test_corrections import amend, bust
from tests.commands.test_transfers import WEDNESDAY, held_by, move, open_both


class TestHolding:
    """The reaction folds little, and knows what the portfolio holds."""

    def test_follows_actions_transfers_and_cash(self, desk: Desk, log: Log) -> None:
        """A split, a dividend due and paid, a child, reversals, a late trade, a transfer."""
        open_both(desk)
        done(desk, register("CORE"), tenant=MARKET_TENANT)
        approve(log, HALF, limit="one-name")
        leader = Leader(desk, log)
        mark(desk, 1, AAPL=10, CORE=30)

        def then(act: Callable[[], object]) -> None:
            act()
            leader.read_all()
            for name in ("alpha", "beta"):
                held = leader.reaction.held(ACME, name)
                assert valued(held) == valued(Held.of(ACME, held_by(log, name)))

        for action in (SPLIT, DIVIDEND, SPIN_OFF):
            then(partial(declare, desk, action))
        then(partial(reach, desk))
        then(partial(apply_all, desk))
        then(partial(done, desk, SettleCash(portfolio="alpha", until=WEDNESDAY)))
        then(partial(move, desk))
        then(partial(done, desk, capture("late", intent=Intent.EXECUTED, quantity=Decimal(31))))
        for action in (SPLIT, DIVIDEND, SPIN_OFF):
            then(partial(reverse, desk, action))
            then(partial(apply_all, desk))
        then(partial(done, desk, SettleCash(portfolio="alpha", until=WEDNESDAY)))
        then(partial(done, desk, bust("t-2")))
        money = Money(Decimal(10), "USD")
        then(partial(done, desk, WithdrawCash(portfolio="beta", amount=money, value_date=MONDAY)))


class TestLaws:
    """Whatever happens, in whatever order, and wherever the reaction is interrupted."""

    @pytest.mark.parametrize("seed", range(5))
    def test_hold(self, log: Log, seed: int) -> None:
        """Opened and closed in turn; at the end those are open that a recount finds."""
        chance = random.Random(seed)
        with desk_on(log) as desk:
            two_names(desk)
            opened = OpenPortfolio(
                portfolio="beta",
                base_currency="EUR",
                cost_basis=CostBasis.FIFO,
                allows_short=True,
                allows_leverage=True,
            )
            done(desk, opened)
            approve(log, HALF, limit="one-name")
            mark(desk, 1, AAPL=10, MSFT=10)
            rate(desk, 1, "1.25")
            leader = Leader(desk, log)
            for number in range(2, 60):
                act = chance.choice(["trade", "mark", "mark", "restart", "read", "read", "trade"])
                act = "limit" if chance.random() < 0.05 else act
                if act == "trade":
                    trade(desk, chance, number)
                elif act == "mark":
                    prices = {chance.choice([APPLE, "MSFT"]): chance.randrange(5, 30)}
                    mark(desk, number, **prices)
                    if chance.random() < 0.2:
                        rate(desk, number, f"1.{chance.randrange(10, 90)}")
                elif act == "limit":
                    terms = chance.choice([None, HALF, TWICE])
                    approve(log, terms, limit=chance.choice(["one-name", "other"]))
                elif act == "restart":
                    leader = Leader(desk, log)
                else:
                    leader.read(chance.randrange(1, 9))
            leader.read_all()
            approve(log, HALF, limit="last")
            for number in range(61, 67):
                leader.read_all()
                mark(desk, number, AAPL=chance.randrange(5, 90), MSFT=chance.randrange(5, 90))
            leader.read_all()
            head = log.head().position
            Leader(desk, log).read_all()

            assert log.head().position == head, "a leader that begins anew tells nothing again"
        assert_alternating(log)
        assert_as_recounted(log, leader)


def trade(desk: Desk, chance: random.Random, number: int) -> None:
    """A trade, or the correction of one."""
    content: dict[str, Any] = {
        "portfolio": chance.choice(["alpha", "beta"]),
        "instrument": chance.choice([APPLE, "MSFT"]),
        "side": chance.choice([Side.BUY, Side.SELL]),
        "quantity": Decimal(chance.randrange(1, 200)),
    }
    name, kind = f"x-{chance.randrange(2, number + 1)}", chance.choice(["capture", "amend", "bust"])
    if kind == "capture":
        done(desk, capture(f"x-{number}", intent=Intent.EXECUTED, **content))
    elif kind == "amend":
        done(desk, amend(name, number, **content))
    else:
        done(desk, bust(name))


def assert_alternating(log: Log) -> None:
    """Of each portfolio, limit and place, opened comes before closed, and in turn."""
    is_open: set[tuple[str, BreachKey]] = set()
    for _, event in recorded_events(log):
        if isinstance(event, LimitBreachOpened):
            assert (event.portfolio, breach_key(event)) not in is_open
            is_open.add((event.portfolio, breach_key(event)))
        elif isinstance(event, LimitBreachClosed):
            is_open.remove((event.portfolio, breach_key(event)))


def assert_as_recounted(log: Log, leader: Leader) -> None:
    """The log's own state, recounted by hand, has the breaches that are open in it."""
    world = World.load(log)
    controls = world.controls_of(derive("stream", ACME, "controls", "all"), log)
    dollars = world.market.rate_at("EUR", "USD", world.market.reached or NOON)
    assert dollars is not None
    for name in ("alpha", "beta"):
        portfolio = world.portfolio(portfolio_stream(ACME, name), log)
        assert portfolio is not None
        values = {
            book: portfolio.books[book].quantity * world.market.marks.of[book].quotes[-1].price
            for book in portfolio.books
        }
        gross = sum((abs(value) for value in values.values()), Decimal(0))
        euros = portfolio.balance("EUR") * dollars
        nav = sum(values.values(), portfolio.balance("USD") + euros)
        expected: set[BreachKey] = set()
        for limit in controls.limits.values() if gross else ():
            if limit.terms.rule is LimitRule.LEVERAGE:
                if gross > 2 * nav:
                    expected.add((limit.name, None, None))
            else:
                expected |= {
                    (limit.name, book, None)
                    for book, value in values.items()
                    if 2 * abs(value) > gross
                }
        assert set(portfolio.breaches) == expected
        assert valued(leader.reaction.held(ACME, name)) == valued(Held.of(ACME, portfolio))
