"""Every destination there is, in one list."""

from collections.abc import Sequence

from gateway.access import Action
from projections.alerts.queries import alerts_changed
from projections.asking import Readable
from projections.cash.changed import balances_changed
from projections.changed import Changed, Owner, Owners
from projections.performance.changed import days_changed
from projections.positions.changed import (
    Holding,
    holdings_changed,
    portfolios_changed,
    values_of,
)
from projections.trades.changed import trades_changed
from read_api import shaping
from read_api.alerts import alert_shaped
from read_api.live.destinations import Destination, Row, Rows, Spread, Told, Topic, Topics
from read_api.live.known import known_portfolio
from read_api.live.shared_destinations import shared_destinations
from read_api.live.values import ValuesFollowed
from read_api.live.worth import worth_destinations
from read_api.resources import day_shaped, trade_shaped
from read_api.shaping import Amount, Quotient, Shaped, shaped

VALUES_PAUSE_SECONDS = 0.1
PORTFOLIOS_PAUSE_SECONDS = 0.1
"""They change rarely, and stand in a model that moves with every booking."""
BOOKED = "booked"
"""The sitting of what every booking changes."""


class HeldPosition(Shaped, frozen=True):
    """What is held of an instrument as it is booked, without a price; amounts in `currency`."""

    instrument: str
    cost_basis: str
    currency: str
    quantity: Amount
    cost: Amount
    average_cost: Quotient | None
    fees: Amount
    realised_gross: Amount
    realised_net: Amount
    changed_position: int


PORTFOLIOS = Rows(
    lambda topics, after: portfolios_changed(_tenants(topics), after=after or 0),
    lambda row: Row(
        Topic(row.tenant), row.portfolio, row.changed_position, shaped(shaping.Portfolio, row)
    ),
)
"""Portfolios; none ever goes away."""

POSITIONS = Rows(
    lambda topics, after: holdings_changed(_owners(topics), after=after),
    lambda found: _position(*found),
)
"""What is held; what is closed goes out."""

CASH = Rows(
    lambda topics, after: balances_changed(_owners(topics), after=after),
    lambda row: Row(
        Topic.of(row.tenant, row.portfolio),
        row.currency,
        row.changed_position,
        shaped(shaping.Balance, row),
    ),
)
"""Cash by currency; a balance of zero stays."""

TRADES = Rows(
    lambda topics, after: trades_changed(_owners(topics), after=after),
    lambda row: Row(
        Topic.of(row.tenant, row.portfolio),
        str(row.position),
        row.changed_position,
        trade_shaped(row),
    ),
)
"""Captures with what became of them; none ever goes away."""

ALERTS = Rows(
    lambda topics, after: alerts_changed(_tenants(topics), after=after),
    lambda row: Row(
        Topic(row.tenant),
        str(row.alert),
        row.changed_position,
        alert_shaped(row) if row.ended_position is None else None,
    ),
)
"""Alerts; one that has ended goes out."""


def live_destinations() -> Sequence[Destination]:
    """Give every destination."""
    return (
        *_tenant_destinations(),
        *_portfolio_destinations(),
        *worth_destinations(),
        *shared_destinations(),
    )


def _tenant_destinations() -> Sequence[Destination]:
    return (
        Destination(
            "portfolios",
            "The tenant's portfolios, by name",
            "positions",
            (Action.READ_PORTFOLIOS,),
            PORTFOLIOS,
            PORTFOLIOS,
            spread=Spread.ALL,
            pause_seconds=PORTFOLIOS_PAUSE_SECONDS,
        ),
        Destination(
            "alerts",
            "Open alerts of the tenant, by id; what ends goes out",
            "alerts",
            (Action.READ_ALERTS,),
            ALERTS,
            ALERTS,
            spread=Spread.ANY,
            sitting=BOOKED,
        ),
    )


def _portfolio_destinations() -> Sequence[Destination]:
    own = "portfolios/{portfolio}"
    return (
        Destination(
            f"{own}/positions",
            "What is held, by instrument, as booked",
            "positions",
            (Action.READ_POSITIONS,),
            POSITIONS,
            POSITIONS,
            is_known=known_portfolio,
            sitting=BOOKED,
        ),
        Destination(
            f"{own}/pnl",
            "What is held at its value, by instrument",
            "positions",
            (Action.READ_POSITIONS,),
            values,
            values,
            follow=ValuesFollowed,
            pause_seconds=VALUES_PAUSE_SECONDS,
            is_known=known_portfolio,
        ),
        Destination(
            f"{own}/cash",
            "Cash, by currency",
            "cash",
            (Action.READ_CASH,),
            CASH,
            CASH,
            is_known=known_portfolio,
            sitting=BOOKED,
        ),
        Destination(
            f"{own}/trades",
            "The newest captures and every change of any, by log position",
            "trades",
            (Action.READ_TRADES,),
            TRADES,
            TRADES,
            is_known=known_portfolio,
            sitting=BOOKED,
        ),
        Destination(
            f"{own}/performance",
            "The newest sessions and every change of any, by date",
            "performance",
            (Action.READ_PERFORMANCE,),
            performance,
            performance,
            is_known=known_portfolio,
        ),
    )


def values(readable: Readable, topics: Sequence[Topic], after: int | None = None) -> Told:
    """Tell what is held at its value; what is closed goes out."""
    found = values_of(readable, _owners(topics), after=after)
    return _told(
        found,
        [
            Row(
                Topic.of(*owner),
                row.instrument,
                told,
                shaped(shaping.Position, row) if row.quantity else None,
            )
            for owner, row, told in found.rows
        ],
    )


def performance(readable: Readable, topics: Sequence[Topic], after: int | None = None) -> Told:
    """Tell sessions, struck and current."""
    found = days_changed(readable, _owners(topics), after=after)
    return _told(
        found,
        [
            Row(
                Topic.of(tenant, day.portfolio),
                day.session.isoformat(),
                day.changed_position,
                day_shaped(day),
            )
            for tenant, day in found.rows
        ],
    )


def _told(found: Changed, rows: Sequence[Row]) -> Told:
    return Told(found.position, found.market_position, rows)


def _owners(topics: Sequence[Topic]) -> Owners:
    return Topics.kept(topics).owners


def _tenants(topics: Sequence[Topic]) -> list[str]:
    return [topic.tenant for topic in topics]


def _position(owner: Owner, row: Holding) -> Row:
    value = shaped(HeldPosition, row) if row.quantity else None
    return Row(Topic.of(*owner), row.instrument, row.changed_position, value)
