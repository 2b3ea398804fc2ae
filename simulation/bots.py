"""Trading bots: what each proposes at a tick, from its seed, the prices and what it holds.

A bot knows its cash and holdings, so nothing it means seriously is refused. Now and then it
proposes on purpose what must be refused, and says by which rule, so that the two can be told apart.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from random import Random
from typing import NamedTuple

from client.trades import Trade
from simulation.demo_market import BY_NAME, INSTRUMENTS, DemoInstrument, Prices

ZERO = Decimal(0)
CENT = Decimal("0.01")
FEE_RATE = Decimal("0.0005")
CASH_USED_MAX = Decimal("0.9")
CASH_WANTED = Decimal("0.3")
LEVERED_GROSS_MAX = Decimal("1.5")
SHORT_PART = Decimal("0.01")
DISLIKED = 6
"""How many instruments a levered bot would rather be short of, crossing zero to get there."""

BUY_PARTS = (4, 20)
"""A purchase takes from 1/1,000 times these of the capital, a sale from 1/100 of the holding."""

SELL_PARTS = (5, 40)
FUTURE = timedelta(days=2)
UNKNOWN_INSTRUMENT = "GHOST"
MISTAKES = (
    "instrument_unknown",
    "trade_from_the_future",
    "insufficient_cash",
    "short_not_allowed",
)


class Order(NamedTuple):
    """A proposed trade; `refusal` names the rule it breaks on purpose."""

    instrument: str
    is_buy: bool
    quantity: Decimal
    price: Decimal
    currency: str
    fee: Decimal = ZERO
    refusal: str | None = None

    @property
    def cash_change(self) -> Decimal:
        """What booking it does to the cash in its currency."""
        amount = self.quantity * self.price
        return (-amount if self.is_buy else amount) - self.fee

    def trade(self, *, portfolio: str, external_id: str, now: datetime) -> Trade:
        """Give the proposal as it is sent."""
        return Trade(
            portfolio=portfolio,
            external_id=external_id,
            intent="proposed",
            instrument=self.instrument,
            side="buy" if self.is_buy else "sell",
            quantity=self.quantity,
            price=self.price,
            currency=self.currency,
            fee=self.fee,
            executed_at=now + FUTURE if self.refusal == "trade_from_the_future" else now,
        )


class Style(NamedTuple):
    """How a bot trades: how many trades at a tick, together or one by one, and how boldly."""

    trades_per_tick: int
    in_batches: bool
    is_levered: bool = False
    mistake_every_ticks: int = 10


class Bot:
    """Trades for one portfolio; `cash` by currency and `holdings` by instrument are its own."""

    def __init__(
        self,
        *,
        portfolio: str,
        style: Style,
        seed: int,
        cash: Mapping[str, Decimal],
        holdings: Mapping[str, Decimal],
    ) -> None:
        self.portfolio = portfolio
        self.style = style
        self.cash = dict(cash)
        self.holdings = dict(holdings)
        self._random = Random(f"pms demo bot {seed} {portfolio}")
        # Bots err at different times and in different ways, or every tenth second would be a storm.
        self._ticks = self._random.randrange(style.mistake_every_ticks)
        self._mistakes = self._random.randrange(len(MISTAKES))
        names = [each.name for each in INSTRUMENTS]
        self._disliked = set(self._random.sample(names, DISLIKED)) if style.is_levered else set()

    def decide(self, prices: Prices) -> list[Order]:
        """Propose trades at some prices; each is booked in its own books at once."""
        self._ticks += 1
        orders: list[Order] = []
        for _ in range(self.style.trades_per_tick):
            order = self._order(prices)
            if order is not None:
                self.book(order)
                orders.append(order)
        if self._ticks % self.style.mistake_every_ticks == 0:
            orders.append(self._mistake(prices))
        return orders

    def book(self, order: Order) -> None:
        """Write an order into the books."""
        self._add(order, 1)

    def take_back(self, order: Order) -> None:
        """Take an order that was not accepted out of the books again."""
        self._add(order, -1)

    def _add(self, order: Order, sign: int) -> None:
        cash = self.cash.get(order.currency, ZERO)
        self.cash[order.currency] = cash + sign * order.cash_change
        change = sign * (order.quantity if order.is_buy else -order.quantity)
        self.holdings[order.instrument] = self.holdings.get(order.instrument, ZERO) + change

    def _order(self, prices: Prices) -> Order | None:
        """Draw an instrument and a side; what cannot be bought is sold and the other way round."""
        instrument = self._random.choice(self._universe())
        capital = self._capital(instrument.currency, prices)
        cash_part = self.cash.get(instrument.currency, ZERO) / capital if capital > 0 else ZERO
        eagerness = 0.7 if cash_part > CASH_WANTED else 0.4
        if instrument.name in self._disliked:
            eagerness = 0.3
        is_buy = self._random.random() < eagerness
        first, second = (self._buy, self._sell) if is_buy else (self._sell, self._buy)
        order = first(instrument, prices, capital)
        return second(instrument, prices, capital) if order is None else order

    def _universe(self) -> Sequence[DemoInstrument]:
        """Name what it can trade: instruments in currencies it has ever had cash in."""
        return [each for each in INSTRUMENTS if each.currency in self.cash]

    def _capital(self, currency: str, prices: Prices) -> Decimal:
        """Add up cash and holdings in one currency."""
        held = self._held(currency)
        return self.cash.get(currency, ZERO) + sum(
            (quantity * prices[name] for name, quantity in held.items()), ZERO
        )

    def _gross(self, currency: str, prices: Prices) -> Decimal:
        held = self._held(currency)
        return sum((abs(quantity) * prices[name] for name, quantity in held.items()), ZERO)

    def _held(self, currency: str) -> dict[str, Decimal]:
        return {
            name: quantity
            for name, quantity in self.holdings.items()
            if quantity and BY_NAME[name].currency == currency
        }

    def _buy(self, instrument: DemoInstrument, prices: Prices, capital: Decimal) -> Order | None:
        held = self.holdings.get(instrument.name, ZERO)
        price = self._price(instrument, prices, is_buy=True)
        part = Decimal(self._random.randint(*BUY_PARTS)) / 1_000
        limit = self.cash.get(instrument.currency, ZERO) * CASH_USED_MAX
        if self.style.is_levered and (
            held < 0 or self._gross(instrument.currency, prices) < capital * LEVERED_GROSS_MAX
        ):
            limit = capital
        return self._sized(instrument, min(capital * part, limit) / price, price, is_buy=True)

    def _sell(self, instrument: DemoInstrument, prices: Prices, capital: Decimal) -> Order | None:
        held = self.holdings.get(instrument.name, ZERO)
        price = self._price(instrument, prices, is_buy=False)
        part = Decimal(self._random.randint(*SELL_PARTS)) / 100
        quantity = held * part
        if (
            instrument.name in self._disliked
            and self._gross(instrument.currency, prices) < capital * LEVERED_GROSS_MAX
        ):
            quantity = capital * SHORT_PART / price
        elif 0 < held < 1 / part and not instrument.is_divisible:
            quantity = held
        return self._sized(instrument, quantity, price, is_buy=False)

    @staticmethod
    def _sized(
        instrument: DemoInstrument, quantity: Decimal, price: Decimal, *, is_buy: bool
    ) -> Order | None:
        step = Decimal("0.0001") if instrument.is_divisible else Decimal(1)
        quantity = quantity.quantize(step, ROUND_DOWN)
        if quantity <= 0:
            return None
        fee = (quantity * price * FEE_RATE).quantize(CENT, ROUND_UP)
        return Order(instrument.name, is_buy, quantity, price, instrument.currency, fee)

    def _price(self, instrument: DemoInstrument, prices: Prices, *, is_buy: bool) -> Decimal:
        """Draw a price at most two steps worse than the mark."""
        step = Decimal(1).scaleb(-instrument.places)
        worse = self._random.randint(0, 2) * step
        price = prices[instrument.name]
        return price + worse if is_buy else max(price - worse, step)

    def _mistake(self, prices: Prices) -> Order:
        """Propose something that must be refused, each kind in its turn."""
        instrument = self._random.choice(self._universe())
        price = prices[instrument.name]
        # A levered portfolio may do what the last two would be refused for.
        kinds = MISTAKES[:2] if self.style.is_levered else MISTAKES
        kind = kinds[self._mistakes % len(kinds)]
        self._mistakes += 1
        order = Order(instrument.name, True, Decimal(1), price, instrument.currency, refusal=kind)
        match kind:
            case "instrument_unknown":
                return order._replace(instrument=UNKNOWN_INSTRUMENT)
            case "insufficient_cash":
                cash = max(self.cash.get(order.currency, ZERO), ZERO)
                return order._replace(quantity=(cash / price).quantize(Decimal(1)) + 1_000)
            case "short_not_allowed":
                held = self.holdings.get(order.instrument, ZERO)
                return order._replace(is_buy=False, quantity=held + 1)
            case _:
                return order
