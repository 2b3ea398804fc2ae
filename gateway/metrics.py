"""What the HTTP interfaces count: requests by route and status, their duration, those under way."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
UNMATCHED = "unmatched"


class RequestMetrics:
    """The request metrics of one process, in the registry it exposes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "pms_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "pms_http_request_seconds",
            "Time from the first header to the last byte of the answer.",
            ("method", "route"),
            buckets=SECONDS,
            registry=registry,
        )
        self.under_way = 0
        Gauge(
            "pms_http_requests_under_way", "Requests not yet answered.", registry=registry
        ).set_function(lambda: self.under_way)
        self._children: dict[tuple[str, str, int], Counter] = {}
        self._timers: dict[tuple[str, str], Histogram] = {}

    def observe(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request; the route is its template, so labels stay few."""
        counter = self._children.get((method, route, status))
        if counter is None:
            counter = self._requests.labels(method, route, str(status))
            self._children[method, route, status] = counter
        timer = self._timers.get((method, route))
        if timer is None:
            timer = self._timers[method, route] = self._seconds.labels(method, route)
        counter.inc()
        timer.observe(seconds)
