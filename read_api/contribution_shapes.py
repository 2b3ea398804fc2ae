"""What readers are told of contributions, sectors and attribution: floats, fractions of capital."""

import math
from datetime import date
from typing import Annotated, cast

import msgspec

from projections.performance import attribution, contributions
from read_api.performance_shapes import Statistic
from read_api.shaping import Shaped, ShapedOne, shaped

Coefficient = Annotated[float, msgspec.Meta(ge=-1, le=1, description="A correlation.")]


class Contribution(Shaped, frozen=True):
    """A line: its mean start-of-day weight, result in base currency, and linked contribution."""

    name: str
    weight: Statistic
    result: Statistic
    contribution: Statistic


class Contributions(Shaped, frozen=True):
    """The lines by size of contribution: with `trading` they sum to `range_return`.

    `trading` is what no line explains of days on which cash flowed at a time of day, or on which
    something was valued by other prices than closes.
    """

    portfolio: str
    currency: str
    since: date | None
    until: date | None
    days: int
    range_return: Statistic | None
    trading: Statistic
    lines: tuple[Contribution, ...]


class OneContributions(ShapedOne, frozen=True):
    """The contributions of one range."""

    item: Contributions
    calculation: str


class ContributedDay(Shaped, frozen=True):
    """A day of one line: `linked` = `contribution` x `worth`, what a unit had become by then.

    `weight` and `contribution` are of the day's capital, `result` is in base currency; of `trading`
    both weight and result are null.
    """

    session: date
    weight: Statistic | None
    result: Statistic | None
    contribution: Statistic
    portfolio_return: Statistic
    worth: Statistic
    linked: Statistic


class ExplainedContribution(Shaped, frozen=True):
    """A line's contribution, and its days, whose `linked` sum to it.

    `function` of the days' contributions and of the portfolio's returns gives it.
    """

    portfolio: str
    currency: str
    by: str
    name: str
    contribution: Statistic
    function: str
    daily: tuple[ContributedDay, ...]


class OneExplainedContribution(ShapedOne, frozen=True):
    """What one contribution is made of."""

    item: ExplainedContribution
    calculation: str


class Sector(Shaped, frozen=True):
    """A sector: what is held of it at the end, and what it did over the range.

    `exposure` is signed and in base currency, `weight` is it over the value of everything held.
    """

    sector: str
    exposure: Statistic
    weight: Statistic
    mean_weight: Statistic
    result: Statistic
    contribution: Statistic
    sector_return: Statistic | None


class Sectors(Shaped, frozen=True):
    """The sectors of a range by name; contributions with `trading` sum to `range_return`."""

    portfolio: str
    currency: str
    since: date | None
    until: date | None
    days: int
    range_return: Statistic | None
    trading: Statistic
    sectors: tuple[Sector, ...]


class OneSectors(ShapedOne, frozen=True):
    """The sectors of one portfolio."""

    item: Sectors
    calculation: str


class Correlated(Shaped, frozen=True):
    """A pair of sectors with the days both have; no coefficient under 60 of them."""

    one: str
    other: str
    coefficient: Coefficient | None
    n: int


class SectorCorrelations(Shaped, frozen=True):
    """Every pair once."""

    pairs: tuple[Correlated, ...]


class OneSectorCorrelations(ShapedOne, frozen=True):
    """The correlations of one range."""

    item: SectorCorrelations
    calculation: str


class SectorEffects(Shaped, frozen=True):
    """A sector's mean start-of-day weights and its linked effects."""

    sector: str
    portfolio_weight: Statistic
    benchmark_weight: Statistic
    allocation: Statistic
    selection: Statistic
    interaction: Statistic


class Attribution(Shaped, frozen=True):
    """All effects and `trading` sum to `active_return`; without effects `reason` says why."""

    portfolio: str
    currency: str
    benchmark: str | None
    since: date | None
    until: date | None
    days: int
    portfolio_return: Statistic | None
    benchmark_return: Statistic | None
    active_return: Statistic | None
    trading: Statistic | None
    sectors: tuple[SectorEffects, ...]
    reason: str | None


class OneAttribution(ShapedOne, frozen=True):
    """The attribution of one range."""

    item: Attribution
    calculation: str


class AttributedDay(Shaped, frozen=True):
    """One day by sector, in the order of `sectors`; a return is null where nothing was held."""

    session: date
    portfolio_return: Statistic
    benchmark_return: Statistic
    trading: Statistic
    portfolio_weights: tuple[Statistic, ...]
    portfolio_returns: tuple[Statistic | None, ...]
    benchmark_weights: tuple[Statistic, ...]
    benchmark_returns: tuple[Statistic | None, ...]
    allocation: tuple[Statistic, ...]
    selection: tuple[Statistic, ...]
    interaction: tuple[Statistic, ...]


class ExplainedAttribution(Shaped, frozen=True):
    """An attribution, its days, and the functions that make the one of the others."""

    attribution: Attribution
    functions: tuple[str, ...]
    sectors: tuple[str, ...]
    daily: tuple[AttributedDay, ...]


class OneExplainedAttribution(ShapedOne, frozen=True):
    """The explanation of one range."""

    item: ExplainedAttribution
    calculation: str


FUNCTIONS = (
    "domain.statistics.attribution.daily_effects",
    "domain.statistics.attribution.linked_effects",
)


def contributions_shaped(row: contributions.Contributions) -> Contributions:
    """Make what readers are told of contributions."""
    lines = tuple(shaped(Contribution, each) for each in row.lines)
    return shaped(Contributions, row, lines=lines)


def sectors_shaped(row: contributions.SectorView) -> Sectors:
    """Make what readers are told of sectors."""
    return shaped(Sectors, row, sectors=tuple(shaped(Sector, each) for each in row.sectors))


def correlations_shaped(row: contributions.SectorCorrelations) -> SectorCorrelations:
    """Make what readers are told of correlations: each pair once."""
    pairs = []
    for place, one in enumerate(row.names):
        for further, other in enumerate(row.names[place + 1 :], start=place + 1):
            value = float(row.found.coefficients[place, further])
            known = None if math.isnan(value) else value
            pairs.append(Correlated(one, other, known, int(row.found.days[place, further])))
    return SectorCorrelations(tuple(pairs))


def attribution_shaped(row: attribution.Attribution) -> Attribution:
    """Make what readers are told of an attribution."""
    sectors = tuple(shaped(SectorEffects, each) for each in row.sectors)
    return shaped(Attribution, row, sectors=sectors)


def explained_shaped(row: attribution.Explained) -> ExplainedAttribution:
    """Make what readers are told of an attribution day by day."""
    # A day has the fields of `AttributedDay` by name and kind: a thousand are not made once more.
    daily = cast(tuple[AttributedDay, ...], tuple(row.daily))
    sectors = tuple(row.sectors)
    return ExplainedAttribution(attribution_shaped(row.attribution), FUNCTIONS, sectors, daily)
