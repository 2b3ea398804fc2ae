"""What a command may be answered, as values; positions are log positions, for `min_position`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

import msgspec

from client.failures import CallFailed, Problem, Refused, VersionMismatch
from client.wire import Reply

BAD_REQUEST = 400
OPEN = frozenset({"not_attempted", "unknown"})


class Breach(msgspec.Struct, frozen=True):
    """One rule that a command breaks: its limit and the actual value, both as text.

    `headroom` is how far one may still go before the trade, in the unit of the limit. A limit that
    the tenant gave has a name, `limited_by`, and a version; `level` is `block` or `warn`.
    """

    rule: str
    message: str
    limit: str | None = None
    actual: str | None = None
    portfolio: str | None = None
    headroom: str | None = None
    level: str = "block"
    limited_by: str | None = None
    limit_version: int | None = None
    mark_position: int | None = None
    is_not_evaluable: bool = False
    is_overridden: bool = False


class Allotment(msgspec.Struct, frozen=True):
    """What a portfolio got of a block; without a trade where it got nothing."""

    portfolio: str
    quantity: Decimal
    trade_id: UUID | None = None


class _Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What all answers share."""

    is_accepted: ClassVar[bool] = False

    def require(self) -> Accepted:
        """Give the acceptance.

        Raises:
            NotAccepted: it is none.
        """
        raise NotAccepted(self)

    def told(self) -> str:
        """Say in one line what was answered."""
        raise NotImplementedError


class Accepted(_Answered, frozen=True):
    """Durable in the log; `replayed`: it was before, and this is the first acceptance again.

    `position` is that of its last event, `market_position` that of the market it was judged
    against. `warnings` are the rules that an executed trade breaches. A trade `is_parked` until its
    instrument is registered, a correction `is_held` until its trade comes, and `is_superseded`
    where a higher revision or a bust stands over it. `allotments` are those of a block,
    `limit_version` is the version of a limit that was proposed or decided on.
    """

    is_accepted: ClassVar[bool] = True

    command_id: UUID
    position: int
    recorded_at: datetime
    replayed: bool = False
    trade_id: UUID | None = None
    stream_version: int | None = None
    market_position: int | None = None
    warnings: tuple[Breach, ...] = ()
    is_parked: bool = False
    is_held: bool = False
    is_superseded: bool = False
    allotments: tuple[Allotment, ...] = ()
    limit_version: int | None = None

    def require(self) -> Accepted:
        """Give the acceptance."""
        return self

    def told(self) -> str:
        """Say in one line what was answered."""
        return f"accepted at {self.position}"


class _NotAccepted(_Answered, frozen=True):
    """What refusals share: a stable code, a sentence, and the fields it is about."""

    code: str
    message: str
    fields: tuple[str, ...] = ()
    command_id: UUID | None = None

    def told(self) -> str:
        """Say in one line what was answered."""
        return f"{self.code}: {self.message}"


class Rejected(_NotAccepted, frozen=True):
    """Refused by the state of the world, every broken rule listed; recorded at `position`."""

    breaches: tuple[Breach, ...] = ()
    position: int | None = None
    replayed: bool = False


class Conflict(_NotAccepted, frozen=True):
    """The name or the key is taken by other content; `fields` names what differs."""

    position: int | None = None
    replayed: bool = False


class Malformed(_NotAccepted, frozen=True):
    """Not understood; nothing was written and the key is unused."""


class NotAttempted(_NotAccepted, frozen=True):
    """An item of an atomic batch that was not attempted, because another was refused."""


Answer = Accepted | Rejected | Conflict | Malformed
ItemAnswer = Answer | NotAttempted


