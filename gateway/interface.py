"""An HTTP interface: a FastAPI application whose endpoints are declared with all they may answer.

An endpoint is one coroutine from a `Call` (who asks, what was asked) to a response. Everything
around it happens here: token, role, parameters, problems, health, metrics, the OpenAPI document.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from fastapi import FastAPI
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gateway import access
from gateway.boundary import BODY_BYTES_MAX, Boundary
from gateway.decoding import BodyFaulty, decode_parameters
from gateway.exchange import Exchange, exchange_of
from gateway.metrics import RequestMetrics
from gateway.openapi import (
    CORRELATION_PARAMETER,
    IDEMPOTENCY_PARAMETER,
    SECURITY_SCHEME,
    Answer,
    Json,
    PathParameter,
    components,
    described_responses,
    if_match_parameter,
    json_answer,
    path_parameters,
    problem_answers,
    query_parameters,
    reference,
)
from gateway.problem import PROBLEM_MEDIA_TYPE, Kind, Problem, ProblemDocument, encode_problem
from gateway.shortcuts import Application
from gateway.tokens import Principal, VerifyToken, bearer_token


class Readiness(NamedTuple):
    """Whether a process can serve, and what that was judged by."""

    is_ready: bool
    checks: dict[str, Any]


class Surroundings(NamedTuple):
    """What the composition hands to an interface: keys, clock, ids, limits, metrics, readiness."""

    verify_token: VerifyToken
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]
    readiness: Callable[[], Awaitable[Readiness]]
    registry: CollectorRegistry
    version: str = "0.1.0"
    body_bytes_max: int = BODY_BYTES_MAX


class Call(NamedTuple):
    """One authenticated request to an endpoint."""

    request: Request
    exchange: Exchange
    principal: Principal
    parameters: Any

    async def body(self) -> bytes:
        """Read the body, once and whole; the boundary sees to its size.

        Raises:
            ClientDisconnect: the caller has gone away.
        """
        parts: list[bytes] = []
        while True:
            message = await self.request.receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(parts)

    def named(self, parameter: PathParameter) -> str:
        """Give a named part of the path.

        Raises:
            Problem: `not_found`, because nothing can have a name of another form.
        """
        value: str = self.request.path_params[parameter.name]
        if re.match(parameter.pattern, value) is None:
            raise not_found()
        return value


Handle = Callable[[Call], Awaitable[Response]]


class Endpoint(NamedTuple):
    """One operation: how it is asked, who may ask it, and everything it may answer.

    `problems` lists the codes of its own; those every endpoint may answer are added.
    `refusals` describes statuses whose codes come from the domain. `version_of` says of what a
    version may be expected by `If-Match`; nothing: no such header is taken.
    """

    method: str
    path: str
    name: str
    summary: str
    actions: tuple[access.Action, ...]
    handle: Handle
    answers: tuple[Answer, ...]
    description: str = ""
    bodies: tuple[tuple[str, Any], ...] = ()
    parameters: type[msgspec.Struct] | None = None
    parts: tuple[PathParameter, ...] = ()
    problems: tuple[str, ...] = ()
    refusals: tuple[tuple[int, str], ...] = ()
    is_write: bool = False
    version_of: str = ""


class Health(msgspec.Struct):
    """The state of this process: `live`, `ready` or `not_ready`, and what that was judged by."""

    status: str
    checks: dict[str, Any] = {}


class DirectRoute(APIRoute):
    """A route that calls its endpoint as it is: bodies and parameters are read by msgspec."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Skip FastAPI's dependency solving, which costs more than parsing a trade."""
        handler: Callable[[Request], Any] = self.endpoint
        return handler


def not_found() -> Problem:
    """Say that something is not there; the same words for what is absent and what is another's."""
    return Problem("not_found", "Check the name: nothing of yours is found under it.")


