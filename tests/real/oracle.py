"""What the files say of a portfolio, counted in arrays: no table and no code of PMS is asked.

Sessions run down, names across. Positions are traded in dollars.
"""

from bisect import bisect_left
from datetime import date
from typing import NamedTuple

import numpy as np

from tests.real.files import Floats, decimal
from tests.real.telling import CAPS, CORE, FLOWS, Story, ends_at, fixed_at


class Account(NamedTuple):
    """A portfolio at the end of each session; values and flows are of its base currency.

    `capital` is what was there at its start, with what came in without a time of day.
    """

    names: list[str]
    quantities: Floats
    prices: Floats
    cash: dict[str, Floats]
    rates: dict[str, Floats]
    nav: Floats
    capital: Floats
    flows: Floats
    returns: Floats

    @property
    def values(self) -> Floats:
        """The value of each position, in the base currency."""
        return self.quantities * self.prices * self.rates["USD"][:, np.newaxis]

    def rates_gained(self) -> Floats:
        """Give what cash gained in each session because its rate to base moved."""
        return sum(
            (
                np.concatenate([[0.0], balance[:-1] * np.diff(self.rates[currency])])
                for currency, balance in self.cash.items()
            ),
            np.zeros(len(self.nav)),
        )


def rates_to(told: Story, base: str) -> dict[str, Floats]:
    """Give units of base for one of each currency, as of each session's end, by way of the euro."""
    days = sorted(told.rates)
    fixings = [fixed_at(day) for day in days]
    ends = [ends_at(session) for session in told.closes.sessions]
    last = [days[bisect_left(fixings, end) - 1] for end in ends]
    of_euro = {"EUR": np.ones(len(last))}
    for currency in ("USD", "GBP"):
        of_euro[currency] = np.array([float(told.rates[day][currency]) for day in last])
    return {currency: of_euro[base] / rate for currency, rate in of_euro.items()}


def account_of(told: Story, portfolio: str) -> Account:
    """Count a portfolio from the first session to the last."""
    base = "USD" if portfolio == CORE else "EUR"
    orders = [each for each in told.orders if each.portfolio == portfolio]
    names = sorted({each.name for each in orders})
    column = {name: place for place, name in enumerate(names)}
    count = len(told.closes.sessions)
    rates, traded = rates_to(told, base), np.zeros((count, len(names)))
    cash = {currency: np.zeros(count) for currency in rates}
    for each in orders:
        traded[each.session, column[each.name]] += each.quantity
        cash["USD"][each.session] -= each.quantity * float(each.price) + float(each.fee)
    inflow, outflow, timed = np.zeros(count), np.zeros(count), np.zeros(count)
    for flow in FLOWS:
        if flow.portfolio == portfolio:
            cash[flow.currency][flow.session] += flow.amount
            amount = flow.amount * rates[flow.currency][flow.session]
            place = timed if flow.hour is not None else inflow if amount > 0 else outflow
            place[flow.session] += abs(amount)
    for exchange in told.exchanges if portfolio != CORE else ():
        cash[exchange.sold.currency][exchange.session] -= float(exchange.sold.amount)
        cash[exchange.bought.currency][exchange.session] += float(exchange.bought.amount)
    quantities, prices = traded.cumsum(axis=0), told.closes.of(*names)
    balances = {currency: moved.cumsum() for currency, moved in cash.items()}
    nav = (quantities * prices).sum(axis=1) * rates["USD"]
    nav = nav + sum(balance * rates[currency] for currency, balance in balances.items())
    start = np.concatenate([[0.0], nav[:-1]]) + inflow
    returns = (nav + outflow) / start - 1
    for session in np.flatnonzero(timed):
        before = start[session] + sum(
            balance[session - 1] * (rates[currency][session] - rates[currency][session - 1])
            for currency, balance in balances.items()
        )
        returns[session] = before / start[session] * nav[session] / (before + timed[session]) - 1
    flows = inflow + timed - outflow
    return Account(names, quantities, prices, balances, rates, nav, start, flows, returns)


def past_returns(account: Account, base: str, window: int) -> tuple[Floats, Floats]:
    """Give the last returns of every line, position or foreign cash, and their values now."""
    grown = account.prices[1:] / account.prices[:-1]
    moved = {name: rate[1:] / rate[:-1] for name, rate in account.rates.items()}
    lines = [grown * moved["USD"][:, np.newaxis] - 1]
    values = [account.values[-1]]
    for currency, balance in account.cash.items():
        if currency != base and balance[-1]:
            lines.append(moved[currency][:, np.newaxis] - 1)
            values.append(np.array([balance[-1] * account.rates[currency][-1]]))
    return np.concatenate(lines, axis=1)[-window:], np.concatenate(values)


def deepest(returns: Floats) -> tuple[float, int, int, int | None]:
    """Find the deepest fall: its depth, and the places of peak, trough and recovery.

    Every pair of a peak and what follows is looked at, wealth being 1 before the first return.
    """
    wealth = np.concatenate([[1.0], np.cumprod(1 + returns)])
    falls = [wealth[place:].min() / wealth[place] - 1 for place in range(len(wealth))]
    peak = int(np.argmin(falls))
    trough = peak + int(np.argmin(wealth[peak:]))
    back = np.flatnonzero(wealth[trough:] >= wealth[peak])
    return float(min(falls)), peak, trough, trough + int(back[0]) if len(back) else None


def shares_of(story: Story) -> Floats:
    """The shares that the market caps of 2018-02-08 make of the last closes."""
    last = story.closes.of(*story.held)[-1].tolist()
    return np.array(
        [
            round(story.caps[name] / float(decimal(price)), 6)
            for name, price in zip(story.held, last, strict=True)
        ]
    )


def benchmark_returns(story: Story, benchmark: str) -> tuple[Floats, int]:
    """The returns of a benchmark, and the session of its first level."""
    if benchmark == CAPS:
        value = story.closes.of(*story.held) @ shares_of(story)
        return value[1:] / value[:-1] - 1, 0
    level = story.levels[benchmark.removesuffix("-LEVEL")]
    told = np.array([float(level[day]) for day in sorted(level)])
    return told[1:] / told[:-1] - 1, story.closes.at(min(level))


def modified_dietz(account: Account, sessions: list[date]) -> float:
    """Give the rate by its definition: a flow counts from the end of its day on."""
    days = (sessions[-1] - sessions[0]).days
    left = np.array([(sessions[-1] - session).days / days for session in sessions])
    gained = account.nav[-1] - account.flows.sum()
    return float(gained / (account.flows @ left))
