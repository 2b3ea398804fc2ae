"""What live counts."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from read_api.live.subscription import Taken

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class LiveMetrics:
    """The metrics of one process's audience, in the registry it exposes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.connections = Gauge(
            "pms_live_connections", "Clients connected.", ("dialect",), registry=registry
        )
        self.waiting = Gauge(
            "pms_live_waiting", "Clients that have not given a token yet.", registry=registry
        )
        self.refused = Counter(
            "pms_live_refused",
            "Connections that found no place, by what was lacking.",
            ("reason",),
            registry=registry,
        )
        self.subscriptions = Gauge("pms_live_subscriptions", "Subscriptions.", registry=registry)
        self.sent = Counter("pms_live_messages", "Messages sent.", ("dialect",), registry=registry)
        self.cut = Counter(
            "pms_live_cut", "Clients cut off, by close code.", ("code",), registry=registry
        )
        taken = Counter(
            "pms_live_changes",
            "Changes handed to subscriptions: waiting, conflated with what waited, dropped.",
            ("what",),
            registry=registry,
        )
        self._taken = {
            each: taken.labels(each.name.lower()) for each in Taken if each is not Taken.NOTHING
        }
        self.asked = Histogram(
            "pms_live_question_seconds",
            "Time to ask what changed for all subscribers of a destination, and to hand it out.",
            ("destination",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.failures = Counter(
            "pms_live_question_failures",
            "Questions that failed.",
            ("destination",),
            registry=registry,
        )

    def taken(self, taken: Sequence[Taken]) -> None:
        """Count what became of changes."""
        for what, counter in self._taken.items():
            count = taken.count(what)
            if count:
                counter.inc(count)
