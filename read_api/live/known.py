"""Which names there are: a subscription of another is refused, for nothing would ever be told."""

from projections.asking import Readable
from projections.leaderboard.queries import contest_of
from projections.market.queries import is_listed
from projections.positions.queries import portfolio_of
from read_api.live.destinations import Topic


def known_portfolio(readable: Readable, topic: Topic) -> bool:
    """Say whether the tenant has the portfolio which is the first name."""
    return portfolio_of(readable, tenant=topic.tenant, portfolio=topic.names[0]).row is not None


def known_contest(readable: Readable, topic: Topic) -> bool:
    """Say whether the tenant has announced the contest, on the board or not yet."""
    return contest_of(readable, tenant=topic.tenant, contest=topic.names[0]).row is not None


def known_instrument(readable: Readable, topic: Topic) -> bool:
    """Say whether the instrument is registered, with a price or without one yet."""
    return is_listed(readable, name=topic.names[0])
