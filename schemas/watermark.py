"""What a silent partition says: everything up to a position is there."""

from datetime import datetime

import msgspec

WATERMARK = "log.watermark.v1"
"""Its name on the wire. It is no event: the log holds none."""


class Watermark(msgspec.Struct, frozen=True, gc=False):
    """No event up to `position` belongs to this partition but those before this record.

    `recorded_at` is the moment of the event at `position`.
    """

    position: int
    recorded_at: datetime
