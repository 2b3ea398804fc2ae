"""Ex-ante risk of what a portfolio holds, now or at the end of a session (convention 12).

Today's holdings meet past returns. Nothing is stored and nothing of what a portfolio is worth is
kept between two questions, so a mark is in the next answer. Each question is one snapshot; a figure
is a published function of `domain/statistics` on the arrays of `scenarios`.
"""

import math
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np

from domain.money import ZERO, canonical
from domain.statistics import exposures, risk_contributions
from domain.statistics.ex_ante import Convention, labels_of, tails
from domain.statistics.measured import PERIODS_PER_YEAR, Reason
from domain.statistics.value_at_risk import (
    PATHS,
    SEED,
    WINDOW,
    deviations,
    parametric,
)
from projections.asking import Readable
from projections.paging import Answer
from projections.performance.exposed import Exposed, exposed_of
from projections.performance.history import History, of_portfolio
from projections.performance.normals import simulate
from projections.performance.price_arrays import PriceHistory
from projections.performance.scenarios import Scenarios, scenarios_of

CALCULATION = "risk 2"
"""What figures say they were calculated by; changed whenever one would come out otherwise."""

COVERAGE_INCOMPLETE = "coverage_incomplete"
NOTHING_HELD = "nothing_held"
NAV_NOT_POSITIVE = "nav_not_positive"

AnswerT = TypeVar("AnswerT")

EXPOSURE_FIGURES = {
    "leverage": "gross over NAV",
    "herfindahl": "sum of squared |value| / gross",
    "top_1": "largest |value| / gross",
    "top_5": "sum of the five largest |value| / gross",
    "top_10": "sum of the ten largest |value| / gross",
}
VOLATILITY = "volatility"
VOLATILITY_METHOD = "ex ante: standard deviation of one day, ddof 1, x sqrt(252), over NAV"


class Asked(NamedTuple):
    """Of when, over how many past days, by which conventions."""

    until: date | None = None
    window: int = WINDOW
    convention: Convention = Convention()


class Figure(msgspec.Struct, frozen=True):
    """A figure of `n` past days (of positions, where it needs no past), or why there is none."""

    value: float | None
    n: int
    method: str
    reason: str | None = None


class Valued(msgspec.Struct, frozen=True):
    """What is held and what it is worth; amounts in `currency`, exact, null where `lack` says why.

    `gross` and `net` are of positions without cash. `window_from` and `window_until` are the first
    and last of the `days` past sessions; `uncovered` lists what has too few of its own.
    """

    portfolio: str
    currency: str
    session: date | None
    at: datetime | None
    nav: Decimal | None
    gross: Decimal | None
    net: Decimal | None
    lack: str | None
    unpriced: list[str]
    stale: list[str]
    window_from: date | None
    window_until: date | None
    days: int
    uncovered: list[str]
    uncovered_share: float


class Risk(msgspec.Struct, frozen=True):
    """The ex-ante figures of a portfolio, by name."""

    valued: Valued
    figures: dict[str, Figure]
    quantile_rule: int
    ten_days: str
    paths: int = PATHS
    seed: int = SEED


class Contribution(msgspec.Struct, frozen=True):
    """What a line adds to the risk of one day at a level; each column sums to the total's.

    `marginal` is by how much the parametric VaR grows for one more unit of base currency in it; the
    total has none. `volatility` is over a year, of the NAV; null where that is not above zero.
    """

    name: str
    value: float
    marginal: float | None
    parametric_value_at_risk: float
    historical_value_at_risk: float
    historical_expected_shortfall: float
    volatility: float | None = None


class Contributions(msgspec.Struct, frozen=True):
    """The contributions of every line, and their totals; none where there is a `reason`."""

    valued: Valued
    level: float
    reason: str | None
    total: Contribution | None
    lines: list[Contribution]


class Seen(NamedTuple):
    """A portfolio valued, and the past days that meet it."""

    exposed: Exposed
    scenarios: Scenarios

    @property
    def reason(self) -> str | None:
        """Why nothing can be said of its risk."""
        if self.exposed.lack is not None:
            return self.exposed.lack.value
        return None if self.scenarios.is_complete else COVERAGE_INCOMPLETE


def seen(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    asked: Asked,
    answer: Callable[[Seen, PriceHistory], AnswerT],
) -> Answer[AnswerT]:
    """Answer from a portfolio and its past days, in one snapshot.

    No row when the tenant has no such portfolio.
    """

    def of(history: History) -> AnswerT:
        exposed, closes = exposed_of(history, asked.until)
        return answer(Seen(exposed, scenarios_of(exposed, closes, asked.window)), closes)

    row, answered = of_portfolio(readable, tenant=tenant, portfolio=portfolio, answer=of)
    return Answer(row, answered.position, answered.market_position)


def risk_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    until: date | None = None,
    asked: Asked | None = None,
) -> Answer[Risk]:
    """Measure a portfolio's risk now, or at the end of the last session up to `until`.

    `asked` says more; its `until` counts then. No row when the tenant has no such portfolio.
    """
    wanted = asked or Asked(until)
    return seen(
        readable,
        tenant=tenant,
        portfolio=portfolio,
        asked=wanted,
        answer=lambda one, _: measured(one, wanted.convention),
    )


def measured(one: Seen, convention: Convention) -> Risk:
    """Measure what was seen; every figure has a value or a reason."""
    return Risk(
        valued=valued_of(one),
        figures=_exposure_figures(one.exposed) | _tail_figures(one, convention),
        quantile_rule=convention.quantile_rule,
        ten_days=convention.ten_days.value,
    )


