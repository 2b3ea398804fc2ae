"""The endpoint of sectors over all portfolios of a tenant."""

from starlette.responses import Response

from gateway.access import Action
from gateway.decoding import CurrencyCode
from gateway.interface import Call, Endpoint
from projections.asking import Readable
from projections.positions.sectors import tenant_sectors
from read_api.asking import Asked, Asking
from read_api.declaring import query
from read_api.shaping import Amount, Quotient, Shaped, ShapedOne, shaped


class TenantSectorsAsked(Asked, kw_only=True):
    """In which currency."""

    currency: CurrencyCode


class SectorExposure(Shaped, frozen=True):
    """What all portfolios hold of a sector: `net` = `long` + `short`, `gross` = `long` - `short`.

    `stale` is the part of `gross` whose price or rate is stale; `unrealised_gross` is value less
    cost at the rate of now; `weight` is of all gross, null where there is none.
    """

    sector: str
    positions: int
    long: Quotient
    short: Quotient
    net: Quotient
    gross: Quotient
    stale: Quotient
    unrealised_gross: Quotient
    weight: Amount | None


class LackingPosition(Shaped, frozen=True):
    """A position that is in no sum: `price_missing`, or `rate_missing` of its currency."""

    portfolio: str
    instrument: str
    reason: str


class TenantSectors(Shaped, frozen=True):
    """All sectors by name (`Unclassified` where an instrument has none), and their total.

    `lacking` are the first 1,000 of `lacking_count` positions that cannot be valued.
    """

    currency: str
    sectors: tuple[SectorExposure, ...]
    total: SectorExposure
    lacking_count: int
    lacking: tuple[LackingPosition, ...]


class OneTenantSectors(ShapedOne, frozen=True):
    """The sectors of a tenant at one market position."""

    item: TenantSectors


def tenant_sectors_endpoint(asking: Asking) -> Endpoint:
    """Give the address."""

    async def handle(call: Call) -> Response:
        asked: TenantSectorsAsked = call.parameters

        def ask(readable: Readable) -> OneTenantSectors:
            found = tenant_sectors(readable, tenant=call.principal.tenant, currency=asked.currency)
            row = found.row
            assert row is not None, "a tenant without positions has no sectors, but a total"
            item = shaped(
                TenantSectors,
                row,
                sectors=tuple(shaped(SectorExposure, each) for each in row.sectors),
                total=shaped(SectorExposure, row.total),
                lacking=tuple(shaped(LackingPosition, each) for each in row.lacking),
            )
            return shaped(OneTenantSectors, found, item=item)

        return await asking.answer(call, "positions", ask)

    return query(
        "/v1/sectors",
        "list_tenant_sectors",
        "What all portfolios of the tenant hold by sector, in one currency",
        Action.READ_POSITIONS,
        TenantSectorsAsked,
        OneTenantSectors,
        handle,
    )
