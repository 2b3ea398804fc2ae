"""The registry's HTTP interface: Confluent's addresses, bodies and error codes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Any, TypeVar
from uuid import uuid4

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.boundary import Boundary
from gateway.metrics import RequestMetrics
from infra.schema_registry.refusals import (
    Refused,
    StoreUnavailable,
    body_faulty,
    level_invalid,
    not_permitted,
    schema_not_found,
    subject_invalid,
    version_invalid,
)
from infra.schema_registry.registry import GLOBAL, Registered, Registry
from schemas.compatibility import Level

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
BODY_BYTES_MAX = 1024 * 1024
SUBJECT_CHARACTERS_MAX = 500
NUMBER_MAX = 2**31 - 1
NUMBER_DIGITS_MAX = 10
_BOUNDARY_BYTES_MAX = 2**63
"""The boundary bounds nothing here: what is too large is answered in Confluent's form."""

Handle = Callable[[Request], Awaitable[Response]]
AnswerT = TypeVar("AnswerT")
BodyT = TypeVar("BodyT")


class SchemaBody(msgspec.Struct):
    """A schema as it is sent; what would change its meaning and is not done here is refused."""

    schema: str
    schemaType: str | None = None  # noqa: N815 - the interface's name
    references: list[Any] | None = None
    metadata: Any = None
    ruleSet: Any = None  # noqa: N815 - the interface's name


class LevelBody(msgspec.Struct, forbid_unknown_fields=True):
    """A compatibility level as it is sent."""

    compatibility: Annotated[str, msgspec.Meta(max_length=100)]


def create_registry_app(registry: Registry, *, metrics: CollectorRegistry) -> ASGIApp:
    """Build the application over a registry whose store is open."""
    application = Starlette(
        routes=[*_probes(registry, metrics), *_routes(_Resources(registry))],
        exception_handlers={
            Refused: _answer_refused,
            StoreUnavailable: _answer_unavailable,
            HTTPException: _answer_http_exception,
        },
    )
    application.router.redirect_slashes = False
    return Boundary(
        application,
        new_id=uuid4,
        metrics=RequestMetrics(metrics),
        body_bytes_max=_BOUNDARY_BYTES_MAX,
    )