def contributions_of(
    readable: Readable, *, tenant: str, portfolio: str, asked: Asked, level: float
) -> Answer[Contributions]:
    """Divide the risk of one day among the lines; no row without such a portfolio."""
    return seen(
        readable,
        tenant=tenant,
        portfolio=portfolio,
        asked=asked,
        answer=lambda one, _: divided(one, level),
    )


def divided(one: Seen, level: float) -> Contributions:
    """Divide what was seen; lines by name, uncovered ones left out."""
    valued, scenarios = valued_of(one), one.scenarios
    if one.reason is not None or not scenarios.lines:
        return Contributions(valued, level, one.reason or NOTHING_HELD, None, [])
    returns, held = scenarios.returns, scenarios.exposures
    deviating = risk_contributions.marginal_deviations(scenarios.factor, held)
    marginal = quantile_of(level) * deviating
    by_scenario = risk_contributions.component_values_at_risk(returns, held, level)
    columns = [
        held,
        marginal,
        held * marginal,
        by_scenario,
        risk_contributions.component_shortfalls(returns, held, float(by_scenario.sum())),
    ]
    if (nav := float(one.exposed.nav or 0)) > 0:
        columns.append(held * deviating * PERIODS_PER_YEAR**0.5 / nav)
    lines = [
        Contribution(line.name, *map(float, row))
        for line, *row in zip(scenarios.lines, *columns, strict=True)
    ]
    value, _, *sums = (float(column.sum()) for column in columns)
    return Contributions(valued, level, None, Contribution("", value, None, *sums), lines)


def quantile_of(level: float) -> float:
    """Give the normal quantile of a level: the parametric VaR of a deviation of one."""
    return float(parametric(np.eye(1), np.eye(1), level).value_at_risk[0])


def valued_of(one: Seen) -> Valued:
    """Tell what is held."""
    exposed, scenarios = one.exposed, one.scenarios
    values = [each.value for each in exposed.positions]
    is_known = exposed.nav is not None
    sessions = scenarios.sessions
    return Valued(
        portfolio=exposed.portfolio,
        currency=exposed.currency,
        session=exposed.session,
        at=exposed.at,
        nav=exposed.nav,
        gross=canonical(sum((abs(v or ZERO) for v in values), ZERO)) if is_known else None,
        net=canonical(sum((v or ZERO for v in values), ZERO)) if is_known else None,
        lack=None if exposed.lack is None else exposed.lack.value,
        unpriced=exposed.unpriced,
        stale=exposed.stale,
        window_from=sessions[0] if sessions else None,
        window_until=sessions[-1] if sessions else None,
        days=len(sessions),
        uncovered=scenarios.uncovered,
        uncovered_share=scenarios.uncovered_share,
    )


def _exposure_figures(exposed: Exposed) -> dict[str, Figure]:
    values = np.array([float(each.value or 0) for each in exposed.positions])
    n = len(values)
    found: dict[str, tuple[float | None, str | None]] = {}
    if exposed.nav is None:
        found = dict.fromkeys(EXPOSURE_FIGURES, (None, exposed.lack and exposed.lack.value))
    else:
        nav = float(exposed.nav)
        is_solvent = nav > 0
        gross = float(exposures.gross(values))
        found["leverage"] = (gross / nav, None) if is_solvent else (None, NAV_NOT_POSITIVE)
        shares = {
            "herfindahl": float(exposures.herfindahl(values)),
            "top_1": float(exposures.top(values, 1)),
            "top_5": float(exposures.top(values, 5)),
            "top_10": float(exposures.top(values, 10)),
        }
        for name, value in shares.items():
            found[name] = (value, None) if gross > 0 else (None, NOTHING_HELD)
    return {
        name: Figure(value, n, EXPOSURE_FIGURES[name], reason)
        for name, (value, reason) in found.items()
    }


def _tail_figures(one: Seen, convention: Convention) -> dict[str, Figure]:
    scenarios, n = one.scenarios, len(one.scenarios.sessions)
    labels = labels_of(convention)
    if one.reason is not None:
        names = {**labels, VOLATILITY: VOLATILITY_METHOD}
        return {name: Figure(None, n, label, one.reason) for name, label in names.items()}
    if not scenarios.lines:
        none = {name: Figure(0.0, n, label) for name, label in labels.items()}
        return {**none, VOLATILITY: _volatility(one, 0.0)}
    held, factor = scenarios.exposures, scenarios.factor
    found = tails(scenarios.returns, held, factor=factor, simulate=simulate, convention=convention)
    deviation = float(deviations(factor, held[np.newaxis])[0])
    figures = {name: _figure(found[name], n, label) for name, label in labels.items()}
    return {**figures, VOLATILITY: _volatility(one, deviation)}


def _volatility(one: Seen, deviation: float) -> Figure:
    n = len(one.scenarios.sessions)
    nav = float(one.exposed.nav or 0)
    if nav <= 0:
        return Figure(None, n, VOLATILITY_METHOD, NAV_NOT_POSITIVE)
    return _figure(deviation * PERIODS_PER_YEAR**0.5 / nav, n, VOLATILITY_METHOD)


def _figure(value: float, n: int, method: str) -> Figure:
    """Give a value, or the reason for one that no finite float holds."""
    if not math.isfinite(value):
        return Figure(None, n, method, Reason.OUT_OF_RANGE.value)
    return Figure(value, n, method)
