"""From a request to an issued command, and to the desk and back."""

import asyncio
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from msgspec.structs import replace
from starlette.responses import Response

from commands.admission import Admission
from commands.checks import Answer
from commands.command import Command, CommandState, Issued, Outcome, fingerprint_of
from domain.identity import command_id
from gateway.interface import Call
from gateway.problem import Problem
from write_api.answers import outcome_response, unknown_problem
from write_api.hearing import Hearing

DECISION_SECONDS_MAX = 30.0
OutcomeT = TypeVar("OutcomeT")
KEY = re.compile(r"[!-~]{1,255}\Z")
_VERSION = re.compile(r'"[0-9]{1,18}"\Z')


class CommandDesk(Protocol):
    """What this interface needs of the command desk (`commands.desk.Desk`)."""

    @property
    def admission(self) -> Admission:
        """Who lets requests in."""
        ...

    def submit(self, issued: Issued) -> Future[Outcome]:
        """Queue one command."""
        ...

    def submit_batch(self, issued: Sequence[Issued], *, is_atomic: bool) -> Future[list[Outcome]]:
        """Queue commands that are decided in order and answered together."""
        ...

    def check(self, issued: Sequence[Issued]) -> Future[Answer]:
        """Tell what would become of trades, without a trace."""
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
        self._hearing = Hearing()

    async def single(self, call: Call, command: Command) -> Response:
        """Issue one command under the request's key and answer its outcome.

        Raises:
            Problem: the key is missing or malformed, or the outcome is not an acceptance.
        """
        name = command_id(call.principal.tenant, idempotency_key(call))
        call.exchange.command_id = name
        issued = self.issued(call, name, command)
        if call.exchange.if_match is not None:
            issued = replace(issued, expected_version=expected_version(call))
        future = self.desk.submit(issued)
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
        answered = self._hearing.of(future)
        if answered.done():
            return answered.result()
        giving_up = answered.get_loop().call_later(self._decision_seconds_max, _give_up, answered)
        try:
            return await answered
        except TimeoutError:
            raise unknown_problem(name) from None
        finally:
            giving_up.cancel()


def _give_up(answered: asyncio.Future[OutcomeT]) -> None:
    if not answered.done():
        answered.set_exception(TimeoutError())


def expected_version(call: Call) -> int:
    """Take the version that is expected from the header If-Match.

    Raises:
        Problem: `if_match_malformed`.
    """
    given = call.request.headers.getlist("if-match")
    if len(given) != 1 or _VERSION.match(given[0]) is None:
        raise Problem(
            "if_match_malformed",
            'Send one version, quoted as the ETag of an answer is: If-Match: "7".',
            fields=("If-Match",),
        )
    return int(given[0][1:-1])


def idempotency_key(call: Call) -> str:
    """Take the command's name from the header Idempotency-Key.

    Raises:
        Problem: `idempotency_key_missing` or `idempotency_key_malformed`.
    """
    sent = [value for name, value in call.request.scope["headers"] if name == b"idempotency-key"]
    if not sent:
        raise Problem(
            "idempotency_key_missing",
            "Name the command in the header Idempotency-Key, with the same text whenever you send "
            "the same command again: any 1 to 255 visible characters, such as an order's id.",
            fields=("Idempotency-Key",),
        )
    key: str = sent[0].decode("latin-1")
    if len(sent) > 1 or KEY.match(key) is None:
        raise Problem(
            "idempotency_key_malformed",
            "Send one Idempotency-Key of 1 to 255 visible ASCII characters.",
            fields=("Idempotency-Key",),
        )
    return key


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
