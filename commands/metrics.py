"""What operators see of the desk (Prometheus)."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

COMMANDS = Counter("pms_commands", "Commands answered, by kind and outcome", ["kind", "outcome"])
QUEUED = Gauge("pms_desk_queued", "Commands waiting for the desk")
COMMIT_COMMANDS = Histogram(
    "pms_commit_commands",
    "Commands appended in one transaction",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000),
)
COMMIT_EVENTS = Histogram(
    "pms_commit_events",
    "Events appended in one transaction",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 10_000),
)
COMMIT_SECONDS = Histogram(
    "pms_commit_seconds",
    "From taking the append lock to the durable commit",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
REDECIDED = Counter("pms_commands_redecided", "Commands decided anew, another writer was faster")
UNKNOWN = Counter("pms_commits_unknown", "Commits whose answer was lost")
LOAD_SECONDS = Histogram(
    "pms_portfolio_load_seconds",
    "Loading a portfolio that was not in memory, from its snapshot and the events behind it",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30),
)
SNAPSHOTS = Counter("pms_snapshots", "Snapshots: used, missing, damaged, kept or failed", ["what"])
BREAKER = Gauge("pms_desk_breaker_open", "Whether callers are refused: the log does not answer")
BREAKER_OPENED = Counter("pms_desk_breaker_opened", "How often callers began to be refused so")
ABANDONED = Counter("pms_commands_abandoned", "Commands whose caller was answered before the desk")
POSITION = Gauge("pms_desk_position", "Position of the last event the desk has folded")


@cache
def answered(kind: str, outcome: str) -> Counter:
    """Give the counter of one kind and outcome; looking it up anew costs more than counting."""
    return COMMANDS.labels(kind, outcome)


UNRANKED = Counter("pms_ranking_failed", "Contests no ranks are struck of: a defect, see the log")
UNSTRUCK = Counter(
    "pms_striking_failed", "Portfolios no figures are struck of: a defect, see the log"
)
ALERTS_LAG = Gauge(
    "pms_alerts_lag_positions", "Log positions that are not folded by whoever judges alert rules"
)
ALERTS_EVALUATED = Counter("pms_alerts_evaluated", "Judgings of an alert rule on one subject")
ALERTS_SNAPSHOTS = Counter(
    "pms_alerts_snapshots",
    "Snapshots of what alert rules watch: used, missing, damaged, kept or failed",
    ["what"],
)
ALERTS_TOLD = Counter("pms_alerts_told", "What was told of alerts, by event", ["event"])
