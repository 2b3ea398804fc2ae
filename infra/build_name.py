"""The name of the running build, which every event records."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@cache
def build_name() -> str:
    """Name version, commit and whether the tree was changed, like `0.1.0+1a2b3c4d5e6f.dirty`."""
    try:
        released = version("pms")
    except PackageNotFoundError:
        released = "0"
    commit = _git("rev-parse", "--short=12", "HEAD")
    if not commit:
        return released
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return f"{released}+{commit}{'.dirty' if changed else ''}"


def _git(*arguments: str) -> str:
    try:
        answer = subprocess.run(
            ["git", "-C", str(ROOT), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
