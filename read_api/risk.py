"""The endpoints of ex-ante risk: figures, contributions, stress, correlations, explanations."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import Response

from domain.statistics.ex_ante import Convention
from domain.statistics.stress import SHOCK_MIN
from domain.statistics.value_at_risk import WINDOW, Horizon
from gateway.access import Action
from gateway.interface import Call, Endpoint, not_found
from gateway.problem import Problem
from projections.asking import Readable
from projections.paging import Answer
from projections.performance import risk
from projections.performance.correlated import correlated_of
from projections.performance.explaining_risk import EXPLAINED, explained_of
from projections.performance.explaining_risk_contributions import (
    EXPLAINED as CONTRIBUTIONS_EXPLAINED,
)
from projections.performance.explaining_risk_contributions import explained_contributions_of
from projections.performance.stress import WINDOWS, Shocks, shocked_of, window_of
from read_api import risk_shapes as shapes
from read_api.asking import Asked, Asking
from read_api.declaring import query
from read_api.parameters import PORTFOLIO, Since, Until
from read_api.shaping import ShapedOne

SHOCK_MAX = 10.0
SHOCKS_MAX = 100

Named = Annotated[
    str,
    msgspec.Meta(
        max_length=4_000,
        pattern=r"^[^,:]+:[+\-]?[0-9.]{1,20}(,[^,:]+:[+\-]?[0-9.]{1,20})*\Z",
        description="Shocks by name, fractions: `AAPL:-0.3,MSFT:-0.1`.",
    ),
]


class RiskAsked(Asked, kw_only=True):
    """As of which session, over how many past days, by which conventions."""

    until: (
        Annotated[Until, msgspec.Meta(description="The last session asked for; by default now.")]
        | None
    ) = None
    window: Annotated[
        int, msgspec.Meta(ge=60, le=2_500, description="The most past returns that count.")
    ] = WINDOW
    quantile_rule: Annotated[
        int, msgspec.Meta(ge=1, le=9, description="The quantile rule by Hyndman and Fan's number.")
    ] = 7
    ten_days: Literal["scaled", "overlapping"] = "scaled"


class ContributionsAsked(RiskAsked, kw_only=True):
    """At which level."""

    level: Annotated[
        float, msgspec.Meta(ge=0.5, le=0.9999, description="The level, a fraction.")
    ] = 0.99


class ExplainContributionsAsked(ContributionsAsked, kw_only=True):
    """Which column."""

    figure: Annotated[
        str,
        msgspec.Meta(
            pattern=rf"^({'|'.join(CONTRIBUTIONS_EXPLAINED)})\Z",
            description="A column of the contributions.",
        ),
    ]


class CorrelationsAsked(RiskAsked, kw_only=True):
    """Of how many lines."""

    limit: Annotated[int, msgspec.Meta(ge=2, le=100, description="The most lines.")] = 50


class ExplainAsked(RiskAsked, kw_only=True):
    """Which figure."""

    figure: Annotated[
        str,
        msgspec.Meta(pattern=rf"^({'|'.join(EXPLAINED)})\Z", description="The figure's name."),
    ]


class StressAsked(RiskAsked, kw_only=True):
    """Either shocks, or a window of the past by name or by its first and last session."""

    market: (
        Annotated[
            float,
            msgspec.Meta(ge=SHOCK_MIN, le=SHOCK_MAX, description="The shock of every instrument."),
        ]
        | None
    ) = None
    instruments: Named | None = None
    sectors: Named | None = None
    currencies: Named | None = None
    scenario: (
        Annotated[
            str,
            msgspec.Meta(
                pattern=rf"^({'|'.join(WINDOWS)})\Z",
                description="A window of the past by its name.",
            ),
        ]
        | None
    ) = None
    window_since: Since | None = None
    window_until: Until | None = None


def risk_endpoints(asking: Asking) -> Sequence[Endpoint]:
    """Give the addresses of ex-ante risk."""
    own = "/v1/portfolios/{portfolio}/risk"
    queries = RiskQueries(asking)
    declared: Sequence[tuple[str, str, str, type[Asked], Any, Any]] = (
        (
            own, "get_risk",
            "Value at risk, expected shortfall, exposures and concentration of what is held now",
            RiskAsked, shapes.OneRisk, queries.risk,
        ),
        (
            f"{own}/contributions", "list_risk_contributions",
            "What each position adds to the risk of one day; columns sum to the total",
            ContributionsAsked, shapes.OneRiskContributions, queries.contributions,
        ),
        (
            f"{own}/contributions/explain", "explain_risk_contributions",
            "What each position adds to a risk, with the inputs and the function that give it",
            ExplainContributionsAsked, shapes.OneExplainedContributions,
            queries.explain_contributions,
        ),
        (
            f"{own}/stress", "get_stress",
            "What shocks, or a stretch of the past, would make of what is held now",
            StressAsked, shapes.OneStressed, queries.stress,
        ),
        (
            f"{own}/stress/explain", "explain_stress",
            "By what each position is shocked, with the inputs and the functions that give it",
            StressAsked, shapes.OneExplainedStress, queries.explain_stress,
        ),
        (
            f"{own}/correlations", "list_risk_correlations",
            "How the largest positions moved together",
            CorrelationsAsked, shapes.OneCorrelated, queries.correlations,
        ),
        (
            f"{own}/explain", "explain_risk",
            "A figure of risk with the inputs and the function that give it",
            ExplainAsked, shapes.OneExplainedRisk, queries.explain,
        ),
    )  # fmt: skip
    return [
        query(path, name, summary, Action.READ_PERFORMANCE, asked, kind, handle, PORTFOLIO)
        for path, name, summary, asked, kind, handle in declared
    ]


class RiskQueries:
    """The endpoints' coroutines, over one way to ask."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def risk(self, call: Call) -> Response:
        """Measure risk."""
        return await self._answered(call, shapes.risk_shaped, risk.risk_of)

    async def contributions(self, call: Call) -> Response:
        """Divide risk among what is held."""
        asked: ContributionsAsked = call.parameters
        return await self._answered(
            call, shapes.contributions_shaped, risk.contributions_of, level=asked.level
        )

    async def explain_contributions(self, call: Call) -> Response:
        """Explain a column of the contributions."""
        asked: ExplainContributionsAsked = call.parameters
        return await self._answered(
            call,
            shapes.explained_contributions_shaped,
            explained_contributions_of,
            level=asked.level,
            figure=asked.figure,
        )

    async def correlations(self, call: Call) -> Response:
        """Correlate what is held."""
        asked: CorrelationsAsked = call.parameters
        return await self._answered(
            call, shapes.correlated_shaped, correlated_of, count=asked.limit
        )

    async def explain(self, call: Call) -> Response:
        """Explain a figure."""
        asked: ExplainAsked = call.parameters
        return await self._answered(
            call, shapes.explained_shaped, explained_of, figure=asked.figure
        )

    async def stress(self, call: Call) -> Response:
        """Shock what is held, or repeat the past with it."""
        return await self._stressed(call, shapes.stressed_shaped)

    async def explain_stress(self, call: Call) -> Response:
        """Explain a stress."""
        return await self._stressed(call, shapes.explained_stress_shaped)

    async def _stressed(self, call: Call, shape: Callable[[Any], ShapedOne]) -> Response:
        asked: StressAsked = call.parameters
        shocks = Shocks(
            asked.market,
            _named("instruments", asked.instruments),
            _named("sectors", asked.sectors),
            _named("currencies", asked.currencies),
        )
        window = _window(asked, shocks)
        if window is None:
            return await self._answered(call, shape, shocked_of, shocks=shocks)
        since, until = window
        return await self._answered(call, shape, window_of, since=since, until=until)

    async def _answered(
        self,
        call: Call,
        shape: Callable[[Any], ShapedOne],
        question: Callable[..., Answer[Any]],
        **further: Any,
    ) -> Response:
        """Ask about a portfolio that the tenant has, and tell its one item."""
        tenant, portfolio = call.principal.tenant, call.named(PORTFOLIO)
        asked = _asked(call.parameters)

        def ask(readable: Readable) -> ShapedOne:
            found = question(readable, tenant=tenant, portfolio=portfolio, asked=asked, **further)
            if found.row is None:
                raise not_found()
            return shape(found)

        home = self._asking.home_of(tenant, portfolio)
        return await self._asking.answer(call, "performance", ask, home)


