"""Where a control holds: everywhere in its tenant, or only where all that it names agrees."""

from datetime import date

import msgspec

from domain.instrument import Instrument

UNCLASSIFIED = "Unclassified"
"""The sector of what has none (convention 13)."""


def sector_of(instrument: Instrument, day: date) -> str:
    """Name the sector of an instrument on a date."""
    return instrument.sector_on(day) or UNCLASSIFIED


class Scope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A part of a tenant's trades: those of a portfolio, in an instrument, in a sector.

    What is absent is not asked; with nothing named it is the whole tenant.
    """

    portfolio: str | None = None
    instrument: str | None = None
    sector: str | None = None

    @property
    def is_wider_than_a_portfolio(self) -> bool:
        """Whether trades of several portfolios fall into it."""
        return self.portfolio is None

    def covers(self, *, portfolio: str, instrument: str, sector: str) -> bool:
        """Say whether a trade of that portfolio, in that instrument and sector, falls into it."""
        return (
            self.portfolio in {None, portfolio}
            and self.instrument in {None, instrument}
            and self.sector in {None, sector}
        )
