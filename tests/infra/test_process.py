"""A process started alone, without the command line around it."""

from __future__ import annotations

import os
import subprocess
import sys

from infra.running import process_command_line

LOADED = "import sys, infra.process; print('typer' in sys.modules, 'infra.cli' in sys.modules)"


class TestAProcess:
    """What the supervisor starts, and starts again."""

    def test_loads_no_command_line(self) -> None:
        """It is back the sooner."""
        loaded = subprocess.run(
            [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
        )

        assert loaded.stdout == "False False\n"

    def test_says_in_one_sentence_what_an_operator_can_mend(self) -> None:
        """Without an address of PostgreSQL, with status 1."""
        environment = {name: text for name, text in os.environ.items() if name[:4] != "PMS_"}

        ended = subprocess.run(
            process_command_line("write"),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

        assert ended.returncode == 1
        assert "pms: No PostgreSQL address." in ended.stderr
        assert "Traceback" not in ended.stderr
