"""What readers are told of limits, trading states, overrides, breaches and usage.

Positions are log positions. Persons are opaque subject ids, reasons short codes.
"""

from datetime import date, datetime
from uuid import UUID

from read_api.shaping import Amount, Shaped, ShapedPage


class Scope(Shaped, frozen=True):
    """A part of the tenant's trades: where all that is named agrees; all null is the tenant."""

    portfolio: str | None
    instrument: str | None
    sector: str | None


class Limit(Shaped, frozen=True):
    """One version of a limit, and what became of it.

    `status`: `proposed`, `superseded` (by a later proposal), `declined`, `in_force`, `replaced` (by
    a later version) or `ended`: the version that says the limit is no more, which has no `rule`.
    `decided_…` tell of the approval, or of the declination and its `declined_reason`. It was in
    force for all behind `decided_position`, up to `until_position`. `maximum` is in the unit of the
    rule.
    """

    limit: str
    version: int
    status: str
    rule: str | None
    scope: Scope | None
    level: str | None
    maximum: Amount | None
    currency: str | None
    currencies: tuple[str, ...]
    binding: str | None
    usage_age_ms_max: int | None
    reason: str | None
    proposed_by: str
    proposed_at: datetime
    proposed_position: int
    decided_by: str | None
    decided_at: datetime | None
    decided_position: int | None
    declined_reason: str | None
    until_position: int | None
    changed_position: int


class TradingState(Shaped, frozen=True):
    """What proposed trades of a scope may do: `reduce_only`, `halted`, or again `active`.

    It stood from `position` until `until_position`, where the scope's next state was assigned.
    """

    position: int
    scope: Scope
    state: str
    assigned_by: str
    reason: str
    recorded_at: datetime
    until_position: int | None
    changed_position: int


class Override(Shaped, frozen=True):
    """One proposal that a trade, with just this content, may pass some rules until it expires.

    `status`: `proposed`, `superseded` (by a later proposal for the trade), `declined`, `approved`,
    `revoked` (declined after its approval), `used` (the trade was captured by it, at
    `used_position`), or `expired`: it was proposed or approved, and counts no more.
    """

    position: int
    trade_id: UUID
    status: str
    portfolio: str
    instrument: str
    source: str
    external_id: str
    side: str
    quantity: Amount
    price: Amount
    currency: str
    trade_date: date | None
    executed_at: datetime | None
    rules: tuple[str, ...]
    reason: str
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    declined_by: str | None
    declined_reason: str | None
    used_position: int | None
    changed_position: int


class Breach(Shaped, frozen=True):
    """A limit that a portfolio went beyond without a trade, because prices, rates or it moved.

    `opened_at` and `closed_at` are business times of the market; while it is open the latter is
    null. `closed_actual` is null where nothing was left to judge, as where the limit ended.
    """

    position: int
    portfolio: str
    limit: str
    version: int
    rule: str
    instrument: str | None
    sector: str | None
    maximum: Amount
    actual: Amount
    is_open: bool
    opened_at: datetime
    market_position: int
    closed_position: int | None
    closed_at: datetime | None
    closed_actual: Amount | None
    changed_position: int


class Usage(Shaped, frozen=True):
    """What is used of a shared limit on a trade date, by the bookings up to position `as_of`.

    Of a hard limit that is exact; a soft one was last observed at `observed_at`.
    """

    trade_date: date
    used: Amount
    as_of: int
    observed_at: datetime
    changed_position: int


class Limits(ShapedPage, frozen=True):
    """A page of versions in force and proposed, by name."""

    items: tuple[Limit, ...]


class LimitVersions(ShapedPage, frozen=True):
    """A page of a limit's versions, newest first."""

    items: tuple[Limit, ...]


class TradingStates(ShapedPage, frozen=True):
    """A page of trading states, newest first."""

    items: tuple[TradingState, ...]


class Overrides(ShapedPage, frozen=True):
    """A page of overrides, newest first."""

    items: tuple[Override, ...]


class Breaches(ShapedPage, frozen=True):
    """A page of breaches, newest first."""

    items: tuple[Breach, ...]


class LimitUsage(ShapedPage, frozen=True):
    """A page of trade dates, latest first."""

    items: tuple[Usage, ...]
