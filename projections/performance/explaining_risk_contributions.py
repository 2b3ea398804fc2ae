"""What the contributions to a risk are made of: their inputs, fed to the published function.

`call` is that function's call in Python, with the inputs as numpy arrays and the parameters under
their names; it gives the contributions in the order of the lines.
"""

from datetime import date
from typing import NamedTuple

import msgspec

from domain.money import ZERO
from domain.statistics.measured import PERIODS_PER_YEAR
from projections.asking import Readable
from projections.paging import Answer
from projections.performance.explaining_risk import Inputs, Parameters, normal_inputs
from projections.performance.risk import (
    NAV_NOT_POSITIVE,
    Asked,
    Contributions,
    Seen,
    Valued,
    divided,
    quantile_of,
    seen,
    valued_of,
)

_MODULE = "domain.statistics.risk_contributions"


class _Method(NamedTuple):
    words: str
    function: str
    call: str


_MARGINAL = "marginal_deviations"
_METHODS = {
    "marginal": _Method(
        "normal law: quantile x covariance x values / standard deviation",
        _MARGINAL,
        "quantile * marginal_deviations(factor, exposures)",
    ),
    "parametric_value_at_risk": _Method(
        "value x marginal value at risk (Euler)",
        _MARGINAL,
        "exposures * (quantile * marginal_deviations(factor, exposures))",
    ),
    "historical_value_at_risk": _Method(
        "own loss on the two days between which Hyndman-Fan 7 places the value at risk",
        "component_values_at_risk",
        "component_values_at_risk(returns, exposures, level)",
    ),
    "historical_expected_shortfall": _Method(
        "own mean loss on the days that lost at least the value at risk",
        "component_shortfalls",
        "component_shortfalls(returns, exposures, value_at_risk)",
    ),
    "volatility": _Method(
        "value x marginal standard deviation of one day (Euler), x sqrt(252), over NAV",
        _MARGINAL,
        "exposures * marginal_deviations(factor, exposures) * periods_per_year ** 0.5 / nav",
    ),
}
EXPLAINED = tuple(_METHODS)
"""The columns that can be explained."""


class ExplainedPart(msgspec.Struct, frozen=True):
    """A line with its value, signed, and what it adds; both in the base currency.

    Parts of `volatility` are fractions of the NAV, `marginal` ones are of a unit of currency.
    """

    name: str
    value: float
    contribution: float


class ExplainedContributions(msgspec.Struct, frozen=True):
    """A column of the contributions with what gives it; its lines sum to `total`.

    Of `marginal` there is no total. Null, without lines, where there is a `reason`. `returns` are
    past days x lines, of `sessions`; `factor` is that of their covariance.
    """

    valued: Valued
    figure: str
    level: float
    method: str
    reason: str | None
    total: float | None
    lines: list[ExplainedPart]
    function: str | None = None
    call: str | None = None
    parameters: Parameters = {}
    inputs: Inputs = {}
    sessions: list[date] = []


def explained_contributions_of(
    readable: Readable, *, tenant: str, portfolio: str, asked: Asked, level: float, figure: str
) -> Answer[ExplainedContributions]:
    """Explain one column of the contributions; no row without such a portfolio."""
    return seen(
        readable,
        tenant=tenant,
        portfolio=portfolio,
        asked=asked,
        answer=lambda one, _: explained_contributions(one, level, figure),
    )


def explained_contributions(one: Seen, level: float, figure: str) -> ExplainedContributions:
    """Explain one column, one of `EXPLAINED`, of the contributions of what was seen."""
    found, method = divided(one, level), _METHODS[figure]
    reason = found.reason
    if reason is None and found.total is not None and figure == "volatility":
        reason = None if found.total.volatility is not None else NAV_NOT_POSITIVE
    if reason is not None or found.total is None:
        return ExplainedContributions(valued_of(one), figure, level, method.words, reason, None, [])
    return ExplainedContributions(
        valued=found.valued,
        figure=figure,
        level=level,
        method=method.words,
        reason=None,
        total=getattr(found.total, figure),
        lines=[ExplainedPart(each.name, each.value, getattr(each, figure)) for each in found.lines],
        function=f"{_MODULE}.{method.function}",
        call=method.call,
        parameters=_parameters(one, found, figure),
        inputs=_inputs(one, method),
        sessions=list(one.scenarios.sessions),
    )


def _parameters(one: Seen, found: Contributions, figure: str) -> Parameters:
    match figure:
        case "historical_value_at_risk":
            return {"level": found.level}
        case "historical_expected_shortfall":
            assert found.total is not None, "there are contributions"
            return {
                "level": found.level,
                "value_at_risk": found.total.historical_value_at_risk,
            }
        case "volatility":
            nav = float(one.exposed.nav or ZERO)
            return {"periods_per_year": PERIODS_PER_YEAR, "nav": nav}
        case _:
            return {"level": found.level, "quantile": quantile_of(found.level)}


def _inputs(one: Seen, method: _Method) -> Inputs:
    if method.function == _MARGINAL:
        return normal_inputs(one)
    scenarios = one.scenarios
    return {
        "returns": scenarios.returns.tolist(),
        "exposures": scenarios.exposures.tolist(),
    }
