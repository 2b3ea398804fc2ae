"""What was asked and answered, and what each answer allows the truth to be.

A command's truth is what the log holds of it: nothing, or the one outcome of its receipt. An
outcome that was told binds; no answer, `unknown` and a failure allow anything; what was not
attempted or not understood has written nothing.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec


class Answer(StrEnum):
    """How one attempt to have one command carried out was answered."""

    ACCEPTED = "accepted"
    REPLAYED = "replayed"
    REJECTED = "rejected"
    CONFLICT = "conflict"
    MALFORMED = "malformed"
    NOT_ATTEMPTED = "not_attempted"
    UNKNOWN = "unknown"
    FAILED = "failed"
    """An answer that promises nothing: a status of 500 and the like."""
    NO_ANSWER = "no_answer"
    """The line broke, or patience ended, after something was sent."""
    NOT_SENT = "not_sent"
    """Nobody was there to send it to."""


DECIDED = frozenset({Answer.ACCEPTED, Answer.REPLAYED, Answer.REJECTED, Answer.CONFLICT})
FINAL = DECIDED | {Answer.MALFORMED}
OPEN = frozenset({Answer.UNKNOWN, Answer.FAILED, Answer.NO_ANSWER})
KEY_REUSED = "idempotency_key_reused"


class Told(NamedTuple):
    """An outcome as told, or as the log holds it: of which command, how it ended, and where.

    Who tells what was told before under another name is answered with that command's outcome.
    """

    command_id: UUID
    status: str
    position: int | None


class Answered(NamedTuple):
    """An answer to one command; `told` where it tells an outcome, `is_replay` where once more."""

    answer: Answer
    told: Told | None = None
    is_replay: bool = False


class Request(msgspec.Struct, frozen=True, gc=False):
    """What is sent: one command, or a batch of them, under one idempotency key."""

    client: str
    tenant: str
    path: str
    content: bytes
    key: str
    commands: tuple[UUID, ...]
    media_type: str = "application/json"
    is_atomic: bool = False


class Promise(msgspec.Struct):
    """One command: its request and place in it, and all that its answers add up to."""

    command_id: UUID
    request: Request | None
    """None once it is decided: nobody sends it again."""
    told: Told | None = None
    is_open: bool = False
    last: Answer | None = None
    contradiction: str | None = None

    def take(self, answered: Answered) -> None:
        """Add one more answer to what is known."""
        self.last = answered.answer
        if answered.answer in OPEN:
            self.is_open = True
        if answered.told is None:
            return
        is_own = answered.told.command_id == self.command_id
        if answered.is_replay and is_own and self.told is None and not self.is_open:
            self.contradiction = f"nothing was to be written, but {answered.told} is told again"
        if self.told is not None and self.told != answered.told:
            self.contradiction = self.contradiction or f"first {self.told}, then {answered.told}"
        self.told = self.told or answered.told
        self.request = None

    @property
    def is_unresolved(self) -> bool:
        """Whether nobody has told yet what became of it, and something may have."""
        return self.is_open and self.told is None

    def difference(self, truths: Mapping[UUID, Told]) -> str | None:
        """Say in what the log differs from what was promised; None where it agrees."""
        if self.contradiction is not None:
            return f"{self.command_id}: told two things: {self.contradiction}"
        truth = truths.get(self.command_id)
        if self.told is None:
            if truth is None or self.is_open:
                return None
            return f"{self.command_id}: nothing was to be written, the log holds {truth}"
        held = truths.get(self.told.command_id)
        if held != self.told or truth not in {None, self.told}:
            return f"{self.command_id}: told {self.told}, the log holds {held} and {truth}"
        return None


class Ledger:
    """All promises by command; safe to share between threads."""

    def __init__(self) -> None:
        self.promises: dict[UUID, Promise] = {}
        self.counts: Counter[str] = Counter()
        self.misuses: list[str] = []
        self._lock = threading.Lock()

    def take(self, request: Request, answers: Sequence[Answered]) -> None:
        """Write down the answers to one attempt, one for each of the request's commands."""
        with self._lock:
            for command_id, answered in zip(request.commands, answers, strict=True):
                promise = self.promises.get(command_id)
                if promise is None:
                    promise = self.promises[command_id] = Promise(command_id, request)
                self.counts[answered.answer.value] += 1
                promise.take(answered)

    def take_misuse(self, request: Request, answers: Sequence[Answered]) -> None:
        """Write down what was answered to other content under a key that is taken."""
        with self._lock:
            self.counts["key_reused"] += 1
            self.misuses += [
                f"{request.key}: other content under its key was told {answered.told}"
                for answered in answers
                if answered.told is not None
            ]

    def unresolved(self) -> list[Promise]:
        """Give the commands of which nobody can say yet what became of them."""
        with self._lock:
            return [promise for promise in self.promises.values() if promise.is_unresolved]

    def is_decided(self, command_id: UUID) -> bool:
        """Say whether an outcome of this command was told."""
        with self._lock:
            promise = self.promises.get(command_id)
            return promise is not None and promise.told is not None


def answers_of(request: Request, status: int, document: Mapping[str, Any]) -> list[Answered]:
    """Read what a whole HTTP answer says of each command of its request."""
    results = document.get("results")
    if isinstance(results, list) and len(results) == len(request.commands):
        return [_answered(result) for result in results]
    if "outcome" in document and len(request.commands) == 1:
        return [_answered(document)]
    answer = _of_status(status)
    if "outcome" in document:  # Told of the batch as a whole: its items share no outcome.
        answer = _answered(document).answer
        assert answer not in DECIDED, document
    return [Answered(answer)] * len(request.commands)


def is_final(request: Request, answers: Sequence[Answered]) -> bool:
    """Say whether sending a request again would change nothing."""
    if request.is_atomic and any(each.answer in DECIDED for each in answers):
        return True  # What was refused keeps its neighbours from being attempted, every time.
    return all(each.answer in FINAL for each in answers)


def _of_status(status: int) -> Answer:
    if status in {429, 503}:
        # Without an outcome only whoever stands before the desk answers so: nothing was attempted.
        return Answer.NOT_ATTEMPTED
    return Answer.FAILED if status >= 500 else Answer.MALFORMED  # noqa: PLR2004 - HTTP's border


def _answered(told: Mapping[str, Any]) -> Answered:
    """Read one outcome; a key or an answer that is none of ours promises nothing."""
    try:
        answer = Answer(str(told["outcome"]))
    except ValueError:
        return Answered(Answer.FAILED)
    if answer not in DECIDED or told.get("code") == KEY_REUSED:
        return Answered(answer)
    is_replay = answer is Answer.REPLAYED or bool(told.get("replayed"))
    return Answered(answer, told_outcome(told, answer), is_replay)


def told_outcome(told: Mapping[str, Any], answer: Answer) -> Told:
    """Read which command's outcome was told; a replay is an acceptance told again."""
    status = Answer.ACCEPTED if answer is Answer.REPLAYED else answer
    position = told.get("position")
    return Told(UUID(str(told["command_id"])), status.value, position)