def _asked(asked: RiskAsked) -> risk.Asked:
    convention = Convention(asked.quantile_rule, Horizon(asked.ten_days))
    return risk.Asked(asked.until, asked.window, convention)


def _named(parameter: str, text: str | None) -> dict[str, float]:
    """Read shocks by name.

    Raises:
        Problem: `parameter_invalid`.
    """
    shocks: dict[str, float] = {}
    for each in text.split(",") if text else ():
        name, _, number = each.partition(":")
        try:
            shock = float(number)
        except ValueError:
            raise _invalid(parameter, f"{number} is no fraction.") from None
        if not SHOCK_MIN <= shock <= SHOCK_MAX:
            raise _invalid(parameter, f"A shock lies between {SHOCK_MIN} and {SHOCK_MAX}.")
        if name in shocks:
            raise _invalid(parameter, f"Give {name} once.")
        shocks[name] = shock
    if len(shocks) > SHOCKS_MAX:
        raise _invalid(parameter, f"Give at most {SHOCKS_MAX} shocks.")
    return shocks


def _window(asked: StressAsked, shocks: Shocks) -> tuple[date, date] | None:
    """Give the window asked for; None for shocks. Just one of the two is asked for.

    Raises:
        Problem: `parameter_invalid`.
    """
    has_shocks = shocks.every is not None or bool(shocks.names)
    ends = (asked.window_since, asked.window_until)
    if has_shocks + (asked.scenario is not None) + (ends != (None, None)) != 1:
        raise _invalid("scenario", "Give shocks, or a scenario, or window_since with window_until.")
    if has_shocks:
        return None
    if asked.scenario is not None:
        return WINDOWS[asked.scenario]
    since, until = ends
    if since is None or until is None or until <= since:
        raise _invalid("window_until", "A window has two ends, the later one behind the other.")
    return since, until


def _invalid(parameter: str, detail: str) -> Problem:
    return Problem("parameter_invalid", detail, fields=(parameter,))
