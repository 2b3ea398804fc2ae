"""Putting live together: the audience over what is read, and every destination."""

from gateway.interface import Surroundings
from projections.leaderboard.reading import Reader
from projections.reading import Reading
from read_api.live.audience import Audience
from read_api.live.destinations import Directory
from read_api.live.leaderboard import leaderboard_destination
from read_api.live.live import Live
from read_api.live.metrics import LiveMetrics
from read_api.live.places import Limits
from read_api.live.registry import live_destinations


def live_over(
    reading: Reading, surroundings: Surroundings, limits: Limits, board: Reader | None = None
) -> Live:
    """Open live over an open `reading`; it runs with the application that is given it.

    Ranks are a destination where there is a `board`.
    """
    ranks = () if board is None else (leaderboard_destination(board),)
    metrics = LiveMetrics(surroundings.registry)
    return Live(
        Audience(reading, metrics),
        Directory((*live_destinations(), *ranks)),
        surroundings.verify_token,
        metrics,
        limits,
    )
