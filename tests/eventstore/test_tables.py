"""Who may do what with the tables of the log, and how they come to be."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from eventstore.failures import LogNotCreated, LogUnavailable
from eventstore.log import Log
from eventstore.tables import create_log
from infra.database import APP_ROLE, OWNER_ROLE, Database
from infra.embedded_postgres import SUPERUSER, EmbeddedPostgres
from tests.eventstore.samples import SettableClock, new_event, new_receipt

TABLES = ("log.events", "log.receipts", "log.identity")
CHANGES = (
    "DELETE FROM {}",
    "TRUNCATE {}",
    "SELECT * FROM {} FOR UPDATE",
    "SELECT * FROM {} FOR SHARE",
    "LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE",
    "LOCK TABLE {} IN SHARE MODE",
    "LOCK TABLE {} IN EXCLUSIVE MODE",
    "LOCK TABLE {} IN ACCESS EXCLUSIVE MODE",
    "DROP TABLE {}",
    "ALTER TABLE {} ADD COLUMN other integer",
    "ALTER TABLE {} OWNER TO pms_app",
    "ALTER TABLE {} DISABLE TRIGGER ALL",
    "CREATE INDEX ON {} ((1))",
    "CREATE RULE lost AS ON INSERT TO {} DO INSTEAD NOTHING",
    "CREATE TRIGGER lost AFTER INSERT ON {} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "REINDEX TABLE {}",
)
OTHER_CHANGES = (
    "UPDATE log.events SET data = ''",
    "UPDATE log.receipts SET outcome = ''",
    "UPDATE log.identity SET log_id = gen_random_uuid()",
    "UPDATE log.stored_events SET state = ''",
    "UPDATE log.snapshots SET data = ''",
    "TRUNCATE log.snapshots",
    "DROP TABLE log.snapshots",
    "DELETE FROM log.stored_events",
    "INSERT INTO log.identity (only_row, format) VALUES (true, 1)",
    "INSERT INTO log.receipts TABLE log.receipts ON CONFLICT (command_id) DO UPDATE SET position=1",
    "MERGE INTO log.events USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE",
    "DROP SCHEMA log CASCADE",
    "ALTER SCHEMA log OWNER TO pms_app",
    "CREATE TABLE log.other (a integer)",
    "CREATE TABLE public_reference (a uuid REFERENCES log.receipts (command_id))",
    "SET ROLE pms_owner",
    "SET SESSION AUTHORIZATION pms_owner",
    "SET session_replication_role = replica",
)


def connected(conninfo: str) -> psycopg.Connection:
    """Open a session in autocommit mode."""
    return psycopg.connect(conninfo, autocommit=True)


@pytest.fixture
def app(log_database: Database, log: Log) -> Iterator[psycopg.Connection]:
    """A session of the application's role on a log that holds an event and a receipt."""
    with log.writing() as writing:
        writing.append([new_event()], [new_receipt(0)])
    with connected(log_database.app_conninfo) as connection:
        connection.execute("CREATE SCHEMA own")
        connection.execute("SET search_path = own")
        yield connection


@pytest.fixture
def owner(log_database: Database) -> Iterator[psycopg.Connection]:
    """A session of the log's owner."""
    with connected(log_database.owner_conninfo) as connection:
        yield connection


class TestActingAsTheApplication:
    """What the role `pms_app` can and cannot do."""

    def test_is_refused_whatever_changes_or_blocks_a_table(self, app: psycopg.Connection) -> None:
        """Everything but reading and inserting needs rights the application has not."""
        statements = [change.format(table) for table in TABLES for change in CHANGES]
        allowed = []

        for statement in (*statements, *OTHER_CHANGES):
            try:
                with app.transaction(force_rollback=True):
                    app.execute(statement.encode())
                allowed.append(statement)
            except InsufficientPrivilege:
                pass

        assert allowed == []

    def test_reads_and_inserts(self, app: psycopg.Connection) -> None:
        """These two rights are all it has on events and receipts; snapshots it may delete."""
        rights = app.execute(
            "SELECT table_name::text, array_agg(privilege_type::text ORDER BY privilege_type)"
            " FROM information_schema.role_table_grants"
            " WHERE table_schema = 'log' AND grantee = %s GROUP BY table_name ORDER BY table_name",
            (APP_ROLE,),
        ).fetchall()

        assert rights == [
            ("events", ["INSERT", "SELECT"]),
            ("identity", ["SELECT"]),
            ("receipts", ["INSERT", "SELECT"]),
            ("snapshots", ["DELETE", "INSERT", "SELECT"]),
            ("stored_events", ["SELECT"]),
        ]

    def test_waits_for_the_disk_even_where_the_role_does_not(
        self, log_database: Database, owner: psycopg.Connection, postgres_server: EmbeddedPostgres
    ) -> None:
        """A role that commits read models asynchronously still appends durably."""
        name = owner.info.dbname
        setting = f"ALTER ROLE {APP_ROLE} IN DATABASE {name} SET synchronous_commit = off"
        with connected(postgres_server.conninfo(SUPERUSER, name)) as admin:
            admin.execute(setting.encode())

        with (
            Log(log_database.app_conninfo, clock=SettableClock(), build="b") as log,
            log.datastore.connection() as connection,
        ):
            row = connection.execute("SHOW synchronous_commit").fetchone()

        assert row == {"synchronous_commit": "on"}


