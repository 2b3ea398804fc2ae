"""What readers are told of risk: figures, contributions, stress, correlations, explanations.

Amounts are exact decimals as strings, in the portfolio's currency. Figures are floats, JSON
numbers: losses are positive, shares and returns fractions; a null one says why in its `reason`.
"""

from datetime import date, datetime
from typing import Any

from projections.performance.explaining_stress import call_of
from projections.performance.risk import CALCULATION
from read_api.shaping import Amount, Shaped, ShapedOne, shaped


class Valued(Shaped, frozen=True):
    """What is held and what it is worth, null where `lack` says why.

    `lack` is `nav_incomplete`, `no_session` or `being_restated`, while a split is still to be told
    of this holder. `gross` and `net` are of positions without cash. `window_from` and
    `window_until` are the first and last of the `days` past sessions; `uncovered` lists lines with
    fewer than 60 returns, above a share of 0.05 nothing is told of tails (`coverage_incomplete`).
    """

    portfolio: str
    currency: str
    session: date | None
    at: datetime | None
    nav: Amount | None
    gross: Amount | None
    net: Amount | None
    lack: str | None
    unpriced: tuple[str, ...]
    stale: tuple[str, ...]
    window_from: date | None
    window_until: date | None
    days: int
    uncovered: tuple[str, ...]
    uncovered_share: float


class RiskFigure(Shaped, frozen=True):
    """A figure of `n` past days, of `n` positions where it needs no past; its method in words."""

    value: float | None
    reason: str | None
    n: int
    method: str


class Risk(Shaped, frozen=True):
    """Ex-ante figures by name: what is held now against past returns.

    `value_at_risk_historical_1d_95` is that of one day at 95 %; `10d` is as `ten_days` says.
    Simulated ones are of `paths` paths drawn from `seed`.
    """

    valued: Valued
    figures: dict[str, RiskFigure]
    quantile_rule: int
    ten_days: str
    paths: int
    seed: int


class OneRisk(ShapedOne, frozen=True):
    """One portfolio's risk."""

    item: Risk
    calculation: str


class RiskContribution(Shaped, frozen=True):
    """What a position, or cash as `cash:EUR`, adds to the risk of one day.

    Each column sums to that of the total: by Euler's theorem, by the two days the historical VaR
    lies between, and by the mean of the days beyond it. `marginal` is by how much the parametric
    VaR grows for one more unit of currency in it. `volatility` is over a year, a fraction of the
    NAV; null where that is not above zero.
    """

    name: str
    value: float
    marginal: float | None
    parametric_value_at_risk: float
    historical_value_at_risk: float
    historical_expected_shortfall: float
    volatility: float | None


class RiskContributions(Shaped, frozen=True):
    """The contributions of all covered lines; none where there is a `reason`."""

    valued: Valued
    level: float
    reason: str | None
    total: RiskContribution | None
    lines: tuple[RiskContribution, ...]


class OneRiskContributions(ShapedOne, frozen=True):
    """One portfolio's contributions."""

    item: RiskContributions
    calculation: str


class Called(Shaped, frozen=True):
    """What gives a figure: `call` in Python, after importing all of the module of `function`.

    `inputs` are numpy arrays, `parameters` numbers, under their names; `sessions` are those at
    whose ends returns among the inputs end.
    """

    function: str | None
    call: str | None
    parameters: dict[str, float]
    inputs: dict[str, tuple[float | tuple[float, ...], ...]]
    sessions: tuple[date, ...]


class ExplainedRiskPart(Shaped, frozen=True):
    """A line with its value and what it adds, as `/risk/contributions` says it."""

    name: str
    value: float
    contribution: float


class ExplainedRiskContributions(Called, frozen=True):
    """A column of the contributions with what gives it; its lines sum to `total`.

    They are what is called, in their order. `returns` are days x lines; `factor` is upper
    triangular, its square R'R their covariance; `quantile` is the normal one of the level.
    `marginal` has no total; where there is a `reason` there is nothing.
    """

    valued: Valued
    figure: str
    level: float
    method: str
    reason: str | None
    total: float | None
    lines: tuple[ExplainedRiskPart, ...]


class OneExplainedContributions(ShapedOne, frozen=True):
    """One column of one portfolio's contributions to risk, explained."""

    item: ExplainedRiskContributions
    calculation: str


class StressedLine(Shaped, frozen=True):
    """What a line would gain: `shock` is the fraction of its value that all its shocks make."""

    name: str
    sector: str | None
    value: float
    shock: float
    gain: float


class StressTold(Shaped, frozen=True):
    """What a stress comes to, however its lines are told."""

    valued: Valued
    since: date | None
    until: date | None
    unused: tuple[str, ...]
    uncovered: tuple[str, ...]
    reason: str | None
    gain: float | None
    nav: float | None


class Stressed(StressTold, frozen=True):
    """What the whole would gain, negative for a loss, and the NAV after; null with a `reason`.

    `since` and `until` are the sessions at whose closes a window begins and ends; `unused` are
    shocks that nothing held meets.
    """

    lines: tuple[StressedLine, ...]


class OneStressed(ShapedOne, frozen=True):
    """One portfolio under stress."""

    item: Stressed
    calculation: str


class MetShock(Shaped, frozen=True):
    """A shock that a line meets.

    Of the `market`, of `instrument:AAPL`, `sector:Energy` or `currency:EUR`, or the `history` of a
    window.
    """

    of: str
    shock: float


