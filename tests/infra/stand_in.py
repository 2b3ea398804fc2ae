"""Small stand-ins for the three processes, and an `up` made of them: the supervisor is real.

`python -m tests.infra.stand_in process NAME` answers probes until SIGTERM; with a file
`NAME.broken` in the data directory it ends at once. `… up DIRECTORY [NAME ...]` is `pms up` with
these; the processes named are the real ones.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from infra.errors import OperatorError
from infra.probe_server import Readiness, probe_server
from infra.running import StopRequested, process_command_line, running_system
from infra.settings import Settings, load_settings
from infra.stopping import stop_signals


def command_line(name: str, real: Sequence[str] = ()) -> list[str]:
    """Say how a stand-in, or the real process, is started."""
    if name in real:
        return process_command_line(name)
    return [sys.executable, "-m", "tests.infra.stand_in", "process", name]


def run_process(name: str, settings: Settings) -> None:
    """Answer probes until SIGTERM, and write down that the end was an orderly one."""
    if (settings.data / f"{name}.broken").exists():
        sys.exit("broken on purpose")
    port = getattr(settings, f"{name}_port")
    assert settings.app_conninfo
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    with probe_server(
        host=settings.host, port=port, readiness=lambda: Readiness(True, {"name": name})
    ):
        stopped.wait()
    with (settings.data / "ends").open("a", encoding="utf-8") as ends:
        ends.write(f"{name}\n")


def say(stream: TextIO, sentence: str) -> None:
    """Write one line at once."""
    stream.write(f"{sentence}\n")
    stream.flush()


def run_up(directory: Path, real: Sequence[str]) -> None:
    """Run the whole system until a signal; say `ready` on standard output."""
    settings = load_settings(data=directory, write_port=0, read_port=0, projector_port=0)
    with stop_signals() as stop:
        try:
            with running_system(
                settings,
                say=lambda sentence: say(sys.stderr, sentence),
                stop=stop,
                command_line=lambda name: command_line(name, real),
            ):
                say(sys.stdout, "ready")
                stop.wait()
        except StopRequested:
            pass


if __name__ == "__main__":
    try:
        if sys.argv[1] == "process":
            run_process(sys.argv[2], load_settings())
        else:
            run_up(Path(sys.argv[2]), sys.argv[3:])
    except OperatorError as error:
        sys.exit(str(error))
