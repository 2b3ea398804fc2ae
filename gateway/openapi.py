"""The OpenAPI document of an interface, made of the very structs that read and write its bodies."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.problem import KINDS, PROBLEM_MEDIA_TYPE, ProblemDocument

Json = dict[str, Any]

REFERENCE = "#/components/schemas/{name}"
SECURITY_SCHEME = "bearer"
CORRELATION_HEADER: Json = {
    "description": "The request's correlation id: yours, or one made for it.",
    "schema": {"type": "string", "format": "uuid"},
}
CORRELATION_PARAMETER: Json = {
    "name": "X-Correlation-Id",
    "in": "header",
    "required": False,
    "description": "Ties this request to others in logs and events; one is made if absent.",
    "schema": {"type": "string", "format": "uuid"},
}
IDEMPOTENCY_PARAMETER: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Names this command: the same key with the same content always gets the first "
    "outcome, so a write may be sent again safely.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "example": "order-4711",
}

ETAG_HEADER = {"ETag": "The version, quoted: what `If-Match` of a later command is compared with."}

_RETRY_AFTER = {"Retry-After": "Seconds until trying again makes sense."}
_LOCATION = {"Location": "Where the outcome of the command is told, if it is not known yet."}
HEADERS_OF_PROBLEMS: dict[str, dict[str, str]] = {
    "token_missing": {"WWW-Authenticate": "How to authenticate (RFC 6750)."},
    "position_not_reached": _RETRY_AFTER,
    "not_ready": _RETRY_AFTER,
    "not_attempted": _RETRY_AFTER,
    "shutting_down": _RETRY_AFTER,
    "too_many_requests": _RETRY_AFTER,
    "outcome_unknown": _RETRY_AFTER | _LOCATION,
    "version_mismatch": {"ETag": "The version that there is, quoted."},
}


def if_match_parameter(version_of: str) -> Json:
    """Describe the header that tells which version of something a command expects."""
    return {
        "name": "If-Match",
        "in": "header",
        "required": False,
        "description": f"The version that {version_of} must have, quoted, for the command to be "
        "decided; otherwise nothing is written and the key stays unused.",
        "schema": {"type": "string", "pattern": '^"[0-9]{1,18}"$'},
        "example": '"7"',
    }


class Answer(NamedTuple):
    """One documented answer: its status, its content by media type, and its own headers.

    `kinds` gives the type of each media type, or a tuple of those it may have; an empty one has no
    content.
    """

    status: int
    description: str
    kinds: Mapping[str, Any]
    headers: Mapping[str, str] = {}


class PathParameter(NamedTuple):
    """A named part of a path and the form of its values."""

    name: str
    pattern: str
    description: str
    format: str | None = None


def json_answer(status: int, kind: Any, description: str, **headers: str) -> Answer:  # noqa: ANN401
    """Document an answer in JSON; header names are written with underscores."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, description, {"application/json": kind}, named)


def problem_answers(codes: Iterable[str], described: Mapping[int, str]) -> list[Answer]:
    """Document the problems of an operation, one answer per status with the codes it may carry."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(KINDS[code].status, []).append(code)
    for status in described:
        by_status.setdefault(status, [])
    content = {PROBLEM_MEDIA_TYPE: ProblemDocument}
    answers = []
    for status, listed in sorted(by_status.items()):
        told = [described[status]] if status in described else []
        if listed:
            told.append("Codes: " + ", ".join(f"`{code}`" for code in sorted(set(listed))) + ".")
        headers: dict[str, str] = {}
        for code in listed:
            headers |= HEADERS_OF_PROBLEMS.get(code, {})
        answers.append(Answer(status, " ".join(told), content, headers))
    return answers


def described_responses(answers: Sequence[Answer]) -> Json:
    """Write the `responses` of an operation; answers of one status are merged."""
    responses: Json = {}
    for answer in answers:
        headers = {"X-Correlation-Id": CORRELATION_HEADER} | {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in answer.headers.items()
        }
        content = {media: {"schema": reference(kind)} for media, kind in answer.kinds.items()}
        described = responses.setdefault(
            str(answer.status), {"description": "", "headers": {}, "content": {}}
        )
        described["description"] = f"{described['description']} {answer.description}".strip()
        described["headers"].update(headers)
        described["content"].update(content)
    return responses


def reference(kind: Any) -> Json:  # noqa: ANN401 - a type or any annotation msgspec understands
    """Give the schema that stands for a type where it is used; a tuple means any of them."""
    if isinstance(kind, tuple):
        return {"anyOf": [reference(each) for each in kind]}
    if kind is bytes:
        return {"type": "string", "format": "binary"}
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=REFERENCE)
    portable: Json = _portable(schema)
    return portable


def components(kinds: Iterable[Any]) -> Json:
    """Give the schemas of all structs that a document refers to."""
    _, schemas = msgspec.json.schema_components(list(kinds), ref_template=REFERENCE)
    return {name: _portable(schemas[name]) for name in sorted(schemas)}


def query_parameters(kind: type[msgspec.Struct] | None) -> list[Json]:
    """Write the query parameters of an operation from the struct that reads them."""
    if kind is None:
        return []
    _, schemas = msgspec.json.schema_components([kind], ref_template=REFERENCE)
    own = schemas[kind.__name__]
    required = own.get("required", [])
    parameters = []
    for name, described in own["properties"].items():
        schema = _without_null(_resolved(described, schemas))
        text = schema.pop("description", None)
        parameter = {"name": name, "in": "query", "required": name in required, "schema": schema}
        parameters.append(parameter | ({"description": text} if text else {}))
    return parameters


def path_parameters(parameters: Iterable[PathParameter]) -> list[Json]:
    """Write the path parameters of an operation."""
    return [
        {
            "name": parameter.name,
            "in": "path",
            "required": True,
            "description": parameter.description,
            "schema": {"type": "string"}
            | (
                {"format": parameter.format}
                if parameter.format
                else {"pattern": _portable(parameter.pattern)}
            ),
        }
        for parameter in parameters
    ]


def _resolved(schema: Json, schemas: Mapping[str, Json]) -> Json:
    """Put a referred schema in place: parameters read best whole."""
    if "$ref" in schema:
        return dict(schemas[schema["$ref"].rsplit("/", 1)[-1]])
    if "anyOf" in schema:
        return schema | {"anyOf": [_resolved(each, schemas) for each in schema["anyOf"]]}
    return dict(schema)


def _without_null(schema: Json) -> Json:
    """Leave `null` out: a query parameter is given or absent."""
    schema = _portable(schema)
    choices: list[Json] = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(choices) == 1:
        rest = {name: value for name, value in schema.items() if name not in {"anyOf", "default"}}
        return choices[0] | rest
    return schema


def _portable(schema: Any) -> Any:  # noqa: ANN401 - walks any JSON value
    r"""Write Python's `\Z` as the `$` that JSON Schema means by it."""
    if isinstance(schema, dict):
        return {name: _portable(value) for name, value in schema.items()}
    if isinstance(schema, list):
        return [_portable(value) for value in schema]
    if isinstance(schema, str) and schema.startswith("^") and schema.endswith(r"\Z"):
        return schema[:-2] + "$"
    return schema
