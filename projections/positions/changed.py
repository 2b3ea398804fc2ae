"""What changed in `positions` behind a log position, or all there is: holdings, values, portfolios.

A holding changes with bookings alone; its value with the price too, and with whatever tells how to
read one (a session, a term, a corporate action).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from domain.lots import CostBasis
from domain.money import ONE, share
from projections.asking import Readable, ask
from projections.changed import CHANGES_MAX, Changed, Owner, ask_of_owners
from projections.positions.queries import BASIS, VALUED, PositionView, position_view
from projections.positions.tables import PortfolioRow

_HELD = """
positions.tenant, positions.portfolio, positions.instrument, {basis}, positions.currency,
    positions.quantity, positions.cost, positions.fees, positions.realised_gross,
    positions.realised_net, positions.changed_position
FROM {schema}.positions
JOIN {owned} USING (tenant, portfolio)
JOIN {schema}.portfolios USING (tenant, portfolio)
""".replace("{basis}", BASIS)
_ALL_HELD = _HELD + "WHERE quantity <> 0"
_HELD_CHANGED = _HELD + "WHERE positions.changed_position > %(after)s LIMIT %(limit)s"

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
* FROM {schema}.portfolios WHERE tenant = ANY(%s) AND changed_position > %s
"""


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


def holdings_of(readable: Readable, owners: Sequence[Owner], *, after: int | None) -> Changed:
    """Give owners with their holdings: all that are open, or those changed behind a position.

    Raises:
        TooMuchChanged: more changed than one answer takes.
    """
    if after is None:
        found = ask_of_owners(readable, "positions", _ALL_HELD, owners)
    else:
        found = ask_of_owners(
            readable, "positions", _HELD_CHANGED, owners, limit=CHANGES_MAX, after=after
        )
    return found._replace(rows=[((row[0], row[1]), _holding(row)) for row in found.rows])


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
    valued: list[tuple[Any, ...]] = []
    for tenant, told, *values in found.rows:
        view: PositionView = position_view(values)
        valued.append(((tenant, view.portfolio), view, told))
    return found._replace(rows=valued)


def portfolios_changed(readable: Readable, tenants: Sequence[str], *, after: int = 0) -> Changed:
    """Give portfolios that changed behind a position, by default all; of all partitions asked."""
    answered = ask(
        readable, "positions", _PORTFOLIOS, (list(tenants), after), merge=lambda row: row[:2]
    )
    rows = [(PortfolioRow(*values),) for values in answered.rows]
    return Changed(answered.position, answered.market_position, list(rows))


def _holding(row: tuple[Any, ...]) -> Holding:
    (
        _, _, instrument, cost_basis, currency, quantity, cost, fees,
        realised_gross, realised_net, changed_position,
    ) = row  # fmt: skip
    return Holding(
        instrument=instrument,
        cost_basis=CostBasis(cost_basis),
        currency=currency,
        quantity=quantity,
        cost=cost,
        average_cost=share(cost, ONE, quantity) if quantity else None,
        fees=fees,
        realised_gross=realised_gross,
        realised_net=realised_net,
        changed_position=changed_position,
    )
