"""Snapshots of portfolios against replay: each holds what the events up to its version fold to."""

from uuid import UUID

import msgspec

from domain.portfolio.state import Portfolio
from eventstore.log import Log
from projections.findings import Check, Watch
from schemas.codec import decode
from schemas.snapshots import FORM, decode_portfolio, first_difference

SNAPSHOTS_MAX = 20
EVENTS_PER_READ = 5_000


def check_snapshots(log: Log, head: int, limit: int, watch: Watch) -> Check:
    """Check the newest snapshot up to `head` of at most so many portfolios, last taken first.

    One that a desk would not use, being damaged, is a difference as well.
    """
    check = Check("snapshots equal replay")
    streams = log.newest_snapshots(FORM, limit) if limit else []
    for done, stream_id in enumerate(streams):
        watch(check.name, done, len(streams))
        found = log.snapshot(stream_id, FORM, until=head)
        if found is None:
            continue  # It was taken, or replaced, since the head was read.
        check.counted += 1
        difference = found.damage
        if difference is None:
            try:
                held = decode_portfolio(found.data)
                difference = first_difference(held, _replayed(log, stream_id, found.version))
            except msgspec.DecodeError as error:
                difference = str(error)
        if difference is not None:
            check.fail(f"stream {stream_id}, version {found.version}: {difference}")
    watch(check.name, len(streams), len(streams))
    return check


def _replayed(log: Log, stream_id: UUID, version: int) -> Portfolio:
    portfolio = Portfolio()
    while portfolio.version < version:
        limit = min(EVENTS_PER_READ, version - portfolio.version)
        for each in log.read_stream(stream_id, portfolio.version, limit):
            portfolio.apply(decode(each.event_type, each.data))  # type: ignore[arg-type]
    return portfolio
