"""Putting live together: the audience over what is read, and every destination."""

from gateway.interface import Surroundings
from projections.reading import Reading
from read_api.live.audience import Audience
from read_api.live.destinations import Directory
from read_api.live.live import Limits, Live
from read_api.live.metrics import LiveMetrics
from read_api.live.registry import live_destinations


def live_over(reading: Reading, surroundings: Surroundings, limits: Limits) -> Live:
    """Open live over an open `reading`; it runs with the application that is given it."""
    metrics = LiveMetrics(surroundings.registry)
    return Live(
        Audience(reading, metrics),
        Directory(live_destinations()),
        surroundings.verify_token,
        metrics,
        limits,
    )
