"""The endpoints of what a return is made of: contributions, sectors, attribution."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, cast

import msgspec
from starlette.responses import Response

from gateway.access import Action
from gateway.interface import Call, Endpoint, not_found
from projections.asking import Readable
from projections.performance import attribution, contributions
from projections.performance.contributions import By
from projections.performance.explaining_contributions import explained_contribution
from read_api import contribution_shapes as shapes
from read_api.asking import Asking
from read_api.declaring import query
from read_api.parameters import LINE, PORTFOLIO, RangeAsked
from read_api.performance import Benchmark
from read_api.shaping import shaped


class ContributionsAsked(RangeAsked, kw_only=True):
    """Of which sessions, by what."""

    by: By = "position"


class ContributionAsked(ContributionsAsked, kw_only=True):
    """Of which sessions, by what, and which of them."""

    name: Annotated[
        str,
        msgspec.Meta(
            pattern=LINE,
            description="A position's or a sector's name as `/performance/contributions` gives it, "
            "or `trading`.",
        ),
    ]


class AttributionAsked(RangeAsked, kw_only=True):
    """Of which sessions, against what."""

    benchmark: Benchmark | None = None


def contribution_endpoints(asking: Asking) -> Sequence[Endpoint]:
    """Give the addresses of contributions and attribution."""
    own = "/v1/portfolios/{portfolio}"
    queries = ContributionQueries(asking)
    declared: Sequence[tuple[str, str, str, type[RangeAsked], Any, Any]] = (
        (
            f"{own}/performance/contributions", "list_contributions",
            "What each position or sector added to the time-weighted return",
            ContributionsAsked, shapes.OneContributions, queries.contributions,
        ),
        (
            f"{own}/performance/contributions/explain", "explain_contribution",
            "What a position or a sector added to the return day by day, as it is linked",
            ContributionAsked, shapes.OneExplainedContribution, queries.contribution,
        ),
        (
            f"{own}/sectors", "list_sectors",
            "Exposure, return and contribution by the sector of each day",
            RangeAsked, shapes.OneSectors, queries.sectors,
        ),
        (
            f"{own}/sectors/correlations", "list_sector_correlations",
            "How what was held of each sector moved together",
            RangeAsked, shapes.OneSectorCorrelations, queries.correlations,
        ),
        (
            f"{own}/attribution", "get_attribution",
            "Why a portfolio returned otherwise than its benchmark (Brinson-Fachler, Carino)",
            AttributionAsked, shapes.OneAttribution, queries.attribution,
        ),
        (
            f"{own}/attribution/explain", "explain_attribution",
            "The same day by day, with all that its functions were fed with",
            AttributionAsked, shapes.OneExplainedAttribution, queries.explain,
        ),
    )  # fmt: skip
    return [
        query(path, name, summary, Action.READ_PERFORMANCE, asked, kind, handle, PORTFOLIO)
        for path, name, summary, asked, kind, handle in declared
    ]


class ContributionQueries:
    """The endpoints' coroutines, over one way to ask."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def contributions(self, call: Call) -> Response:
        """List what added to a return."""
        asked: ContributionsAsked = call.parameters

        def ask(readable: Readable) -> shapes.OneContributions:
            found = contributions.contributions_of(readable, by=asked.by, **_range(call))
            item = shapes.contributions_shaped(_present(found))
            calculation = contributions.CALCULATION
            return shaped(shapes.OneContributions, found, item=item, calculation=calculation)

        return await self._of_portfolio(call, ask)

    async def contribution(self, call: Call) -> Response:
        """Explain one contribution."""
        asked: ContributionAsked = call.parameters

        def ask(readable: Readable) -> shapes.OneExplainedContribution:
            found = explained_contribution(readable, by=asked.by, name=asked.name, **_range(call))
            row = _present(found)
            # A day has the fields of the reader's by name and kind: it is not made once more.
            daily = cast(tuple[shapes.ContributedDay, ...], tuple(row.daily))
            item = shaped(shapes.ExplainedContribution, row, daily=daily)
            calculation = contributions.CALCULATION
            return shaped(
                shapes.OneExplainedContribution, found, item=item, calculation=calculation
            )

        return await self._of_portfolio(call, ask)

    async def sectors(self, call: Call) -> Response:
        """List sectors over a range, with what is held of each at its end."""

        def ask(readable: Readable) -> shapes.OneSectors:
            found = contributions.sectors_of(readable, **_range(call))
            item = shapes.sectors_shaped(_present(found))
            calculation = contributions.CALCULATION
            return shaped(shapes.OneSectors, found, item=item, calculation=calculation)

        return await self._of_portfolio(call, ask)

    async def correlations(self, call: Call) -> Response:
        """Correlate sectors."""

        def ask(readable: Readable) -> shapes.OneSectorCorrelations:
            found = contributions.sector_correlations(readable, **_range(call))
            item = shapes.correlations_shaped(_present(found))
            calculation = contributions.CALCULATION
            return shaped(shapes.OneSectorCorrelations, found, item=item, calculation=calculation)

        return await self._of_portfolio(call, ask)

    async def attribution(self, call: Call) -> Response:
        """Attribute a range."""
        asked: AttributionAsked = call.parameters

        def ask(readable: Readable) -> shapes.OneAttribution:
            found = attribution.attribution_of(
                readable, benchmark=asked.benchmark, day_by_day=False, **_range(call)
            )
            item = shapes.attribution_shaped(_present(found).attribution)
            calculation = attribution.CALCULATION
            return shaped(shapes.OneAttribution, found, item=item, calculation=calculation)

        return await self._of_portfolio(call, ask)

    async def explain(self, call: Call) -> Response:
        """Explain an attribution."""
        asked: AttributionAsked = call.parameters

        def ask(readable: Readable) -> shapes.OneExplainedAttribution:
            found = attribution.attribution_of(readable, benchmark=asked.benchmark, **_range(call))
            item = shapes.explained_shaped(_present(found))
            calculation = attribution.CALCULATION
            return shaped(shapes.OneExplainedAttribution, found, item=item, calculation=calculation)

        return await self._of_portfolio(call, ask)

    async def _of_portfolio(self, call: Call, ask: Callable[[Readable], Any]) -> Response:
        home = self._asking.home_of(call.principal.tenant, call.named(PORTFOLIO))
        return await self._asking.answer(call, "performance", ask, home)


def _range(call: Call) -> dict[str, Any]:
    asked: RangeAsked = call.parameters
    return {
        "tenant": call.principal.tenant,
        "portfolio": call.named(PORTFOLIO),
        "since": asked.since,
        "until": asked.until,
    }


def _present(found: Any) -> Any:  # noqa: ANN401
    if found.row is None:
        raise not_found()
    return found.row
