"""What changed in `positions` behind a log position, or all there is: holdings, values, portfolios.

A holding changes with bookings alone; its value with the price too, and with whatever tells how to
read one (a session, a term, a corporate action).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from domain.lots import CostBasis
from domain.money import average
from projections.arrays import array_text
from projections.asking import Readable, ask
from projections.changed import (
    CHANGED,
    CHANGES_MAX,
    TENANTS,
    Changed,
    Owner,
    Question,
    ask_of_owners,
    changed_of,
    question_of_owners,
)
from projections.positions.in_force import TODAY, in_force
from projections.positions.queries import BASIS, VALUED, PositionView, position_view
from projections.positions.tables import PortfolioRow

_HELD = """
positions.tenant, positions.portfolio, positions.instrument, {basis}, positions.currency,
    positions.quantity, positions.cost, positions.fees, positions.realised_gross,
    positions.realised_net, positions.changed_position
FROM {positions}
JOIN {owned} USING (tenant, portfolio)
JOIN {schema}.portfolios USING (tenant, portfolio)
""".replace("{basis}", BASIS)
_ALL_HELD = _HELD.replace("{positions}", "{schema}.positions") + "WHERE quantity <> 0"
_HELD_CHANGED = _HELD.replace("{positions}", changed_of("positions")) + "LIMIT %(limit)s"

_ALL_VALUED = "positions.tenant, 0, " + VALUED + "JOIN {owned} USING (tenant, portfolio)\n"
_ALL_VALUED += "WHERE quantity <> 0"
_TOUCHED = """
(
    SELECT instrument, max(changed_position) AS told FROM (
        SELECT instrument, changed_position FROM {schema}.prices
        UNION ALL SELECT instrument, changed_position FROM {schema}.instruments
        UNION ALL SELECT instrument, changed_position FROM {schema}.terms
        UNION ALL SELECT instrument, changed_position FROM {schema}.actions
        UNION ALL SELECT listed.instrument, closing.changed_position
        FROM {schema}.calendars AS closing JOIN {schema}.instruments AS listed USING (calendar)
    ) AS facts WHERE changed_position > %(after)s GROUP BY instrument
) AS touched
"""
_VALUED_ALONE = _ALL_VALUED + " AND instrument = ANY(%(instruments)s::text[])"
_ALL_BOOKED = """
positions.tenant, positions.portfolio, positions.instrument, {basis}, positions.currency,
    positions.quantity, positions.cost, positions.fees, positions.realised_gross,
    positions.realised_net, positions.traded_price, positions.traded_at, positions.traded_date,
    positions.first_date, positions.changed_position
FROM {positions}
JOIN {owned} USING (tenant, portfolio)
JOIN {schema}.portfolios USING (tenant, portfolio)
""".replace("{basis}", BASIS)
_BOOKED_CHANGED = _ALL_BOOKED.replace("{positions}", changed_of("positions"))
_ALL_BOOKED = _ALL_BOOKED.replace("{positions}", "{schema}.positions")
_PRICED = (
    """
wanted.instrument, {symbol}, {sector}, instruments.asset_class, prices.price, prices.at,
    prices.source, calendars.starts_at, instruments.suspended_at IS NOT NULL,
    coalesce(instruments.delisted_on <= {today}, false), instruments.calendar, prices.position,
    facts.told, facts.is_split
FROM unnest(%(instruments)s::text[], %(after)s::bigint[]) AS wanted (instrument, after)
LEFT JOIN {schema}.instruments USING (instrument)
LEFT JOIN {schema}.calendars ON calendars.calendar = instruments.calendar
LEFT JOIN {schema}.prices USING (instrument)
CROSS JOIN LATERAL (
    SELECT greatest(
        0, instruments.changed_position, prices.changed_position, calendars.changed_position,
        (SELECT max(changed_position) FROM {schema}.terms
            WHERE terms.instrument = wanted.instrument), max(actions.changed_position)
    ) AS told, coalesce(bool_or(kind IN ('split', 'stock_dividend')), false) AS is_split
    FROM {schema}.actions WHERE actions.instrument = wanted.instrument
) AS facts
WHERE facts.told > wanted.after
""".replace("{symbol}", in_force("symbol"))
    .replace("{sector}", in_force("sector"))
    .replace("{today}", TODAY)
)
_VALUED_CHANGED = (
    "positions.tenant, greatest(positions.changed_position, touched.told) AS told_position,"
    + VALUED
    + "JOIN {owned} USING (tenant, portfolio)\nLEFT JOIN"
    + _TOUCHED
    + """ON touched.instrument = positions.instrument
WHERE (positions.changed_position > %(after)s OR touched.told IS NOT NULL)
    AND (quantity <> 0 OR positions.changed_position > %(after)s)
LIMIT %(limit)s
"""
)
_PORTFOLIOS = """
* FROM {schema}.portfolios WHERE tenant = ANY({tenants}) AND {changed}
""".replace("{changed}", CHANGED).replace("{tenants}", TENANTS)


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What is held of an instrument, as it is booked; amounts in `currency`, signed."""

    instrument: str
    cost_basis: CostBasis
    currency: str
    quantity: Decimal
    cost: Decimal
    average_cost: Decimal | None
    fees: Decimal
    realised_gross: Decimal
    realised_net: Decimal
    changed_position: int


