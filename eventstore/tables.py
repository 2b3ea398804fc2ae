"""The tables of the log, and who may do what with them.

Everything lives in the schema `log`, owned by the role that runs `create_log`; the application's
role may only read and insert; snapshots, which are no part of the truth, it may delete as well.
Positions are bigint, moments timestamptz, ids uuid.
"""

import psycopg
from psycopg import sql

from eventstore.failures import LogNotCreated, LogUnavailable

FORMAT = 1
"""Number of this table layout, stored with the log; another number is another program's log."""

CHANNEL = "pms_log"
"""NOTIFY channel that hints at new events, mostly up to which position; it guarantees nothing."""

APPEND_LOCK = 0x504D535F4C4F47
"""Advisory lock held by the one transaction that may append ("PMS_LOG" in ASCII)."""

_CREATE_LOCK = APPEND_LOCK + 1
"""Advisory lock held while tables are created."""

SHARED_TENANT = "market"
PARKING_EVENT_TYPES = ("trade.parked.v1", "trade.released.v1")
PARKING_PREDICATE = "event_type IN ('trade.parked.v1', 'trade.released.v1')"
OPENED_EVENT_TYPES = ("portfolio.opened.v1",)
OPENED_PREDICATE = "event_type = 'portfolio.opened.v1'"
LIMITED_PREDICATE = "event_type = 'control.limit_approved.v1'"
SHARED_PREDICATE = "tenant = 'market'"

# Truncating a table's empty tail takes an ACCESS EXCLUSIVE lock, which would stall appends; rows
# of rolled back appends are few and their space is used again.
_EVENTS_STORAGE = "vacuum_truncate = false, autovacuum_analyze_scale_factor = 0.02"

EVENTS_TABLE = f"""
CREATE TABLE {{schema}}.{{events}} (
    position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    stream_id uuid NOT NULL,
    stream_version bigint NOT NULL,
    command_id uuid NOT NULL,
    correlation_id uuid NOT NULL,
    causation_id uuid,
    event_type text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    build text COLLATE "C" NOT NULL,
    key text COLLATE "C",
    trace_context text COLLATE "C",
    data bytea NOT NULL,
    CONSTRAINT {{events_pkey}} PRIMARY KEY (stream_id, stream_version),
    CONSTRAINT {{events_position}} UNIQUE (position)
) WITH ({_EVENTS_STORAGE})
"""

EVENTS_INDEXES = (
    """
    CREATE INDEX {events_key} ON {schema}.{events} (stream_id, key, stream_version)
    WHERE key IS NOT NULL
    """,
    "CREATE INDEX {events_shared} ON {schema}.{events} (position) WHERE " + SHARED_PREDICATE,
    "CREATE INDEX {events_parking} ON {schema}.{events} (position) WHERE " + PARKING_PREDICATE,
    "CREATE INDEX {events_opened} ON {schema}.{events} (position) WHERE " + OPENED_PREDICATE,
    "CREATE INDEX {events_limited} ON {schema}.{events} (position) WHERE " + LIMITED_PREDICATE,
)
_ADDED_LATER = ("opened", "limited")
"""Indexes, the last of these, that a log created before there were any lacks."""

_OTHER_STATEMENTS = (
    """
    CREATE TABLE log.receipts (
        command_id uuid NOT NULL CONSTRAINT receipts_pkey PRIMARY KEY,
        position bigint NOT NULL,
        recorded_at timestamptz NOT NULL,
        fingerprint bytea NOT NULL,
        tenant text COLLATE "C" NOT NULL,
        outcome bytea NOT NULL
    ) WITH (vacuum_truncate = false)
    """,
    """
    CREATE TABLE log.identity (
        only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
        log_id uuid NOT NULL DEFAULT gen_random_uuid(),
        format integer NOT NULL
    )
    """,
    # The columns as the eventsourcing library names them, so that its own statements read the log.
    """
    CREATE VIEW log.stored_events WITH (security_invoker = true) AS
    SELECT position AS notification_id, stream_id AS originator_id,
           stream_version AS originator_version, event_type AS topic, data AS state
    FROM log.events
    """,
)


# No part of the truth: whoever deletes rows only has streams folded from their beginning. What is
# in them does not compress well, and is wanted quickly.
_SNAPSHOTS_STATEMENTS = (
    """
    CREATE TABLE log.snapshots (
        stream_id uuid NOT NULL,
        form text COLLATE "C" NOT NULL,
        stream_version bigint NOT NULL,
        checksum bigint NOT NULL,
        taken_at timestamptz NOT NULL DEFAULT now(),
        data bytea NOT NULL,
        CONSTRAINT snapshots_pkey PRIMARY KEY (stream_id, form, stream_version)
    ) WITH (vacuum_truncate = false)
    """,
    "ALTER TABLE log.snapshots ALTER COLUMN data SET STORAGE EXTERNAL",
)

_SCHEMA_IS_OURS = """
SELECT nspowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)
FROM pg_namespace WHERE nspname = 'log'
"""


def events_statements(*, schema: str, table: str) -> list[sql.Composed]:
    """Give the statements that make a table of events with all its indexes."""
    names = _names(schema, table)
    return [sql.SQL(text).format(**names) for text in (EVENTS_TABLE, *EVENTS_INDEXES)]


