"""What all portfolios of a tenant hold, by the sector in force, in one currency.

Made when it is asked for, at one market position. The database sums what is held of each
instrument; each sum is valued once, exactly. What has no mark, or was ever split, is valued
holder by holder, as its position is. Nothing is guessed: what lacks a price or a rate is listed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from domain.marks import is_stale
from domain.money import ONE, ZERO, canonical, share
from domain.rates import Conversion, DatedRate, rate_between
from projections.asking import Answered, Readable, ReadModelMissing, ask, snapshot
from projections.paging import Answer
from projections.positions.queries import VALUED, PositionView, PriceSource, position_view
from projections.positions.quoted import Quoted, market_of
from projections.positions.sums import sums_of

UNCLASSIFIED = "Unclassified"
LACKING_MAX = 1_000
"""Most positions that are listed for lacking a price or a rate; all of them are counted."""

_ALONE = f"{VALUED} WHERE tenant = %s AND instrument = ANY(%s) AND quantity <> 0"
_UNRATED = """
portfolio, instrument FROM {schema}.positions
WHERE tenant = %s AND quantity <> 0 AND currency = ANY(%s) AND NOT instrument = ANY(%s)
ORDER BY portfolio, instrument LIMIT %s
"""


class SectorExposure(msgspec.Struct, frozen=True, kw_only=True):
    """What is held of a sector; `short` is negative, `net` = `long` + `short`, `gross` the size.

    `stale` is the part of `gross` whose price or rate is stale; `unrealised_gross` is value less
    cost, all at the rate of now. `weight` is of all gross, null where there is none.
    """

    sector: str
    positions: int
    long: Decimal
    short: Decimal
    net: Decimal
    gross: Decimal
    stale: Decimal
    unrealised_gross: Decimal
    weight: Decimal | None


class Lacking(msgspec.Struct, frozen=True):
    """A position that cannot be valued: `price_missing`, or `rate_missing` of its currency."""

    portfolio: str
    instrument: str
    reason: str


class TenantSectors(msgspec.Struct, frozen=True, kw_only=True):
    """All sectors by name, and their total; `lacking` are the first of `lacking_count` by name."""

    currency: str
    sectors: tuple[SectorExposure, ...]
    total: SectorExposure
    lacking_count: int
    lacking: tuple[Lacking, ...]


class _Held(msgspec.Struct):
    """What is held of a sector, and what it cost, in the currency asked for; `stale` is a size."""

    positions: int = 0
    long: Decimal = ZERO
    short: Decimal = ZERO
    cost: Decimal = ZERO
    stale: Decimal = ZERO

    def take(
        self, positions: int, long: Decimal, short: Decimal, cost: Decimal, *, is_stale: bool
    ) -> None:
        """Add what is held of something."""
        self.positions += positions
        self.long += long
        self.short += short
        self.cost += cost
        if is_stale:
            self.stale += long - short


def tenant_sectors(readable: Readable, *, tenant: str, currency: str) -> Answer[TenantSectors]:
    """Sum the values of all positions of a tenant by sector.

    Raises:
        ReadModelMissing: partitions stand at different market positions; they soon will not.
    """
    held: dict[str, _Held] = defaultdict(_Held)
    lacking: list[Lacking] = []
    lacking_count = 0
    states: list[Answered] = []
    with snapshot(readable):
        for partition in readable.partitions:
            alone = readable._replace(partitions=(partition,))
            states.append(_take(alone, tenant, currency, held, lacking))
            lacking_count += states[-1].rows[0][0]
    if len({state.market_position for state in states}) > 1:
        raise ReadModelMissing("partitions stand at different market positions")
    found = {sector: _summed(sector, each) for sector, each in held.items()}
    whole = _Held()
    for each in held.values():
        whole.take(each.positions, each.long, each.short, each.cost, is_stale=False)
        whole.stale += each.stale
    total = _summed("", whole)
    sectors = [_weighted(found[name], total.gross) for name in sorted(found)]
    row = TenantSectors(
        currency=currency,
        sectors=tuple(sectors),
        total=_weighted(total, total.gross),
        lacking_count=lacking_count,
        lacking=tuple(sorted(lacking, key=_place)[:LACKING_MAX]),
    )
    return Answer(row, min(state.position for state in states), states[0].market_position)


def _take(
    readable: Readable,
    tenant: str,
    currency: str,
    held: dict[str, _Held],
    lacking: list[Lacking],
) -> Answered:
    """Value what one partition holds; its state comes with the number of what lacks something."""
    asked, (quoted, now) = market_of(readable)
    sums = sums_of(readable, tenant)
    names = {name for name, _ in sums}
    alone = [
        name for name in names
        if (each := quoted.get(name)) is None or each.price is None or each.was_split
    ]  # fmt: skip
    rows = ask(readable, "positions", _ALONE, (tenant, alone)).rows if alone else []
    views = [position_view(values) for values in rows]
    own_each = names.difference(alone)
    currencies = {own for name, own in sums if name in own_each}
    rates = _rates(quoted, now, currencies | {view.currency for view in views}, currency)
    lacking_count = 0
    for (name, own), (holders, long, short, cost) in sums.items():
        if name not in own_each:
            continue
        each, rate = quoted[name], rates.get(own)
        if rate is None:
            lacking_count += holders
            continue
        assert each.price is not None, "what has no price is valued holder by holder"
        assert each.at is not None, "a price has its time"
        is_old = is_stale(
            each.at,
            fresh_from=each.fresh_from,
            is_written_down=each.source == PriceSource.WRITE_DOWN,
            is_inactive=each.is_inactive,
        )
        factor = each.price * rate.rate
        held[each.sector or UNCLASSIFIED].take(
            holders, long * factor, short * factor, cost * rate.rate,
            is_stale=is_old or rate.is_stale,
        )  # fmt: skip
    lacking_count += _take_each(views, rates, held, lacking)
    unrated = sorted(currencies.difference(rates))
    if unrated:
        wanted = (tenant, unrated, alone, LACKING_MAX)
        found = ask(readable, "positions", _UNRATED, wanted).rows
        lacking += [Lacking(portfolio, name, "rate_missing") for portfolio, name in found]
    return asked._replace(rows=[(lacking_count,)])


def _take_each(
    views: Iterable[PositionView],
    rates: Mapping[str, Conversion],
    held: dict[str, _Held],
    lacking: list[Lacking],
) -> int:
    """Value position by position; count what lacks something."""
    lacking_count = 0
    for view in views:
        rate, value = rates.get(view.currency), view.market_value
        if value is None or rate is None:
            lacking_count += 1
            reason = "price_missing" if value is None else "rate_missing"
            lacking.append(Lacking(view.portfolio, view.instrument, reason))
            continue
        worth = value * rate.rate
        long, short = (worth, ZERO) if view.quantity > 0 else (ZERO, worth)
        is_old = view.is_stale or rate.is_stale
        cost = view.cost * rate.rate
        held[view.sector or UNCLASSIFIED].take(1, long, short, cost, is_stale=is_old)
    return lacking_count


def _rates(
    quoted: Mapping[str, Quoted], now: datetime | None, currencies: set[str], to: str
) -> dict[str, Conversion]:
    """Give the rates of those that have one, at the newest time that anything told."""

    def marked(one: str, two: str) -> DatedRate | None:
        rate = quoted.get(f"{one}/{two}")
        if rate is None or rate.price is None or rate.at is None:
            return None
        return rate.at, rate.price

    at: datetime = now or datetime.max.replace(tzinfo=UTC)
    rates: dict[str, Conversion] = {}
    for each in currencies:
        rate = rate_between(each, to, at=at, marked=marked)
        if rate is not None:
            rates[each] = rate
    return rates


def _summed(sector: str, held: _Held) -> SectorExposure:
    net = canonical(held.long + held.short)
    return SectorExposure(
        sector=sector,
        positions=held.positions,
        long=canonical(held.long),
        short=canonical(held.short),
        net=net,
        gross=canonical(held.long - held.short),
        stale=canonical(held.stale),
        unrealised_gross=canonical(net - held.cost),
        weight=None,
    )


def _weighted(exposure: SectorExposure, gross: Decimal) -> SectorExposure:
    weight = share(exposure.gross, ONE, gross) if gross else None
    return msgspec.structs.replace(exposure, weight=weight)


def _place(lacking: Lacking) -> tuple[str, str]:
    return lacking.portfolio, lacking.instrument
