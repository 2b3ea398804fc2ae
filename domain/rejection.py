"""Named refusals: the states of the world that stop a command, each with a stable code."""

import msgspec


class Breach(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One rule a trade breaks: its code, its limit and the actual value, both as text."""

    rule: str
    message: str
    limit: str | None = None
    actual: str | None = None


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
