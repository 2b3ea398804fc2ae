"""Problems: every error an interface answers, as `application/problem+json` (RFC 9457).

`code` is stable and documented here; `detail` tells the caller what to do. Refusals by the state of
the world (`Rejection` in the domain) bring their own codes and are answered with the same shape.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from domain.rejection import Breach

PROBLEM_MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:pms:problem:"
RETRY_AFTER_SECONDS = 1


class Kind(NamedTuple):
    """What one code means: its HTTP status and its title."""

    status: int
    title: str


KINDS: dict[str, Kind] = {
    "batch_empty": Kind(400, "The batch holds nothing"),
    "batch_too_long": Kind(413, "The batch holds too many items"),
    "body_malformed": Kind(400, "The body is not well-formed JSON"),
    "body_too_large": Kind(413, "The body is too large"),
    "content_encoding_unsupported": Kind(415, "The content encoding is not supported"),
    "correlation_id_malformed": Kind(400, "The correlation id is not a UUID"),
    "cursor_invalid": Kind(400, "The cursor is not one of ours"),
    "date_missing": Kind(400, "A date is missing"),
    "leaderboard_unavailable": Kind(503, "There is no leaderboard to be read now"),
    "lots_missing": Kind(400, "Which lots are meant is missing, or said twice"),
    "export_inexact": Kind(422, "A value does not fit the format exactly"),
    "export_too_long": Kind(422, "The table has too many rows for one export"),
    "field_invalid": Kind(400, "A field is missing, unknown or not understood"),
    "history_too_long": Kind(422, "The portfolio has too many facts to fold for one answer"),
    "idempotency_key_malformed": Kind(400, "The idempotency key is not usable"),
    "idempotency_key_missing": Kind(400, "The idempotency key is missing"),
    "if_match_malformed": Kind(400, "The expected version is not usable"),
    "if_match_unsupported": Kind(400, "Nothing here has a version to be expected"),
    "internal_error": Kind(500, "Something failed on our side"),
    "media_type_unsupported": Kind(415, "The media type is not supported"),
    "method_not_allowed": Kind(405, "The method is not allowed here"),
    "not_a_number": Kind(400, "A number is not finite"),
    "not_acceptable": Kind(406, "None of the accepted formats is written here"),
    "not_attempted": Kind(503, "Nothing was attempted"),
    "not_found": Kind(404, "There is no such thing"),
    "not_ready": Kind(503, "Not ready to serve"),
    "out_of_range": Kind(400, "A value is out of range"),
    "outcome_unknown": Kind(503, "The outcome is not known yet"),
    "over_precise": Kind(400, "A number has too many decimals"),
    "parameter_invalid": Kind(400, "A query parameter is not understood"),
    "position_not_reached": Kind(409, "The asked position is not reached yet"),
    "restated_since": Kind(409, "What was known then was changed since"),
    "role_missing": Kind(403, "The token's roles do not permit this"),
    "route_not_found": Kind(404, "There is no such address"),
    "shutting_down": Kind(503, "The process is stopping"),
    "sort_too_long": Kind(422, "Too many rows match to be sorted so"),
    "source_missing": Kind(403, "The token names no source"),
    "source_not_yours": Kind(403, "The source is not the token's own"),
    "tenant_is_market": Kind(403, "The tenant `market` holds shared facts only"),
    "tenant_not_market": Kind(403, "Shared facts are written by the tenant `market`"),
    "token_expired": Kind(401, "The token has expired"),
    "token_invalid": Kind(401, "The token is not valid"),
    "token_missing": Kind(401, "The token is missing"),
    "too_many_requests": Kind(429, "Too many requests wait already"),
    "version_mismatch": Kind(412, "The version is not the expected one"),
}


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One error (RFC 9457); what is absent does not apply.

    `fields` names the fields concerned, `breaches` every rule that was broken; `outcome`,
    `command_id` and `replayed` are there where the problem is the outcome of a command, and
    `results` (one per item, in order) where that command was a batch. `version` is what there is in
    place of the version that was expected.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    correlation_id: UUID
    fields: tuple[str, ...] = ()
    breaches: tuple[Breach, ...] = ()
    outcome: str | None = None
    command_id: UUID | None = None
    replayed: bool | None = None
    results: tuple[msgspec.Raw, ...] = ()
    checks: dict[str, Any] = {}
    position: int | None = None
    version: int | None = None


class Problem(Exception):
    """An error on its way to the caller.

    `kind` is given only for codes that `KINDS` does not hold: those of domain refusals.
    `members` are further members of the document, such as `breaches`.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        fields: tuple[str, ...] = (),
        kind: Kind | None = None,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fields = fields
        self.kind = KINDS[code] if kind is None else kind
        self.headers = dict(headers or {})
        self.members = dict(members or {})

    def document(self, correlation_id: UUID) -> ProblemDocument:
        """Write the problem down for the request that met it."""
        return ProblemDocument(
            type=TYPE_PREFIX + self.code,
            title=self.kind.title,
            status=self.kind.status,
            detail=self.detail,
            code=self.code,
            correlation_id=correlation_id,
            fields=self.fields,
            **self.members,
        )


def encode_problem(problem: Problem, correlation_id: UUID) -> bytes:
    """Give the bytes of a problem's document."""
    return msgspec.json.encode(problem.document(correlation_id))