class NotAccepted(CallFailed):
    """A command had to be accepted and was not; `answer` says why."""

    def __init__(self, answer: _Answered) -> None:
        super().__init__(answer.told())
        self.answer = answer


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """An outcome as the server writes it, of whatever kind."""

    outcome: str
    command_id: UUID | None = None
    replayed: bool = False
    code: str | None = None
    message: str | None = None
    breaches: tuple[Breach, ...] = ()
    fields: tuple[str, ...] = ()
    trade_id: UUID | None = None
    stream_version: int | None = None
    position: int | None = None
    recorded_at: datetime | None = None
    market_position: int | None = None
    warnings: tuple[Breach, ...] = ()
    is_parked: bool = False
    is_held: bool = False
    is_superseded: bool = False
    allotments: tuple[Allotment, ...] = ()
    limit_version: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is no outcome yet."""
        return self.outcome in OPEN

    def answer(self) -> ItemAnswer:
        """Give it as the value it is."""
        code, message = self.code or self.outcome, self.message or ""
        name, fields = self.command_id, self.fields
        match self.outcome:
            case "accepted" | "replayed":
                return self._acceptance()
            case "rejected":
                return Rejected(
                    code=code,
                    message=message,
                    fields=fields,
                    command_id=name,
                    breaches=self.breaches,
                    position=self.position,
                    replayed=self.replayed,
                )
            case "conflict":
                return Conflict(
                    code=code,
                    message=message,
                    fields=fields,
                    command_id=name,
                    position=self.position,
                    replayed=self.replayed,
                )
            case "malformed":
                return Malformed(code=code, message=message, fields=fields, command_id=name)
            case "not_attempted":
                return NotAttempted(code=code, message=message, fields=fields, command_id=name)
            case _:
                raise msgspec.ValidationError(f"{self.outcome!r} is no outcome")

    def _acceptance(self) -> Accepted:
        if self.command_id is None or self.position is None or self.recorded_at is None:
            raise msgspec.ValidationError("an acceptance without its id, position or time")
        return Accepted(
            command_id=self.command_id,
            position=self.position,
            recorded_at=self.recorded_at,
            replayed=self.replayed or self.outcome == "replayed",
            trade_id=self.trade_id,
            stream_version=self.stream_version,
            market_position=self.market_position,
            warnings=self.warnings,
            is_parked=self.is_parked,
            is_held=self.is_held,
            is_superseded=self.is_superseded,
            allotments=self.allotments,
            limit_version=self.limit_version,
        )


class _Results(msgspec.Struct):
    """What a batch is answered, be it accepted or an atomic one refused."""

    results: tuple[Outcome, ...]


_OUTCOME = msgspec.json.Decoder(Outcome)
_RESULTS = msgspec.json.Decoder(_Results)


def outcome_in(content: bytes) -> Outcome:
    """Read an outcome.

    Raises:
        UNREADABLE: the bytes tell none.
    """
    return _OUTCOME.decode(content)


def single_answer(reply: Reply) -> Answer:
    """Read a final answer to one command.

    Raises:
        Refused: it is about the request, not about the command.
        UNREADABLE: it cannot be read, so it tells nothing.
    """
    if not reply.is_good:
        return _refusal(Problem.of(reply))
    return _final(outcome_in(reply.content))


def batch_answers(reply: Reply, count: int) -> list[ItemAnswer] | None:
    """Read an answer to a batch of so many items; None while some item has no outcome yet.

    Raises:
        Refused: the batch was refused as a whole.
        UNREADABLE: it cannot be read, so it tells nothing.
    """
    if not reply.is_good and not Problem.of(reply).results:
        raise Refused(Problem.of(reply))
    results = _RESULTS.decode(reply.content).results
    if len(results) != count:
        raise msgspec.ValidationError(f"{len(results)} results for {count} items")
    if reply.is_good and any(result.is_open for result in results):
        return None
    return [result.answer() for result in results]


def _refusal(problem: Problem) -> Answer:
    if problem.outcome in {"rejected", "conflict"}:
        told = problem.document | {"message": problem.detail}
        return _final(msgspec.convert(told, Outcome))
    if problem.status == BAD_REQUEST:
        return Malformed(code=problem.code, message=problem.detail, fields=problem.fields)
    raise (VersionMismatch if problem.code == "version_mismatch" else Refused)(problem)


def _final(outcome: Outcome) -> Answer:
    answer = outcome.answer()
    if isinstance(answer, NotAttempted):
        raise msgspec.ValidationError("what was not attempted is no final answer")
    return answer
