"""The embedded servers: who may enter, what they keep, and that none outlives its parent."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from infra import programs
from infra.child_processes import Account, service_account
from infra.data_directory import DataDirectory
from infra.database import APP_ROLE, Database
from infra.embedded_postgres import EmbeddedPostgres
from infra.embedded_valkey import EmbeddedValkey
from infra.errors import OperatorError
from infra.programs import postgres_programs, valkey_program
from tests.conftest import reachable_directory

PATIENCE_SECONDS = 30.0
AS_ROOT = os.geteuid() == 0

pytestmark = pytest.mark.services


@pytest.fixture
def data() -> Iterator[DataDirectory]:
    """A data directory of the test's own."""
    directory = reachable_directory()
    yield DataDirectory(directory)
    shutil.rmtree(directory, ignore_errors=True)


def wait_until_gone(process: psutil.Process) -> None:
    """Wait until a process has ended, at most `PATIENCE_SECONDS`."""
    process.wait(timeout=PATIENCE_SECONDS)


class TestThePostgresServer:
    """Entry by password, over this machine's loopback only."""

    def test_gives_each_role_its_own_way_in(self, database: Database) -> None:
        """Both connection strings work and name different roles."""
        names = []
        for conninfo in (database.owner_conninfo, database.app_conninfo):
            with psycopg.connect(conninfo) as connection:
                names += connection.execute("SELECT current_user").fetchall()

        assert names == [("pms_owner",), ("pms_app",)]

    def test_refuses_a_wrong_password(self, database: Database) -> None:
        """Being on the same machine is not enough."""
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(database.app_conninfo, password="wrong")

    def test_lets_the_application_make_its_schema_but_not_enter_the_owners(
        self, database: Database
    ) -> None:
        """The application owns its read models and cannot touch what the owner made."""
        with psycopg.connect(database.owner_conninfo) as owner:
            owner.execute("CREATE SCHEMA log CREATE TABLE events (position bigint)")

        with psycopg.connect(database.app_conninfo) as app:
            app.execute("CREATE SCHEMA read_model CREATE TABLE positions (quantity numeric)")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute("SELECT * FROM log.events")

    def test_is_not_run_by_root(self, postgres_server: EmbeddedPostgres) -> None:
        """The server has no rights of root even when we have."""
        assert psutil.Process(postgres_server.process_id).uids().effective != 0

    def test_shows_no_password_in_the_process_list(self, postgres_server: EmbeddedPostgres) -> None:
        """Neither the command line nor the readable form of the address holds a secret."""
        shown = " ".join(psutil.Process(postgres_server.process_id).cmdline())
        shown += repr(postgres_server.database)

        assert postgres_server._passwords[APP_ROLE] not in shown

    def test_keeps_its_passwords_closed(self, postgres_server: EmbeddedPostgres) -> None:
        """Only we can read the file of passwords."""
        path = postgres_server._data.secrets / "postgresql.json"

        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.stat().st_uid == os.geteuid()

    def test_is_durable_unless_a_test_says_otherwise(self, data: DataDirectory) -> None:
        """Every setting a durable answer rests on is on."""
        with (
            EmbeddedPostgres(data) as server,
            psycopg.connect(server.database.app_conninfo) as connection,
        ):
            settings = {
                name: connection.execute(f"SHOW {name}").fetchone()
                for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")
            }

        assert set(settings.values()) == {("on",)}

    def test_says_who_holds_the_port(self, data: DataDirectory) -> None:
        """A taken port is one clear sentence, not a traceback of the server."""
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]

            with pytest.raises(OperatorError, match=f"127.0.0.1:{port}.*could not bind"):
                EmbeddedPostgres(data, port=port, durable=False).start()


