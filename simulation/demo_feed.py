"""The demo's living part: an exchange that marks every second and desks that trade at its prices.

Each trading desk is a thread with a token of its own. What it does at tick n follows from the seed
and its portfolios alone, so the same seed gives the same decisions, whatever the machine's pace;
only times and names of the trades differ.
"""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Self

from client import CallFailed, Client, ItemAnswer, Unanswered
from client.queries import Cash, Positions
from simulation.bots import Bot, Order
from simulation.demo_market import DemoSession, market_marks
from simulation.demo_opening import Connections, market_today
from simulation.demo_portfolios import DemoDesk, DemoPortfolio
from simulation.tally import Tally

TICK_SECONDS = 1.0
FIRST_FOLD_SECONDS = 30
"""How long the first question may wait: on a fresh directory, members and topics come up first."""


class DemoFeed:
    """Runs the exchange and the desks from entering to leaving.

    `run` is a name that no other demo on the same data has: trades are named by it. `position` is
    the log position from which the bots' cash and holdings are read.
    """

    def __init__(
        self,
        connections: Connections,
        portfolios: Sequence[DemoPortfolio],
        tally: Tally,
        *,
        seed: int,
        run: str,
        position: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._connections = connections
        self._portfolios = portfolios
        self._tally = tally
        self._seed = seed
        self._run = run
        self._position = position
        self._clock = clock
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._started = 0.0
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._begin("exchange", self._mark)
        for desk in dict.fromkeys(each.desk for each in self._portfolios):
            self._begin(desk.source, partial(self._trade, desk))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self._started

    def _begin(self, name: str, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except CallFailed as error:
                self.failures.append(f"{name}: {error}")

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _ticks(self) -> "itertools.takewhile[int]":
        """Give the number of each tick when it is due, until the end; late ones come at once."""

        def is_due(tick: int) -> bool:
            due = self._started + tick * TICK_SECONDS
            return not self._stop.wait(max(0.0, due - time.monotonic()))

        return itertools.takewhile(is_due, itertools.count(1))

    def _mark(self) -> None:
        """Mark the market every tick, and close each day when it is over."""
        exchange = self._connections.market()
        market = market_today(self._seed)
        session = DemoSession(self._clock().date())
        for tick in self._ticks():
            prices = market.tick()
            now = self._clock()
            marks = market_marks(prices, now)
            exchange.send(marks, key=f"{self._run}-marks-{tick}").require()
            while now >= session.ends_at:
                key = f"demo-close-{session.day.isoformat()}"
                exchange.send(session.closing(prices), key=key).require()
                session = DemoSession(session.ends_at.date())

    def _trade(self, desk: DemoDesk) -> None:
        """Let one desk's bots trade at every tick."""
        client = self._connections.desk(desk)
        bots = self._bots(desk)
        market = market_today(self._seed)
        for tick in self._ticks():
            prices = market.tick()
            for bot in bots:
                orders = bot.decide(prices)
                if desk.in_batches:
                    self._send_batch(client, bot, orders, tick)
                else:
                    self._send_singly(client, bot, orders, tick)

    def _bots(self, desk: DemoDesk) -> list[Bot]:
        """Read what each portfolio holds, and give it into the hands of a bot."""
        reader = self._connections.reader(desk.tenant)
        bots = []
        for portfolio in self._portfolios:
            if portfolio.desk != desk:
                continue
            name, position = portfolio.name, self._position
            wait = FIRST_FOLD_SECONDS
            cash = reader.pages(Cash(portfolio=name, min_position=position, wait_seconds=wait))
            held = reader.pages(Positions(portfolio=name, min_position=position, wait_seconds=wait))
            bot = Bot(
                portfolio=portfolio.name,
                style=portfolio.style,
                seed=self._seed,
                cash={each.currency: each.balance for each in cash},
                holdings={each.instrument: each.quantity for each in held},
            )
            bots.append(bot)
        return bots

    def _send_singly(self, client: Client, bot: Bot, orders: Sequence[Order], tick: int) -> None:
        for number, order in enumerate(orders):
            name = self._name(bot, tick, number)
            trade = order.trade(portfolio=bot.portfolio, external_id=name, now=self._clock())
            try:
                answer = client.send(trade, key=name)
            except Unanswered:
                self._tally.unanswered(1)
                raise
            self._settle(bot, order, answer)

    def _send_batch(self, client: Client, bot: Bot, orders: Sequence[Order], tick: int) -> None:
        if not orders:
            return
        now = self._clock()
        trades = [
            order.trade(portfolio=bot.portfolio, external_id=self._name(bot, tick, number), now=now)
            for number, order in enumerate(orders)
        ]
        try:
            answers = client.send_all(trades, key=self._name(bot, tick, 0))
        except Unanswered:
            self._tally.unanswered(len(orders))
            raise
        for order, answer in zip(orders, answers, strict=True):
            self._settle(bot, order, answer)

    def _settle(self, bot: Bot, order: Order, answer: ItemAnswer) -> None:
        """Bring the bot's books in line with what was answered."""
        is_accepted = self._tally.outcome(bot.portfolio, order, answer)
        if order.refusal is None and not is_accepted:
            bot.take_back(order)
        elif order.refusal is not None and is_accepted:
            bot.book(order)

    def _name(self, bot: Bot, tick: int, number: int) -> str:
        return f"{self._run}-{bot.portfolio}-{tick}-{number}"