def json_response(value: Any, *, status: int = 200, **headers: str) -> Response:  # noqa: ANN401
    """Answer a value as JSON; header names are written with underscores."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    body = msgspec.json.encode(value)
    return Response(body, status, named, media_type="application/json")


class Interface:
    """Declare endpoints on an application that is complete around them."""

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        title: str,
        description: str,
        lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
    ) -> None:
        self._surroundings = surroundings
        self._kinds: list[Any] = [ProblemDocument, Health]
        self.application = Application(
            title=title,
            description=description,
            version=surroundings.version,
            docs_url=None,  # the documentation pages would load scripts from elsewhere
            redoc_url=None,
            redirect_slashes=False,
            lifespan=lifespan,
            # The boundary makes the one span, measurement and log line of a request.
            telemetry={"tracing": False, "metrics": False, "logs": False},
        )
        self.application.router.route_class = DirectRoute
        self.application.add_exception_handler(Problem, _answer_problem)
        self.application.add_exception_handler(BodyFaulty, _answer_fault)
        self.application.add_exception_handler(HTTPException, _answer_http_exception)
        self.application.add_middleware(
            Boundary,
            new_id=surroundings.new_id,
            metrics=RequestMetrics(surroundings.registry),
            body_bytes_max=surroundings.body_bytes_max,
        )
        self.application.openapi = self._document  # type: ignore[method-assign]
        self._add_health()

    def add(self, endpoint: Endpoint) -> None:
        """Declare one endpoint."""

        async def serve(request: Request) -> Response:
            exchange = exchange_of(request.scope)
            token = bearer_token(exchange.authorization)
            exchange.principal = self._surroundings.verify_token(token)
            access.require(exchange.principal, *endpoint.actions)
            if endpoint.is_write and exchange.if_match is not None and not endpoint.version_of:
                raise Problem(
                    "if_match_unsupported",
                    "Leave If-Match out: this address acts on nothing that has one version.",
                    fields=("If-Match",),
                )
            parameters = None
            if endpoint.parameters is not None:
                pairs = request.query_params.multi_items() if request.scope["query_string"] else ()
                parameters = decode_parameters(endpoint.parameters, pairs)
            elif request.scope["query_string"]:
                raise Problem("parameter_invalid", "This address takes no query parameters.")
            return await endpoint.handle(Call(request, exchange, exchange.principal, parameters))

        for _, kind in endpoint.bodies:
            self._kinds.append(kind)
        for answer in endpoint.answers:
            for kind in answer.kinds.values():
                self._kinds.extend(kind if isinstance(kind, tuple) else (kind,))
        self._route(endpoint.method, endpoint.path, endpoint.name, serve, _operation(endpoint))
        self.application.add_short_way(endpoint.method, endpoint.path, serve)

    def _route(
        self,
        method: str,
        path: str,
        name: str,
        serve: Callable[[Request], Awaitable[Response]],
        operation: Json,
    ) -> None:
        self.application.add_api_route(
            path,
            serve,
            methods=[method],
            name=name,
            operation_id=name,
            response_model=None,
            summary=operation.pop("summary"),
            description=operation.pop("description"),
            status_code=int(min(operation["responses"])),
            openapi_extra=operation,
        )

    def _add_health(self) -> None:
        async def live(request: Request) -> Response:  # noqa: ARG001
            return json_response(Health("live"))

        async def ready(request: Request) -> Response:  # noqa: ARG001
            found = await self._surroundings.readiness()
            if not found.is_ready:
                raise Problem(
                    "not_ready",
                    "Ask again shortly; `checks` says what is missing.",
                    headers={"Retry-After": "1"},
                    members={"checks": found.checks},
                )
            return json_response(Health("ready", found.checks))

        async def metrics(request: Request) -> Response:  # noqa: ARG001
            text = generate_latest(self._surroundings.registry)
            return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})

        healthy = json_answer(200, Health, "The process serves.")
        for path, name, serve, answers in (
            ("/health/live", "live", live, [healthy]),
            ("/health/ready", "ready", ready, [healthy, *problem_answers(["not_ready"], {})]),
            ("/metrics", "metrics", metrics, [_METRICS]),
        ):
            problems = problem_answers(["correlation_id_malformed", "internal_error"], {})
            operation = {
                "summary": f"{name.capitalize()}: for probes and scrapers, without a token",
                "description": "",
                "parameters": [CORRELATION_PARAMETER],
                "responses": described_responses([*answers, *problems]),
            }
            self._route("GET", path, name, serve, operation)

    def _document(self) -> Json:
        """Write the OpenAPI document once: FastAPI's paths with our components."""
        if self.application.openapi_schema is None:
            document = FastAPI.openapi(self.application)
            parts = document.setdefault("components", {})
            parts["schemas"] = components(self._kinds)
            parts["securitySchemes"] = {
                SECURITY_SCHEME: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            }
            self.application.openapi_schema = document
        return self.application.openapi_schema