class TestStoppingAndStarting:
    """A restart keeps every byte, whatever way the end came."""

    def test_keeps_rows_and_passwords(self, data: DataDirectory) -> None:
        """What was committed is there after an orderly stop, under the same password."""
        with EmbeddedPostgres(data) as server:
            password = server._passwords[APP_ROLE]
            with psycopg.connect(server.database.app_conninfo) as connection:
                connection.execute("CREATE SCHEMA kept CREATE TABLE rows (value text)")
                connection.execute("INSERT INTO kept.rows VALUES ('a')")

        with EmbeddedPostgres(data) as server:
            assert server._passwords[APP_ROLE] == password
            with psycopg.connect(server.database.app_conninfo) as connection:
                assert connection.execute("SELECT * FROM kept.rows").fetchall() == [("a",)]

    def test_keeps_the_keys_of_valkey(self, data: DataDirectory) -> None:
        """A key written before the stop is read after the start."""
        with EmbeddedValkey(data) as server, redis.Redis.from_url(server.url) as client:
            client.set("kept", "a")

        with EmbeddedValkey(data) as server, redis.Redis.from_url(server.url) as client:
            assert client.get("kept") == b"a"

    def test_survives_a_killed_server(self, data: DataDirectory) -> None:
        """After SIGKILL of the postmaster the next start recovers by itself."""
        server = EmbeddedPostgres(data)
        server.start()
        with psycopg.connect(server.database.app_conninfo) as connection:
            connection.execute("CREATE SCHEMA kept")
        process = psutil.Process(server.process_id)
        family = [process, *process.children(recursive=True)]
        process.kill()
        server.stop()
        psutil.wait_procs(family, timeout=PATIENCE_SECONDS)

        with (
            EmbeddedPostgres(data) as again,
            psycopg.connect(again.database.app_conninfo) as connection,
        ):
            found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'kept'")
            assert found.fetchone() == (1,)

    def test_is_not_stopped_by_a_stale_process_id(self, data: DataDirectory) -> None:
        """A recorded id that now belongs to a stranger of the same account is no obstacle."""
        with EmbeddedPostgres(data, durable=False):
            recorded = (data.postgresql / "postmaster.pid").read_text()
        account = service_account()
        stranger = subprocess.Popen(
            ["sleep", "600"], user=None if account is None else account.user_id
        )
        try:
            stale = recorded.replace(recorded.split("\n")[0], str(stranger.pid), 1)
            (data.postgresql / "postmaster.pid").write_text(stale)

            with EmbeddedPostgres(data, durable=False) as server:
                assert server.is_running()
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()

    def test_refuses_data_whose_passwords_are_gone(self, data: DataDirectory) -> None:
        """The message names the missing file."""
        with EmbeddedPostgres(data, durable=False):
            pass
        (data.secrets / "postgresql.json").unlink()

        with pytest.raises(OperatorError, match=r"secrets/postgresql\.json"):
            EmbeddedPostgres(data, durable=False).start()


PARENT = """
import sys, time
from pathlib import Path
from infra.data_directory import DataDirectory
from infra.embedded_postgres import EmbeddedPostgres
from infra.embedded_valkey import EmbeddedValkey

data = DataDirectory(Path(sys.argv[1]))
with EmbeddedPostgres(data, durable=False) as postgres, EmbeddedValkey(data) as valkey:
    print(postgres.process_id, valkey.process_id, flush=True)
    time.sleep(600)
"""


class TestTheParentsDeath:
    """No server outlives the process that started it."""

    def test_by_sigkill_ends_both_servers(self, data: DataDirectory) -> None:
        """A parent that could do nothing more still leaves nothing behind, and can start again."""
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(data.path)], stdout=subprocess.PIPE, text=True
        )
        assert parent.stdout is not None
        with parent.stdout as answers:
            servers = [psutil.Process(int(number)) for number in answers.readline().split()]
            parent.send_signal(signal.SIGKILL)
            parent.wait()

        started = time.monotonic()
        with EmbeddedPostgres(data, durable=False) as server:
            assert server.is_running()
        for process in servers:
            wait_until_gone(process)
        assert time.monotonic() - started < PATIENCE_SECONDS


class TestThePrograms:
    """The servers' programs are used where they lie, or copied to where they can be read."""

    def test_are_used_in_place_by_ourselves(self, data: DataDirectory) -> None:
        """Without another account nothing is copied."""
        assert "site-packages" in postgres_programs(data.path, None).parts
        assert valkey_program(data.path, None).is_file()

    @pytest.mark.skipif(not AS_ROOT, reason="only root runs servers as another account")
    def test_are_copied_once_from_a_closed_place(
        self, data: DataDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A clone below a 0700 folder works: the servers run from copies in the data directory."""
        closed = data.path / "closed"
        closed.mkdir(mode=0o700)
        packages = programs._packages_folder("embedded_postgres")
        (closed / "site-packages").symlink_to(packages, target_is_directory=True)
        monkeypatch.setattr(
            "infra.programs._packages_folder", lambda _package: closed / "site-packages"
        )
        account = service_account()
        assert account is not None

        with EmbeddedPostgres(data, durable=False), EmbeddedValkey(data, durable=False):
            first_made = postgres_programs(data.path, account).stat().st_ctime_ns
        with EmbeddedPostgres(data, durable=False), EmbeddedValkey(data, durable=False):
            copied = postgres_programs(data.path, account)

        assert copied.is_relative_to(data.path / "programs")
        assert valkey_program(data.path, account).is_relative_to(data.path / "programs")
        assert copied.stat().st_ctime_ns == first_made
        assert not list((data.path / "programs").glob(".*"))


class TestPreparingTheDirectory:
    """A directory the servers cannot reach is refused before anything is made in it."""

    def test_names_the_closed_folder_on_the_way(self, tmp_path: Path) -> None:
        """The message says which folder stops whom."""
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        closed.chmod(0o700)
        stranger = Account(user_id=65533, group_id=65533, name="stranger")
        (closed / "data").mkdir()

        with pytest.raises(OperatorError, match="stranger, who cannot pass"):
            DataDirectory(closed / "data").require_reachable(stranger)

    def test_says_why_it_cannot_be_made(self, tmp_path: Path) -> None:
        """A file in the way is one clear sentence."""
        (tmp_path / "file").touch()

        with pytest.raises(OperatorError, match="Not a directory"):
            DataDirectory(tmp_path / "file" / "data").prepare(None)
