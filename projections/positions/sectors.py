"""What all portfolios of a tenant hold, by the sector in force, in one currency.

Made when it is asked for, at one market position. The database sums what is held of each
instrument; each sum is valued once, exactly. What has no mark, or was ever split, is valued
holder by holder, as its position is. Nothing is guessed: what lacks a price or a rate is listed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from domain.marks import is_stale
from domain.money import ONE, ZERO, canonical, share
from domain.rates import Conversion, DatedRate, pairs_between, rate_between
from projections.asking import Answered, Readable, ReadModelMissing, ask, snapshot
from projections.paging import Answer
from projections.positions.in_force import TODAY, in_force
from projections.positions.queries import VALUED, PositionView, PriceSource, position_view
from projections.positions.sums import sums_of

UNCLASSIFIED = "Unclassified"
LACKING_MAX = 1_000
"""Most positions that are listed for lacking a price or a rate; all of them are counted."""

SEPARATOR = "/"
"""Between the names of instruments, none of which holds a slash: one text is sent, not a list."""

_SPLIT = """
split.instrument FROM (
    SELECT DISTINCT instrument FROM {schema}.actions WHERE kind IN ('split', 'stock_dividend')
) AS split
"""
_TERMS = """
held.instrument, {sector}, prices.price, prices.at, prices.source, calendars.starts_at,
    instruments.suspended_at IS NOT NULL OR coalesce(instruments.delisted_on <= {today}, false)
FROM unnest(string_to_array(%s, '{separator}')) AS held (instrument)
LEFT JOIN {schema}.instruments USING (instrument)
LEFT JOIN {schema}.calendars ON calendars.calendar = instruments.calendar
LEFT JOIN {schema}.prices ON prices.instrument = held.instrument
""".replace("{sector}", in_force("sector")).replace("{today}", TODAY)
_TERMS = _TERMS.replace("{separator}", SEPARATOR)
_ALONE = f"{VALUED} WHERE tenant = %s AND instrument = ANY(%s) AND quantity <> 0"
_RATES = "instrument, at, price FROM {schema}.prices WHERE instrument = ANY(%s)"
_NOW = """
greatest((SELECT max(at) FROM {schema}.prices), (SELECT max(ends_at) FROM {schema}.calendars))
"""
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


class _Held(NamedTuple):
    """What is held of something, and what it cost, in the currency asked for."""

    positions: int
    long: Decimal
    short: Decimal
    cost: Decimal
    is_stale: bool


def tenant_sectors(readable: Readable, *, tenant: str, currency: str) -> Answer[TenantSectors]:
    """Sum the values of all positions of a tenant by sector.

    Raises:
        ReadModelMissing: partitions stand at different market positions; they soon will not.
    """
    held: dict[str, list[_Held]] = defaultdict(list)
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
    total = _summed("", [part for each in held.values() for part in each])
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
    held: dict[str, list[_Held]],
    lacking: list[Lacking],
) -> Answered:
    """Value what one partition holds; its state comes with the number of what lacks something."""
    split = [name for (name,) in ask(readable, "positions", _SPLIT, ()).rows]
    sums = sums_of(readable, tenant)
    names = {instrument for instrument, _ in sums}.difference(split)
    asked = ask(readable, "positions", _TERMS, (SEPARATOR.join(sorted(names)),))
    terms = {row[0]: row[1:] for row in asked.rows}
    alone = [*split, *(name for name, (_, price, *_) in terms.items() if price is None)]
    rows = ask(readable, "positions", _ALONE, (tenant, alone)).rows
    views = [position_view(values) for values in rows]
    currencies = {own for name, own in sums if name in names} | {view.currency for view in views}
    rates = _rates(readable, currencies, currency)
    lacking_count = 0
    for (name, own), (holders, long, short, cost) in sums.items():
        if name not in terms:
            continue
        sector, price, at, source, fresh_from, inactive = terms[name]
        rate = rates.get(own)
        if price is not None and rate is None:
            lacking_count += holders
        elif price is not None and rate is not None:
            is_old = is_stale(
                at,
                fresh_from=fresh_from,
                is_written_down=source == PriceSource.WRITE_DOWN,
                is_inactive=inactive,
            )
            factor = price * rate.rate
            part = _Held(
                holders,
                long * factor,
                short * factor,
                cost * rate.rate,
                is_old or rate.is_stale,
            )
            held[sector or UNCLASSIFIED].append(part)
    lacking_count += _take_each(views, rates, held, lacking)
    unrated = sorted(currencies - rates.keys())
    if unrated:
        wanted = (tenant, unrated, alone, LACKING_MAX)
        found = ask(readable, "positions", _UNRATED, wanted).rows
        lacking += [Lacking(portfolio, name, "rate_missing") for portfolio, name in found]
    return asked._replace(rows=[(lacking_count,)])


def _take_each(
    views: Iterable[PositionView],
    rates: Mapping[str, Conversion],
    held: dict[str, list[_Held]],
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
        held[view.sector or UNCLASSIFIED].append(
            _Held(1, long, short, view.cost * rate.rate, is_old)
        )
    return lacking_count


def _rates(readable: Readable, currencies: set[str], to: str) -> dict[str, Conversion]:
    """Give the rates of those that have one, at the newest time that anything told."""
    names = {f"{one}/{two}" for each in currencies for one, two in pairs_between(each, to)}
    marks: dict[str, DatedRate] = {
        name: (at, price)
        for name, at, price in ask(readable, "positions", _RATES, (sorted(names),)).rows
        if price is not None
    }
    ((now,),) = ask(readable, "positions", _NOW, ()).rows
    at: datetime = now or datetime.max.replace(tzinfo=UTC)
    rates: dict[str, Conversion] = {}
    for each in currencies:
        rate = rate_between(each, to, at=at, marked=lambda one, two: marks.get(f"{one}/{two}"))
        if rate is not None:
            rates[each] = rate
    return rates


def _summed(sector: str, parts: Sequence[_Held]) -> SectorExposure:
    def total(amounts: Any) -> Decimal:  # noqa: ANN401 - a generator of decimals
        return canonical(sum(amounts, ZERO))

    long, short = total(part.long for part in parts), total(part.short for part in parts)
    net = canonical(long + short)
    return SectorExposure(
        sector=sector,
        positions=sum(part.positions for part in parts),
        long=long,
        short=short,
        net=net,
        gross=canonical(long - short),
        stale=total(part.long - part.short for part in parts if part.is_stale),
        unrealised_gross=canonical(net - total(part.cost for part in parts)),
        weight=None,
    )


def _weighted(exposure: SectorExposure, gross: Decimal) -> SectorExposure:
    weight = share(exposure.gross, ONE, gross) if gross else None
    return msgspec.structs.replace(exposure, weight=weight)


def _place(lacking: Lacking) -> tuple[str, str]:
    return lacking.portfolio, lacking.instrument