_METRICS = Answer(200, "Prometheus metrics.", {"text/plain": str})
_ALWAYS = (
    "correlation_id_malformed",
    "internal_error",
    "parameter_invalid",
    "role_missing",
    "tenant_is_market",
    "tenant_not_market",
    "token_expired",
    "token_invalid",
    "token_missing",
)
_WITH_BODY = (
    "body_malformed",
    "body_too_large",
    "content_encoding_unsupported",
    "field_invalid",
    "media_type_unsupported",
    "not_a_number",
    "out_of_range",
    "over_precise",
)
_OF_WRITES = (
    "idempotency_key_malformed",
    "idempotency_key_missing",
    "not_attempted",
    "outcome_unknown",
    "shutting_down",
    "too_many_requests",
)


def _operation(endpoint: Endpoint) -> Json:
    """Describe an endpoint for the OpenAPI document."""
    codes = [*_ALWAYS, *endpoint.problems]
    codes += _WITH_BODY if endpoint.bodies else ()
    codes += _OF_WRITES if endpoint.is_write else ()
    if endpoint.is_write:
        codes += (
            ("if_match_malformed", "version_mismatch")
            if endpoint.version_of
            else ("if_match_unsupported",)
        )
    codes += ("not_found",) if endpoint.parts else ()
    answers = [*endpoint.answers, *problem_answers(codes, dict(endpoint.refusals))]
    operation: Json = {
        "summary": endpoint.summary,
        "description": endpoint.description,
        "security": [{SECURITY_SCHEME: []}],
        "parameters": [
            *path_parameters(endpoint.parts),
            *query_parameters(endpoint.parameters),
            *([IDEMPOTENCY_PARAMETER] if endpoint.is_write else []),
            *([if_match_parameter(endpoint.version_of)] if endpoint.version_of else []),
            CORRELATION_PARAMETER,
        ],
        "responses": described_responses(answers),
    }
    if endpoint.bodies:
        content = {media: {"schema": reference(kind)} for media, kind in endpoint.bodies}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


async def _answer_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem), "registered for problems only"
    body = encode_problem(problem, exchange_of(request.scope).correlation_id)
    return Response(body, problem.kind.status, problem.headers, media_type=PROBLEM_MEDIA_TYPE)


async def _answer_fault(request: Request, faulty: Exception) -> Response:
    assert isinstance(faulty, BodyFaulty), "registered for these only"
    return await _answer_problem(request, faulty.fault.problem())


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the router refuses: unknown addresses and methods."""
    assert isinstance(error, HTTPException), "registered for these only"
    known = {
        404: ("route_not_found", "GET /openapi.json lists every address."),
        405: ("method_not_allowed", "The header Allow lists the methods of this address."),
    }
    code, detail = known.get(error.status_code, ("request_refused", str(error.detail)))
    kind = None if error.status_code in known else Kind(error.status_code, "Request refused")
    problem = Problem(code, detail, kind=kind, headers=error.headers)
    return await _answer_problem(request, problem)
