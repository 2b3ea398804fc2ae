"""Named refusals: the states of the world that stop a command, each with a stable code."""

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """What a breach does to a proposed trade: it rides on the acceptance, or it refuses."""

    WARN = "warn"
    BLOCK = "block"


BREACHES_MAX = 100
"""Most breaches that one event lists; those that refuse come first."""


class Breach(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One rule a trade breaks: its code, its limit and the actual value, both as text.

    `portfolio` is named where one answer tells of several. `headroom` is how far one may still go
    before the trade, in the unit of the limit; negative where it was exceeded already. A limit that
    the tenant gave has a name, `limited_by`, and a version. `mark_position` is the log position of
    the mark it was judged by. Without what a rule needs, such as a mark, it `is_not_evaluable`.
    `is_overridden`: two persons let it pass for this trade.
    """

    rule: str
    message: str
    limit: str | None = None
    actual: str | None = None
    portfolio: str | None = None
    headroom: str | None = None
    level: Level = Level.BLOCK
    limited_by: str | None = None
    limit_version: int | None = None
    mark_position: int | None = None
    is_not_evaluable: bool = False
    is_overridden: bool = False


class Rejection(Exception):
    """A command that the state of the world refuses.

    `code` is stable and documented; `message` says what to do. `breaches` lists every broken rule.
    """

    def __init__(self, code: str, message: str, *, breaches: tuple[Breach, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.breaches = breaches or (Breach(code, message),)


class Conflict(Rejection):
    """The name is taken by other content; `fields` names what differs."""

    def __init__(self, code: str, message: str, *, fields: tuple[str, ...] = ()) -> None:
        super().__init__(code, message)
        self.fields = fields
