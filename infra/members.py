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
# still relayed and projected, and readers are served to the end.
START_ORDER = (
    ProcessName.REGISTRY,
    ProcessName.READ,
    ProcessName.PROJECTOR,
    ProcessName.RELAY,
    ProcessName.DELIVERY,
    ProcessName.WRITE,
)
RELAYS = 2  # a leader, and a standby that takes over


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
        for number in range(1, how_many(settings, process) + 1):
            # The first answers where the settings say, the others anywhere.
            wanted: int = getattr(settings, f"{process}_port") if number == 1 else 0
            port = _usable_port(settings.host, wanted, taken, process)
            taken.add(port)
            name = f"{process}-{number}" if is_one_of_several(settings, process) else str(process)
            members.append(Member(name, process, settings.host, port))
    return members


def how_many(settings: Settings, process: ProcessName) -> int:
    """Count the processes of one kind that are wanted."""
    with_kafka = settings.feed == "kafka"
    match process:
        case ProcessName.REGISTRY:
            return int(with_kafka and settings.schema_registry_url is None)
        case ProcessName.RELAY:
            return RELAYS if with_kafka else 0
        case ProcessName.PROJECTOR:
            return settings.projector_members
        case ProcessName.WRITE:
            return settings.writers
        case ProcessName.READ:
            return 1
        case ProcessName.DELIVERY:
            return int(settings.alert_channels is not None)


def is_one_of_several(settings: Settings, process: ProcessName) -> bool:
    """Tell whether a kind of process is numbered: `projector-2`."""
    if process is ProcessName.WRITE:
        return settings.writers > 1
    shared = {ProcessName.PROJECTOR, ProcessName.RELAY}
    return settings.feed == "kafka" and process in shared


def ports_in_use(members: Sequence[Member]) -> dict[str, int]:
    """Name the port of each kind of process as a setting; of several, the first one's."""
    return {f"{member.process}_port": member.port for member in reversed(members)}


def _usable_port(host: str, wanted: int, taken: set[int], process: ProcessName) -> int:
    port = wanted or free_port()
    while port in taken:
        port = free_port()
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        option = {
            ProcessName.RELAY: "PMS_RELAY_PORT",
            ProcessName.REGISTRY: "PMS_REGISTRY_PORT",
            ProcessName.DELIVERY: "PMS_DELIVERY_PORT",
        }
        raise OperatorError(
            f"{host}:{port} cannot be used ({error.strerror}). "
            f"Choose another with {option.get(process, f'--{process}-port')}; 0 takes any free one."
        ) from error
    return port