class _Resources:
    """One method per operation; the registry blocks, so it is asked in threads."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def subjects(self, request: Request) -> Response:
        prefix = request.query_params.get("subjectPrefix", "")
        return _json(await _ask(self._registry.subjects, _printable(prefix)))

    async def versions(self, request: Request) -> Response:
        return _json(await _ask(self._registry.versions, _subject(request)))

    async def version(self, request: Request) -> Response:
        return _json(_shape(await self._registered(request)))

    async def version_text(self, request: Request) -> Response:
        found = await self._registered(request)
        return Response(found.text, media_type=MEDIA_TYPE)

    async def _registered(self, request: Request) -> Registered:
        return await _ask(self._registry.version, _subject(request), _version(request))

    async def register(self, request: Request) -> Response:
        text = await _schema_text(request)
        made = await _ask(self._registry.register, _subject(request), text)
        return _json({"id": made.schema_id, "version": made.version})

    async def look_up(self, request: Request) -> Response:
        text = await _schema_text(request)
        return _json(_shape(await _ask(self._registry.look_up, _subject(request), text)))

    async def schema(self, request: Request) -> Response:
        return _json({"schema": await _ask(self._registry.text, _schema_id(request))})

    async def schema_text(self, request: Request) -> Response:
        text = await _ask(self._registry.text, _schema_id(request))
        return Response(text, media_type=MEDIA_TYPE)

    async def schema_versions(self, request: Request) -> Response:
        uses = await _ask(self._registry.uses, _schema_id(request))
        return _json([{"subject": subject, "version": version} for subject, version in uses])

    async def schema_subjects(self, request: Request) -> Response:
        uses = await _ask(self._registry.uses, _schema_id(request))
        return _json([subject for subject, _ in uses])

    async def types(self, request: Request) -> Response:  # noqa: ARG002
        return _json(["AVRO"])

    async def compatibility(self, request: Request) -> Response:
        version = _version(request) if "version" in request.path_params else None
        text = await _schema_text(request)
        judge = partial(self._registry.incompatibilities, _subject(request), text, version)
        reasons = await _ask(judge)
        is_verbose = request.query_params.get("verbose", "").lower() == "true"
        answer: dict[str, Any] = {"is_compatible": not reasons}
        return _json(answer | ({"messages": reasons} if is_verbose else {}))

    async def level(self, request: Request) -> Response:
        or_global = request.query_params.get("defaultToGlobal", "").lower() == "true"
        level = await _ask(partial(self._registry.level, _subject(request), or_global=or_global))
        return _json({"compatibilityLevel": level})

    async def set_level(self, request: Request) -> Response:
        sent = (await _body(request, LevelBody)).compatibility.upper()
        if sent not in Level.__members__:
            raise level_invalid(", ".join(Level))
        await _ask(self._registry.set_level, _subject(request), Level(sent))
        return _json({"compatibility": sent})

    async def unset_level(self, request: Request) -> Response:
        level = await _ask(self._registry.unset_level, _subject(request))
        return _json({"compatibilityLevel": level})

    async def mode(self, request: Request) -> Response:  # noqa: ARG002
        return _json({"mode": "READWRITE"})

    async def keep_mode(self, request: Request) -> Response:  # noqa: ARG002
        raise not_permitted("The mode is always READWRITE here.")

    async def keep(self, request: Request) -> Response:  # noqa: ARG002
        raise not_permitted(
            "Nothing is deleted here: what was written with a schema must stay readable."
        )


def _routes(resources: _Resources) -> Sequence[Route]:
    of = "/subjects/{subject}"
    compatibility = "/compatibility/subjects/{subject}/versions"
    found: tuple[tuple[str, str, Handle], ...] = (
        ("GET", "/subjects", resources.subjects),
        ("POST", of, resources.look_up),
        ("DELETE", of, resources.keep),
        ("GET", f"{of}/versions", resources.versions),
        ("POST", f"{of}/versions", resources.register),
        ("GET", f"{of}/versions/{{version}}", resources.version),
        ("DELETE", f"{of}/versions/{{version}}", resources.keep),
        ("GET", f"{of}/versions/{{version}}/schema", resources.version_text),
        ("GET", "/schemas/types", resources.types),
        ("GET", "/schemas/ids/{schema_id}", resources.schema),
        ("GET", "/schemas/ids/{schema_id}/schema", resources.schema_text),
        ("GET", "/schemas/ids/{schema_id}/subjects", resources.schema_subjects),
        ("GET", "/schemas/ids/{schema_id}/versions", resources.schema_versions),
        ("POST", compatibility, resources.compatibility),
        ("POST", f"{compatibility}/{{version}}", resources.compatibility),
        *(
            (method, path, handle)
            for path in ("/config", "/config/{subject}")
            for method, handle in (
                ("GET", resources.level),
                ("PUT", resources.set_level),
                ("DELETE", resources.unset_level),
            )
        ),
        *(
            (method, path, handle)
            for path in ("/mode", "/mode/{subject}")
            for method, handle in (
                ("GET", resources.mode),
                ("PUT", resources.keep_mode),
                ("DELETE", resources.keep_mode),
            )
        ),
    )
    return [Route(path, handle, methods=[method]) for method, path, handle in found]


def _probes(registry: Registry, metrics: CollectorRegistry) -> Sequence[Route]:
    async def live(request: Request) -> Response:  # noqa: ARG001
        return _json({"status": "live", "checks": {}}, media_type="application/json")

    async def ready(request: Request) -> Response:  # noqa: ARG001
        try:
            await _ask(registry.check_store)
            is_ready = True
        except StoreUnavailable:
            is_ready = False
        answer = {
            "status": "ready" if is_ready else "not_ready",
            "checks": {"database_reachable": is_ready},
        }
        return _json(answer, status=200 if is_ready else 503, media_type="application/json")

    async def scrape(request: Request) -> Response:  # noqa: ARG001
        return Response(generate_latest(metrics), headers={"content-type": CONTENT_TYPE_LATEST})

    return (
        Route("/health/live", live),
        Route("/health/ready", ready),
        Route("/metrics", scrape),
    )


async def _ask(question: Callable[..., AnswerT], *asked: object) -> AnswerT:
    return await asyncio.to_thread(question, *asked)


def _subject(request: Request) -> str:
    """Read the subject of an address, `GLOBAL` where it names none.

    Raises:
        Refused: 42208, no topic or record can have this name.
    """
    if "subject" not in request.path_params:
        return GLOBAL
    sent: str = request.path_params["subject"]
    if not sent.strip():
        raise subject_invalid("it is empty")
    return _printable(sent)


def _printable(name: str) -> str:
    if len(name) > SUBJECT_CHARACTERS_MAX:
        raise subject_invalid(f"it is longer than {SUBJECT_CHARACTERS_MAX} characters")
    if not name.isprintable():
        raise subject_invalid("it holds characters that cannot be printed")
    return name


def _version(request: Request) -> int:
    """Read the number of a version: 0 stands for the newest.

    Raises:
        Refused: 42202.
    """
    sent: str = request.path_params["version"]
    number = 0 if sent in {"latest", "-1"} else _number(sent)
    if number is None or (number == 0 and sent.isdigit()):
        raise version_invalid(sent[:100])
    return number


def _schema_id(request: Request) -> int:
    number = _number(request.path_params["schema_id"])
    if number is None:
        raise schema_not_found()
    return number


def _number(sent: str) -> int | None:
    if not (sent.isascii() and sent.isdigit() and len(sent) <= NUMBER_DIGITS_MAX):
        return None
    return int(sent) if int(sent) <= NUMBER_MAX else None


async def _schema_text(request: Request) -> str:
    sent = await _body(request, SchemaBody)
    if sent.schemaType not in {None, "AVRO"}:
        raise body_faulty("Only schemas of the type AVRO are kept here.")
    if sent.references or sent.metadata or sent.ruleSet:
        raise body_faulty("References, metadata and rules are not supported here.")
    return sent.schema


async def _body(request: Request, kind: type[BodyT]) -> BodyT:
    """Read a body whatever its media type says, as Confluent's registry does.

    Raises:
        Refused: 413, 422.
    """
    taken = bytearray()
    async for chunk in request.stream():
        taken += chunk
        if len(taken) > BODY_BYTES_MAX:
            raise Refused(413, f"Send at most {BODY_BYTES_MAX:,} bytes.")
    try:
        return msgspec.json.decode(taken, type=kind)
    except (ValueError, RecursionError) as error:
        raise body_faulty(f"The body is not understood: {error}") from None


def _shape(found: Registered) -> dict[str, Any]:
    return {
        "subject": found.subject,
        "version": found.version,
        "id": found.schema_id,
        "schema": found.text,
    }


def _json(answer: object, *, status: int = 200, media_type: str = MEDIA_TYPE) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type=media_type)


async def _answer_refused(_: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused), "registered for these only"
    answer = {"error_code": refused.error_code, "message": refused.message}
    return _json(answer, status=refused.status)


async def _answer_unavailable(_: Request, error: Exception) -> Response:
    answer = {"error_code": 50001, "message": f"The backend data store is away ({error})."}
    return _json(answer, status=503)


async def _answer_http_exception(_: Request, error: Exception) -> Response:
    """Answer what the router refuses: unknown addresses and methods."""
    assert isinstance(error, HTTPException), "registered for these only"
    answer = {"error_code": error.status_code, "message": error.detail}
    response = _json(answer, status=error.status_code)
    response.headers.update(error.headers or {})
    return response
