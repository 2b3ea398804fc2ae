"""Starting and stopping child processes so that none outlives its parent.

A child runs in a session of its own (a Ctrl-C in the terminal reaches only the parent, which stops
its children in order) and asks the kernel for a signal when the parent dies, however it dies.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from infra.stopping import signals_held

_PR_SET_PDEATHSIG = 1
# What servers and processes are stopped with. A shell makes whatever it starts with `&` deaf to two
# of them, children inherit that, and until a program has set its own handlers it stays so.
_ALWAYS_HEARD = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """The operating-system account a service runs under."""

    user_id: int
    group_id: int
    name: str


def service_account() -> Account | None:
    """Choose whom embedded servers run as: nobody when we are root, else ourselves (None).

    PostgreSQL refuses to run as root, and a server on a port needs no rights of root.
    """
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(user_id=entry.pw_uid, group_id=entry.pw_gid, name=entry.pw_name)


def start_child(
    arguments: Sequence[str | Path],
    *,
    death_signal: signal.Signals,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    output: IO[bytes] | int | None = None,
    error_output: IO[bytes] | int | None = subprocess.STDOUT,
    takes_input: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program that receives `death_signal` when the calling thread's process dies.

    The kernel watches the *thread* that starts the child: call this from one that lives as long
    as the child should, normally the main thread.
    """
    return subprocess.Popen(
        [str(argument) for argument in arguments],
        stdin=subprocess.PIPE if takes_input else subprocess.DEVNULL,
        stdout=output,
        stderr=error_output,
        cwd=directory,
        env=None if environment is None else dict(environment),
        user=None if account is None else account.user_id,
        group=None if account is None else account.group_id,
        extra_groups=None if account is None else [],
        start_new_session=True,
        # Runs after the change of user, which would otherwise clear the request again.
        preexec_fn=_death_request(death_signal),  # noqa: PLW1509 - system calls, no locks taken
    )


def run_child(
    arguments: Sequence[str | Path],
    *,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> tuple[int, str]:
    """Run a program to its end; return its status and what it said to its error output.

    If we are interrupted, the program and all it has started are gone before we go on.
    """
    process: subprocess.Popen[bytes] | None = None
    try:
        with signals_held():
            process = start_child(
                arguments,
                death_signal=signal.SIGTERM,
                account=account,
                environment=environment,
                directory=directory,
                output=subprocess.DEVNULL,
                error_output=subprocess.PIPE,
            )
        _, said = process.communicate()
    except BaseException:
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()  # the pipe closes with the last who could write to it
        raise
    return process.returncode, said.decode(errors="replace")


def _death_request(death_signal: signal.Signals) -> Callable[[], None]:
    parent = os.getpid()

    def ask_the_kernel() -> None:
        for number in _ALWAYS_HEARD:
            signal.signal(number, signal.SIG_DFL)
        if _LIBC is None:
            return
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # the parent died between fork and request
            os._exit(1)

    return ask_the_kernel


def stop_child(
    process: subprocess.Popen[bytes],
    *,
    first: signal.Signals = signal.SIGTERM,
    patience_seconds: float = 15.0,
) -> bool:
    """Ask a child to end with the signal `first`; kill it when its patience is over.

    Returns whether it ended by itself.
    """
    if process.poll() is None:
        process.send_signal(first)
    try:
        process.wait(timeout=patience_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True
