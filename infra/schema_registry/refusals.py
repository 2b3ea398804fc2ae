"""Why the registry says no: Confluent's error codes, the HTTP status being their first digits."""

from __future__ import annotations

from collections.abc import Sequence


class Refused(Exception):
    """A request is answered with an error of the interface."""

    def __init__(self, error_code: int, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status: 40401 is a 404."""
        return int(str(self.error_code)[:3])


class StoreUnavailable(Exception):
    """PostgreSQL cannot be asked now."""


def subject_not_found(subject: str) -> Refused:
    """No schema was ever registered under this subject."""
    return Refused(40401, f"Subject {subject!r} not found.")


def version_not_found(version: int | str) -> Refused:
    """The subject has no such version."""
    return Refused(40402, f"Version {version} not found.")


def schema_not_found() -> Refused:
    """No such id, or the subject does not hold this schema."""
    return Refused(40403, "Schema not found.")


def level_not_found(subject: str) -> Refused:
    """The subject has no compatibility level of its own."""
    message = f"Subject {subject!r} does not have subject-level compatibility configured."
    return Refused(40408, message)


def body_faulty(message: str) -> Refused:
    """The body is not what this address takes."""
    return Refused(422, message)


def schema_invalid(reason: str) -> Refused:
    """What was sent is not an Avro schema."""
    return Refused(42201, f"Invalid schema: {reason}")


def version_invalid(version: str) -> Refused:
    """What was sent cannot be the number of a version."""
    allowed = 'from 1 to 2147483647, or "latest"'
    return Refused(42202, f"The version {version!r} is not valid; a version is {allowed}.")


def level_invalid(levels: str) -> Refused:
    """What was sent is not a compatibility level."""
    return Refused(42203, f"Invalid compatibility level. Valid ones are {levels}.")


def not_permitted(message: str) -> Refused:
    """The interface knows it; this registry does not do it."""
    return Refused(42205, message)


def subject_invalid(reason: str) -> Refused:
    """What was sent cannot be the name of a subject."""
    return Refused(42208, f"The subject is not valid: {reason}.")


def incompatible(subject: str, reasons: Sequence[str]) -> Refused:
    """The schema breaks the subject's compatibility level; every reason is told."""
    told = "; ".join(reasons)
    message = f"Schema being registered is incompatible with an earlier schema for {subject!r}"
    return Refused(409, f"{message}: {told}")
