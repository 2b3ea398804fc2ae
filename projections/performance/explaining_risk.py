"""What a figure of risk is made of: its inputs, fed to the published function, give it.

`call` is that function's call in Python, with the inputs as numpy arrays and the parameters under
their names; what is additive (NAV, gross, net) is the exact sum of its lines instead.
"""

from datetime import date
from decimal import Decimal
from typing import NamedTuple

import msgspec
import numpy as np

from domain.money import ZERO, canonical
from domain.statistics.ex_ante import TAIL_FIGURES, Convention, TailFigure
from domain.statistics.measured import PERIODS_PER_YEAR
from domain.statistics.value_at_risk import (
    PATHS,
    SEED,
    Horizon,
    Method,
    historical_pnl,
    overlapping,
)
from projections.asking import Readable
from projections.paging import Answer
from projections.performance.exposed import Exposed
from projections.performance.risk import (
    EXPOSURE_FIGURES,
    VOLATILITY,
    Asked,
    Figure,
    Seen,
    Valued,
    measured,
    seen,
    valued_of,
)

ADDITIVE = {"nav": "sum of positions and cash", "gross": "sum of |value|", "net": "sum of value"}
EXPLAINED = (*ADDITIVE, *EXPOSURE_FIGURES, VOLATILITY, *TAIL_FIGURES)
"""The figures that can be explained."""

_VALUE_AT_RISK = "domain.statistics.value_at_risk"
_EXPOSURES = "domain.statistics.exposures"

Inputs = dict[str, list[float] | list[list[float]]]
Parameters = dict[str, float]


class ExplainedLine(msgspec.Struct, frozen=True):
    """A position, or cash as `cash:USD`, with its exact value in the base currency, signed."""

    name: str
    amount: Decimal


class Explained(msgspec.Struct, frozen=True):
    """A figure with what gives it: `amount` is that of an additive one, `figure` any other's.

    `sessions` are the dates of the inputs that are of past days.
    """

    valued: Valued
    name: str
    method: str
    amount: Decimal | None
    figure: Figure | None
    lines: list[ExplainedLine]
    function: str | None = None
    call: str | None = None
    parameters: Parameters = {}
    inputs: Inputs = {}
    sessions: list[date] = []


class _Called(NamedTuple):
    function: str
    call: str
    parameters: Parameters
    inputs: Inputs
    sessions: tuple[date, ...] = ()


def explained_of(
    readable: Readable, *, tenant: str, portfolio: str, asked: Asked, figure: str
) -> Answer[Explained]:
    """Explain one of `EXPLAINED`; no row without such a portfolio."""
    return seen(
        readable,
        tenant=tenant,
        portfolio=portfolio,
        asked=asked,
        answer=lambda one, _: _explained(one, asked.convention, figure),
    )


def _explained(one: Seen, convention: Convention, name: str) -> Explained:
    valued = valued_of(one)
    if name in ADDITIVE:
        amount: Decimal | None = getattr(valued, name)
        lines = [] if amount is None else _lines(one.exposed, name)
        return Explained(valued, name, ADDITIVE[name], amount, None, lines)
    figure = measured(one, convention).figures[name]
    explained = Explained(valued, name, figure.method, None, figure, _lines(one.exposed, "nav"))
    if figure.value is None or (name not in EXPOSURE_FIGURES and not one.scenarios.lines):
        return explained
    if name in EXPOSURE_FIGURES:
        called = _exposure(one, name)
    elif name == VOLATILITY:
        called = _volatility(one)
    else:
        called = _tail(one, convention, TAIL_FIGURES[name])
    return msgspec.structs.replace(
        explained,
        function=called.function,
        call=called.call,
        parameters=called.parameters,
        inputs=called.inputs,
        sessions=list(called.sessions),
    )


def _lines(exposed: Exposed, name: str) -> list[ExplainedLine]:
    positions = [
        ExplainedLine(
            each.instrument, canonical(abs(each.value) if name == "gross" else each.value)
        )
        for each in exposed.positions
        if each.value is not None
    ]
    if name != "nav":
        return positions
    cash = [
        ExplainedLine(f"cash:{each.currency}", canonical(each.value or ZERO))
        for each in exposed.cash
    ]
    return [*positions, *cash]


def _exposure(one: Seen, name: str) -> _Called:
    values = [float(each.value or ZERO) for each in one.exposed.positions]
    inputs: Inputs = {"values": values}
    if name == "leverage":
        inputs["navs"] = [float(one.exposed.nav or ZERO)]
        return _Called(f"{_EXPOSURES}.leverage", "leverage(values[None], navs)[0]", {}, inputs)
    if name == "herfindahl":
        return _Called(f"{_EXPOSURES}.herfindahl", "herfindahl(values)", {}, inputs)
    count = float(name.removeprefix("top_"))
    return _Called(f"{_EXPOSURES}.top", "top(values, int(count))", {"count": count}, inputs)


def _volatility(one: Seen) -> _Called:
    scenarios = one.scenarios
    return _Called(
        f"{_VALUE_AT_RISK}.deviations",
        "deviations(factor, exposures[None])[0] * periods_per_year ** 0.5 / nav",
        {"periods_per_year": PERIODS_PER_YEAR, "nav": float(one.exposed.nav or ZERO)},
        normal_inputs(one),
        scenarios.sessions,
    )


def normal_inputs(one: Seen) -> Inputs:
    """Give the factor of the covariance, and the exposures in the order of its columns."""
    scenarios = one.scenarios
    return {
        "factor": scenarios.factor.tolist(),
        "exposures": scenarios.exposures.tolist(),
    }


def _tail(one: Seen, convention: Convention, figure: TailFigure) -> _Called:
    horizon = figure.horizon(convention)
    scale = float(figure.days) if horizon is Horizon.SCALED else 1.0
    parameters: Parameters = {"level": figure.level, "days": scale}
    sessions = one.scenarios.sessions
    if figure.method is Method.HISTORICAL:
        return _historical(one, convention, figure, parameters)
    if figure.method is Method.PARAMETRIC:
        call = f"parametric(factor, exposures[None], level).scaled(days).{figure.measure}[0]"
        return _Called(
            f"{_VALUE_AT_RISK}.parametric", call, parameters, normal_inputs(one), sessions
        )
    call = (
        "tails_of((exposures @ factor.T @ standard_normals(len(factor), paths=int(paths),"
        f" seed=int(seed)))[None], (level,))[0].scaled(days).{figure.measure}[0]"
    )
    parameters |= {"paths": PATHS, "seed": SEED}
    return _Called(f"{_VALUE_AT_RISK}.tails_of", call, parameters, normal_inputs(one), sessions)


def _historical(
    one: Seen, convention: Convention, figure: TailFigure, parameters: Parameters
) -> _Called:
    scenarios = one.scenarios
    returns, sessions = scenarios.returns, scenarios.sessions
    if figure.horizon(convention) is Horizon.OVERLAPPING:
        returns, sessions = overlapping(returns), sessions[figure.days - 1 :]
    pnl = historical_pnl(returns, scenarios.exposures[np.newaxis])[0]
    call = (
        "tails_of(pnl[None], (level,), hyndman_fan=int(quantile_rule))[0]"
        f".scaled(days).{figure.measure}[0]"
    )
    return _Called(
        f"{_VALUE_AT_RISK}.tails_of",
        call,
        parameters | {"quantile_rule": convention.quantile_rule},
        {"pnl": pnl.tolist()},
        sessions,
    )
