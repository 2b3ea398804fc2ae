"""What ends a conversation without an answer to a command or query."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from client.wire import Reply

NOT_OURS = "not_ours"
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)
"""What reading bytes that are none of the server's raises."""

TEXT_SHOWN_MAX = 200


class Problem(NamedTuple):
    """A problem document (RFC 9457) as the server sends it; `code` is stable.

    What is none of the server's own has the code `not_ours` and is shown by its beginning.
    """

    status: int
    code: str
    detail: str
    fields: tuple[str, ...]
    document: dict[str, Any]

    @classmethod
    def of(cls, reply: Reply) -> Problem:
        """Read an answer that is no good one."""
        try:
            document = msgspec.json.decode(reply.content, type=dict[str, Any])
        except UNREADABLE:
            text = reply.content[:TEXT_SHOWN_MAX].decode(errors="replace")
            return cls(reply.status, NOT_OURS, text, (), {})
        detail = str(document.get("detail", ""))
        fields = tuple(map(str, document.get("fields") or ()))
        return cls(reply.status, str(document.get("code", NOT_OURS)), detail, fields, document)

    @property
    def outcome(self) -> str:
        """The outcome it tells; empty where it is none of a command's."""
        return str(self.document.get("outcome", ""))

    @property
    def results(self) -> list[Any]:
        """The results of a batch, where it was one."""
        found: list[Any] = self.document.get("results") or []
        return found

    def told(self) -> str:
        """Say it in one line."""
        return f"{self.status} {self.code}: {self.detail}".strip()


class CallFailed(Exception):
    """A command or query that did not end as it had to."""


class Refused(CallFailed):
    """The request itself was refused, whatever it asked for: token, role, size, address.

    Nothing of it was carried out.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.told())
        self.problem = problem


class VersionMismatch(Refused):
    """What a command acts on has not the version it expected, but `version`; the key is unused."""

    @property
    def version(self) -> int:
        """The version there is."""
        return int(self.problem.document.get("version", 0))


class Unanswered(CallFailed):
    """Patience ended before there was an answer; `reason` is what was heard last."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NothingAttempted(Unanswered):
    """A command was not carried out: each attempt was turned away, or reached nobody.

    Its key is unused: it may be sent later, or dropped.
    """

    def __init__(self, reason: str, *, key: str, command_id: UUID | None) -> None:
        super().__init__(reason)
        self.key = key
        self.command_id = command_id


class OutcomeUnknown(Unanswered):
    """A command may or may not have been carried out, or still may be.

    Send it again under the same key, or ask for `command_id` (of a batch: that of its last item,
    or of the first whose outcome the server did not know).
    """

    def __init__(self, reason: str, *, key: str, command_id: UUID | None) -> None:
        named = f" (command {command_id})" if command_id is not None else ""
        super().__init__(f"the outcome of {key}{named} is not known: {reason}")
        self.key = key
        self.command_id = command_id