def holdings_changed(owners: Sequence[Owner], *, after: int | None) -> Question:
    """Ask for owners with their holdings: all that are open, or those changed behind a position."""
    if after is None:
        return question_of_owners("positions", _ALL_HELD, owners, _owned_holding)
    return question_of_owners(
        "positions", _HELD_CHANGED, owners, _owned_holding, limit=CHANGES_MAX, after=after
    )


def values_of(readable: Readable, owners: Sequence[Owner], *, after: int | None) -> Changed:
    """Give owners with their positions at their values, each beside its last change.

    All that are open, or those whose value may have changed behind a position.

    Raises:
        TooMuchChanged: more changed than one answer takes.
    """
    if after is None:
        found = ask_of_owners(readable, "positions", _ALL_VALUED, owners)
    else:
        found = ask_of_owners(
            readable, "positions", _VALUED_CHANGED, owners, limit=CHANGES_MAX, after=after
        )
    return found._replace(rows=list(_views(found.rows)))


class Booked(NamedTuple):
    """What a portfolio holds of an instrument and last traded it at, without a price of others."""

    tenant: str
    portfolio: str
    instrument: str
    cost_basis: str
    currency: str
    quantity: Decimal
    cost: Decimal
    fees: Decimal
    realised_gross: Decimal
    realised_net: Decimal
    traded_price: Decimal | None
    traded_at: datetime | None
    traded_date: date | None
    first_date: date
    changed_position: int


class Priced(NamedTuple):
    """What values every position in an instrument; `told` is its last change.

    Where it `is_split`, the units of a position are to be asked of each, too (`valued_alone`).
    """

    instrument: str
    symbol: str | None
    sector: str | None
    asset_class: str | None
    price: Decimal | None
    price_at: datetime | None
    price_source: str | None
    fresh_from: datetime | None
    is_suspended: bool
    is_delisted: bool
    calendar: str | None
    mark_position: int | None
    told: int
    is_split: bool


def booked_of(readable: Readable, owners: Sequence[Owner], *, after: int | None) -> Changed:
    """Give rows of `Booked`, closed or not, of owners: all, or what changed behind a position.

    Raises:
        ReadModelMissing: there are no tables yet.
    """
    if after is None:
        return ask_of_owners(readable, "positions", _ALL_BOOKED, owners)
    return ask_of_owners(readable, "positions", _BOOKED_CHANGED, owners, after=after)


def priced_of(readable: Readable, instruments: Mapping[str, int]) -> list[Priced]:
    """Give what values positions in instruments: of those touched behind each's position."""
    wanted = {"instruments": array_text(instruments), "after": array_text(instruments.values())}
    return [Priced(*row) for row in ask(readable, "positions", _PRICED, wanted).rows]


def view_of(booked: Booked, priced: Priced) -> PositionView:
    """Value a position in an instrument that was never split."""
    return position_view(
        (
            booked.portfolio, booked.instrument, priced.symbol, priced.sector, priced.asset_class,
            *booked[3:10], priced.price, priced.price_at, priced.price_source, priced.fresh_from,
            *booked[10:13], priced.is_suspended, priced.is_delisted, booked.changed_position,
            priced.calendar, booked.first_date, None, priced.mark_position,
        )
    )  # fmt: skip


def valued_alone(
    readable: Readable, owners: Sequence[Owner], instruments: Sequence[str]
) -> list[tuple[Owner, PositionView]]:
    """Give owners with their open positions in some instruments at their values."""
    found = ask_of_owners(
        readable, "positions", _VALUED_ALONE, owners, instruments=array_text(instruments)
    )
    return [(owner, view) for owner, view, _ in _views(found.rows)]


def portfolios_changed(tenants: Sequence[str], *, after: int = 0) -> Question:
    """Ask for portfolios that changed behind a position, by default all; of all partitions."""
    parameters = {"tenants": array_text(tenants), "after": after}
    return Question("positions", _PORTFOLIOS, parameters, _portfolio, merge=lambda row: row[:2])


def _portfolio(values: tuple[Any, ...]) -> PortfolioRow:
    return PortfolioRow(*values)


def _views(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Owner, PositionView, int]]:
    for tenant, told, *values in rows:
        view = position_view(values)
        yield (tenant, view.portfolio), view, told


def _owned_holding(row: tuple[Any, ...]) -> tuple[Owner, Holding]:
    (
        tenant, portfolio, instrument, cost_basis, currency, quantity, cost, fees,
        realised_gross, realised_net, changed_position,
    ) = row  # fmt: skip
    holding = Holding(
        instrument=instrument,
        cost_basis=CostBasis(cost_basis),
        currency=currency,
        quantity=quantity,
        cost=cost,
        average_cost=average(cost, quantity),
        fees=fees,
        realised_gross=realised_gross,
        realised_net=realised_net,
        changed_position=changed_position,
    )
    return (tenant, portfolio), holding