def _names(schema: str, table: str) -> dict[str, sql.Identifier]:
    return {
        "schema": sql.Identifier(schema),
        "events": sql.Identifier(table),
        "events_pkey": sql.Identifier(f"{table}_pkey"),
        "events_position": sql.Identifier(f"{table}_position"),
        "events_key": sql.Identifier(f"{table}_key"),
        "events_shared": sql.Identifier(f"{table}_shared"),
        "events_parking": sql.Identifier(f"{table}_parking"),
        "events_opened": sql.Identifier(f"{table}_opened"),
        "events_limited": sql.Identifier(f"{table}_limited"),
    }


def create_log(owner_conninfo: str, *, app_role: str = "pms_app") -> None:
    """Create the log if it is not there and set the rights of `app_role`; may be run any time.

    Runs as the role that is to own the log. A missing `app_role` is created, with LOGIN and without
    a password, where the owner may do that.

    Raises:
        LogUnavailable: the database could not be reached.
        LogNotCreated: the role is missing and may not be created, or could act as the owner; the
            schema is somebody else's; the log has another format.
    """
    try:
        with psycopg.connect(owner_conninfo, autocommit=True) as connection:
            _require_role(connection, app_role)
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_CREATE_LOCK,))
                _require_lesser(connection, app_role)
                _create_tables(connection)
                _grant(connection, app_role)
    except psycopg.errors.InsufficientPrivilege as error:
        raise LogNotCreated(f"the owner lacks a right: {error}") from error
    except psycopg.OperationalError as error:
        raise LogUnavailable(str(error)) from error


def _require_role(connection: psycopg.Connection, app_role: str) -> None:
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (app_role,)).fetchone()
    if found is not None:
        return
    try:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(app_role)))
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        return  # Another run created it in between.
    except psycopg.errors.InsufficientPrivilege as error:
        raise LogNotCreated(
            f"role {app_role} is missing and the log's owner may not create roles"
        ) from error


def _create_tables(connection: psycopg.Connection) -> None:
    row = connection.execute("SELECT to_regclass('log.identity') IS NOT NULL").fetchone()
    if row == (True,):
        stored = connection.execute("SELECT format FROM log.identity").fetchone()
        if stored != (FORMAT,):
            raise LogNotCreated(f"the log has format {stored}, this program writes {FORMAT}")
        _add_indexes(connection)
        _add_snapshots(connection)
        return
    connection.execute("CREATE SCHEMA IF NOT EXISTS log")
    row = connection.execute(_SCHEMA_IS_OURS).fetchone()
    if row != (True,):
        raise LogNotCreated("the schema log belongs to another role, which could drop the log")
    for statement in events_statements(schema="log", table="events"):
        connection.execute(statement)
    for text in _OTHER_STATEMENTS:
        connection.execute(text)
    _add_snapshots(connection)
    connection.execute("INSERT INTO log.identity (format) VALUES (%s)", (FORMAT,))


def _add_indexes(connection: psycopg.Connection) -> None:
    """Index what a log that was created before there were these indexes has not indexed."""
    later = zip(_ADDED_LATER, EVENTS_INDEXES[-len(_ADDED_LATER) :], strict=True)
    for name, statement in later:
        row = connection.execute(
            "SELECT to_regclass(%s) IS NULL", (f"log.events_{name}",)
        ).fetchone()
        if row == (True,):
            connection.execute(sql.SQL(statement).format(**_names("log", "events")))


def _add_snapshots(connection: psycopg.Connection) -> None:
    """Make the table of snapshots, also beside a log that was created before there was one."""
    row = connection.execute("SELECT to_regclass('log.snapshots') IS NULL").fetchone()
    if row == (True,):
        for text in _SNAPSHOTS_STATEMENTS:
            connection.execute(text)


def _require_lesser(connection: psycopg.Connection, app_role: str) -> None:
    """Refuse an application's role that is the owner, may become it, or is a superuser."""
    row = connection.execute(
        "SELECT pg_has_role(%s::name, current_user, 'MEMBER')", (app_role,)
    ).fetchone()
    if row != (False,):
        raise LogNotCreated(f"role {app_role} could act as the log's owner and change the log")


def _grant(connection: psycopg.Connection, app_role: str) -> None:
    """Give `app_role` and nobody else the right to read and to insert, whatever was there."""
    role = sql.Identifier(app_role)
    for text in (
        "REVOKE ALL ON SCHEMA log FROM PUBLIC",
        "REVOKE ALL ON ALL TABLES IN SCHEMA log FROM PUBLIC",
        "REVOKE ALL ON SCHEMA log FROM {role}",
        "REVOKE ALL ON ALL TABLES IN SCHEMA log FROM {role}",
        "GRANT USAGE ON SCHEMA log TO {role}",
        "GRANT SELECT, INSERT ON log.events, log.receipts TO {role}",
        "GRANT SELECT, INSERT, DELETE ON log.snapshots TO {role}",
        "GRANT SELECT ON log.identity, log.stored_events TO {role}",
    ):
        connection.execute(sql.SQL(text).format(role=role))
