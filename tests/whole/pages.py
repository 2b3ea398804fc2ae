"""Pages whose snippets are run: fenced blocks in the order they stand, each with its output.

A `sh` block is run by bash, a `python` block in one namespace with all before it; a `text` or
`json` block that follows one of them is what it prints, where `…` stands for anything.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import REPOSITORY

_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = ("sh", "python")
BLOCK_SECONDS_MAX = 120
TOKENS = {"TOKEN", "MARKET", "OFFICE"}
"""What a `sh` block may leave in the environment for the `python` blocks behind it."""


class Snippet(NamedTuple):
    """Something to run, and what it prints; None where the page does not say."""

    language: str
    text: str
    line: int
    prints: str | None


def snippets(page: str) -> list[Snippet]:
    """Find what a page has to be run, in its order."""
    found: list[Snippet] = []
    for block in _FENCED.finditer(page):
        language, text = block.group(1), block.group(2)
        if language in RUN:
            found.append(Snippet(language, text, page.count("\n", 0, block.start()) + 2, None))
        elif found and found[-1].prints is None:
            found[-1] = found[-1]._replace(prints=text)
    return found


class Reader:
    """Somebody who does what a page says: `replaced` are words of it that are others here."""

    def __init__(self, folder: Path, replaced: Mapping[str, str], data: Path) -> None:
        self._folder = folder
        self._replaced = replaced
        self._namespace: dict[str, Any] = {"__name__": "page"}
        self._environment = {
            name: text for name, text in os.environ.items() if not name.startswith("PMS_")
        } | {"PMS_DATA": str(data), "PYTHONPATH": str(REPOSITORY)}
        pms = f'pms() {{ {sys.executable} -m infra.cli "$@"; }}\n'
        (self._folder / "state").write_text(pms, encoding="utf-8")

    def do(self, snippet: Snippet) -> None:
        """Run one snippet and compare what it prints."""
        text = snippet.text
        for word, other in self._replaced.items():
            text = text.replace(word, other)
        printed = self._run_python(text, snippet.line) if snippet.language == "python" else None
        printed = self._run_shell(text) if printed is None else printed
        if snippet.prints is not None:
            pattern = re.escape(snippet.prints).replace("…", ".*?")
            assert re.fullmatch(pattern, printed), f"line {snippet.line} prints:\n{printed}"

    def _run_python(self, text: str, line: int) -> str:
        printed = io.StringIO()
        code = compile("\n" * (line - 1) + text, "the page", "exec")
        with redirect_stdout(printed):
            exec(code, self._namespace)  # noqa: S102 - the page is ours
        return printed.getvalue()

    def _run_shell(self, text: str) -> str:
        """Run a block with the variables and functions of those before it, and keep its own."""
        state, left = self._folder / "state", self._folder / "environment"
        script = (
            f"set -aeuo pipefail\n. {state}\n{text}\n"
            f"{{ declare -f; export -p; }} > {state}\nenv -0 > {left}\n"
        )
        ended = subprocess.run(
            ["bash", "-c", script],
            cwd=REPOSITORY,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=BLOCK_SECONDS_MAX,
            check=False,
        )
        assert ended.returncode == 0, f"{text}\n{ended.stdout}\n{ended.stderr}"
        known = (each.partition("=") for each in left.read_text(encoding="utf-8").split("\0"))
        os.environ.update({n: value for n, _, value in known if n in TOKENS})
        return ended.stdout
