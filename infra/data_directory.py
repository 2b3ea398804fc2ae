"""The data directory: its layout, its rights, and the lock that makes it one owner's at a time.

`postgresql/`, `valkey/` and in `kafka/` the topics belong to the account the servers run as;
`secrets/` (passwords, keys) and `run/` (addresses with passwords, while running) are closed to
everybody but the owner; `logs/` holds one file per process; `programs/` copies of the server
programs, where needed.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from infra.child_processes import Account
from infra.errors import OperatorError


class DataDirectory:
    """One directory that holds everything a PMS keeps."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.postgresql = self.path / "postgresql"
        self.valkey = self.path / "valkey"
        self.kafka = self.path / "kafka"
        self.secrets = self.path / "secrets"
        self.run = self.path / "run"
        self.logs = self.path / "logs"
        self.lock = self.path / "lock"

    def prepare(self, account: Account | None) -> None:
        """Make the folders with their rights; safe to repeat.

        Raises:
            OperatorError: the directory cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # Servers of another account pass through to their own folder, but list nothing.
            self.path.chmod(0o700 if account is None else 0o711)
            for closed in (self.secrets, self.run, self.logs):
                closed.mkdir(exist_ok=True)
                closed.chmod(0o700)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OperatorError(
                f"Cannot prepare the data directory {self.path}: {reason}"
            ) from error

    def require_reachable(self, account: Account | None) -> None:
        """Make sure that a server of another account can pass all folders on the way.

        Raises:
            OperatorError: it cannot; the message names the closed folder.
        """
        if account is None:
            return
        for folder in reversed(self.path.parents):
            status = folder.stat()
            passes_owner = status.st_uid == account.user_id and status.st_mode & 0o100
            passes_group = status.st_gid == account.group_id and status.st_mode & 0o010
            if not (status.st_mode & 0o001 or passes_owner or passes_group):
                raise OperatorError(
                    f"PostgreSQL runs as the user {account.name}, who cannot pass {folder} on the "
                    f"way to {self.path}. Choose another --data directory (as root, /var/lib/pms "
                    f"is a good one) or open the way: chmod o+x {folder}"
                )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory as its only owner.

        The kernel lets go of the lock when the holder dies, so a crash leaves no obstacle.

        Raises:
            OperatorError: another process holds it.
        """
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
                raise OperatorError(
                    f"The data directory {self.path} is in use by another PMS"
                    f"{f' (process {holder})' if holder else ''}. Stop that one first, or give "
                    "this one a directory of its own with --data."
                ) from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def is_locked(self) -> bool:
        """Tell whether a running PMS holds the directory."""
        try:
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False


def write_closed(path: Path, content: bytes, *, replaces: bool = True) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Of several who write a new file with `replaces=False` at once, the first wins for all.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        if replaces:
            unfinished.replace(path)
        else:
            with suppress(FileExistsError):
                path.hardlink_to(unfinished)
    finally:
        unfinished.unlink(missing_ok=True)


def generated_passwords(path: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Read the passwords kept at `path`; draw and keep those that are not there yet."""
    try:
        known: dict[str, str] = json.loads(path.read_bytes())
    except FileNotFoundError:
        known = {}
    missing = [name for name in names if name not in known]
    if missing:
        known |= {name: secrets.token_urlsafe(24) for name in missing}
        write_closed(path, json.dumps(known, indent=1).encode())
    return known
