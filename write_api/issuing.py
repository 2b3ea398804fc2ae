"""From a request to an issued command, and to the desk and back."""

import asyncio
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from starlette.responses import Response

from commands.command import Command, CommandState, Issued, Outcome, fingerprint_of
from domain.identity import command_id
from gateway.interface import Call
from gateway.problem import Problem
from write_api.answers import outcome_response, unknown_problem

DECISION_SECONDS_MAX = 30.0
OutcomeT = TypeVar("OutcomeT")
_KEY = re.compile(r"[!-~]{1,255}\Z")


class CommandDesk(Protocol):
    """What this interface needs of the command desk (`commands.desk.Desk`)."""

    def submit(self, issued: Issued) -> Future[Outcome]:
        """Queue one command."""
        ...

    def submit_batch(self, issued: Sequence[Issued], *, is_atomic: bool) -> Future[list[Outcome]]:
        """Queue commands that are decided in order and answered together."""
        ...

    def state_of(self, tenant: str, command_id: UUID) -> tuple[CommandState, Outcome | None]:
        """Tell what became of a command."""
        ...


class Issuing:
    """Issue the commands of requests to a desk and answer their outcomes."""

    def __init__(
        self,
        desk: CommandDesk,
        clock: Callable[[], datetime],
        decision_seconds_max: float = DECISION_SECONDS_MAX,
    ) -> None:
        self.desk = desk
        self._clock = clock
        self._decision_seconds_max = decision_seconds_max

    async def single(self, call: Call, command: Command) -> Response:
        """Issue one command under the request's key and answer its outcome.

        Raises:
            Problem: the key is missing or malformed, or the outcome is not an acceptance.
        """
        name = command_id(call.principal.tenant, idempotency_key(call))
        call.exchange.command_id = name
        future = self.desk.submit(self.issued(call, name, command))
        return outcome_response(await self.decided(future, name))

    def issued(self, call: Call, name: UUID, command: Command) -> Issued:
        """Surround a command with who sent it, when, and what it belongs to."""
        return Issued(
            command_id=name,
            tenant=call.principal.tenant,
            actor=call.principal.subject,
            source=call.principal.source,
            correlation_id=call.exchange.correlation_id,
            causation_id=None,
            trace_context=call.exchange.trace_context,
            received_at=self._clock(),
            fingerprint=fingerprint_of(command),
            command=command,
        )

    async def decided(self, future: Future[OutcomeT], name: UUID) -> OutcomeT:
        """Wait for the desk; a caller who goes away does not take the command along.

        Raises:
            Problem: `outcome_unknown` when it takes too long; the command may still be decided.
        """
        waiting = asyncio.shield(asyncio.wrap_future(future))
        try:
            return await asyncio.wait_for(waiting, self._decision_seconds_max)
        except TimeoutError:
            raise unknown_problem(name) from None


def idempotency_key(call: Call) -> str:
    """Take the command's name from the header Idempotency-Key.

    Raises:
        Problem: `idempotency_key_missing` or `idempotency_key_malformed`.
    """
    given = call.request.headers.getlist("idempotency-key")
    if not given:
        raise Problem(
            "idempotency_key_missing",
            "Name the command in the header Idempotency-Key, with the same text whenever you send "
            "the same command again: any 1 to 255 visible characters, such as an order's id.",
            fields=("Idempotency-Key",),
        )
    if len(given) > 1 or _KEY.match(given[0]) is None:
        raise Problem(
            "idempotency_key_malformed",
            "Send one Idempotency-Key of 1 to 255 visible ASCII characters.",
            fields=("Idempotency-Key",),
        )
    return given[0]


def own_source(call: Call, given: str | None = None) -> str:
    """Give the source the token speaks for; a source in the body must be the same.

    Raises:
        Problem: `source_missing` or `source_not_yours`.
    """
    source = call.principal.source
    if source is None:
        raise Problem(
            "source_missing",
            "This is told in the name of a source: use a token issued with one "
            "(`pms token --source NAME`).",
        )
    if given is not None and given != source:
        raise Problem(
            "source_not_yours",
            f"The token speaks for the source {source}; leave `source` out.",
            fields=("source",),
        )
    return source
