"""Which processes a running PMS is made of: their names, their order, and the port of each."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from infra.embedded_postgres import free_port
from infra.errors import OperatorError
from infra.processes import ProcessName
from infra.settings import Settings

# Started in this order and stopped in the reverse one: writing ends first, its last events are
# still projected, and readers are served to the end.
START_ORDER = (ProcessName.READ, ProcessName.PROJECTOR, ProcessName.WRITE)


@dataclass(frozen=True)
class Member:
    """One process of a running PMS: what it is called, what it runs, where it answers."""

    name: str
    process: ProcessName
    host: str
    port: int

    @property
    def url(self) -> str:
        """Where it answers probes, and whatever else it serves."""
        return f"http://{self.host}:{self.port}"

    def settings(self, settings: Settings) -> Settings:
        """Give it the settings of all, with its own port."""
        return settings.model_copy(update={f"{self.process}_port": self.port})


def chosen_members(settings: Settings) -> list[Member]:
    """List the processes in the order they are started; each 0 becomes a free port.

    Raises:
        OperatorError: a port asked for is taken.
    """
    taken: set[int] = set()
    members = []
    for process in START_ORDER:
        port = _usable_port(settings, process, taken)
        taken.add(port)
        members.append(Member(process, process, settings.host, port))
    return members


def ports_in_use(members: Sequence[Member]) -> dict[str, int]:
    """Name the port of each process as a setting."""
    return {f"{member.process}_port": member.port for member in members}


def _usable_port(settings: Settings, process: ProcessName, taken: set[int]) -> int:
    port: int = getattr(settings, f"{process}_port") or free_port()
    while port in taken:
        port = free_port()
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, port))
    except OSError as error:
        raise OperatorError(
            f"{settings.host}:{port} cannot be used ({error.strerror}). "
            f"Choose another with --{process}-port; 0 takes any free one."
        ) from error
    return port
