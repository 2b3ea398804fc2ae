"""Subjects and their versions, schemas and their ids, levels: what the registry is asked and told.

A subject is a name under which the forms of one thing follow each other; a version counts them from
1. An id names one schema in all subjects; texts that differ in layout only are one schema, and the
text answered is the one that came first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from infra.schema_registry.avro_texts import check_schema, fingerprint
from infra.schema_registry.refusals import (
    incompatible,
    level_not_found,
    schema_not_found,
    subject_not_found,
    version_not_found,
)
from infra.schema_registry.store import Connection, Store
from schemas.compatibility import Level, incompatibilities

GLOBAL = ""
DEFAULT_LEVEL = Level.BACKWARD
_ADD_SCHEMA = """
INSERT INTO schema_registry.schemas (id, text, fingerprint)
SELECT coalesce(max(id), 0) + 1, %s, %s FROM schema_registry.schemas RETURNING id
"""
_ADD_VERSION = """
INSERT INTO schema_registry.versions (subject, version, schema_id)
SELECT %(subject)s, coalesce(max(version), 0) + 1, %(schema_id)s
FROM schema_registry.versions WHERE subject = %(subject)s RETURNING version
"""
_SET_LEVEL = """
INSERT INTO schema_registry.levels (subject, level) VALUES (%s, %s)
ON CONFLICT (subject) DO UPDATE SET level = excluded.level
"""
_REGISTERED = """
SELECT subject, version, id, text
FROM schema_registry.versions JOIN schema_registry.schemas ON id = schema_id
"""


class Registered(NamedTuple):
    """One version of a subject."""

    subject: str
    version: int
    schema_id: int
    text: str


class Registry:
    """The registry over its store; thread-safe.

    Everything raises `StoreUnavailable` while PostgreSQL is away, and `Refused` for what it says.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def register(self, subject: str, text: str) -> Registered:
        """Give a schema's version in a subject, adding it where it is not there yet.

        Raises:
            Refused: 409, it breaks the subject's level; 42201.
        """
        check_schema(text)
        with self._store.reading() as connection:
            known = _find(connection, subject, text)
        if known is not None:
            return known
        with self._store.adding() as connection:
            known = _find(connection, subject, text)
            if known is not None:
                return known
            earlier = [each.text for each in _versions(connection, subject)]
            reasons = incompatibilities(text, earlier, _level(connection, subject))
            if reasons:
                raise incompatible(subject, reasons)
            return _add(connection, subject, text)

    def look_up(self, subject: str, text: str) -> Registered:
        """Give the version of a subject that holds this schema.

        Raises:
            Refused: 40401, 40403, 42201.
        """
        check_schema(text)
        with self._store.reading() as connection:
            found = _find(connection, subject, text)
            if found is not None:
                return found
            _existing(connection, subject)
        raise schema_not_found()

    def incompatibilities(self, subject: str, text: str, version: int | None) -> tuple[str, ...]:
        """Judge a schema against the versions its subject's level looks at, or against one.

        Version 0 is the newest, and None all of them; without a version to compare with there is
        nothing to break.

        Raises:
            Refused: 40401, 40402, 42201.
        """
        check_schema(text)
        with self._store.reading() as connection:
            level = _level(connection, subject)
            earlier = _versions(connection, subject)
        if version:
            if not earlier:
                raise subject_not_found(subject)
            earlier = [each for each in earlier if each.version == version]
            if not earlier:
                raise version_not_found(version)
        elif version == 0:
            earlier = earlier[-1:]
        return incompatibilities(text, [each.text for each in earlier], level)

    def subjects(self, prefix: str) -> list[str]:
        """Name the subjects that begin with `prefix`, in alphabetical order."""
        with self._store.reading() as connection:
            rows = connection.execute(
                "SELECT DISTINCT subject FROM schema_registry.versions"
                " WHERE starts_with(subject, %s) ORDER BY subject",
                (prefix,),
            ).fetchall()
        return [subject for (subject,) in rows]

    def versions(self, subject: str) -> list[int]:
        """Number the versions of a subject, ascending.

        Raises:
            Refused: 40401.
        """
        with self._store.reading() as connection:
            return [each.version for each in _existing(connection, subject)]

    def version(self, subject: str, version: int) -> Registered:
        """Give one version of a subject, the newest for 0.

        Raises:
            Refused: 40401, 40402.
        """
        with self._store.reading() as connection:
            existing = _existing(connection, subject)
        if version == 0:
            return existing[-1]
        if version > len(existing):
            raise version_not_found(version)
        return existing[version - 1]

    def text(self, schema_id: int) -> str:
        """Give a schema's text, as it was registered first.

        Raises:
            Refused: 40403.
        """
        with self._store.reading() as connection:
            row = connection.execute(
                "SELECT text FROM schema_registry.schemas WHERE id = %s::bigint", (schema_id,)
            ).fetchone()
        if row is None:
            raise schema_not_found()
        return str(row[0])

    def uses(self, schema_id: int) -> list[tuple[str, int]]:
        """List the subjects and versions that hold a schema.

        Raises:
            Refused: 40403.
        """
        with self._store.reading() as connection:
            rows = connection.execute(
                "SELECT subject, version FROM schema_registry.versions"
                " WHERE schema_id = %s::bigint ORDER BY subject, version",
                (schema_id,),
            ).fetchall()
        if not rows:
            raise schema_not_found()
        return [(subject, version) for subject, version in rows]

    def level(self, subject: str, *, or_global: bool) -> Level:
        """Give a subject's own level, or the one of all (`GLOBAL`).

        Raises:
            Refused: 40408, it has none of its own, unless the global one is asked for then.
        """
        with self._store.reading() as connection:
            own = _own_level(connection, subject)
            if own is not None:
                return own
            if subject and not or_global:
                raise level_not_found(subject)
            return _level(connection, subject)

    def set_level(self, subject: str, level: Level) -> None:
        """Set a subject's level, or that of all (`GLOBAL`); it holds for what comes next."""
        with self._store.adding() as connection:
            connection.execute(_SET_LEVEL, (subject, level.value))

    def unset_level(self, subject: str) -> Level:
        """Take a subject's own level away, giving what it was; all then have the default again.

        Raises:
            Refused: 40408.
        """
        with self._store.adding() as connection:
            row = connection.execute(
                "DELETE FROM schema_registry.levels WHERE subject = %s RETURNING level", (subject,)
            ).fetchone()
        if row is not None:
            return Level(row[0])
        if subject == GLOBAL:
            return DEFAULT_LEVEL
        raise level_not_found(subject)

    def check_store(self) -> None:
        """Ask PostgreSQL for anything.

        Raises:
            StoreUnavailable: it does not answer.
        """
        with self._store.reading() as connection:
            connection.execute("SELECT 1 FROM schema_registry.levels LIMIT 1")


