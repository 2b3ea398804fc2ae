"""Words for tests of alerts: declare rules, take the reaction step by step, judge a log anew."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

from commands.alerts import DeclareAlertRule
from commands.command import Status
from commands.desk import Desk
from commands.reactions.alerting import AlertsByRules
from domain.alerts.events import AlertEvent, JudgedEvent
from domain.alerts.terms import AlertKind, AlertLevel, AlertScope, AlertStep, AlertTerms
from domain.alerts.watching import Judged, Told, Watching
from eventstore.log import Log
from tests.commands.desks import wait_until
from tests.commands.limit_scenes import recorded_events
from tests.commands.scenes import ACME, done

RAISE = AlertStep(level=AlertLevel.WARNING, channels=("desk",))
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def alert_terms(kind: AlertKind, raise_above: str, clear_at: str, **changes: Any) -> AlertTerms:
    """A rule of the whole tenant that raises at once, with changes."""
    wanted: dict[str, Any] = {
        "kind": kind,
        "scope": AlertScope(),
        "raise_above": Decimal(raise_above),
        "clear_at": Decimal(clear_at),
        "steps": (RAISE,),
    }
    return AlertTerms(**(wanted | changes))


def declare_rule(desk: Desk, name: str, terms: AlertTerms, *, tenant: str = ACME) -> None:
    """Put a rule in force."""
    outcome = done(desk, DeclareAlertRule(alert_rule=name, terms=terms), tenant=tenant)
    assert outcome.status is Status.ACCEPTED, outcome


class Alerting:
    """The reaction, taken step by step, in batches of so many positions."""

    def __init__(
        self, desk: Desk, log: Log, *, batch: int = 50, clock: datetime = LONG_AGO
    ) -> None:
        self._log = log
        self._batch = batch
        self.now = clock
        self.reaction = AlertsByRules(desk, log, lambda: self.now)
        self._after = self.reaction.load()

    def look(self) -> bool:
        """Let it take a batch; say whether it stands at the head."""
        with self._log.datastore.connection() as connection:
            recorded, self._after, is_level = self.reaction.reads(
                connection, self._after, self._batch
            )
        self.reaction.take(recorded)
        return is_level

    def settle(self) -> None:
        """Let it take all, and wait for what it asked."""
        wait_until(lambda: self.look() and self.reaction.is_idle)


def alerts_told(log: Log, *, tenant: str = ACME) -> list[AlertEvent]:
    """Every event of alerts that the log tells of a tenant, in order."""
    return [
        event
        for recorded, event in recorded_events(log)
        if isinstance(event, AlertEvent) and recorded.tenant == tenant
    ]


def words(log: Log) -> list[str]:
    """The kinds of those events."""
    return [type(event).__name__.removeprefix("Alert").lower() for event in alerts_told(log)]


def judged_anew(log: Log) -> list[Judged]:
    """What a log leads to, decided again from its events, one by one."""
    watching = Watching()
    judged: list[Judged] = []
    for recorded, event in recorded_events(log):
        told = Told(recorded.position, recorded.tenant, recorded.command_id, event)
        if isinstance(event, get_args(JudgedEvent)):
            judged += watching.judge()
        else:
            judged += watching.fold(told)
    return judged + watching.judge()


def judged_live(log: Log) -> Iterator[Judged]:
    """What a log tells of it."""
    for recorded, event in recorded_events(log):
        if isinstance(event, JudgedEvent):
            yield Judged(recorded.tenant, event)


def in_order(judged: Judged) -> tuple[str, str, int, str]:
    """Put in order what was told of several alerts at once."""
    event = judged.event
    return judged.tenant, str(event.alert), event.as_of, type(event).__name__
