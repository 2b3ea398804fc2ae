"""The door of the command side, around everything else, so that a refusal costs little.

Before a request's body is read, or anything but a few headers, the desk's admission lets it in or
not. What is refused was not attempted and is answered at once, in the form all problems have; such
refusals are counted, and summed up in the log once a second instead of a line for each.
"""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol
from uuid import UUID

import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter
from starlette.types import ASGIApp, Receive, Scope, Send

from commands.admission import Reason, Refused
from domain.identity import command_id
from gateway.boundary import SECURITY_HEADERS
from gateway.interface import Surroundings
from gateway.problem import PROBLEM_MEDIA_TYPE, Problem, encode_problem
from gateway.tokens import VerifyToken, bearer_token
from write_api.answers import unknown_problem
from write_api.issuing import KEY

BYTES_OF_A_COMMAND = 250
COMMANDS_UNANNOUNCED = 1_000
"""How much a batch is taken for that does not say how long it is."""

TELL_SECONDS = 1.0
LET_IN = "pms.let_in"
"""Where a server that has asked the door itself leaves its answer in the scope."""

_WRITES = "/v1/"
_BATCH = ":batch"
_STANDING_HEADERS = ((b"content-type", PROBLEM_MEDIA_TYPE.encode()), *SECURITY_HEADERS)

Headers = list[tuple[bytes, bytes]]

_log = structlog.get_logger("pms.door")


class Admits(Protocol):
    """What the door asks (`commands.admission.Admission`)."""

    def enter(self, tenant: str, *, commands: int, is_batch: bool) -> Refused | None:
        """Let a request in, or refuse it."""
        ...

    def leave(self, tenant: str, *, commands: int, is_batch: bool) -> None:
        """It is answered."""
        ...


class Asked(NamedTuple):
    """What the door looks at of a request."""

    tenant: str
    commands: int
    is_batch: bool


class Refusal(NamedTuple):
    """An answer that is given at the door."""

    status: int
    headers: Headers
    body: bytes


class Door:
    """Lets requests in; hand in who admits, the token check, the ids and the metrics."""

    def __init__(
        self,
        *,
        admission: Admits,
        verify_token: VerifyToken,
        new_id: Callable[[], UUID],
        registry: CollectorRegistry,
    ) -> None:
        self._admission = admission
        self._verify_token = verify_token
        self._new_id = new_id
        self._counter = Counter(
            "pms_requests_refused_unread",
            "Requests refused before they were read: overload, shutdown, a log that is away.",
            ("reason",),
            registry=registry,
        )
        self._told_at = 0.0
        self._untold: dict[str, int] = {}

    def knock(self, method: str, path: str, headers: Headers) -> Asked | Refusal | None:
        """Let a request in, which `leave` must follow, or refuse it; None: it may pass unasked."""
        if method != "POST" or not path.startswith(_WRITES):
            return None
        found = dict(headers)
        asked = self._asked(path, found)
        if asked is None:
            return None
        refused = self._admission.enter(
            asked.tenant, commands=asked.commands, is_batch=asked.is_batch
        )
        return asked if refused is None else self._refusal(refused, asked, found)

    def leave(self, asked: Asked) -> None:
        """A request that was let in is answered."""
        self._admission.leave(asked.tenant, commands=asked.commands, is_batch=asked.is_batch)

    def _asked(self, path: str, found: Mapping[bytes, bytes]) -> Asked | None:
        """Look at a write; None for whom the application itself refuses."""
        try:
            tenant = self._verify_token(bearer_token(found.get(b"authorization"))).tenant
        except Problem:
            return None
        if not path.endswith(_BATCH):
            return Asked(tenant, 1, is_batch=False)
        length = found.get(b"content-length", b"")
        if not length.isdigit():
            return Asked(tenant, COMMANDS_UNANNOUNCED, is_batch=True)
        return Asked(tenant, 1 + int(length[:12]) // BYTES_OF_A_COMMAND, is_batch=True)

    def _refusal(self, refused: Refused, asked: Asked, found: Mapping[bytes, bytes]) -> Refusal:
        correlation_id = self._correlation_id(found.get(b"x-correlation-id"))
        problem = _problem(refused, _command_id(asked, found.get(b"idempotency-key")))
        body = encode_problem(problem, correlation_id)
        self._count(refused)
        return Refusal(
            problem.kind.status,
            [
                *((name.lower().encode(), text.encode()) for name, text in problem.headers.items()),
                (b"content-length", str(len(body)).encode()),
                (b"x-correlation-id", str(correlation_id).encode()),
                *_STANDING_HEADERS,
            ],
            body,
        )

    def _correlation_id(self, given: bytes | None) -> UUID:
        try:
            return self._new_id() if given is None else UUID(given.decode("ascii"))
        except ValueError:
            return self._new_id()

    def _count(self, refused: Refused) -> None:
        reason = refused.reason.value
        self._counter.labels(reason).inc()
        self._untold[reason] = self._untold.get(reason, 0) + 1
        now = time.monotonic()
        if now - self._told_at >= TELL_SECONDS:
            _log.warning("refused_unread", retry_seconds=refused.retry_seconds, **self._untold)
            self._told_at = now
            self._untold = {}


class AtTheDoor:
    """Wrap an application in its door, for every request that no server has let in already."""

    def __init__(self, app: ASGIApp, *, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that is let in; refuse one that is not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = scope.get(LET_IN)
        if asked is None:
            asked = self._door.knock(scope["method"], scope["path"], scope["headers"])
        match asked:
            case None:
                await self._app(scope, receive, send)
            case Refusal(status, headers, body):
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": body})
            case _:
                try:
                    await self._app(scope, receive, send)
                finally:
                    self._door.leave(asked)


def put_door(application: FastAPI, admission: Admits, surroundings: Surroundings) -> FastAPI:
    """Put a door around an application and give it; a server may ask earlier, at `state.door`."""
    door = Door(
        admission=admission,
        verify_token=surroundings.verify_token,
        new_id=surroundings.new_id,
        registry=surroundings.registry,
    )
    application.add_middleware(AtTheDoor, door=door)
    application.state.door = door
    return application


def _command_id(asked: Asked, key: bytes | None) -> UUID | None:
    """Name the command, or a batch's first; None where the key is not one."""
    text = "" if key is None else key.decode("latin-1")
    if KEY.match(text) is None:
        return None
    return command_id(asked.tenant, text, 0 if asked.is_batch else None)


def _problem(refused: Refused, name: UUID | None) -> Problem:
    retry = {"Retry-After": str(refused.retry_seconds)}
    members = {"outcome": "not_attempted", "command_id": name}
    match refused.reason:
        case Reason.OVERLOADED:
            code = "too_many_requests"
            detail = "More waits than can be done in time; nothing of this request was read."
        case Reason.SHUTTING_DOWN:
            code = "shutting_down"
            detail = "This process is stopping; nothing of this request was read."
        case Reason.LOG_AWAY if name is not None:
            return unknown_problem(name)  # The log cannot be asked whether it holds it already.
        case Reason.LOG_AWAY:
            code = "not_attempted"
            detail = "The log does not answer; nothing of this request was read."
    return Problem(code, detail, headers=retry, members=members)