def _find(connection: Connection, subject: str, text: str) -> Registered | None:
    found = connection.execute(
        f"{_REGISTERED} WHERE subject = %s AND fingerprint = %s", (subject, fingerprint(text))
    ).fetchone()
    return None if found is None else Registered(*found)


def _versions(connection: Connection, subject: str) -> list[Registered]:
    found = connection.execute(f"{_REGISTERED} WHERE subject = %s ORDER BY version", (subject,))
    return [Registered(*each) for each in found]


def _existing(connection: Connection, subject: str) -> list[Registered]:
    found = _versions(connection, subject)
    if not found:
        raise subject_not_found(subject)
    return found


def _add(connection: Connection, subject: str, text: str) -> Registered:
    known = connection.execute(
        "SELECT id, text FROM schema_registry.schemas WHERE fingerprint = %s", (fingerprint(text),)
    ).fetchone()
    if known is None:
        added = (text, fingerprint(text))
        known = (_only(connection.execute(_ADD_SCHEMA, added).fetchone()), text)
    schema_id, first_text = known
    added_version = {"subject": subject, "schema_id": schema_id}
    version = _only(connection.execute(_ADD_VERSION, added_version).fetchone())
    return Registered(subject, version, schema_id, first_text)


def _only(row: tuple[Any, ...] | None) -> int:
    assert row is not None, "INSERT … RETURNING gives one row"
    return int(row[0])


def _own_level(connection: Connection, subject: str) -> Level | None:
    row = connection.execute(
        "SELECT level FROM schema_registry.levels WHERE subject = %s", (subject,)
    ).fetchone()
    return None if row is None else Level(row[0])


def _level(connection: Connection, subject: str) -> Level:
    return _own_level(connection, subject) or _own_level(connection, GLOBAL) or DEFAULT_LEVEL
