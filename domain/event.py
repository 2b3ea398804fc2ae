"""What every event is: a frozen fact, in the past tense, that carries intent and results.

Conventions of all event fields: quantities in units of the instrument, amounts in units of the
named currency, instants in UTC, dates are the local business dates of the market.
"""

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A fact. Its stored name (`trade.captured.v1`) lives in `schemas.catalogue`."""