class ExplainedStressLine(Shaped, frozen=True):
    """What a line would gain, and by what: `value` x `shock` = `gain`, in the base currency.

    `shock` is what all those `met` make together; a line that meets none has none.
    """

    name: str
    currency: str
    sector: str | None
    value: float
    met: tuple[MetShock, ...]
    shock: float
    gain: float


class ExplainedStress(StressTold, frozen=True):
    """A stress as `/risk/stress` tells it, and what gives it: the lines' gains sum to `gain`.

    They are what `call` gives in Python, in their order, with `inputs` as numpy arrays, after
    importing all of the module of `function`. Of shocks, `shocks` are lines x market, instrument,
    sector and currency, which `shock_function` multiplies; of a window, `returns` are days x lines
    of `sessions`, which it compounds. Null, without lines, where there is a `reason`.
    """

    lines: tuple[ExplainedStressLine, ...]
    shock_function: str | None
    function: str | None
    call: str | None
    inputs: dict[str, tuple[float | tuple[float, ...], ...]]
    sessions: tuple[date, ...]


class OneExplainedStress(ShapedOne, frozen=True):
    """One portfolio under stress, explained."""

    item: ExplainedStress
    calculation: str


class Correlated(Shaped, frozen=True):
    """Correlations of the largest lines, in the order of `names`; null under 60 common `days`."""

    valued: Valued
    names: tuple[str, ...]
    coefficients: tuple[tuple[float | None, ...], ...]
    days: tuple[tuple[int, ...], ...]


class OneCorrelated(ShapedOne, frozen=True):
    """One portfolio's correlations."""

    item: Correlated
    calculation: str


class ExplainedLine(Shaped, frozen=True):
    """A position, or cash as `cash:USD`, with its exact value in the portfolio's currency."""

    name: str
    amount: Amount


class ExplainedRisk(Called, frozen=True):
    """A figure with what gives it.

    An additive one (`nav`, `gross`, `net`) is the exact sum of its lines, `amount`. Any other is
    what is called.
    """

    valued: Valued
    name: str
    method: str
    amount: Amount | None
    figure: RiskFigure | None
    lines: tuple[ExplainedLine, ...]


class OneExplainedRisk(ShapedOne, frozen=True):
    """One figure of one portfolio, explained."""

    item: ExplainedRisk
    calculation: str


def risk_shaped(found: Any) -> OneRisk:  # noqa: ANN401 - an answer with its row
    """Tell the risk of an answer."""
    row = found.row
    figures = {name: shaped(RiskFigure, each) for name, each in row.figures.items()}
    item = shaped(Risk, row, valued=shaped(Valued, row.valued), figures=figures)
    return shaped(OneRisk, found, item=item, calculation=CALCULATION)


def contributions_shaped(found: Any) -> OneRiskContributions:  # noqa: ANN401
    """Tell the contributions of an answer."""
    row = found.row
    item = shaped(
        RiskContributions,
        row,
        valued=shaped(Valued, row.valued),
        total=row.total and shaped(RiskContribution, row.total),
        lines=tuple(shaped(RiskContribution, line) for line in row.lines),
    )
    return shaped(OneRiskContributions, found, item=item, calculation=CALCULATION)


def explained_contributions_shaped(found: Any) -> OneExplainedContributions:  # noqa: ANN401
    """Tell the explanation of contributions."""
    row = found.row
    item = shaped(
        ExplainedRiskContributions,
        row,
        valued=shaped(Valued, row.valued),
        lines=tuple(shaped(ExplainedRiskPart, line) for line in row.lines),
    )
    return shaped(OneExplainedContributions, found, item=item, calculation=CALCULATION)


def stressed_shaped(found: Any) -> OneStressed:  # noqa: ANN401
    """Tell the stress of an answer."""
    row = found.row
    lines = tuple(shaped(StressedLine, line) for line in row.lines)
    item = shaped(Stressed, row, valued=shaped(Valued, row.valued), lines=lines)
    return shaped(OneStressed, found, item=item, calculation=CALCULATION)


def explained_stress_shaped(found: Any) -> OneExplainedStress:  # noqa: ANN401
    """Tell the stress of an answer, and what gives it."""
    row, called = found.row, call_of(found.row)
    lines = tuple(
        shaped(
            ExplainedStressLine,
            line,
            met=tuple(MetShock(of=name, shock=shock) for name, shock in line.met.items()),
        )
        for line in row.lines
    )
    item = shaped(
        ExplainedStress,
        row,
        valued=shaped(Valued, row.valued),
        lines=lines,
        shock_function=called and called.shock_function,
        function=called and called.function,
        call=called and called.call,
        inputs={} if called is None else called.inputs,
    )
    return shaped(OneExplainedStress, found, item=item, calculation=CALCULATION)


def correlated_shaped(found: Any) -> OneCorrelated:  # noqa: ANN401
    """Tell the correlations of an answer."""
    item = shaped(Correlated, found.row, valued=shaped(Valued, found.row.valued))
    return shaped(OneCorrelated, found, item=item, calculation=CALCULATION)


def explained_shaped(found: Any) -> OneExplainedRisk:  # noqa: ANN401
    """Tell the explanation of an answer."""
    row = found.row
    item = shaped(
        ExplainedRisk,
        row,
        valued=shaped(Valued, row.valued),
        figure=row.figure and shaped(RiskFigure, row.figure),
        lines=tuple(shaped(ExplainedLine, line) for line in row.lines),
    )
    return shaped(OneExplainedRisk, found, item=item, calculation=CALCULATION)
