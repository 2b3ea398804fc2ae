"""What a contribution to a return is made of: its days, which `linked_contributions` links."""

from datetime import date
from itertools import repeat

import msgspec
import numpy as np

from domain.statistics.attribution import linked_contributions
from domain.statistics.measured import Floats
from projections.asking import Readable
from projections.paging import Answer
from projections.performance.contributions import By, grouped, laid_of
from projections.performance.history import History, of_portfolio

TRADING = "trading"
"""What no line explains of a day's return: named like a line."""

FUNCTION = "domain.statistics.attribution.linked_contributions"


class ContributedDay(msgspec.Struct, frozen=True):
    """A day of one line: `weight` and `contribution` of the day's capital, `result` in base.

    `linked` = contribution x `worth`, what a unit invested at the start was worth that morning. Of
    `trading` weight and result are null.
    """

    session: date
    weight: float | None
    result: float | None
    contribution: float
    portfolio_return: float
    worth: float
    linked: float


class ExplainedContribution(msgspec.Struct, frozen=True):
    """A line's contribution over a range, and its days, whose `linked` sum to it."""

    portfolio: str
    currency: str
    by: By
    name: str
    contribution: float
    function: str
    daily: list[ContributedDay]


def explained_contribution(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    by: By,
    name: str,
    since: date | None = None,
    until: date | None = None,
) -> Answer[ExplainedContribution]:
    """Open what a position or sector, or trading, added to a range's return.

    No row when the tenant has no such portfolio, or nothing of that name in the range.
    """

    def answer(history: History) -> ExplainedContribution | None:
        laid = laid_of(history, since, until)
        panel, groups = laid.panel, grouped(laid, by)
        weights: list[float] | None = None
        results: list[float] | None = None
        if name == TRADING:
            daily = panel.returned - laid.contributions.sum(axis=1)
        elif name in groups.names:
            place = groups.names.index(name)
            # Lying together as whoever is told of it lays it: so the sum is the same bit for bit.
            daily = np.ascontiguousarray(groups.contributions[:, place])
            weights, results = groups.weights[:, place].tolist(), groups.results[:, place].tolist()
        else:
            return None
        linked = 0.0  # Of no day there is nothing to be linked.
        if len(daily):
            linked = float(linked_contributions(daily[:, np.newaxis], panel.returned)[0])
        return ExplainedContribution(
            portfolio=history.owner[1],
            currency=history.base_currency,
            by=by,
            name=name,
            contribution=linked,
            function=FUNCTION,
            daily=_days(panel.days, weights, results, daily, panel.returned),
        )

    row, answered = of_portfolio(readable, tenant=tenant, portfolio=portfolio, answer=answer)
    return Answer(row, answered.position, answered.market_position)


def _days(
    sessions: list[date],
    weights: list[float] | None,
    results: list[float] | None,
    daily: Floats,
    returned: Floats,
) -> list[ContributedDay]:
    worth = np.cumprod(np.concatenate(([1.0], 1.0 + returned[:-1]))) if len(daily) else daily
    return list(
        map(
            ContributedDay,
            sessions,
            repeat(None) if weights is None else weights,
            repeat(None) if results is None else results,
            *(each.tolist() for each in (daily, returned, worth, worth * daily)),
        )
    )
