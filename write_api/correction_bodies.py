"""What callers send to amend or bust a trade, and the commands it becomes.

The trade is named by the path: its source and the source's own id.
"""

from datetime import date
from typing import Annotated

import msgspec

from commands.command import AmendTrade, BustTrade
from domain.trade import Intent
from gateway.decoding import Name, plausible_day
from write_api.bodies import SEQUENCE_MAX, Body, ContentBody, Reason, capture_from

Revision = Annotated[
    int,
    msgspec.Meta(
        ge=1,
        le=SEQUENCE_MAX,
        description="The source's count of its revisions, from 1; the highest holds.",
    ),
]


class AmendmentBody(ContentBody, frozen=True, kw_only=True):
    """A revision of a trade: its whole content as it should have been, not only what changed.

    Where the source names its trades per date, `trade_date` is a part of the name.
    """

    revision: Revision
    reason: Reason | None = None


class BustBody(Body, frozen=True):
    """A trade cancelled by its source.

    A bust that comes before its trade is listed in `portfolio`. `trade_date` is needed where the
    source names its trades per date.
    """

    portfolio: Name
    reason: Reason
    trade_date: date | None = None


def amend_command(body: AmendmentBody, source: str, external_id: str) -> AmendTrade:
    """Build an amend in the name of a source.

    Raises:
        BodyFaulty: a value is out of range, or there is no date.
    """
    capture = capture_from(body, source, external_id, Intent.EXECUTED)
    return AmendTrade(revision=body.revision, capture=capture, reason=body.reason)


def bust_command(body: BustBody, source: str, external_id: str) -> BustTrade:
    """Build a bust in the name of a source.

    Raises:
        BodyFaulty: the date is out of range.
    """
    day = body.trade_date
    return BustTrade(
        source=source,
        external_id=external_id,
        portfolio=body.portfolio,
        reason=body.reason,
        trade_date=None if day is None else plausible_day("trade_date", day),
    )
