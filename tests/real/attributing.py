"""Brinson, Fachler and Carino once more, session by session in plain loops over sectors."""

import math
from collections import defaultdict
from typing import NamedTuple

from tests.real.files import Floats
from tests.real.oracle import Account

CASH, UNCLASSIFIED = "Cash", "Unclassified"
Sides = dict[str, tuple[float, float]]
"""Of each sector its weight at the start of a day, and what it added to the day's return."""


class Effects(NamedTuple):
    """What explains an active return: linked effects by sector, and what they leave."""

    allocation: dict[str, float]
    selection: dict[str, float]
    interaction: dict[str, float]
    trading: float


def sides_of(account: Account, gained: Floats, session: int, sectors: dict[str, str]) -> Sides:
    """Sum what was held before a session, and what its closes made of it; cash gained by rates."""
    capital = float(account.capital[session])
    held = account.quantities[session - 1] * account.prices[session - 1]
    grown = account.prices[session] / account.prices[session - 1] - 1
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for name, value, moved in zip(account.names, held.tolist(), grown.tolist(), strict=True):
        place = sums[sectors.get(name, UNCLASSIFIED)]
        place[0] += value / capital
        place[1] += value * moved / capital
    cash = capital - float(held.sum())
    sums[CASH] = [cash / capital, float(gained[session]) / capital]
    return {name: (each[0], each[1]) for name, each in sums.items()}


def drifted_sides(
    shares: Floats, prices: Floats, names: list[str], session: int, sectors: dict[str, str]
) -> Sides:
    """Sum a benchmark of fixed shares as it stood before a session."""
    values = (shares * prices[session - 1]).tolist()
    grown = (prices[session] / prices[session - 1] - 1).tolist()
    total = sum(values)
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for name, value, moved in zip(names, values, grown, strict=True):
        place = sums[sectors.get(name, UNCLASSIFIED)]
        place[0] += value / total
        place[1] += value * moved / total
    return {name: (each[0], each[1]) for name, each in sums.items()}


def attributed(days: list[tuple[float, Sides, Sides]]) -> Effects:
    """Attribute days of a portfolio's return, its sides and its benchmark's, and link them.

    Sources: Brinson and Fachler 1985; Carino 1999, whose factor of a day is that of the logarithms.
    """
    others = [sum(moved for _, moved in theirs.values()) for _, _, theirs in days]
    own = [each for each, _, _ in days]
    whole = math.prod(1 + each for each in own) - 1, math.prod(1 + each for each in others) - 1
    scale = factor(*whole)
    found = Effects(defaultdict(float), defaultdict(float), defaultdict(float), 0.0)
    trading = 0.0
    for (returned, mine, theirs), other in zip(days, others, strict=True):
        weight = factor(returned, other) / scale
        explained = 0.0
        for sector in {*mine, *theirs}:
            held, moved = mine.get(sector, (0.0, 0.0))
            meant, their_moved = theirs.get(sector, (0.0, 0.0))
            benchmark_return = their_moved / meant if meant else None
            own_return = moved / held if held else None
            base = other if benchmark_return is None else benchmark_return
            # A sector the benchmark does not hold: all it did is the choice to hold it.
            if benchmark_return is None:
                effects = ((held) * ((own_return or 0.0) - other), 0.0, 0.0)
            elif own_return is None:
                effects = ((held - meant) * (base - other), 0.0, 0.0)
            else:
                effects = (
                    (held - meant) * (base - other),
                    meant * (own_return - base),
                    (held - meant) * (own_return - base),
                )
            for sums, effect in zip(found[:3], effects, strict=True):
                sums[sector] += weight * effect
            explained += sum(effects)
        trading += weight * (returned - other - explained)
    return found._replace(trading=trading)


def factor(one: float, other: float) -> float:
    """Give Carino's factor of two returns."""
    return (math.log1p(one) - math.log1p(other)) / (one - other) if one != other else 1 / (1 + one)