class TestCreatingTheLog:
    """`create_log` may be run any time, by anybody at once."""

    def test_again_keeps_the_log(self, log_database: Database, log: Log) -> None:
        """The identity and the events stay."""
        log_id = log.log_id
        with log.writing() as writing:
            writing.append([new_event()])

        create_log(log_database.owner_conninfo)

        with Log(log_database.app_conninfo, clock=SettableClock(), build="b") as opened:
            assert (opened.log_id, opened.head().position) == (log_id, 1)

    @pytest.mark.parametrize("index", ["log.events_opened", "log.events_limited"])
    def test_again_adds_an_index_that_an_older_log_lacks(
        self, log_database: Database, owner: psycopg.Connection, index: str
    ) -> None:
        """Opened portfolios were not indexed at first, nor limits."""
        owner.execute(f"DROP INDEX {index}".encode())

        create_log(log_database.owner_conninfo)

        row = owner.execute("SELECT to_regclass(%s) IS NOT NULL", (index,))
        assert row.fetchone() == (True,)

    def test_adds_the_table_of_snapshots_to_an_older_log(
        self, log_database: Database, owner: psycopg.Connection
    ) -> None:
        """Logs were created before there was this table; the application may use it at once."""
        owner.execute("DROP TABLE log.snapshots")

        create_log(log_database.owner_conninfo)

        with connected(log_database.app_conninfo) as app:
            assert app.execute("SELECT count(*) FROM log.snapshots").fetchone() == (0,)
            app.execute("DELETE FROM log.snapshots")

    def test_by_many_at_once_makes_one(self, database: Database) -> None:
        """Concurrent runs wait for each other."""
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: create_log(database.owner_conninfo), range(4)))

        with connected(database.owner_conninfo) as connection:
            assert connection.execute("SELECT count(*) FROM log.identity").fetchone() == (1,)

    def test_takes_back_rights_given_meanwhile(
        self, log_database: Database, owner: psycopg.Connection, app: psycopg.Connection
    ) -> None:
        """The rights are what the log says, not what somebody left."""
        owner.execute("GRANT ALL ON log.events TO pms_app")
        owner.execute("GRANT UPDATE ON log.receipts TO PUBLIC")

        create_log(log_database.owner_conninfo)

        for statement in ("DELETE FROM log.events", "UPDATE log.receipts SET outcome = ''"):
            with pytest.raises(InsufficientPrivilege):
                app.execute(statement.encode())

    def test_is_refused_for_a_role_that_could_act_as_the_owner(self, database: Database) -> None:
        """Rights withheld from the owner itself would be no rights withheld."""
        with pytest.raises(LogNotCreated, match="could act as"):
            create_log(database.owner_conninfo, app_role=OWNER_ROLE)

    def test_is_refused_for_a_role_the_owner_cannot_create(self, database: Database) -> None:
        """The failure names the role that is missing."""
        with pytest.raises(LogNotCreated, match="pms_nobody"):
            create_log(database.owner_conninfo, app_role="pms_nobody")

    def test_is_refused_in_a_schema_of_the_application(self, database: Database) -> None:
        """The owner of a schema can drop what is in it."""
        with connected(database.app_conninfo) as connection:
            connection.execute("CREATE SCHEMA log")
            connection.execute("GRANT ALL ON SCHEMA log TO pms_owner")

        with pytest.raises(LogNotCreated, match="another role"):
            create_log(database.owner_conninfo)

    def test_is_refused_over_another_format(
        self, log_database: Database, owner: psycopg.Connection
    ) -> None:
        """A log written by a later program is left alone, and not read either."""
        owner.execute("UPDATE log.identity SET format = 999")

        with pytest.raises(LogNotCreated, match="999"):
            create_log(log_database.owner_conninfo)
        with (
            Log(log_database.app_conninfo, clock=SettableClock(), build="b") as log,
            pytest.raises(LogNotCreated, match="999"),
        ):
            _ = log.log_id

    def test_where_nobody_listens_says_so(self) -> None:
        """An unreachable database is unavailable, not a traceback of the driver."""
        with pytest.raises(LogUnavailable):
            create_log("postgresql://pms_owner@127.0.0.1:1/pms?connect_timeout=1")


class TestOpeningADatabaseWithoutALog:
    """A log is made by its owner, never by opening it."""

    def test_says_that_there_is_none(self, database: Database) -> None:
        """The identity is the first thing anybody asks for."""
        with (
            Log(database.app_conninfo, clock=SettableClock(), build="b") as log,
            pytest.raises(LogNotCreated, match="no log"),
        ):
            _ = log.log_id
