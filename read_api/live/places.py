"""The places of one process: how many connections there are, whose, and whose nobody knows yet."""

from collections import Counter
from typing import NamedTuple

from gateway.problem import Kind, Problem
from read_api.live.metrics import LiveMetrics


class Limits(NamedTuple):
    """What one process gives to its clients.

    Of all connections one tenant has at most `tenant_connections_max`, and at most `waiting_max`
    have not given their token yet, for which each has `connect_seconds`.
    """

    connections_max: int = 5_000
    tenant_connections_max: int = 2_000
    waiting_max: int = 500
    subscriptions_max: int = 1_000
    connect_seconds: float = 10.0
    stalled_seconds: float = 30.0
    heartbeat_seconds: float = 10.0


class Places:
    """Connections by tenant; under None those that wait to say whose they are."""

    def __init__(self, limits: Limits, metrics: LiveMetrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self._taken: Counter[str | None] = Counter()

    def lack(self, *, is_known: bool) -> str | None:
        """Say what another connection lacks, if anything; one that `is_known` need not wait."""
        if self._taken.total() >= self._limits.connections_max:
            return "crowded"
        if not is_known and self._taken[None] >= self._limits.waiting_max:
            return "too_many_wait"
        return None

    def enter(self) -> None:
        """Take a place for one that waits."""
        self._move(None, 1)

    def settle(self, tenant: str) -> None:
        """Take a tenant's place for one that waited.

        Raises:
            Problem: `too_many_connections`.
        """
        if self._taken[tenant] >= self._limits.tenant_connections_max:
            self._metrics.refused.labels("too_many_connections").inc()
            raise Problem(
                "too_many_connections",
                "This process has as many connections of the tenant as it takes: close some.",
                kind=Kind(429, "Too many connections"),
            )
        self._move(None, -1)
        self._move(tenant, 1)

    def leave(self, tenant: str | None) -> None:
        """Give a place back."""
        self._move(tenant, -1)

    def _move(self, tenant: str | None, by: int) -> None:
        self._taken[tenant] += by
        if not self._taken[tenant]:
            del self._taken[tenant]
        if tenant is None:
            self._metrics.waiting.inc(by)
