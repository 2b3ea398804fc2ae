"""Which processes a running PMS is made of: their names, their order, and the port of each."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

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


@contextmanager
def chosen_members(settings: Settings) -> Iterator[list[Member]]:
    """List the processes in the order they are started; each 0 becomes a free port.

    The ports are kept for them until the end. A port that is only looked up is anybody's again:
    a client's connection can be given it while its process is starting, or down.

    Raises:
        OperatorError: a port asked for is taken.
    """
    with ExitStack() as kept:
        members: list[Member] = []
        for name, process, wanted in _wishes(settings):
            taken = {member.port for member in members}
            port = kept.enter_context(_kept_port(settings.host, wanted, taken, process))
            members.append(Member(name, process, settings.host, port.getsockname()[1]))
        yield sorted(members, key=lambda member: START_ORDER.index(member.process))


def _wishes(settings: Settings) -> list[tuple[str, ProcessName, int]]:
    """Name each member, its process and the port it wants; who takes any (0) comes last."""
    wishes = []
    for process in START_ORDER:
        for number in range(1, how_many(settings, process) + 1):
            # The first answers where the settings say, the others anywhere.
            wanted: int = getattr(settings, f"{process}_port") if number == 1 else 0
            name = f"{process}-{number}" if is_one_of_several(settings, process) else str(process)
            wishes.append((name, process, wanted))
    return sorted(wishes, key=lambda wish: wish[2] == 0)


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


def _kept_port(host: str, wanted: int, taken: set[int], process: ProcessName) -> socket.socket:
    """Bind a port and do not listen: it is given to nobody else, and its process can listen there.

    Linux lets two sockets that both allow it (SO_REUSEADDR, as every server of ours does) share an
    address while only one listens, and gives a bound port to nobody who asks for any free one.
    """
    port = socket.socket()
    try:
        # Two members of ours do not share one.
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, wanted not in taken)
        port.bind((host, wanted))
    except OSError as error:
        port.close()
        option = {
            ProcessName.RELAY: "PMS_RELAY_PORT",
            ProcessName.REGISTRY: "PMS_REGISTRY_PORT",
            ProcessName.DELIVERY: "PMS_DELIVERY_PORT",
        }
        raise OperatorError(
            f"{host}:{wanted} cannot be used ({error.strerror}). "
            f"Choose another with {option.get(process, f'--{process}-port')}; 0 takes any free one."
        ) from error
    return port
